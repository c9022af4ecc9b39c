"""What a mail says of the person it is about: known only when a sentence says it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.letter_cases import assessed, letters
from triage.core.assessment import Assessment, Band, Urgency
from triage.core.facts import FactRules, excluded, holds
from triage.errors import ConfigError
from triage.services.block_choice import is_urgent_in_words
from triage.services.knowledge import resolve

RULES = letters().knowledge.facts


@pytest.mark.parametrize(
    ("text", "fact", "said"),
    [
        ("Mijn moeder heeft een Wlz-indicatie en woont nog thuis.", "wlz", True),
        ("Zij heeft zorgprofiel VV5.", "wlz", True),
        ("Pa woont sinds mei in een verpleeghuis.", "wlz", True),
        ("Hij krijgt al jaren een volledig pakket thuis.", "wlz", True),
        ("Een indicatie voor de Wlz heeft hij niet.", "wlz", False),
        ("Het CIZ heeft de aanvraag voor de Wlz afgewezen.", "wlz", False),
        ("Er is geen Wlz-indicatie.", "wlz", False),
        ("Heeft zij recht op de Wlz?", "wlz", None),
        ("Als er een Wlz-indicatie komt, wat dan?", "wlz", None),
        ("Moet zij eerst een indicatie van het CIZ hebben?", "wlz", None),
        ("Wij willen een indicatie voor de Wlz aanvragen.", "wlz", None),
        ("Onze zoon van 9 heeft veel zorg nodig.", "child", True),
        ("Mijn dochter (16) slikt medicijnen.", "child", True),
        ("Hij wordt in maart 18.", "child", True),
        ("Mijn moeder van 81 is gevallen.", "child", False),
        ("Mijn zoon is 24 en woont bij mij.", "child", False),
        ("Mijn zoon heeft hulp nodig.", "child", None),
        ("Ik zorg al 9 jaar voor hem.", "child", None),
        ("Zij heeft een pgb van de gemeente.", "pgb", True),
        ("Kan ik een pgb krijgen?", "pgb", False),
        ("De gemeente heeft mijn aanvraag afgewezen.", "refused", True),
        ("Ik wacht nog op het besluit.", "refused", None),
        ("We hebben nog niets gehoord van het CIZ.", "waiting", True),
        ("Ik heb nog niets aangevraagd.", "waiting", False),
        ("Hij ligt in het ziekenhuis en mag vrijdag naar huis.", "hospital", True),
        ("Mijn vrouw is uitbehandeld.", "dying", True),
        ("De fysiotherapeut heeft mij uitbehandeld op krukken naar huis gestuurd.", "dying", None),
    ],
)
def test_what_a_sentence_says(text: str, fact: str, said: bool | None) -> None:
    assert RULES.read(text).get(fact) is said


def test_what_is_both_said_and_denied_stays_unknown() -> None:
    assert "institution" not in RULES.read("Vader woont in een verpleeghuis. Moeder woont nog thuis, alleen.")


def test_a_long_mail_is_read_in_no_time_and_from_its_begin() -> None:
    assert RULES.read("Zij heeft een Wlz-indicatie. " + "en dan nog iets over ons huis, " * 100_000)["wlz"] is True


def test_conditions() -> None:
    facts = {"wlz": True, "child": False}
    assert holds("wlz", facts) and holds("wlz, no child", facts)
    assert not holds("child", facts) and not holds("no wlz", facts) and not holds("no pgb", facts)
    assert excluded(["pgb"], [], facts) == "needs" and excluded(["pgb", "wlz"], [], facts) == ""
    assert excluded([], ["child", "wlz, no child"], facts) == "wlz, no child"
    assert RULES.words("wlz, no child") == "er is een Wlz-indicatie en het gaat om een volwassene"


@pytest.mark.parametrize(
    ("facts", "left"),
    [
        ({}, "Altijd. Tenzij. Tenzij niet."),
        ({"wlz": True}, "Altijd. Als. Tenzij niet."),
        ({"wlz": False}, "Altijd. Tenzij. Als niet."),
        (None, "Altijd. Als. Tenzij. Als niet. Tenzij niet."),
    ],
)
def test_a_text_keeps_what_fits(facts: dict[str, bool] | None, left: str) -> None:
    text = "Altijd. [if wlz: Als.] [unless wlz: Tenzij.] [if no wlz: Als niet.] [unless no wlz: Tenzij niet.]"
    assert resolve(text, facts) == left


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"wlz": {"label": "ja"}}, "wlz: label or no_label is missing"),
        ({"wlz": {"label": "ja", "no_label": "nee", "soms": []}}, "wlz: unknown key soms"),
        ({"wlz": {"label": "ja", "no_label": "nee", "yes": ["("]}}, r"wlz\.yes is no regular expression"),
    ],
)
def test_a_faulty_table_is_named(table: dict[str, dict[str, object]], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        FactRules(table)


def test_a_child_in_the_house_is_not_the_one_it_is_about() -> None:
    knowledge, text = letters().knowledge, "Ik heb reuma. Mijn dochter van 16 moet van de gemeente het huishouden doen."
    assert RULES.read(text)["child"] is True
    surely_wmo = replace(assessed(("wmo",)), law_probabilities={"wmo": 0.99, "jeugdwet": 0.01})
    assert "child" not in knowledge.facts_of(surely_wmo, text)
    in_doubt = replace(surely_wmo, law_probabilities={"wmo": 0.99, "jeugdwet": 0.4})
    assert knowledge.facts_of(in_doubt, text)["child"] is True


# ---------------------------------------------------------------- what facts do to the choice

DYING = (
    "Mijn moeder is ongeneeslijk ziek en heeft nog maar weken te leven. {} Wie regelt de zorg voor de laatste weken "
    "thuis?"
)


def feared() -> Assessment:
    return assessed(("zvw",), ("T16",), Urgency.PALLIATIVE, band=Band.POSSIBLE)


@pytest.mark.parametrize(
    ("said", "wanted", "not_for_them"),
    [
        ("Zij heeft een Wlz-indicatie.", "palliatief-wlz", "palliatief-thuis"),
        ("Zij heeft geen Wlz-indicatie.", "palliatief-thuis", "palliatief-wlz"),
    ],
)
def test_one_fact_turns_the_answer(said: str, wanted: str, not_for_them: str) -> None:
    knowledge = letters().knowledge
    found = assessed(("zvw", "wlz"), ("T16",), Urgency.PALLIATIVE)
    chosen = [one.block.id for one in knowledge.choose(found, DYING.format(said))]
    assert wanted in chosen and not_for_them not in chosen
    text = DYING.format(said)
    suggested = knowledge.index.suggest(found, text, RULES.read(text), most=len(knowledge.blocks))
    other = next(one for one in suggested if one.block.id == not_for_them)
    assert other.misfit and not other.fits


def test_words_for_dying_only_where_the_mail_says_so() -> None:
    facts = RULES.read("Mijn moeder is 80 en heel moe. Zij is bang om alleen te zijn. Wat kan er thuis?")
    assert not is_urgent_in_words(feared(), facts)
    chosen = letters().knowledge.choose(feared(), "Mijn moeder is 80 en heel moe. Wat kan er thuis?")
    assert not [one.block.id for one in chosen if "regular" not in one.block.urgency]
    assert is_urgent_in_words(feared(), RULES.read(DYING.format("")))


def test_late_is_not_answered_as_new() -> None:
    found = assessed(("wmo",), ("T23",))
    late = (
        "Op 2 juni heb ik me gemeld bij de gemeente voor hulp in huis. Op 20 juli heb ik de aanvraag ingediend. Ik heb "
        "nog steeds geen besluit. Hoe lang mag dat duren en wat kan ik doen?"
    )
    chosen = [one.block.id for one in letters().knowledge.choose(found, late)]
    assert "wmo-melding" not in chosen and {"besluit-te-laat", "wmo-termijn"} & set(chosen)
