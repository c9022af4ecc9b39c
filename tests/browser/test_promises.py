"""In a browser: a person reads the mail about another day and sends it; the supervisor sees what was broken."""

from __future__ import annotations

from datetime import date

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Loket, violations
from triage.core.sla import SlaRules, recounted
from triage.core.workdays import WorkCalendar

pytestmark = pytest.mark.chromium

REF = "JL-2026-00001"


def close_on_wednesday(loket: Loket) -> None:
    """The promised day of the first case moves from Thursday to Friday."""
    rules = SlaRules(WorkCalendar(closing_days={date(2026, 11, 25): "verhuizing"}))
    with loket.harness.store.begin() as uow:
        case_id = uow.case_by_reference(REF)
        assert case_id is not None
        uow.save_case(recounted(uow.case(case_id, for_update=True), rules))


@pytest.mark.parametrize("width", [390, 1280])
def test_the_mail_about_another_day_is_read_and_sent(loket: Loket, width: int) -> None:
    loket.relay()
    close_on_wednesday(loket)
    page = loket.login("medewerker", width)
    page.goto(f"/zaak/{REF}")
    page.get_by_role("link", name="Bekijk de mail over de nieuwe datum").click()
    proposed = page.locator("section.nieuwe-datum")
    expect(proposed).to_contain_text("U krijgt nu uiterlijk op vrijdag 27 november antwoord.")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    proposed.get_by_role("button", name="Verstuur deze mail").click()
    expect(page.get_by_role("status").first).to_contain_text("De mail met de nieuwe datum gaat nu weg.")
    expect(proposed).to_have_count(0)
    expect(page.locator("[data-vers=termijn]")).to_contain_text("Beloofd: antwoord uiterlijk vr 27 november.")
    assert violations(page) == []
    loket.harness.later(days=5)
    boss = loket.login("toezichthouder", width)
    boss.goto("/toezicht")
    boss.get_by_role("link", name="Beloften gehouden").click()
    expect(boss.get_by_role("table").filter(has_text="Beloofd").get_by_role("link", name=REF).first).to_be_visible()
    assert violations(boss) == []
    assert boss.evaluate("document.documentElement.scrollWidth") <= width
    assert loket.errors == []
