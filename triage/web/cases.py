"""Zaak: one case with everything a person needs to judge and answer it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from markupsafe import Markup
from starlette.responses import JSONResponse, Response

from triage.core.assessment import LAWS, Assessment
from triage.core.automated import is_no_reply_address
from triage.core.case import OPEN_STATES, Case
from triage.core.draft_copy import MAIL_CLIENT
from triage.core.gate import SIGNATURE, SecureChannel
from triage.core.mail import MessageKind
from triage.core.rights import Right
from triage.core.sla import ClockState, clock_state, dutch_date, explain, terms_now
from triage.core.workdays import start_of
from triage.errors import NotFound
from triage.ports import AuditRow, MessageView, OutboxRow
from triage.web.desk import Visit
from triage.web.drafting import Editor, editor_of, reply_of, ticked_words
from triage.web.judging import MISSED_CHOICES, URGENCY_CHOICES, checked_by
from triage.web.mail_program import mail_program
from triage.web.mailtext import FoldedText, clean_html, cues, fold, pieces
from triage.web.present import (
    law_certainty,
    margin_words,
    paused_words,
    short_day,
    state_words,
    term,
    urgency_certainty,
    week_words,
    when,
)
from triage.web.promises import promise_book, still_asking
from triage.web.related import related, shown_notices
from triage.web.reuse import example_of, similar_answers
from triage.web.words import word

TROUBLED = ("refused", "uncertain")
_FEW_RECIPIENTS = 5
_ABOUT_NOBODY = frozenset({"T91", "T99"})  # about the helpdesk itself, and thanks: nobody's health


@dataclass(frozen=True, slots=True)
class ShownMessage:
    view: MessageView
    text: FoldedText
    html: Markup | None
    folded_whole: bool  # long ago or automatic: only its head is open


@dataclass(frozen=True, slots=True)
class Trouble:
    """Mails of one kind that were refused, or of which nobody knows whether they arrived, with what to do now."""

    kind: str
    state: str
    rows: tuple[OutboxRow, ...]
    advice: str

    @property
    def codes(self) -> tuple[int, ...]:
        """What our mail server answered, each code once."""
        return tuple(dict.fromkeys(row.reply_code for row in self.rows if row.reply_code))

    @property
    def recipients(self) -> str:
        """Who did not get it; a copy is named so."""
        return ", ".join(f"{row.recipient}{' (kopie)' if row.copy else ''}" for row in self.rows if row.recipient)


@dataclass(frozen=True, slots=True)
class LawLine:
    """One law: what holds for the case, how sure the machine was, and the set that one click makes."""

    law: str
    holds: bool
    certainty: str
    after_click: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an act did not happen; `typed` is what the person had written in the form of the act `act`."""

    words: str
    status: int
    act: str = ""
    typed: str = ""
    details: Sequence[str] = ()


def case_screen(visit: Visit) -> Response:
    reference = visit.part("reference")
    response = show_case(visit, reference)
    visit.desk.on_access(visit.user, reference, "viewed")
    return response


def show_case(
    visit: Visit, reference: str, *, problem: Problem | None = None, editor: Editor | None = None
) -> Response:
    """The page as it stands now. `problem` tells what went wrong, `editor` keeps what was typed in the draft."""
    desk, now = visit.desk, visit.now
    page = desk.queries.case_page(reference)
    case = page.case
    names = {user.id: user.display_name for user in desk.accounts.all()}
    reply = reply_of(page, names)
    editor = editor or editor_of(page, reply)
    return visit.page(
        "zaak.html",
        problem.status if problem else 200,
        page=page,
        case=case,
        problem=problem,
        messages=shown_messages(page.messages),
        subject=next((message.subject for message in page.messages if message.subject), ""),
        state=state_words(case.state, case.waiting_for),
        is_open=case.state in OPEN_STATES,
        clock=clock_state(case, now),
        clock_lines=clock_lines(case, now),
        sum_in_words=explain(case.arrived_at, terms_now(case), desk.rules.calendar),
        paused=paused_words(case),
        book=promise_book(page, now),
        proposal=desk.acts.proposed_correction(page),
        laws=law_lines(case, page.assessment),
        judged=page.assessment,
        pieces=pieces(page.assessment) if page.assessment else (),
        cues=cues(page.assessment) if page.assessment else (),
        margin=margin_words(page.assessment.margin) if page.assessment else "",
        urgency_lines=[(head, urgency_certainty(page.assessment, head)) for head in ("palliative", "transfer")]
        if page.assessment
        else [],
        urgency_choices=URGENCY_CHOICES,
        missed_choices=MISSED_CHOICES,
        checked=checked_by(page),
        troubles=troubles(still_asking(page, now)),
        troubled_here=troubled_replies(page.outbox).get(case.reference, Counter()),
        related=related(visit, page),
        notices=shown_notices(page.notices, now),
        laws_by_people=any(row.action == "laws_corrected" for row in page.timeline),
        recipient_warnings=recipient_warnings(editor.to),
        signature=SIGNATURE,
        example=example_of(page),
        similar=similar_answers(visit, page),
        editor=editor,
        # of another text than the one in the fields they would mislead
        findings=desk.acts.findings_of(page) if page.drafts and editor.holds(page.drafts[0]) else (),
        advise_secure=desk.secure_channel is SecureChannel.ADVISE
        and not _ABOUT_NOBODY.issuperset(page.topics or ("",)),
        reply=reply,
        stated_facts=desk.acts.stated_facts(page) if visit.may(Right.DRAFT) else (),
        suggestions=desk.acts.suggested_blocks(page) if visit.may(Right.DRAFT) else (),
        received=sum(message.direction == "in" for message in page.messages),
        names={**names, "system": "het systeem", MAIL_CLIENT: "iemand in het mailprogramma"},
        elsewhere=mail_program(page),
        timeline=[(row, audit_words(row)) for row in reversed(page.timeline)],
        others=desk.presence.look(reference, visit.user, now),
        Right=Right,
        undo_seconds=desk.undo_seconds,
    )


