"""Zaak: a sent reply becomes an example after a tick, and released ones stand beside a draft."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.web.fakes import NOW, World, case_page
from triage.core.case import CaseState
from triage.ports import CasePage, OutboxRow, ReleasedAnswer, SimilarAnswer

CASE = "/zaak/JL-2026-00001"
TICK = "In deze tekst staat niets dat naar een persoon wijst."
HEADING = "Eerdere antwoorden die hierop lijken"
SIMILAR = SimilarAnswer("JL-2026-00042", NOW, "De gemeente <betaalt>.", ("wmo",), ("T26",), 7)


def answered(**changes: Any) -> CasePage:
    made = case_page(1, state=CaseState.ANSWERED, answered_at=NOW)
    row = OutboxRow("o-1", "reply", "sent", "JL-2026-00001", NOW, NOW, 1, NOW, 250, None)
    body = "Beste mevrouw Jansen,\n\nHet BSN 111222333 <b>telt</b>.\n\nMet vriendelijke groet,\nMira"
    draft = replace(made.drafts[0], approved_by="u-medewerker", approved_at=NOW, outbox_id="o-1")
    draft = replace(draft, content=replace(draft.content, body=body))
    return replace(made, drafts=(draft,), outbox=(row,), **changes)


def world(page: CasePage) -> World:
    made = World()
    made.helpdesk.put(page)
    made.helpdesk.similar = (SIMILAR,)
    return made


def example_in(text: str) -> str:
    """The form that asks whether the reply may be an example; "" when it is not there."""
    return text[text.index('action="/zaak/JL-2026-00001/voorbeeld"') :].partition("</form>")[0] if TICK in text else ""


def test_the_text_is_shown_as_colleagues_would_read_it() -> None:
    form = example_in(world(answered()).browser().login("medewerker").get(CASE).text)
    assert "Het BSN ••••••••• &lt;b&gt;telt&lt;/b&gt;." in form
    assert "Beste mevrouw" not in form and "Mira" not in form


def test_a_name_that_is_left_is_pointed_out() -> None:
    made = answered()
    body = made.drafts[0].content.body.replace("telt", "van mevrouw Jansen telt")
    draft = replace(made.drafts[0], content=replace(made.drafts[0].content, body=body))
    page = world(replace(made, drafts=(draft,))).browser().login("medewerker").get(CASE).text
    assert "Let op: in de tekst staat ‘Jansen’." in page
    assert "Let op: in de tekst staat" not in world(made).browser().login("medewerker").get(CASE).text


@pytest.mark.parametrize("role", ["trainee", "toezichthouder", "beheerder"])
def test_only_who_may_release_is_asked(role: str) -> None:
    made = world(answered(released=ReleasedAnswer(1, "Mira de Wit", NOW)))
    page = made.browser().login(role).get(CASE).text
    assert "Dit antwoord mag als voorbeeld dienen." in page and "Niet meer als voorbeeld" not in page
    assert example_in(world(answered()).browser().login(role).get(CASE).text) == ""


@pytest.mark.parametrize(
    "page",
    [
        case_page(1),
        replace(answered(), outbox=()),
        replace(answered(), case=case_page(1, state=CaseState.IN_PROGRESS).case),
        replace(answered(), drafts=tuple(replace(one, outbox_id=None) for one in answered().drafts)),
    ],
)
def test_what_was_not_sent_or_is_not_over_is_no_example(page: CasePage) -> None:
    assert example_in(world(page).browser().login("medewerker").get(CASE).text) == ""


def test_without_the_tick_nothing_is_released() -> None:
    made = world(answered())
    browser = made.browser().login("medewerker")
    answer = browser.post(f"{CASE}/voorbeeld", versie=1, antwoord=1)
    assert answer.status_code == 422 and "zet het vinkje" in answer.text and example_in(answer.text)
    assert browser.post(f"{CASE}/voorbeeld", versie=1, antwoord=1, niemand="nee").status_code == 422
    assert made.helpdesk.done == [] and made.seen == []


def test_with_the_tick_it_is_an_example_and_can_be_taken_back() -> None:
    made = world(answered())
    browser = made.browser().login("medewerker")
    done = browser.post(f"{CASE}/voorbeeld", versie=1, antwoord=1, niemand="ja")
    assert (done.status_code, done.headers["location"]) == (303, f"{CASE}?melding=voorbeeld#antwoord")
    page = browser.get(CASE).text
    assert "Dit antwoord mag als voorbeeld dienen." in page and example_in(page) == ""
    assert browser.post(f"{CASE}/voorbeeld-terug", versie=2).status_code == 303
    assert example_in(browser.get(CASE).text)
    assert [act for act, _ in made.helpdesk.done] == ["release_answer", "withdraw_answer"]
    assert ("u-medewerker", "JL-2026-00001", "answer_released") in made.seen
    assert browser.post(f"{CASE}/voorbeeld-terug", versie=3).status_code == 409


def test_a_case_that_changed_meanwhile_is_shown_again() -> None:
    made = world(answered())
    answer = made.browser().login("medewerker").post(f"{CASE}/voorbeeld", versie=9, antwoord=1, niemand="ja")
    assert answer.status_code == 409 and "Iemand anders heeft deze zaak net veranderd" in answer.text


def test_released_answers_stand_beside_the_draft_with_the_reason() -> None:
    made = world(case_page(1))
    page = made.browser().login("trainee").get(CASE).text
    section = page[page.index(HEADING) :].partition("</section>")[0]
    assert "dezelfde wet (Wmo), hetzelfde onderwerp (Hulpmiddelen), 7 woorden gelijk" in section
    assert "De gemeente &lt;betaalt&gt;." in section and 'href="/zaak/JL-2026-00042"' in section
    assert made.seen == [("u-trainee", "JL-2026-00001", "viewed")]  # of the other case only its released text


@pytest.mark.parametrize(("role", "page"), [("toezichthouder", case_page(1)), ("medewerker", answered())])
def test_nothing_is_compared_for_who_writes_no_answer(role: str, page: CasePage) -> None:
    made = world(page)
    assert HEADING not in made.browser().login(role).get(CASE).text
    assert made.helpdesk.compared == []


def test_without_any_the_section_is_left_out() -> None:
    made = world(case_page(1))
    made.helpdesk.similar = ()
    assert HEADING not in made.browser().login("medewerker").get(CASE).text


def test_reasons_leave_out_what_is_not_shared() -> None:
    made = world(case_page(1))
    made.helpdesk.similar = (replace(SIMILAR, laws=(), topics=(), words=1),)
    page = made.browser().login("medewerker").get(CASE).text
    assert "1 woord gelijk" in page and "dezelfde wet" not in page and "hetzelfde onderwerp" not in page
