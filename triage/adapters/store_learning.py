"""Unit of work: what people said of the mails of a case, and which readings of them are the newest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select

from triage.adapters.learning import NEWEST_OF_MESSAGE
from triage.adapters.store_cases import CasePart
from triage.adapters.tables import assessments, case_links, corrections
from triage.core.case import LinkKind, LinkState


class LearningPart(CasePart):
    def newest_assessments(self, case_id: str) -> frozenset[str]:
        newest = select(assessments.c.id).where(assessments.c.case_id == case_id, NEWEST_OF_MESSAGE)
        return frozenset(self._db.execute(newest).scalars())

    def people_decided(self, case_id: str) -> Mapping[str, datetime]:
        joined = select(case_links.c.case_id).where(  # corrections stay with the case in which they were made
            case_links.c.other_id == case_id,
            case_links.c.kind == LinkKind.CONVERSATION,
            case_links.c.state == LinkState.ACCEPTED,
        )
        rows = self._db.execute(
            select(corrections.c.field, func.max(corrections.c.at).label("last"))
            .where((corrections.c.case_id == case_id) | corrections.c.case_id.in_(joined))
            .group_by(corrections.c.field)
        )
        return {row.field: row.last for row in rows}
