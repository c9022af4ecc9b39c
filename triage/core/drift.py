"""Does the machine judge today's mail as it judged that of the weeks before? Figures per week, and what departs.

A mailbox changes (a new law, another season, another website form) and a model does not. What it says then drifts away
from what people would say, long before anybody notices. Nothing here knows whether a departure is bad: a person looks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import fmean, median, stdev
from typing import Protocol

from scipy.special import chdtrc

from triage.core.assessment import Band
from triage.core.audit_sample import Week, week_of
from triage.core.labels import FIELDS
from triage.core.workdays import local_date

WEEKS_BEFORE = 8
FEWEST_MAILS = 30  # a week with fewer says nothing, and is not compared with
FEWEST_WEEKS = 4  # of the eight before, so many must have enough mails
MOST_P = 0.01
STANDARD_ERRORS = 3.0
_LEAST_EXPECTED = 5.0  # categories of a mix with fewer expected mails are counted together
_MEDIAN_ERROR = math.sqrt(math.pi / 2)  # of a median, times that of the mean
NOTHING = "none"
MIXES: tuple[str, ...] = ("bands", "laws", "topics")
NUMBERS: tuple[str, ...] = (
    "possible", "unknown_words", "nearest", *(f"overridden_{name}" for name in FIELDS), "found_late",
)  # fmt: skip
"""What is watched: mixes, and shares and means. A departure has one of these names."""


class Judged(Protocol):
    """What is counted of one judged mail (`ports.JudgedRow`)."""

    @property
    def model(self) -> str: ...
    @property
    def band(self) -> Band: ...
    @property
    def laws(self) -> tuple[str, ...]: ...
    @property
    def topics(self) -> tuple[str, ...]: ...
    @property
    def unknown_words(self) -> float | None: ...
    @property
    def nearest(self) -> float | None: ...
    @property
    def overridden(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Number:
    """A weekly share (of `share_of` mails), or a mean or median with its standard `error`. `value` None: no figure."""

    value: float | None
    error: float = 0.0
    share_of: int = 0

    def error_beside(self, usual: float) -> float:
        """The standard error of this figure if `usual` were true."""
        if not self.share_of:
            return self.error
        smooth = (usual * self.share_of + 1) / (self.share_of + 2)  # a share of nought has an error too
        return math.sqrt(smooth * (1 - smooth) / self.share_of)


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """One week. `n`: mails that a model judged; `unjudged`: those that none did. `laws` counts sets ("wlz zvw"),
    `topics` the weightiest topic. `sample`: (looked at, found urgent) of its audit sample, None when none was drawn."""

    week: Week
    n: int
    unjudged: int
    mixes: Mapping[str, Mapping[str, int]]
    numbers: Mapping[str, Number]
    found_late: int = 0
    sample: tuple[int, int] | None = None

    @property
    def enough(self) -> bool:
        return self.n >= FEWEST_MAILS


@dataclass(frozen=True, slots=True)
class Departure:
    """A figure of this week beside the mean of the weeks before; both None for a mix."""

    figure: str
    value: float | None = None
    usual: float | None = None

    @property
    def direction(self) -> int:
        """1 up, -1 down, 0 for a mix."""
        return 0 if self.value is None or self.usual is None else 1 if self.value > self.usual else -1


@dataclass(frozen=True, slots=True)
class WeekReport:
    """`not_judged`: "few_mails" in this week, or "few_weeks" to compare with; "" when it was compared."""

    figures: WeekFigures
    not_judged: str = ""
    departures: tuple[Departure, ...] = ()
    alarms: tuple[str, ...] = field(default=())
    """Figures that departed the same way in the week before as well."""


def weeks_between(first: date, last: date) -> list[Week]:
    """The ISO weeks that hold these days, oldest first."""
    found = [week_of(first)]
    while local_date(found[-1].end) <= last:
        found.append(week_of(local_date(found[-1].end)))
    return found


def week_figures(
    week: Week, rows: Iterable[Judged], *, found_late: int = 0, sample: tuple[int, int] | None = None
) -> WeekFigures:
    """The figures of these rows, all of that week."""
    every = list(rows)
    judged = [row for row in every if row.model]
    n = len(judged)
    numbers = {
        "possible": _share(sum(row.band is Band.POSSIBLE for row in judged), n),
        "unknown_words": _median([row.unknown_words for row in judged if row.unknown_words is not None]),
        "nearest": _mean([row.nearest for row in judged if row.nearest is not None]),
        **{f"overridden_{name}": _share(sum(name in row.overridden for row in judged), n) for name in FIELDS},
        "found_late": _share(min(found_late, n), n),
    }
    return WeekFigures(
        week=week,
        n=n,
        unjudged=len(every) - n,
        mixes={
            "bands": Counter(str(row.band) for row in judged),
            "laws": Counter(" ".join(row.laws) or NOTHING for row in judged),
            "topics": Counter(row.topics[0] if row.topics else NOTHING for row in judged),
        },
        numbers=numbers,
        found_late=found_late,
        sample=sample,
    )


def _share(k: int, n: int) -> Number:
    if n == 0:
        return Number(None)
    return Number(k / n, share_of=n)


def _mean(values: Sequence[float]) -> Number:
    if len(values) < 2:
        return Number(None)
    return Number(fmean(values), stdev(values) / math.sqrt(len(values)))


def _median(values: Sequence[float]) -> Number:
    if len(values) < 2:
        return Number(None)
    return Number(median(values), _MEDIAN_ERROR * stdev(values) / math.sqrt(len(values)))


# ---------------------------------------------------------------- comparing


def judged_weeks(weeks: Sequence[WeekFigures]) -> list[WeekReport]:
    """A report for each week, compared with the eight that stand before it here (so the first ones are not judged).

    A figure that departed in the week before is compared with the eight weeks before that one: a week that departs
    would hide the next, since it raises the mean and the spread that the next is measured by."""
    reports: list[WeekReport] = []
    for at, one in enumerate(weeks):
        before = _before(weeks, at)
        if not one.enough or len(before) < FEWEST_WEEKS:
            reports.append(WeekReport(one, "few_weeks" if one.enough else "few_mails"))
            continue
        last = {item.figure: item.direction for item in reports[-1].departures}
        found = [item for item in _departures(one, before) if item.figure not in last]
        if last:
            found += [item for item in _departures(one, _before(weeks, at - 1)) if item.figure in last]
        found.sort(key=lambda item: (*MIXES, *NUMBERS).index(item.figure))
        alarms = tuple(item.figure for item in found if last.get(item.figure) == item.direction)
        reports.append(WeekReport(one, "", tuple(found), alarms))
    return reports


def _before(weeks: Sequence[WeekFigures], at: int) -> list[WeekFigures]:
    """The weeks that week `at` is compared with."""
    return [week for week in weeks[max(0, at - WEEKS_BEFORE) : at] if week.enough]


def _departures(one: WeekFigures, before: Sequence[WeekFigures]) -> tuple[Departure, ...]:
    found = [
        Departure(name)
        for name in MIXES
        if _other_mix(one.mixes[name], sum((Counter(week.mixes[name]) for week in before), Counter()))
    ]
    for name in NUMBERS:
        now = one.numbers[name]
        usual = [week.numbers[name].value for week in before]
        known = [value for value in usual if value is not None]
        if now.value is None or len(known) < FEWEST_WEEKS:
            continue
        mean = fmean(known)
        # the error of one week, or how much weeks differ anyway: whichever is larger
        error = max(now.error_beside(mean), stdev(known)) * math.sqrt(1 + 1 / len(known))
        if abs(now.value - mean) > STANDARD_ERRORS * error:
            found.append(Departure(name, now.value, mean))
    return tuple(found)


def _other_mix(now: Mapping[str, int], before: Mapping[str, int]) -> bool:
    return mix_p(now, before) < MOST_P


def mix_p(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """Chi-square test that both mixes come from one (Pearson); rare categories counted together. 1.0 when there is
    nothing to compare."""
    total_now, total_before = sum(now.values()), sum(before.values())
    if not total_now or not total_before:
        return 1.0
    share_now = total_now / (total_now + total_before)
    columns: list[tuple[int, int]] = []
    rare = (0, 0)
    for name in sorted({*now, *before}):
        pair = now.get(name, 0), before.get(name, 0)
        if sum(pair) * min(share_now, 1 - share_now) < _LEAST_EXPECTED:
            rare = rare[0] + pair[0], rare[1] + pair[1]
        else:
            columns.append(pair)
    if sum(rare):
        columns.append(rare)
    if len(columns) < 2:
        return 1.0
    squares = 0.0
    for pair in columns:
        for seen, share in zip(pair, (share_now, 1 - share_now), strict=True):
            expected = sum(pair) * share
            squares += (seen - expected) ** 2 / expected
    return float(chdtrc(len(columns) - 1, squares))
