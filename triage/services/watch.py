"""The deadline watch: finds clocks that changed state and mail that stays silent, and alerts once per transition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from triage.core.case import Case
from triage.core.sla import ClockState, SlaRules, clock_state
from triage.core.workdays import AMSTERDAM, local_date
from triage.ports import Clock, OutboxRow, Queries, Store, TokenState
from triage.services.alerts import Alerts

_LOOK_AT_URGENT = time(11, 0)  # urgent and not taken up at this hour of the day it is due
_LONG_WAIT = timedelta(hours=1)
_MOST_UNSENT = 2000
WAITING = ("due", "deferred")
"""Outbox states of a mail that certainly did not leave and is tried by itself."""
_SIGN_IN_FACT = "sign_in_alarmed"
FIRST_START_FACT = "first_start"


@dataclass(slots=True)
class WatchReport:
    """References per kind of alert raised in this run."""

    raised: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def due_alerts(case: Case, now: datetime, rules: SlaRules) -> tuple[str, ...]:
    """The alerts that the clocks of an open case call for at this moment."""
    found: list[str] = []
    state = clock_state(case, now)
    if state is ClockState.AT_RISK:
        found.append("at_risk")
    elif state is ClockState.BREACHED:
        found.append("breached")
    if case.take_up_due is not None and case.taken_up_at is None:
        look = datetime.combine(local_date(case.take_up_due), _LOOK_AT_URGENT, AMSTERDAM)
        if look <= now <= case.take_up_due:
            found.append("urgent_not_taken_up")
    return tuple(found)


def _waits_long(row: OutboxRow, now: datetime) -> bool:
    return row.created_at <= now - _LONG_WAIT and (row.state == "deferred" or row.due_at <= now)


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
        with self._store.begin() as uow:
            for watched in uow.watched_cases(now=now):
                for kind in due_alerts(watched.case, now, self._rules):
                    if kind not in watched.alerted and uow.add_alert(kind, case_id=watched.case.id, at=now):
                        report.raised[kind].append(watched.case.reference)
                        uow.audit(
                            "alert_raised", at=now, actor="system", case_id=watched.case.id, details={"alert": kind}
                        )
            for row in self._unsent_replies(now):
                case_id = uow.case_by_reference(row.reference) if row.reference else None
                # one alert per mail, and per time that a person sends it once more: not one per case and term
                mark = f"{row.state}:{row.id}:{row.created_at:%y%m%d%H%M%S}"
                if case_id is not None and uow.add_alert(mark, case_id=case_id, at=now):
                    report.raised["delayed" if row.state in WAITING else row.state].append(str(row.reference))
            for message_id, reference in uow.notices_to_remind(before=now + self._remind_before):
                uow.notice_reminded(message_id, at=now)
                uow.audit(
                    "alert_raised",
                    at=now,
                    actor="system",
                    case_id=uow.case_by_reference(reference),
                    details={"alert": "secure_mail_ends"},
                )
                if reference not in report.raised["secure_mail_ends"]:
                    report.raised["secure_mail_ends"].append(reference)
            for kind, references in report.raised.items():
                if references:
                    self._alerts.send(uow, kind, references=references, now=now)
        self._watch_job("poll", "mailbox_silent", now, report)
        self._watch_job("relay", "relay_silent", now, report)
        self._watch_sign_in(now, report)
        return report

    def _watch_sign_in(self, now: datetime, report: WatchReport) -> None:
        """Alarms once when the token server wants a person to sign in: nothing is read until somebody does."""
        refused_at = self._token_state().refused_at
        if refused_at is None:
            return
        with self._store.begin() as uow:
            if uow.fact(_SIGN_IN_FACT) == refused_at.isoformat():
                return
            uow.set_fact(_SIGN_IN_FACT, refused_at.isoformat())
            self._alerts.send(uow, "sign_in_needed", references=[], now=now)
            report.raised["sign_in_needed"].append("")

    def _unsent_replies(self, now: datetime) -> list[OutboxRow]:
        """Approved replies that were refused, are uncertain, or still wait an hour after they could have left."""
        rows = self._queries.outbox(states=("refused", "uncertain", *WAITING), kind="reply", limit=_MOST_UNSENT)
        return [row for row in rows if not row.settled and (row.state not in WAITING or _waits_long(row, now))]

    def _watch_job(self, name: str, kind: str, now: datetime, report: WatchReport) -> None:
        """Alarms once per silence when no run of the job succeeded for the configured time."""
        job = next((job for job in self._queries.health() if job.name == name), None)
        if job is None and name != "poll":
            return
        fact = f"{kind}_since"
        with self._store.begin() as uow:
            started = uow.fact(FIRST_START_FACT)
            heard = job.last_succeeded if job is not None else None
            if heard is None:  # it never worked: the silence began with the first start
                if started is None:
                    uow.set_fact(FIRST_START_FACT, now.isoformat())
                    return
                heard = datetime.fromisoformat(started)
            if now - heard < self._silent_after:
                return
            if uow.fact(fact) == heard.isoformat():
                return
            uow.set_fact(fact, heard.isoformat())
            self._alerts.send(uow, kind, references=[], now=now)
            report.raised[kind].append("")
