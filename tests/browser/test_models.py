"""Beheer: an administrator puts a model in use and takes it back."""

from __future__ import annotations

import pytest

from tests.browser.conftest import BAD, GOOD, Loket
from triage.adapters.model_folder import ModelFolder

pytestmark = pytest.mark.chromium


def test_a_model_is_put_in_use_and_taken_back(loket: Loket) -> None:
    shelf = ModelFolder(loket.harness.folder)
    page = loket.login("beheerder")
    page.goto("/beheer#model")
    assert page.get_by_role("button", name="Neem in gebruik").count() == 1  # the refused one has none
    page.get_by_role("button", name=f"Neem in gebruik (model {GOOD})").click()
    page.wait_for_selector("text=U hebt een ander model gekozen")
    choice = shelf.choice()
    assert choice is not None and (choice.id, choice.previous) == (GOOD, None)
    assert page.locator("section:has(#model)").get_by_text("Bo Visser").count() == 1
    page.get_by_role("button", name="Terug naar het vorige model").click()
    page.wait_for_selector("text=U hebt een ander model gekozen")
    choice = shelf.choice()
    assert choice is not None and choice.id is None
    assert BAD in page.content() and loket.errors == []
