"""A case: one question with its messages, its states and the moves between them (`product.md` section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from triage.core.assessment import Band, Urgency
from triage.errors import NotAllowed


class CaseState(StrEnum):
    NEW = "new"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    ANSWERED = "answered"
    CLOSED = "closed"
    NO_REPLY_NEEDED = "no_reply_needed"


class WaitingFor(StrEnum):
    """Only waiting for the sender pauses the clock."""

    SENDER = "sender"
    BODY = "body"
    EXPERT_TEAM = "expert_team"


class LinkKind(StrEnum):
    """Why two cases may belong together. `conversation`: the first names the second; accepted, its messages move there.
    `same_client`: different senders may write about one person; accepted, one person handles both."""

    CONVERSATION = "conversation"
    SAME_CLIENT = "same_client"


class LinkState(StrEnum):
    """A machine proposes, a person decides. `refused` holds for good."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REFUSED = "refused"


OPEN_STATES: frozenset[CaseState] = frozenset({CaseState.NEW, CaseState.IN_PROGRESS, CaseState.WAITING})

MOVES: Mapping[CaseState, frozenset[CaseState]] = {
    CaseState.NEW: frozenset(
        {
            CaseState.IN_PROGRESS,
            CaseState.WAITING,
            CaseState.ANSWERED,
            CaseState.CLOSED,
            CaseState.NO_REPLY_NEEDED,
        }
    ),
    CaseState.IN_PROGRESS: frozenset(
        {CaseState.WAITING, CaseState.ANSWERED, CaseState.CLOSED, CaseState.NO_REPLY_NEEDED}
    ),
    CaseState.WAITING: frozenset(
        {CaseState.IN_PROGRESS, CaseState.ANSWERED, CaseState.CLOSED, CaseState.NO_REPLY_NEEDED}
    ),
    CaseState.ANSWERED: frozenset({CaseState.IN_PROGRESS, CaseState.CLOSED}),
    CaseState.CLOSED: frozenset({CaseState.IN_PROGRESS}),
    CaseState.NO_REPLY_NEEDED: frozenset({CaseState.IN_PROGRESS, CaseState.NEW}),
}


def move(current: CaseState, to: CaseState) -> CaseState:
    """`to`, when the table of moves allows it; raises NotAllowed otherwise. Staying is always allowed."""
    if to is not current and to not in MOVES[current]:
        raise NotAllowed(f"a case cannot go from {current} to {to}")
    return to


def state_after_sender_wrote(current: CaseState, *, taken_up: bool) -> CaseState:
    """A new message from the sender reopens waiting, answered, closed and no_reply_needed."""
    if current in (CaseState.NEW, CaseState.IN_PROGRESS):
        return current
    if current is CaseState.NO_REPLY_NEEDED and not taken_up:
        return CaseState.NEW
    return CaseState.IN_PROGRESS


@dataclass(frozen=True, slots=True)
class Counting:
    """Where the terms of a case are counted from, so that another calendar can count them again.

    `answer_from` lies on day 0 of the answer term, which has `answer_days` working days (fewer than three after a
    pause). `take_up_from` lies on day 0 of the take-up term, None when there is none.
    """

    answer_from: datetime
    answer_days: int
    take_up_from: datetime | None


@dataclass(frozen=True, slots=True)
class Case:
    """The facts of a case that decisions need. Times are aware UTC.

    `reference` is `JL-2026-00042`, `check_code` the two characters of its subject token.
    `arrived_at` is the arrival that started the running clock (server time, not fetch time).
    `paused_ends_left` is the number of working-day ends kept while waiting for the sender, else None.
    `promised_for` is the answer moment that our last acknowledgement or correction names, delivered or not; None when
    neither was written. What the sender knows of it: `core.promises`.
    """

    id: str
    reference: str
    check_code: str
    state: CaseState
    band: Band
    urgency: Urgency
    danger: bool
    laws: tuple[str, ...]
    arrived_at: datetime
    answer_due: datetime
    take_up_due: datetime | None
    at_risk_at: datetime
    counting: Counting
    taken_up_at: datetime | None = None
    waiting_for: WaitingFor | None = None
    paused_ends_left: int | None = None
    promised_for: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    assignee: str | None = None
    version: int = 1

    @property
    def subject_token(self) -> str:
        """`[JL-2026-00042-K7]`, as it stands in the subject of what we send."""
        return f"[{self.reference}-{self.check_code}]"
