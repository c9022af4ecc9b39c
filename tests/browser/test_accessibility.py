"""WCAG 2.2 AA as far as axe can tell, and no sideways scrolling, for every screen on a desk and on a phone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.browser.conftest import PASSWORD, Loket, violations
from triage.ports import CaseFilter

pytestmark = pytest.mark.chromium

SCREENS = {
    "medewerker": (
        "/werkvoorraad?wet=zvw",
        "/werkvoorraad",
        "/geen-antwoord-nodig",
        "/zaak/urgent",
        "/zaak/JL-2026-99999",
        "/account",
        "/kennisbank",
        "/kennisbank/begeleiding-dagbesteding",
    ),
    "trainee": ("/zaak/urgent",),
    "toezichthouder": ("/toezicht", "/zaak/urgent"),
    "beheerder": (
        "/beheer",
        "/werkvoorraad",
        "/beheer/bevestiging?taal=tr&soort=spoed",
        "/beheer/bevestiging?taal=en&soort=laat",
    ),
}


@pytest.mark.parametrize("width", [1280, 400])
def test_every_screen(loket: Loket, width: int) -> None:
    queries = loket.harness.store.queries
    rows, _ = queries.worklist(CaseFilter(), now=loket.harness.now)
    urgent = next(row.reference for row in rows if row.band == "urgent")
    found: dict[str, list[str]] = {}
    page = loket.page(width)
    page.goto("/inloggen")
    found["inloggen"] = violations(page)
    for role, paths in SCREENS.items():
        page = loket.login(role, width)
        for path in paths:
            page.goto(path.replace("urgent", urgent))
            found[f"{role} {path}"] = violations(page)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (role, path, wide)
    assert {name: broken for name, broken in found.items() if broken} == {}


@pytest.mark.parametrize("width", [1280, 400])
def test_setting_up_the_second_step(loket: Loket, width: int) -> None:
    page = loket.login("medewerker", width)
    page.goto("/account")
    page.get_by_label("Uw wachtwoord", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Stel de tweede stap in").click()
    page.get_by_label("Code van 6 cijfers").fill("000000")
    page.get_by_role("button", name="Zet de tweede stap aan").click()
    page.wait_for_selector("text=Deze code klopt niet")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # the picture was let through by the policy and drawn
    assert page.evaluate("document.querySelector('.qr').naturalWidth") > 100


def test_the_page_after_a_conflict_and_an_approved_reply(loket: Loket) -> None:
    rows, _ = loket.harness.store.queries.worklist(CaseFilter(), now=loket.harness.now)
    reference = rows[0].reference
    page = loket.login("medewerker", 400)
    page.goto(f"/zaak/{reference}")
    tom = loket.harness.store.accounts.by_username("trainee")
    draft = loket.harness.store.queries.case_page(reference).drafts[0]
    assert tom is not None
    loket.harness.approval.save_draft(
        reference, user=tom.user, base_revision=draft.revision, content=replace(draft.content, body="Van Tom")
    )
    page.get_by_label("Tekst", exact=True).fill("Beste vrager,\n\nGoed antwoord.")
    page.get_by_role("button", name="Bewaren").click()
    page.wait_for_selector(".vergelijk")
    assert violations(page) == []
    page.get_by_role("button", name="Goedkeuren en versturen").click()
    page.wait_for_selector("text=Trek de goedkeuring in")
    assert violations(page) == []
