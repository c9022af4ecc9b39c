"""Figures per week, and what departs from the weeks before."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

import pytest
from scipy.stats import chi2_contingency

from triage.core.assessment import Band
from triage.core.drift import WeekFigures, WeekReport, judged_weeks, mix_p, week_figures, weeks_between

WEEKS = weeks_between(date(2026, 9, 7), date(2026, 11, 22))  # 2026-W37 to 2026-W47: eleven
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Row:
    model: str = "m"
    band: Band = Band.NORMAL
    laws: tuple[str, ...] = ("wlz",)
    topics: tuple[str, ...] = ("T01",)
    unknown_words: float | None = 0.1
    nearest: float | None = 0.4
    overridden: frozenset[str] = NONE


def usual(count: int = 60, *, seed: int = 0) -> list[Row]:
    """A plain week: an eighth possible, three sets of laws, a little chance."""
    random = Random(seed)
    return [
        Row(
            band=random.choices((Band.NORMAL, Band.POSSIBLE, Band.URGENT), (80, 12, 8))[0],
            laws=random.choice((("wlz",), ("wmo",), ("zvw", "wlz"), ())),
            topics=(random.choice(("T01", "T11", "T24")),),
            unknown_words=random.gauss(0.10, 0.03),
            nearest=random.gauss(0.40, 0.10),
            overridden=frozenset({"laws"}) if random.random() < 0.1 else NONE,
        )
        for _ in range(count)
    ]


def reports(last: Sequence[list[Row]], *, late: Sequence[int] = (), size: int = 60) -> list[WeekReport]:
    """Nine plain weeks, then these."""
    figures = [week_figures(week, usual(size, seed=at)) for at, week in enumerate(WEEKS[: len(WEEKS) - len(last)])]
    tail = WEEKS[len(WEEKS) - len(last) :]
    figures += [
        week_figures(week, rows, found_late=found)
        for week, rows, found in zip(tail, last, late or [0] * len(last), strict=True)
    ]
    return judged_weeks(figures)


def names(report: WeekReport) -> set[str]:
    return {item.figure for item in report.departures}


# ---------------------------------------------------------------- weeks and figures


def test_weeks_are_those_of_amsterdam_and_of_iso_8601() -> None:
    assert [week.name for week in weeks_between(date(2026, 12, 31), date(2027, 1, 4))] == ["2026-W53", "2027-W01"]
    (one,) = weeks_between(date(2026, 10, 25), date(2026, 10, 25))  # the clock goes back on that Sunday
    assert one.end - one.begin == timedelta(days=7, hours=1)
    assert len(WEEKS) == 11
    assert all(a.end == b.begin for a, b in itertools.pairwise(WEEKS))


def test_the_figures_of_a_week() -> None:
    rows = [
        Row(band=Band.URGENT, laws=("wlz", "zvw"), overridden=frozenset({"laws", "urgency"})),
        Row(band=Band.POSSIBLE, laws=(), topics=(), unknown_words=0.3, nearest=0.2),
        Row(unknown_words=None, nearest=None),
        Row(unknown_words=0.2),
        Row(model="", band=Band.POSSIBLE),  # no model judged it
    ]
    found = week_figures(WEEKS[0], rows, found_late=1, sample=(5, 0))
    assert (found.n, found.unjudged, found.found_late, found.sample) == (4, 1, 1, (5, 0))
    assert found.mixes == {
        "bands": {"urgent": 1, "possible": 1, "normal": 2},
        "laws": {"wlz zvw": 1, "none": 1, "wlz": 2},
        "topics": {"T01": 3, "none": 1},
    }
    values = {name: one.value for name, one in found.numbers.items()}
    assert values["possible"] == 0.25 and values["overridden_laws"] == 0.25 and values["overridden_danger"] == 0.0
    assert values["unknown_words"] == pytest.approx(0.2) and values["nearest"] == pytest.approx(1 / 3)
    assert values["found_late"] == 0.25


def test_a_week_without_mail_measures_nothing() -> None:
    found = week_figures(WEEKS[0], [])
    assert (found.n, found.numbers["possible"].value, found.numbers["nearest"].value) == (0, None, None)
    assert found.mixes["laws"] == {}


# ---------------------------------------------------------------- what departs


def test_chance_alone_raises_no_alarm() -> None:
    for seed in range(40):
        found = reports([usual(seed=100 + seed), usual(seed=200 + seed)])
        assert found[-1].not_judged == "" and not found[-1].alarms


CHANGES = {
    "possible": lambda rows: [Row(band=Band.POSSIBLE) if i % 2 else row for i, row in enumerate(rows)],
    "laws": lambda rows: [Row(band=row.band, laws=("jeugdwet",)) for row in rows],
    "topics": lambda rows: [Row(band=row.band, laws=row.laws, topics=("T33",)) for row in rows],
    "unknown_words": lambda rows: [
        Row(row.model, row.band, row.laws, row.topics, 0.35, row.nearest, row.overridden) for row in rows
    ],
    "nearest": lambda rows: [
        Row(row.model, row.band, row.laws, row.topics, row.unknown_words, 0.15, row.overridden) for row in rows
    ],
    "overridden_urgency": lambda rows: [
        Row(row.model, row.band, row.laws, row.topics, 0.1, 0.4, frozenset({"urgency"} if i % 3 == 0 else ()))
        for i, row in enumerate(rows)
    ],
}


@pytest.mark.parametrize("figure", CHANGES)
def test_two_weeks_of_a_change_are_an_alarm_and_one_is_not(figure: str) -> None:
    change = CHANGES[figure]
    one = reports([change(usual(seed=50)), usual(seed=51)])
    assert figure in names(one[-2]) and figure not in one[-2].alarms
    assert figure not in one[-1].alarms
    two = reports([change(usual(seed=50)), change(usual(seed=51))])
    assert figure in two[-1].alarms


def test_a_change_that_stays_is_taken_in_by_and_by() -> None:
    found = reports([CHANGES["possible"](usual(seed=seed)) for seed in range(5)])
    assert "possible" in found[-4].alarms and "possible" not in found[-1].alarms


def test_up_and_then_down_is_no_alarm() -> None:
    up = [Row(row.model, row.band, nearest=0.9, unknown_words=0.1 + i / 999) for i, row in enumerate(usual(seed=1))]
    down = [Row(row.model, row.band, nearest=0.01, unknown_words=0.1 + i / 999) for i, row in enumerate(usual(seed=2))]
    found = reports([up, down])
    assert "nearest" in names(found[-2])
    assert "nearest" not in found[-1].alarms


def test_urgent_found_late_is_watched_as_a_share() -> None:
    found = reports([usual(seed=1), usual(seed=2)], late=(9, 9))
    assert "found_late" in found[-1].alarms


def test_a_week_with_few_mails_is_not_judged_and_not_compared_with() -> None:
    found = reports([CHANGES["laws"](usual(29, seed=1)), CHANGES["laws"](usual(60, seed=2))])
    assert (found[-2].not_judged, found[-2].departures) == ("few_mails", ())
    assert "laws" in names(found[-1]) and found[-1].alarms == ()  # the week before said nothing


def test_without_weeks_to_compare_with_nothing_is_judged() -> None:
    figures: list[WeekFigures] = [week_figures(week, usual(seed=at)) for at, week in enumerate(WEEKS)]
    assert [one.not_judged for one in judged_weeks(figures)] == ["few_weeks"] * 4 + [""] * 7
    quiet = reports([usual(seed=1), usual(seed=2)], size=10)
    assert quiet[-1].not_judged == "few_weeks"


# ---------------------------------------------------------------- the test of mixes


def test_the_test_of_mixes_is_pearsons() -> None:
    now, before = {"a": 30, "b": 20, "c": 10}, {"a": 200, "b": 240, "c": 60}
    expected = chi2_contingency([[30, 20, 10], [200, 240, 60]], correction=False).pvalue
    assert mix_p(now, before) == pytest.approx(expected)


def test_rare_categories_are_counted_together() -> None:
    now = {"a": 30, "b": 30} | {f"r{i}": 1 for i in range(10)}
    before = {"a": 240, "b": 240} | {f"s{i}": 1 for i in range(80)}
    assert mix_p(now, before) == pytest.approx(
        chi2_contingency([[30, 30, 10], [240, 240, 80]], correction=False).pvalue
    )
    assert mix_p(now, before) > 0.5  # one by one they would be another mix altogether


@pytest.mark.parametrize(("now", "before"), [({}, {"a": 3}), ({"a": 3}, {}), ({"a": 60}, {"a": 500})])
def test_nothing_to_compare_is_no_departure(now: dict[str, int], before: dict[str, int]) -> None:
    assert mix_p(now, before) == 1.0
