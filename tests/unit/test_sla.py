"""The clocks of a case over its life: pause, resume, reopen, follow-up, urgency changed by a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.unit.cases import a_case, ams
from triage.core.assessment import Band
from triage.core.case import CaseState, WaitingFor
from triage.core.sla import (
    ClockState,
    SlaRules,
    clock_state,
    follow_up_terms,
    pause,
    resume,
    with_band,
)
from triage.core.workdays import WorkCalendar

AMS = ZoneInfo("Europe/Amsterdam")
RULES = SlaRules(WorkCalendar())


def local(moment: datetime | None) -> str:
    assert moment is not None
    return f"{moment.astimezone(AMS):%a %d %H:%M}"


def test_waiting_for_the_sender_keeps_the_days_that_were_left() -> None:
    case = a_case(arrived=ams(2026, 11, 23, 9))  # Monday: answer due Thursday 17:00
    paused = pause(replace(case, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER), ams(2026, 11, 24, 10), RULES)
    assert paused.paused_ends_left == 3  # the ends of Tuesday, Wednesday and Thursday
    assert clock_state(paused, ams(2026, 12, 24, 9)) is ClockState.ON_TIME
    resumed = resume(paused, ams(2026, 12, 1, 11), RULES)  # Tuesday: its own end is the first of the three
    assert local(resumed.answer_due) == "Thu 03 17:00"
    assert local(resume(paused, ams(2026, 12, 1, 18), RULES).answer_due) == "Fri 04 17:00"
    assert resumed.paused_ends_left is None


def test_at_least_one_day_is_left_after_a_pause() -> None:
    case = a_case(arrived=ams(2026, 11, 23, 9))
    late = pause(replace(case, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER), ams(2026, 11, 27, 9), RULES)
    assert late.paused_ends_left == 0
    assert clock_state(late, ams(2026, 11, 27, 9)) is ClockState.BREACHED
    assert local(resume(late, ams(2026, 12, 1, 9), RULES).answer_due) == "Tue 01 17:00"
    assert local(resume(late, ams(2026, 12, 5, 9), RULES).answer_due) == "Mon 07 17:00"  # a Saturday


def test_waiting_and_resuming_in_one_day_gives_no_day_away() -> None:
    case = replace(a_case(arrived=ams(2026, 11, 23, 9)), state=CaseState.WAITING, waiting_for=WaitingFor.SENDER)
    for hour in (10, 16):
        again = resume(pause(case, ams(2026, 11, 24, hour), RULES), ams(2026, 11, 24, hour, 30), RULES)
        assert again.answer_due == case.answer_due


def test_possible_that_becomes_urgent_must_be_taken_up_anew_and_a_running_term_is_not_stretched() -> None:
    possible = a_case(arrived=ams(2026, 11, 23, 9), band=Band.POSSIBLE)
    taken = replace(possible, state=CaseState.IN_PROGRESS, taken_up_at=ams(2026, 11, 23, 10))
    terms, _ = follow_up_terms(taken, Band.URGENT, ams(2026, 11, 25, 9), RULES)
    assert local(terms.take_up_due) == "Thu 26 17:00"
    waiting, _ = follow_up_terms(possible, Band.URGENT, ams(2026, 11, 23, 20), RULES)
    assert waiting.take_up_due == possible.take_up_due


def test_a_follow_up_on_an_open_case_leaves_the_answer_term_and_can_only_raise() -> None:
    case = replace(a_case(arrived=ams(2026, 11, 23, 9)), state=CaseState.IN_PROGRESS, taken_up_at=ams(2026, 11, 23, 10))
    terms, reopened = follow_up_terms(case, Band.URGENT, ams(2026, 11, 24, 20), RULES)
    assert not reopened
    assert terms.answer_due == case.answer_due
    assert local(terms.take_up_due) == "Wed 25 17:00"
    same, _ = follow_up_terms(case, Band.NORMAL, ams(2026, 11, 24, 20), RULES)
    assert same.take_up_due is None


@pytest.mark.parametrize("state", [CaseState.ANSWERED, CaseState.CLOSED, CaseState.NO_REPLY_NEEDED])
def test_reopening_starts_a_new_term_at_that_arrival(state: CaseState) -> None:
    case = replace(a_case(arrived=ams(2026, 11, 2, 9)), state=state)
    terms, reopened = follow_up_terms(case, Band.POSSIBLE, ams(2026, 11, 20, 16), RULES)  # Friday
    assert reopened
    assert local(terms.take_up_due) == "Mon 23 17:00"
    assert local(terms.answer_due) == "Wed 25 17:00"


def test_a_follow_up_while_waiting_for_the_sender_resumes_the_clock() -> None:
    case = a_case(arrived=ams(2026, 11, 23, 9))
    waiting = pause(replace(case, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER), ams(2026, 11, 25, 12), RULES)
    terms, reopened = follow_up_terms(waiting, Band.NORMAL, ams(2026, 12, 5, 12), RULES)  # a Saturday
    assert not reopened
    assert local(terms.answer_due) == "Tue 08 17:00"  # two ends were left: Monday and Tuesday


def test_waiting_for_a_body_does_not_pause() -> None:
    case = replace(a_case(arrived=ams(2026, 11, 23, 9)), state=CaseState.WAITING, waiting_for=WaitingFor.BODY)
    assert clock_state(case, ams(2026, 11, 26, 17, 1)) is ClockState.BREACHED


def test_the_states_of_a_normal_clock() -> None:
    case = a_case(arrived=ams(2026, 11, 23, 9))
    assert clock_state(case, ams(2026, 11, 24, 12)) is ClockState.ON_TIME
    assert clock_state(case, ams(2026, 11, 24, 17)) is ClockState.AT_RISK  # 60% of three days: after the first
    assert clock_state(case, ams(2026, 11, 26, 17)) is ClockState.AT_RISK
    assert clock_state(case, ams(2026, 11, 26, 17, 1)) is ClockState.BREACHED


def test_an_urgent_case_that_nobody_takes_up_is_breached_after_the_next_working_day() -> None:
    case = a_case(arrived=ams(2026, 11, 20, 16), band=Band.URGENT)  # Friday
    assert clock_state(case, ams(2026, 11, 22, 12)) is ClockState.ON_TIME
    assert clock_state(case, ams(2026, 11, 23, 8)) is ClockState.AT_RISK
    assert clock_state(case, ams(2026, 11, 23, 17, 1)) is ClockState.BREACHED
    taken = replace(case, taken_up_at=ams(2026, 11, 23, 9))
    assert clock_state(taken, ams(2026, 11, 23, 17, 1)) is not ClockState.BREACHED


def test_an_ended_clock_is_met_or_met_late() -> None:
    case = replace(a_case(arrived=ams(2026, 11, 23, 9)), state=CaseState.ANSWERED)
    assert clock_state(replace(case, answered_at=ams(2026, 11, 26, 16)), ams(2026, 12, 9, 9)) is ClockState.MET
    assert clock_state(replace(case, answered_at=ams(2026, 11, 27, 9)), ams(2026, 12, 9, 9)) is ClockState.MET_LATE


def test_a_person_who_raises_or_lowers_changes_the_take_up_term() -> None:
    case = a_case(arrived=ams(2026, 11, 23, 9))
    raised = with_band(case, Band.URGENT, ams(2026, 11, 24, 9), RULES)
    assert local(raised.take_up_due) == "Wed 25 17:00"
    lowered = with_band(raised, Band.NORMAL, ams(2026, 11, 24, 10), RULES)
    assert lowered.take_up_due is None
    assert lowered.answer_due == case.answer_due
