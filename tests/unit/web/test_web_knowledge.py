"""Kennisbank: the blocks, what staff change most, and one block with its text and sources."""

from __future__ import annotations

import re
from datetime import date

import pytest

from tests.unit.web.fakes import NOW, World
from triage.ports import BlockFigures, BlockSource, BlockView


def block(name: str, **changes: object) -> BlockView:
    usual: dict[str, object] = {
        "id": name,
        "title": f"Over {name}",
        "laws": ("wlz", "wmo"),
        "topics": ("T24",),
        "audience": ("citizen",),
        "responsible_body": "gemeente",
        "checked_on": date(2026, 11, 22),
        "status": "verified",
        "sections": (("kort", ("De gemeente <beslist>.",)), ("stappen", ("Bel het Wmo-loket.",))),
        "sections_en": (),
        "sources": (BlockSource("Wmo 2015, artikel 2.3.5", "https://wetten.example/wmo", date(2019, 7, 1)),),
    }
    return BlockView(**{**usual, **changes})  # type: ignore[arg-type]


def world() -> World:
    made = World(blocks=(block("hulp"), block("pgb", status="unverified", laws=()), block("vervoer"), block("wonen")))
    made.helpdesk.block_rows = (
        BlockFigures("hulp", 9, 6, 60, 54, 0, NOW),
        BlockFigures("pgb", 7, 5, 50, 10, 2, NOW),
        BlockFigures("vervoer", 5, 4, 40, 0, 4, NOW),
        BlockFigures("weg-sinds", 99, 98, 10, 1, 1, NOW),
    )
    return made


def plain(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.mark.parametrize("role", ["medewerker", "trainee", "toezichthouder", "beheerder"])
def test_everybody_who_sees_cases_finds_it_in_the_menu(role: str) -> None:
    browser = world().browser().login(role)
    assert 'href="/kennisbank"' in browser.get("/werkvoorraad").text
    assert browser.get("/kennisbank").status_code == 200
    assert browser.get("/kennisbank/hulp").status_code == 200


def test_a_stranger_sees_nothing_of_it() -> None:
    answer = world().browser().get("/kennisbank")
    assert (answer.status_code, answer.headers["location"]) == (303, "/inloggen?naar=/kennisbank")


def test_the_most_changed_block_stands_first_and_little_used_ones_are_not_judged() -> None:
    page = plain(world().browser().login("medewerker").get("/kennisbank").text)
    changed = page[page.index("Wat medewerkers het meest veranderen") : page.index("Alle blokken (4)")]
    assert re.search(r"Over pgb 80% 40% 5 .* Over hulp 10% 0% 6 ", changed)
    few = changed[changed.index("Nog te weinig gebruikt (1)") :]
    assert "Over vervoer 4 antwoorden" in few and "%" not in few
    assert "Over wonen" not in changed and "weg-sinds" not in page


def test_the_list_tells_laws_topics_check_and_use() -> None:
    page = plain(world().browser().login("medewerker").get("/kennisbank").text)
    blocks = page[page.index("Alle blokken (4)") :]
    assert "Over hulp Wlz, Wmo Huishoudelijke hulp 22 nov 2026 nagekeken 9 6" in blocks
    assert (
        "Over pgb geen van de vier Huishoudelijke hulp 22 nov 2026 er is een nieuwere regel; nog nakijken 7 5" in blocks
    )
    assert "Over wonen Wlz, Wmo Huishoudelijke hulp 22 nov 2026 nagekeken 0 0" in blocks


def test_without_any_use_it_says_so() -> None:
    page = World(blocks=(block("hulp"),)).browser().login("medewerker").get("/kennisbank").text
    assert "Nog geen blok is 5 keer gebruikt in een verstuurd antwoord." in page


def test_a_block_shows_text_sources_and_use() -> None:
    browser = world().browser().login("medewerker")
    page = browser.get("/kennisbank/pgb").text
    assert "De gemeente &lt;beslist&gt;." in page and 'href="https://wetten.example/wmo"' in page
    words = plain(page)
    assert "In 7 concepten en 5 verstuurde antwoorden." in words and "versie van 1 jul 2019" in words
    assert "Medewerkers veranderden 80% van de zinnen. In 40% van de antwoorden bleef er niets van over." in words
    few = plain(browser.get("/kennisbank/vervoer").text)
    assert "Nog te weinig gebruikt om iets te zeggen" in few and "van de zinnen" not in few


def test_an_unknown_block_is_not_found() -> None:
    browser = world().browser().login("medewerker")
    assert browser.get("/kennisbank/bestaat-niet").status_code == 404
    assert browser.get("/kennisbank/..%2Fkennisbank").status_code == 404
