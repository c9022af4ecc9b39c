"""Judges the mails of open cases again after the model or a rule changed: what the old one missed must not stay missed.

Each case is one transaction that looks again under its lock, so that two nodes do the work once. What cannot be judged
now (the classifier fails, or there is no model) keeps its old reading and is tried at the next run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.core.assessment import Assessment
from triage.core.case import OPEN_STATES, Case
from triage.core.labels import danger_value
from triage.core.rescreening import NewReading, Rescreened, rescreened
from triage.core.sla import SlaRules
from triage.errors import StoreUnavailable
from triage.logs import get_logger
from triage.ports import Clock, Queries, StaleReading, Store, UnitOfWork
from triage.services.alerts import Alerts
from triage.services.reading import Reader
from triage.services.redraft import Redraft

_LEASE = "rescreen"
_LEASE_TTL = timedelta(minutes=10)  # for one batch
_BATCH = 50
_STEP = timedelta(milliseconds=1)


@dataclass(slots=True)
class RescreenReport:
    """Counts of one run. `skipped`: another node is at it."""

    judged: int = 0
    raised: int = 0
    found_late: int = 0
    held: int = 0
    failed: int = 0
    skipped: bool = False


class Rescreen:
    def __init__(
        self,
        *,
        store: Store,
        queries: Queries,
        reader: Reader,
        rules: SlaRules,
        alerts: Alerts,
        redraft: Redraft,
        clock: Clock,
        owner: str,
    ) -> None:
        self._store, self._queries, self._reader = store, queries, reader
        self._rules, self._alerts, self._redraft = rules, alerts, redraft
        self._clock, self._owner = clock, owner
        self.stopping = False  # set from outside: the run ends after the batch at hand

    def rescreen_once(self) -> RescreenReport:
        """Every open case with a mail that another model judged last. Safe to repeat; when nothing is to do it is one
        query."""
        report, model_id = RescreenReport(), self._reader.classifier.model_id
        case_ids = self._queries.stale_cases(model_id)
        for start in range(0, len(case_ids), _BATCH):
            if self.stopping:
                break
            if not self._may_work():
                report.skipped = True
                return report
            self._batch(self._queries.stale_readings(model_id, case_ids[start : start + _BATCH]), report)
        if case_ids:
            with self._store.begin() as uow:
                uow.release_lease(_LEASE, owner=self._owner, now=self._clock())
        return report

    def _may_work(self) -> bool:
        with self._store.begin() as uow:
            return uow.lease(_LEASE, owner=self._owner, now=self._clock(), ttl=_LEASE_TTL)

    def _batch(self, readings: Sequence[StaleReading], report: RescreenReport) -> None:
        """The model judges all texts together, outside every transaction."""
        judged = self._reader.judge_again([(one.judged_text, one.language, one.unreadable) for one in readings])
        of_case: dict[str, list[tuple[StaleReading, Assessment | None]]] = {}
        for old, new in zip(readings, judged, strict=True):
            of_case.setdefault(old.case_id, []).append((old, new))
        for case_id, found in of_case.items():
            pairs = [(old, new) for old, new in found if new is not None]
            if len(pairs) < len(found):  # else an older mail's reading would pass for the newest of the case
                continue
            try:
                self._one_case(case_id, pairs, report)
            except StoreUnavailable:
                raise
            except Exception as exc:  # the next case must not wait for this one
                report.failed += 1
                get_logger().error("case_not_rescreened", case=case_id, exc_info=exc)

    def _one_case(self, case_id: str, pairs: Sequence[tuple[StaleReading, Assessment]], report: RescreenReport) -> None:
        now = self._clock()
        with self._store.begin() as uow:
            case = uow.case(case_id, for_update=True)
            newest = uow.newest_assessments(case_id)
            pairs = [(old, new) for old, new in pairs if old.assessment_id in newest]  # else another node was first
            if case.state not in OPEN_STATES or not pairs:
                return
            decided = uow.people_decided(case_id)
            outcome = rescreened(
                case, [_new_reading(old, new, decided) for old, new in pairs], now=now, rules=self._rules
            )
            # later than what it follows, whatever the clocks of the nodes say, and in the order of the mails
            judged_at = max([now, *(old.judged_at + _STEP for old, _ in pairs)])
            for place, (old, new) in enumerate(pairs):
                uow.add_assessment(old.message_id, case_id, new, at=judged_at + place * _STEP)
            self._carry_out(uow, case, outcome, now)
        report.judged += len(pairs)
        report.raised += outcome.raised_from is not None
        report.found_late += outcome.found_late
        report.held += outcome.held is not None or outcome.danger_held

    def _carry_out(self, uow: UnitOfWork, before: Case, outcome: Rescreened, now: datetime) -> None:
        case = outcome.case
        details: dict[str, object] = {}
        if outcome.raised_by is not None:
            details |= {"band": str(case.band), "urgency": str(case.urgency)}
        if outcome.held is not None:
            details["held"] = str(outcome.held)
        if outcome.danger_put_on or outcome.danger_held:
            details["danger"] = danger_value(outcome.danger_put_on)[0]
        if not details:
            return
        if case != before:
            uow.save_case(case)
        details["model"] = self._reader.classifier.model_id
        if outcome.found_late:
            uow.audit("found_late", at=now, actor="system", case_id=case.id, details=details)
            self._alerts.raise_alert(uow, "found_late", case=case, now=now)
        else:
            uow.audit("rescreened", at=now, actor="system", case_id=case.id, details=details)
        if outcome.raised_by is not None:
            self._redraft.after_correction(uow, case, now=now, assessment=outcome.raised_by)
        if outcome.danger_put_on:
            self._alerts.raise_danger(uow, case=case, was_on=False, now=now)


def _new_reading(old: StaleReading, new: Assessment, decided: Mapping[str, datetime]) -> NewReading:
    def by_a_person(field: str) -> bool:
        return field in decided and decided[field] >= old.received_at

    return NewReading(new, urgency_decided=by_a_person("urgency"), danger_decided=by_a_person("danger"))
