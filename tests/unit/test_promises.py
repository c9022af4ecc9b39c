"""The promise book: what stands, whether it was kept, and why the day that holds now is another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from tests.unit.cases import a_case, ams
from triage.core.actions import Acknowledge
from triage.core.case import Case, CaseState, WaitingFor
from triage.core.mail import MessageKind
from triage.core.promises import (
    Compared,
    Delivery,
    Difference,
    Promise,
    Reason,
    compare,
    kept,
    latest,
    needs_correction,
    promised_by,
)
from triage.core.sla import SlaRules, on_terms, pause, recounted, resume, terms_for
from triage.core.workdays import WorkCalendar, local_date

RULES = SlaRules(WorkCalendar())
MONDAY = ams(2026, 11, 23, 9)
CLOSED_ON_WEDNESDAY = SlaRules(WorkCalendar(closing_days={date(2026, 11, 25): "verhuizing"}))
QUESTION = [(MONDAY, MessageKind.QUESTION)]


def acknowledgement(case: Case, **changes: object) -> Promise:
    base = Promise(MONDAY + timedelta(minutes=1), "acknowledgement", "system", case.answer_due)
    return replace(base, **changes)  # type: ignore[arg-type]


def correction(case: Case, at: datetime, **changes: object) -> Promise:
    counting = (case.counting.answer_from, case.counting.answer_days)
    base = Promise(at, "correction", "A. Jansen", case.answer_due, counting=counting)
    return replace(base, **changes)  # type: ignore[arg-type]


def told(case: Case, *promises: Promise) -> tuple[Difference, Reason | None] | None:
    found = compare(case, promises, QUESTION)
    return (found.difference, found.reason) if found else None


@pytest.mark.parametrize(
    ("state", "bounced", "delivery"),
    [
        ("sent", False, Delivery.TOLD),
        ("due", False, Delivery.TOLD),
        ("sending", False, Delivery.TOLD),
        ("deferred", False, Delivery.TOLD),
        ("uncertain", False, Delivery.MAYBE),
        ("refused", False, Delivery.NOT_TOLD),
        ("withheld", False, Delivery.NOT_TOLD),
        ("sent", True, Delivery.NOT_TOLD),
    ],
)
def test_a_promise_stands_as_far_as_its_mail_got(state: str, bounced: bool, delivery: Delivery) -> None:
    case = a_case(arrived=MONDAY)
    promise = acknowledgement(case, state=state, bounced=bounced)
    assert promise.delivery is delivery
    assert (latest([promise]) is None) == (delivery is Delivery.NOT_TOLD) == (told(case, promise) is None)


def test_a_void_correction_leaves_the_promise_before_it() -> None:
    case = a_case(arrived=MONDAY)
    first, void = acknowledgement(case), correction(case, MONDAY + timedelta(hours=5), state="refused")
    assert latest([first, void]) is first
    assert latest([replace(first, promised_for=None)]) is None


def test_the_same_day_is_the_same_promise_whatever_the_hour() -> None:
    case = a_case(arrived=MONDAY)
    assert told(case, acknowledgement(case, promised_for=ams(2026, 11, 26, 12))) == (Difference.SAME, None)


def test_a_closing_day_moves_the_day() -> None:
    case = a_case(arrived=MONDAY)
    moved = recounted(case, CLOSED_ON_WEDNESDAY)
    assert told(moved, acknowledgement(case)) == (Difference.LATER, Reason.CALENDAR)
    # and the day that was taken back moves it to earlier than a correction promised
    back = recounted(moved, RULES)
    assert told(back, acknowledgement(case), correction(moved, MONDAY + timedelta(hours=2))) == (
        Difference.EARLIER,
        Reason.CALENDAR,
    )


def waited(case: Case, begins: datetime, ends: datetime) -> Case:
    paused = pause(replace(case, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER), begins, RULES)
    return replace(resume(paused, ends, RULES), state=CaseState.IN_PROGRESS, waiting_for=None)


def test_a_wait_for_the_sender_moves_the_day_also_when_it_ended_the_next_morning() -> None:
    case = a_case(arrived=MONDAY)
    later = waited(case, MONDAY + timedelta(hours=2), ams(2026, 11, 24, 8, 30))  # counted from Monday 8:30, before 9:01
    assert later.counting.answer_from < acknowledgement(case).at
    assert told(later, acknowledgement(case)) == (Difference.LATER, Reason.WAITED)


def test_after_a_correction_only_what_came_later_is_the_reason() -> None:
    case = waited(a_case(arrived=MONDAY), MONDAY + timedelta(hours=2), ams(2026, 11, 25, 10))
    corrected = correction(case, ams(2026, 11, 25, 11))
    assert told(case, acknowledgement(a_case(arrived=MONDAY)), corrected) == (Difference.SAME, None)
    closed = SlaRules(WorkCalendar(closing_days={date(2026, 11, 27): "studiedag"}))
    moved = recounted(case, closed)
    assert told(moved, corrected) == (Difference.LATER, Reason.CALENDAR)
    again = waited(case, ams(2026, 11, 25, 12), ams(2026, 11, 26, 12))
    assert told(again, corrected) == (Difference.LATER, Reason.WAITED)


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        ([(ams(2026, 12, 1, 9), MessageKind.FOLLOW_UP)], Reason.WROTE_AGAIN),
        ([(ams(2026, 12, 1, 9), MessageKind.DELIVERY_REPORT)], Reason.REPLY_RETURNED),
        ([], Reason.REOPENED),
    ],
)
def test_a_term_that_began_anew_was_never_promised(
    received: list[tuple[datetime, MessageKind]], reason: Reason
) -> None:
    case = a_case(arrived=MONDAY)
    began = ams(2026, 12, 1, 9)
    anew = replace(on_terms(case, terms_for(case.band, began, RULES)), arrived_at=began, state=CaseState.IN_PROGRESS)
    found = compare(anew, [acknowledgement(case)], [*QUESTION, *received])
    assert found == Compared(acknowledgement(case), Difference.NOT_PROMISED, reason)
    assert needs_correction(anew, found, began)
    after = compare(anew, [acknowledgement(case), correction(anew, began + timedelta(hours=1))], received)
    assert after is not None and after.difference is Difference.SAME


def test_a_mail_server_whose_clock_runs_ahead_starts_no_new_term() -> None:
    case = a_case(arrived=MONDAY)
    early = acknowledgement(case, at=MONDAY - timedelta(seconds=5), began_at=MONDAY)
    assert told(case, early) == (Difference.SAME, None)
    again = replace(case, arrived_at=MONDAY + timedelta(seconds=1))
    assert told(again, early) == (Difference.NOT_PROMISED, Reason.REOPENED)


def test_the_sender_must_know_only_of_a_later_day_that_is_still_to_come() -> None:
    case = a_case(arrived=MONDAY)
    moved = recounted(case, CLOSED_ON_WEDNESDAY)
    found = compare(moved, [acknowledgement(case)], QUESTION)
    friday = ams(2026, 11, 27)
    assert local_date(moved.answer_due) == friday.date()
    assert needs_correction(moved, found, MONDAY)
    assert needs_correction(moved, found, friday + timedelta(hours=23))  # the day is promised, not the hour
    assert not needs_correction(moved, found, friday + timedelta(hours=25))
    assert not needs_correction(replace(moved, state=CaseState.ANSWERED), found, MONDAY)
    paused = replace(moved, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER)
    assert not needs_correction(paused, found, MONDAY)
    assert needs_correction(replace(paused, waiting_for=WaitingFor.BODY), found, MONDAY)
    assert not needs_correction(case, compare(case, [acknowledgement(case)], QUESTION), MONDAY)
    earlier = compare(case, [acknowledgement(moved)], QUESTION)
    assert earlier is not None and not needs_correction(case, earlier, MONDAY)
    assert not needs_correction(moved, None, MONDAY)


def test_a_promise_is_kept_until_the_end_of_its_day() -> None:
    promised = ams(2026, 11, 26, 17)
    assert kept(promised, ams(2026, 11, 26, 23, 59), ams(2026, 12, 1)) is True
    assert kept(promised, ams(2026, 11, 27), ams(2026, 12, 1)) is False
    assert kept(promised, None, ams(2026, 11, 26, 23, 59)) is None
    assert kept(promised, None, ams(2026, 11, 27)) is False


def test_an_acknowledgement_promises_no_day_that_has_passed() -> None:
    action = Acknowledge("nl", ams(2026, 11, 26, 17), ams(2026, 11, 24, 17))
    assert promised_by(action, MONDAY) == (action.promised_answer, action.promised_take_up)
    assert promised_by(action, ams(2026, 11, 25)) == (action.promised_answer, None)
    assert promised_by(action, ams(2026, 11, 27)) == (None, None)
