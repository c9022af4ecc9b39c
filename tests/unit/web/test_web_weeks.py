"""Toezicht: the weeks of the machine's judgement."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.unit.test_drift import CHANGES, reports, usual
from tests.unit.web.fakes import World
from triage.core.drift import judged_weeks, week_figures, weeks_between
from triage.web.present import percent


def page(world: World) -> str:
    return str(world.browser().login("toezichthouder").get("/toezicht").text)


def test_the_weeks_stand_in_a_table_newest_first() -> None:
    world = World()
    found = reports([CHANGES["possible"](usual(seed=1)), CHANGES["possible"](usual(seed=2))])[-8:]
    found[-1] = replace(found[-1], figures=replace(found[-1].figures, sample=(6, 1), found_late=3))
    world.helpdesk.weeks = found
    text = page(world)
    assert text.index("week 47 van 2026") < text.index("week 46 van 2026") < text.index("week 40 van 2026")
    assert "week 39 van 2026" not in text
    assert "<td>1 van 6</td>" in text and "<td>3</td>" in text
    assert "het deel ‘mogelijk dringend’ (meer)" in text
    assert "Twee weken achter elkaar anders" in text


def test_calm_weeks_have_no_warning() -> None:
    world = World()
    world.helpdesk.weeks = reports([usual(seed=1), usual(seed=2)])[-8:]
    text = page(world)
    assert "Twee weken achter elkaar anders" not in text and '<td class="anders">nee</td>' in text


def test_empty_and_small_weeks_are_said() -> None:
    world = World()
    assert "binnen een uur" in page(world)
    (week,) = weeks_between(date(2026, 11, 16), date(2026, 11, 16))
    world.helpdesk.weeks = judged_weeks([week_figures(week, [])])
    assert "te weinig mails om te vergelijken" in page(world)


def test_shares_in_words() -> None:
    assert [percent(value) for value in (None, 0.0, 0.004, 0.126, 1.0)] == ["–", "0%", "0,4%", "13%", "100%"]
