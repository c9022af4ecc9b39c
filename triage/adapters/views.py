"""What is kept of a mail and of a case for the screens: the JSON inside sealed values and the columns, both ways."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from triage.core.actions import Action
from triage.core.assessment import LAWS, Assessment, Band, Evidence, Neighbour, SenderType, Span, Urgency
from triage.core.case import OPEN_STATES, Case, CaseState, Counting, WaitingFor
from triage.core.mail import EmailAddress, MessageKind, ParsedMail
from triage.core.reports import DeliveryReport
from triage.ports import DraftContent, MessageView

# ---------------------------------------------------------------- messages


def _pair(address: EmailAddress) -> list[str]:
    return [address.display_name, address.address]


def view_of_mail(mail: ParsedMail, report: DeliveryReport | None = None) -> dict[str, Any]:
    """The parsed view that is sealed with a received message."""
    told = {"report": [[one.address, one.delivery, one.status] for one in report.recipients]} if report else {}
    return told | {
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": mail.references,
        "date": mail.date.isoformat() if mail.date else None,
        "subject": mail.subject,
        "from": [_pair(address) for address in mail.from_addresses],
        "sender": _pair(mail.sender) if mail.sender else None,
        "reply_to": [_pair(address) for address in mail.reply_to],
        "to": [_pair(address) for address in mail.to],
        "cc": [_pair(address) for address in mail.cc],
        "text": mail.text,
        "new_text": None if mail.new_text == mail.text else mail.new_text,
        "forwarded": mail.forwarded_text,
        "originally": [mail.originally_from, mail.originally_found] if mail.originally_from else None,
        "html": mail.html,
        "attachments": [[part.filename, part.content_type, part.size] for part in mail.attachments],
        "defects": mail.defects,
    }


def view_of_sent(raw: bytes) -> dict[str, Any]:
    """The same view of a mail that we made ourselves and sent."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    body = mail.get_body(("plain",))
    text = body.get_content() if body is not None else ""

    def addresses(name: str) -> list[list[str]]:
        header = mail[name]
        return [[one.display_name, one.addr_spec] for one in header.addresses] if header is not None else []

    return {
        "message_id": str(mail["message-id"] or ""),
        "subject": str(mail["subject"] or ""),
        "from": addresses("from"),
        "to": addresses("to"),
        "cc": addresses("cc"),
        "text": text,
        "new_text": None,
        "attachments": [
            [part.get_filename() or "", part.get_content_type(), len(part.get_content())]
            for part in mail.iter_attachments()
        ],
    }


def message_view(row: Any, view: Mapping[str, Any]) -> MessageView:
    """A stored message for the screen; every text is empty when the message was erased."""
    writers = view.get("from") or [["", ""]]
    sender = view.get("sender")
    originally = view.get("originally") or ("", "")
    return MessageView(
        id=row.id,
        direction=row.direction,
        kind=MessageKind(row.kind),
        arrived_at=row.internal_date,
        subject=view.get("subject", ""),
        from_name=writers[0][0],
        from_address=writers[0][1],
        sent_by=_shown(sender) if sender and sender[1] not in [pair[1] for pair in writers] else "",
        originally_from=originally[0],
        originally_found=originally[1],
        to=tuple(pair[1] for pair in view.get("to", ())),
        reply_to=tuple(pair[1] for pair in view.get("reply_to", ())),
        text=view.get("text", ""),
        new_text=new_text if (new_text := view.get("new_text")) is not None else view.get("text", ""),
        html=view.get("html", ""),
        attachments=tuple((part[0], part[1], part[2]) for part in view.get("attachments", ())),
        defects=tuple(view.get("defects", ())),
        complete=row.complete,
        report=tuple((one[0], one[1], one[2]) for one in view.get("report", ())),
    )


def _shown(pair: Sequence[str]) -> str:
    return f"{pair[0]} <{pair[1]}>" if pair[0] else pair[1]


# ---------------------------------------------------------------- assessments and decisions


def figures_of(assessment: Assessment) -> dict[str, Any]:
    """What of an assessment is stored in clear: codes and numbers."""
    return {
        "laws": assessment.laws,
        "laws_unclear": assessment.laws_unclear,
        "law_probabilities": assessment.law_probabilities,
        "runner_up": assessment.runner_up,
        "margin": assessment.margin,
        "urgency_probabilities": assessment.urgency_probabilities,
        "band_reason": assessment.band_reason,
        "sender_type": assessment.sender_type,
        "topics": assessment.topics,
        "language": assessment.language,
        "unknown_words": assessment.unknown_words,
        "nearest": assessment.nearest,
    }


def evidence_of(assessment: Assessment) -> dict[str, Any]:
    """What of an assessment is sealed: the judged text and the spans in it."""
    return {
        "text": assessment.judged_text,
        "evidence": [
            [one.head, one.source, one.span.start, one.span.end, one.weight, one.rule_id, one.softened_by, one.support]
            for one in assessment.evidence
        ],
        "neighbours": [[one.id, one.subject, one.laws, one.urgency, one.similarity] for one in assessment.neighbours],
    }


