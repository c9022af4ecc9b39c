"""One story per role, as people do it."""

from __future__ import annotations

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Loket, violations
from tests.integration.harness import START

pytestmark = pytest.mark.chromium


def open_urgent(page: Page) -> str:
    """Opens the case on top of the list; its reference."""
    page.goto("/werkvoorraad")
    first = page.locator("tr.regel").first
    expect(first).to_contain_text("Dringend: palliatieve zorg")
    first.get_by_role("link").click()
    return page.url.rpartition("/")[2].partition("?")[0]


def text_field(page: Page):  # type: ignore[no-untyped-def]
    return page.get_by_label("Tekst", exact=True)


def test_a_staff_member_answers_the_urgent_question(loket: Loket) -> None:
    page = loket.login("medewerker")
    expect(page).to_have_url(f"{loket.address}/werkvoorraad")
    reference = open_urgent(page)
    expect(page.locator(".zaak-kop")).to_contain_text("Oppakken: morgen 17:00 · Antwoord: do 17:00")

    page.get_by_role("button", name="Pak op").click()
    expect(page.get_by_role("status").first).to_contain_text("U hebt de zaak opgepakt")
    page.get_by_role("button", name="Voeg toe Wmo").click()
    expect(page.locator(".wetten")).to_contain_text("toegevoegd door een mens")

    text_field(page).fill("Beste meneer,\n\nHet transferpunt regelt de zorg thuis.\n\n[[handtekening]]")
    page.get_by_role("button", name="Goedkeuren en versturen").click()
    expect(page.locator(".antwoord")).to_contain_text("Goedgekeurd door Mira de Wit")
    expect(page.locator(".antwoord")).to_contain_text("seconden")

    page.get_by_role("button", name="Trek de goedkeuring in").click()
    expect(page.get_by_role("status").first).to_contain_text("Er is niets verstuurd")
    text_field(page).fill("Beste meneer,\n\nDe wijkverpleegkundige regelt de zorg thuis.\n\n[[handtekening]]")
    page.get_by_role("button", name="Goedkeuren en versturen").click()
    expect(page.locator(".antwoord")).to_contain_text("Trek de goedkeuring in")

    loket.harness.later(seconds=21)
    loket.relay()
    page.goto(f"/zaak/{reference}")
    expect(page.locator(".antwoord")).to_contain_text("Verstuurd")
    replies = [raw for envelope, raw in loket.harness.sender.sent if b"wijkverpleegkundige" in raw]
    assert len(replies) == 1
    assert b"transferpunt" not in replies[0]
    assert loket.errors == []


def test_reading_and_approving_work_without_javascript(loket: Loket) -> None:
    page = loket.login("medewerker", javascript=False)
    open_urgent(page)
    page.get_by_role("button", name="Pak op").click()
    text_field(page).fill("Beste meneer,\n\nDe huisarts kan helpen.\n\n[[handtekening]]")
    page.get_by_role("button", name="Bewaren").click()
    expect(page.locator(".zaak")).to_contain_text("Concept bewaard")
    page.get_by_role("button", name="Goedkeuren en versturen").click()
    expect(page.locator(".antwoord")).to_contain_text("Tot dan kunt u de goedkeuring intrekken")
    loket.harness.later(seconds=21)
    loket.relay()
    page.reload()
    expect(page.locator(".antwoord")).to_contain_text("Verstuurd")


