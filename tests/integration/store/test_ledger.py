"""The ledger: every UID ends with an outcome, counts stay true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.integration.store.conftest import NOW
from tests.integration.store.making import FOLDER, Maker
from triage.adapters.store import SqlStore
from triage.core.assessment import Band
from triage.core.mail import LedgerOutcome, UidRef
from triage.errors import ConflictError


def refs(*uids: int) -> list[UidRef]:
    return [UidRef(7, uid) for uid in uids]


def test_an_unknown_folder_has_an_empty_mark(store: SqlStore) -> None:
    with store.begin() as uow:
        mark = uow.folder_mark(FOLDER, 7)
    assert (mark.highest_uid, mark.entries_present, mark.unaccounted, mark.last_full_compare) == (0, 0, 0, None)


def test_seen_uids_are_counted_and_attempts_grow(store: SqlStore) -> None:
    with store.begin() as uow:
        assert uow.note_seen(FOLDER, refs(3, 5), at=NOW) == {3: 1, 5: 1}
    with store.begin() as uow:
        assert uow.note_seen(FOLDER, refs(5, 9), at=NOW) == {5: 2, 9: 1}
        mark = uow.folder_mark(FOLDER, 7)
        assert (mark.highest_uid, mark.entries_present, mark.unaccounted) == (9, 3, 3)
        assert [(entry.ref.uid, entry.attempts) for entry in uow.unfinished(FOLDER, 7)] == [(3, 1), (5, 2), (9, 1)]
        uow.forgive_attempts(FOLDER, refs(5, 9))
        uow.forgive_attempts(FOLDER, refs(9))
    with store.begin() as uow:
        assert [entry.attempts for entry in uow.unfinished(FOLDER, 7)] == [1, 1, 0]
        assert uow.note_seen(FOLDER, refs(9), at=NOW) == {9: 1}
        assert uow.folder_mark(FOLDER, 7).entries_present == 3
        assert uow.folder_mark(FOLDER, 8).entries_present == 0
        assert uow.folder_mark("other", 7).entries_present == 0


def test_a_large_uid_and_a_large_batch_fit(store: SqlStore) -> None:
    uids = [*range(1, 1300), 4294967295]
    with store.begin() as uow:
        assert len(uow.note_seen(FOLDER, [UidRef(4294967295, uid) for uid in uids], at=NOW)) == 1300
        assert uow.folder_mark(FOLDER, 4294967295).highest_uid == 4294967295
        assert len(uow.known_uids(FOLDER, 4294967295)) == 1300


def test_outcomes_account_for_uids(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.note_seen(FOLDER, refs(1, 2), at=NOW)
        uow.record_outcome(FOLDER, UidRef(7, 1), LedgerOutcome.IGNORED, at=NOW, rule="own_address")
        uow.record_outcome(FOLDER, UidRef(7, 30), LedgerOutcome.ATTACHED, at=NOW)  # was never noted: it is now
        mark = uow.folder_mark(FOLDER, 7)
    assert (mark.unaccounted, mark.entries_present, mark.highest_uid) == (1, 3, 30)
    summary = store.queries.ledger()
    assert summary.unaccounted == 1
    assert summary.received == 2
    assert summary.outcomes == {
        "case": 0, "follow_up": 0, "attached": 1, "ignored": 1, "quarantined": 0, "gone": 0
    }  # fmt: skip


def test_a_final_outcome_is_not_overwritten(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.record_outcome(FOLDER, UidRef(7, 1), LedgerOutcome.IGNORED, at=NOW)
    with pytest.raises(ConflictError), store.begin() as uow:
        uow.record_outcome(FOLDER, UidRef(7, 1), LedgerOutcome.CASE, at=NOW)
    assert store.queries.ledger().outcomes["ignored"] == 1


def test_gone_and_absent_keep_the_comparison_true(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.note_seen(FOLDER, refs(1, 2, 3), at=NOW)
        uow.record_outcome(FOLDER, UidRef(7, 1), LedgerOutcome.IGNORED, at=NOW)
        uow.mark_gone(FOLDER, refs(1, 2), at=NOW)
        uow.mark_absent(FOLDER, refs(1, 2), at=NOW)  # twice is once
        uow.compared(FOLDER, 7, at=NOW)
        mark = uow.folder_mark(FOLDER, 7)
        assert (mark.entries_present, mark.unaccounted, mark.last_full_compare) == (1, 1, NOW)
        assert uow.known_uids(FOLDER, 7) == {3}
    outcomes = store.queries.ledger().outcomes
    assert (outcomes["ignored"], outcomes["gone"]) == (1, 1)


def test_a_uid_that_comes_back_is_work_again(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.note_seen(FOLDER, refs(1, 2), at=NOW)
        uow.record_outcome(FOLDER, UidRef(7, 2), LedgerOutcome.IGNORED, at=NOW)
        uow.mark_gone(FOLDER, refs(1, 2), at=NOW)
        uow.note_seen(FOLDER, refs(1, 2), at=NOW)
        assert [entry.ref.uid for entry in uow.unfinished(FOLDER, 7)] == [1]
        assert uow.folder_mark(FOLDER, 7).entries_present == 2


def test_compared_before_anything_was_seen(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.compared(FOLDER, 7, at=NOW)
        uow.note_seen(FOLDER, refs(1), at=NOW)
        mark = uow.folder_mark(FOLDER, 7)
    assert (mark.entries_present, mark.last_full_compare) == (1, NOW)


def test_quarantine_keeps_the_bytes_and_a_person_can_release_it(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.note_seen(FOLDER, refs(4), at=NOW)
        uow.note_seen(FOLDER, refs(4), at=NOW)
        for _ in range(2):
            uow.quarantine(
                FOLDER, UidRef(7, 4), raw=b"Marker", size=6, error="RecursionError", at=NOW, internal_date=NOW
            )
    row = store.queries.quarantined()[0]
    assert (row.uid, row.size, row.error, row.at, row.attempts) == (4, 6, "RecursionError", NOW, 2)
    assert store.queries.ledger().outcomes["quarantined"] == 1
    with store.begin() as uow:
        assert uow.release_quarantined(row.id, now=NOW)
        assert not uow.release_quarantined(row.id, now=NOW)
        assert [(entry.ref.uid, entry.attempts) for entry in uow.unfinished(FOLDER, 7)] == [(4, 1)]
    assert store.queries.quarantined() == []


def test_a_quarantined_mail_that_is_taken_in_after_all_leaves_quarantine(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.quarantine(FOLDER, UidRef(7, 4), raw=None, size=6, error="X", at=NOW, internal_date=None)
        uow.record_outcome(FOLDER, UidRef(7, 4), LedgerOutcome.IGNORED, at=NOW)
    assert store.queries.quarantined() == []
    assert store.queries.ledger().outcomes["quarantined"] == 0


def test_courtesy_is_due_once_and_tells_urgent_mail(store: SqlStore, make: Maker) -> None:
    make.case()
    make.case(assessment={"band": Band.POSSIBLE})
    make.case(assessment={"danger": True})
    with store.begin() as uow:
        uow.note_seen(FOLDER, refs(10, 11, 12, 13), at=NOW)
        uow.record_outcome(FOLDER, UidRef(7, 10), LedgerOutcome.IGNORED, at=NOW)
        uow.quarantine(FOLDER, UidRef(7, 11), raw=None, size=6, error="X", at=NOW, internal_date=None)
        uow.mark_gone(FOLDER, refs(12), at=NOW)
    with store.begin() as uow:
        assert uow.courtesy_due(FOLDER, 7, limit=50) == [(1, False), (2, True), (3, True), (10, False)]
        assert uow.courtesy_due(FOLDER, 7, limit=1) == [(1, False)]
        uow.courtesy_done(FOLDER, 7, [1, 2, 10])
        assert uow.courtesy_due(FOLDER, 7, limit=50) == [(3, True)]


def test_an_exception_rolls_back(store: SqlStore) -> None:
    with pytest.raises(RuntimeError), store.begin() as uow:
        uow.note_seen(FOLDER, refs(1), at=NOW)
        raise RuntimeError("stop")
    with store.begin() as uow:
        assert uow.folder_mark(FOLDER, 7).entries_present == 0


def test_leases_pass_on_when_they_end(store: SqlStore, open_another: Callable[[], SqlStore]) -> None:
    ttl = timedelta(minutes=2)
    with store.begin() as uow:
        assert uow.lease("intake", owner="a", now=NOW, ttl=ttl)
        assert uow.lease("intake", owner="a", now=NOW, ttl=ttl)
    with open_another().begin() as uow:
        assert not uow.lease("intake", owner="b", now=NOW + timedelta(minutes=1), ttl=ttl)
        assert uow.lease("relay", owner="b", now=NOW, ttl=ttl)
        assert uow.lease("intake", owner="b", now=NOW + timedelta(minutes=2), ttl=ttl)
    with store.begin() as uow:
        assert not uow.lease("intake", owner="a", now=NOW + timedelta(minutes=3), ttl=ttl)


def test_jobs_and_facts_are_remembered(store: SqlStore) -> None:
    later = NOW + timedelta(minutes=1)
    with store.begin() as uow:
        uow.job_ran("poll", at=NOW, ok=True)
        uow.job_ran("poll", at=later, ok=False, error="MailboxUnavailable")
        assert uow.fact("live_since") is None
        uow.set_fact("live_since", "a")
        uow.set_fact("live_since", "b")
        assert uow.fact("live_since") == "b"
    (job,) = store.queries.health()
    assert (job.name, job.last_started, job.last_succeeded) == ("poll", later, NOW)
    assert (job.last_error, job.last_error_at) == ("MailboxUnavailable", later)
