"""Which blocks a draft was made of, and what staff leave of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.harness import START, Harness, mail
from triage.core.readability import sentences
from triage.errors import DeliveryRefused
from triage.ports import BlockFigures, DraftContent, DraftRevision, User

REF = "JL-2026-00001"
QUESTION = (
    "Goedemiddag, wie regelt de huishoudelijke hulp onder de wmo voor mijn moeder? Zij kan zelf niet meer schoonmaken."
)


@pytest.fixture
def user(desk: Harness) -> User:
    desk.mailbox.deliver(mail(1, body=QUESTION))
    desk.poll()
    desk.relay_once()
    return desk.user()


def newest(desk: Harness, reference: str = REF) -> DraftRevision:
    return desk.store.queries.case_page(reference).drafts[0]


def save(desk: Harness, user: User, body: str, reference: str = REF) -> DraftRevision:
    draft = newest(desk, reference)
    typed = DraftContent(draft.content.to, (), draft.content.subject, body)  # as a form gives it: without blocks
    return desk.approval.save_draft(reference, user=user, base_revision=draft.revision, content=typed)


def approve(desk: Harness, user: User, reference: str = REF) -> None:
    page = desk.store.queries.case_page(reference)
    draft, received = page.drafts[0], sum(one.direction == "in" for one in page.messages)
    desk.approval.approve(
        reference, user=user, revision=draft.revision, content_hash=draft.content_hash, seen_messages=received
    )


def leave(desk: Harness) -> None:
    desk.later(minutes=1)
    desk.relay_once()


def checked(body: str) -> str:
    """The draft with its marks to check a rule taken out, as a person must before it may leave."""
    while "[[controleer" in body:
        start = body.index("[[controleer")
        body = body[:start] + body[body.index("]]", start) + 2 :]
    return body


def test_a_draft_names_its_blocks_and_an_edit_carries_them_on(desk: Harness, user: User) -> None:
    written = newest(desk)
    assert written.created_by == "system" and written.content.blocks[0] == "huishoudelijke-hulp"
    saved = save(desk, user, checked(written.content.body))
    assert saved.content.blocks == written.content.blocks
    assert newest(desk).content.blocks == written.content.blocks  # as it stands in the store
    approve(desk, user)
    assert newest(desk).content.blocks == written.content.blocks


def test_the_letter_after_one_that_was_sent_is_made_of_no_block(desk: Harness, user: User) -> None:
    save(desk, user, checked(newest(desk).content.body))
    approve(desk, user)
    leave(desk)
    assert save(desk, user, "Beste vrager,\n\nNog iets.").content.blocks == ()
    assert save(desk, user, "Beste vrager,\n\nNog iets meer.").content.blocks == ()


def test_blocks_are_no_part_of_what_is_approved() -> None:
    content = DraftContent(("a@x.example",), (), "s", "b")
    assert replace(content, blocks=("pgb",)).sha256 == content.sha256


def figures(desk: Harness, block: str = "huishoudelijke-hulp") -> BlockFigures:
    found = desk.store.queries.block_figures(START - timedelta(days=1), desk.now + timedelta(days=1))
    return {one.block_id: one for one in found}[block]


def of_block(desk: Harness, block: str = "huishoudelijke-hulp") -> list[str]:
    """The sentences of a block that stand in the machine's draft as they are, without a law that is spelled out."""
    sections = next(one for one in desk.letters.knowledge.blocks if one.id == block).sections
    body = newest(desk).content.body
    return [one for texts in sections.values() for text in texts for one in sentences(text) if one in body]


def test_what_staff_keep_is_counted_once_the_reply_left(desk: Harness, user: User) -> None:
    body = checked(newest(desk).content.body)
    gone, *rest = of_block(desk)
    assert len(rest) > 2 and all(body.count(one) == 1 for one in (gone, rest[0]))
    save(
        desk,
        user,
        body.replace(gone, "Ik zeg het in mijn eigen woorden.").replace(rest[0], f"{rest[0][:-1]}, denk ik."),
    )
    approve(desk, user)
    waiting = figures(desk)
    assert (waiting.drafts, waiting.replies, waiting.last_used) == (1, 0, None)
    approved_at = desk.now
    leave(desk)
    left = figures(desk)
    assert (left.drafts, left.replies, left.nothing_left) == (1, 1, 0)
    assert left.sentences - left.kept == 2
    assert left.sentences > len(rest)  # also those whose law is spelled out in the draft
    assert left.last_used == approved_at


