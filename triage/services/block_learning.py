"""What can be learned of the answer blocks from what staff approve, and the blocks as people may look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from triage.core.block_use import BlockUse, block_use
from triage.ports import BlockSource, BlockView, DraftContent, DraftRevision
from triage.services.knowledge import SECTIONS, Block, Knowledge
from triage.services.wording import law_names_shortened


def machine_draft(content: DraftContent, drafts: Sequence[DraftRevision]) -> DraftRevision | None:
    """The text that an approved one began from, made of its blocks by itself or at a person's choice; `drafts` newest
    first."""
    if not content.blocks:
        return None
    of_these = list(takewhile(lambda draft: draft.content.blocks == content.blocks, drafts))
    own = (draft for draft in of_these if draft.created_by == "system")
    return next(own, of_these[-1] if of_these else None)  # only a text made of blocks changes which they are


def blocks_used(knowledge: Knowledge, *, drafted: DraftContent, approved: DraftContent) -> Mapping[str, BlockUse]:
    """Block id → what staff left of it. The sentences are those of the machine's draft; the files of today only say
    which of them came from which block. A block none of whose sentences stood in the draft says nothing."""
    known = {block.id: block for block in knowledge.blocks}
    before, after = law_names_shortened(drafted.body), law_names_shortened(approved.body)
    found = {
        name: block_use(_texts(known[name]), drafted=before, approved=after)
        for name in dict.fromkeys(drafted.blocks)
        if name in known
    }
    return {name: use for name, use in found.items() if use.sentences}


def _texts(block: Block) -> list[str]:
    parts = (*block.sections.values(), *block.for_professionals.values(), *block.sections_en.values())
    return [law_names_shortened(text) for part in parts for text in part]


def block_views(knowledge: Knowledge) -> tuple[BlockView, ...]:
    """All blocks by title, for the screens."""
    views = [
        BlockView(
            id=block.id,
            title=block.title,
            laws=block.laws,
            topics=block.topics,
            audience=block.audience,
            responsible_body=block.responsible_body,
            checked_on=block.checked_on,
            status=block.status,
            sections=_in_order(block.sections),
            sections_en=_in_order(block.sections_en),
            sources=tuple(BlockSource(note.name, note.url, note.version_read) for note in block.footnotes),
        )
        for block in knowledge.blocks
    ]
    return tuple(sorted(views, key=lambda view: (view.title.casefold(), view.id)))


def _in_order(sections: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((name, sections[name]) for name in SECTIONS if name in sections)
