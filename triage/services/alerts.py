"""Alerts to staff: once per transition, in service hours except danger and mailbox alarms, no personal data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from triage.core.case import Case
from triage.core.workdays import AMSTERDAM, WorkCalendar, local_date
from triage.logs import get_logger
from triage.ports import UnitOfWork
from triage.row_ids import new_row_id
from triage.services.letters import Letters

AT_ANY_HOUR = frozenset({"danger", "mailbox_silent", "relay_silent", "sign_in_needed", "breaker"})
_LOOK_AHEAD_DAYS = 400


def next_service_moment(now: datetime, hours: Sequence[str], calendar: WorkCalendar) -> datetime:
    """The first moment from `now` on that lies in the service hours of a working day. `hours`: "HH:MM-HH:MM"."""
    blocks = sorted(tuple(time.fromisoformat(part) for part in block.split("-")) for block in hours)
    if not blocks:
        return now
    day = local_date(now)
    for _ in range(_LOOK_AHEAD_DAYS):
        if calendar.is_working_day(day):
            for begins, ends in blocks:
                opening = datetime.combine(day, begins, AMSTERDAM)
                closing = datetime.combine(day, ends, AMSTERDAM)
                if now < closing:
                    return max(now, opening.astimezone(now.tzinfo))
        day += timedelta(days=1)
    return now


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

    def raise_alert(self, uow: UnitOfWork, kind: str, *, case: Case, now: datetime) -> bool:
        """Alerts about one case; False when this transition was alerted before."""
        if not uow.add_alert(kind, case_id=case.id, at=now):
            return False
        uow.audit("alert_raised", at=now, actor="system", case_id=case.id, details={"alert": kind})
        self.send(uow, kind, references=[case.reference], now=now)
        return True

    def send(self, uow: UnitOfWork, kind: str, *, references: Sequence[str], now: datetime) -> None:
        """One mail per configured address; outside service hours it waits, unless it may not."""
        due_at = now if kind in AT_ANY_HOUR else next_service_moment(now, self._hours, self._calendar)
        for address in self._to:
            outbox_id = new_row_id(now)
            try:
                letter = self._letters.alert(
                    kind, references=references, to=address, link=self._link, outbox_id=outbox_id, now=now
                )
            except ValueError as exc:  # a faulty address of ours must never cost a sender's mail its case
                get_logger().error("alert_not_written", alert=kind, exc_info=exc)
                continue
            uow.add_outbox(letter.as_item(outbox_id, None, now), due_at=due_at, message_id=letter.message_id)
