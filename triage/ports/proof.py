"""What `verify` and the reports ask of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FolderLedger:
    """One folder in the ledger, under one UIDVALIDITY. `noted_present` is the kept sum that polls rely on."""

    folder: str
    uidvalidity: int
    outcomes: Mapping[str, int]
    unaccounted: tuple[int, ...]
    present: int
    noted_present: int


@dataclass(frozen=True, slots=True)
class SealedFacts:
    """What opening every sealed mail showed. `changed`: the content hash is not that of the arrival (message ids)."""

    opened: int
    hashed: int
    changed: tuple[str, ...]
    unreadable: tuple[str, ...]  # table, id and column


@dataclass(frozen=True, slots=True)
class OutboxFacts:
    states: Mapping[str, int]
    sending_without_lease: tuple[str, ...]
    sending_lease_over: tuple[str, ...]  # the next relay makes them uncertain


@dataclass(frozen=True, slots=True)
class AcknowledgementFact:
    """`state` is the outbox state, or "withheld". `to`: the address it went to, or would have in live mode."""

    state: str
    reasons: tuple[str, ...]
    to: str
    decided_at: datetime
    promised_for: datetime | None
    promised_take_up: datetime | None
    sent_at: datetime | None
    reply_code: int | None


@dataclass(frozen=True, slots=True)
class LedgerFact:
    """One mail in the ledger. `arrived`: INTERNALDATE; of mail that could not be read, when it was first seen."""

    arrived: datetime
    folder: str
    uid: int
    outcome: str  # "" when unaccounted
    kind: str
    rule: str
    reference: str
    acknowledgement: AcknowledgementFact | None


class Proof(Protocol):
    """Reads everything, for `verify` and `report ledger`; never takes a write lock."""

    def folders(self) -> Sequence[FolderLedger]: ...
    def uids(self, folder: str, uidvalidity: int) -> tuple[frozenset[int], frozenset[int]]:
        """(UIDs that have an entry, UIDs noted as gone)."""

    def contradictions(self) -> Mapping[str, tuple[int, Sequence[str]]]:
        """For each thing that must not be: how many, and the first of them by UID, reference or id."""

    def sealed(self, progress: Callable[[int, int], None]) -> SealedFacts: ...
    def outbox(self, *, now: datetime) -> OutboxFacts: ...
    def damage(self) -> Sequence[str]:
        """What the database's own check finds."""

    def ledger_facts(self, begin: datetime | None, end: datetime | None) -> Iterator[LedgerFact]:
        """Mail that arrived from `begin` until before `end`, by arrival."""
