"""Which gemeente a mail names: one that is sure, or none."""

from __future__ import annotations

import pytest

from triage.services.places import Found, find_place, same_name


@pytest.mark.parametrize(
    ("text", "gemeente", "region"),
    [
        ("Ik woon in Almere en mijn moeder ook.", "Almere", "'t Gooi"),
        ("we wonen in zutphen", "Zutphen", "Apeldoorn/Zutphen"),
        ("gemeente utrecht zegt nee", "Utrecht", "Utrecht"),
        ("Ik woon in 's-Hertogenbosch", "'s-Hertogenbosch", "Noordoost-Brabant"),
        ("Ik woon op Vlieland en krijg bestraling in Leeuwarden", "Vlieland", "Friesland"),
        ("Dank u.\nMevrouw A. Schaepman, Zutphen\n", "Zutphen", "Apeldoorn/Zutphen"),
        ("woonachtig te Bergen op Zoom", "Bergen op Zoom", "West-Brabant"),
        ("ik woon alleen, in Den Haag", "'s-Gravenhage", "Haaglanden"),
        ("gem. Súdwest-Fryslân", "Súdwest-Fryslân", "Friesland"),
        ("De gemeente Hengelo belt niet terug.", "Hengelo", "Twente"),
        ("de gemeente Best doet niets", "Best", "Zuidoost-Brabant"),
        ("Wij wonen in Zutphen. Ma ligt in het ziekenhuis in Deventer.", "Zutphen", "Apeldoorn/Zutphen"),
        ("Wij wonen in Deventer, maar de gemeente Zutphen betaalt.", "Zutphen", "Apeldoorn/Zutphen"),
        ("Mijn vader woont in Egmond aan Zee", "Bergen (NH.)", "Noord-Holland Noord"),
        ("Wij wonen sinds 1987 in hetzelfde huis in Bussum.", "Gooise Meren", "'t Gooi"),
        ("Mijn moeder in Terneuzen moet elke ochtend gewassen worden.", "Terneuzen", "Zeeland"),
        ("Ik heb me gemeld bij het Wmo-loket in Almere.", "Almere", "'t Gooi"),
        ("She is at home with us in Amersfoort.", "Amersfoort", "Utrecht"),
        ("I did a melding with the gemeente of Den Haag.", "'s-Gravenhage", "Haaglanden"),
        ("Groetjes\nDave uit Helmond", "Helmond", "Zuidoost-Brabant"),
        ("Hoogachtend,\nmevr. Roelofs te Assen", "Assen", "Drenthe"),
        ("Kind regards,\nAoife Brennan\nAmstelveen", "Amstelveen", "Amstelland en De Meerlanden"),
    ],
)
def test_a_gemeente_that_is_sure(text: str, gemeente: str, region: str) -> None:
    found = find_place(text).gemeente
    assert found is not None
    assert (found.name, found.region) == (gemeente, region)


@pytest.mark.parametrize(
    ("text", "place", "same"),
    [("Ik woon in zelhem", "Zelhem", False), ("de gemeente Best doet niets", "Best", True)],
)
def test_a_place_within_a_gemeente_keeps_its_own_name(text: str, place: str, same: bool) -> None:
    found = find_place(text)
    assert found.gemeente is not None
    assert (found.place, same_name(found.place, found.gemeente)) == (place, same)


@pytest.mark.parametrize(
    ("text", "doubtful"),
    [
        ("De gemeente Bergen weigert", ("Bergen",)),
        ("Wij wonen in Hengelo (Ov)", ("Hengelo",)),
        ("Wij wonen in Rijswijk.", ("Rijswijk",)),
    ],
)
def test_a_homonym_is_never_guessed(text: str, doubtful: tuple[str, ...]) -> None:
    assert find_place(text) == Found(doubtful=doubtful)


@pytest.mark.parametrize(
    "text",
    [
        "Mijn vader ligt in het ziekenhuis in Ede",
        "Gemeente Den Bosch en gemeente Tilburg wijzen naar elkaar",
        "mijn dochter woont in Breda en ik woon in Tilburg",
        "Mijn zoon woont in Zutphen en ik in Kampen.",
        "Mijn zus in Maastricht vroeg het ook al.",
        "Mijn vrouw ligt in het ziekenhuis in Tilburg.",
        "Wij wonen nog prima, in assen gedraaid",
        "Een kennis uit Leusden zegt van wel.",
        "Wij verhuizen van Heusden naar Deventer.",
        "Groet, Jan, uw buurman",
        "Best gaat het hier, in Best geval",
        "Wij wonen in Zeeland",
        "in goes ging het mis",
        "",
        "gemeente",
    ],
)
def test_what_does_not_say_one_gemeente(text: str) -> None:
    assert find_place(text).gemeente is None


def test_a_long_text_costs_little() -> None:
    assert find_place("wij wonen in " * 200_000) == Found()