def shown_messages(messages: Sequence[MessageView]) -> list[ShownMessage]:
    """In order; all but the last three are folded in a long conversation."""
    quiet = {MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT}
    return [
        ShownMessage(
            message,
            fold(message.text, message.new_text),
            clean_html(message.html),
            (len(messages) > 4 and 0 < number < len(messages) - 3) or (number > 0 and message.kind in quiet),
        )
        for number, message in enumerate(messages)
    ]


def clock_lines(case: Case, now: datetime) -> list[tuple[str, str, bool]]:
    """(what, when in words, is it late) for both clocks."""
    lines: list[tuple[str, str, bool]] = []
    if case.take_up_due is not None:
        if case.taken_up_at is None:
            lines.append(("Oppakken", term(case.take_up_due, now), now > case.take_up_due))
        else:
            late = case.taken_up_at > case.take_up_due
            words = f"opgepakt {when(case.taken_up_at, now)}{', te laat' if late else ', op tijd'}"
            lines.append(("Oppakken", words, late))
    state = clock_state(case, now)
    if state in (ClockState.MET, ClockState.MET_LATE):
        end = case.answered_at or case.ended_at
        done = f"afgerond {when(end, now)}" if end else "afgerond"
        lines.append(("Antwoord", f"{done}{', te laat' if state is ClockState.MET_LATE else ', op tijd'}", False))
    elif paused_words(case):
        lines.append(("Antwoord", "staat stil", False))
    else:
        lines.append(("Antwoord", term(case.answer_due, now), now > case.answer_due))
    return lines


def troubles(outbox: Sequence[OutboxRow]) -> list[Trouble]:
    """What did not certainly arrive, the reply first: a person waits for it. One mail may count several recipients."""
    found = []
    for kind in ("reply", "correction", "acknowledgement"):
        for state in TROUBLED:
            rows = tuple(row for row in outbox if (row.kind, row.state) == (kind, state) and not row.settled)
            about = "copy" if rows and all(row.copy for row in rows) else kind
            if rows:
                found.append(Trouble(kind, state, rows, word(f"{about}_{state}", "trouble_advice")))
    return found


