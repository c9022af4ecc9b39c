"""Kennisbank and examples in a real browser: read a block, release a sent reply without JavaScript, find it back."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Loket, violations
from triage.ports import DraftContent

pytestmark = pytest.mark.chromium

REPLY = (
    "Geachte Vrager,\n\nDe gemeente regelt de huishoudelijke hulp. Doe een melding bij het Wmo-loket.\n\n"
    "Met vriendelijke groet,\n\n[[handtekening]]"
)


def answered(loket: Loket, reference: str) -> None:
    """The question of `reference` has its reply."""
    harness = loket.harness
    mira = harness.store.accounts.by_username("medewerker")
    assert mira is not None
    page = harness.store.queries.case_page(reference)
    draft = page.drafts[0]
    content = DraftContent(draft.content.to, (), draft.content.subject, REPLY)
    saved = harness.approval.save_draft(reference, user=mira.user, base_revision=draft.revision, content=content)
    harness.approval.approve(
        reference,
        user=mira.user,
        revision=saved.revision,
        content_hash=saved.content_hash,
        seen_messages=len(page.messages),
    )
    harness.later(minutes=1)
    loket.relay()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_reply_is_released_without_javascript_and_stands_beside_a_question_like_it(loket: Loket, width: int) -> None:
    page = loket.login("medewerker", width, javascript=False)
    answered(loket, "JL-2026-00001")
    page.goto("/zaak/JL-2026-00001")
    page.get_by_text("Mag dit antwoord als voorbeeld dienen?").click()
    page.get_by_role("button", name="Mag als voorbeeld dienen").click()
    assert "melding=" not in page.url  # the browser holds the form until the tick is set
    page.get_by_label("In deze tekst staat niets dat naar een persoon wijst.").check()
    page.get_by_role("button", name="Mag als voorbeeld dienen").click()
    page.wait_for_selector("text=Collega’s zien dit antwoord nu")
    page.goto("/zaak/JL-2026-00003")
    page.get_by_text("Antwoord van ma 23 november").click()
    assert page.get_by_text("De gemeente regelt de huishoudelijke hulp.").is_visible()
    assert page.get_by_text("Geachte Vrager,").count() == 0
    page.goto("/zaak/JL-2026-00001")
    page.get_by_role("button", name="Niet meer als voorbeeld").click()
    page.wait_for_selector("text=Dit antwoord is geen voorbeeld meer.")
    page.goto("/zaak/JL-2026-00003")
    assert page.get_by_text("Eerdere antwoorden die hierop lijken").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_both_ends_are_accessible(loket: Loket, width: int) -> None:
    page = loket.login("medewerker", width)
    answered(loket, "JL-2026-00001")
    page.goto("/zaak/JL-2026-00001")
    assert page.get_by_text("Mag dit antwoord als voorbeeld dienen?").count() == 1
    assert violations(page) == []
    page.get_by_label("In deze tekst staat niets dat naar een persoon wijst.").check()
    page.get_by_role("button", name="Mag als voorbeeld dienen").click()
    page.wait_for_selector("text=Collega’s zien dit antwoord nu")
    assert violations(page) == []
    page.goto("/zaak/JL-2026-00003")
    page.wait_for_selector("text=Eerdere antwoorden die hierop lijken")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert loket.errors == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_block_is_read_with_its_sources(loket: Loket, width: int) -> None:
    page = loket.login("toezichthouder", width, javascript=False)
    answered(loket, "JL-2026-00001")
    page.get_by_role("link", name="Kennisbank").click()
    assert page.get_by_text("Nog te weinig gebruikt (").count() == 1
    page.get_by_role("link", name="Huishoudelijke hulp", exact=False).first.click()
    page.wait_for_selector("text=Regels en bronnen")
    assert page.get_by_text("en 1 verstuurd antwoord.").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
