"""The two clocks of a case: take-up and answer (`product.md` section 5). Times in and out are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from triage.core.actions import Terms
from triage.core.assessment import BAND_ORDER, Band
from triage.core.case import Case, CaseState, WaitingFor
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
    calendar, day = rules.calendar, local_date(arrived)
    answer = calendar.end_of(calendar.nth_working_day_after(day, ANSWER_DAYS))
    take_up = calendar.end_of(calendar.nth_working_day_after(day, TAKE_UP_DAYS)) if band.short_term else None
    return Terms(answer, take_up, _at_risk_at(arrived, ANSWER_DAYS, take_up, rules))


def _at_risk_at(started: datetime, days: int, take_up: datetime | None, rules: SlaRules) -> datetime:
    """The moment the case comes at risk: the earlier of both clocks. A term of one day is at risk on its last day."""
    calendar, day = rules.calendar, local_date(started)
    passed = int(rules.at_risk_share * days)
    if passed >= 1:
        answer_risk = calendar.end_of(calendar.nth_working_day_after(day, passed))
    else:
        answer_risk = start_of(calendar.nth_working_day_after(day, days))
    if take_up is None:
        return answer_risk
    return min(answer_risk, max(started, start_of(local_date(take_up))))


def after_take_up(case: Case, rules: SlaRules) -> datetime:
    """`at_risk_at` once a person took the case up: only the answer clock is left."""
    return _at_risk_at(case.arrived_at, ANSWER_DAYS, None, rules)


def follow_up_terms(case: Case, band: Band, arrived: datetime, rules: SlaRules) -> tuple[Terms, bool]:
    """(terms, reopened) after a message from the sender.

    Waiting for the sender: the ends that were left (at least 1) count after the day of the message.
    Answered, closed or no_reply_needed: a new term begins. Otherwise `answer_due` stays, urgency may only
    rise, and a take-up that becomes due counts from this message.
    """
    calendar = rules.calendar
    if case.state in (CaseState.ANSWERED, CaseState.CLOSED, CaseState.NO_REPLY_NEEDED):
        return terms_for(band if band.short_term else case.band, arrived, rules), True
    rises = BAND_ORDER.index(band) > BAND_ORDER.index(case.band)
    take_up = case.take_up_due
    if rises:
        take_up = calendar.end_of(calendar.nth_working_day_after(local_date(arrived), TAKE_UP_DAYS))
        if case.take_up_due is not None and case.taken_up_at is None:
            take_up = min(take_up, case.take_up_due)  # a term that already runs is not stretched
    if case.state is CaseState.WAITING and case.waiting_for is WaitingFor.SENDER:
        left = max(1, case.paused_ends_left or 0)
        answer = calendar.end_of(calendar.nth_working_day_after(local_date(arrived), left))
        return Terms(answer, take_up, _at_risk_at(arrived, left, take_up if rises else None, rules)), False
    at_risk = case.at_risk_at
    if rises and take_up is not None:
        at_risk = min(at_risk, max(arrived, start_of(local_date(take_up))))
    return Terms(case.answer_due, take_up, at_risk), False


def pause(case: Case, now: datetime, rules: SlaRules) -> Case:
    """The case waits for the sender: the working-day ends still left are kept."""
    return replace(case, paused_ends_left=rules.calendar.ends_between(now, case.answer_due))


def resume(case: Case, now: datetime, rules: SlaRules) -> Case:
    """A person ends the wait: the kept ends (at least 1) count from this moment, the end of today included, so that
    waiting and resuming in one day gives no day away. (A message of the sender: see `follow_up_terms`.)"""
    calendar, today = rules.calendar, local_date(now)
    left = max(1, case.paused_ends_left or 0)
    if calendar.is_working_day(today) and now < calendar.end_of(today):
        left -= 1
    answer = calendar.end_of(calendar.nth_working_day_after(today, left) if left else today)
    days = max(1, left)
    open_take_up = case.take_up_due if case.taken_up_at is None else None
    return replace(
        case, paused_ends_left=None, answer_due=answer, at_risk_at=_at_risk_at(now, days, open_take_up, rules)
    )


def with_band(case: Case, band: Band, now: datetime, rules: SlaRules) -> Case:
    """A person changed the urgency. Raised: take-up counts from now. Lowered to normal: no take-up term is left."""
    if band.short_term == case.band.short_term:
        return replace(case, band=band)
    if not band.short_term:
        return replace(case, band=band, take_up_due=None, at_risk_at=after_take_up(case, rules))
    take_up = rules.calendar.end_of(rules.calendar.nth_working_day_after(local_date(now), TAKE_UP_DAYS))
    at_risk = (
        min(case.at_risk_at, max(now, start_of(local_date(take_up)))) if case.taken_up_at is None else case.at_risk_at
    )
    return replace(case, band=band, take_up_due=take_up, at_risk_at=at_risk)


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
    antwoord uiterlijk do 17:00'. Days get their date when the term is longer than six days."""
    first, last = local_date(arrived), local_date(terms.answer_due)
    long_term = (last - first).days > 6

    def moment(when: datetime) -> str:
        local = when.astimezone(AMSTERDAM)
        day = _DAYS[local.weekday()]
        if long_term:
            day += f" {local.day} {_MONTHS[local.month - 1]}"
        return f"{day} {local:%H:%M}"

    parts = [f"binnen {moment(arrived)}"]
    day = first
    while day <= last:
        if day.weekday() < 5 and not calendar.is_working_day(day):
            name = _DAYS[day.weekday()] + (f" {day.day} {_MONTHS[day.month - 1]}" if long_term else "")
            parts.append(f"{name} is {calendar.closed_because(day)}")
        day += timedelta(days=1)
    due = f"antwoord uiterlijk {moment(terms.answer_due)}"
    if terms.take_up_due is not None:
        due = f"in behandeling uiterlijk {moment(terms.take_up_due)}, {due}"
    return "; ".join([*parts, due])
