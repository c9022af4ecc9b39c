"""Alerts to staff: once per transition, in service hours except danger and mailbox alarms, no personal data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta

from triage.core.case import Case
from triage.core.day_list import DIGEST, DayList
from triage.core.transitions import answer_term
from triage.core.workdays import AMSTERDAM, WorkCalendar, local_date
from triage.logs import get_logger
from triage.ports import UnitOfWork
from triage.row_ids import new_row_id
from triage.services.letters import Letter, Letters

AT_ANY_HOUR = frozenset({"danger", "mailbox_silent", "sign_in_needed"})
_LOOK_AHEAD_DAYS = 400


def next_service_moment(now: datetime, hours: Sequence[str], calendar: WorkCalendar) -> datetime:
    """The first moment from `now` on that lies in the service hours of a working day. `hours`: "HH:MM-HH:MM", at least
    one block; the closing moment itself lies outside."""
    blocks = sorted(tuple(time.fromisoformat(part) for part in block.split("-")) for block in hours)
    day = local_date(now)
    for _ in range(_LOOK_AHEAD_DAYS):
        if calendar.is_working_day(day):
            for begins, ends in blocks:
                opening = datetime.combine(day, begins, AMSTERDAM)
                closing = datetime.combine(day, ends, AMSTERDAM)
                if now < closing:
                    return max(now, opening.astimezone(now.tzinfo))
        day += timedelta(days=1)
    return now  # a calendar without working days: told at night is better than never


class Alerts:
    """Writes alerts into the outbox, in the transaction of what caused them."""

    def __init__(
        self,
        *,
        letters: Letters,
        to: Sequence[str],
        hours: Sequence[str],
        calendar: WorkCalendar,
        link: str,
    ) -> None:
        self._letters, self._to, self._hours = letters, tuple(to), tuple(hours)
        self._calendar, self._link = calendar, link

    def in_hours(self, now: datetime) -> bool:
        """Whether this moment lies in the service hours of a working day."""
        return next_service_moment(now, self._hours, self._calendar) == now

    def note(self, uow: UnitOfWork, kind: str, *, term: str, case_id: str | None, now: datetime) -> bool:
        """Records one transition, for who sends its alert together with others; False when it was recorded before."""
        if not uow.add_alert(kind, term=term, case_id=case_id, at=now):
            return False
        uow.audit("alert_raised", at=now, actor="system", case_id=case_id, details={"alert": kind})
        return True

    def raise_alert(self, uow: UnitOfWork, kind: str, *, case: Case, now: datetime, term: str = "") -> bool:
        """Alerts about one case; False when this transition was alerted before: `term`, else that of the running
        answer clock, tells it from others of its kind."""
        if not self.note(uow, kind, term=term or answer_term(case), case_id=case.id, now=now):
            return False
        self.send(uow, kind, references=[case.reference], now=now)
        return True

    def raise_danger(self, uow: UnitOfWork, *, case: Case, was_on: bool, now: datetime) -> None:
        """A flag that is put on always alerts, also when it was taken away before in the same term; danger in a further
        mail of a case that has the flag alerts once in a running term."""
        if not self.raise_alert(uow, "danger", case=case, now=now) and not was_on:
            self.raise_alert(uow, "danger", case=case, now=now, term=now.isoformat())

    def raise_alarm(self, uow: UnitOfWork, kind: str, *, term: str, now: datetime) -> bool:
        """Alerts about no case, once per kind and `term`; False when it was told before."""
        if not self.note(uow, kind, term=term, case_id=None, now=now):
            return False
        self.send(uow, kind, references=[], now=now)
        return True

    def send(self, uow: UnitOfWork, kind: str, *, references: Sequence[str], now: datetime) -> None:
        """One mail per configured address; outside service hours it waits, unless it may not."""
        due_at = now if kind in AT_ANY_HOUR else next_service_moment(now, self._hours, self._calendar)

        def write(to: str, outbox_id: str) -> Letter:
            return self._letters.alert(
                kind, references=references, to=to, link=self._link, outbox_id=outbox_id, now=now
            )

        self._queue(uow, kind, write, due_at=due_at, now=now)

    def send_digest(self, uow: UnitOfWork, day: DayList, *, now: datetime) -> None:
        """The list of a day, one mail per configured address."""

        def write(to: str, outbox_id: str) -> Letter:
            return self._letters.digest(day, to=to, link=self._link, outbox_id=outbox_id, now=now)

        self._queue(uow, DIGEST, write, due_at=now, now=now)

    def _queue(
        self, uow: UnitOfWork, kind: str, write: Callable[[str, str], Letter], *, due_at: datetime, now: datetime
    ) -> None:
        for address in self._to:
            outbox_id = new_row_id(now)
            try:
                letter = write(address, outbox_id)
            except ValueError as exc:  # a faulty address of ours must never cost a sender's mail its case
                get_logger().error("alert_not_written", alert=kind, exc_info=exc)
                continue
            uow.add_outbox(letter.as_item(outbox_id, None, now), due_at=due_at, message_id=letter.message_id)
