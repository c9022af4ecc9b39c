"""Blocks of drafts, what was kept of them, and released replies, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.integration.store.conftest import NOW
from tests.integration.store.making import Maker
from triage.adapters.store import SqlStore
from triage.core.block_use import BlockUse
from triage.core.case import Case, LinkKind, LinkState
from triage.ports import BlockFigures, DraftContent

DAY = timedelta(days=1)


def drafted(store: SqlStore, case: Case, *blocks: str, by: str = "system") -> str:
    content = DraftContent(("anna1@example.nl",), (), "Uw vraag", "Geachte Marker,\n\nHet antwoord.", blocks=blocks)
    with store.begin() as uow:
        return uow.add_draft(case.id, content, by=by, at=NOW).content_hash


def approved(
    store: SqlStore, make: Maker, case: Case, content_hash: str, used: dict[str, BlockUse], *, revision: int = 1
) -> str:
    """An approval with what it kept, whose mail waits; the id of the mail."""
    make.now += timedelta(minutes=1)
    item = make.queue(case.id)
    with store.begin() as uow:
        approval = uow.add_approval(case.id, revision, content_hash=content_hash, by="u", at=make.now, outbox_id=item)
        uow.add_block_use(approval, case.id, used, drafted=1, at=make.now)
    return item


def sent(store: SqlStore, item: str) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET state = 'sent' WHERE id = :id"), {"id": item})


def figures(store: SqlStore) -> list[BlockFigures]:
    return list(store.queries.block_figures(NOW - DAY, NOW + DAY))


def test_the_blocks_of_a_draft_are_kept_with_it(store: SqlStore, make: Maker) -> None:
    case = make.case()
    drafted(store, case, "pgb", "wonen")
    assert store.queries.case_page(case.reference).drafts[0].content.blocks == ("pgb", "wonen")
    make.draft(case.id)
    assert store.queries.case_page(case.reference).drafts[0].content.blocks == ()


def test_a_block_counts_once_for_a_case_and_only_in_the_machines_drafts(store: SqlStore, make: Maker) -> None:
    first, second = make.case(), make.case()
    drafted(store, first, "pgb", "wonen", "pgb")
    drafted(store, first, "pgb")
    drafted(store, first, "vervoer", by="u")
    drafted(store, second, "pgb")
    assert figures(store) == [BlockFigures("pgb", drafts=2), BlockFigures("wonen", drafts=1)]


def test_only_the_last_approval_whose_reply_left_counts(store: SqlStore, make: Maker) -> None:
    case = make.case()
    key = drafted(store, case, "pgb")
    first = approved(store, make, case, key, {"pgb": BlockUse(10, 10)})
    assert [one.replies for one in figures(store)] == [0]
    sent(store, first)
    assert [(one.replies, one.sentences, one.kept) for one in figures(store)] == [(1, 10, 10)]
    key = drafted(store, case, "pgb", by="u")
    second = approved(store, make, case, key, {"pgb": BlockUse(10, 0)}, revision=2)
    assert [(one.replies, one.kept) for one in figures(store)] == [(1, 10)]
    sent(store, second)
    (found,) = figures(store)
    assert found == BlockFigures("pgb", 1, 1, 10, 0, 1, make.now)
    with store.begin() as uow:
        uow.void_approval(case.id, 2, by="u", at=make.now)
    assert [(one.replies, one.kept) for one in figures(store)] == [(1, 10)]


def test_figures_of_several_cases_are_added(store: SqlStore, make: Maker) -> None:
    for kept in (4, 0):
        case = make.case()
        key = drafted(store, case, "pgb")
        sent(store, approved(store, make, case, key, {"pgb": BlockUse(4, kept), "wonen": BlockUse(2, 2)}))
    assert figures(store) == [
        BlockFigures("pgb", 2, 2, 8, 4, 1, make.now),
        BlockFigures("wonen", 0, 2, 4, 4, 0, make.now),
    ]
    assert store.queries.block_figures(NOW + DAY, NOW + 2 * DAY) == []


def test_counts_belong_to_an_approval(store: SqlStore, make: Maker) -> None:
    case = make.case()
    with pytest.raises(IntegrityError), store.begin() as uow:
        uow.add_block_use("0" * 32, case.id, {"pgb": BlockUse(1, 1)}, drafted=1, at=NOW)


def released(store: SqlStore, make: Maker, case: Case) -> None:
    key = drafted(store, case, "pgb")
    sent(store, approved(store, make, case, key, {"pgb": BlockUse(4, 4)}))
    with store.begin() as uow:
        assert uow.release_answer(case.id, 1, by="u", at=make.now)


def test_a_released_reply_is_read_from_its_sealed_revision(store: SqlStore, make: Maker) -> None:
    case, other = make.case(), make.case()
    released(store, make, case)
    released(store, make, other)
    newest, older = store.queries.released_questions(limit=5)
    assert (newest.reference, older.reference) == (other.reference, case.reference)
    asked = store.queries.released_asked([case.reference, "JL-2026-99999"])
    assert asked.keys() == {case.reference} and asked[case.reference].endswith("zij heet Marker1.")
    assert (older.laws, older.topics, older.approved_at) == (("wlz",), ("indicatie", "verblijf"), NOW + DAY / 1440)
    assert [one.reference for one in store.queries.released_questions(limit=1)] == [other.reference]
    texts = store.queries.released_texts([case.reference, "JL-2026-99999"])
    assert texts == {case.reference: "Geachte Marker,\n\nHet antwoord."}


def test_what_did_not_leave_or_was_voided_cannot_be_released(store: SqlStore, make: Maker) -> None:
    case = make.case()
    key = drafted(store, case, "pgb")
    item = approved(store, make, case, key, {})
    with store.begin() as uow:
        assert not uow.release_answer(case.id, 1, by="u", at=NOW)
        assert not uow.release_answer(case.id, 2, by="u", at=NOW)
    sent(store, item)
    with store.begin() as uow:
        uow.void_approval(case.id, 1, by="u", at=NOW)
        assert not uow.release_answer(case.id, 1, by="u", at=NOW)
        assert not uow.withdraw_answer(case.id)
    assert store.queries.case_page(case.reference).released is None


def test_released_again_by_another_the_last_word_holds(store: SqlStore, make: Maker) -> None:
    case = make.case()
    released(store, make, case)
    user = store.accounts.add(username="jan", display_name="Jan", role="medewerker", password_hash="x", at=NOW)
    with store.begin() as uow:
        assert uow.release_answer(case.id, 1, by=user.id, at=NOW + DAY)
    found = store.queries.case_page(case.reference).released
    assert found is not None
    assert (found.revision, found.released_by, found.released_at) == (1, "Jan", NOW + DAY)
    with store.begin() as uow:
        assert uow.withdraw_answer(case.id)
        assert not uow.withdraw_answer(case.id)
    assert store.queries.released_questions(limit=5) == []


def test_erasure_takes_the_example_and_keeps_the_counts(store: SqlStore, make: Maker) -> None:
    case, other = make.case(), make.case()
    released(store, make, case)
    released(store, make, other)
    before = figures(store)
    with store.begin() as uow:
        uow.erase_case(case.id, by="u", at=NOW)
    assert [one.reference for one in store.queries.released_questions(limit=5)] == [other.reference]
    assert store.queries.released_texts([case.reference]) == store.queries.released_asked([case.reference]) == {}
    assert store.queries.case_page(case.reference).released is None
    assert figures(store) == before
    with store.begin() as uow:
        assert not uow.release_answer(case.id, 1, by="u", at=NOW)


def test_erasing_a_case_takes_the_example_of_one_that_was_joined_to_it(store: SqlStore, make: Maker) -> None:
    joined, target = make.case(), make.case()
    released(store, make, joined)
    with store.begin() as uow:
        uow.decide_link(joined.id, target.id, LinkKind.CONVERSATION, LinkState.ACCEPTED, by="u", at=NOW)
        uow.erase_case(target.id, by="u", at=NOW)
    assert store.queries.released_questions(limit=5) == []
    assert store.queries.released_texts([joined.reference]) == store.queries.released_asked([joined.reference]) == {}
    assert store.queries.case_page(joined.reference).released is None
    with store.begin() as uow:
        assert not uow.release_answer(joined.id, 1, by="u", at=NOW)
