"""The read side: work list, supervision, operation. Read-only transactions, never a write lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, literal, or_, select, true

from triage.adapters.case_pages import OUTBOX_COLUMNS, SETTLED, outbox_row, read_case_page
from triage.adapters.day_lists import read_last_alerts, read_last_digest, read_notices_ending
from triage.adapters.knowledge_queries import KnowledgeQueries
from triage.adapters.rows import from_json, to_json
from triage.adapters.same_clients import read_same_client
from triage.adapters.sla_facts import read_sla_facts
from triage.adapters.tables import (
    STOPPED,
    acknowledgement_minutes,
    acknowledgements,
    case_topics,
    cases,
    drafts,
    jobs,
    ledger,
    messages,
    outbox,
    quarantine,
    secure_notices,
    users,
)
from triage.adapters.views import ENDED, NO_REPLY_NEEDED, PAUSED, laws_of
from triage.core.assessment import LAWS, Band, Urgency
from triage.core.case import CaseState, WaitingFor
from triage.core.mail import LedgerOutcome, MessageKind, NoReplyReason
from triage.core.names import poses_as_other
from triage.core.sla import ClockState
from triage.core.workdays import local_date, start_of
from triage.errors import NotFound
from triage.ports import (
    AcknowledgementView,
    AlertRow,
    CaseFilter,
    CasePage,
    CaseRow,
    GoLive,
    JobHealth,
    LedgerSummary,
    OutboxRow,
    QuarantineRow,
    SameClient,
    SlaFact,
    Supervision,
)

_IS_OPEN = cases.c.place <= PAUSED
_PAUSED = and_(cases.c.state == CaseState.WAITING, cases.c.waiting_for == WaitingFor.SENDER)
_NOT_TAKEN_UP = and_(cases.c.take_up_due.is_not(None), cases.c.taken_up_at.is_(None))
_ORDER = (cases.c.place, cases.c.place_at, cases.c.id)
_OPEN_BEFORE = (
    select(func.min(secure_notices.c.open_before))
    .where(secure_notices.c.case_id == cases.c.id, secure_notices.c.opened_at.is_(None))
    .scalar_subquery()
)


def clock_state_column(now: datetime) -> ColumnElement[str]:
    """`core.sla.clock_state` in SQL; a test compares the two."""
    ended_at = func.coalesce(cases.c.answered_at, cases.c.ended_at)
    return case(
        (
            cases.c.place > PAUSED,
            case(
                (or_(ended_at.is_(None), ended_at <= cases.c.answer_due), ClockState.MET.value),
                else_=ClockState.MET_LATE.value,
            ),
        ),
        (
            _PAUSED,
            case((cases.c.paused_ends_left == 0, ClockState.BREACHED.value), else_=ClockState.ON_TIME.value),
        ),
        (
            or_(cases.c.answer_due < now, and_(_NOT_TAKEN_UP, cases.c.take_up_due < now)),
            ClockState.BREACHED.value,
        ),
        (cases.c.at_risk_at <= now, ClockState.AT_RISK.value),
        else_=ClockState.ON_TIME.value,
    )


def _clock_filters(now: datetime, today_ends: datetime) -> Mapping[str, ColumnElement[bool]]:
    """What each number of Toezicht counts; the list behind a number uses the same condition."""
    state = clock_state_column(now)
    due_today = and_(
        ~_PAUSED,
        or_(
            cases.c.answer_due.between(now, today_ends),
            and_(_NOT_TAKEN_UP, cases.c.take_up_due.between(now, today_ends)),
        ),
        state != ClockState.BREACHED.value,
    )
    return {
        "due_today": due_today,
        "at_risk": state == ClockState.AT_RISK.value,
        "breached": state == ClockState.BREACHED.value,
        "urgent_not_taken_up": _NOT_TAKEN_UP,
        "take_up_breached": and_(_NOT_TAKEN_UP, cases.c.take_up_due < now, ~_PAUSED),
    }


def _conditions(wanted: CaseFilter, now: datetime) -> list[ColumnElement[bool]]:
    which: Mapping[str, ColumnElement[bool]] = {
        "open": _IS_OPEN,
        "ended": cases.c.place == ENDED,
        "no_reply_needed": cases.c.place == NO_REPLY_NEEDED,
        "all": true(),
    }
    found = [which[wanted.which]]
    if wanted.law in LAWS:
        found.append(cases.c[f"law_{wanted.law}"].is_(True))
    elif wanted.law:
        found.append(literal(False))
    if wanted.urgency:
        found.append(cases.c.urgency == wanted.urgency)
    if wanted.state:
        found.append(cases.c.state == wanted.state)
    if wanted.topic:
        found.append(cases.c.id.in_(select(case_topics.c.case_id).where(case_topics.c.topic == wanted.topic)))
    if wanted.mine:
        found.append(cases.c.assignee_id == wanted.mine)
    if wanted.unassigned:
        found.append(cases.c.assignee_id.is_(None))
    if wanted.clock:
        midnight = start_of(local_date(now) + timedelta(days=1))
        found += [_IS_OPEN, _clock_filters(now, midnight)[wanted.clock]]
    return found


class SqlQueries(KnowledgeQueries):
    # ---------------------------------------------------------------- cases

    def worklist(self, wanted: CaseFilter, *, now: datetime) -> tuple[Sequence[CaseRow], int]:
        """Raises KeyError for an unknown `which` or `clock`. A page past the end is empty."""
        conditions = _conditions(wanted, now)
        offset = (max(1, wanted.page) - 1) * wanted.page_size
        with self._reading() as db:
            total: int = db.execute(select(func.count()).select_from(cases).where(*conditions)).scalar_one()
            ids = self._page_of_ids(db, conditions, offset, wanted.page_size, total)
            if not ids:
                return [], total
            rows = db.execute(
                select(
                    cases,
                    clock_state_column(now).label("clock"),
                    users.c.display_name,
                    _OPEN_BEFORE.label("open_before"),
                )
                .select_from(cases.outerjoin(users, users.c.id == cases.c.assignee_id))
                .where(cases.c.id.in_(ids))
                .order_by(*_ORDER)
            ).all()
        return [self._case_row(row) for row in rows], total

    def _page_of_ids(
        self, db: Connection, conditions: Sequence[ColumnElement[bool]], offset: int, size: int, total: int
    ) -> list[str]:
        """Ids of one page, read from the nearer end of the index; in that order or its reverse."""
        size = min(size, total - offset)
        if size <= 0:
            return []
        statement: Select[Any] = select(cases.c.id).where(*conditions).limit(size)
        if offset <= total // 2:
            statement = statement.order_by(*_ORDER).offset(offset)
        else:
            statement = statement.order_by(*(column.desc() for column in _ORDER)).offset(total - offset - size)
        return list(db.execute(statement).scalars())

    def _case_row(self, row: Row[Any]) -> CaseRow:
        labels = self._sealer.open_json(row.labels, cases, row.id, "labels")
        name, address = labels.get("name", ""), labels.get("address", "")
        return CaseRow(
            reference=row.reference,
            subject=labels.get("subject", ""),
            contact=address if not name or poses_as_other(name, address) else name,
            state=CaseState(row.state),
            waiting_for=WaitingFor(row.waiting_for) if row.waiting_for else None,
            laws=laws_of(row),
            laws_unclear=row.laws_unclear,
            urgency=Urgency(row.urgency),
            band=Band(row.band),
            danger=row.danger,
            topics=tuple(from_json(row.topics)),
            arrived_at=row.arrived_at,
            take_up_due=row.take_up_due,
            answer_due=row.answer_due,
            taken_up_at=row.taken_up_at,
            assignee=row.display_name,
            clock_state=row.clock,
            kind=MessageKind(row.kind),
            open_before=row.open_before,
        )

    def supervision(self, *, now: datetime, today_ends: datetime) -> Supervision:
        filters = _clock_filters(now, today_ends)
        counted = ("due_today", "at_risk", "breached", "urgent_not_taken_up")
        sums = [func.coalesce(func.sum(case((filters[name], 1), else_=0)), 0).label(name) for name in counted]
        with self._reading() as db:
            row = db.execute(select(func.count().label("open"), *sums).select_from(cases).where(_IS_OPEN)).one()
            unsent = select(outbox.c.state, func.count()).where(STOPPED, ~SETTLED).group_by(outbox.c.state)
            states = {state: count for state, count in db.execute(unsent)}
            kept = select(func.count()).select_from(quarantine.join(ledger))  # also of mail that is tried once more
            quarantined = db.execute(kept.where(ledger.c.outcome == LedgerOutcome.QUARANTINED)).scalar_one()
            unaccounted = db.execute(_UNACCOUNTED).scalar_one()
        return Supervision(
            open=row.open,
            **{name: int(getattr(row, name)) for name in counted},
            uncertain=states.get("uncertain", 0),
            refused=states.get("refused", 0),
            quarantined=quarantined,
            unaccounted=unaccounted,
        )

    def case_page(self, reference: str) -> CasePage:
        with self._reading() as db:
            return read_case_page(db, self._sealer, reference)

    def same_client(self, reference: str) -> Sequence[SameClient]:
        with self._reading() as db:
            return read_same_client(db, self._sealer, reference)

    def raw_message(self, message_id: str) -> bytes:
        """The bytes as received or sent. Raises NotFound, also when they were erased."""
        with self._reading() as db:
            row = db.execute(select(messages.c.raw).where(messages.c.id == message_id)).first()
        if row is None or row.raw is None:
            raise NotFound("no such message")
        return self._sealer.open_bytes(row.raw, messages, message_id, "raw")

    def thread_ids(self, reference: str) -> Sequence[str]:
        with self._reading() as db:
            rows = db.execute(
                select(messages.c.id, messages.c.view)
                .join(cases, cases.c.id == messages.c.case_id)
                .where(
                    cases.c.reference == reference,
                    messages.c.direction == "in",
                    messages.c.kind.not_in((MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT)),
                    messages.c.message_id_key.is_not(None),
                )
                .order_by(messages.c.internal_date, messages.c.id)
            ).all()
        views = (self._sealer.open_json(row.view, messages, row.id, "view") for row in rows)
        return list(dict.fromkeys(view["message_id"] for view in views if view.get("message_id")))

    # ---------------------------------------------------------------- operation

    def outbox(self, *, states: Sequence[str], kind: str | None = None, limit: int = 200) -> Sequence[OutboxRow]:
        """Newest first, of one kind or of all."""
        of_kind = true() if kind is None else outbox.c.kind == kind
        with self._reading() as db:
            rows = db.execute(
                select(*OUTBOX_COLUMNS, cases.c.reference)
                .select_from(outbox.outerjoin(cases, cases.c.id == outbox.c.case_id))
                .where(outbox.c.state.in_(states), of_kind)
                .order_by(outbox.c.created_at.desc(), outbox.c.id.desc())
                .limit(limit)
            ).all()
        return [outbox_row(row, row.reference) for row in rows]

    def quarantined(self) -> Sequence[QuarantineRow]:
        """Newest first."""
        with self._reading() as db:
            rows = db.execute(
                select(quarantine.c.id, quarantine.c.uid, quarantine.c.size, quarantine.c.error, quarantine.c.at)
                .add_columns(ledger.c.attempts)
                .join(
                    ledger,
                    (ledger.c.folder == quarantine.c.folder)
                    & (ledger.c.uidvalidity == quarantine.c.uidvalidity)
                    & (ledger.c.uid == quarantine.c.uid),
                )
                .where(ledger.c.outcome == LedgerOutcome.QUARANTINED)  # else released, and not yet tried again
                .order_by(quarantine.c.at.desc(), quarantine.c.id.desc())
            ).all()
        return [QuarantineRow(*row) for row in rows]

    def ledger(self) -> LedgerSummary:
        """`received` is the sum of the outcomes; what has none yet is `unaccounted`."""
        with self._reading() as db:
            return _ledger_summary(db)

    def withheld(self, *, limit: int = 200, offset: int = 0) -> Sequence[tuple[str, AcknowledgementView]]:
        with self._reading() as db:
            rows = db.execute(
                select(cases.c.reference, acknowledgements)
                .join(cases, cases.c.id == acknowledgements.c.case_id)
                .where(acknowledgements.c.outbox_id.is_(None))
                .order_by(acknowledgements.c.at.desc(), cases.c.reference.desc())
                .limit(limit)
                .offset(offset)
            ).all()
        return [
            (
                row.reference,
                AcknowledgementView(
                    "withheld", tuple(from_json(row.reasons)), row.at, row.promised_for, None, None, None
                ),
            )
            for row in rows
        ]

    def held_by_shadow(self) -> int:
        only = to_json((NoReplyReason.SHADOW_MODE,))
        with self._reading() as db:
            count: int = db.execute(
                select(func.count())
                .select_from(acknowledgements)
                .where(acknowledgements.c.outbox_id.is_(None), acknowledgements.c.reasons == only)
            ).scalar_one()
        return count

    def withheld_count(self) -> int:
        statement = select(func.count()).select_from(acknowledgements).where(acknowledgements.c.outbox_id.is_(None))
        with self._reading() as db:
            return int(db.execute(statement).scalar_one())

    def acknowledged_last_hour(self, *, now: datetime) -> int:
        """Whole minutes, the one an hour ago included, as the budget counts them."""
        first = (now - timedelta(hours=1)).replace(second=0, microsecond=0)
        minutes = acknowledgement_minutes
        with self._reading() as db:
            queued = select(func.coalesce(func.sum(minutes.c.queued), 0)).where(minutes.c.minute >= first)
            return int(db.execute(queued).scalar_one())

    def go_live(self) -> GoLive:
        with self._reading() as db:
            rows = db.execute(
                select(acknowledgements.c.reasons, func.count(), func.count(cases.c.contact_key.distinct()))
                .join(cases, cases.c.id == acknowledgements.c.case_id)
                .where(acknowledgements.c.outbox_id.is_(None))
                .group_by(acknowledgements.c.reasons)
            ).all()
        addresses = 0
        otherwise: Counter[str] = Counter()
        for reasons, count, senders in rows:
            others = [reason for reason in from_json(reasons) if reason != NoReplyReason.SHADOW_MODE]
            if not others:
                addresses += senders
            otherwise.update(dict.fromkeys(others, count))
        return GoLive(addresses, dict(otherwise.most_common()))

    def sla_facts(
        self, begin: datetime | None, end: datetime | None, *, after: str = "", limit: int = 200
    ) -> Sequence[SlaFact]:
        with self._reading() as db:
            return read_sla_facts(db, begin, end, after=after, limit=limit)

    def notices_ending(self, *, after: datetime, before: datetime) -> Sequence[str]:
        with self._reading() as db:
            return read_notices_ending(db, after, before)

    def last_alerts(self, *, limit: int) -> Sequence[AlertRow]:
        with self._reading() as db:
            return read_last_alerts(db, limit)

    def last_digest(self) -> datetime | None:
        with self._reading() as db:
            return read_last_digest(db)

    def health(self) -> Sequence[JobHealth]:
        """By name."""
        with self._reading() as db:
            return [JobHealth(*row) for row in db.execute(select(jobs).order_by(jobs.c.name))]

    def demo_summary(self) -> Mapping[str, int]:
        with self._reading() as db:
            summary = _ledger_summary(db)
            rows = db.execute(
                select(outbox.c.state, func.count().label("number"))
                .select_from(acknowledgements.join(outbox, outbox.c.id == acknowledgements.c.outbox_id))
                .group_by(outbox.c.state)
            )
            by_state: dict[str, int] = {row.state: row.number for row in rows}
            urgent = db.execute(select(func.count()).select_from(cases).where(cases.c.band != Band.NORMAL)).scalar_one()
            drafted = db.execute(select(func.count(drafts.c.case_id.distinct()))).scalar_one()
        outcomes = summary.outcomes
        queued = sum(by_state.values())
        return {
            "received": summary.received,
            "cases": outcomes["case"],
            "follow_ups": outcomes["follow_up"],
            "attached": outcomes["attached"],
            "ignored": outcomes["ignored"],
            "quarantined": outcomes["quarantined"],
            "gone": outcomes["gone"],
            "unaccounted": summary.unaccounted,
            "urgent": urgent,
            "acknowledged": by_state.get("sent", 0),
            "withheld": outcomes["case"] - queued,
            "pending": queued - by_state.get("sent", 0),
            "drafts": drafted,
        }


_UNACCOUNTED = select(func.count()).select_from(ledger).where(ledger.c.outcome.is_(None))


def _ledger_summary(db: Connection) -> LedgerSummary:
    counted = {
        outcome: count
        for outcome, count in db.execute(select(ledger.c.outcome, func.count()).group_by(ledger.c.outcome))
    }
    outcomes = {outcome.value: counted.get(outcome.value, 0) for outcome in LedgerOutcome}
    return LedgerSummary(outcomes=outcomes, unaccounted=counted.get(None, 0), received=sum(outcomes.values()))
