"""Draws the audit sample of the past week, once, whichever node is first."""

from __future__ import annotations

from triage.core.audit_sample import draw, past_week
from triage.ports import Clock, Queries, Store


class AuditSample:
    def __init__(self, *, store: Store, queries: Queries, share: float, clock: Clock) -> None:
        """`share` of the cases that the machine called normal and nobody raised, in [0, 1]; 0: nothing is drawn."""
        self._store, self._queries, self._share, self._clock = store, queries, share, clock

    def draw_once(self) -> int:
        """How many cases were drawn; 0 when the past week was drawn before. Safe to repeat."""
        now = self._clock()
        week = past_week(now)
        if self._share <= 0 or self._queries.sample_is_drawn(week.name):
            return 0
        with self._store.begin() as uow:
            called_normal = uow.cases_called_normal(week.begin, week.end)
            drawn = draw(called_normal, week.name, self._share)
            if not uow.draw_sample(week.name, drawn, population=len(called_normal), at=now):
                return 0
            for case_id in drawn:
                uow.audit("sample_drawn", at=now, actor="system", case_id=case_id, details={"week": week.name})
        return len(drawn)
