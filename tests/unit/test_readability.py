"""Sentences as a reader meets them in a letter, and the bars of level B1."""

from __future__ import annotations

import pytest

from triage.core.readability import MOST_WORDS, readability, sentences, words_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Dank u. Het is goed aangekomen.", ["Dank u.", "Het is goed aangekomen."]),
        ("## Kan het niet wachten?\n\nBel ons.", ["Kan het niet wachten?", "Bel ons."]),
        ("## Geen punt\nbel ons", ["Geen punt", "bel ons"]),
        ("- Onze hulp is gratis\n- Wij geven advies", ["Onze hulp is gratis", "Wij geven advies"]),
        ("> U krijgt antwoord op\nwoensdag 25 november.", ["U krijgt antwoord op woensdag 25 november."]),
        ("Bel van 10:00 tot 12.30 uur. Dat kan.", ["Bel van 10:00 tot 12.30 uur.", "Dat kan."]),
        ("Bel bijv. uw huisarts. Of ons.", ["Bel bijv. uw huisarts.", "Of ons."]),
        ("Denkt u aan zelfdoding? 113 is open.", ["Denkt u aan zelfdoding?", "113 is open."]),
        ("Lees dit: https://www.loket.nl/a.b?c. Nu", ["Lees dit:", "https://www.loket.nl/a.b?c.", "Nu"]),
        ("Met groet,\nJuiste Loket\nhttps://www.loket.nl", ["Met groet,", "Juiste Loket", "https://www.loket.nl"]),
        ("Een zin.\n\nen nog een", ["Een zin.", "en nog een"]),
        ("* * *\n\n", []),
    ],
)
def test_sentences(text: str, found: list[str]) -> None:
    assert sentences(text) == found


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Bel ons op 030 789 78 78, op werkdagen.", 6),
        ("Bel 113 of 0800-0113.", 4),
        ("Lees https://www.loket.nl/a", 2),
        ("Van 10:00 tot 12:00 uur", 5),
    ],
)
def test_a_link_and_a_number_are_one_word(sentence: str, words: int) -> None:
    assert words_in(sentence) == words


def test_the_figures_and_the_bars() -> None:
    bar, above = " ".join(["woord"] * MOST_WORDS), " ".join(["lang"] * (MOST_WORDS + 1))
    assert readability([bar, "kort"]).too_long == () and not readability([bar, "kort"]).is_b1  # the mean is above 12
    assert readability([bar, "kort", "kort"]).is_b1
    figures = readability([bar, above, *["kort"] * 8])
    assert (figures.too_long, figures.longest, figures.is_b1) == ((above,), MOST_WORDS + 1, False)
    assert readability([]).is_b1
