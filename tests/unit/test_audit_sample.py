"""Which cases people look at, and what the figures allow to say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from scipy.stats import binom

from tests.unit.cases import ams
from triage.core.audit_sample import draw, past_week, upper_bound

IDS = [f"{number:032x}" for number in range(200)]


@pytest.mark.parametrize(
    ("now", "name", "begin", "end"),
    [
        (ams(2026, 11, 25, 12), "2026-W47", ams(2026, 11, 16), ams(2026, 11, 23)),
        (ams(2026, 11, 23, 0, 0), "2026-W47", ams(2026, 11, 16), ams(2026, 11, 23)),
        (ams(2026, 11, 22, 23, 59), "2026-W46", ams(2026, 11, 9), ams(2026, 11, 16)),
        (ams(2027, 1, 6), "2026-W53", ams(2026, 12, 28), ams(2027, 1, 4)),  # a week of two years
        (ams(2026, 4, 1), "2026-W13", ams(2026, 3, 23), ams(2026, 3, 30)),  # summer time begins in it
    ],
)
def test_the_past_week_is_a_whole_one_in_amsterdam(now: datetime, name: str, begin: datetime, end: datetime) -> None:
    week = past_week(now.astimezone(UTC))
    assert (week.name, week.begin, week.end) == (name, begin, end)


@pytest.mark.parametrize(
    ("cases", "share", "drawn"),
    [(200, 0.05, 10), (190, 0.05, 10), (60, 0.05, 5), (3, 0.05, 3), (0, 0.05, 0), (200, 0.0, 0), (7, 1.0, 7)],
)
def test_a_share_at_least_five_or_all(cases: int, share: float, drawn: int) -> None:
    chosen = draw(IDS[:cases], "2026-W47", share)
    assert len(set(chosen)) == len(chosen) == drawn
    assert set(chosen) <= set(IDS)


def test_the_draw_is_seeded_by_the_week_and_not_by_the_order() -> None:
    first = draw(IDS, "2026-W47", 0.05)
    assert draw(list(reversed(IDS)), "2026-W47", 0.05) == first
    assert draw(IDS, "2026-W48", 0.05) != first


def test_each_case_has_the_same_chance() -> None:
    counts = dict.fromkeys(IDS, 0)
    weeks = 2000
    for week in range(weeks):
        for one in draw(IDS, f"w{week}", 0.05):
            counts[one] += 1
    assert min(counts.values()) > 60 and max(counts.values()) < 145  # 100 expected, standard deviation 9.7


@pytest.mark.parametrize(("found", "looked_at"), [(0, 1), (0, 60), (2, 60), (7, 500), (59, 60)])
def test_the_bound_is_where_so_few_become_unlikely(found: int, looked_at: int) -> None:
    bound = upper_bound(found, looked_at)
    assert bound is not None
    assert binom.cdf(found, looked_at, bound) == pytest.approx(0.05)


def test_the_bound_at_the_ends() -> None:
    assert upper_bound(0, 0) is None
    assert upper_bound(5, 5) == 1.0
    assert upper_bound(0, 60) == pytest.approx(0.0487, abs=1e-4)
