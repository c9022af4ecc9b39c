"""Everything the Zaak screen shows of one case, read in one transaction and unsealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select

from triage.adapters.learning import said_in
from triage.adapters.rows import Sealer, from_json
from triage.adapters.store_cases import CASE_COLUMNS
from triage.adapters.store_drafts import draft_revisions
from triage.adapters.store_folders import fact_name, folder_from
from triage.adapters.tables import (
    DRAFT_COPY_DUE,
    acknowledgements,
    approvals,
    assessments,
    audit,
    case_links,
    cases,
    corrections,
    draft_copies,
    drafts,
    facts,
    messages,
    notes,
    outbox,
    promises,
    released_answers,
    sampled_cases,
    secure_notices,
    users,
)
from triage.adapters.views import assessment_from, case_from, message_view
from triage.core.assessment import Assessment, SenderType
from triage.core.case import CaseState, LinkKind, LinkState
from triage.core.mail import MessageKind
from triage.core.promises import Promise
from triage.errors import NotFound
from triage.ports import (
    BY_PEOPLE,
    AcknowledgementView,
    AuditRow,
    CaseLink,
    CasePage,
    CorrectionRow,
    DraftCopyView,
    DraftRevision,
    FolderUse,
    MessageView,
    NoteRow,
    NoticeRow,
    OutboxRow,
    ReleasedAnswer,
)

_NEWER = outbox.alias("newer")
SETTLED = and_(
    outbox.c.kind.in_(BY_PEOPLE),
    exists().where(
        _NEWER.c.case_id == outbox.c.case_id,
        or_(_NEWER.c.kind == "reply", _NEWER.c.kind == outbox.c.kind),
        _NEWER.c.state == "sent",
        _NEWER.c.created_at > outbox.c.created_at,
        _NEWER.c.message_id_key.is_distinct_from(outbox.c.message_id_key),  # not another recipient of the same mail
    ),
)
"""A newer reply of the same case left; for a correction also a newer correction."""
OUTBOX_COLUMNS = (
    *(outbox.c[name] for name in ("id", "kind", "state", "created_at", "due_at", "attempts", "sent_at", "reply_code")),
    outbox.c.enhanced_status,
    SETTLED.label("settled"),
)


def read_case_page(db: Connection, sealer: Sealer, reference: str) -> CasePage:
    """Raises NotFound."""
    row = db.execute(
        select(
            *CASE_COLUMNS,
            *(
                cases.c[name]
                for name in ("kind", "channel", "backlog", "no_reply_rule", "topics", "laws_unclear", "sender_type")
            ),
            cases.c.labels,
            users.c.display_name,
        )
        .select_from(cases.outerjoin(users, users.c.id == cases.c.assignee_id))
        .where(cases.c.reference == reference)
    ).first()
    if row is None:
        raise NotFound("no such case")
    labels = sealer.open_json(row.labels, cases, row.id, "labels")
    assessment, judged_message = _assessment(db, sealer, row.id)
    receipt = _acknowledgement(db, row.id)
    revisions = tuple(draft_revisions(db, sealer, row.id))
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
        assessment=assessment,
        topics=tuple(from_json(row.topics)),
        laws_unclear=row.laws_unclear,
        acknowledgement=receipt,
        promises=_promises(db, row.id, receipt),
        drafts=revisions,
        draft_copy=_draft_copy(db, row.id, revisions),
        outbox=_outbox(db, sealer, row.id, reference),
        notes=_notes(db, sealer, row.id),
        timeline=_timeline(db, row.id),
        links=_links(db, row.id),
        notices=_notices(db, row.id),
        sender_type=SenderType(row.sender_type),
        judged_message=judged_message,
        corrections=_corrections(db, row.id),
        sampled=_sampled(db, row.id),
        released=_released(db, row.id),
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
        settled=bool(row.settled),
    )


def promise_in(receipt: AcknowledgementView) -> Promise:
    """What an acknowledgement promised."""
    return Promise(
        at=receipt.decided_at,
        told_by="acknowledgement",
        actor="system",
        promised_for=receipt.promised_for,
        promised_take_up=receipt.promised_take_up,
        state=receipt.state,
        bounced=receipt.bounced_at is not None,
        began_at=receipt.began_at,
        outbox_id=receipt.outbox_id,
    )


def promise_from(row: Any, *, actor: str) -> Promise:
    """From a row of `promises` with the `state` of its outbox item."""
    return Promise(
        at=row.at,
        told_by="correction",
        actor=actor,
        promised_for=row.promised_for,
        state=row.state,
        bounced=row.bounced_at is not None,
        began_at=row.began_at,
        counting=(row.answer_from, row.answer_days),
        outbox_id=row.outbox_id,
    )


def _messages(db: Connection, sealer: Sealer, case_id: str) -> tuple[MessageView, ...]:
    columns = (messages.c[name] for name in ("id", "direction", "kind", "internal_date", "complete", "view"))
    rows = db.execute(
        select(*columns)
        .where(messages.c.case_id == case_id)
        .order_by(messages.c.internal_date, messages.c.received_at, messages.c.direction, messages.c.id)
    )
    return tuple(message_view(row, sealer.open_json(row.view, messages, row.id, "view")) for row in rows)


def _assessment(db: Connection, sealer: Sealer, case_id: str) -> tuple[Assessment | None, str]:
    """The newest assessment, and the id of the message it is about."""
    row = db.execute(
        select(assessments)
        .where(assessments.c.case_id == case_id)
        .order_by(assessments.c.at.desc(), assessments.c.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None, ""
    evidence = sealer.open_json(row.evidence, assessments, row.id, "evidence")
    return assessment_from(row, from_json(row.figures), evidence), row.message_id


def _corrections(db: Connection, case_id: str) -> tuple[CorrectionRow, ...]:
    rows = db.execute(
        select(corrections, users.c.display_name)
        .select_from(corrections.outerjoin(users, users.c.id == corrections.c.actor))
        .where(said_in(case_id))
        .order_by(corrections.c.at, corrections.c.id)
    )
    return tuple(
        CorrectionRow(
            at=row.at,
            actor=row.display_name or row.actor,
            message_id=row.message_id,
            field=row.field,
            before=tuple(from_json(row.before)),
            after=tuple(from_json(row.after)),
        )
        for row in rows
    )


def _acknowledgement(db: Connection, case_id: str) -> AcknowledgementView | None:
    row = db.execute(
        select(acknowledgements, outbox.c.state, outbox.c.sent_at, outbox.c.reply_code)
        .select_from(acknowledgements.outerjoin(outbox, outbox.c.id == acknowledgements.c.outbox_id))
        .where(acknowledgements.c.case_id == case_id)
    ).first()
    return receipt_from(row) if row is not None else None


def receipt_from(row: Any) -> AcknowledgementView:
    """From a row of `acknowledgements` with state, sent_at and reply_code of its outbox item."""
    return AcknowledgementView(
        state=row.state or "withheld",
        reasons=tuple(from_json(row.reasons)),
        decided_at=row.at,
        promised_for=row.promised_for,
        sent_at=row.sent_at,
        reply_code=row.reply_code,
        outbox_id=row.outbox_id,
        promised_take_up=row.promised_take_up,
        began_at=row.began_at,
        language=row.language or "",
        bounced_at=row.bounced_at,
    )


def _promises(db: Connection, case_id: str, receipt: AcknowledgementView | None) -> tuple[Promise, ...]:
    """What the acknowledgement promised, then each correction."""
    first = () if receipt is None or receipt.outbox_id is None else (promise_in(receipt),)
    rows = db.execute(
        select(promises, outbox.c.state, users.c.display_name)
        .select_from(
            promises.join(outbox, outbox.c.id == promises.c.outbox_id).outerjoin(users, users.c.id == promises.c.actor)
        )
        .where(promises.c.case_id == case_id)
        .order_by(promises.c.at, promises.c.id)
    )
    return (*first, *(promise_from(row, actor=row.display_name or row.actor) for row in rows))


def _draft_copy(db: Connection, case_id: str, revisions: Sequence[DraftRevision]) -> DraftCopyView | None:
    folder = folder_from(db.execute(select(facts.c.value).where(facts.c.name == fact_name(FolderUse.DRAFTS))).scalar())
    if folder is None or not revisions:
        return None
    copy = exists().where(draft_copies.c.case_id == case_id, draft_copies.c.revision == revisions[0].revision)
    due = exists().where(drafts.c.case_id == case_id, DRAFT_COPY_DUE)
    is_here, is_due = db.execute(select(copy, due)).one()
    return DraftCopyView(folder.name, bool(is_here), folder.trouble if is_due and not is_here else "")


def _outbox(db: Connection, sealer: Sealer, case_id: str, reference: str) -> tuple[OutboxRow, ...]:
    rows = db.execute(
        select(*OUTBOX_COLUMNS, outbox.c.envelope)
        .where(outbox.c.case_id == case_id)
        .order_by(outbox.c.created_at, outbox.c.id)
    )
    found = []
    for row in rows:
        envelope = sealer.open_json(row.envelope, outbox, row.id, "envelope") if row.envelope else {}
        shown = outbox_row(row, reference)
        found.append(replace(shown, recipient=envelope.get("forward_path", ""), copy=envelope.get("copy", False)))
    return tuple(found)


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


def _links(db: Connection, case_id: str) -> tuple[CaseLink, ...]:
    """The case that was named hears of the other one only once a person accepted: a try leaves no trace there."""
    decider = users.alias()
    handler = users.alias()
    found: list[CaseLink] = []
    for here, there in ((case_links.c.case_id, case_links.c.other_id), (case_links.c.other_id, case_links.c.case_id)):
        wanted = here == case_id
        if here is case_links.c.other_id:
            wanted &= (case_links.c.kind == LinkKind.SAME_CLIENT) | (case_links.c.state == LinkState.ACCEPTED)
        rows = db.execute(
            select(
                case_links.c.kind,
                case_links.c.state.label("link_state"),
                case_links.c.actor,
                case_links.c.at,
                cases.c.reference,
                cases.c.state,
                decider.c.display_name.label("decided_by"),
                handler.c.display_name.label("handler"),
            )
            .select_from(
                case_links.join(cases, cases.c.id == there)
                .outerjoin(decider, decider.c.id == case_links.c.actor)
                .outerjoin(handler, handler.c.id == cases.c.assignee_id)
            )
            .where(wanted)
            .order_by(case_links.c.at, cases.c.reference)
        )
        found += [
            CaseLink(
                reference=row.reference,
                kind=LinkKind(row.kind),
                state=LinkState(row.link_state),
                names_it=here is case_links.c.case_id and row.kind == LinkKind.CONVERSATION,
                case_state=CaseState(row.state),
                assignee=row.handler,
                decided_by=row.decided_by or row.actor,
                at=row.at,
            )
            for row in rows
        ]
    return tuple(found)


def _notices(db: Connection, case_id: str) -> tuple[NoticeRow, ...]:
    rows = db.execute(
        select(secure_notices, users.c.display_name)
        .select_from(secure_notices.outerjoin(users, users.c.id == secure_notices.c.opened_by))
        .where(secure_notices.c.case_id == case_id)
        .order_by(secure_notices.c.open_before, secure_notices.c.message_id)
    )
    return tuple(
        NoticeRow(
            message_id=row.message_id,
            provider=row.provider,
            open_before=row.open_before,
            named=row.named,
            opened_at=row.opened_at,
            opened_by=row.display_name or row.opened_by,
        )
        for row in rows
    )


def _released(db: Connection, case_id: str) -> ReleasedAnswer | None:
    row = db.execute(
        select(approvals.c.revision, released_answers.c.actor, released_answers.c.at, users.c.display_name)
        .select_from(
            released_answers.join(approvals, approvals.c.id == released_answers.c.approval_id).outerjoin(
                users, users.c.id == released_answers.c.actor
            )
        )
        .where(released_answers.c.case_id == case_id)
    ).first()
    return ReleasedAnswer(row.revision, row.display_name or row.actor, row.at) if row is not None else None


def _sampled(db: Connection, case_id: str) -> str:
    week: str | None = db.execute(
        select(func.max(sampled_cases.c.week)).where(
            sampled_cases.c.case_id == case_id, sampled_cases.c.looked_at.is_(None)
        )
    ).scalar()
    return week or ""
