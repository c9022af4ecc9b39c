"""Unit of work: what people said of the mails of a case, which readings of them are the newest, the audit sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import exists, func, insert, select, update

from triage.adapters.learning import NEWEST_OF_MESSAGE, said_in
from triage.adapters.store_cases import CasePart
from triage.adapters.tables import assessments, cases, corrections, sample_weeks, sampled_cases
from triage.core.assessment import Band
from triage.core.labels import MISSED_URGENT


class LearningPart(CasePart):
    def newest_assessments(self, case_id: str) -> frozenset[str]:
        newest = select(assessments.c.id).where(assessments.c.case_id == case_id, NEWEST_OF_MESSAGE)
        return frozenset(self._db.execute(newest).scalars())

    def people_decided(self, case_id: str) -> Mapping[str, datetime]:
        rows = self._db.execute(
            select(corrections.c.field, func.max(corrections.c.at).label("last"))
            .where(said_in(case_id))
            .group_by(corrections.c.field)
        )
        return {row.field: row.last for row in rows}

    # ---------------------------------------------------------------- audit sample

    def cases_called_normal(self, begin: datetime, end: datetime) -> Sequence[str]:
        of_case = assessments.c.case_id == cases.c.id
        rows = self._db.execute(
            select(cases.c.id)
            .where(
                cases.c.arrived_at >= begin,
                cases.c.arrived_at < end,
                cases.c.band == Band.NORMAL,
                cases.c.erased_at.is_(None),
                exists().where(of_case, assessments.c.model != ""),
                ~exists().where(of_case, assessments.c.band != Band.NORMAL),
                ~exists().where(corrections.c.case_id == cases.c.id, corrections.c.field == MISSED_URGENT),
            )
            .order_by(cases.c.id)
        )
        return list(rows.scalars())

    def draw_sample(self, week: str, case_ids: Sequence[str], *, population: int, at: datetime) -> bool:
        statement = self._upsert(sample_weeks).values(week=week, drawn_at=at, population=population)
        first = statement.on_conflict_do_nothing(index_elements=["week"]).returning(sample_weeks.c.week)
        if self._db.execute(first).first() is None:
            return False
        if case_ids:
            self._db.execute(insert(sampled_cases), [{"case_id": case_id, "week": week} for case_id in case_ids])
        return True

    def look_at_sample(self, case_id: str, *, by: str, at: datetime, found_urgent: bool) -> bool:
        looked = self._db.execute(
            update(sampled_cases)
            .where(sampled_cases.c.case_id == case_id, sampled_cases.c.looked_at.is_(None))
            .values(looked_at=at, looked_by=by, found_urgent=found_urgent)
        )
        return looked.rowcount > 0
