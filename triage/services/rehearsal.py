"""What another calendar would do: to the open cases from now on, and to those that have ended had it held then.

Nothing is changed. Both sides are counted from what each case keeps of its terms (`Counting`), so that a difference
comes from the calendar alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from triage.core.case import Case
from triage.core.sla import ClockState, SlaRules, clock_state, is_paused, on_terms, recounted, terms_of
from triage.core.workdays import WorkCalendar, local_date


@dataclass(frozen=True, slots=True)
class MovedCase:
    """A case that another calendar treats otherwise. `promise_moves`: its sender was told a day that holds no more."""

    reference: str
    is_open: bool
    arrived_at: datetime
    take_up_due: tuple[datetime | None, datetime | None]
    answer_due: tuple[datetime, datetime]
    clock_state: tuple[ClockState, ClockState]
    promise_moves: bool


@dataclass(slots=True)
class Rehearsal:
    """`in_term` counts ended cases that were answered in time: (under the rules as they are, under the others)."""

    open_cases: int = 0
    paused: int = 0
    ended_cases: int = 0
    in_term: tuple[int, int] = (0, 0)
    moved: list[MovedCase] = field(default_factory=list)

    def count(self, what: str) -> int:
        """Of the open cases that move: `later`, `earlier`, `promises`, or those that go to a clock state."""
        return sum(_is(one, what) for one in self.moved if one.is_open)


def _is(one: MovedCase, what: str) -> bool:
    before, after = one.answer_due
    if what == "promises":
        return one.promise_moves
    if what in ("later", "earlier"):
        return after > before if what == "later" else after < before
    return one.clock_state[1] == what != one.clock_state[0]


def rehearse(
    open_cases: Iterable[Case], ended_cases: Iterable[Case], *, present: SlaRules, other: SlaRules, now: datetime
) -> Rehearsal:
    """Counts all cases under both rules. What waits for the sender keeps the number of days it has left."""
    found = Rehearsal()
    for case in open_cases:
        found.open_cases += 1
        found.paused += is_paused(case)
        _compare(found, recounted(case, present), recounted(case, other), now, is_open=True)
    for case in ended_cases:
        found.ended_cases += 1
        before, after = _had_it_held(case, present), _had_it_held(case, other)
        states = clock_state(before, now), clock_state(after, now)
        found.in_term = (
            found.in_term[0] + (states[0] is ClockState.MET),
            found.in_term[1] + (states[1] is ClockState.MET),
        )
        _compare(found, before, after, now, is_open=False)
    return found


def _had_it_held(case: Case, rules: SlaRules) -> Case:
    return on_terms(case, terms_of(case.counting, rules))


def _compare(found: Rehearsal, before: Case, after: Case, now: datetime, *, is_open: bool) -> None:
    states = clock_state(before, now), clock_state(after, now)
    dues = (before.take_up_due, before.answer_due), (after.take_up_due, after.answer_due)
    if dues[0] == dues[1] or (not is_open and states[0] == states[1]):
        return
    promised = before.promised_for
    found.moved.append(
        MovedCase(
            reference=before.reference,
            is_open=is_open,
            arrived_at=before.arrived_at,
            take_up_due=(before.take_up_due, after.take_up_due),
            answer_due=(before.answer_due, after.answer_due),
            clock_state=states,
            promise_moves=promised is not None
            and local_date(promised) == local_date(before.answer_due) != local_date(after.answer_due),
        )
    )


def changed_days(present: WorkCalendar, other: WorkCalendar, first: date, last: date) -> list[tuple[date, str, str]]:
    """Days in [first, last] that are a working day in one of the calendars only: (day, why closed now, why closed
    then), "" where it is open."""
    found = []
    day = first
    while day <= last:
        reasons = present.closed_because(day) or "", other.closed_because(day) or ""
        if bool(reasons[0]) != bool(reasons[1]):
            found.append((day, *reasons))
        day += timedelta(days=1)
    return found


def changed_rules(present: SlaRules, other: SlaRules) -> list[tuple[str, str, str]]:
    """(setting, its value now, its value then) of what differs, closing days apart."""
    now, then = _told(present), _told(other)
    return [(name, now[name], then[name]) for name in now if now[name] != then[name]]


def _told(rules: SlaRules) -> dict[str, str]:
    calendar = rules.calendar
    return {
        "mail.day_ends": f"{calendar.day_ends:%H:%M}",
        "mail.at_risk_share": f"{rules.at_risk_share:g}",
        "calendar.good_friday_free": str(calendar.good_friday_free).lower(),
        "calendar.liberation_day": calendar.liberation_day,
    }
