"""Several reporters of one person are found; people who only look alike are not. All mails are invented."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.core.same_client import ENOUGH, MOST_PROPOSALS, WITHIN, Likeness, Told, proposals

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CORPUS = Path(__file__).resolve().parents[2] / "classifiers" / "corpus" / "train"


def told(key: str, text: str, *laws: str, urgency: str = "regular", hours: float = 0, sender: str = "") -> Told:
    return Told(key, text, NOON + timedelta(hours=hours), sender or key, tuple(laws), urgency)


# each: the same person, by two or three senders within a day
CLUSTERS: list[tuple[Told, ...]] = [
    (
        told(
            "transferbureau",
            "Overdracht mw. Van Beekveld\n\nMw. Van Beekveld (84) ligt op afdeling C4 van het Meander met een "
            "collumfractuur. Zij mag vrijdag naar huis maar woont alleen in Soest. ELV-plek nodig, waar kan dit?",
            "zvw",
            urgency="transfer",
        ),
        told(
            "dochter",
            "Moeder mag niet naar huis\n\nMijn moeder van 84 is zaterdag gevallen in Soest en heeft haar heup "
            "gebroken. "
            "Ze ligt nu in het Meander en moet er vrijdag uit. Ze kan de trap niet op. Groet, Ria van Beekveld",
            "zvw",
            "wmo",
            urgency="transfer",
            hours=3,
        ),
        told(
            "huisarts",
            "Patiënte Soest\n\nBetreft patiënte, 84 jaar, weduwe te Soest, thans opgenomen Meander na val met "
            "collumfractuur. Ontslag vrijdag gepland. Thuis niet verantwoord, dochter Ria belde mij. Graag advies ELV.",
            "zvw",
            urgency="transfer",
            hours=5,
        ),
    ),
    (
        told(
            "echtgenote",
            "Mijn man komt naar huis om te sterven\n\nMijn man Wim, 71 jaar, heeft alvleesklierkanker. In het "
            "Rijnstate "
            "zeggen ze dat het nog dagen duurt. Hij wil thuis in Velp sterven. Wie regelt de nachten?",
            "zvw",
            urgency="palliative",
        ),
        told(
            "wijkverpleging",
            "Terminale zorg Velp\n\nWij krijgen vanmiddag dhr., 71 jr, pancreascarcinoom, uit Rijnstate naar "
            "huis in Velp. "
            "Echtgenote is overbelast. Nachtzorg krijgen wij niet rond. Wie heeft zorgplicht?",
            "zvw",
            urgency="palliative",
            hours=6,
        ),
    ),
    (
        told(
            "moeder",
            "Sondevoeding op school\n\nOnze zoon Daan (7) met het syndroom van Dravet gaat naar de Mytylschool "
            "in Goes. "
            "Wie betaalt de verpleegkundige op school? De gemeente en de verzekeraar wijzen naar elkaar.",
            "zvw",
            "jeugdwet",
        ),
        told(
            "school",
            "Leerling met Dravet\n\nOp de Mytylschool Goes hebben wij een leerling van 7 jaar met Dravet-syndroom en "
            "sondevoeding. Ouders lopen vast tussen gemeente en zorgverzekeraar. Kunt u meekijken?",
            "jeugdwet",
            hours=20,
        ),
    ),
    (
        told(
            "casemanager",
            "Crisis mw. Terpstra\n\nMw. Terpstra, 79 jaar, Lewy body, dwaalt elke nacht door Harlingen. Politie bracht "
            "haar drie keer thuis. Opname Wlz-crisis, maar nergens plek.",
            "wlz",
            urgency="transfer",
        ),
        told(
            "zoon",
            "Mijn moeder loopt weg\n\nMijn moeder Sjoukje Terpstra woont in Harlingen en is 79. De politie heeft haar "
            "weer van de haven gehaald. Het is Lewy body zegt de geriater. Zo gaat het niet langer!",
            "wlz",
            urgency="transfer",
            hours=-8,
        ),
    ),
    (
        told(
            "buurman",
            "buurvrouw\n\nmijn buurvrouw mevrouw Haverkort op de Esdoornlaan is 91 en ligt al dagen op bed, ze "
            "eet bijna "
            "niet meer en de nichtjes wonen in Canada. wie kan er komen",
            "zvw",
            urgency="palliative",
        ),
        told(
            "nicht",
            "Tante Haverkort\n\nDear sir, mijn tante mevrouw Haverkort van de Esdoornlaan in Ommen, 91 jaar, gaat hard "
            "achteruit. Ik woon in Canada en kan niet komen. Graag zorg aan bed.",
            "zvw",
            urgency="palliative",
            hours=10,
        ),
    ),
    (
        told(
            "revalidatiecentrum",
            "Ontslag GRZ\n\nDhr. M. El Idrissi, geb. 14-03-1958, verblijft bij Klimmendaal na CVA links met afasie. "
            "Woning in Presikhaaf is bovenwoning. Woningaanpassing loopt vast bij gemeente Arnhem.",
            "wmo",
        ),
        told(
            "dochter-arnhem",
            "Traplift voor mijn vader\n\nMijn vader (68) kreeg een beroerte en kan niet meer praten. Hij zit nog in "
            "Klimmendaal. Ons huis in Presikhaaf is boven. De gemeente Arnhem zegt 12 weken wachten. Samira El Idrissi",
            "wmo",
            hours=2,
        ),
    ),
]
# each pair: not the same person, whatever agrees
LOOK_ALIKES: list[tuple[str, Told, Told]] = [
    (
        "same hospital and ward, other person",
        told("a", "Mw. De Boer (84) ligt in het Meander met een collumfractuur, woont in Soest.", "zvw"),
        told("b", "Dhr. Jansen (79) ligt in het Meander met een collumfractuur, woont in Baarn.", "zvw"),
    ),
    (
        "same town and illness, other age",
        told("a", "Mijn moeder van 91 in Harlingen heeft Lewy body en dwaalt. Wie helpt?", "wlz"),
        told("b", "Mijn moeder van 74 in Harlingen heeft Lewy body en valt. Wie helpt?", "wlz"),
    ),
    (
        "mother and father",
        told("a", "Mijn moeder, 82, woont in Velp. Zij kreeg van haar arts te horen dat haar nieren stoppen.", "zvw"),
        told(
            "b", "Mijn vader, 82, woont in Velp. Hij kreeg van zijn arts te horen dat hij niet meer beter wordt.", "zvw"
        ),
    ),
    (
        "same age and question, nothing else",
        told("a", "Mijn moeder is 84 en heeft hulp in huis nodig. De gemeente wijst het af. Wat nu?", "wmo"),
        told("b", "Mijn oma is 84 en krijgt minder hulp in huis van de gemeente. Mag dat zomaar?", "wmo"),
    ),
    (
        "same town only",
        told("a", "In Apeldoorn wacht ik al maanden op een scootmobiel.", "wmo"),
        told("b", "Mijn broer in Apeldoorn zoekt dagbesteding na een hersenbloeding.", "wmo"),
    ),
    (
        "same institution, general questions",
        told("a", "Wij werken bij Thuiszorg Vechtoever en vragen hoe de eigen bijdrage werkt.", "wmo"),
        told("b", "Ik krijg thuiszorg van Vechtoever maar de wijkzuster komt niet meer.", "zvw"),
    ),
    (
        "same surname, common, other town and age",
        told("a", "Mevrouw Bakker, 88 jaar, in Emmen wil een rolstoel.", "wmo"),
        told("b", "Mevrouw Bakker, 67 jaar, in Tiel zoekt een hospice.", "zvw", urgency="palliative"),
    ),
    (
        "two children of one school",
        told("a", "Onze zoon Daan (7) op de Mytylschool in Goes krijgt sondevoeding.", "zvw"),
        told("b", "Onze dochter Evi (11) op de Mytylschool in Goes krijgt geen vervoer.", "jeugdwet"),
    ),
    (
        "a professional on another client in the same village",
        told("a", "Casus Terwolde: man 88 jaar, hartfalen, weigert opname. Familie wil Wlz-crisisplek.", "wlz"),
        told("b", "Casus Terwolde: vrouw 61 jaar, MS, pgb afgewezen. Zij wil bezwaar maken. Haar man helpt.", "wlz"),
    ),
    (
        "empty and short texts",
        told("a", "spoed\n\nbel mij"),
        told("b", "spoed\n\nbel mij aub"),
    ),
    ("nothing at all", told("a", ""), told("b", "")),
]


def others_of(one: Told, among: list[Told]) -> list[str]:
    return [likeness.key for likeness in proposals(one, among)]


@pytest.mark.parametrize("cluster", CLUSTERS, ids=[cluster[0].key for cluster in CLUSTERS])
def test_several_reporters_of_one_person_are_proposed_from_each_side(cluster: tuple[Told, ...]) -> None:
    day = [one for other in CLUSTERS for one in other]
    for one in cluster:
        assert set(others_of(one, day)) == {other.key for other in cluster} - {one.key}


@pytest.mark.parametrize(("why", "one", "other"), LOOK_ALIKES, ids=[item[0] for item in LOOK_ALIKES])
def test_people_who_only_look_alike_are_not_proposed(why: str, one: Told, other: Told) -> None:
    assert others_of(one, [one, other]) == []
    assert others_of(other, [one, other]) == []


def test_the_same_sender_and_another_day_are_left_out() -> None:
    one, other = CLUSTERS[0][0], CLUSTERS[0][1]
    assert others_of(one, [other]) == [other.key]
    assert others_of(one, [replace(other, sender=one.sender)]) == []
    assert others_of(one, [replace(other, arrived=one.arrived + WITHIN + timedelta(minutes=1))]) == []
    assert others_of(one, [replace(other, arrived=one.arrived - WITHIN)]) == [other.key]
    assert others_of(one, [one]) == []


def test_a_proposal_tells_what_it_rests_on() -> None:
    (first, *_) = proposals(CLUSTERS[0][0], [CLUSTERS[0][1]])
    assert first == Likeness("dochter", first.score, first.reasons)
    assert first.score >= ENOUGH
    assert {"name", "age"} <= set(first.reasons)


def test_a_place_that_everybody_writes_from_counts_for_little() -> None:
    pair = [
        told("a", "Mijn moeder (84) in Zaltbommel wil een rollator via de gemeente.", "wmo"),
        told("b", "Mijn buurvrouw (84) in Zaltbommel krijgt geen huishoudelijke hulp.", "wmo"),
    ]
    crowd = [told(f"c{n}", f"Vraag {n} uit Zaltbommel over de gemeente.", "wmo") for n in range(30)]
    assert others_of(pair[0], [*pair, *crowd]) == []


def corpus() -> Iterator[Told]:
    """The mails of the training corpus as one day: each is about another person."""
    for file in sorted(CORPUS.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                mail = json.loads(line)
                urgency = mail["urgency"]
                yield told(mail["id"], f"{mail['subject']}\n\n{mail['body']}", *mail["laws"], urgency=urgency)


def test_on_a_day_of_hundreds_of_people_hardly_anybody_is_proposed() -> None:
    """A few of a hundred may be proposed wrongly: a person looks at it and says no."""
    day = list(corpus())[:300]
    assert len(day) == 300
    proposed = {frozenset((one.key, key)) for one in day[:80] for key in others_of(one, day)}
    assert len(proposed) <= 2, sorted(map(sorted, proposed))


def test_one_page_costs_little() -> None:
    day = list(corpus())[:300]
    began = time.process_time()
    proposals(day[0], day)
    assert time.process_time() - began < 2


@given(st.lists(st.text(max_size=400), min_size=2, max_size=6))
def test_any_texts_give_at_most_three(texts: list[str]) -> None:
    day = [told(str(number), text) for number, text in enumerate(texts)]
    for one in day:
        found = proposals(one, day)
        assert len(found) <= MOST_PROPOSALS
        assert all(likeness.score >= ENOUGH for likeness in found)


def test_hostile_text_ends_quickly() -> None:
    began = time.process_time()
    for piece in ("84 jaar ", "mw. van der ", "A. ", "geboren 1", "Aa", "('", "' - "):
        hostile = told("x", piece * 10_000)
        proposals(hostile, [hostile, told("y", piece * 10_000)])
    assert time.process_time() - began < 3