def test_an_untouched_draft_is_kept_whole(desk: Harness, user: User) -> None:
    save(desk, user, checked(newest(desk).content.body))  # as little as a person must do
    approve(desk, user)
    leave(desk)
    left = figures(desk)
    assert left.sentences == left.kept > 3
    assert (left.share_kept, left.share_nothing_left) == (1.0, 0.0)


def test_blocks_that_a_person_chose_count_as_well(desk: Harness, user: User) -> None:
    made = desk.suggesting.compose_draft(
        REF, user=user, base_revision=newest(desk).revision, blocks=("wmo-melding",), statements=()
    )
    step = next(line for line in made.content.body.splitlines() if line.startswith("1. "))
    save(desk, user, checked(made.content.body).replace(step, ""))
    approve(desk, user)
    leave(desk)
    left = figures(desk, block="wmo-melding")
    assert left.replies == 1 and 0 < left.kept < left.sentences


def test_a_text_of_ones_own_leaves_nothing(desk: Harness, user: User) -> None:
    save(desk, user, "Geachte mevrouw,\n\nIk bel u morgen.\n\n[[handtekening]]")
    approve(desk, user)
    leave(desk)
    left = figures(desk)
    assert (left.replies, left.kept, left.nothing_left, left.share_nothing_left) == (1, 0, 1, 1.0)


def test_an_approval_that_was_taken_back_does_not_count(desk: Harness, user: User) -> None:
    whole = checked(newest(desk).content.body)
    save(desk, user, whole)
    approve(desk, user)
    desk.later(seconds=5)
    desk.approval.undo_approval(REF, user=user)
    assert figures(desk).replies == 0
    save(desk, user, "Geachte mevrouw,\n\nIk bel u morgen.\n\n[[handtekening]]")
    approve(desk, user)
    leave(desk)
    left = figures(desk)
    assert (left.drafts, left.replies, left.kept, left.nothing_left) == (1, 1, 0, 1)


def test_after_a_refusal_only_the_reply_that_left_counts(desk: Harness, user: User) -> None:
    save(desk, user, checked(newest(desk).content.body))
    approve(desk, user)
    desk.sender.plan("data", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1"))
    leave(desk)
    assert figures(desk).replies == 0
    save(desk, user, "Geachte mevrouw,\n\nIk bel u morgen.\n\n[[handtekening]]")
    approve(desk, user)
    leave(desk)
    left = figures(desk)
    assert (left.replies, left.kept) == (1, 0)


def test_a_later_letter_without_blocks_takes_nothing_away(desk: Harness, user: User) -> None:
    save(desk, user, checked(newest(desk).content.body))
    approve(desk, user)
    leave(desk)
    before = figures(desk)
    save(desk, user, "Geachte mevrouw,\n\nNog iets.\n\n[[handtekening]]")
    approve(desk, user)
    leave(desk)
    assert figures(desk) == before


def test_a_period_counts_only_what_lies_in_it(desk: Harness, user: User) -> None:
    save(desk, user, checked(newest(desk).content.body))
    desk.later(days=2)
    approve(desk, user)
    leave(desk)
    queries = desk.store.queries
    assert [one.replies for one in queries.block_figures(START, START + timedelta(days=1)) if one.drafts] == [0] * len(
        newest(desk).content.blocks
    )
    later = queries.block_figures(START + timedelta(days=1), START + timedelta(days=3))
    assert {(one.drafts, one.replies) for one in later} == {(0, 1)}


def test_erasing_a_case_keeps_the_counts(desk: Harness, user: User) -> None:
    save(desk, user, checked(newest(desk).content.body))
    approve(desk, user)
    leave(desk)
    before = figures(desk)
    with desk.store.begin() as uow:
        uow.erase_case(desk.store.queries.case_page(REF).case.id, by="system", at=desk.now)
    assert figures(desk) == before
