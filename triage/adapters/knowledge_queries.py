"""Reading what became of the answer blocks, in counts, and the replies that staff released as an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, select

from triage.adapters.clock_queries import ClockQueries
from triage.adapters.rows import from_json
from triage.adapters.store_drafts import draft_row_id
from triage.adapters.tables import (
    approvals,
    assessments,
    block_use,
    cases,
    drafted_blocks,
    drafts,
    outbox,
    released_answers,
)
from triage.adapters.views import content_from, laws_of
from triage.core.assessment import LAWS
from triage.ports import BlockFigures, ReleasedQuestion

_LEFT = (
    select(func.max(block_use.c.approval_id))  # ids of approvals are ordered by time
    .select_from(
        block_use.join(approvals, approvals.c.id == block_use.c.approval_id).join(
            outbox, outbox.c.id == approvals.c.outbox_id
        )
    )
    .where(approvals.c.voided_at.is_(None), outbox.c.state == "sent")
    .group_by(block_use.c.case_id, block_use.c.drafted)
)
"""The approvals that count: of each machine's draft the last one whose reply left."""

_OF_CASE = (cases.c.id, cases.c.reference, cases.c.topics, *(cases.c[f"law_{law}"] for law in LAWS))


class KnowledgeQueries(ClockQueries):
    """The part of `SqlQueries` about answer blocks and released replies."""

    def block_figures(self, begin: datetime, end: datetime) -> Sequence[BlockFigures]:
        nothing = func.sum(case((block_use.c.kept == 0, 1), else_=0))
        with self._reading() as db:
            drafted = db.execute(
                select(drafted_blocks.c.block_id, func.count())
                .where(drafted_blocks.c.at >= begin, drafted_blocks.c.at < end)
                .group_by(drafted_blocks.c.block_id)
            )
            found = {name: BlockFigures(name, drafts=count) for name, count in drafted}
            left = db.execute(
                select(
                    block_use.c.block_id,
                    func.count(),
                    func.sum(block_use.c.sentences),
                    func.sum(block_use.c.kept),
                    nothing,
                    func.max(block_use.c.at),
                )
                .where(block_use.c.approval_id.in_(_LEFT), block_use.c.at >= begin, block_use.c.at < end)
                .group_by(block_use.c.block_id)
            )
            for name, replies, sentences, kept, none_left, last in left:
                found[name] = replace(
                    found.get(name, BlockFigures(name)),
                    replies=replies,
                    sentences=int(sentences),
                    kept=int(kept),
                    nothing_left=int(none_left),
                    last_used=last,
                )
        return [found[name] for name in sorted(found)]

    def released_questions(self, *, limit: int) -> Sequence[ReleasedQuestion]:
        with self._reading() as db:
            rows = db.execute(_released().order_by(released_answers.c.at.desc(), cases.c.id).limit(limit)).all()
        return [
            ReleasedQuestion(row.reference, row.approved_at, laws_of(row), tuple(from_json(row.topics))) for row in rows
        ]

    def released_asked(self, references: Sequence[str]) -> Mapping[str, str]:
        with self._reading() as db:
            judged = db.execute(
                select(cases.c.reference, assessments.c.id, assessments.c.evidence)
                .select_from(released_answers)
                .join(cases, cases.c.id == released_answers.c.case_id)
                .join(approvals, approvals.c.id == released_answers.c.approval_id)
                .join(assessments, assessments.c.case_id == released_answers.c.case_id)
                .where(
                    cases.c.reference.in_(references),
                    cases.c.erased_at.is_(None),
                    assessments.c.at <= approvals.c.at,
                    assessments.c.evidence.is_not(None),
                )
                .order_by(assessments.c.at, assessments.c.id)
            )
            newest = {row.reference: row for row in judged}
        return {
            reference: self._sealer.open_json(row.evidence, assessments, row.id, "evidence").get("text", "")
            for reference, row in newest.items()
        }

    def released_texts(self, references: Sequence[str]) -> Mapping[str, str]:
        with self._reading() as db:
            rows = db.execute(
                _released()
                .add_columns(approvals.c.revision, drafts.c.content)
                .join(drafts, (drafts.c.case_id == approvals.c.case_id) & (drafts.c.revision == approvals.c.revision))
                .where(cases.c.reference.in_(references), drafts.c.content.is_not(None))
            ).all()
        found = {}
        for row in rows:
            sealed = self._sealer.open_json(row.content, drafts, draft_row_id(row.id, row.revision), "content")
            found[row.reference] = content_from(sealed).body
        return found


def _released() -> Select[Any]:
    """Released replies with their case, without cases that were erased."""
    return (
        select(*_OF_CASE, approvals.c.at.label("approved_at"))
        .select_from(
            released_answers.join(cases, cases.c.id == released_answers.c.case_id).join(
                approvals, approvals.c.id == released_answers.c.approval_id
            )
        )
        .where(cases.c.erased_at.is_(None))
    )
