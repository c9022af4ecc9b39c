"""What waits for people on one day: the content of the digest. Case references and counts, nothing of a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from triage.core.assessment import BAND_ORDER
from triage.core.case import Case
from triage.core.sla import ClockName, ClockState, SlaRules, clock_state, running_clocks
from triage.core.workdays import local_date

DIGEST = "digest"  # its kind of alert


@dataclass(frozen=True, slots=True)
class ClockList:
    """The open cases that their clocks put on the list of a day, by reference, the most pressing first."""

    late: tuple[str, ...]
    take_up_today: tuple[str, ...]
    answer_today: tuple[str, ...]
    next_day: date
    answer_next_day: int
    danger: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DayList:
    """Everything the digest names. Only what still asks for something: of closed cases nothing."""

    clocks: ClockList
    unsent: tuple[str, ...]  # approved replies that did not leave
    acknowledgements: int  # uncertain or refused
    quarantined: int
    secure_mail_ends: tuple[str, ...]
    unaccounted: int
    mailbox_read_at: datetime | None
    mailbox_silent: bool
    closed_ahead: tuple[tuple[date, str], ...] = ()  # closed weekdays to come, with the Dutch name of why

    @property
    def is_quiet(self) -> bool:
        """Nothing asks for anything today."""
        clocks = self.clocks
        return not (
            clocks.late or clocks.take_up_today or clocks.answer_today or clocks.danger or self.unsent
            or self.acknowledgements or self.quarantined or self.secure_mail_ends or self.unaccounted
            or self.mailbox_silent
        )  # fmt: skip


def clock_list(open_cases: Iterable[Case], now: datetime, rules: SlaRules) -> ClockList:
    """Late is late on either clock, as Toezicht counts it; such a case may also be due today."""
    cases = sorted(open_cases, key=_most_pressing)
    today = local_date(now)
    next_day = rules.calendar.nth_working_day_after(today, 1)
    due = [
        (case.reference, clock.name, local_date(clock.due))
        for case in cases
        for clock in running_clocks(case, rules)
        if clock.state(now) is not ClockState.BREACHED
    ]

    def due_on(day: date, name: ClockName) -> tuple[str, ...]:
        return tuple(reference for reference, clock, its_day in due if (clock, its_day) == (name, day))

    return ClockList(
        late=tuple(case.reference for case in cases if clock_state(case, now) is ClockState.BREACHED),
        take_up_today=due_on(today, ClockName.TAKE_UP),
        answer_today=due_on(today, ClockName.ANSWER),
        next_day=next_day,
        answer_next_day=len(due_on(next_day, ClockName.ANSWER)),
        danger=tuple(case.reference for case in cases if case.danger),
    )


def _most_pressing(case: Case) -> tuple[bool, int, datetime, str]:
    """As on the work list: danger and urgency on top, then by due moment."""
    return not case.danger, -BAND_ORDER.index(case.band), case.answer_due, case.reference
