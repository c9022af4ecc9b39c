"""The two clocks of a case: take-up and answer (`product.md` section 5). Times in and out are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from triage.core.actions import Terms
from triage.core.assessment import BAND_ORDER, Band
from triage.core.case import OPEN_STATES, Case, CaseState, Counting, WaitingFor
from triage.core.workdays import AMSTERDAM, WorkCalendar, local_date, start_of

ANSWER_DAYS = 3
TAKE_UP_DAYS = 1


class ClockState(StrEnum):
    ON_TIME = "on_time"
    AT_RISK = "at_risk"
    BREACHED = "breached"
    MET = "met"
    MET_LATE = "met_late"


@dataclass(frozen=True)
class SlaRules:
    """The calendar and the share of a term (0 to 1, counted in working days) after which it is at risk."""

    calendar: WorkCalendar
    at_risk_share: float = 0.6


def terms_for(band: Band, arrived: datetime, rules: SlaRules) -> Terms:
    """Both terms for an arrival: the day of arrival is day 0, also on a closed day."""
    return terms_of(Counting(arrived, ANSWER_DAYS, arrived if band.short_term else None), rules)


def terms_of(counting: Counting, rules: SlaRules, *, taken_up: bool = False) -> Terms:
    """The terms that this counting gives; `taken_up`: only the answer clock is left to come at risk."""
    answer = _end_after(counting.answer_from, counting.answer_days, rules)
    take_up = _end_after(counting.take_up_from, TAKE_UP_DAYS, rules) if counting.take_up_from else None
    at_risk = _answer_at_risk(counting, rules)
    if take_up is not None and counting.take_up_from is not None and not taken_up:
        at_risk = min(at_risk, _take_up_at_risk(counting.take_up_from, take_up))
    return Terms(answer, take_up, at_risk, counting)


def _end_after(day_zero: datetime, days: int, rules: SlaRules) -> datetime:
    return rules.calendar.end_of(rules.calendar.nth_working_day_after(local_date(day_zero), days))


def _answer_at_risk(counting: Counting, rules: SlaRules) -> datetime:
    passed = int(rules.at_risk_share * counting.answer_days)
    if passed >= 1:
        return _end_after(counting.answer_from, passed, rules)
    last = rules.calendar.nth_working_day_after(local_date(counting.answer_from), counting.answer_days)
    return start_of(last)


def _take_up_at_risk(counted_from: datetime, take_up: datetime) -> datetime:
    """A term of one day is at risk on its last day."""
    return max(counted_from, start_of(local_date(take_up)))


def terms_now(case: Case) -> Terms:
    """The terms of a case as they stand."""
    return Terms(case.answer_due, case.take_up_due, case.at_risk_at, case.counting)


def on_terms(case: Case, terms: Terms) -> Case:
    """The case with these terms."""
    return replace(
        case,
        answer_due=terms.answer_due,
        take_up_due=terms.take_up_due,
        at_risk_at=terms.at_risk_at,
        counting=terms.counting,
    )


def after_take_up(case: Case, rules: SlaRules) -> datetime:
    """`at_risk_at` once a person took the case up: only the answer clock is left."""
    return _answer_at_risk(case.counting, rules)


def recounted(case: Case, rules: SlaRules) -> Case:
    """The case with its running clocks counted anew, as after a change of the calendar. A clock that has ended or
    stands still keeps what it had."""
    if case.state not in OPEN_STATES or is_paused(case):
        return case
    taken_up = case.taken_up_at is not None
    terms = terms_of(case.counting, rules, taken_up=taken_up)
    return on_terms(case, replace(terms, take_up_due=case.take_up_due) if taken_up else terms)


class ClockName(StrEnum):
    TAKE_UP = "take_up"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class RunningClock:
    """One clock of an open case that is not met yet."""

    name: ClockName
    due: datetime
    at_risk_at: datetime

    def state(self, now: datetime) -> ClockState:
        if now > self.due:
            return ClockState.BREACHED
        return ClockState.AT_RISK if now >= self.at_risk_at else ClockState.ON_TIME


def running_clocks(case: Case, rules: SlaRules) -> tuple[RunningClock, ...]:
    """The clocks that run: none in an ended or paused case, take-up only until a person took the case up."""
    if case.state not in OPEN_STATES or is_paused(case):
        return ()
    answer = RunningClock(ClockName.ANSWER, case.answer_due, _answer_at_risk(case.counting, rules))
    counted_from = case.counting.take_up_from
    if case.take_up_due is None or counted_from is None or case.taken_up_at is not None:
        return (answer,)
    at_risk = _take_up_at_risk(counted_from, case.take_up_due)
    return RunningClock(ClockName.TAKE_UP, case.take_up_due, at_risk), answer


def follow_up_terms(case: Case, band: Band, arrived: datetime, rules: SlaRules) -> tuple[Terms, bool]:
    """(terms, reopened) after a message from the sender.

    Waiting for the sender: the ends that were left (at least 1) count after the day of the message.
    Answered, closed or no_reply_needed: a new term begins. Otherwise `answer_due` stays, urgency may only
    rise, and a take-up that becomes due counts from this message.
    """
    if case.state in (CaseState.ANSWERED, CaseState.CLOSED, CaseState.NO_REPLY_NEEDED):
        return terms_for(band if band.short_term else case.band, arrived, rules), True
    counting = case.counting
    rises = BAND_ORDER.index(band) > BAND_ORDER.index(case.band)
    if rises and not _is_stretched(case, arrived, rules):
        counting = replace(counting, take_up_from=arrived)
    if is_paused(case):
        counting = replace(counting, answer_from=arrived, answer_days=max(1, case.paused_ends_left or 0))
        return terms_of(counting, rules, taken_up=not rises), False
    terms = terms_of(counting, rules, taken_up=case.taken_up_at is not None and not rises)
    return replace(
        terms, answer_due=case.answer_due, take_up_due=terms.take_up_due if rises else case.take_up_due
    ), False


def _is_stretched(case: Case, arrived: datetime, rules: SlaRules) -> bool:
    """True when a take-up term that runs would end later if it counted from this message: then it stays."""
    runs = case.take_up_due if case.taken_up_at is None else None
    return runs is not None and runs <= _end_after(arrived, TAKE_UP_DAYS, rules)


def pause(case: Case, now: datetime, rules: SlaRules) -> Case:
    """The case waits for the sender: the working-day ends still left are kept."""
    return replace(case, paused_ends_left=rules.calendar.ends_between(now, case.answer_due))


def resume(case: Case, now: datetime, rules: SlaRules) -> Case:
    """A person ends the wait: the kept ends count from this moment, the end of today included, so that waiting and
    resuming in one day gives no day away. A term that had ended before the wait stays ended: waiting mends no breach.
    (A message of the sender: see `follow_up_terms`.)"""
    if not case.paused_ends_left:
        return replace(case, paused_ends_left=None)
    calendar, today = rules.calendar, local_date(now)
    counts_today = calendar.is_working_day(today) and now < calendar.end_of(today)
    day_zero = now - timedelta(days=1) if counts_today else now
    counting = replace(case.counting, answer_from=day_zero, answer_days=case.paused_ends_left)
    terms = terms_of(counting, rules, taken_up=case.taken_up_at is not None)
    return replace(on_terms(case, replace(terms, take_up_due=case.take_up_due)), paused_ends_left=None)


def with_band(case: Case, band: Band, now: datetime, rules: SlaRules) -> Case:
    """A person changed the urgency. Raised: take-up counts from now. Lowered to normal: no take-up term is left."""
    if band.short_term == case.band.short_term:
        return replace(case, band=band)
    counting = replace(case.counting, take_up_from=now if band.short_term else None)
    terms = terms_of(counting, rules, taken_up=case.taken_up_at is not None)
    return replace(on_terms(case, replace(terms, answer_due=case.answer_due)), band=band)


def is_paused(case: Case) -> bool:
    return case.state is CaseState.WAITING and case.waiting_for is WaitingFor.SENDER


def clock_state(case: Case, now: datetime) -> ClockState:
    """Where the case's clocks stand. Paused: on time, unless the term had ended before the pause."""
    if case.state in (CaseState.ANSWERED, CaseState.CLOSED, CaseState.NO_REPLY_NEEDED):
        end = case.answered_at or case.ended_at
        return ClockState.MET if end is None or end <= case.answer_due else ClockState.MET_LATE
    if is_paused(case):
        return ClockState.BREACHED if case.paused_ends_left == 0 else ClockState.ON_TIME
    take_up_open = case.take_up_due is not None and case.taken_up_at is None
    if now > case.answer_due or (take_up_open and case.take_up_due is not None and now > case.take_up_due):
        return ClockState.BREACHED
    return ClockState.AT_RISK if now >= case.at_risk_at else ClockState.ON_TIME


