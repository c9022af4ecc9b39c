"""Working days and both terms, checked against an oracle that shares no code with them."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta

import pytest

from tests.oracle import AMS, OracleCalendar
from tests.terms import differences, hours_of_years
from triage.core.assessment import Band
from triage.core.sla import SlaRules, explain, terms_for
from triage.core.workdays import WorkCalendar, local_date

RULES = SlaRules(WorkCalendar())


CHOICES = ("never", "lustrum", "always")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("first", range(2020, 2050, 3))
def test_both_terms_agree_with_the_oracle_for_every_hour_of_thirty_years(first: int) -> None:
    assert differences(hours_of_years(first, first + 3), RULES, OracleCalendar()) == []


@pytest.mark.parametrize("seed", range(12))
def test_both_terms_agree_with_the_oracle_whatever_the_organisation_chooses(seed: int) -> None:
    draw = random.Random(seed)
    first = date(2020, 1, 1)
    good_friday, fifth = draw.random() < 0.5, draw.choice(CHOICES)
    day_ends = time(draw.randrange(8, 24), draw.randrange(60))
    closed = frozenset(first + timedelta(days=draw.randrange(10_950)) for _ in range(draw.choice((0, 60, 1500))))
    calendar = WorkCalendar(day_ends, good_friday, fifth, dict.fromkeys(closed, "dicht"))  # type: ignore[arg-type]
    rules = SlaRules(calendar, at_risk_share=draw.choice((0.2, 0.34, 0.6, 0.9)))
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    moments = [begin + timedelta(seconds=draw.randrange(30 * 365 * 86_400)) for _ in range(1500)]
    assert differences(moments, rules, OracleCalendar(day_ends, good_friday, fifth, closed)) == []


@pytest.mark.parametrize("hours", [0, 1, 30, 100])
def test_an_urgent_case_is_first_at_risk_at_the_start_of_the_day_its_take_up_is_due(hours: int) -> None:
    moment = datetime(2026, 5, 21, 9, tzinfo=AMS) + hours * HOUR  # before Whit Monday
    assert terms_for(Band.URGENT, moment, RULES).at_risk_at == OracleCalendar().take_up_at_risk(moment)


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
