"""The clocks of a case over its life: pause, resume, reopen, follow-up, urgency changed by a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.unit.cases import a_case, ams
from triage.core.assessment import Band
from triage.core.case import CaseState, WaitingFor
from triage.core.sla import (
    ClockName,
    ClockState,
    SlaRules,
    clock_state,
    explain,
    follow_up_terms,
    pause,
    recounted,
    resume,
    running_clocks,
    terms_now,
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


def test_a_term_that_had_ended_before_the_pause_gets_a_day_from_the_sender_and_none_from_a_person() -> None:
    case = a_case(arrived=ams(2026, 11, 23, 9))
    late = pause(replace(case, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER), ams(2026, 11, 27, 9), RULES)
    assert late.paused_ends_left == 0
    assert clock_state(late, ams(2026, 11, 27, 9)) is ClockState.BREACHED
    terms, _ = follow_up_terms(late, Band.NORMAL, ams(2026, 12, 5, 9), RULES)  # a Saturday
    assert local(terms.answer_due) == "Mon 07 17:00"
    resumed = resume(late, ams(2026, 12, 1, 9), RULES)
    assert (resumed.answer_due, resumed.paused_ends_left) == (case.answer_due, None)


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


WITH_CLOSING = SlaRules(WorkCalendar(closing_days={date(2026, 11, 25): "studiedag"}))


def test_another_calendar_counts_running_clocks_again() -> None:
    case = a_case(arrived=ams(2026, 11, 23, 9), band=Band.POSSIBLE)  # Monday
    moved = recounted(case, WITH_CLOSING)
    assert (local(moved.take_up_due), local(moved.answer_due)) == ("Tue 24 17:00", "Fri 27 17:00")
    assert recounted(moved, RULES) == case


def test_a_term_that_went_on_after_a_pause_is_counted_again_from_there() -> None:
    case = replace(a_case(arrived=ams(2026, 11, 2, 9)), taken_up_at=ams(2026, 11, 2, 10))
    waiting = replace(case, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER)
    paused = pause(waiting, ams(2026, 11, 4, 12), RULES)
    assert recounted(paused, WITH_CLOSING) == paused
    resumed = replace(resume(paused, ams(2026, 11, 24, 10), RULES), state=CaseState.IN_PROGRESS, waiting_for=None)
    assert local(resumed.answer_due) == "Wed 25 17:00"  # two ends were left, that of this Tuesday among them
    assert local(recounted(resumed, WITH_CLOSING).answer_due) == "Thu 26 17:00"


def test_what_has_ended_or_was_taken_up_keeps_its_term_under_another_calendar() -> None:
    answered = replace(a_case(arrived=ams(2026, 11, 23, 9)), state=CaseState.ANSWERED)
    assert recounted(answered, WITH_CLOSING) == answered
    urgent = a_case(arrived=ams(2026, 11, 24, 9), band=Band.URGENT)
    taken = replace(urgent, state=CaseState.IN_PROGRESS, taken_up_at=ams(2026, 11, 24, 10))
    moved = recounted(taken, WITH_CLOSING)
    assert (moved.take_up_due, local(moved.answer_due)) == (taken.take_up_due, "Mon 30 17:00")
    assert local(recounted(urgent, WITH_CLOSING).take_up_due) == "Thu 26 17:00"


def test_each_clock_comes_at_risk_by_itself() -> None:
    case = a_case(arrived=ams(2026, 11, 23, 9), band=Band.URGENT)
    take_up, answer = running_clocks(case, RULES)
    assert (take_up.name, local(take_up.at_risk_at), local(take_up.due)) == (
        ClockName.TAKE_UP,
        "Tue 24 00:00",
        "Tue 24 17:00",
    )
    assert (answer.name, local(answer.at_risk_at), local(answer.due)) == (
        ClockName.ANSWER,
        "Tue 24 17:00",
        "Thu 26 17:00",
    )
    assert case.at_risk_at == take_up.at_risk_at
    assert [clock.state(ams(2026, 11, 24, 12)) for clock in (take_up, answer)] == [
        ClockState.AT_RISK,
        ClockState.ON_TIME,
    ]
    assert take_up.state(ams(2026, 11, 24, 17, 1)) is ClockState.BREACHED
    taken = replace(case, state=CaseState.IN_PROGRESS, taken_up_at=ams(2026, 11, 23, 10))
    assert [clock.name for clock in running_clocks(taken, RULES)] == [ClockName.ANSWER]
    waiting = replace(taken, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER)
    assert running_clocks(waiting, RULES) == running_clocks(replace(case, state=CaseState.CLOSED), RULES) == ()


def test_the_sum_in_words_tells_of_a_pause_and_of_urgency_seen_later() -> None:
    case = replace(a_case(arrived=ams(2026, 11, 2, 9)), taken_up_at=ams(2026, 11, 2, 10))
    waiting = replace(case, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER)
    resumed = resume(pause(waiting, ams(2026, 11, 4, 12), RULES), ams(2026, 11, 24, 10), WITH_CLOSING)
    assert explain(resumed.arrived_at, terms_now(resumed), WITH_CLOSING.calendar) == (
        "binnen ma 2 november 09:00; na de pauze verder op di 24 november, nog 2 werkdagen; "
        "wo 25 november is studiedag; antwoord uiterlijk do 26 november 17:00"
    )
    plain = a_case(arrived=ams(2026, 11, 23, 9))
    raised = with_band(plain, Band.URGENT, ams(2026, 11, 24, 10, 30), RULES)
    assert explain(raised.arrived_at, terms_now(raised), RULES.calendar) == (
        "binnen ma 09:00; dringend sinds di 10:30; in behandeling uiterlijk wo 17:00, antwoord uiterlijk do 17:00"
    )
