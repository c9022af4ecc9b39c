"""Reading what became of the answer blocks, in counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import case, func, select

from triage.adapters.clock_queries import ClockQueries
from triage.adapters.tables import approvals, block_use, drafted_blocks, outbox
from triage.ports import BlockFigures

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


class KnowledgeQueries(ClockQueries):
    """The part of `SqlQueries` about answer blocks."""

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
