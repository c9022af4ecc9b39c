"""Promises kept, not just terms met: one line a case, and what it comes to. No personal data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.core.assessment import Band
from triage.core.case import Case, WaitingFor
from triage.core.promises import CaseEvent, Delivery, JudgedPromise, judged
from triage.core.sla import ClockState, clock_state, is_paused
from triage.core.workdays import WorkCalendar, local_date, start_of
from triage.ports import Clock, Queries, SlaFact

_PAGE = 200
_KEPT_FOR = timedelta(minutes=5)
# What ends a wait for the sender; a further `waiting` ends it too.
_ENDS_A_WAIT = frozenset(
    {"resumed", "waiting", "follow_up_received", "messages_joined", "draft_approved", "reply_sent", "reply_bounced",
     "closed", "no_reply_needed"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SlaLine:
    """One case. `arrived_at` is of its first mail; the terms and `clock` are of the term that ran last. `paused_days`
    counts the ends of working days that passed while it waited for the sender."""

    reference: str
    arrived_at: datetime
    band: Band
    channel: str
    backlog: bool
    set_aside: bool
    take_up_due: datetime | None
    taken_up_at: datetime | None
    taken_up_in_term: bool | None
    answer_due: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    answered_in_term: bool | None
    clock: ClockState
    paused_days: int
    reopened: int
    promises: tuple[JudgedPromise, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """`k` of `n`; what is still open is in neither."""

    k: int
    n: int


@dataclass(frozen=True, slots=True)
class Totals:
    """`corrected`: cases whose sender was told another day. `breached_in_backlog`: late cases that came in during an
    outage. Cases that a rule set aside count in none of these but `set_aside`."""

    cases: int
    set_aside: int
    open: int
    answered_in_term: Share
    taken_up_in_term: Share
    promises_kept: Share
    corrected: int
    breached_in_backlog: int


def sla_lines(
    queries: Queries, begin: datetime | None, end: datetime | None, *, now: datetime, calendar: WorkCalendar
) -> Iterator[SlaLine]:
    """Cases whose first mail arrived in [begin, end), about in the order in which they were opened."""
    after = ""
    while page := queries.sla_facts(begin, end, after=after, limit=_PAGE):
        for fact in page:
            yield _line(fact, now, calendar)
        after = page[-1].case.id


class MonthOfPromises:
    """All promises of the cases that arrived in this month, for Toezicht. Read anew every five minutes: a busy month
    takes two seconds."""

    def __init__(self, *, queries: Queries, clock: Clock, calendar: WorkCalendar) -> None:
        self._queries, self._clock, self._calendar = queries, clock, calendar
        self._read: tuple[datetime, Sequence[JudgedPromise]] | None = None

    def __call__(self) -> Sequence[JudgedPromise]:
        now = self._clock()
        if self._read is None or not timedelta() <= now - self._read[0] < _KEPT_FOR:
            begin = start_of(local_date(now).replace(day=1))
            lines = sla_lines(self._queries, begin, None, now=now, calendar=self._calendar)
            self._read = now, [promise for line in lines for promise in line.promises]
        return self._read[1]


def totals(lines: Iterable[SlaLine]) -> Totals:
    """What the lines come to; `lines` may be read once only."""
    cases = set_aside = still_open = corrected = in_backlog = 0
    answered: list[bool] = []
    taken_up: list[bool] = []
    kept: list[bool] = []
    for line in lines:
        cases += 1
        if line.set_aside:
            set_aside += 1
            continue
        terms = (line.answered_in_term, line.taken_up_in_term)
        still_open += line.ended_at is None and line.answered_at is None
        answered += [terms[0]] if terms[0] is not None else []
        taken_up += [terms[1]] if terms[1] is not None else []
        kept += [one.kept for one in line.promises if one.kept is not None]
        corrected += any(one.told_by == "correction" and one.delivery is not Delivery.NOT_TOLD for one in line.promises)
        in_backlog += line.backlog and False in terms
    return Totals(
        cases=cases,
        set_aside=set_aside,
        open=still_open,
        answered_in_term=_share(answered),
        taken_up_in_term=_share(taken_up),
        promises_kept=_share(kept),
        corrected=corrected,
        breached_in_backlog=in_backlog,
    )


def _share(outcomes: Sequence[bool]) -> Share:
    return Share(sum(outcomes), len(outcomes))


def _line(fact: SlaFact, now: datetime, calendar: WorkCalendar) -> SlaLine:
    case = fact.case
    return SlaLine(
        reference=case.reference,
        arrived_at=fact.arrived_at,
        band=case.band,
        channel=fact.channel,
        backlog=fact.backlog,
        set_aside=fact.set_aside,
        take_up_due=case.take_up_due,
        taken_up_at=case.taken_up_at,
        taken_up_in_term=_in_term(case.taken_up_at or case.ended_at, case.take_up_due, now),
        answer_due=case.answer_due,
        answered_at=case.answered_at,
        ended_at=case.ended_at,
        answered_in_term=_answered_in_term(case, now),
        clock=clock_state(case, now),
        paused_days=_paused_days(fact.events, now, calendar),
        reopened=sum(one.action == "reopened" or one.details.get("reopened") is True for one in fact.events),
        promises=judged(case, fact.promises, fact.events, now),
    )


def _answered_in_term(case: Case, now: datetime) -> bool | None:
    if is_paused(case):  # the kept ends say whether the term was over before
        return False if case.paused_ends_left == 0 else None
    return _in_term(case.answered_at or case.ended_at, case.answer_due, now)


def _in_term(met_at: datetime | None, due: datetime | None, now: datetime) -> bool | None:
    """None without a term, and while it can still be met."""
    if due is None:
        return None
    if met_at is not None:
        return met_at <= due
    return False if now > due else None


def _paused_days(events: Sequence[CaseEvent], now: datetime, calendar: WorkCalendar) -> int:
    days, since = 0, None
    for event in events:
        if since is not None and event.action in _ENDS_A_WAIT:
            days += calendar.ends_between(since, event.at)
            since = None
        if event.action == "waiting" and event.details.get("waiting_for") == WaitingFor.SENDER:
            since = event.at
    return days + (calendar.ends_between(since, now) if since is not None else 0)