@pytest.mark.parametrize("javascript", [True, False])
def test_what_the_gate_asks_is_ticked_before_the_reply_leaves(loket: Loket, javascript: bool) -> None:
    page = loket.login("medewerker", javascript=javascript)
    open_urgent(page)
    text_field(page).fill("Beste meneer,\n\nUw vrouw (geb. 12-03-1950) krijgt hulp.\n\n[[handtekening]]")
    page.get_by_role("button", name="Goedkeuren en versturen").click()
    expect(page.get_by_role("alert")).to_contain_text("De mail is nog niet verstuurd")
    expect(text_field(page)).to_have_value(
        "Beste meneer,\n\nUw vrouw (geb. 12-03-1950) krijgt hulp.\n\n[[handtekening]]"
    )
    asked = page.get_by_role("group", name="Kijk dit na en vink het aan voordat u goedkeurt")
    expect(asked).to_contain_text("Uw vrouw (geb. 12-03-1950) krijgt hulp.")
    if javascript:
        assert violations(page) == []
    page.get_by_label("Ik heb de geboortedatum gezien").check()
    page.get_by_role("button", name="Goedkeuren en versturen").click()
    expect(page.locator(".antwoord")).to_contain_text("Goedgekeurd door Mira de Wit. Aangevinkt: geboortedatum.")
    assert [error for error in loket.errors if "422" not in error] == []  # the browser reports the refusal itself


