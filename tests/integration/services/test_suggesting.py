"""Answer blocks beside a case, and a draft made anew from the ones that a person chose."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.harness import Harness, mail
from triage.core.gate import Finding
from triage.errors import ConflictError, NotFound
from triage.ports import BlockSuggestion, CasePage

FIRST = "JL-2026-00001"
ASKED = (
    "Goedemiddag, mijn moeder heeft een indicatie voor de wlz en staat op de wachtlijst van het verpleeghuis. Thuis "
    "gaat het bijna niet meer. Welke zorg kan zij krijgen zolang zij op een plek wacht?"
)


def page(desk: Harness) -> CasePage:
    return desk.store.queries.case_page(FIRST)


def taken_in(desk: Harness, body: str = ASKED) -> CasePage:
    desk.mailbox.deliver(mail(1, body=body))
    desk.poll()
    return page(desk)


def named(found: list[BlockSuggestion], block: str) -> BlockSuggestion:
    return next(one for one in found if one.id == block)


def test_the_blocks_of_the_draft_stand_first_with_their_reasons_and_all_others_can_be_added(desk: Harness) -> None:
    shown = taken_in(desk)
    assert "overbruggingszorg" in shown.drafts[0].content.blocks
    found = list(desk.suggesting.suggested_blocks(shown))
    ours = named(found, "overbruggingszorg")
    assert ours.in_draft and "laws:wlz" in ours.reasons and "question" in ours.reasons
    assert ours.nearest in desk.letters.knowledge.questions["overbruggingszorg"]
    assert [one.in_draft for one in found].index(False) == len(shown.drafts[0].content.blocks)
    assert "er is een Wlz-indicatie" in desk.suggesting.stated_facts(shown)
    assert {one.id for one in found} == {block.id for block in desk.letters.knowledge.blocks}


def test_a_person_chooses_other_blocks_and_ticks_what_nobody_checked(desk: Harness) -> None:
    shown = taken_in(desk)
    block = next(
        one for one in desk.letters.knowledge.blocks if one.to_check and "[" not in one.marked["nl"]["kort"][0]
    )
    assert block.to_check[0] not in shown.drafts[0].content.body
    user = desk.user()
    made = desk.suggesting.compose_draft(
        FIRST, user=user, base_revision=1, blocks=(block.id,), statements=(block.to_check[0],)
    )
    assert made.content.blocks == (block.id,) and made.created_by == user.id
    assert block.sections["kort"][0] in made.content.body and block.to_check[0] in made.content.body
    assert (made.content.to, made.content.subject) == (
        shown.drafts[0].content.to,
        shown.drafts[0].content.subject,
    )
    assert len(page(desk).drafts) == 2 and page(desk).drafts[1].content == shown.drafts[0].content
    without = desk.suggesting.compose_draft(FIRST, user=user, base_revision=2, blocks=(block.id,), statements=())
    assert block.to_check[0] not in without.content.body


def test_no_block_at_all_asks_the_sender(desk: Harness) -> None:
    taken_in(desk)
    made = desk.suggesting.compose_draft(FIRST, user=desk.user(), base_revision=1, blocks=(), statements=())
    assert "Wat wij nog van u willen weten" in made.content.body and made.content.blocks == ()


def test_an_unknown_block_and_a_text_that_somebody_changed_meanwhile_change_nothing(desk: Harness) -> None:
    taken_in(desk)
    user = desk.user()
    with pytest.raises(NotFound):
        desk.suggesting.compose_draft(FIRST, user=user, base_revision=1, blocks=("geen",), statements=())
    desk.suggesting.compose_draft(FIRST, user=user, base_revision=1, blocks=("elv",), statements=())
    with pytest.raises(ConflictError):
        desk.suggesting.compose_draft(FIRST, user=user, base_revision=1, blocks=("grz",), statements=())
    assert page(desk).drafts[0].content.blocks == ("elv",)


def test_the_gemeente_that_the_sender_names_stands_with_who_decides(desk: Harness) -> None:
    body = taken_in(desk, f"{ASKED} Zij woont in Almere.").drafts[0].content.body
    assert "Bij de gemeente Almere hoort het zorgkantoor van de regio 't Gooi." in body
    assert "https://www.regelhulp.nl/ik-heb-hulp-nodig/zorgkantoor" in body


def test_a_homonym_becomes_a_question_back(desk: Harness) -> None:
    body = taken_in(desk, f"{ASKED} De gemeente Bergen zegt niets.").drafts[0].content.body
    assert "Er is meer dan één plaats die Bergen heet." in body
    assert "hoort het zorgkantoor van de regio" not in body


def test_a_draft_on_a_block_that_was_checked_long_ago_must_be_ticked(desk: Harness) -> None:
    shown = taken_in(desk)
    assert Finding.STALE_BLOCK not in {one.finding for one in desk.approval.findings_of(shown)}
    desk.now += timedelta(days=400)
    found = next(one for one in desk.approval.findings_of(page(desk)) if one.finding is Finding.STALE_BLOCK)
    titles = {block.title for block in desk.letters.knowledge.blocks if block.id in shown.drafts[0].content.blocks}
    assert set(found.where) == titles
