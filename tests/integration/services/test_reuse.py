"""Replies that staff release as an example: shown beside a question like theirs, gone when taken back or erased."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.harness import Harness, mail
from triage.core.case import CaseState
from triage.errors import ConflictError, NotAllowed
from triage.ports import CasePage, DraftContent, SimilarAnswer, User

FIRST, SECOND = "JL-2026-00001", "JL-2026-00002"
ASKED = (
    "Wie betaalt een scootmobiel onder de wmo? De gemeente wijst de scootmobiel af omdat mijn moeder een auto heeft."
)
ALIKE = "De gemeente wijst een scootmobiel af. Wie betaalt dan een scootmobiel voor mijn vader, valt dat onder de wmo?"
ANSWER = "Geachte mevrouw Marker,\n\nDe gemeente betaalt de scootmobiel.\n\nMet vriendelijke groet,\n\n[[handtekening]]"


def page(desk: Harness, reference: str = FIRST) -> CasePage:
    return desk.store.queries.case_page(reference)


def answer(desk: Harness, user: User, reference: str = FIRST, body: str = ANSWER) -> int:
    """Sends a reply; returns its revision."""
    draft = page(desk, reference).drafts[0]
    content = DraftContent(draft.content.to, (), draft.content.subject, body)
    saved = desk.approval.save_draft(reference, user=user, base_revision=draft.revision, content=content)
    received = sum(one.direction == "in" for one in page(desk, reference).messages)
    desk.approval.approve(
        reference, user=user, revision=saved.revision, content_hash=saved.content_hash, seen_messages=received
    )
    desk.later(minutes=1)
    desk.relay_once()
    return saved.revision


def release(desk: Harness, user: User, reference: str = FIRST, revision: int = 2) -> None:
    desk.casework.reuse.release_answer(
        reference, user=user, version=page(desk, reference).case.version, revision=revision
    )


def similar(desk: Harness, reference: str = SECOND) -> tuple[SimilarAnswer, ...]:
    return tuple(desk.casework.reuse.similar_answers(page(desk, reference)))


@pytest.fixture
def user(desk: Harness) -> User:
    """Two questions that are alike; nothing answered."""
    desk.mailbox.deliver(mail(1, body=ASKED))
    desk.mailbox.deliver(mail(2, body=ALIKE))
    desk.poll()
    desk.relay_once()
    return desk.user()


def test_a_released_answer_stands_beside_a_question_like_its_own(desk: Harness, user: User) -> None:
    revision = answer(desk, user)
    assert similar(desk) == ()  # not before somebody says so
    release(desk, user, revision=revision)
    (found,) = similar(desk)
    assert found.text == "De gemeente betaalt de scootmobiel."
    assert (found.reference, found.laws, found.topics) == (FIRST, ("wmo",), ("T24",))
    assert found.words >= 4  # gemeente, wijst, scootmobiel, betaalt
    assert similar(desk, FIRST) == ()  # not beside itself
    released = page(desk).released
    assert released is not None
    assert (released.revision, released.released_by, released.released_at) == (revision, "A. Jansen", desk.now)
    row = page(desk).timeline[-1]
    assert (row.action, row.actor, row.details) == ("answer_released", "A. Jansen", {"revision": revision})


def test_taken_back_it_is_shown_to_nobody(desk: Harness, user: User) -> None:
    release(desk, user, revision=answer(desk, user))
    desk.casework.reuse.withdraw_answer(FIRST, user=user, version=page(desk).case.version)
    assert similar(desk) == () and page(desk).released is None
    assert page(desk).timeline[-1].action == "answer_withdrawn"
    with pytest.raises(ConflictError):
        desk.casework.reuse.withdraw_answer(FIRST, user=user, version=page(desk).case.version)


def test_erased_it_is_gone(desk: Harness, user: User) -> None:
    release(desk, user, revision=answer(desk, user))
    with desk.store.begin() as uow:
        uow.erase_case(page(desk).case.id, by=user.id, at=desk.now)
    assert similar(desk) == () and page(desk).released is None
    assert desk.store.queries.released_texts([FIRST]) == {}
    with pytest.raises(ConflictError):
        release(desk, user)
    assert page(desk).released is None


def test_it_stays_an_example_when_the_sender_writes_again(desk: Harness, user: User) -> None:
    release(desk, user, revision=answer(desk, user))
    headers = f"In-Reply-To: {desk.store.queries.thread_ids(FIRST)[0]}\r\n"
    thanks = mail(3, body="Bedankt, heel fijn!", sender="vrager1@mensen.example", headers=headers)
    desk.mailbox.deliver(thanks)
    desk.poll()
    assert page(desk).case.state is CaseState.IN_PROGRESS
    (found,) = similar(desk)
    assert found.words >= 4  # still compared with the question it answered, not with the thanks
    desk.casework.reuse.withdraw_answer(FIRST, user=user, version=page(desk).case.version)
    assert similar(desk) == ()


def test_only_a_sent_reply_of_an_answered_case_can_be_one(desk: Harness, user: User) -> None:
    with pytest.raises(NotAllowed):
        release(desk, user, revision=1)  # nothing was sent
    revision = answer(desk, user)
    with pytest.raises(ConflictError):
        release(desk, user, revision=revision - 1)  # the machine's draft, which nobody approved
    with pytest.raises(ConflictError):
        desk.casework.reuse.release_answer(FIRST, user=user, version=0, revision=revision)
    for number, role in enumerate(("trainee", "toezichthouder", "beheerder")):
        with pytest.raises(NotAllowed):
            release(desk, desk.user(role, f"u{number}"), revision=revision)
        with pytest.raises(NotAllowed):
            desk.casework.reuse.withdraw_answer(FIRST, user=desk.user(role, f"v{number}"), version=1)
    assert page(desk).released is None


def test_a_newer_reply_takes_the_place_of_the_older_one(desk: Harness, user: User) -> None:
    release(desk, user, revision=answer(desk, user))
    newer = answer(desk, user, body=ANSWER.replace("betaalt", "vergoedt"))
    assert [one.text for one in similar(desk)] == ["De gemeente betaalt de scootmobiel."]
    release(desk, user, revision=newer)
    assert [one.text for one in similar(desk)] == ["De gemeente vergoedt de scootmobiel."]


def test_at_most_three_the_likest_first_and_strangers_not_at_all(desk: Harness, user: User) -> None:
    subjects = [
        ASKED,
        "Krijg ik een scootmobiel van de gemeente onder de wmo als ik al een rolstoel heb?",
        "De huishoudelijke hulp stopt onder de wmo, mag de gemeente dat?",
        "Mijn buurvrouw zoekt dagbesteding, regelt de gemeente dat onder de wmo?",
    ]
    release(desk, user, revision=answer(desk, user))
    for number, body in enumerate(subjects[1:], start=3):
        desk.mailbox.deliver(mail(number, body=body))
        desk.poll()
        reference = f"JL-2026-{number:05d}"
        release(desk, user, reference, revision=answer(desk, user, reference))
    found = similar(desk)
    assert [one.reference for one in found][:2] == [FIRST, "JL-2026-00003"]
    assert len(found) == 3
    asked = page(desk, SECOND)
    elsewhere = replace(asked, topics=("T01",), case=replace(asked.case, laws=("zvw",)))
    judged = elsewhere.assessment
    assert judged is not None
    stranger = replace(elsewhere, assessment=replace(judged, judged_text="Vergoedt mijn verzekeraar fysiotherapie?"))
    assert desk.casework.reuse.similar_answers(stranger) == ()
    assert desk.casework.reuse.similar_answers(replace(stranger, assessment=None)) == ()
    only_words = replace(elsewhere, assessment=replace(judged, judged_text=ALIKE))
    assert FIRST in [one.reference for one in desk.casework.reuse.similar_answers(only_words)]


def test_only_the_newest_are_compared(desk: Harness, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    release(desk, user, revision=answer(desk, user))
    desk.mailbox.deliver(mail(3, body=ALIKE))
    desk.poll()
    release(desk, user, "JL-2026-00003", revision=answer(desk, user, "JL-2026-00003"))
    assert len(similar(desk)) == 2
    monkeypatch.setattr("triage.services.reuse.MOST_COMPARED", 1)
    assert [one.reference for one in similar(desk)] == ["JL-2026-00003"]


def test_of_many_the_nearest_by_topic_and_law_are_read(
    desk: Harness, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(desk, user, revision=answer(desk, user))
    desk.mailbox.deliver(mail(3, body=ALIKE.replace("wmo", "zvw")))
    desk.poll()
    release(desk, user, "JL-2026-00003", revision=answer(desk, user, "JL-2026-00003"))
    assert [one.reference for one in similar(desk)] == ["JL-2026-00003", FIRST]  # nearly the same words
    monkeypatch.setattr("triage.services.reuse.MOST_READ", 1)
    assert [one.reference for one in similar(desk)] == [FIRST]  # the older one, under the same law
