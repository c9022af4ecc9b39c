"""A reply as an example: without the lines that speak to one person."""

from __future__ import annotations

import pytest

from triage.core.reuse import as_example, names_left

TEXT = "De gemeente beslist.\n\nGroet de gemeente vriendelijk."


@pytest.mark.parametrize(
    "body",
    [
        f"Geachte mevrouw Jansen,\n\n{TEXT}\n\nMet vriendelijke groet,\n\n[[handtekening]]\n",
        f"Beste Anna,\r\n{TEXT}\r\n\r\nHartelijke groeten\r\nMira de Wit\r\n030 123 45 67\r\n",
        f"Goedemiddag heer De Vries!\n\n{TEXT}\n\nHoogachtend,\nMira",
        f"Dear Ms Jansen,\n\n{TEXT}\n\nKind regards,\n\n[[handtekening]]",
        f"Beste mevrouw Jansen\n\n{TEXT}\n\n[[handtekening]]\nBijlage: brief van Jansen",
        TEXT,
    ],
)
def test_salutation_and_signature_are_left_out(body: str) -> None:
    assert as_example(body) == TEXT


def test_what_follows_an_early_greeting_stays() -> None:
    body = (
        "Beste Anna,\n\nEerst dit.\n\nMet vriendelijke groet,\nschrijft u de gemeente.\n\nMet vriendelijke groet,\nMira"
    )
    assert as_example(body) == "Eerst dit.\n\nMet vriendelijke groet,\nschrijft u de gemeente."


def test_a_word_that_only_begins_like_a_greeting_stays() -> None:
    assert as_example("Dagbesteding valt onder de Wmo.") == "Dagbesteding valt onder de Wmo."


def test_a_bsn_is_masked() -> None:
    assert as_example("Uw nummer is 111222333.") == "Uw nummer is •••••••••."


@pytest.mark.parametrize("body", ["", "Beste Anna,\n\nMet vriendelijke groet,\nMira", "[[handtekening]]"])
def test_nothing_may_be_left(body: str) -> None:
    assert as_example(body) == ""


def test_the_senders_name_is_found_in_the_text() -> None:
    text = "Mevrouw JANSEN woont in Ede. Uw hulp heet Bakker. De zorg begint."
    assert names_left(text, name="Anna van Jansen", address="a.bakker@x.example") == ("Jansen", "bakker")
    assert names_left(text, name="Zorg Team", address="info@x.example") == ()
    assert names_left("", name="Anna", address="") == ()
