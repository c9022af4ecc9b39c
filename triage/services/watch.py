"""The deadline watch: finds clocks that changed state and mail that stays silent, and alerts once per transition."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from triage.core.case import Case
from triage.core.sla import ClockState, SlaRules, clock_state
from triage.core.workdays import AMSTERDAM, local_date
from triage.ports import Clock, Queries, Store
from triage.services.alerts import Alerts

_LOOK_AT_URGENT = time(11, 0)  # urgent and not taken up at this hour of the day it is due
_SILENT_FACT = "mailbox_silent_since"
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
    ) -> None:
        self._store, self._queries, self._alerts = store, queries, alerts
        self._rules, self._clock, self._silent_after = rules, clock, silent_after

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
            for row in self._queries.outbox(states=("refused", "uncertain")):
                case_id = uow.case_by_reference(row.reference) if row.kind == "reply" and row.reference else None
                if case_id is not None and uow.add_alert(row.state, case_id=case_id, at=now):
                    report.raised[row.state].append(str(row.reference))
            for kind, references in report.raised.items():
                self._alerts.send(uow, kind, references=references, now=now)
        self._watch_mailbox(now, report)
        return report

    def _watch_mailbox(self, now: datetime, report: WatchReport) -> None:
        """Alarms once per silence when no poll succeeded for the configured time."""
        job = next((job for job in self._queries.health() if job.name == "poll"), None)
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
            if uow.fact(_SILENT_FACT) == heard.isoformat():
                return
            uow.set_fact(_SILENT_FACT, heard.isoformat())
            self._alerts.send(uow, "mailbox_silent", references=[], now=now)
            report.raised["mailbox_silent"].append("")
