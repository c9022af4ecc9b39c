"""Which transitions of the clocks are to be told at a moment: each once, also when the calendar moves the terms."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.unit.cases import a_case, ams
from triage.core.assessment import Band
from triage.core.case import Case, CaseState, WaitingFor
from triage.core.sla import ClockName, SlaRules, on_terms, pause, recounted, resume, terms_for
from triage.core.transitions import answer_term, clock_transitions, take_up_term
from triage.core.workdays import WorkCalendar
from triage.services.alerts import next_service_moment

RULES = SlaRules(WorkCalendar())
MONDAY = ams(2026, 11, 23, 9)
# normal: at risk from Tuesday 17:00, due Thursday 17:00; urgent: take-up at risk from Tuesday 00:00, due Tuesday 17:00
NORMAL, URGENT = a_case(arrived=MONDAY), a_case(arrived=MONDAY, band=Band.URGENT)


class Told:
    """What a watch remembers between its runs."""

    def __init__(self) -> None:
        self.at: dict[tuple[str, str], datetime] = {}

    def watch(self, case: Case, now: datetime, rules: SlaRules = RULES) -> list[tuple[str, str]]:
        tell, forget = clock_transitions(case, self.at, now, rules)
        for one in forget:
            del self.at[one.kind, one.term]
        self.at |= {(one.kind, one.term): now for one in tell}
        return [(one.kind, str(one.clock)) for one in tell]


def closed(*days: date) -> SlaRules:
    return SlaRules(WorkCalendar(closing_days=dict.fromkeys(days, "sluitingsdag")))


@pytest.mark.parametrize(
    ("case", "moment", "expected"),
    [
        (NORMAL, ams(2026, 11, 24, 16, 59), []),
        (NORMAL, ams(2026, 11, 24, 17), [("at_risk", "answer")]),
        (NORMAL, ams(2026, 11, 26, 17), [("at_risk", "answer")]),
        (NORMAL, ams(2026, 11, 26, 17, 1), [("breached", "answer")]),
        (URGENT, ams(2026, 11, 23, 23, 59), []),
        (URGENT, ams(2026, 11, 24, 0), [("at_risk", "take_up")]),
        (URGENT, ams(2026, 11, 24, 10, 59), [("at_risk", "take_up")]),
        (URGENT, ams(2026, 11, 24, 11), [("at_risk", "take_up"), ("urgent_not_taken_up", "take_up")]),
        (URGENT, ams(2026, 11, 24, 17, 1), [("breached", "take_up"), ("at_risk", "answer")]),
        (replace(URGENT, state=CaseState.IN_PROGRESS, taken_up_at=MONDAY), ams(2026, 11, 24, 12), []),
        (replace(NORMAL, state=CaseState.ANSWERED, answered_at=MONDAY), ams(2026, 11, 30, 12), []),
        (replace(NORMAL, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER), ams(2026, 11, 30, 12), []),
        (replace(NORMAL, state=CaseState.WAITING, waiting_for=WaitingFor.BODY), ams(2026, 11, 30, 12),
         [("breached", "answer")]),
    ],
)  # fmt: skip
def test_what_is_told_at_a_moment(case: Case, moment: datetime, expected: list[tuple[str, str]]) -> None:
    assert Told().watch(case, moment) == expected


def test_each_transition_of_each_clock_is_told_once() -> None:
    told, found = Told(), []
    for hours in range(24 * 8):
        now = MONDAY + timedelta(hours=hours)
        taken = now > ams(2026, 11, 24, 12)
        case = replace(URGENT, state=CaseState.IN_PROGRESS, taken_up_at=now) if taken else URGENT
        found += told.watch(case, now)
    assert found == [
        ("at_risk", "take_up"), ("urgent_not_taken_up", "take_up"), ("at_risk", "answer"), ("breached", "answer"),
    ]  # fmt: skip


def test_terms_fit_their_column_and_tell_the_clocks_apart() -> None:
    odd = a_case(arrived=MONDAY + timedelta(microseconds=123456), band=Band.POSSIBLE)
    assert {len(answer_term(odd)), len(take_up_term(odd))} <= set(range(30, 41))
    assert answer_term(odd) != take_up_term(odd) != "" == take_up_term(NORMAL)
    assert answer_term(odd).startswith(f"{ClockName.ANSWER}:2026-11-23T08:00:00.123456+00:00")


# ---------------------------------------------------------------- a calendar that changes


def test_still_at_risk_or_late_after_a_moved_term_is_not_told_again() -> None:
    told = Told()
    assert told.watch(NORMAL, ams(2026, 11, 26, 9)) == [("at_risk", "answer")]
    longer = closed(date(2026, 11, 25))
    moved = recounted(NORMAL, longer)
    assert moved.answer_due == NORMAL.answer_due + timedelta(days=1)
    assert told.watch(moved, ams(2026, 11, 26, 10), longer) == []  # at risk since Tuesday by both calendars
    assert told.watch(moved, ams(2026, 11, 27, 18), longer) == [("breached", "answer")]
    later = closed(date(2026, 11, 25), date(2026, 11, 27))
    assert told.watch(recounted(NORMAL, later), ams(2026, 11, 30, 18), later) == []  # late by this one too


def test_back_on_time_and_at_risk_again_is_told_again() -> None:
    told, free = Told(), closed(date(2026, 11, 24))
    assert told.watch(NORMAL, ams(2026, 11, 25, 9)) == [("at_risk", "answer")]
    moved = recounted(NORMAL, free)
    assert told.watch(moved, ams(2026, 11, 25, 10), free) == []  # at risk from Wednesday 17:00 now
    assert told.watch(moved, ams(2026, 11, 26, 9), free) == [("at_risk", "answer")]
    assert told.watch(moved, ams(2026, 11, 26, 10), free) == []


def test_never_seen_on_time_in_between_is_not_told_again() -> None:
    told, free = Told(), closed(date(2026, 11, 24))
    assert told.watch(NORMAL, ams(2026, 11, 25, 9)) == [("at_risk", "answer")]
    assert told.watch(recounted(NORMAL, free), ams(2026, 11, 26, 9), free) == []
    assert told.watch(NORMAL, ams(2026, 11, 26, 10)) == []


def test_late_then_not_late_then_late_again_is_told_again() -> None:
    told, longer = Told(), closed(date(2026, 11, 27))
    case = a_case(arrived=ams(2026, 11, 24, 9))  # due Friday 17:00
    for moment in (ams(2026, 11, 26, 9), ams(2026, 11, 28, 9)):
        told.watch(case, moment)
    moved = recounted(case, longer)
    assert told.watch(moved, ams(2026, 11, 30, 9), longer) == []  # due today: at risk, which was told
    assert told.watch(moved, ams(2026, 12, 1, 9), longer) == [("breached", "answer")]


def test_the_look_at_eleven_moves_with_the_take_up_day() -> None:
    told, free = Told(), closed(date(2026, 11, 24))
    assert ("urgent_not_taken_up", "take_up") in told.watch(URGENT, ams(2026, 11, 24, 11))
    moved = recounted(URGENT, free)
    assert told.watch(moved, ams(2026, 11, 24, 12), free) == []
    assert told.watch(moved, ams(2026, 11, 25, 12), free) == [
        ("at_risk", "take_up"), ("urgent_not_taken_up", "take_up"),
    ]  # fmt: skip


def test_a_node_whose_clock_is_behind_forgets_nothing() -> None:
    told = Told()
    ahead, behind = ams(2026, 11, 24, 11), ams(2026, 11, 24, 10, 59)
    assert len(told.watch(URGENT, ahead)) == 2
    assert told.watch(URGENT, behind) == []
    assert told.watch(URGENT, ahead + timedelta(minutes=1)) == []


# ---------------------------------------------------------------- a new term is another clock


def test_a_reopened_case_and_one_that_goes_on_after_a_pause_are_told_anew() -> None:
    told = Told()
    told.watch(NORMAL, ams(2026, 11, 27, 9))
    reopened = on_terms(NORMAL, terms_for(Band.NORMAL, ams(2026, 11, 30, 9), RULES))
    assert told.watch(reopened, ams(2026, 12, 2, 9)) == [("at_risk", "answer")]
    waiting = replace(reopened, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER)
    resumed = resume(pause(waiting, ams(2026, 12, 2, 10), RULES), ams(2026, 12, 7, 10), RULES)
    going_on = replace(resumed, state=CaseState.IN_PROGRESS, waiting_for=None)
    assert told.watch(going_on, ams(2026, 12, 8, 9)) == [("at_risk", "answer")]


# ---------------------------------------------------------------- service hours

HOURS = ("13:00-17:00", "08:30-12:00")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (ams(2026, 11, 23, 8, 29), ams(2026, 11, 23, 8, 30)),
        (ams(2026, 11, 23, 8, 30), ams(2026, 11, 23, 8, 30)),
        (ams(2026, 11, 23, 12), ams(2026, 11, 23, 13)),
        (ams(2026, 11, 27, 17), ams(2026, 11, 30, 8, 30)),
        (ams(2026, 12, 24, 18), ams(2026, 12, 28, 8, 30)),  # Christmas, then a weekend
        (ams(2026, 10, 23, 18), ams(2026, 10, 26, 8, 30)),  # over the end of summer time
        (ams(2026, 3, 27, 18), ams(2026, 3, 30, 8, 30)),  # over its begin
    ],
)
def test_the_next_service_moment(now: datetime, expected: datetime) -> None:
    for moment in (now, now.astimezone(UTC)):
        assert next_service_moment(moment, HOURS, RULES.calendar) == expected


@pytest.mark.parametrize(("day", "opens"), [(date(2026, 10, 26), 7), (date(2026, 3, 30), 6), (date(2026, 3, 27), 7)])
def test_hours_are_those_of_the_wall_clock(day: date, opens: int) -> None:
    night = datetime(day.year, day.month, day.day, 1, tzinfo=UTC)
    assert next_service_moment(night, HOURS, RULES.calendar) == night.replace(hour=opens, minute=30)
