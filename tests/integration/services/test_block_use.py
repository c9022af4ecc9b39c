"""Which blocks a draft was made of, and what staff leave of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.harness import Harness, mail
from triage.ports import DraftContent, DraftRevision, User

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