def troubled_replies(rows: Sequence[OutboxRow]) -> dict[str, Counter[str]]:
    """For the lists: reference → how many mails of its replies were refused or are uncertain."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        if row.kind == "reply" and row.reference and row.state in TROUBLED and not row.settled:
            found.setdefault(row.reference, Counter())[row.state] += 1
    return found


def law_lines(case: Case, assessment: Assessment | None) -> list[LawLine]:
    lines = []
    for law in LAWS:
        after = tuple(one for one in LAWS if (one in case.laws) != (one == law))
        certainty = law_certainty(assessment, law) if assessment else ""
        lines.append(LawLine(law, law in case.laws, certainty, ",".join(after)))
    return lines


def audit_words(row: AuditRow) -> str:
    """The facts of a line in the timeline that mean something to people."""
    said = []
    details: Mapping[str, object] = row.details or {}
    for key, value in details.items():
        if key == "revision":
            said.append(f"versie {value}")
        elif key == "holds":
            said.append(f"versie {value} geldt")
        elif key == "attachments" and value:
            said.append("met 1 bijlage" if value == 1 else f"met {value} bijlagen")
        elif key == "ticked" and value:
            said.append(f"aangevinkt: {ticked_words(value)}")
        elif key == "alert":
            said.append(word(value, "alert"))
        elif key == "proposed_link" and value:
            said.append(f"de afzender noemt zaak {value}")
        elif key == "other" and value:
            said.append(f"zaak {value}")
        elif key == "messages":
            said.append("1 bericht" if value == 1 else f"{value} berichten")
        elif key == "answer_day" and value:
            said.append(f"antwoord uiterlijk {short_day(start_of(date.fromisoformat(str(value))))}")
        elif key == "text" and value is True:
            said.append("met de tekst als notitie")
        elif key == "reopened" and value is True:
            said.append("de zaak is weer open")
        elif key == "raised_to" and value:
            said.append(f"urgentie nu: {word(value, 'band').lower()}")
        elif key == "held" and value:
            said.append(f"een mens koos de urgentie; het systeem zou zeggen: {word(value, 'band').lower()}")
        elif key in ("answer_by", "take_up_by") and isinstance(value, list | tuple):
            before, after = (dutch_date(datetime.fromisoformat(str(one))) for one in value)
            what = "antwoord" if key == "answer_by" else "in behandeling"
            said.append(f"{what} uiterlijk {after}, eerst {before}")
        elif key == "week" and value:
            said.append(week_words(str(value)))
        elif key == "danger":
            said.append(word(value, "danger"))
        elif key == "reply_code" and value:
            said.append(f"code {value}")
        elif key == "waiting_for":
            said.append(word(value, "waiting_for"))
        elif key in ("urgency", "band", "outcome", "kind", "state"):
            group = {"state": "outbox_state"}.get(key, key)
            said.append(word(value, group))
        elif key == "laws" and isinstance(value, list | tuple):
            said.append(", ".join(word(law, "law") for law in value) or "geen van de vier wetten")
        elif key == "sender_type":
            said.append(word(value, "sender_type"))
        elif key == "topics" and isinstance(value, list | tuple):
            said += [word(topic, "topic") for topic in value]
        elif key == "recipients" and isinstance(value, list | tuple):
            said += recipient_words([str(one) for one in value])
        elif key == "reasons" and isinstance(value, list | tuple):
            said.append("; ".join(word(reason, "no_reply_reason") for reason in value))
    return " · ".join(said)


def recipient_words(results: Sequence[str]) -> list[str]:
    """What a delivery report says of each recipient; the audit row keeps codes such as `failed_permanent 5.1.1`."""
    said = []
    for number, result in enumerate(results, 1):
        delivery, _, status = result.partition(" ")
        who = f"ontvanger {number}: " if len(results) > 1 else ""
        said.append(f"{who}{word(delivery, 'delivery')}{f' (code {status})' if status else ''}")
    return said


def recipient_warnings(written: str) -> list[str]:
    """What to know of the addresses in the field "Aan" before the reply leaves, as codes."""
    recipients = [one.strip() for one in written.split(",") if one.strip()]
    found = ["no_reply_address"] if any(is_no_reply_address(one) for one in recipients) else []
    return [*found, "many_recipients"] if len(recipients) > _FEW_RECIPIENTS else found


def presence_screen(visit: Visit) -> Response:
    """For the script on the page: who else is here, and did anything change since the page was made?"""
    reference = visit.part("reference")
    page = visit.desk.queries.case_page(reference)
    return JSONResponse(
        {
            "anderen": list(visit.desk.presence.look(reference, visit.user, visit.now)),
            "berichten": sum(message.direction == "in" for message in page.messages),
            "versie": page.case.version,
            "antwoord": reply.state if (reply := reply_of(page, {})) else "",
        }
    )


def raw_screen(visit: Visit) -> Response:
    """The original of a message of this case, to be opened elsewhere: never shown by the browser itself."""
    reference, message_id = visit.part("reference"), visit.part("message")
    page = visit.desk.queries.case_page(reference)
    numbers = [number for number, message in enumerate(page.messages, 1) if message.id == message_id]
    if not numbers:
        raise NotFound("no such message in this case")
    visit.desk.on_access(visit.user, reference, "viewed_raw")
    return Response(
        visit.desk.queries.raw_message(message_id),
        media_type="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{reference}-{numbers[0]}.eml"'},
    )
