"""Everything the Zaak screen shows of one case, read in one transaction and unsealed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from triage.adapters.rows import Sealer, from_json
from triage.adapters.store_cases import CASE_COLUMNS
from triage.adapters.store_drafts import draft_revisions
from triage.adapters.tables import acknowledgements, assessments, audit, cases, messages, notes, outbox, users
from triage.adapters.views import assessment_from, case_from, message_view
from triage.core.assessment import Assessment
from triage.core.mail import MessageKind
from triage.errors import NotFound
from triage.ports import AcknowledgementView, AuditRow, CasePage, MessageView, NoteRow, OutboxRow

OUTBOX_COLUMNS = tuple(
    outbox.c[name]
    for name in ("id", "kind", "state", "created_at", "due_at", "attempts", "sent_at", "reply_code", "enhanced_status")
)


def read_case_page(db: Connection, sealer: Sealer, reference: str) -> CasePage:
    """Raises NotFound."""
    row = db.execute(
        select(
            *CASE_COLUMNS,
            *(
                cases.c[name]
                for name in ("kind", "channel", "backlog", "no_reply_rule", "topics", "laws_unclear", "labels")
            ),
            users.c.display_name,
        )
        .select_from(cases.outerjoin(users, users.c.id == cases.c.assignee_id))
        .where(cases.c.reference == reference)
    ).first()
    if row is None:
        raise NotFound("no such case")
    labels = sealer.open_json(row.labels, cases, row.id, "labels")
    return CasePage(
        case=case_from(row),
        kind=MessageKind(row.kind),
        channel=row.channel,
        backlog=row.backlog,
        no_reply_rule=row.no_reply_rule,
        contact_name=labels.get("name", ""),
        contact_address=labels.get("address", ""),
        assignee_name=row.display_name,
        messages=_messages(db, sealer, row.id),
        assessment=_assessment(db, sealer, row.id),
        topics=tuple(from_json(row.topics)),
        laws_unclear=row.laws_unclear,
        acknowledgement=_acknowledgement(db, row.id),
        drafts=tuple(draft_revisions(db, sealer, row.id)),
        outbox=_outbox(db, row.id, reference),
        notes=_notes(db, sealer, row.id),
        timeline=_timeline(db, row.id),
    )


def outbox_row(row: Any, reference: str | None) -> OutboxRow:
    """From a row of OUTBOX_COLUMNS."""
    return OutboxRow(
        id=row.id,
        kind=row.kind,
        state=row.state,
        reference=reference,
        created_at=row.created_at,
        due_at=row.due_at,
        attempts=row.attempts,
        sent_at=row.sent_at,
        reply_code=row.reply_code,
        enhanced_status=row.enhanced_status,
    )


def _messages(db: Connection, sealer: Sealer, case_id: str) -> tuple[MessageView, ...]:
    columns = (messages.c[name] for name in ("id", "direction", "kind", "internal_date", "complete", "view"))
    rows = db.execute(
        select(*columns)
        .where(messages.c.case_id == case_id)
        .order_by(messages.c.internal_date, messages.c.received_at, messages.c.direction, messages.c.id)
    )
    return tuple(message_view(row, sealer.open_json(row.view, messages, row.id, "view")) for row in rows)


def _assessment(db: Connection, sealer: Sealer, case_id: str) -> Assessment | None:
    row = db.execute(
        select(assessments)
        .where(assessments.c.case_id == case_id)
        .order_by(assessments.c.at.desc(), assessments.c.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return assessment_from(row, from_json(row.figures), sealer.open_json(row.evidence, assessments, row.id, "evidence"))


def _acknowledgement(db: Connection, case_id: str) -> AcknowledgementView | None:
    row = db.execute(
        select(acknowledgements, outbox.c.state, outbox.c.sent_at, outbox.c.reply_code)
        .select_from(acknowledgements.outerjoin(outbox, outbox.c.id == acknowledgements.c.outbox_id))
        .where(acknowledgements.c.case_id == case_id)
    ).first()
    if row is None:
        return None
    return AcknowledgementView(
        state=row.state or "withheld",
        reasons=tuple(from_json(row.reasons)),
        decided_at=row.at,
        promised_for=row.promised_for,
        sent_at=row.sent_at,
        reply_code=row.reply_code,
        outbox_id=row.outbox_id,
    )


def _outbox(db: Connection, case_id: str, reference: str) -> tuple[OutboxRow, ...]:
    rows = db.execute(
        select(*OUTBOX_COLUMNS).where(outbox.c.case_id == case_id).order_by(outbox.c.created_at, outbox.c.id)
    )
    return tuple(outbox_row(row, reference) for row in rows)


def _notes(db: Connection, sealer: Sealer, case_id: str) -> tuple[NoteRow, ...]:
    rows = db.execute(
        select(notes, users.c.display_name)
        .select_from(notes.outerjoin(users, users.c.id == notes.c.actor))
        .where(notes.c.case_id == case_id)
        .order_by(notes.c.at, notes.c.id)
    )
    return tuple(
        NoteRow(row.at, row.display_name or row.actor, sealer.open_text(row.text, notes, row.id, "text"))
        for row in rows
    )


def _timeline(db: Connection, case_id: str) -> tuple[AuditRow, ...]:
    rows = db.execute(
        select(audit, users.c.display_name)
        .select_from(audit.outerjoin(users, users.c.id == audit.c.actor))
        .where(audit.c.case_id == case_id)
        .order_by(audit.c.id)
    )
    return tuple(AuditRow(row.at, row.display_name or row.actor, row.action, from_json(row.details)) for row in rows)