def test_everything_can_be_done_with_the_keyboard(loket: Loket) -> None:
    page = loket.page()
    page.goto("/inloggen")
    page.keyboard.type("medewerker")  # the name has the focus
    page.keyboard.press("Tab")
    page.keyboard.type("een-lang-wachtwoord")
    page.keyboard.press("Enter")
    page.wait_for_url("**/werkvoorraad")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Naar de inhoud")).to_be_focused()
    expect(page.get_by_role("link", name="Naar de inhoud")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#inhoud")).to_be_focused()
    for _ in range(40):
        page.keyboard.press("Tab")
        shown = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert shown != "none"
        if page.evaluate("document.activeElement.getAttribute('href') || ''").startswith("/zaak/"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/zaak/*")


def test_a_trainee_drafts_and_a_colleague_releases(loket: Loket) -> None:
    trainee = loket.login("trainee")
    reference = open_urgent(trainee)
    expect(trainee.get_by_role("button", name="Goedkeuren en versturen")).to_have_count(0)
    text_field(trainee).fill("Beste meneer,\n\nTekst van Tom.\n\n[[handtekening]]")
    trainee.get_by_role("button", name="Bewaren").click()
    expect(trainee.get_by_role("status").first).to_contain_text("Het concept is bewaard")

    colleague = loket.login("medewerker")
    colleague.goto(f"/zaak/{reference}")
    expect(colleague.locator(".anderen").first).to_contain_text("Tom Smit")
    expect(text_field(colleague)).to_have_value("Beste meneer,\n\nTekst van Tom.\n\n[[handtekening]]")
    colleague.get_by_role("button", name="Goedkeuren en versturen").click()
    expect(colleague.locator(".antwoord")).to_contain_text("Goedgekeurd door Mira de Wit")
    assert loket.errors == []


def test_text_is_saved_by_itself_and_a_conflict_loses_none(loket: Loket) -> None:
    mira, tom = loket.login("medewerker"), loket.login("trainee")
    reference = open_urgent(mira)
    tom.goto(f"/zaak/{reference}")
    text_field(mira).fill("Tekst van Mira")
    expect(mira.locator("[data-bewaard]")).to_contain_text("Bewaard om 09:00", timeout=10_000)
    assert loket.harness.store.queries.case_page(reference).drafts[0].content.body == "Tekst van Mira"
    # her own save made a new version of the case; her other buttons still work
    mira.get_by_role("button", name="Pak op").click()
    expect(mira.get_by_role("status").first).to_contain_text("opgepakt")

    text_field(tom).fill("Tekst van Tom")
    expect(tom.locator("[data-bewaard]")).to_contain_text("iemand anders", timeout=10_000)
    tom.get_by_role("button", name="Bewaren").click()
    expect(tom.get_by_role("alert")).to_contain_text("Iemand anders heeft het concept intussen veranderd")
    expect(text_field(tom)).to_have_value("Tekst van Tom")
    expect(tom.locator(".vergelijk")).to_contain_text("Tekst van Mira")
    errors = [error for error in loket.errors if "409" not in error]  # the browser reports the refused save itself
    assert errors == []


def test_a_second_step_is_set_up_and_asked_for(loket: Loket) -> None:
    page = loket.login("medewerker")
    page.get_by_role("link", name="Mijn account").click()
    page.get_by_label("Uw wachtwoord", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Stel de tweede stap in").click()
    secret = page.locator(".sleutel").inner_text().replace(" ", "")
    page.get_by_label("Code van 6 cijfers").fill(pyotp.TOTP(secret).at(loket.harness.now))
    page.get_by_role("button", name="Zet de tweede stap aan").click()
    expect(page.get_by_role("status").first).to_contain_text("De tweede stap werkt")

    loket.harness.later(seconds=30)
    fresh = loket.page()
    fresh.goto("/inloggen")
    for code, lands in (("", "/inloggen"), (pyotp.TOTP(secret).at(loket.harness.now), "/werkvoorraad")):
        fresh.get_by_label("Gebruikersnaam").fill("medewerker")
        fresh.get_by_label("Wachtwoord").fill(PASSWORD)
        fresh.get_by_label("Code uit uw app").fill(code)
        fresh.get_by_role("button", name="Inloggen").click()
        expect(fresh).to_have_url(f"{loket.address}{lands}")
    assert [error for error in loket.errors if "401" not in error] == []


def test_a_case_of_a_colleague_is_taken_over_on_purpose(loket: Loket) -> None:
    trainee, page = loket.login("trainee"), loket.login("medewerker")
    reference = open_urgent(trainee)
    page.goto(f"/zaak/{reference}")
    trainee.get_by_role("button", name="Pak op").click()
    expect(trainee.get_by_role("status").first).to_contain_text("opgepakt")
    page.get_by_role("button", name="Pak op").click()
    expect(page.get_by_role("alert")).to_contain_text("Tom Smit heeft deze zaak nu; er is niets gedaan.")
    page.get_by_role("button", name="Neem over van Tom Smit").click()
    expect(page.get_by_role("status").first).to_contain_text("U hebt de zaak overgenomen")
    case = loket.harness.store.queries.case_page(reference)
    assert case.assignee_name == "Mira de Wit"


def test_hostile_mail_does_nothing(loket: Loket) -> None:
    page = loket.login("medewerker")
    page.get_by_role("link", name="<script>window.kwaad=1</script>").click()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    expect(page.locator(".mailtekst").first).to_contain_text("scootmobiel")
    assert page.evaluate("window.kwaad") is None
    assert page.locator(".mailhtml img, .mailhtml script").count() == 0
    assert loket.errors == []


def test_a_supervisor_finds_the_list_behind_a_number(loket: Loket) -> None:
    loket.harness.later(days=1, hours=9)
    page = loket.login("toezichthouder")
    expect(page).to_have_url(f"{loket.address}/toezicht")
    card = page.locator(".cijfer", has_text="Dringend, niet opgepakt")
    expect(card.locator(".cijfer__getal")).to_have_text("1")
    card.get_by_role("link").click()
    expect(page.locator("tr.regel")).to_have_count(1)
    expect(page.locator("tr.regel")).to_contain_text("te laat sinds vandaag 17:00")
    page.locator("tr.regel").get_by_role("link").click()
    expect(page.get_by_label("Tekst", exact=True)).to_have_count(0)
    expect(page.locator(".brief")).to_be_visible()
    assert loket.errors == []


def test_an_administrator_sees_the_ledger_and_releases_a_mail(loket: Loket) -> None:
    page = loket.login("beheerder")
    expect(page).to_have_url(f"{loket.address}/beheer")
    expect(page.locator(".groot")).to_have_text("0 niet verantwoord")
    expect(page.locator("body")).to_contain_text("ZeroDivisionError")
    page.get_by_role("button", name="Lees opnieuw").click()
    expect(page.get_by_role("status").first).to_contain_text("opnieuw gelezen")
    assert loket.harness.store.queries.quarantined() == []
    assert loket.harness.now == START
    assert loket.errors == []
