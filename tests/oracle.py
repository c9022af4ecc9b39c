"""The promises about time of `product.md` section 5, worked out again by walking day by day.

Shares no code with the product: only the standard library. `OracleCalendar` knows the days and the terms,
`CaseClocks` follows one case through its events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

AMS = ZoneInfo("Europe/Amsterdam")
ANSWER_DAYS, TAKE_UP_DAYS = 3, 1
SHORT = ("urgent", "possible")
BANDS = ("normal", "possible", "urgent")
_DAY = timedelta(days=1)


def easter(year: int) -> date:
    """Easter Sunday by the anonymous Gregorian computus, as printed in almanacs."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


@dataclass(frozen=True)
class OracleCalendar:
    """`fifth_of_may`: "never", "lustrum" or "always"."""

    day_ends: time = time(17)
    good_friday_free: bool = False
    fifth_of_may: str = "lustrum"
    closing_days: frozenset[date] = frozenset()
    _free: dict[int, frozenset[date]] = field(default_factory=dict, compare=False, repr=False)

    def holidays(self, year: int) -> frozenset[date]:
        if year not in self._free:
            sunday, kings_day = easter(year), date(year, 4, 27)
            if kings_day.isoweekday() == 7:
                kings_day -= _DAY
            free = {date(year, 1, 1), kings_day, date(year, 12, 25), date(year, 12, 26)}
            free |= {sunday, sunday + 1 * _DAY, sunday + 39 * _DAY, sunday + 49 * _DAY, sunday + 50 * _DAY}
            if self.good_friday_free:
                free.add(sunday - 2 * _DAY)
            if self.fifth_of_may == "always" or (self.fifth_of_may == "lustrum" and year % 5 == 0):
                free.add(date(year, 5, 5))
            self._free[year] = frozenset(free)
        return self._free[year]

    def works(self, day: date) -> bool:
        """Is this a working day?"""
        return day.isoweekday() < 6 and day not in self.holidays(day.year) and day not in self.closing_days

    def end(self, day: date) -> datetime:
        return datetime.combine(day, self.day_ends, AMS).astimezone(UTC)

    def nth_day_after(self, day: date, count: int) -> date:
        """The `count`-th working day after `day`, which itself never counts."""
        while count:
            day += _DAY
            count -= self.works(day)
        return day

    def answer_due(self, arrived: datetime) -> datetime:
        return self.end(self.nth_day_after(day_of(arrived), ANSWER_DAYS))

    def take_up_due(self, arrived: datetime) -> datetime:
        return self.end(self.nth_day_after(day_of(arrived), TAKE_UP_DAYS))

    def answer_at_risk(self, day: date, days: int = ANSWER_DAYS, share: float = 0.6) -> datetime:
        """A term of `days` working days after `day`: so many of their ends passed, or the start of the last day."""
        passed = int(share * days)
        return self.end(self.nth_day_after(day, passed)) if passed else start(self.nth_day_after(day, days))

    def take_up_at_risk(self, arrived: datetime) -> datetime:
        return max(start(self.nth_day_after(day_of(arrived), TAKE_UP_DAYS)), arrived)

    def ends_left(self, now: datetime, due: datetime) -> int:
        """Ends of working days after `now`, up to and including `due`."""
        day, count = day_of(now), 0
        while day <= day_of(due):
            count += self.works(day) and now < self.end(day) <= due
            day += _DAY
        return count

    def day_before_ends(self, now: datetime) -> date:
        """The day after which ends count when the first end after `now` is the first that counts."""
        today = day_of(now)
        return today - _DAY if now < self.end(today) else today


def day_of(moment: datetime) -> date:
    return moment.astimezone(AMS).date()


def start(day: date) -> datetime:
    return datetime.combine(day, time(0), AMS).astimezone(UTC)


@dataclass
class CaseClocks:
    """Both clocks of one case. Each method is an event; `runs` count how often a clock began anew."""

    calendar: OracleCalendar
    band: str
    arrived: datetime
    share: float = 0.6
    taken_up: bool = False
    kept: int | None = None  # ends left while it waits for the sender
    ended: bool = False
    answer_runs: int = 0
    take_up_runs: int = 0

    def __post_init__(self) -> None:
        self.take_up_due: datetime | None = None
        self.take_up_risk: datetime | None = None
        self._begin(self.arrived)

    # events

    def take_up(self) -> None:
        """A person claimed, edited, noted or handed over."""
        self.taken_up = True

    def wait_for_sender(self, now: datetime) -> None:
        if self.kept is not None:
            self.resume_by_person(now)
        self.taken_up = True
        self.kept = self.calendar.ends_left(now, self.answer_due)

    def wait_for_others(self, now: datetime) -> None:
        """For a body or the expert team: the answer clock runs on."""
        if self.kept is not None:
            self.resume_by_person(now)
        self.taken_up = True

    def resume_by_person(self, now: datetime) -> None:
        """The kept ends count from this moment, the end of this very day included."""
        if self.kept is None:
            return
        if self.kept:  # a term that had passed before the wait stays passed
            self._answer_in(self.kept, self.calendar.day_before_ends(now))
        self.kept = None

    def message(self, arrived: datetime, band: str) -> None:
        """The sender wrote again."""
        raised = BANDS.index(band) > BANDS.index(self.band)
        if raised:
            self.band = band
        if self.ended:
            self._begin(arrived)
            return
        if self.kept is not None:
            self._answer_in(max(1, self.kept), day_of(arrived))
            self.kept = None
        if raised and (self.take_up_due is None or self.taken_up):
            self._take_up_from(arrived)

    def band_by_person(self, band: str, now: datetime) -> None:
        """A case that somebody has in hand stays taken up: who raises it has read it."""
        in_hand = self.taken_up
        if band == "normal":
            self.take_up_due = self.take_up_risk = None
        elif self.band == "normal":
            self._take_up_from(now)
        self.band, self.taken_up = band, in_hand

    def end(self, now: datetime) -> None:
        """Answered, closed, or no reply needed."""
        self.resume_by_person(now)
        self.ended = True

    # what holds

    def answer_state(self, now: datetime) -> str:
        """on_time, at_risk, breached; "" while the clock does not run."""
        if self.ended or self.kept is not None:
            return ""
        return _state(now, self.answer_risk, self.answer_due)

    def take_up_state(self, now: datetime) -> str:
        if self.ended or self.taken_up or self.take_up_due is None or self.take_up_risk is None:
            return ""
        return _state(now, self.take_up_risk, self.take_up_due)

    # parts

    def _begin(self, arrived: datetime) -> None:
        self.ended, self.kept = False, None
        self._answer_in(ANSWER_DAYS, day_of(arrived))
        self.taken_up = False
        if self.band in SHORT:
            self._take_up_from(arrived)
        else:
            self.take_up_due = self.take_up_risk = None

    def _answer_in(self, days: int, after: date) -> None:
        self.answer_due = self.calendar.end(self.calendar.nth_day_after(after, days))
        self.answer_risk = self.calendar.answer_at_risk(after, days, self.share)
        self.answer_runs += 1

    def _take_up_from(self, moment: datetime) -> None:
        self.take_up_due = self.calendar.take_up_due(moment)
        self.take_up_risk = self.calendar.take_up_at_risk(moment)
        self.taken_up = False
        self.take_up_runs += 1


def _state(now: datetime, risk: datetime, due: datetime) -> str:
    return "breached" if now > due else "at_risk" if now >= risk else "on_time"
