"""The digest: each working morning one mail with the list of the day."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from triage.core.day_list import DIGEST, DayList, clock_list
from triage.core.sla import SlaRules
from triage.core.workdays import local_date
from triage.ports import Clock, Queries, Store
from triage.services.alerts import Alerts
from triage.services.watch import mailbox_heard_at, unsent_mails

_MOST_ACKNOWLEDGEMENTS = 2000
_CLOSED_AHEAD = timedelta(days=6)  # a weekday's name says which day is meant


class Digest:
    def __init__(
        self,
        *,
        store: Store,
        queries: Queries,
        alerts: Alerts,
        rules: SlaRules,
        clock: Clock,
        enabled: bool,
        silent_after: timedelta,
        remind_before: timedelta = timedelta(days=3),
    ) -> None:
        self._store, self._queries, self._alerts = store, queries, alerts
        self._rules, self._clock, self._enabled = rules, clock, enabled
        self._silent_after, self._remind_before = silent_after, remind_before
        self._made_for: date | None = None

    def send_once(self) -> bool:
        """True when the digest of today was made in this run: at the first run in the service hours of a working day,
        whichever node is first. Safe to repeat."""
        now = self._clock()
        today = local_date(now)
        if not self._enabled or self._made_for == today or not self._alerts.in_hours(now):
            return False
        with self._store.begin() as uow:
            first = uow.add_alert(DIGEST, term=today.isoformat(), at=now)
            if first:
                self._alerts.send_digest(uow, self._day_list(now), now=now)
        self._made_for = today
        return first

    def _day_list(self, now: datetime) -> DayList:
        queries, open_cases = self._queries, list(self._queries.open_cases())
        references = {case.reference for case in open_cases}  # who closed a case decided about its mail as well
        unsent = (row.reference for row in unsent_mails(queries, now))
        doubtful = queries.outbox(states=("refused", "uncertain"), kind="acknowledgement", limit=_MOST_ACKNOWLEDGEMENTS)
        heard = mailbox_heard_at(queries)
        return DayList(
            clocks=clock_list(open_cases, now, self._rules),
            unsent=tuple(dict.fromkeys(one for one in unsent if one in references)),
            acknowledgements=sum(row.reference in references for row in doubtful),
            quarantined=len(queries.quarantined()),
            secure_mail_ends=tuple(queries.notices_ending(after=now, before=now + self._remind_before)),
            unaccounted=queries.ledger().unaccounted,
            mailbox_read_at=heard,
            mailbox_silent=heard is None or now - heard >= self._silent_after,
            closed_ahead=self._rules.calendar.closed_weekdays(local_date(now), _CLOSED_AHEAD),
        )
