"""Working days and both terms, checked against an oracle that shares no code with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from triage.core.assessment import Band
from triage.core.sla import SlaRules, explain, terms_for
from triage.core.workdays import WorkCalendar, local_date

AMS = ZoneInfo("Europe/Amsterdam")
RULES = SlaRules(WorkCalendar())


def easter(year: int) -> date:
    """Anonymous Gregorian computus, as printed in almanacs: the oracle's own Easter."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def oracle_free(day: date) -> bool:
    e = easter(day.year)
    kings = date(day.year, 4, 27)
    if kings.weekday() == 6:
        kings -= timedelta(days=1)
    free = {
        date(day.year, 1, 1), e + timedelta(1), kings, e + timedelta(39), e + timedelta(50),
        date(day.year, 12, 25), date(day.year, 12, 26),
    }  # fmt: skip
    if day.year % 5 == 0:
        free.add(date(day.year, 5, 5))
    return day.weekday() >= 5 or day in free


def oracle_due(arrived: datetime, count: int) -> datetime:
    day = arrived.astimezone(AMS).date()
    while count:
        day += timedelta(days=1)
        count -= not oracle_free(day)
    return datetime.combine(day, time(17), AMS).astimezone(UTC)


def test_both_terms_agree_with_the_oracle_for_every_sixth_hour_of_thirty_years() -> None:
    moment, last, differences, checked = datetime(2020, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC), [], 0
    while moment < last:
        terms = terms_for(Band.URGENT, moment, RULES)
        if (terms.take_up_due, terms.answer_due) != (oracle_due(moment, 1), oracle_due(moment, 3)):
            differences.append(moment)
        checked += 1
        moment += timedelta(hours=6)
    assert checked > 43_000
    assert differences == []


@pytest.mark.parametrize(
    ("arrived", "take_up", "answer"),
    [
        ("2026-11-21T10:00:00+01:00", "2026-11-23 17:00", "2026-11-25 17:00"),  # Saturday: answer on Wednesday
        ("2026-11-22T23:59:00+01:00", "2026-11-23 17:00", "2026-11-25 17:00"),  # Sunday night
        ("2026-05-22T16:58:00+02:00", "2026-05-26 17:00", "2026-05-28 17:00"),  # Friday before Whit Monday
        ("2026-12-24T12:00:00+01:00", "2026-12-28 17:00", "2026-12-30 17:00"),  # Christmas Eve, a Thursday
        ("2026-04-02T09:00:00+02:00", "2026-04-03 17:00", "2026-04-08 17:00"),  # Maundy Thursday
        ("2025-05-02T12:00:00+02:00", "2025-05-06 17:00", "2025-05-08 17:00"),  # lustrum: 5 May is free
        ("2026-05-04T12:00:00+02:00", "2026-05-05 17:00", "2026-05-07 17:00"),  # no lustrum: 5 May counts
        ("2026-03-29T01:30:00+01:00", "2026-03-30 17:00", "2026-04-01 17:00"),  # the night the clock goes forward
        ("2026-10-25T02:30:00+01:00", "2026-10-26 17:00", "2026-10-28 17:00"),  # the night it goes back
        ("2025-04-25T12:00:00+02:00", "2025-04-28 17:00", "2025-04-30 17:00"),  # King's Day moved off Sunday
    ],
)
def test_awkward_arrivals(arrived: str, take_up: str, answer: str) -> None:
    terms = terms_for(Band.POSSIBLE, datetime.fromisoformat(arrived), RULES)
    assert terms.take_up_due is not None
    assert f"{terms.take_up_due.astimezone(AMS):%Y-%m-%d %H:%M}" == take_up
    assert f"{terms.answer_due.astimezone(AMS):%Y-%m-%d %H:%M}" == answer


def test_a_normal_case_has_no_take_up_term() -> None:
    assert terms_for(Band.NORMAL, datetime(2026, 11, 23, 9, tzinfo=UTC), RULES).take_up_due is None


def test_the_day_begins_at_midnight_in_amsterdam_not_in_utc() -> None:
    assert local_date(datetime(2026, 6, 30, 22, 30, tzinfo=UTC)) == date(2026, 7, 1)


def test_good_friday_and_liberation_day_are_the_organisations_choice() -> None:
    good_friday, fifth = date(2026, 4, 3), date(2026, 5, 5)
    default = WorkCalendar()
    assert default.is_working_day(good_friday)
    assert default.is_working_day(fifth)
    assert WorkCalendar(good_friday_free=True).closed_because(good_friday) == "Goede Vrijdag"
    assert WorkCalendar(liberation_day="always").closed_because(fifth) == "Bevrijdingsdag"
    assert WorkCalendar(liberation_day="never").is_working_day(date(2025, 5, 5))


def test_closing_days_move_both_terms_and_are_named_in_the_sum() -> None:
    calendar = WorkCalendar(closing_days={date(2026, 11, 24): "studiedag"})
    arrived = datetime(2026, 11, 23, 9, 5, tzinfo=AMS)
    terms = terms_for(Band.URGENT, arrived, SlaRules(calendar))
    assert explain(arrived, terms, calendar) == (
        "binnen ma 09:05; di is studiedag; in behandeling uiterlijk wo 17:00, antwoord uiterlijk vr 17:00"
    )


def test_the_sum_in_words_is_that_of_the_product() -> None:
    arrived = datetime(2026, 5, 22, 16, 58, tzinfo=AMS)
    assert explain(arrived, terms_for(Band.URGENT, arrived, RULES), RULES.calendar) == (
        "binnen vr 16:58; ma is Tweede Pinksterdag; in behandeling uiterlijk di 17:00, antwoord uiterlijk do 17:00"
    )


def test_a_calendar_without_working_days_is_refused_and_does_not_hang() -> None:
    first = date(2026, 1, 1)
    calendar = WorkCalendar(closing_days={first + timedelta(days=n): "dicht" for n in range(1000)})
    with pytest.raises(ValueError, match="no working day"):
        calendar.nth_working_day_after(first, 1)


def test_another_end_of_day_moves_both_terms() -> None:
    rules = SlaRules(WorkCalendar(day_ends=time(12, 30)))
    terms = terms_for(Band.URGENT, datetime(2026, 11, 23, 9, tzinfo=AMS), rules)
    assert f"{terms.answer_due.astimezone(AMS):%a %H:%M}" == "Thu 12:30"
