"""The watch: finds clocks that changed state and mail that stays silent, and alerts once per transition.

Clocks, replies, notices and the relay are looked at in service hours only, so that an alert is true when it is read:
what came and went in the night is told to nobody. The mailbox is watched at all hours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from triage.core.sla import ClockName, SlaRules
from triage.core.transitions import clock_transitions
from triage.ports import BY_PEOPLE, Clock, OutboxRow, Queries, Store, TokenState, UnitOfWork
from triage.services.alerts import Alerts

_CLOCK_WORDS = {ClockName.TAKE_UP: "oppakken", ClockName.ANSWER: "antwoord"}
_LONG_WAIT = timedelta(hours=1)
_MOST_UNSENT = 2000
WAITING = ("due", "deferred")
"""Outbox states of a mail that certainly did not leave and is tried by itself."""
FIRST_START_FACT = "first_start"


@dataclass(slots=True)
class WatchReport:
    """References per kind of alert raised in this run."""

    raised: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, reference: str) -> None:
        if reference not in self.raised[kind]:
            self.raised[kind].append(reference)


def unsent_mails(queries: Queries, now: datetime) -> list[OutboxRow]:
    """What people approved and was refused, is uncertain, or still waits an hour after it could have left."""
    states = ("refused", "uncertain", *WAITING)
    rows = [row for kind in BY_PEOPLE for row in queries.outbox(states=states, kind=kind, limit=_MOST_UNSENT)]
    return [row for row in rows if not row.settled and (row.state not in WAITING or _waits_long(row, now))]


def _waits_long(row: OutboxRow, now: datetime) -> bool:
    return row.created_at <= now - _LONG_WAIT and (row.state == "deferred" or row.due_at <= now)


def mailbox_heard_at(queries: Queries) -> datetime | None:
    """When the mailbox was read last, None when it never was."""
    return next((job.last_succeeded for job in queries.health() if job.name == "poll"), None)


class DeadlineWatch:
    def __init__(
        self,
        *,
        store: Store,
        queries: Queries,
        alerts: Alerts,
        rules: SlaRules,
        clock: Clock,
        silent_after: timedelta,
        remind_before: timedelta = timedelta(days=3),
        token_state: Callable[[], TokenState] = TokenState,
    ) -> None:
        self._store, self._queries, self._alerts = store, queries, alerts
        self._rules, self._clock, self._silent_after = rules, clock, silent_after
        self._remind_before = remind_before
        self._token_state = token_state

    def watch_once(self) -> WatchReport:
        """One mail per kind of alert and run, naming the case references. Safe to repeat."""
        report, now = WatchReport(), self._clock()
        if self._alerts.in_hours(now):
            with self._store.begin() as uow:
                self._watch_clocks(uow, now, report)
                self._watch_replies(uow, now, report)
                self._watch_notices(uow, now, report)
            self._watch_job("relay", "relay_silent", now, report)
        self._watch_job("poll", "mailbox_silent", now, report)
        self._watch_sign_in(now, report)
        return report

    def _watch_clocks(self, uow: UnitOfWork, now: datetime, report: WatchReport) -> None:
        named: dict[str, list[str]] = defaultdict(list)
        for watched in uow.watched_cases(now=now):
            case = watched.case
            tell, forget = clock_transitions(case, watched.told, now, self._rules)
            for one in forget:
                uow.forget_alert(one.kind, term=one.term, case_id=case.id)
            for one in tell:
                if self._alerts.note(uow, one.kind, term=one.term, case_id=case.id, now=now):
                    report.add(one.kind, case.reference)
                    named[one.kind].append(f"{case.reference} ({_CLOCK_WORDS[one.clock]})")
        for kind, references in named.items():
            self._alerts.send(uow, kind, references=references, now=now)

    def _watch_replies(self, uow: UnitOfWork, now: datetime, report: WatchReport) -> None:
        told: dict[str, list[str]] = defaultdict(list)
        for row in unsent_mails(self._queries, now):
            case_id = uow.case_by_reference(row.reference) if row.reference else None
            kind = "delayed" if row.state in WAITING else row.state
            # once per mail, and per time that a person sends it once more
            term = f"{row.id}{int(row.created_at.timestamp()):08x}"
            if case_id is not None and self._alerts.note(uow, kind, term=term, case_id=case_id, now=now):
                told[kind].append(str(row.reference))
        self._send_all(uow, told, now, report)

    def _watch_notices(self, uow: UnitOfWork, now: datetime, report: WatchReport) -> None:
        told: dict[str, list[str]] = defaultdict(list)
        for message_id, reference in uow.notices_to_remind(before=now + self._remind_before):
            uow.notice_reminded(message_id, at=now)
            case_id = uow.case_by_reference(reference)
            if self._alerts.note(uow, "secure_mail_ends", term=message_id, case_id=case_id, now=now):
                told["secure_mail_ends"].append(reference)
        self._send_all(uow, told, now, report)

    def _send_all(self, uow: UnitOfWork, told: dict[str, list[str]], now: datetime, report: WatchReport) -> None:
        for kind, references in told.items():
            for reference in references:
                report.add(kind, reference)
            self._alerts.send(uow, kind, references=report.raised[kind], now=now)

    def _watch_sign_in(self, now: datetime, report: WatchReport) -> None:
        """Alarms once when the token server wants a person to sign in: nothing is read until somebody does."""
        refused_at = self._token_state().refused_at
        if refused_at is not None:
            self._alarm("sign_in_needed", refused_at, now, report)

    def _watch_job(self, name: str, kind: str, now: datetime, report: WatchReport) -> None:
        """Alarms once per silence when no run of the job succeeded for the configured time."""
        job = next((job for job in self._queries.health() if job.name == name), None)
        if job is None and name != "poll":
            return
        heard = job.last_succeeded if job is not None else None
        if heard is None:  # it never worked: the silence began with the first start
            heard = self._first_start(now)
        if now - heard >= self._silent_after:
            self._alarm(kind, heard, now, report)

    def _first_start(self, now: datetime) -> datetime:
        with self._store.begin() as uow:
            started = uow.fact(FIRST_START_FACT)
            if started is None:
                uow.set_fact(FIRST_START_FACT, now.isoformat())
        return datetime.fromisoformat(started) if started else now

    def _alarm(self, kind: str, since: datetime, now: datetime, report: WatchReport) -> None:
        with self._store.begin() as uow:
            if self._alerts.raise_alarm(uow, kind, term=since.astimezone(UTC).isoformat(), now=now):
                report.add(kind, "")
