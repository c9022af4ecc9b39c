"""Which open cases stand on the list of a day, and how a long list is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.letter_cases import letters
from tests.unit.cases import a_case, ams
from tests.unit.test_letters import text_of
from triage.core.assessment import Band
from triage.core.case import CaseState, WaitingFor
from triage.core.day_list import ClockList, DayList, clock_list
from triage.core.sla import SlaRules
from triage.core.workdays import WorkCalendar

RULES = SlaRules(WorkCalendar())
WEDNESDAY = ams(2026, 11, 25, 8, 30)


def test_each_clock_puts_its_case_on_the_list() -> None:
    monday, tuesday, friday = ams(2026, 11, 23, 9), ams(2026, 11, 24, 9), ams(2026, 11, 20, 9)
    taken = {"state": CaseState.IN_PROGRESS, "taken_up_at": tuesday}
    waiting = {"state": CaseState.WAITING, "waiting_for": WaitingFor.SENDER}
    cases = [
        replace(a_case(arrived=friday, band=Band.URGENT), reference="take-up late, answer today"),
        replace(a_case(arrived=friday), reference="answer today"),
        replace(a_case(arrived=tuesday, band=Band.POSSIBLE), reference="take-up today"),
        replace(a_case(arrived=tuesday, band=Band.POSSIBLE), reference="taken up", **taken),
        replace(a_case(arrived=monday), reference="answer tomorrow", danger=True),
        replace(a_case(arrived=friday), reference="paused", danger=True, paused_ends_left=1, **waiting),
        replace(a_case(arrived=friday), reference="late before the pause", paused_ends_left=0, **waiting),
    ]  # fmt: skip
    assert clock_list(cases, WEDNESDAY, RULES) == ClockList(
        late=("take-up late, answer today", "late before the pause"),
        take_up_today=("take-up today",),
        answer_today=("take-up late, answer today", "answer today"),
        next_day=date(2026, 11, 26),
        answer_next_day=1,
        danger=("paused", "answer tomorrow"),
    )


def test_a_group_names_forty_cases_and_counts_the_rest() -> None:
    late = tuple(f"JL-2026-{number:05}" for number in range(43))
    clocks = ClockList(late, (), (), date(2026, 11, 26), 0, ())
    day = DayList(clocks, (), 0, 0, (), 0, WEDNESDAY, False)
    letter = letters().digest(day, to="a@b.example", link="https://x.example", outbox_id="o" * 32, now=WEDNESDAY)
    text = text_of(letter)
    assert "Te laat (43)" in text and text.count("JL-2026-") == 40 and "en nog 3 andere" in text
    assert letter.as_item("o", None, WEDNESDAY).kind == "alert"


def test_what_is_not_accounted_for_is_said() -> None:
    clocks = ClockList((), (), (), date(2026, 11, 26), 0, ())
    day = DayList(clocks, (), 0, 0, (), 2, None, True)
    text = text_of(letters().digest(day, to="a@b.example", link="x", outbox_id="o" * 32, now=WEDNESDAY))
    assert "Mails niet verantwoord: 2" in text and "nog nooit gelezen" in text
    assert not day.is_quiet and "hoeft er niets" not in text
