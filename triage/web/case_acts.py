"""The acts on a case behind its buttons: one address each, POST, then See Other back to the case.

When somebody else was first or a reason is missing, the case is shown again with what was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from triage.core.case import WaitingFor
from triage.core.rights import Right
from triage.errors import ConflictError, NotAllowed
from triage.web import judging, related, reuse
from triage.web.cases import Problem, show_case
from triage.web.desk import Visit
from triage.web.forms import BadForm, Incomplete

OVERTAKEN = "Iemand anders heeft deze zaak net veranderd. Hieronder staat de nieuwe stand; er is niets gedaan."
FORBIDDEN = "Dit kan niet in de stand waarin de zaak nu is."
_CLAIMS = frozenset({"oppakken", "overnemen"})
ON_ITS_WAY = (
    "Dit is al besloten, of de zaak is net veranderd, of er is nog een antwoord van deze zaak onderweg. Kijk nog eens; "
    "er is niets gedaan."
)
DAY_CHANGED = (
    "De datum is net veranderd, de zaak is veranderd of de mail is al weg. Hieronder staat de nieuwe stand; u hebt "
    "niets verstuurd."
)
_JUDGEMENT = "#beoordeling"
_EXAMPLE = "voorbeeld"
_CORRECTIONS = frozenset({"nieuwe-datum", "nieuwe-datum-niet-nodig"})
_DECISIONS = frozenset({"samenvoegen", "apart-houden"})
REASON_MISSING = "Schrijf op waarom. De reden staat straks bij de zaak."
TICK_MISSING = "Lees de tekst en zet het vinkje. Zonder vinkje wordt het antwoord geen voorbeeld."


@dataclass(frozen=True, slots=True)
class CaseAct:
    """`path` under /zaak/{reference}/; `message` and `anchor` for the page after it; `action` for the access log."""

    path: str
    right: Right
    action: str
    message: str
    run: Callable[[Visit, str], None]
    field: str = "reden"
    anchor: str = ""


def case_act_screen(act: CaseAct) -> Callable[[Visit], Response]:
    def screen(visit: Visit) -> Response:
        reference = visit.part("reference")
        typed = visit.form.text(act.field, longest=20_000)
        try:
            act.run(visit, reference)
        except ConflictError:
            problem = Problem(_overtaken(visit, reference, act.path), 409, act.path, typed)
        except NotAllowed:
            problem = Problem(FORBIDDEN, 409, act.path, typed)
        except Incomplete:
            problem = Problem(TICK_MISSING if act.path == _EXAMPLE else REASON_MISSING, 422, act.path, typed)
        else:
            visit.desk.on_access(visit.user, reference, act.action)
            return visit.done(f"/zaak/{reference}", act.message, act.anchor)
        return show_case(visit, reference, problem=problem)

    return screen


def _overtaken(visit: Visit, reference: str, path: str) -> str:
    """Why the act came too late; who wanted the case itself hears who has it."""
    if path in _DECISIONS:
        return ON_ITS_WAY
    if path in _CORRECTIONS:
        return DAY_CHANGED
    page = visit.desk.queries.case_page(reference)
    holder = page.assignee_name if page.case.assignee != visit.user.id else None
    if path not in _CLAIMS or not holder:
        return OVERTAKEN
    return (
        f"{holder} heeft deze zaak nu; er is niets gedaan. Wilt u de zaak overnemen? "
        f"Overleg eerst. Kies dan hieronder ‘Neem over van {holder}’."
    )


def _version(visit: Visit) -> int:
    return visit.form.number("versie")


def _reason(visit: Visit) -> str:
    reason = visit.form.text("reden", longest=5000).strip()
    if not reason:
        raise Incomplete
    return reason


def _claim(visit: Visit, reference: str) -> None:
    visit.desk.acts.claim(reference, user=visit.user, version=_version(visit))


def _take_over(visit: Visit, reference: str) -> None:
    """Only from the person whose name stood on the button."""
    seen = visit.form.line("van", longest=100)
    if not seen:
        raise BadForm("van")
    if visit.desk.queries.case_page(reference).case.assignee != seen:
        raise ConflictError("somebody else holds this case by now")
    visit.desk.acts.claim(reference, user=visit.user, version=_version(visit), take_over=True)


def _release_claim(visit: Visit, reference: str) -> None:
    visit.desk.acts.release_claim(reference, user=visit.user, version=_version(visit))


def _wait(visit: Visit, reference: str) -> None:
    waiting_for = visit.form.choice("op", WaitingFor)
    visit.desk.acts.wait(reference, user=visit.user, version=_version(visit), waiting_for=waiting_for)


def _resume(visit: Visit, reference: str) -> None:
    visit.desk.acts.resume(reference, user=visit.user, version=_version(visit))


def _close(visit: Visit, reference: str) -> None:
    visit.desk.acts.close(reference, user=visit.user, version=_version(visit), reason=_reason(visit))


def _reopen(visit: Visit, reference: str) -> None:
    visit.desk.acts.reopen(reference, user=visit.user, version=_version(visit))


def _no_reply_needed(visit: Visit, reference: str) -> None:
    visit.desk.acts.no_reply_needed(reference, user=visit.user, version=_version(visit), reason=_reason(visit))


def _note(visit: Visit, reference: str) -> None:
    text = visit.form.text("tekst", longest=20_000).strip()
    if not text:
        raise Incomplete
    visit.desk.acts.note(reference, user=visit.user, text=text)


def _resend(visit: Visit, reference: str) -> None:
    """Only a mail of this very case: the id in the form is checked against the case."""
    outbox_id = visit.form.line("verzending", longest=100)
    if outbox_id not in {row.id for row in visit.desk.queries.case_page(reference).outbox}:
        raise BadForm("verzending")
    visit.desk.acts.release_uncertain(outbox_id, user=visit.user)


def _send_correction(visit: Visit, reference: str) -> None:
    visit.desk.acts.send_correction(
        reference, user=visit.user, version=_version(visit), answer_day=visit.form.day("datum")
    )


def _dismiss_correction(visit: Visit, reference: str) -> None:
    day, reason = visit.form.day("datum"), _reason(visit)
    visit.desk.acts.dismiss_correction(
        reference, user=visit.user, version=_version(visit), answer_day=day, reason=reason
    )


CASE_ACTS: tuple[CaseAct, ...] = (
    CaseAct("oppakken", Right.WORK, "claimed", "opgepakt", _claim),
    CaseAct("overnemen", Right.WORK, "claimed", "overgenomen", _take_over),
    CaseAct("loslaten", Right.WORK, "claim_released", "losgelaten", _release_claim),
    CaseAct("wachten", Right.WORK, "waiting", "wacht", _wait),
    CaseAct("hervatten", Right.WORK, "resumed", "hervat", _resume),
    CaseAct("heropenen", Right.WORK, "reopened", "heropend", _reopen),
    CaseAct("sluiten", Right.DECIDE, "closed", "gesloten", _close),
    CaseAct("geen-antwoord", Right.DECIDE, "no_reply_needed", "geen-antwoord", _no_reply_needed),
    CaseAct("klopt", Right.WORK, "assessment_confirmed", "klopt", judging.confirm, anchor=_JUDGEMENT),
    CaseAct("wetten", Right.WORK, "laws_corrected", "wetten", judging.correct_laws, anchor=_JUDGEMENT),
    CaseAct("urgentie", Right.WORK, "urgency_corrected", "urgentie", judging.correct_urgency, anchor=_JUDGEMENT),
    CaseAct("gemist", Right.AUDIT, "missed_urgent", "gemist", judging.missed_urgent, anchor=_JUDGEMENT),
    CaseAct("steekproef", Right.AUDIT, "sample_looked_at", "steekproef", judging.sample_is_normal),
    CaseAct("gevaar", Right.WORK, "danger_corrected", "gevaar", judging.correct_danger, anchor=_JUDGEMENT),
    CaseAct("vrager", Right.WORK, "sender_type_corrected", "vrager", judging.correct_sender_type, anchor=_JUDGEMENT),
    CaseAct("onderwerpen", Right.WORK, "topics_corrected", "onderwerpen", judging.correct_topics, anchor=_JUDGEMENT),
    CaseAct("notitie", Right.NOTE, "noted", "notitie", _note, field="tekst", anchor="#notities"),
    CaseAct("samenvoegen", Right.DECIDE, "link_accepted", "samengevoegd", related.accept_link),
    CaseAct("apart-houden", Right.DECIDE, "link_refused", "apart", related.refuse_link),
    CaseAct("zelfde-persoon", Right.WORK, "clients_linked", "gekoppeld", related.link_clients),
    CaseAct("andere-persoon", Right.WORK, "clients_parted", "ontkoppeld", related.part_clients),
    CaseAct("geopend", Right.WORK, "notice_opened", "geopend", related.open_notice, field="tekst"),
    CaseAct("nieuwe-datum", Right.RELEASE, "correction_approved", "nieuwe-datum", _send_correction),
    CaseAct(
        "nieuwe-datum-niet-nodig",
        Right.RELEASE,
        "correction_dismissed",
        "nieuwe-datum-niet-nodig",
        _dismiss_correction,
    ),
    CaseAct(_EXAMPLE, Right.RELEASE, "answer_released", _EXAMPLE, reuse.release_answer, anchor="#antwoord"),
    CaseAct(
        "voorbeeld-terug",
        Right.RELEASE,
        "answer_withdrawn",
        "voorbeeld-terug",
        reuse.withdraw_answer,
        anchor="#antwoord",
    ),
    CaseAct("opnieuw-versturen", Right.RESEND, "uncertain_released", "opnieuw", _resend),
)
