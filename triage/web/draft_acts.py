"""Saving, approving and rejecting a reply. Whatever goes wrong, the text that was typed stays on the page."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from triage.core.gate import Finding, GateFindings, open_places
from triage.core.rights import Right
from triage.core.workdays import AMSTERDAM
from triage.errors import ConflictError, NotAllowed
from triage.ports import CasePage, DraftContent, DraftRevision
from triage.web.cases import Problem, show_case
from triage.web.desk import Visit
from triage.web.drafting import content_of, overtaken_editor, same, typed_editor
from triage.web.forms import BadForm
from triage.web.words import word

NEWER_TEXT = (
    "Iemand anders heeft het concept intussen veranderd. Uw tekst staat hieronder in het veld en is nog niet bewaard. "
    "Vergelijk de twee teksten, pas uw tekst aan en kies dan weer ‘Bewaren’."
)
NEW_MESSAGE = "De vrager heeft intussen weer geschreven. Lees eerst het nieuwe bericht. Uw tekst is bewaard."
ALREADY_APPROVED = "Dit antwoord is al goedgekeurd of verstuurd. Uw tekst staat nog in het veld."
NOT_NOW = "Dit mag niet in de stand waarin de zaak nu is. Uw tekst staat nog in het veld."
NOT_COMPOSED = "Het concept is intussen veranderd of goedgekeurd. Hieronder staat de nieuwe stand. Er is niets gedaan."
STOPPED = "De controle houdt deze mail tegen. Uw tekst is bewaard."
NOT_TICKED = "De mail is nog niet verstuurd. Kijk eerst na wat hieronder staat en vink het aan. Uw tekst is bewaard."


def draft_screen(visit: Visit) -> Response:
    """Saves the draft; with `doe` = goedkeuren it then approves exactly the text that was in the fields."""
    reference = visit.part("reference")
    approving = visit.form.line("doe", longest=20) == "goedkeuren"
    if approving and not visit.may(Right.RELEASE):
        raise NotAllowed("this role may draft, not release")
    page = visit.desk.queries.case_page(reference)
    base_revision, seen = visit.form.number("basis"), visit.form.number("gezien")
    base = next((one for one in page.drafts if one.revision == base_revision), None)
    if base is None and base_revision:
        raise BadForm("basis")
    content, fine = content_of(visit.form, base)
    try:
        revision = _stored(visit, reference, page, base, base_revision, content)
    except ConflictError:
        return _overtaken(visit, reference, base_revision, content)
    except NotAllowed:
        if visit.wants_json():
            return JSONResponse({"fout": "mag niet"}, 409)
        problem = Problem(NOT_NOW, 409)
        return show_case(visit, reference, problem=problem, editor=typed_editor(base_revision, content))
    if visit.wants_json():
        clock = visit.now.astimezone(AMSTERDAM)
        # saving may take the case up: the other forms on the page then need its new version
        version = visit.desk.queries.case_page(reference).case.version
        return JSONResponse({"concept": revision.revision, "tijd": f"{clock:%H:%M}", "zaak": version})
    if not approving:
        return visit.done(f"/zaak/{reference}", "bewaard", "#antwoord")
    if not fine:
        problem = Problem(STOPPED, 422, details=(word("bad_address", "gate"),))
        return show_case(visit, reference, problem=problem, editor=typed_editor(revision.revision, content))
    # the boxes stood under one revision: a text that was changed after it is asked about anew
    looked_at = visit.form.number("nagekeken") if "nagekeken" in visit.form.fields else 0
    ticked = visit.form.choices("vink", Finding) if looked_at == revision.revision else frozenset()
    return _approve(visit, reference, revision, seen, ticked)


def _stored(
    visit: Visit,
    reference: str,
    page: CasePage,
    base: DraftRevision | None,
    base_revision: int,
    content: DraftContent,
) -> DraftRevision:
    """The revision that holds this text: the one it began from when nothing changed, else a new one."""
    if base is not None and page.drafts[0] is base and same(base.content, content):
        return base
    revision = visit.desk.acts.save_draft(reference, user=visit.user, base_revision=base_revision, content=content)
    visit.desk.on_access(visit.user, reference, "draft_saved")
    return revision


def _overtaken(visit: Visit, reference: str, base_revision: int, content: DraftContent) -> Response:
    if visit.wants_json():
        return JSONResponse({"fout": "conflict"}, 409)
    fresh = visit.desk.queries.case_page(reference)
    newest = fresh.drafts[0] if fresh.drafts else None
    if newest is None or newest.revision == base_revision:
        problem = Problem(ALREADY_APPROVED, 409)
        return show_case(visit, reference, problem=problem, editor=typed_editor(base_revision, content))
    return show_case(visit, reference, problem=Problem(NEWER_TEXT, 409), editor=overtaken_editor(content, newest))


def _approve(visit: Visit, reference: str, revision: DraftRevision, seen: int, ticked: frozenset[Finding]) -> Response:
    try:
        visit.desk.acts.approve(
            reference,
            user=visit.user,
            revision=revision.revision,
            content_hash=revision.content_hash,
            seen_messages=seen,
            ticked=ticked,
        )
    except ConflictError:
        return _approval_overtaken(visit, reference, revision, seen)
    except NotAllowed:
        problem = Problem(NOT_NOW, 409)
        return show_case(visit, reference, problem=problem, editor=typed_editor(revision.revision, revision.content))
    except GateFindings as stop:
        details = [*(word(code, "gate") for code in stop.blocking), *open_places(revision.content.body)]
        details += [word(code, "gate") for code in stop.unticked]
        problem = Problem(STOPPED if stop.blocking else NOT_TICKED, 422, details=details)
        editor = typed_editor(revision.revision, revision.content, ticked)
        return show_case(visit, reference, problem=problem, editor=editor)
    visit.desk.on_access(visit.user, reference, "draft_approved")
    return visit.done(f"/zaak/{reference}", "goedgekeurd", "#antwoord")


def _approval_overtaken(visit: Visit, reference: str, revision: DraftRevision, seen: int) -> Response:
    """Which of the things that an approval binds to is no longer true?"""
    fresh = visit.desk.queries.case_page(reference)
    if fresh.drafts and fresh.drafts[0].revision != revision.revision:
        return show_case(
            visit,
            reference,
            problem=Problem(NEWER_TEXT, 409),
            editor=overtaken_editor(revision.content, fresh.drafts[0]),
        )
    if sum(message.direction == "in" for message in fresh.messages) > seen:
        return show_case(visit, reference, problem=Problem(NEW_MESSAGE, 409))
    return show_case(visit, reference, problem=Problem(ALREADY_APPROVED, 409))


def compose_screen(visit: Visit) -> Response:
    """A new draft from the answer blocks that the person ticked."""
    reference = visit.part("reference")
    chosen = visit.form.list("blok", longest=100)
    blocks = tuple(dict.fromkeys(one for one in (*chosen, visit.form.line("nog", longest=100)) if one))
    try:
        visit.desk.acts.compose_draft(
            reference,
            user=visit.user,
            base_revision=visit.form.number("basis"),
            blocks=blocks,
            statements=visit.form.list("zin", longest=2000),
        )
    except ConflictError:
        return show_case(visit, reference, problem=Problem(NOT_COMPOSED, 409, act="blokken"))
    visit.desk.on_access(visit.user, reference, "draft_saved")
    return visit.done(f"/zaak/{reference}", "nieuw-concept", "#antwoord")


def undo_screen(visit: Visit) -> Response:
    """Takes the approval back while the mail still waits."""
    reference = visit.part("reference")
    try:
        visit.desk.acts.undo_approval(reference, user=visit.user)
    except ConflictError:
        words = "Het antwoord is al weg of gaat nu weg. Intrekken kan niet meer."
        return show_case(visit, reference, problem=Problem(words, 409))
    visit.desk.on_access(visit.user, reference, "approval_undone")
    return visit.done(f"/zaak/{reference}", "ingetrokken", "#antwoord")


def reject_screen(visit: Visit) -> Response:
    """Gives a draft back to its author, with a reason."""
    reference = visit.part("reference")
    reason = visit.form.text("reden", longest=5000).strip()
    if not reason:
        problem = Problem("Schrijf op waarom u het concept teruggeeft.", 422, act="teruggeven")
        return show_case(visit, reference, problem=problem)
    try:
        visit.desk.acts.reject_draft(reference, user=visit.user, revision=visit.form.number("concept"), reason=reason)
    except ConflictError:
        words = "Het concept is intussen veranderd of goedgekeurd. Kijk nog eens."
        return show_case(visit, reference, problem=Problem(words, 409, act="teruggeven", typed=reason))
    visit.desk.on_access(visit.user, reference, "draft_rejected")
    return visit.done(f"/zaak/{reference}", "teruggegeven", "#notities")