def assessment_from(row: Any, figures: Mapping[str, Any], sealed: Mapping[str, Any]) -> Assessment:
    """The assessment of a row of `assessments`; without text and evidence when those were erased."""
    return Assessment(
        laws=tuple(figures["laws"]),
        laws_unclear=figures["laws_unclear"],
        law_probabilities=figures["law_probabilities"],
        runner_up=figures["runner_up"],
        margin=figures["margin"],
        urgency=Urgency(row.urgency),
        band=Band(row.band),
        urgency_probabilities=figures["urgency_probabilities"],
        band_reason=figures["band_reason"],
        danger=row.danger,
        sender_type=SenderType(figures["sender_type"]),
        topics=tuple(figures["topics"]),
        language=figures["language"],
        evidence=tuple(
            Evidence(head, source, Span(start, end), weight, rule_id, tuple(softened_by), *support)
            for head, source, start, end, weight, rule_id, softened_by, *support in sealed.get("evidence", ())
        ),
        neighbours=tuple(
            Neighbour(name, subject, tuple(laws), urgency, similarity)
            for name, subject, laws, urgency, similarity in sealed.get("neighbours", ())
        ),
        judged_text=sealed.get("text", ""),
        model=row.model,
        unknown_words=figures.get("unknown_words"),  # rows of before these were measured do not have them
        nearest=figures.get("nearest"),
    )


def actions_json(actions: Sequence[Action]) -> list[dict[str, Any]]:
    """The decision as JSON values: each action with its name under "do"."""
    return [{"do": type(action).__name__, **_record(action)} for action in actions]


def _record(value: Any) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for one in fields(value):
        item = getattr(value, one.name)
        record[one.name] = _record(item) if is_dataclass(item) else item
    return record


# ---------------------------------------------------------------- cases

DANGER, TAKE_UP, RUNNING, PAUSED, ENDED, NO_REPLY_NEEDED = range(6)
"""Where a case stands in the Werkvoorraad (column `place`); everything up to PAUSED is open."""


def place_of(case: Case) -> tuple[int, int]:
    """(group, order within it): danger, then short terms not taken up by that term, then by answer term, then what
    waits for the sender. What has ended stands with the newest first."""
    if case.state is CaseState.NO_REPLY_NEEDED:
        return NO_REPLY_NEEDED, -_seconds(case.arrived_at)
    if case.state not in OPEN_STATES:
        return ENDED, -_seconds(case.answered_at or case.ended_at or case.arrived_at)
    take_up = case.take_up_due if case.taken_up_at is None and case.band.short_term else None
    if case.danger:
        return DANGER, _seconds(take_up or case.answer_due)
    if case.state is CaseState.WAITING and case.waiting_for is WaitingFor.SENDER:
        return PAUSED, _seconds(case.answer_due)
    if take_up is not None:
        return TAKE_UP, _seconds(take_up)
    return RUNNING, _seconds(case.answer_due)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def case_columns(case: Case) -> dict[str, Any]:
    """The columns that mirror a Case, without id, version, assignee and promise."""
    place, place_at = place_of(case)
    return {
        "reference": case.reference,
        "check_code": case.check_code,
        "state": case.state,
        "waiting_for": case.waiting_for,
        "band": case.band,
        "urgency": case.urgency,
        "danger": case.danger,
        **{f"law_{law}": law in case.laws for law in LAWS},
        "arrived_at": case.arrived_at,
        "answer_due": case.answer_due,
        "take_up_due": case.take_up_due,
        "at_risk_at": case.at_risk_at,
        "answer_from": case.counting.answer_from,
        "answer_days": case.counting.answer_days,
        "take_up_from": case.counting.take_up_from,
        "taken_up_at": case.taken_up_at,
        "paused_ends_left": case.paused_ends_left,
        "answered_at": case.answered_at,
        "ended_at": case.ended_at,
        "place": place,
        "place_at": place_at,
    }


def laws_of(row: Any) -> tuple[str, ...]:
    """The laws of a row of `cases`, sorted as LAWS."""
    return tuple(law for law in LAWS if getattr(row, f"law_{law}"))


def case_from(row: Any) -> Case:
    """The Case of a row of `cases`."""
    return Case(
        id=row.id,
        reference=row.reference,
        check_code=row.check_code,
        state=CaseState(row.state),
        band=Band(row.band),
        urgency=Urgency(row.urgency),
        danger=row.danger,
        laws=laws_of(row),
        arrived_at=row.arrived_at,
        answer_due=row.answer_due,
        take_up_due=row.take_up_due,
        at_risk_at=row.at_risk_at,
        counting=Counting(row.answer_from, row.answer_days, row.take_up_from),
        taken_up_at=row.taken_up_at,
        waiting_for=WaitingFor(row.waiting_for) if row.waiting_for else None,
        paused_ends_left=row.paused_ends_left,
        promised_for=row.promised_for,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        assignee=row.assignee_id,
        version=row.version,
    )


# ---------------------------------------------------------------- drafts


def content_json(content: DraftContent) -> dict[str, Any]:
    return _record(content)


def content_from(value: Mapping[str, Any]) -> DraftContent:
    """The content that `content_json` gave; empty when it was erased."""
    return DraftContent(
        to=tuple(value.get("to", ())),
        cc=tuple(value.get("cc", ())),
        subject=value.get("subject", ""),
        body=value.get("body", ""),
        attachments=tuple(value.get("attachments", ())),
        blocks=tuple(value.get("blocks", ())),
    )
