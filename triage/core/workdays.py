"""Working days of the helpdesk: Monday to Friday, less Dutch public holidays, less its own closing days.

The dates and names of candidate free days come from the `holidays` library; which of them count is our rule
(`product.md` section 5; Algemene termijnenwet art. 3 for the list). All dates are Europe/Amsterdam.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import holidays

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
_LONGEST_CLOSURE = 400  # days a walk may take before the calendar is called empty

GOOD_FRIDAY = "Goede Vrijdag"
LIBERATION_DAY = "Bevrijdingsdag"


@lru_cache(maxsize=256)
def _candidates(year: int) -> Mapping[date, str]:
    """Dutch public and optional holidays of a year, date → Dutch name (Sundays included)."""
    found = holidays.country_holidays("NL", years=year, categories=("public", "optional"), language="nl")
    return {day: name.title() for day, name in found.items() if day.year == year}


@dataclass(frozen=True)
class WorkCalendar:
    """Which days count. `closing_days` maps a date to the reason staff and senders read."""

    day_ends: time = time(17, 0)
    good_friday_free: bool = False
    liberation_day: Literal["never", "lustrum", "always"] = "lustrum"
    closing_days: Mapping[date, str] = field(default_factory=dict)

    def closed_because(self, day: date) -> str | None:
        """The Dutch name of why the helpdesk does not work on this day, None on a working day."""
        if day in self.closing_days:
            return self.closing_days[day] or "sluitingsdag"
        holiday = self.holiday(day)
        if holiday is not None:
            return holiday
        return ("zaterdag", "zondag")[day.weekday() - 5] if day.weekday() >= 5 else None

    def holiday(self, day: date) -> str | None:
        """The Dutch name of the holiday that is free for us on this day, or None."""
        name = _candidates(day.year).get(day)
        if name is None:
            return None
        names = [part.strip() for part in name.split(";")]
        free = [part for part in names if self._counts(part, day)]
        return " en ".join(free) or None

    def _counts(self, name: str, day: date) -> bool:
        if name == GOOD_FRIDAY:
            return self.good_friday_free
        if name == LIBERATION_DAY:
            lustrum = day.year % 5 == 0
            return self.liberation_day == "always" or (self.liberation_day == "lustrum" and lustrum)
        return True

    def is_working_day(self, day: date) -> bool:
        return self.closed_because(day) is None

    def next_choices(self, after: date) -> dict[str, date]:
        """The next Good Friday and the next 5 May that lie on a weekday and hang on a choice: Dutch name → date."""
        found: dict[str, date] = {}
        for year in range(after.year, after.year + 9):
            for day, name in sorted(_candidates(year).items()):
                if day > after and day.weekday() < 5 and name in (GOOD_FRIDAY, LIBERATION_DAY):
                    found.setdefault(name, day)
        return found

    def closed_weekdays(self, after: date, within: timedelta) -> tuple[tuple[date, str], ...]:
        """(day, Dutch name of why) of each closed Monday to Friday in (after, after + within], in order."""
        days = (after + timedelta(days=number) for number in range(1, within.days + 1))
        return tuple((day, name) for day in days if day.weekday() < 5 and (name := self.closed_because(day)))

    def nth_working_day_after(self, day: date, count: int) -> date:
        """The `count`-th working day after `day` (count ≥ 1); `day` itself is day 0, also when it is closed.

        Raises ValueError when the calendar has no working day for more than a year.
        """
        if count < 1:
            raise ValueError("count must be at least 1")
        walked = 0
        while count:
            day += timedelta(days=1)
            walked += 1
            if self.is_working_day(day):
                count -= 1
                walked = 0
            elif walked > _LONGEST_CLOSURE:
                raise ValueError("the calendar has no working day for more than a year: check the closing days")
        return day

    def end_of(self, day: date) -> datetime:
        """The day's end of `day` as aware UTC; the wall clock of Amsterdam decides (both DST edges)."""
        return datetime.combine(day, self.day_ends, AMSTERDAM).astimezone(ZoneInfo("UTC"))

    def ends_between(self, after: datetime, until: datetime) -> int:
        """How many ends of working days lie in (after, until]."""
        day, last = local_date(after), local_date(until)
        count = 0
        while day <= last:
            if self.is_working_day(day) and after < self.end_of(day) <= until:
                count += 1
            day += timedelta(days=1)
        return count


def local_date(moment: datetime) -> date:
    """The calendar day of an aware moment in Amsterdam."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a UTC offset")
    return moment.astimezone(AMSTERDAM).date()


def start_of(day: date) -> datetime:
    """00:00 in Amsterdam of `day`, as aware UTC."""
    return datetime.combine(day, time(0), AMSTERDAM).astimezone(ZoneInfo("UTC"))
