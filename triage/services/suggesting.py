"""Which answer blocks fit a case, for the screen; and a draft made anew from the blocks that a person chose."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from triage.core.workdays import local_date
from triage.errors import NotFound
from triage.ports import BlockSuggestion, CasePage, Clock, DraftRevision, Queries, User
from triage.services.approval import Approval
from triage.services.block_choice import Choice
from triage.services.knowledge import Block
from triage.services.letters import Letters
from triage.services.redraft import Redraft

_SHOWN = 6


class Suggesting:
    def __init__(
        self,
        *,
        queries: Queries,
        letters: Letters,
        redraft: Redraft,
        approval: Approval,
        clock: Clock,
        check_within: timedelta,
    ) -> None:
        """`check_within`: a block that was checked longer ago must be checked anew."""
        self._queries, self._letters, self._redraft = queries, letters, redraft
        self._approval, self._clock, self._check_within = approval, clock, check_within

    def suggested_blocks(self, page: CasePage) -> Sequence[BlockSuggestion]:
        """The blocks of the newest draft first, then others that fit, best first; then all the rest by title, without
        reasons."""
        asked = self._redraft.question_of(page)
        found = {one.block.id: one for one in self._letters.drafts.suggest(*asked)} if asked else {}
        used = page.drafts[0].content.blocks if page.drafts else ()
        blocks = {block.id: block for block in self._letters.knowledge.blocks}
        first = dict.fromkeys([*(one for one in used if one in blocks), *list(found)[:_SHOWN]])
        rest = sorted((block for block in blocks.values() if block.id not in first), key=lambda block: block.title)
        return [self._shown(blocks[name], found.get(name), name in used) for name in first] + [
            self._shown(block, None, False) for block in rest
        ]

    def stated_facts(self, page: CasePage) -> Sequence[str]:
        """What the question says of the person it is about, as far as answers turn on it, in Dutch."""
        asked = self._redraft.question_of(page)
        return self._letters.drafts.stated_facts(*asked) if asked else ()

    def _shown(self, block: Block, choice: Choice | None, in_draft: bool) -> BlockSuggestion:
        return BlockSuggestion(
            id=block.id,
            title=block.title,
            in_draft=in_draft,
            reasons=choice.reasons if choice else (),
            nearest=choice.nearest if choice else "",
            statements=block.to_check,
            stale=block.stale(local_date(self._clock()), self._check_within),
            recheck=block.recheck,
            misfit=self._misfit(choice) if choice else "",
        )

    def _misfit(self, choice: Choice) -> str:
        rules = self._letters.knowledge.facts
        if choice.misfit == "needs":
            return f"de mail zegt niet: {' of '.join(map(rules.words, choice.block.needs))}"
        return f"de mail zegt: {rules.words(choice.misfit)}" if choice.misfit else ""

    def compose_draft(
        self,
        reference: str,
        *,
        user: User,
        base_revision: int,
        blocks: Sequence[str],
        statements: Collection[str],
    ) -> DraftRevision:
        """The next revision, written from these blocks; the text before stays among the earlier versions, recipients
        and subject stay as they are. Raises NotFound for an unknown block, ConflictError as `Approval.save_draft`."""
        page = self._queries.case_page(reference)
        asked = self._redraft.question_of(page)
        known = {block.id: block for block in self._letters.knowledge.blocks}
        if asked is None or not set(blocks) <= known.keys():
            raise NotFound("no such block, or no question to answer")
        content = self._letters.draft(*asked, page.case, blocks=[known[one] for one in blocks], statements=statements)
        if page.drafts:
            now = page.drafts[0].content
            content = replace(content, to=now.to, cc=now.cc, subject=now.subject, attachments=now.attachments)
        return self._approval.save_draft(
            reference, user=user, base_revision=base_revision, content=content, made_from=tuple(blocks)
        )