_DAYS = ("ma", "di", "wo", "do", "vr", "za", "zo")
_LONG_DAYS = ("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag")
_MONTHS = (
    "januari", "februari", "maart", "april", "mei", "juni",
    "juli", "augustus", "september", "oktober", "november", "december",
)  # fmt: skip


def dutch_date(moment: datetime, *, year: bool = False) -> str:
    """'donderdag 26 november', in Amsterdam; for mails and screens."""
    local = moment.astimezone(AMSTERDAM)
    text = f"{_LONG_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"
    return f"{text} {local.year}" if year else text


def explain(arrived: datetime, terms: Terms, calendar: WorkCalendar) -> str:
    """The sum in Dutch words: 'binnen vr 16:58; ma is Tweede Pinksterdag; in behandeling uiterlijk di 17:00,
    antwoord uiterlijk do 17:00'. A term that went on after a pause, and urgency that was seen later, say so. Days get
    their date when the whole takes more than six days."""
    counting = terms.counting
    last = local_date(terms.answer_due)
    with_dates = (last - local_date(arrived)).days > 6

    def weekday(day: date) -> str:
        return _DAYS[day.weekday()] + (f" {day.day} {_MONTHS[day.month - 1]}" if with_dates else "")

    def moment(when: datetime) -> str:
        return f"{weekday(local_date(when))} {when.astimezone(AMSTERDAM):%H:%M}"

    parts = [f"binnen {moment(arrived)}"]
    if counting.answer_days != ANSWER_DAYS or local_date(counting.answer_from) != local_date(arrived):
        goes_on = calendar.nth_working_day_after(local_date(counting.answer_from), 1)
        days = "1 werkdag" if counting.answer_days == 1 else f"{counting.answer_days} werkdagen"
        parts.append(f"na de pauze verder op {weekday(goes_on)}, nog {days}")
    if terms.take_up_due is not None and counting.take_up_from not in (None, arrived):
        parts.append(f"dringend sinds {moment(counting.take_up_from)}")
    day = local_date(counting.answer_from)
    while day <= last:
        if day.weekday() < 5 and not calendar.is_working_day(day):
            parts.append(f"{weekday(day)} is {calendar.closed_because(day)}")
        day += timedelta(days=1)
    due = f"antwoord uiterlijk {moment(terms.answer_due)}"
    if terms.take_up_due is not None:
        due = f"in behandeling uiterlijk {moment(terms.take_up_due)}, {due}"
    return "; ".join([*parts, due])
