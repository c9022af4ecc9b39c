"""Unit of work, third part: acknowledgements and the outbox with its leases, one code for SQLite and PostgreSQL.

States: `due` and `deferred` can be claimed, `sending` never (its lease running out makes it `uncertain`).
Only codes of a server's answer are kept: its text may hold addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, or_, select, update

from triage.adapters.rows import chunks, from_json, to_json, upsert
from triage.adapters.sent_copies import SentMailPart
from triage.adapters.tables import (
    CLAIMABLE,
    OUTBOX_KINDS,
    STOPPED,
    acknowledgement_minutes,
    acknowledgements,
    approvals,
    decisions,
    facts,
    outbox,
    promises,
    thread_ids,
    users,
)
from triage.core.actions import Acknowledge
from triage.core.case import Case
from triage.core.mail import NoReplyReason, without_plus
from triage.errors import NotFound
from triage.ports import BY_PEOPLE, AcknowledgementCounts, Envelope, OutboxItem, SentMail
from triage.row_ids import MOMENT_DIGITS, new_row_id

BREAKER = "breaker"
"""Name of the fact that holds acknowledgements back; any value but "" trips it, a person empties it."""
_AFTER_SET_BACK = timedelta(minutes=2)  # room to take an approval back

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


_SENT = select(outbox.c.id, outbox.c.kind, outbox.c.case_id, outbox.c.message_id_key)


@cache
def _one_more(dialect: str) -> Any:
    minutes = acknowledgement_minutes
    return (
        upsert(dialect, minutes)
        .on_conflict_do_update(index_elements=["minute"], set_={"queued": minutes.c.queued + 1})
        .returning(minutes.c.queued)
    )


class OutboxPart(SentMailPart):
    # ---------------------------------------------------------------- acknowledgements

    def acknowledgement_counts(self, address: str, *, now: datetime) -> AcknowledgementCounts:
        """`to_address_today` counts the last 24 hours; `last_hour` whole minutes, the one an hour ago included."""
        row = self._db.execute(
            _COUNTS,
            {
                "to_key": self._budget_key(address),
                "day_ago": now - timedelta(hours=24),
                "hour_ago": _minute(now - timedelta(hours=1)),
            },
        ).one()
        return AcknowledgementCounts(row.to_address, int(row.last_hour), bool(row.breaker))

    def _budget_key(self, address: str) -> str:
        """One for all plus-forms of an address: a ticket system has a new one for every mail."""
        return self.address_key(without_plus(address))

    def add_acknowledgement(
        self,
        case_id: str,
        *,
        at: datetime,
        outbox_id: str | None,
        reasons: Sequence[NoReplyReason],
        promised_for: datetime | None,
        promised_take_up: datetime | None = None,
        began_at: datetime | None = None,
        language: str | None = None,
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
                "promised_take_up": promised_take_up,
                "began_at": began_at,
                "language": language,
            },
        )
        for message_id in dict.fromkeys(message_ids):
            statement = self._upsert(thread_ids).values(
                message_id_key=self._keys.lookup(message_id), case_id=case_id, at=at
            )
            self._db.execute(statement.on_conflict_do_nothing())

    # ---------------------------------------------------------------- promises

    def add_promise(self, case: Case, outbox_id: str, *, by: str, at: datetime) -> None:
        self._add(
            promises,
            {
                "id": new_row_id(at),
                "case_id": case.id,
                "at": at,
                "actor": by,
                "outbox_id": outbox_id,
                "promised_for": case.answer_due,
                "began_at": case.arrived_at,
                "answer_from": case.counting.answer_from,
                "answer_days": case.counting.answer_days,
            },
        )

    def promise_of(self, outbox_id: str) -> tuple[str, datetime] | None:
        row = self._db.execute(
            select(promises.c.case_id, promises.c.promised_for)
            .join(outbox, (outbox.c.case_id == promises.c.case_id) & (outbox.c.id == promises.c.outbox_id))
            .where(outbox.c.id == outbox_id)
        ).first()
        return (row.case_id, row.promised_for) if row is not None else None

    def promise_bounced(self, outbox_id: str, *, at: datetime) -> None:
        self._set_bounced(outbox_id, at)

    def _set_bounced(self, outbox_id: str, at: datetime | None) -> None:
        case_id = select(outbox.c.case_id).where(outbox.c.id == outbox_id).scalar_subquery()
        for table in (acknowledgements, promises):
            here = (table.c.case_id == case_id) & (table.c.outbox_id == outbox_id)
            self._db.execute(update(table).where(here).values(bounced_at=at))

    # ---------------------------------------------------------------- writing items

    def add_outbox(self, item: OutboxItem, *, due_at: datetime, message_id: str, state: str = "due") -> None:
        to = item.envelope.forward_path
        to_key = self._budget_key(to) if item.kind == "acknowledgement" else self.address_key(to)
        envelope = {
            "reverse_path": item.envelope.reverse_path,
            "forward_path": item.envelope.forward_path,
            "fallback": item.null_reverse_path_fallback,
            "copy": item.copy,
        }
        self._add(
            outbox,
            {
                "id": item.id,
                "kind": item.kind,
                "rank": OUTBOX_KINDS.index(item.kind),
                "state": state,
                "case_id": item.case_id,
                "created_at": item.created_at,
                "due_at": due_at,
                "attempts": item.attempts,
                "epoch": 0,
                "message_id_key": self._keys.lookup(message_id),
                "to_key": to_key,
                "envelope": self._sealer.seal_json(envelope, outbox, item.id, "envelope"),
                "raw": self._sealer.seal_bytes(item.raw, outbox, item.id, "raw"),
            },
        )
        if item.kind == "acknowledgement" and state == "due":
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

    def sent_mails(self, message_ids: Sequence[str]) -> Sequence[SentMail]:
        keys = [self._keys.lookup(message_id) for message_id in message_ids]
        nearness = {key: place for place, key in reversed(list(enumerate(keys)))}
        found: list[tuple[int, SentMail]] = []
        for part in chunks(keys):
            for row in self._db.execute(_SENT.where(outbox.c.message_id_key.in_(part))):
                found.append((nearness[row.message_id_key], self._sent_mail(row)))
        return list(dict.fromkeys(mail for _, mail in sorted(found, key=lambda item: item[0])))

    def last_sent(self, case_id: str) -> SentMail | None:
        row = self._db.execute(
            _SENT.where(outbox.c.case_id == case_id, outbox.c.state.in_(("sent", "uncertain")))
            .order_by(case((outbox.c.kind == "acknowledgement", 1), else_=0), outbox.c.created_at.desc())
            .limit(1)
        ).first()
        return self._sent_mail(row) if row is not None else None

    def _sent_mail(self, row: Any) -> SentMail:
        """With several recipients the approval names the first of their items: all of them are one mail."""
        approved_by = None
        if row.kind == "reply":
            approved_by = self._db.execute(
                select(approvals.c.actor)
                .join(outbox, outbox.c.id == approvals.c.outbox_id)
                .join(users, users.c.id == approvals.c.actor)
                .where(outbox.c.message_id_key == row.message_id_key, users.c.disabled.is_(False))
                .order_by(approvals.c.at.desc())
                .limit(1)
            ).scalar()
        return SentMail(row.kind, row.case_id, approved_by, row.id)

    def withhold_queued(self, reason: NoReplyReason, *, owner: str, at: datetime) -> int:
        waiting = (
            CLAIMABLE,
            outbox.c.kind == "acknowledgement",
            or_(outbox.c.owner.is_(None), outbox.c.owner == owner, outbox.c.leased_until <= at),
        )
        return self._withhold(waiting, reason, at)

    def withhold_acknowledgement(self, item_id: str, reason: NoReplyReason, *, owner: str, now: datetime) -> bool:
        return self._withhold(_held_unsent(item_id, owner, now), reason, now) == 1

    def _withhold(self, which: Sequence[ColumnElement[bool]], reason: NoReplyReason, at: datetime) -> int:
        rows = self._db.execute(select(outbox.c.id, outbox.c.case_id).where(*which).with_for_update()).all()
        for part in chunks([row.id for row in rows]):
            self._db.execute(
                update(acknowledgements)
                .where(acknowledgements.c.outbox_id.in_(part))
                .values(outbox_id=None, reasons=to_json([reason]), promised_for=None, promised_take_up=None)
            )
            self._db.execute(delete(outbox).where(outbox.c.id.in_(part)))
        for row in rows:
            self.audit("acknowledgement_withheld", at=at, actor="system", case_id=row.case_id)
        return len(rows)

    def decided_acknowledgement(self, item: OutboxItem) -> Acknowledge:
        """Item and decision were written in one moment, and ids begin with it: no scan of all decisions."""
        moment = item.id[:MOMENT_DIGITS]
        rows = self._db.execute(
            select(decisions.c.actions).where(
                decisions.c.id >= moment, decisions.c.id < moment + "g", decisions.c.case_id == item.case_id
            )
        ).scalars()
        for action in (action for actions in rows for action in from_json(actions)):
            if action["do"] == Acknowledge.__name__:
                take_up = action["promised_take_up"]
                return Acknowledge(
                    language=action["language"],
                    promised_answer=datetime.fromisoformat(action["promised_answer"]),
                    promised_take_up=datetime.fromisoformat(take_up) if take_up else None,
                )
        raise NotFound("no decision to acknowledge")

    def renew_acknowledgement(
        self,
        item_id: str,
        *,
        raw: bytes,
        promised_for: datetime | None,
        promised_take_up: datetime | None,
        began_at: datetime,
        owner: str,
        now: datetime,
    ) -> bool:
        renewed = self._db.execute(
            update(outbox)
            .where(*_held_unsent(item_id, owner, now))
            .values(raw=self._sealer.seal_bytes(raw, outbox, item_id, "raw"))
        )
        if renewed.rowcount != 1:
            return False
        self._db.execute(
            update(acknowledgements)
            .where(acknowledgements.c.outbox_id == item_id)
            .values(promised_for=promised_for, promised_take_up=promised_take_up, began_at=began_at)
        )
        return True

    def forget_hourly_count(self) -> None:
        self._db.execute(delete(acknowledgement_minutes))

    def outbox_state(self, outbox_id: str) -> str | None:
        state: str | None = self._db.execute(select(outbox.c.state).where(outbox.c.id == outbox_id)).scalar()
        return state

    # ---------------------------------------------------------------- sending

    def claim_outbox(self, *, owner: str, now: datetime, lease: timedelta, limit: int) -> Sequence[OutboxItem]:
        """In the order of OUTBOX_KINDS; within a kind what is due longest. Attempts + 1."""
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
                    copy=envelope.get("copy", False),
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
        if row.kind in BY_PEOPLE and row.case_id is not None and state != "deferred":
            if state == "sent":
                if row.kind == "reply":
                    self._answer(row.case_id, item_id, now)
                self._join_conversation(row.case_id, item_id, now)
            details = {"outbox_id": item_id, "reply_code": reply_code, "enhanced_status": values["enhanced_status"]}
            self.audit(f"{row.kind}_{state}", at=now, actor="system", case_id=row.case_id, details=details)
        return True

    # ---------------------------------------------------------------- unknown outcomes

    def expire_sending(self, *, now: datetime) -> Sequence[str]:
        return self._become_uncertain(outbox.c.leased_until <= now, now)

    def mend_waits(self, *, now: datetime, longest: timedelta, lease: timedelta) -> None:
        self._db.execute(
            update(outbox)
            .where(
                CLAIMABLE,
                or_(outbox.c.owner.is_(None), outbox.c.leased_until <= now),
                outbox.c.kind != "alert",
                outbox.c.due_at > now + longest,
            )
            .values(due_at=now + _AFTER_SET_BACK)
        )
        held = or_(CLAIMABLE, STOPPED & (outbox.c.state == "sending"))
        self._db.execute(
            update(outbox).where(held, outbox.c.leased_until > now + longest).values(leased_until=now + lease)
        )

    def recover_outbox(self, *, owner: str, now: datetime) -> Sequence[str]:
        lost = self._become_uncertain(outbox.c.owner == owner, now)
        untried = case((outbox.c.attempts > 0, outbox.c.attempts - 1), else_=0)
        self._db.execute(
            update(outbox)
            .where(CLAIMABLE, outbox.c.owner == owner)
            .values(owner=None, leased_until=None, attempts=untried)
        )
        return lost

    def hold_outbox(self, *, now: datetime) -> Sequence[str]:
        return self._become_uncertain(outbox.c.kind != "alert", now, state=CLAIMABLE)

    def _become_uncertain(
        self, whose: ColumnElement[bool], now: datetime, *, state: ColumnElement[bool] | None = None
    ) -> list[str]:
        rows = self._db.execute(
            update(outbox)
            .where(and_(STOPPED, outbox.c.state == "sending") if state is None else state, whose)
            .values(state="uncertain", owner=None, leased_until=None)
            .returning(outbox.c.id, outbox.c.kind, outbox.c.case_id)
        ).all()
        for row in rows:
            if row.kind in BY_PEOPLE and row.case_id is not None:
                self.audit(
                    f"{row.kind}_uncertain", at=now, actor="system", case_id=row.case_id, details={"outbox_id": row.id}
                )
        return [row.id for row in rows]

    def release_uncertain(self, item_id: str, *, now: datetime) -> bool:
        """False for another state, and for an item whose content was erased."""
        released = self._db.execute(
            update(outbox)
            .where(outbox.c.id == item_id, outbox.c.state.in_(("uncertain", "refused")), outbox.c.raw.is_not(None))
            .values(state="due", created_at=now, due_at=now, owner=None, leased_until=None, attempts=0)
        )
        if released.rowcount != 1:
            return False
        self._set_bounced(item_id, None)
        return True


def _held_unsent(item_id: str, owner: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Leased to this owner, and DATA was not begun."""
    return CLAIMABLE, outbox.c.id == item_id, outbox.c.owner == owner, outbox.c.leased_until > now


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
