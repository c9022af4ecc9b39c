"""Which changes of a clock staff are told, each once (`product.md` section 5).

A clock is known by what it is counted from. A changed calendar moves its due moment and leaves it the same clock, so
what was told of it stays told; a new term, or a term that goes on after a pause, is another clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from triage.core.case import Case
from triage.core.sla import ClockName, ClockState, RunningClock, SlaRules, running_clocks
from triage.core.workdays import AMSTERDAM, local_date

LOOK_AT_URGENT = time(11, 0)
"""Not taken up at this hour of the working day on which the take-up is due: that is told."""

CLOCK_KINDS = ("at_risk", "breached", "urgent_not_taken_up")


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of one clock; `kind` is that of the alert, `term` tells this clock from every other one of its case."""

    kind: str
    term: str
    clock: ClockName


def answer_term(case: Case) -> str:
    """The running answer clock of a case, at most 40 characters."""
    return _term(ClockName.ANSWER, case.counting.answer_from)


def take_up_term(case: Case) -> str:
    """The same for the take-up clock; "" when the case has none."""
    begun = case.counting.take_up_from
    return _term(ClockName.TAKE_UP, begun) if begun is not None else ""


def _term(name: ClockName, begun: datetime) -> str:
    return f"{name}:{begun.astimezone(UTC).isoformat()}"


def clock_transitions(
    case: Case, told: Mapping[tuple[str, str], datetime], now: datetime, rules: SlaRules
) -> tuple[tuple[Transition, ...], tuple[Transition, ...]]:
    """(to tell, to forget) at this moment. `told`: (kind, term) → when it was told.

    What was told counts while the clock stays as bad. It is forgotten when the clock is seen in a better state, which
    only a moved due moment brings about: when it gets there again, that is a transition again.
    """
    tell, forget = [], []
    for clock in running_clocks(case, rules):
        term = answer_term(case) if clock.name is ClockName.ANSWER else take_up_term(case)
        for kind, begins, holds in _stages(clock, now):
            at = told.get((kind, term))
            if holds and at is None:
                tell.append(Transition(kind, term, clock.name))
            # told after it began: then the clock of another node is only ahead of ours
            elif at is not None and max(at, now) < begins:
                forget.append(Transition(kind, term, clock.name))
    return tuple(tell), tuple(forget)


def _stages(clock: RunningClock, now: datetime) -> Iterator[tuple[str, datetime, bool]]:
    """(kind, when it begins, whether it holds now)."""
    state = clock.state(now)
    yield "at_risk", clock.at_risk_at, state is ClockState.AT_RISK
    yield "breached", clock.due, state is ClockState.BREACHED
    if clock.name is ClockName.TAKE_UP:
        look = datetime.combine(local_date(clock.due), LOOK_AT_URGENT, AMSTERDAM)
        yield "urgent_not_taken_up", look, look <= now and state is not ClockState.BREACHED
