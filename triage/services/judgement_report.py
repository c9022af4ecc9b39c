"""How the machine judges from week to week, for people to look at, and the alarm when that changes for two weeks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from triage.core.audit_sample import week_of
from triage.core.drift import WEEKS_BEFORE, WeekReport, judged_weeks, week_figures, weeks_between
from triage.core.workdays import local_date
from triage.ports import Clock, JudgedRow, Queries, Store
from triage.services.alerts import Alerts

SHOWN_WEEKS = 8
_KIND = "judgement_drift"


def judgement_weeks(queries: Queries, first: date, last: date) -> list[WeekReport]:
    """A report for each ISO week (Amsterdam) that holds a day from `first` to `last`, compared with the weeks before,
    which are read as well. A mail that was judged again counts in the week of its newest assessment."""
    wanted = weeks_between(first, last)
    weeks = weeks_between(local_date(wanted[0].begin) - timedelta(days=7 * (WEEKS_BEFORE + 1)), last)
    begin, end = weeks[0].begin, weeks[-1].end
    rows: dict[str, list[JudgedRow]] = defaultdict(list)
    for row in queries.judged_between(begin, end):
        rows[_name(row.at)].append(row)
    late = Counter(_name(one.at) for one in queries.found_late(begin))
    samples = queries.sample_by_week(begin)
    figures = [
        week_figures(week, rows[week.name], found_late=late[week.name], sample=samples.get(week.name)) for week in weeks
    ]
    return judged_weeks(figures)[-len(wanted) :]


def _name(moment: datetime) -> str:
    return week_of(local_date(moment)).name


def past_days(today: date, weeks: int = SHOWN_WEEKS) -> tuple[date, date]:
    """First and last day of the whole weeks before the one of today."""
    monday = today - timedelta(days=today.weekday())
    return monday - timedelta(days=7 * weeks), monday - timedelta(days=1)


class JudgementWatch:
    """Looks at the past weeks now and then, keeps what it saw for the screens, and alerts once per pair of weeks."""

    def __init__(self, *, store: Store, queries: Queries, alerts: Alerts, clock: Clock) -> None:
        self._store, self._queries, self._alerts, self._clock = store, queries, alerts, clock
        self.latest: Sequence[WeekReport] = ()
        """The last eight whole weeks, oldest first, as of the last look; empty before the first."""

    def watch_once(self) -> tuple[str, ...]:
        """The figures it alerted about in this run. Safe to repeat."""
        now = self._clock()
        self.latest = judgement_weeks(self._queries, *past_days(local_date(now)))
        newest = self.latest[-1]
        if not newest.alarms:
            return ()
        week = newest.figures.week
        with self._store.begin() as uow:
            if not uow.add_alert(_KIND, term=week.name, at=now):
                return ()
            details = {"alert": _KIND, "week": week.name, "figures": list(newest.alarms)}
            uow.audit("alert_raised", at=now, actor="system", details=details)
            self._alerts.send(uow, _KIND, references=[], now=now)
        return newest.alarms
