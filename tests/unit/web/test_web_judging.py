"""Beoordeling on Zaak: who may say what of the machine's assessment, and what the page tells of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.web.fakes import NOW, World, assessment, case_page
from triage.core.assessment import Band, SenderType, Urgency
from triage.ports import AuditRow, CasePage, CorrectionRow, FoundLate, SampledCase, SampleFigures
from triage.web.present import at_most

CASE = "/zaak/JL-2026-00001"
REFERENCE = "JL-2026-00001"


def opened(world: World, role: str = "medewerker") -> str:
    answer = world.browser().login(role).get(CASE)
    assert answer.status_code == 200
    return str(answer.text)


def with_page(**changes: object) -> World:
    world = World()
    world.helpdesk.put(case_page(1, judged_message="m-1", **changes))
    return world


def said(field: str, *after: str, message_id: str = "m-1", minutes: int = 0) -> CorrectionRow:
    return CorrectionRow(NOW - timedelta(minutes=60 - minutes), "Mira de Wit", message_id, field, after, after)


CONFIRMED = (said("laws", "wlz"), said("urgency", "regular", "normal"))


def test_one_click_confirms() -> None:
    world = with_page()
    assert "De beoordeling klopt" in opened(world)
    answer = world.browser().login("medewerker").post(f"{CASE}/klopt", versie=1)
    assert (answer.status_code, world.helpdesk.done) == (303, [("confirm", REFERENCE)])
    assert answer.headers["location"].endswith("?melding=klopt#beoordeling")


@pytest.mark.parametrize("role", ["toezichthouder", "beheerder"])
def test_who_does_not_work_on_cases_is_not_asked(role: str) -> None:
    page = opened(with_page(), role)
    for button in ("De beoordeling klopt", "Verbeter de vrager", "Verbeter het onderwerp", "Er is wel gevaar"):
        assert button not in page


@pytest.mark.parametrize(
    ("corrections", "checked"),
    [
        (CONFIRMED, True),
        (CONFIRMED[:1], False),  # not of the urgency
        ((*CONFIRMED, said("laws", "wmo", minutes=1)), False),  # what holds now is something else
        ((said("laws", "wlz", message_id="m-0"), CONFIRMED[1]), False),  # said of an earlier mail
        ((said("laws", "wmo"), *CONFIRMED), True),
    ],
)
def test_what_was_checked_is_told_and_not_asked_again(corrections: tuple[CorrectionRow, ...], checked: bool) -> None:
    page = opened(with_page(corrections=corrections))
    assert ("Nagekeken door Mira de Wit, vandaag" in page) is checked
    assert ("De beoordeling klopt" in page) is not checked


def test_a_case_that_no_machine_judged_is_not_confirmed() -> None:
    page = opened(with_page(assessment=None))
    assert "De beoordeling klopt" not in page and "Gemiste spoed" not in page


@pytest.mark.parametrize("role", ["medewerker", "trainee", "toezichthouder"])
def test_gemiste_spoed_is_offered_where_the_machine_said_normal(role: str) -> None:
    world = with_page()
    page = opened(world, role)
    assert "Gemiste spoed" in page and 'name="urgentie" value="transfer"' in page
    answer = world.browser().login(role).post(f"{CASE}/gemist", versie=1, urgentie="transfer")
    assert (answer.status_code, world.helpdesk.done) == (303, [("missed_urgent", REFERENCE)])
    case = world.helpdesk.pages[REFERENCE].case
    assert (case.band, case.urgency) == (Band.URGENT, Urgency.TRANSFER)
    assert "Gemiste spoed</summary>" not in opened(world, role)


def test_gemiste_spoed_is_not_offered_where_the_machine_saw_it() -> None:
    judged = replace(assessment(), band=Band.POSSIBLE, urgency=Urgency.TRANSFER)
    world = with_page(assessment=judged)
    assert "Gemiste spoed</summary>" not in opened(world)
    answer = world.browser().login("medewerker").post(f"{CASE}/gemist", versie=1, urgentie="transfer")
    assert (answer.status_code, world.helpdesk.done) == (409, [])


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("gemist", {"urgentie": "regular"}),
        ("gemist", {"urgentie": "spoed"}),
        ("gevaar", {"gevaar": "misschien"}),
        ("gevaar", {}),
        ("vrager", {"vrager": "burgemeester"}),
        ("onderwerpen", {"onderwerp1": ""}),
        ("onderwerpen", {"onderwerp1": "T01", "onderwerp2": "T77"}),
    ],
)
def test_a_form_that_no_page_offers_is_refused(path: str, fields: dict[str, object]) -> None:
    world = with_page()
    answer = world.browser().login("medewerker").post(f"{CASE}/{path}", versie=1, **fields)
    assert (answer.status_code, world.helpdesk.done) == (400, [])


def test_danger_is_put_on_by_whoever_works_and_taken_away_by_who_decides() -> None:
    world = with_page()
    trainee = world.browser().login("trainee")
    assert "Er is wel gevaar" in trainee.get(CASE).text
    assert trainee.post(f"{CASE}/gevaar", versie=1, gevaar="ja").status_code == 303
    assert world.helpdesk.pages[REFERENCE].case.danger
    page = trainee.get(CASE).text
    assert "Er is geen gevaar</summary>" not in page
    assert "De computer zei: geen gevaar." in page
    assert trainee.post(f"{CASE}/gevaar", versie=2, gevaar="nee", reden="film").status_code == 409

    medewerker = world.browser().login("medewerker")
    assert "Er is geen gevaar</summary>" in medewerker.get(CASE).text
    assert medewerker.post(f"{CASE}/gevaar", versie=2, gevaar="nee", reden=" ").status_code == 422
    assert medewerker.post(f"{CASE}/gevaar", versie=2, gevaar="nee", reden="film").status_code == 303
    assert not world.helpdesk.pages[REFERENCE].case.danger


def test_sender_type_and_topics_are_corrected_and_shown() -> None:
    world = with_page(sender_type=SenderType.CITIZEN)
    browser = world.browser().login("medewerker")
    assert browser.post(f"{CASE}/vrager", versie=1, vrager="ciz").status_code == 303
    fields = {"onderwerp1": "T25", "onderwerp2": "", "onderwerp3": "T25"}
    assert browser.post(f"{CASE}/onderwerpen", versie=2, **fields).status_code == 303
    page = world.helpdesk.pages[REFERENCE]
    assert (page.sender_type, page.topics) == (SenderType.CIZ, ("T25",))
    shown = browser.get(CASE).text
    assert "<p>CIZ</p>" in shown and "<li>Begeleiding en dagbesteding</li>" in shown
    assert "de computer zei van de vrager: burger" in shown
    assert '<option value="T25" selected>' in shown


def test_what_was_typed_stays_when_somebody_was_first() -> None:
    world = with_page(danger=True)
    browser = world.browser().login("medewerker")
    browser.post(f"{CASE}/oppakken", versie=1)
    answer = browser.post(f"{CASE}/gevaar", versie=1, gevaar="nee", reden="een <film>")
    assert answer.status_code == 409
    assert "een &lt;film&gt;" in answer.text


def test_the_timeline_tells_each_of_them() -> None:
    rows = (
        AuditRow(NOW, "Mira de Wit", "assessment_confirmed", {}),
        AuditRow(NOW, "Mira de Wit", "danger_corrected", {"danger": "no"}),
        AuditRow(NOW, "Mira de Wit", "sender_type_corrected", {"sender_type": "gemeente"}),
        AuditRow(NOW, "Mira de Wit", "topics_corrected", {"topics": ["T25", "T33"]}),
        AuditRow(NOW, "Mira de Wit", "missed_urgent", {"band": "urgent", "urgency": "transfer", "model": "m"}),
        AuditRow(NOW, "system", "rescreened", {"held": "urgent", "model": "m"}),
        AuditRow(NOW, "system", "found_late", {"band": "possible", "urgency": "palliative", "model": "m"}),
    )
    page = opened(with_page(timeline=rows))
    for words in (
        "Beoordeling bevestigd",
        "Gevaar verbeterd: geen gevaar",
        "Vrager verbeterd: gemeente",
        "Onderwerp verbeterd: Begeleiding en dagbesteding · Eigen bijdrage en eigen risico",
        "de computer noemde deze zaak gewoon: Dringend · transfer",
        "Opnieuw beoordeeld: een mens koos de urgentie; het systeem zou zeggen: dringend",
        "Spoed laat gevonden: een nieuwe beoordeling maakte deze zaak dringend: Mogelijk dringend · palliatieve zorg",
    ):
        assert words in page, words


def test_the_property_of_the_page_asks_both_machine_and_case() -> None:
    page: CasePage = case_page(1)
    assert page.machine_said_normal
    assert not replace(page, assessment=None).machine_said_normal
    assert not replace(page, case=replace(page.case, band=Band.POSSIBLE)).machine_said_normal


# ---------------------------------------------------------------- audit sample


def test_a_sampled_case_asks_for_a_look() -> None:
    world = with_page(sampled="2026-W47")
    page = opened(world, "toezichthouder")
    assert "<strong>Steekproef.</strong>" in page and "Klopt: gewoon" in page
    assert '<details class="daad" id="gemist" open>' in page
    browser = world.browser().login("toezichthouder")
    answer = browser.post(f"{CASE}/steekproef", versie=1)
    assert (answer.status_code, world.helpdesk.done) == (303, [("sample_is_normal", REFERENCE)])
    assert "Steekproef.</strong>" not in browser.get(CASE).text
    assert browser.post(f"{CASE}/steekproef", versie=2).status_code == 409


def test_who_may_not_look_is_not_asked() -> None:
    assert "Steekproef" not in opened(with_page(sampled="2026-W47"), "beheerder")
    assert "Steekproef" not in opened(with_page())


def test_toezicht_tells_what_was_found_late_and_how_the_sample_stands() -> None:
    world = with_page()
    late = FoundLate(NOW, REFERENCE, "missed_urgent", "transfer", "proef-1")
    world.helpdesk.late += [late, replace(late, how="found_late"), replace(late, at=NOW - timedelta(days=366))]
    waiting = SampledCase("JL-2026-00007", "2026-W47", NOW - timedelta(days=6))
    world.helpdesk.sample = SampleFigures(61, 60, 0, (waiting,))
    page = world.browser().login("toezichthouder").get("/toezicht").text
    assert '<a href="#laat-gevonden"><span class="cijfer__getal">1</span>' in page  # one case, in two ways
    assert '<a href="#steekproef"><span class="cijfer__getal">1</span>' in page
    assert "door een mens" in page and "door een nieuwe beoordeling" in page
    assert "is hooguit <strong>4,9%</strong> toch dringend" in page
    assert "Nog te bekijken (1)" in page and 'href="/zaak/JL-2026-00007"' in page
    assert "steekproef van week 47 van 2026" in page


def test_toezicht_says_so_when_there_is_nothing_yet() -> None:
    page = with_page().browser().login("toezichthouder").get("/toezicht").text
    assert "Er is geen spoed laat gevonden." in page and "Er is nog geen zaak bekeken." in page


@pytest.mark.parametrize(("share", "words"), [(0.04870, "4,9%"), (0.0001, "0,1%"), (1.0, "100,0%"), (0.05, "5,0%")])
def test_a_bound_is_never_told_smaller_than_it_is(share: float, words: str) -> None:
    assert at_most(share) == words
