"""What `report sla` reads of each case: its clocks, its promises, and what was noted of it; a page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, true

from triage.adapters.case_pages import promise_from, promise_in, receipt_from
from triage.adapters.rows import from_json
from triage.adapters.store_cases import CASE_COLUMNS
from triage.adapters.tables import acknowledgements, audit, cases, messages, outbox, promises
from triage.adapters.views import case_from
from triage.core.case import CaseState
from triage.core.promises import CaseEvent, Promise
from triage.ports import SlaFact

_VIEWS = ("viewed", "viewed_raw")
_FIRST_MAIL = (
    select(func.min(messages.c.internal_date))
    .where(messages.c.case_id == cases.c.id, messages.c.direction == "in")
    .scalar_subquery()
)


def read_sla_facts(
    db: Connection, begin: datetime | None, end: datetime | None, *, after: str, limit: int
) -> Sequence[SlaFact]:
    """One page, by case id."""
    arrived = func.coalesce(_FIRST_MAIL, cases.c.arrived_at)
    rows = db.execute(
        select(*CASE_COLUMNS, cases.c.channel, cases.c.backlog, cases.c.no_reply_rule, arrived.label("first_at"))
        .where(
            cases.c.id > after,
            # a term begins no sooner than the first mail came: the index finds these without looking at mails
            true() if begin is None else cases.c.arrived_at >= begin,
            true() if begin is None else arrived >= begin,
            true() if end is None else arrived < end,
        )
        .order_by(cases.c.id)
        .limit(limit)
    ).all()
    ids = [row.id for row in rows]
    book, events = _promises(db, ids), _events(db, ids)
    return [
        SlaFact(
            case=case_from(row),
            arrived_at=row.first_at,
            channel=row.channel,
            backlog=row.backlog,
            set_aside=row.no_reply_rule != "" and row.state == CaseState.NO_REPLY_NEEDED,
            promises=tuple(book[row.id]),
            events=tuple(events[row.id]),
        )
        for row in rows
    ]


def _promises(db: Connection, ids: Sequence[str]) -> dict[str, list[Promise]]:
    found: dict[str, list[Promise]] = defaultdict(list)
    receipts = (
        select(acknowledgements, outbox.c.state, outbox.c.sent_at, outbox.c.reply_code)
        .join(outbox, outbox.c.id == acknowledgements.c.outbox_id)
        .where(acknowledgements.c.case_id.in_(ids))
    )
    for row in db.execute(receipts):
        found[row.case_id].append(promise_in(receipt_from(row)))
    later = (
        select(promises, outbox.c.state)
        .join(outbox, outbox.c.id == promises.c.outbox_id)
        .where(promises.c.case_id.in_(ids))
        .order_by(promises.c.at, promises.c.id)
    )
    for row in db.execute(later):
        found[row.case_id].append(promise_from(row, actor=row.actor))
    return found


def _events(db: Connection, ids: Sequence[str]) -> dict[str, list[CaseEvent]]:
    found: dict[str, list[CaseEvent]] = defaultdict(list)
    rows = select(audit).where(audit.c.case_id.in_(ids), audit.c.action.not_in(_VIEWS)).order_by(audit.c.id)
    for row in db.execute(rows):
        found[row.case_id].append(CaseEvent(row.at, row.actor, row.action, from_json(row.details)))
    return found
