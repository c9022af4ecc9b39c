"""The promise book: which days were promised to the sender, what became of them, and whether what holds now differs.

A promise is what a mail of ours named: the acknowledgement, or a correction that a person sent later. It stands only
as far as that mail reached the sender: what was refused, withheld or came back told nothing. A mail names a day and no
hour, so days of Amsterdam are compared, never moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from triage.core.actions import Acknowledge
from triage.core.case import OPEN_STATES, Case
from triage.core.mail import MessageKind
from triage.core.sla import ANSWER_DAYS, is_paused
from triage.core.workdays import local_date


class Delivery(StrEnum):
    """What the sender knows of a promise: `told` also while its mail may still leave."""

    TOLD = "told"
    MAYBE = "maybe"
    NOT_TOLD = "not_told"


_DELIVERIES = {
    "sent": Delivery.TOLD,
    "due": Delivery.TOLD,
    "sending": Delivery.TOLD,
    "deferred": Delivery.TOLD,
    "uncertain": Delivery.MAYBE,
}


@dataclass(frozen=True, slots=True)
class Promise:
    """What one mail of ours promised. `told_by` is its outbox kind, `state` its outbox state or "withheld".

    `began_at` is the arrival that had started the term (`Case.arrived_at` then), None in rows of before it was kept.
    `counting` holds, for a correction, where the answer term was counted from and how many working days it had."""

    at: datetime
    told_by: str
    actor: str  # who sent it, or "system"
    promised_for: datetime | None
    promised_take_up: datetime | None = None
    state: str = "sent"
    bounced: bool = False
    began_at: datetime | None = None
    counting: tuple[datetime, int] | None = None
    outbox_id: str | None = None

    @property
    def delivery(self) -> Delivery:
        return Delivery.NOT_TOLD if self.bounced else _DELIVERIES.get(self.state, Delivery.NOT_TOLD)

    def is_of_term(self, case: Case) -> bool:
        """Whether it was about the term that ran last. Not told by the moment it was made where that can be avoided:
        the mail server, which dates arrivals, has a clock of its own."""
        return self.at >= case.arrived_at if self.began_at is None else self.began_at == case.arrived_at


def promised_by(action: Acknowledge, now: datetime) -> tuple[datetime | None, datetime | None]:
    """(answer, take-up) as an acknowledgement written now names them: a day that has passed is promised no more."""
    today = local_date(now)
    answer, take_up = action.promised_answer, action.promised_take_up
    return (
        answer if local_date(answer) >= today else None,
        take_up if take_up is not None and local_date(take_up) >= today else None,
    )


def latest(promises: Sequence[Promise]) -> Promise | None:
    """The promise of an answer that the sender knows, or may know, last; `promises` oldest first."""
    known = [one for one in promises if one.promised_for is not None and one.delivery is not Delivery.NOT_TOLD]
    return known[-1] if known else None


def kept(promised: datetime, met_at: datetime | None, now: datetime) -> bool | None:
    """Whether it happened no later than the end of the promised day; None while that can still be."""
    if met_at is not None:
        return local_date(met_at) <= local_date(promised)
    return False if local_date(now) > local_date(promised) else None


class Difference(StrEnum):
    """How the day that holds now stands to the promised one. `not_promised`: the promise was for an answer before."""

    SAME = "same"
    LATER = "later"
    EARLIER = "earlier"
    NOT_PROMISED = "not_promised"


class Reason(StrEnum):
    """Why the day that holds now is another one than was promised."""

    WROTE_AGAIN = "wrote_again"
    REOPENED = "reopened"  # by a person, without a new mail
    REPLY_RETURNED = "reply_returned"
    WAITED = "waited"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Compared:
    """The last promise that the sender knows of, beside what holds now."""

    promise: Promise
    difference: Difference
    reason: Reason | None = None  # None when the day is the same


def compare(
    case: Case, promises: Sequence[Promise], received: Iterable[tuple[datetime, MessageKind]]
) -> Compared | None:
    """None when the sender was promised nothing. `received`: arrival and kind of the mails of the case; a term that
    began anew began with one of them, or because a person opened the case again."""
    promise = latest(promises)
    if promise is None or promise.promised_for is None:
        return None
    if not promise.is_of_term(case):
        kinds = {kind for arrived, kind in received if arrived == case.arrived_at}
        if MessageKind.DELIVERY_REPORT in kinds:
            reason = Reason.REPLY_RETURNED
        else:
            reason = Reason.WROTE_AGAIN if kinds else Reason.REOPENED
        return Compared(promise, Difference.NOT_PROMISED, reason)
    promised, holds = local_date(promise.promised_for), local_date(case.answer_due)
    if promised == holds:
        return Compared(promise, Difference.SAME)
    counted = promise.counting or (case.arrived_at, ANSWER_DAYS)
    went_on = (case.counting.answer_from, case.counting.answer_days) != counted
    difference = Difference.LATER if holds > promised else Difference.EARLIER
    return Compared(promise, difference, Reason.WAITED if went_on else Reason.CALENDAR)


def may_promise(case: Case, promised: datetime, now: datetime) -> bool:
    """Whether a mail may name this day: the case is open, its clock runs, and the day holds and has not passed."""
    day = local_date(promised)
    running = case.state in OPEN_STATES and not is_paused(case)
    return running and day == local_date(case.answer_due) and day >= local_date(now)


def needs_correction(case: Case, compared: Compared | None, now: datetime) -> bool:
    """Whether the sender must hear of another day. When that day has passed too, only an answer helps."""
    differs = compared is not None and compared.difference in (Difference.LATER, Difference.NOT_PROMISED)
    return differs and may_promise(case, case.answer_due, now)


# ---------------------------------------------------------------- looking back


class Subject(StrEnum):
    """What was promised for a day."""

    ANSWER = "answer"
    TAKE_UP = "take_up"


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """What was noted of a case: its audit row without views."""

    at: datetime
    actor: str  # a user id, or "system"
    action: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class JudgedPromise:
    """One promised day and what came of it. `kept` None: still open, or the sender never heard of it."""

    reference: str
    subject: Subject
    told_by: str
    delivery: Delivery
    promised: datetime
    met_at: datetime | None
    kept: bool | None


_ENDS = frozenset({"reply_sent", "closed", "no_reply_needed"})


def judged(
    case: Case, promises: Sequence[Promise], events: Sequence[CaseEvent], now: datetime
) -> tuple[JudgedPromise, ...]:
    """Each promised day of a case, in the order in which they were told; `events` oldest first. A promise that was
    corrected later is judged by its own day all the same."""
    found = []
    for promise in promises:
        days = ((Subject.TAKE_UP, promise.promised_take_up), (Subject.ANSWER, promise.promised_for))
        for subject, day in days:
            if day is None:
                continue
            met_at = _met_at(case, promise, subject, events)
            told = promise.delivery is not Delivery.NOT_TOLD
            found.append(
                JudgedPromise(
                    reference=case.reference,
                    subject=subject,
                    told_by=promise.told_by,
                    delivery=promise.delivery,
                    promised=day,
                    met_at=met_at,
                    kept=kept(day, met_at, now) if told else None,
                )
            )
    return tuple(found)


def _met_at(case: Case, promise: Promise, subject: Subject, events: Sequence[CaseEvent]) -> datetime | None:
    """When what was promised happened. Of a term that began anew since, the case itself knows nothing any more."""
    if promise.is_of_term(case):
        ended_at = case.answered_at or case.ended_at
        return ended_at if subject is Subject.ANSWER else case.taken_up_at or ended_at
    after = [event for event in events if event.at >= promise.at]
    if subject is Subject.TAKE_UP:
        return next((event.at for event in after if event.actor != "system"), None)
    met_at = None
    for event in after:
        if event.action == "reply_bounced":  # the sender did not get that answer
            met_at = None
        elif event.action in _ENDS and met_at is None:
            met_at = event.at
    return met_at
