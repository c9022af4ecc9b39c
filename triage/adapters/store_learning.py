"""Unit of work: what people said of the mails of a case, and which readings of them are the newest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select

from triage.adapters.learning import NEWEST_OF_MESSAGE, said_in
from triage.adapters.store_cases import CasePart
from triage.adapters.tables import assessments, corrections


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
