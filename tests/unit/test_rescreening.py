"""What a new reading may do to an open case: raise, and never against a person's word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.cases import a_case, ams
from triage.core.assessment import BAND_ORDER, Assessment, Band, Urgency
from triage.core.case import Case
from triage.core.rescreening import NewReading, rescreened
from triage.core.sla import SlaRules
from triage.core.workdays import WorkCalendar

RULES = SlaRules(WorkCalendar())
ARRIVED = ams(2026, 11, 23, 9, 0)  # a Monday
NOW = ARRIVED + timedelta(days=1)


def reading(band: Band, *, reason: str = "model", danger: bool = False, **decided: bool) -> NewReading:
    urgency = Urgency.REGULAR if band is Band.NORMAL else Urgency.TRANSFER
    return NewReading(Assessment(band=band, urgency=urgency, band_reason=reason, danger=danger), **decided)


def after(case: Case, *readings: NewReading):  # type: ignore[no-untyped-def]
    return rescreened(case, readings, now=NOW, rules=RULES)


@pytest.mark.parametrize("before", list(Band))
@pytest.mark.parametrize("band", list(Band))
def test_urgency_only_rises(before: Band, band: Band) -> None:
    outcome = after(a_case(arrived=ARRIVED, band=before), reading(band))
    assert outcome.case.band is max(before, band, key=BAND_ORDER.index)
    rose = outcome.case.band is not before
    assert outcome.raised_from is (before if rose else None)
    assert outcome.found_late == (rose and before is Band.NORMAL)
    assert outcome.case.urgency is (Urgency.TRANSFER if rose else a_case(arrived=ARRIVED, band=before).urgency)


def test_what_was_normal_must_be_taken_up_again_by_the_end_of_the_next_working_day() -> None:
    taken = replace(a_case(arrived=ARRIVED, band=Band.NORMAL), taken_up_at=ARRIVED)
    outcome = after(taken, reading(Band.POSSIBLE))
    assert outcome.case.taken_up_at is None
    assert outcome.case.take_up_due == RULES.calendar.end_of(RULES.calendar.nth_working_day_after(NOW.date(), 1))
    assert outcome.case.answer_due == taken.answer_due
    higher = replace(a_case(arrived=ARRIVED, band=Band.POSSIBLE), taken_up_at=ARRIVED)
    assert after(higher, reading(Band.URGENT)).case.taken_up_at == ARRIVED  # it had the short term already


def test_a_persons_word_on_a_mail_that_was_there_holds() -> None:
    case = a_case(arrived=ARRIVED, band=Band.NORMAL)
    outcome = after(case, reading(Band.URGENT, urgency_decided=True))
    assert (outcome.case, outcome.raised_from, outcome.held) == (case, None, Band.URGENT)
    later_mail = after(case, reading(Band.URGENT, urgency_decided=True), reading(Band.POSSIBLE))
    assert (later_mail.case.band, later_mail.held) == (Band.POSSIBLE, Band.URGENT)
    both = after(case, reading(Band.POSSIBLE, urgency_decided=True), reading(Band.URGENT))
    assert (both.case.band, both.held) == (Band.URGENT, None)


@pytest.mark.parametrize("reason", ["language", "no_model", "empty_text", "unreadable", "classifier_error"])
def test_not_being_able_to_judge_raises_nothing(reason: str) -> None:
    assert after(a_case(arrived=ARRIVED, band=Band.NORMAL), reading(Band.POSSIBLE, reason=reason)).raised_from is None


def test_danger_is_only_put_on() -> None:
    case = a_case(arrived=ARRIVED, band=Band.NORMAL)
    assert after(case, reading(Band.NORMAL, danger=True)).case.danger
    assert after(case, reading(Band.NORMAL, danger=True)).danger_put_on
    known = replace(case, danger=True)
    assert after(known, reading(Band.NORMAL)).case == known
    assert not after(known, reading(Band.NORMAL, danger=True)).danger_put_on
    held = after(case, reading(Band.NORMAL, danger=True, danger_decided=True))
    assert (held.case, held.danger_put_on, held.danger_held) == (case, False, True)
