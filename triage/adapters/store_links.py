"""Unit of work: who belongs to a conversation, and which cases belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update

from triage.adapters.store_cases import CasePart
from triage.adapters.tables import assessments, case_links, cases, ledger, messages, notes, outbox, secure_notices
from triage.adapters.tables import thread_ids as further_ids
from triage.adapters.views import PAUSED
from triage.core.case import LinkKind, LinkState
from triage.core.mail import EmailAddress, MessageKind
from triage.ports import SameText

_NO_CONTACT = (MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT, MessageKind.OWN)
_NEWEST = 50  # messages of one case whose copies are looked at
_MOST_ALIKE = 20


class LinkPart(CasePart):
    # ---------------------------------------------------------------- who belongs to a conversation

    def contact_keys(self, case_id: str) -> frozenset[str]:
        wrote = select(messages.c.from_key).where(
            messages.c.case_id == case_id,
            messages.c.direction == "in",
            messages.c.kind.not_in(_NO_CONTACT),
            messages.c.from_key.is_not(None),
        )
        asked = select(cases.c.contact_key).where(cases.c.id == case_id, cases.c.contact_key.is_not(None))
        return frozenset(self._db.execute(wrote.union(asked)).scalars())

    def is_participant(self, case_id: str, address: str) -> bool:
        key = self.address_key(address)
        if key in self.contact_keys(case_id):
            return True
        answered = select(outbox.c.id).where(
            outbox.c.case_id == case_id, outbox.c.kind == "reply", outbox.c.state == "sent", outbox.c.to_key == key
        )
        if self._db.execute(answered.limit(1)).first() is not None:
            return True
        wanted = EmailAddress(address).normalised
        rows = self._db.execute(
            select(messages.c.id, messages.c.view)
            .where(
                messages.c.case_id == case_id,
                messages.c.direction == "in",
                messages.c.kind.not_in(_NO_CONTACT),
                messages.c.view.is_not(None),
            )
            .order_by(messages.c.received_at.desc(), messages.c.id.desc())
            .limit(_NEWEST)
        )
        for row in rows:
            view = self._sealer.open_json(row.view, messages, row.id, "view")
            named = (*view.get("reply_to", ()), *view.get("cc", ()))
            if any(EmailAddress(pair[1]).normalised == wanted for pair in named):
                return True
        return False

    def writes_for_others(self, case_id: str, address: str) -> bool:
        rows = self._db.execute(
            select(messages.c.id, messages.c.view)
            .where(
                messages.c.case_id == case_id,
                messages.c.direction == "in",
                messages.c.from_key == self.address_key(address),
                messages.c.kind.not_in(_NO_CONTACT),
                messages.c.view.is_not(None),
            )
            .order_by(messages.c.received_at.desc(), messages.c.id.desc())
            .limit(_NEWEST)
        ).all()
        itself = EmailAddress(address).normalised
        for row in rows:
            view = self._sealer.open_json(row.view, messages, row.id, "view")
            near = {itself, *_normalised(view, "to", "cc")}
            if len(view.get("reply_to", ())) != 1 or _normalised(view, "reply_to") <= near:
                return False
        return bool(rows)

    def messages_of_text(self, text_identity: str) -> Sequence[SameText]:
        return self._alike(messages.c.text_key == self._keys.lookup(text_identity))

    def messages_of_id(self, message_id: str) -> Sequence[SameText]:
        return self._alike(messages.c.message_id_key == self._keys.lookup(message_id))

    def _alike(self, which: ColumnElement[bool]) -> list[SameText]:
        rows = self._db.execute(
            select(messages.c.id, messages.c.case_id, messages.c.internal_date, messages.c.view)
            .where(which, messages.c.direction == "in", messages.c.case_id.is_not(None), messages.c.view.is_not(None))
            .order_by(messages.c.internal_date, messages.c.id)
            .limit(_MOST_ALIKE)
        ).all()
        found = []
        for row in rows:
            view = self._sealer.open_json(row.view, messages, row.id, "view")
            found.append(
                SameText(
                    case_id=row.case_id,
                    message_id=view.get("message_id") or "",
                    internal_date=row.internal_date,
                    recipients=_normalised(view, "to", "cc"),
                    senders=tuple(EmailAddress(pair[1]).normalised for pair in view.get("from", ())),
                    reply_to=_normalised(view, "reply_to"),
                    date=datetime.fromisoformat(view["date"]) if view.get("date") else None,
                    text=view.get("text", ""),
                )
            )
        return found

    def add_thread_id(self, case_id: str, message_id: str, *, at: datetime) -> None:
        statement = self._upsert(further_ids).values(
            message_id_key=self._keys.lookup(message_id), case_id=case_id, at=at
        )
        self._db.execute(statement.on_conflict_do_nothing())

    # ---------------------------------------------------------------- links between cases

    def propose_link(self, case_id: str, other_id: str, *, at: datetime) -> None:
        statement = self._upsert(case_links).values(
            case_id=case_id,
            other_id=other_id,
            kind=LinkKind.CONVERSATION,
            state=LinkState.PROPOSED,
            actor="system",
            at=at,
        )
        self._db.execute(statement.on_conflict_do_nothing())

    def decide_link(
        self, case_id: str, other_id: str, kind: LinkKind, state: LinkState, *, by: str, at: datetime
    ) -> None:
        one, other = _in_order(case_id, other_id, kind)
        values = {"state": state, "actor": by, "at": at}
        statement = self._upsert(case_links).values(case_id=one, other_id=other, kind=kind, **values)
        self._db.execute(statement.on_conflict_do_update(index_elements=["case_id", "other_id", "kind"], set_=values))

    def link_state(self, case_id: str, other_id: str, kind: LinkKind) -> LinkState | None:
        one, other = _in_order(case_id, other_id, kind)
        state = self._db.execute(
            select(case_links.c.state).where(
                case_links.c.case_id == one, case_links.c.other_id == other, case_links.c.kind == kind
            )
        ).scalar()
        return LinkState(state) if state else None

    def cases_beside(self, case_id: str) -> Sequence[str]:
        """Newest link first: a sender's latest case is the one in use."""
        rows = self._db.execute(
            select(case_links.c.case_id)
            .where(
                case_links.c.other_id == case_id,
                case_links.c.kind == LinkKind.CONVERSATION,
                case_links.c.state != LinkState.ACCEPTED,
            )
            .order_by(case_links.c.case_id.desc())
            .limit(_NEWEST)
        )
        return list(rows.scalars())

    def merged_into(self, case_id: str) -> str | None:
        other: str | None = self._db.execute(
            select(case_links.c.other_id).where(
                case_links.c.case_id == case_id,
                case_links.c.kind == LinkKind.CONVERSATION,
                case_links.c.state == LinkState.ACCEPTED,
            )
        ).scalar()
        return other

    def move_messages(self, case_id: str, to: str) -> int:
        askers = select(cases.c.askers).where(cases.c.id == case_id).scalar_subquery()
        self._db.execute(update(cases).where(cases.c.id == to).values(askers=cases.c.askers + askers))
        moved = 0
        for table in (messages, assessments, secure_notices, notes, ledger):
            result = self._db.execute(update(table).where(table.c.case_id == case_id).values(case_id=to))
            if table is messages:
                moved = result.rowcount
        return moved

    # ---------------------------------------------------------------- notices of secure mail

    def add_secure_notice(
        self, message_id: str, case_id: str, *, provider: str, open_before: datetime, named: bool
    ) -> None:
        self._add(
            secure_notices,
            {
                "message_id": message_id,
                "case_id": case_id,
                "provider": provider,
                "open_before": open_before,
                "named": named,
            },
        )

    def open_secure_notice(self, case_id: str, message_id: str, *, by: str, at: datetime) -> bool:
        opened = self._db.execute(
            update(secure_notices)
            .where(
                secure_notices.c.message_id == message_id,
                secure_notices.c.case_id == case_id,
                secure_notices.c.opened_at.is_(None),
            )
            .values(opened_at=at, opened_by=by)
        )
        return opened.rowcount == 1

    def notices_to_remind(self, *, before: datetime) -> Sequence[tuple[str, str]]:
        rows = self._db.execute(
            select(secure_notices.c.message_id, cases.c.reference)
            .join(cases, cases.c.id == secure_notices.c.case_id)
            .where(
                secure_notices.c.opened_at.is_(None),
                secure_notices.c.reminded_at.is_(None),
                secure_notices.c.open_before <= before,
                cases.c.place <= PAUSED,  # who closed the case decided about its notice as well
            )
            .order_by(secure_notices.c.open_before, cases.c.reference)
        )
        return [(row.message_id, row.reference) for row in rows]

    def notice_reminded(self, message_id: str, *, at: datetime) -> None:
        self._db.execute(update(secure_notices).where(secure_notices.c.message_id == message_id).values(reminded_at=at))


def _normalised(view: Mapping[str, Any], *fields: str) -> frozenset[str]:
    """Addresses of these fields of a stored view."""
    return frozenset(EmailAddress(pair[1]).normalised for name in fields for pair in view.get(name, ()))


def _in_order(case_id: str, other_id: str, kind: LinkKind) -> tuple[str, str]:
    """Of one client, two cases have no first and second; of a conversation they have."""
    if kind is LinkKind.SAME_CLIENT and other_id < case_id:
        return other_id, case_id
    return case_id, other_id
