"""The audit sample: each week some cases that the machine called normal are looked at by a person.

Only this tells how many urgent mails are missed without anybody noticing: a missed mail that nobody raises leaves no
other trace.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from scipy.special import betaincinv

from triage.core.workdays import local_date, start_of

FEWEST = 5
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Week:
    """An ISO week (ISO 8601) in Amsterdam, `name` as "2026-W47"; from `begin` until just before `end`."""

    name: str
    begin: datetime
    end: datetime


def past_week(now: datetime) -> Week:
    """The whole week before the one of `now`."""
    return week_of(local_date(now) - timedelta(days=7))


def week_of(day: date) -> Week:
    """The week that this day lies in."""
    monday = day - timedelta(days=day.weekday())
    year, number, _ = monday.isocalendar()
    return Week(f"{year}-W{number:02d}", start_of(monday), start_of(monday + timedelta(days=7)))


def draw(case_ids: Sequence[str], week: str, share: float) -> tuple[str, ...]:
    """The share of these cases that is looked at: at least five, all when there are fewer; none when `share` is 0.

    Chance by a hash that is seeded with the week: whoever draws again from the same cases finds the same ones."""
    if share <= 0:
        return ()
    wanted = max(FEWEST, math.ceil(share * len(case_ids)))
    return tuple(sorted(case_ids, key=lambda one: hashlib.sha256(f"{week}:{one}".encode()).digest())[:wanted])


def upper_bound(found: int, looked_at: int) -> float | None:
    """The share that is not exceeded with 95% confidence (Clopper and Pearson 1934, one-sided); None before anything
    was looked at."""
    if looked_at == 0:
        return None
    if found >= looked_at:
        return 1.0
    return float(betaincinv(found + 1, looked_at - found, _CONFIDENCE))
