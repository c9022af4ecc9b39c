"""The sample in a browser: drawn, looked at on Zaak, and told on Toezicht; on a phone as on a desk."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Loket, violations

pytestmark = pytest.mark.chromium


@pytest.mark.parametrize("width", [390, 1280])
def test_a_sample_is_looked_at_and_told(loket: Loket, width: int) -> None:
    desk = loket.harness
    desk.later(days=7)
    assert desk.audit_sample.draw_once() == 3
    missed, fine, _ = (row.reference for row in desk.store.queries.audit_sample(desk.now - timedelta(days=1)).open)

    boss = loket.login("toezichthouder", width)
    boss.goto("/toezicht")
    boss.locator("#nog-te-bekijken + ul").get_by_role("link", name=missed).click()
    expect(boss.get_by_text("Steekproef.", exact=True)).to_be_visible()
    assert violations(boss) == []
    boss.get_by_role("button", name="Dringend: palliatieve zorg").click()
    expect(boss.locator(".zaak-kop")).to_contain_text("Dringend: palliatieve zorg")
    expect(boss.get_by_role("status").first).to_contain_text("Vastgelegd is dat de computer deze spoed miste")

    page = loket.login("medewerker", width)
    page.goto(f"/zaak/{fine}")
    page.get_by_role("button", name="Klopt: gewoon").click()
    page.get_by_role("button", name="De beoordeling klopt").click()
    expect(page.locator("[data-vers=beoordeling]")).to_contain_text("Nagekeken door Mira de Wit")
    page.get_by_text("Verbeter het onderwerp").click()
    page.get_by_label("Belangrijkste onderwerp").select_option(label="Woningaanpassing")
    page.get_by_role("button", name="Bewaar het onderwerp").click()
    expect(page.locator("[data-vers=beoordeling] li").filter(has_text="Woningaanpassing").first).to_be_visible()

    boss.goto("/toezicht")
    expect(boss.locator("#nog-te-bekijken")).to_contain_text("Nog te bekijken (1)")
    expect(boss.get_by_role("table").filter(has_text="door een mens")).to_contain_text(missed)
    assert violations(boss) == []
    for one in (page, boss):
        assert one.evaluate("document.documentElement.scrollWidth") <= width
    assert loket.errors == []
