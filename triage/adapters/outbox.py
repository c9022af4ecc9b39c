"""Unit of work, third part: acknowledgements and the outbox with its leases, one code for SQLite and PostgreSQL.

States: `due` and `deferred` can be claimed, `sending` never (its lease running out makes it `uncertain`).
Only codes of a server's answer are kept: its text may hold addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, delete, func, or_, select, update

from triage.adapters.rows import chunks, to_json, upsert
from triage.adapters.store_cases import CasePart
from triage.adapters.tables import (
    CLAIMABLE,
    OUTBOX_KINDS,
    STOPPED,
    acknowledgement_minutes,
    acknowledgements,
    cases,
    facts,
    messages,
    outbox,
    thread_ids,
)
from triage.adapters.views import case_columns, view_of_sent
from triage.core.case import MOVES, CaseState, move
from triage.core.mail import MessageKind, NoReplyReason
from triage.ports import AcknowledgementCounts, Envelope, OutboxItem
from triage.row_ids import new_row_id

BREAKER = "breaker"
"""Name of the fact that holds acknowledgements back; any value but "" trips it, a person empties it."""

_COUNTS = select(
    select(func.count())
    .select_from(outbox)
    .where(
        outbox.c.to_key == bindparam("to_key"),
        outbox.c.created_at > bindparam("day_ago", type_=outbox.c.created_at.type),
        outbox.c.kind == "acknowledgement",
    )
    .scalar_subquery()
    .label("to_address"),
    select(func.coalesce(func.sum(acknowledgement_minutes.c.queued), 0))
    .where(acknowledgement_minutes.c.minute >= bindparam("hour_ago", type_=outbox.c.created_at.type))
    .scalar_subquery()
    .label("last_hour"),
    select(facts.c.value).where(facts.c.name == BREAKER).scalar_subquery().label("breaker"),
)


@cache
def _one_more(dialect: str) -> Any:
    minutes = acknowledgement_minutes
    return (
        upsert(dialect, minutes)
        .on_conflict_do_update(index_elements=["minute"], set_={"queued": minutes.c.queued + 1})
        .returning(minutes.c.queued)
    )


class OutboxPart(CasePart):
    # ---------------------------------------------------------------- acknowledgements

    def acknowledgement_counts(self, address: str, *, now: datetime) -> AcknowledgementCounts:
        """`to_address_today` counts the last 24 hours; `last_hour` whole minutes, the one an hour ago included."""
        row = self._db.execute(
            _COUNTS,
            {
                "to_key": self.address_key(address),
                "day_ago": now - timedelta(hours=24),
                "hour_ago": _minute(now - timedelta(hours=1)),
            },
        ).one()
        return AcknowledgementCounts(row.to_address, int(row.last_hour), bool(row.breaker))

    def add_acknowledgement(
        self,
        case_id: str,
        *,
        at: datetime,
        outbox_id: str | None,
        reasons: Sequence[NoReplyReason],
        promised_for: datetime | None,
        message_ids: Sequence[str] = (),
    ) -> None:
        """Raises ConflictError when the case has one. `message_ids`: further Message-IDs by which a mail finds it."""
        self._add(
            acknowledgements,
            {
                "case_id": case_id,
                "at": at,
                "outbox_id": outbox_id,
                "reasons": to_json(reasons),
                "promised_for": promised_for,
            },
        )
        for message_id in dict.fromkeys(message_ids):
            statement = self._upsert(thread_ids).values(
                message_id_key=self._keys.lookup(message_id), case_id=case_id, at=at
            )
            self._db.execute(statement.on_conflict_do_nothing())

    # ---------------------------------------------------------------- writing items

    def add_outbox(self, item: OutboxItem, *, due_at: datetime, message_id: str) -> None:
        envelope = {
            "reverse_path": item.envelope.reverse_path,
            "forward_path": item.envelope.forward_path,
            "fallback": item.null_reverse_path_fallback,
        }
        self._add(
            outbox,
            {
                "id": item.id,
                "kind": item.kind,
                "rank": OUTBOX_KINDS.index(item.kind),
                "state": "due",
                "case_id": item.case_id,
                "created_at": item.created_at,
                "due_at": due_at,
                "attempts": item.attempts,
                "epoch": 0,
                "message_id_key": self._keys.lookup(message_id),
                "to_key": self.address_key(item.envelope.forward_path),
                "envelope": self._sealer.seal_json(envelope, outbox, item.id, "envelope"),
                "raw": self._sealer.seal_bytes(item.raw, outbox, item.id, "raw"),
            },
        )
        if item.kind == "acknowledgement":
            self._count_acknowledgement(_minute(item.created_at))

    def _count_acknowledgement(self, minute: datetime) -> None:
        queued = self._db.execute(_one_more(self._dialect), {"minute": minute, "queued": 1}).scalar_one()
        if queued == 1:
            long_ago = acknowledgement_minutes.c.minute < minute - timedelta(days=1)
            self._db.execute(delete(acknowledgement_minutes).where(long_ago))

    def cancel_outbox(self, outbox_id: str) -> bool:
        """A `deferred` item was certainly not sent; one that somebody holds may be on its way."""
        same_mail = outbox.c.message_id_key == (
            select(outbox.c.message_id_key).where(outbox.c.id == outbox_id).scalar_subquery()
        )
        items = self._db.execute(
            select(outbox.c.id, outbox.c.state, outbox.c.owner).where(same_mail).with_for_update()
        ).all()
        if not items or any(item.state not in ("due", "deferred") or item.owner is not None for item in items):
            return False
        self._db.execute(delete(outbox).where(outbox.c.id.in_([item.id for item in items])))
        return True

    def sent_kinds(self, message_ids: Sequence[str]) -> frozenset[str]:
        kinds: set[str] = set()
        for part in chunks([self._keys.lookup(message_id) for message_id in message_ids]):
            kinds.update(self._db.execute(select(outbox.c.kind).where(outbox.c.message_id_key.in_(part))).scalars())
        return frozenset(kinds)

    def forget_hourly_count(self) -> None:
        self._db.execute(delete(acknowledgement_minutes))

    def outbox_state(self, outbox_id: str) -> str | None:
        state: str | None = self._db.execute(select(outbox.c.state).where(outbox.c.id == outbox_id)).scalar()
        return state

    # ---------------------------------------------------------------- sending

    def claim_outbox(self, *, owner: str, now: datetime, lease: timedelta, limit: int) -> Sequence[OutboxItem]:
        """Replies first, then acknowledgements, then alerts; within a kind what is due longest. Attempts + 1."""
        due = (
            select(outbox.c.id)
            .where(
                CLAIMABLE,
                outbox.c.due_at <= now,
                or_(outbox.c.leased_until.is_(None), outbox.c.leased_until <= now),
            )
            .order_by(outbox.c.rank, outbox.c.due_at, outbox.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
            .prefix_with("MATERIALIZED", dialect="postgresql")  # evaluated once, so the limit is exact
        )
        claimed = self._db.execute(
            update(outbox)
            .where(outbox.c.id.in_(select(due.c.id)))
            .values(
                owner=owner,
                leased_until=now + lease,
                attempts=outbox.c.attempts + 1,
                epoch=outbox.c.epoch + 1,
            )
            .returning(outbox.c.id)
        )
        ids = list(claimed.scalars())
        if not ids:
            return []
        rows = self._db.execute(
            select(outbox).where(outbox.c.id.in_(ids)).order_by(outbox.c.rank, outbox.c.due_at, outbox.c.id)
        )
        items = []
        for row in rows:
            envelope = self._sealer.open_json(row.envelope, outbox, row.id, "envelope")
            items.append(
                OutboxItem(
                    id=row.id,
                    kind=row.kind,
                    case_id=row.case_id,
                    envelope=Envelope(envelope["reverse_path"], envelope["forward_path"]),
                    raw=self._sealer.open_bytes(row.raw, outbox, row.id, "raw"),
                    attempts=row.attempts,
                    created_at=row.created_at,
                    null_reverse_path_fallback=envelope["fallback"],
                )
            )
        return items

    def mark_sending(
        self, item_ids: Sequence[str], *, owner: str, now: datetime, lease: timedelta | None = None
    ) -> frozenset[str]:
        """Also an item that is `sending` already, as long as this owner holds it: another try after a refusal."""
        values: dict[str, object] = {"state": "sending"}
        if lease is not None:
            values["leased_until"] = now + lease
        held = or_(CLAIMABLE, outbox.c.state == "sending")
        marked: set[str] = set()
        for part in chunks(item_ids):
            rows = self._db.execute(
                update(outbox)
                .where(outbox.c.id.in_(part), held, outbox.c.owner == owner, outbox.c.leased_until > now)
                .values(**values)
                .returning(outbox.c.id)
            )
            marked.update(rows.scalars())
        return frozenset(marked)

    def record_delivery(
        self,
        item_id: str,
        *,
        owner: str,
        state: str,
        now: datetime,
        due_at: datetime | None = None,
        reply_code: int | None = None,
        enhanced_status: str | None = None,
    ) -> bool:
        """Before DATA (not yet `sending`) only `deferred` and `refused` are possible. `deferred` needs `due_at`."""
        if state not in ("sent", "deferred", "refused", "uncertain"):
            raise ValueError(f"{state} is no outcome of a delivery")
        if state == "deferred" and due_at is None:
            raise ValueError("a deferred item needs the moment of the next attempt")
        held = outbox.c.state == "sending"
        if state in ("deferred", "refused"):
            held = or_(held, CLAIMABLE)
        values: dict[str, object] = {
            "state": state,
            "owner": None,
            "leased_until": None,
            "reply_code": reply_code,
            "enhanced_status": enhanced_status[:16] if enhanced_status else None,
        }
        if state == "sent":
            values["sent_at"] = now
        if due_at is not None and state == "deferred":
            values["due_at"] = due_at
        row = self._db.execute(
            update(outbox)
            .where(outbox.c.id == item_id, outbox.c.owner == owner, held)
            .values(**values)
            .returning(outbox.c.kind, outbox.c.case_id)
        ).first()
        if row is None:
            return False
        if row.kind == "reply" and row.case_id is not None and state != "deferred":
            if state == "sent":
                self._answer(row.case_id, item_id, now)
            details = {"outbox_id": item_id, "reply_code": reply_code, "enhanced_status": values["enhanced_status"]}
            self.audit(f"reply_{state}", at=now, actor="system", case_id=row.case_id, details=details)
        return True

    def _answer(self, case_id: str, item_id: str, now: datetime) -> None:
        """The server accepted the reply: the case is answered, the sent mail joins the conversation.

        When the sender wrote after the approval, the reply does not answer that: the case stays open."""
        case = self.case(case_id, for_update=True)
        newer = select(messages.c.id).where(
            messages.c.case_id == case_id,
            messages.c.direction == "in",
            messages.c.kind.not_in((MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT)),
            messages.c.received_at > select(outbox.c.created_at).where(outbox.c.id == item_id).scalar_subquery(),
        )
        if self._db.execute(newer).first() is not None:
            self.audit("reply_kept_open", at=now, actor="system", case_id=case_id)
        elif case.state is CaseState.ANSWERED or CaseState.ANSWERED in MOVES[case.state]:
            answered = replace(
                case,
                state=move(case.state, CaseState.ANSWERED),
                waiting_for=None,
                paused_ends_left=None,
                answered_at=case.answered_at or now,
                ended_at=case.ended_at or now,
            )
            self._db.execute(
                update(cases).where(cases.c.id == case_id).values(**case_columns(answered), version=case.version + 1)
            )  # else: a person closed it meanwhile; it stays closed, the mail is in the conversation all the same
        sealed = self._db.execute(select(outbox.c.raw, outbox.c.message_id_key).where(outbox.c.id == item_id)).one()
        known = select(messages.c.id).where(
            messages.c.case_id == case_id,
            messages.c.direction == "out",
            messages.c.message_id_key == sealed.message_id_key,
        )
        if self._db.execute(known).first() is not None:  # another recipient of the same mail was first
            return
        raw = self._sealer.open_bytes(sealed.raw, outbox, item_id, "raw")
        row_id = new_row_id(now)
        self._add(
            messages,
            {
                "id": row_id,
                "direction": "out",
                "case_id": case_id,
                "kind": MessageKind.OWN,
                "internal_date": now,
                "received_at": now,
                "size": len(raw),
                "complete": True,
                "message_id_key": sealed.message_id_key,
                "view": self._sealer.seal_json(view_of_sent(raw), messages, row_id, "view"),
                "raw": self._sealer.seal_bytes(raw, messages, row_id, "raw"),
            },
        )

    # ---------------------------------------------------------------- unknown outcomes

    def expire_sending(self, *, now: datetime) -> Sequence[str]:
        return self._become_uncertain(outbox.c.leased_until <= now, now)

    def recover_outbox(self, *, owner: str, now: datetime) -> Sequence[str]:
        lost = self._become_uncertain(outbox.c.owner == owner, now)
        untried = case((outbox.c.attempts > 0, outbox.c.attempts - 1), else_=0)
        self._db.execute(
            update(outbox)
            .where(CLAIMABLE, outbox.c.owner == owner)
            .values(owner=None, leased_until=None, attempts=untried)
        )
        return lost

    def _become_uncertain(self, whose: ColumnElement[bool], now: datetime) -> list[str]:
        rows = self._db.execute(
            update(outbox)
            .where(STOPPED, outbox.c.state == "sending", whose)
            .values(state="uncertain", owner=None, leased_until=None)
            .returning(outbox.c.id, outbox.c.kind, outbox.c.case_id)
        ).all()
        for row in rows:
            if row.kind == "reply" and row.case_id is not None:
                self.audit(
                    "reply_uncertain", at=now, actor="system", case_id=row.case_id, details={"outbox_id": row.id}
                )
        return [row.id for row in rows]

    def release_uncertain(self, item_id: str, *, now: datetime) -> bool:
        """False for another state, and for an item whose content was erased."""
        released = self._db.execute(
            update(outbox)
            .where(outbox.c.id == item_id, outbox.c.state.in_(("uncertain", "refused")), outbox.c.raw.is_not(None))
            .values(state="due", created_at=now, due_at=now, owner=None, leased_until=None, attempts=0)
        )
        return released.rowcount == 1


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
