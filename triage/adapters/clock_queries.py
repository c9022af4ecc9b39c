"""Reading the clocks of many cases: to count them again, and to rehearse another calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, select

from triage.adapters.learning import LearningQueries
from triage.adapters.store_cases import CASE_COLUMNS
from triage.adapters.tables import cases
from triage.adapters.views import ENDED, PAUSED, case_from
from triage.core.case import Case

_AT_ONCE = 1000


class ClockQueries(LearningQueries):
    """The part of `SqlQueries` about the clocks of many cases."""

    def open_cases(self) -> Iterator[Case]:
        return self._cases(cases.c.place <= PAUSED)

    def ended_cases(self, begin: datetime | None, end: datetime | None) -> Iterator[Case]:
        arrived = [cases.c.arrived_at >= begin] if begin else []
        arrived += [cases.c.arrived_at < end] if end else []
        return self._cases(cases.c.place == ENDED, *arrived)

    def _cases(self, *conditions: ColumnElement[bool]) -> Iterator[Case]:
        wanted = select(*CASE_COLUMNS).where(*conditions).order_by(cases.c.arrived_at, cases.c.id)
        with self._reading() as db:
            for rows in db.execute(wanted.execution_options(yield_per=_AT_ONCE)).partitions():
                yield from map(case_from, rows)
