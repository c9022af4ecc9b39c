"""Which cases may be about the same person: read and compared when somebody opens a case, kept nowhere."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, select, union_all

from triage.adapters.rows import Sealer
from triage.adapters.tables import case_links, cases, messages, users
from triage.adapters.views import NO_REPLY_NEEDED, laws_of
from triage.core.case import CaseState
from triage.core.mail import MessageKind
from triage.core.same_client import WITHIN, Told, proposals
from triage.errors import NotFound
from triage.ports import SameClient

_NEAREST = 60  # cases before, and as many after: what comes in around one mail
_NO_OWN_TEXT = (MessageKind.SECURE_MAIL_NOTICE, MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT, MessageKind.OWN)


def read_same_client(db: Connection, sealer: Sealer, reference: str) -> tuple[SameClient, ...]:
    """The likeliest first, without those a person decided about. Raises NotFound."""
    case = db.execute(_cases().where(cases.c.reference == reference)).first()
    if case is None:
        raise NotFound("no such case")
    decided = union_all(
        select(case_links.c.other_id).where(case_links.c.case_id == case.id),
        select(case_links.c.case_id).where(case_links.c.other_id == case.id),
    )
    others = _cases().where(
        cases.c.id != case.id,
        cases.c.erased_at.is_(None),
        cases.c.place < NO_REPLY_NEEDED,
        cases.c.id.not_in(decided),
    )
    before = others.where(cases.c.arrived_at.between(case.arrived_at - WITHIN, case.arrived_at))
    after = others.where(cases.c.arrived_at > case.arrived_at, cases.c.arrived_at <= case.arrived_at + WITHIN)
    near = {
        row.id: row
        for statement in (
            before.order_by(cases.c.arrived_at.desc()).limit(_NEAREST),
            after.order_by(cases.c.arrived_at).limit(_NEAREST),
        )
        for row in db.execute(statement)
    }
    if not near:
        return ()
    texts = _texts(db, sealer, [case.id, *near])
    told = {row.id: _told(row, texts.get(row.id, "")) for row in (case, *near.values())}
    alike = proposals(told[case.id], [told[case_id] for case_id in near])
    return tuple(_shown(near[one.key], one.reasons, sealer) for one in alike)


def _cases() -> Select[Any]:
    return select(cases, users.c.display_name).select_from(cases.outerjoin(users, users.c.id == cases.c.assignee_id))


def _texts(db: Connection, sealer: Sealer, case_ids: list[str]) -> dict[str, str]:
    """Case → subject and text of its first mail."""
    rows = db.execute(
        select(messages.c.id, messages.c.case_id, messages.c.view)
        .where(
            messages.c.case_id.in_(case_ids),
            messages.c.direction == "in",
            messages.c.kind.not_in(_NO_OWN_TEXT),
            messages.c.view.is_not(None),
        )
        .order_by(messages.c.internal_date.desc(), messages.c.id.desc())
    )
    first = {row.case_id: row for row in rows}
    texts = {}
    for case_id, row in first.items():
        view = sealer.open_json(row.view, messages, row.id, "view")
        own = view.get("new_text")
        text = own if own is not None else view.get("text", "")
        texts[case_id] = "\n\n".join(
            part for part in (view.get("subject", ""), text, view.get("forwarded", "")) if part
        )
    return texts


def _told(row: Row[Any], text: str) -> Told:
    return Told(
        key=row.id,
        text=text,
        arrived=row.arrived_at,
        sender=row.contact_key or row.id,
        laws=laws_of(row),
        urgency=row.urgency,
    )


def _shown(row: Row[Any], reasons: tuple[str, ...], sealer: Sealer) -> SameClient:
    labels = sealer.open_json(row.labels, cases, row.id, "labels")
    return SameClient(
        reference=row.reference,
        subject=labels.get("subject", ""),
        contact_name=labels.get("name", ""),
        contact_address=labels.get("address", ""),
        arrived_at=row.arrived_at,
        state=CaseState(row.state),
        assignee=row.display_name,
        reasons=reasons,
    )
