"""What `verify` and `report ledger` read: the whole ledger beside messages, cases, acknowledgements and outbox.

Read-only. The sealed values are opened one by one, in pages, so that a large store needs no more memory than a small
one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, and_, exists, func, or_, select, text, true

from triage.adapters.database import translated
from triage.adapters.rows import Sealer, from_json
from triage.adapters.tables import (
    acknowledgements,
    case_links,
    cases,
    folders,
    ledger,
    messages,
    outbox,
    promises,
    quarantine,
)
from triage.core.case import LinkKind, LinkState
from triage.core.mail import LedgerOutcome
from triage.errors import SealError
from triage.ports import AcknowledgementFact, FolderLedger, LedgerFact, OutboxFacts, SealedFacts

_PAGE = 100
_SAMPLE = 50  # so many offenders are named; all are counted

_ROW_OF_MESSAGE = and_(
    ledger.c.folder == messages.c.folder,
    ledger.c.uidvalidity == messages.c.uidvalidity,
    ledger.c.uid == messages.c.uid,
)
_LINKED = exists().where(
    or_(case_links.c.case_id == cases.c.id, case_links.c.other_id == cases.c.id),
    case_links.c.kind == LinkKind.CONVERSATION,
    case_links.c.state == LinkState.ACCEPTED,
)  # a person joined two cases: their mails are one conversation, each was acknowledged
_FROM_MAIL = cases.c.channel == "mail"


def _contradictions() -> Mapping[str, tuple[Select[Any], ColumnElement[Any]]]:
    """What must not be: name → (select of the offenders, the column that names them)."""
    taken_in = ledger.c.outcome.in_((LedgerOutcome.CASE, LedgerOutcome.FOLLOW_UP))
    origin = and_(ledger.c.outcome == LedgerOutcome.CASE, ledger.c.case_id == cases.c.id)
    twice = (
        select(ledger.c.case_id)
        .where(ledger.c.outcome == LedgerOutcome.CASE)
        .group_by(ledger.c.case_id)
        .having(func.count() > 1)
    )
    several = (
        select(outbox.c.case_id)
        .where(outbox.c.kind == "acknowledgement")
        .group_by(outbox.c.case_id)
        .having(func.count() > 1)
    )
    named = cases.c.reference
    promise_of_mail = and_(promises.c.outbox_id == outbox.c.id, promises.c.case_id == outbox.c.case_id)
    return {
        "ledger_without_message": (
            select(ledger.c.uid).where(
                or_(
                    and_(taken_in, ledger.c.message_id.is_(None)),
                    and_(ledger.c.message_id.is_not(None), ~exists().where(messages.c.id == ledger.c.message_id)),
                )
            ),
            ledger.c.uid,
        ),
        "ledger_without_case": (
            select(ledger.c.uid).where(
                or_(
                    and_(taken_in, ledger.c.case_id.is_(None)),
                    and_(ledger.c.case_id.is_not(None), ~exists().where(cases.c.id == ledger.c.case_id)),
                )
            ),
            ledger.c.uid,
        ),
        "messages_without_ledger": (
            select(messages.c.uid).where(messages.c.direction == "in", ~exists().where(_ROW_OF_MESSAGE)),
            messages.c.uid,
        ),
        "cases_without_message": (
            select(named).where(
                _FROM_MAIL, ~_LINKED, ~exists().where(messages.c.case_id == cases.c.id, messages.c.direction == "in")
            ),
            named,
        ),
        "cases_without_first_mail": (select(named).where(_FROM_MAIL, ~_LINKED, ~exists().where(origin)), named),
        "cases_of_two_mails": (select(named).where(~_LINKED, cases.c.id.in_(twice)), named),
        "cases_without_acknowledgement": (
            select(named).where(_FROM_MAIL, ~exists().where(acknowledgements.c.case_id == cases.c.id)),
            named,
        ),
        "cases_acknowledged_twice": (select(named).where(cases.c.id.in_(several)), named),
        "acknowledgements_without_mail": (
            select(named)
            .join(acknowledgements, acknowledgements.c.case_id == cases.c.id)
            .where(
                acknowledgements.c.outbox_id.is_not(None),
                ~exists().where(
                    outbox.c.id == acknowledgements.c.outbox_id,
                    outbox.c.kind == "acknowledgement",
                    outbox.c.case_id == acknowledgements.c.case_id,
                ),
            ),
            named,
        ),
        "mails_without_acknowledgement_row": (
            select(outbox.c.id).where(
                outbox.c.kind == "acknowledgement", ~exists().where(acknowledgements.c.outbox_id == outbox.c.id)
            ),
            outbox.c.id,
        ),
        "corrections_without_promise": (
            select(outbox.c.id).where(outbox.c.kind == "correction", ~exists().where(promise_of_mail)),
            outbox.c.id,
        ),
        "promises_without_mail": (
            select(named)
            .join(promises, promises.c.case_id == cases.c.id)
            .where(~exists().where(promise_of_mail, outbox.c.kind == "correction")),
            named,
        ),
    }


class SqlProof:
    """Part of the store; made by it."""

    def __init__(self, engine: Engine, sealer: Sealer) -> None:
        self._reader = engine.execution_options(readonly=True)
        self._sealer = sealer

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with translated(), self._reader.connect() as connection:
            yield connection

    # ---------------------------------------------------------------- ledger

    def folders(self) -> Sequence[FolderLedger]:
        """Every folder and UIDVALIDITY the ledger knows, by name."""
        with self._reading() as db:
            rows = db.execute(
                select(ledger.c.folder, ledger.c.uidvalidity, ledger.c.outcome, ledger.c.present, func.count())
                .group_by(ledger.c.folder, ledger.c.uidvalidity, ledger.c.outcome, ledger.c.present)
                .order_by(ledger.c.folder, ledger.c.uidvalidity)
            ).all()
            sums = {(row.folder, row.uidvalidity): row.entries_present for row in db.execute(select(folders))}
            open_ = db.execute(
                select(ledger.c.folder, ledger.c.uidvalidity, ledger.c.uid)
                .where(ledger.c.outcome.is_(None))
                .order_by(ledger.c.uid)
            ).all()
        found: dict[tuple[str, int], tuple[Counter[str], int]] = {}
        for folder, uidvalidity, outcome, present, count in rows:
            outcomes, here = found.get((folder, uidvalidity), (Counter(), 0))
            if outcome is not None:
                outcomes[outcome] += count
            found[folder, uidvalidity] = (outcomes, here + (count if present else 0))
        return [
            FolderLedger(
                folder=folder,
                uidvalidity=uidvalidity,
                outcomes={outcome.value: outcomes[outcome] for outcome in LedgerOutcome},
                unaccounted=tuple(row.uid for row in open_ if (row.folder, row.uidvalidity) == (folder, uidvalidity)),
                present=present,
                noted_present=sums.get((folder, uidvalidity), 0),
            )
            for (folder, uidvalidity), (outcomes, present) in found.items()
        ]

    def uids(self, folder: str, uidvalidity: int) -> tuple[frozenset[int], frozenset[int]]:
        """(UIDs that have an entry, UIDs noted as gone) of one folder."""
        where = (ledger.c.folder == folder) & (ledger.c.uidvalidity == uidvalidity)
        with self._reading() as db:
            rows = db.execute(select(ledger.c.uid, ledger.c.outcome).where(where)).all()
        return frozenset(row.uid for row in rows), frozenset(
            row.uid for row in rows if row.outcome == LedgerOutcome.GONE
        )

    def contradictions(self) -> Mapping[str, tuple[int, Sequence[str]]]:
        """For each thing that must not be: how many, and the first of them by UID, reference or id."""
        found: dict[str, tuple[int, Sequence[str]]] = {}
        with self._reading() as db:
            for name, (offenders, column) in _contradictions().items():
                count = db.execute(select(func.count()).select_from(offenders.subquery())).scalar_one()
                sample = db.execute(offenders.order_by(column).limit(_SAMPLE)).scalars() if count else ()
                found[name] = (count, tuple(str(one) for one in sample))
        return found

    # ---------------------------------------------------------------- sealed values

    def sealed(self, progress: Callable[[int, int], None]) -> SealedFacts:
        """Opens every sealed mail and hashes the received ones again. `progress` gets (done, of how many)."""
        with self._reading() as db:
            total = sum(
                db.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (messages, cases, outbox, quarantine)
            )
        done = hashed = 0
        wrong: list[str] = []
        unreadable: list[str] = []
        for table, columns in ((messages, ("raw", "view")), (cases, ("labels",)), (outbox, ("raw",))):
            for row in self._rows(table):
                done += 1
                progress(done, total)
                values = {name: self._open(table, row, name, unreadable) for name in columns}
                raw = values.get("raw")
                if table is messages and row.direction == "in" and row.erased_at is None:
                    if raw is None:
                        if row.raw is None:
                            unreadable.append(f"messages {row.id} raw: missing")
                        continue
                    hashed += 1
                    if self._sealer.keyring.lookup(hashlib.sha256(raw).hexdigest()) != row.content_key:
                        wrong.append(row.id)
        for row in self._rows(quarantine):
            done += 1
            progress(done, total)
            self._open(quarantine, row, "raw", unreadable)
        return SealedFacts(opened=done, hashed=hashed, changed=tuple(wrong), unreadable=tuple(unreadable))

    def _rows(self, table: Table) -> Iterator[Any]:
        """All rows by id, in pages: no transaction stays open while values are opened."""
        last = ""
        while True:
            with self._reading() as db:
                page = db.execute(select(table).where(table.c.id > last).order_by(table.c.id).limit(_PAGE)).all()
            if not page:
                return
            yield from page
            last = page[-1].id

    def _open(self, table: Table, row: Any, column: str, unreadable: list[str]) -> bytes | None:
        sealed = getattr(row, column)
        if sealed is None:
            return None
        try:
            return self._sealer.open_bytes(sealed, table, row.id, column)
        except SealError:
            unreadable.append(f"{table.name} {row.id} {column}")
            return None

    # ---------------------------------------------------------------- outbox and database

    def outbox(self, *, now: datetime) -> OutboxFacts:
        sending = outbox.c.state == "sending"
        no_lease = or_(outbox.c.leased_until.is_(None), outbox.c.owner.is_(None))
        with self._reading() as db:
            counted = db.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state)).all()
            without = db.execute(select(outbox.c.id).where(sending, no_lease).order_by(outbox.c.id)).scalars().all()
            over = db.execute(select(outbox.c.id).where(sending, outbox.c.leased_until <= now)).scalars().all()
        return OutboxFacts(dict(sorted((row[0], row[1]) for row in counted)), tuple(without), tuple(over))

    def damage(self) -> Sequence[str]:
        """What SQLite's own check finds; nothing on PostgreSQL, which checks its pages itself."""
        with self._reading() as db:
            if db.dialect.name != "sqlite":
                return ()
            found = [str(row[0]) for row in db.execute(text("PRAGMA quick_check(20)"))]
            found += [f"{row[0]} has a row without its parent" for row in db.execute(text("PRAGMA foreign_key_check"))]
        return tuple(line for line in found if line != "ok")

    # ---------------------------------------------------------------- report

    def ledger_facts(self, begin: datetime | None, end: datetime | None) -> Iterator[LedgerFact]:
        """Every entry of the ledger whose mail arrived from `begin` until before `end`, by arrival."""
        arrived = func.coalesce(messages.c.internal_date, quarantine.c.internal_date, ledger.c.seen_at)
        here = and_(
            quarantine.c.folder == ledger.c.folder,
            quarantine.c.uidvalidity == ledger.c.uidvalidity,
            quarantine.c.uid == ledger.c.uid,
        )
        statement = (
            select(
                arrived.label("arrived"), ledger.c.folder, ledger.c.uid, ledger.c.outcome, ledger.c.rule,
                messages.c.id.label("message_id"), messages.c.kind, messages.c.view, cases.c.reference,
                acknowledgements.c.at, acknowledgements.c.reasons, acknowledgements.c.promised_for,
                acknowledgements.c.promised_take_up,
                outbox.c.id.label("outbox_id"), outbox.c.state, outbox.c.sent_at, outbox.c.reply_code,
                outbox.c.envelope,
            )
            .select_from(
                ledger.outerjoin(messages, messages.c.id == ledger.c.message_id)
                .outerjoin(quarantine, here)
                .outerjoin(cases, cases.c.id == ledger.c.case_id)
                .outerjoin(
                    acknowledgements,
                    and_(acknowledgements.c.case_id == cases.c.id, ledger.c.outcome == LedgerOutcome.CASE),
                )
                .outerjoin(outbox, outbox.c.id == acknowledgements.c.outbox_id)
            )
            .where(true() if begin is None else arrived >= begin, true() if end is None else arrived < end)
            .order_by(arrived, ledger.c.folder, ledger.c.uidvalidity, ledger.c.uid)
            .execution_options(yield_per=_PAGE)
        )  # fmt: skip
        with self._reading() as db:
            for row in db.execute(statement):
                yield LedgerFact(
                    arrived=row.arrived,
                    folder=row.folder,
                    uid=row.uid,
                    outcome=row.outcome or "",
                    kind=row.kind or "",
                    rule=row.rule,
                    reference=row.reference or "",
                    acknowledgement=self._acknowledgement(row) if row.reasons is not None else None,
                )

    def _acknowledgement(self, row: Any) -> AcknowledgementFact:
        reasons = tuple(from_json(row.reasons))
        to = ""
        if row.outbox_id is not None:
            to = self._sealer.open_json(row.envelope, outbox, row.outbox_id, "envelope").get("forward_path", "")
        elif reasons == ("shadow_mode",) and row.message_id is not None:
            writers = self._sealer.open_json(row.view, messages, row.message_id, "view").get("from") or [["", ""]]
            to = writers[0][1]
        return AcknowledgementFact(
            state=row.state or "withheld",
            reasons=reasons,
            to=to,
            decided_at=row.at,
            promised_for=row.promised_for,
            promised_take_up=row.promised_take_up,
            sent_at=row.sent_at,
            reply_code=row.reply_code,
        )
