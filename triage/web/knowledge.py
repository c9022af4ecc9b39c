"""Kennisbank: the answer blocks with their sources, and what staff change in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response

from triage.errors import NotFound
from triage.ports import BlockFigures, BlockView
from triage.web.desk import Visit

_YEAR = timedelta(days=365)
FEWEST_REPLIES = 5
"""A block says something of itself only after this many replies."""


@dataclass(frozen=True, slots=True)
class ShownBlock:
    """A block with its figures of the past year."""

    block: BlockView
    figures: BlockFigures

    @property
    def enough(self) -> bool:
        return self.figures.replies >= FEWEST_REPLIES

    @property
    def share_changed(self) -> float:
        """Of its sentences, in [0, 1]; 0 when no reply left."""
        kept = self.figures.share_kept
        return 0.0 if kept is None else 1 - kept


def shown_blocks(blocks: Sequence[BlockView], figures: Sequence[BlockFigures]) -> list[ShownBlock]:
    """In the order of the blocks. What became of a block that is no longer there is left out."""
    known: Mapping[str, BlockFigures] = {one.block_id: one for one in figures}
    return [ShownBlock(block, known.get(block.id, BlockFigures(block.id))) for block in blocks]


def most_changed(shown: Sequence[ShownBlock]) -> list[ShownBlock]:
    """Those used often enough, the most changed first."""
    return sorted((one for one in shown if one.enough), key=lambda one: (-one.share_changed, one.block.title))


def knowledge_screen(visit: Visit) -> Response:
    shown = _shown(visit)
    return visit.page(
        "kennisbank.html",
        shown=shown,
        changed=most_changed(shown),
        few=[one for one in shown if 0 < one.figures.replies < FEWEST_REPLIES],
        fewest=FEWEST_REPLIES,
    )


def block_screen(visit: Visit) -> Response:
    """One block. Raises NotFound."""
    found = next((one for one in _shown(visit) if one.block.id == visit.part("block")), None)
    if found is None:
        raise NotFound("no such block")
    return visit.page("blok.html", shown=found, block=found.block, fewest=FEWEST_REPLIES)


def _shown(visit: Visit) -> list[ShownBlock]:
    until = visit.now + timedelta(minutes=1)  # what another node, whose clock is ahead, wrote just now counts
    figures = visit.desk.queries.block_figures(visit.now - _YEAR, until)
    return shown_blocks(visit.desk.blocks, figures)
