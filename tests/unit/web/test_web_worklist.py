"""Werkvoorraad and the other lists: order, words, filters, pages, claim, search by number."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.unit.web.fakes import NOW, USERS, World, case_page, message
from triage.core.assessment import Band, Urgency
from triage.core.case import CaseState, WaitingFor
from triage.ports import OutboxRow


def references(page: str) -> list[str]:
    return re.findall(r'href="/zaak/(JL-2026-\d{5})"', page)


def test_danger_and_urgent_stand_on_top_with_words_for_the_terms() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    world.helpdesk.put(case_page(2, band=Band.URGENT, arrived_at=NOW - timedelta(hours=2)))
    world.helpdesk.put(case_page(3, danger=True))
    world.helpdesk.put(case_page(4, arrived_at=NOW - timedelta(days=7)))
    page = world.browser().login("medewerker").get("/werkvoorraad").text
    assert references(page) == ["JL-2026-00003", "JL-2026-00002", "JL-2026-00004", "JL-2026-00001"]
    assert "Gevaar" in page
    assert "Dringend: palliatieve zorg" in page
    assert "morgen 17:00" in page
    assert "te laat sinds vr 17:00" in page


def test_a_paused_case_has_no_running_term() -> None:
    world = World()
    world.helpdesk.put(
        case_page(1, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER, paused_ends_left=1, taken_up_at=NOW)
    )
    page = world.browser().login("medewerker").get("/werkvoorraad").text
    assert "staat stil" in page and "Wacht op de vrager" in page


def test_a_reply_that_did_not_leave_stands_out_in_the_list() -> None:
    world = World()
    for number, kind, state in ((1, "reply", "refused"), (2, "reply", "uncertain"), (3, "acknowledgement", "refused")):
        world.helpdesk.put(case_page(number))
        row = OutboxRow(f"o-{number}", kind, state, f"JL-2026-{number:05d}", NOW, NOW, 1, None, None, None)
        world.helpdesk.outbox_rows.append(row)
    page = world.browser().login("medewerker").get("/werkvoorraad").text
    lines = {references(line)[0]: line for line in page.split("<tr ")[1:]}
    assert "Antwoord geweigerd" in lines["JL-2026-00001"]
    assert "Antwoord onzeker" in lines["JL-2026-00002"]
    assert "Antwoord" not in lines["JL-2026-00003"].replace('termijn__wat">Antwoord', "")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {1, 2, 3}),
        ("?wet=zvw", {2}),
        ("?urgentie=transfer", {2}),
        ("?status=in_progress", {3}),
        ("?onderwerp=T24", {3}),
        ("?van=mij", {3}),
        ("?van=niemand", {1, 2}),
        ("?termijn=breached", {2}),
        ("?wet=zvw&van=mij", set()),
        ("?wet=nonsens&van=iemand&pagina=nul", {1, 2, 3}),
    ],
)
def test_filters(query: str, expected: set[int]) -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    old = NOW - timedelta(days=9)
    world.helpdesk.put(case_page(2, laws=("zvw",), urgency=Urgency.TRANSFER, band=Band.URGENT, arrived_at=old))
    mine = USERS["medewerker"]
    world.helpdesk.put(
        case_page(
            3,
            assignee=mine.id,
            assignee_name=mine.display_name,
            state=CaseState.IN_PROGRESS,
            topics=("T24",),
            taken_up_at=NOW,
        )
    )
    page = world.browser().login("medewerker").get(f"/werkvoorraad{query}").text
    assert {int(one[-5:]) for one in references(page)} == expected


def test_pages_hold_25_and_keep_the_filter() -> None:
    world = World()
    for number in range(1, 61):
        world.helpdesk.put(case_page(number, arrived_at=NOW - timedelta(minutes=number)))
    browser = world.browser().login("medewerker")
    first = browser.get("/werkvoorraad?wet=wlz").text
    assert len(references(first)) == 25
    assert "Zaak 1 tot en met 25 van 60 · pagina 1 van 3" in first
    assert 'href="/werkvoorraad?wet=wlz&amp;pagina=2"' in first
    assert 'rel="prev"' not in first
    last = browser.get("/werkvoorraad?wet=wlz&pagina=3").text
    assert len(references(last)) == 10 and 'rel="next"' not in last
    seen = references(first) + references(browser.get("/werkvoorraad?wet=wlz&pagina=2").text) + references(last)
    assert len(set(seen)) == 60
    assert references(browser.get("/werkvoorraad?wet=wlz&pagina=99").text) == references(last)


def test_mail_that_needs_no_reply_has_a_list_of_its_own() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    world.helpdesk.put(case_page(2, state=CaseState.NO_REPLY_NEEDED, ended_at=NOW))
    world.helpdesk.put(case_page(3, state=CaseState.CLOSED, ended_at=NOW))
    browser = world.browser().login("toezichthouder")
    assert references(browser.get("/werkvoorraad").text) == ["JL-2026-00001"]
    assert references(browser.get("/geen-antwoord-nodig").text) == ["JL-2026-00002"]
    assert references(browser.get("/afgerond").text) == ["JL-2026-00003"]


def test_an_empty_list_says_so() -> None:
    browser = World().browser().login("medewerker")
    assert "Er is niets te doen" in browser.get("/werkvoorraad").text
    assert "geen zaken met dit filter" in browser.get("/werkvoorraad?wet=wmo").text


def test_the_numbers_above_the_list() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    world.helpdesk.put(case_page(2, band=Band.URGENT))
    world.helpdesk.put(case_page(3, assignee="u-medewerker", assignee_name="Mira", arrived_at=NOW - timedelta(days=9)))
    numbers = world.browser().login("medewerker").get("/tellingen").json()
    assert numbers == {
        "open": 3,
        "mine": 1,
        "unassigned": 2,
        "due_today": 0,
        "breached": 1,
        "urgent_not_taken_up": 1,
    }


def test_claiming_from_the_list() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    browser = world.browser().login("medewerker")
    answer = browser.post("/werkvoorraad/JL-2026-00001/oppakken")
    assert answer.headers["location"] == "/zaak/JL-2026-00001?melding=opgepakt"
    assert world.helpdesk.pages["JL-2026-00001"].assignee_name == "Mira de Wit"
    late = world.browser().login("trainee").post("/werkvoorraad/JL-2026-00001/oppakken")
    assert late.headers["location"] == "/zaak/JL-2026-00001?melding=bezet"
    assert world.helpdesk.pages["JL-2026-00001"].assignee_name == "Mira de Wit"


@pytest.mark.parametrize("typed", ["42", "JL-2026-00042", "jl-2026-42", "2026-42", " [JL-2026-00042-K7] ", "00042"])
def test_a_case_is_found_by_its_number(typed: str) -> None:
    world = World()
    world.helpdesk.put(case_page(42))
    answer = world.browser().login("beheerder").post("/zoeken", nummer=typed)
    assert answer.headers["location"] == "/zaak/JL-2026-00042"


@pytest.mark.parametrize("typed", ["43", "Jansen", "../beheer", "JL-2025-00042", "", "42; drop", "4" * 50])
def test_what_is_not_a_number_of_a_case_is_not_found(typed: str) -> None:
    world = World()
    world.helpdesk.put(case_page(42))
    answer = world.browser().login("beheerder").post("/zoeken", nummer=typed)
    assert answer.headers["location"] == "/werkvoorraad?melding=niet-gevonden"


def test_hostile_subjects_and_names_are_text_in_the_list() -> None:
    world = World()
    hostile = '"><script>alert(1)</script>{{ 7*7 }} 111222333'
    world.helpdesk.put(case_page(1, contact_name=hostile, messages=(message(1, subject=hostile),)))
    page = world.browser().login("medewerker").get("/werkvoorraad").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page
    assert "49 " not in page
    assert "••••••••• " not in page and "•••••••••" in page  # a BSN in a subject is masked


def test_shadow_mode_is_told_on_every_page() -> None:
    assert "Schaduwmodus" in World(mode="shadow").browser().login("medewerker").get("/werkvoorraad").text
    assert "Schaduwmodus" not in World().browser().login("medewerker").get("/werkvoorraad").text
