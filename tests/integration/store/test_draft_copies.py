"""Copies of drafts in the mailbox, drafts beside another, and mails that people sent from a mail program."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.store.conftest import NOW
from tests.integration.store.making import Maker
from triage.adapters.store import SqlStore
from triage.core.case import CaseState
from triage.core.mail import FetchedMail, UidRef
from triage.errors import TriageError
from triage.ports import DraftCopy, FolderBeside, FolderUse


def settle(store: SqlStore, case_id: str, holds: int | None) -> bool:
    """Says that the folder is right; whether the case is done with."""
    with store.begin() as uow:
        uow.draft_copy_settled(case_id, holds=holds)
        return case_id not in uow.draft_copies_due(limit=10)


def test_a_case_is_due_after_each_change_of_its_draft(store: SqlStore, make: Maker) -> None:
    case = make.case()
    first = make.draft(case.id)
    assert settle(store, case.id, 1)
    second = make.draft(case.id, "Anders")
    assert not settle(store, case.id, first.revision)  # a newer one came while the folder was written
    assert settle(store, case.id, second.revision)
    with store.begin() as uow:
        uow.add_approval(case.id, 2, content_hash=second.content_hash, by="u", at=NOW, outbox_id="o")
    assert not settle(store, case.id, 2) and settle(store, case.id, None)
    with store.begin() as uow:
        uow.void_approval(case.id, 2, by="u", at=NOW)
    assert not settle(store, case.id, None) and settle(store, case.id, 2)
    with store.begin() as uow:
        uow.save_case(replace(uow.case(case.id), state=CaseState.CLOSED, ended_at=NOW))
    assert not settle(store, case.id, 2) and settle(store, case.id, None)


def test_cases_with_an_old_copy_come_first(store: SqlStore, make: Maker) -> None:
    cases = [make.case() for _ in range(3)]
    for case in cases:
        make.draft(case.id)
    with store.begin() as uow:
        uow.keep_draft_copy(cases[1].id, DraftCopy(UidRef(7, 1), 1))
        assert uow.draft_copies_due(limit=1) == [cases[1].id]
        assert set(uow.draft_copies_due(limit=9)) == {case.id for case in cases}


def test_copies_are_kept_by_their_place(store: SqlStore, make: Maker) -> None:
    case = make.case()
    make.draft(case.id)
    with store.begin() as uow:
        uow.keep_draft_copy(case.id, DraftCopy(UidRef(7, 1), 1))
        uow.keep_draft_copy(case.id, DraftCopy(UidRef(7, 2), 1, with_files=True))
        uow.keep_draft_copy(case.id, DraftCopy(UidRef(7, 1), 2))
    with store.begin() as uow:
        assert uow.draft_copies(case.id) == [DraftCopy(UidRef(7, 1), 2), DraftCopy(UidRef(7, 2), 1, with_files=True)]
        uow.forget_draft_copies([UidRef(7, 1), UidRef(8, 2)])
        assert uow.all_draft_copies() == {UidRef(7, 2)}


def test_a_draft_beside_is_kept_and_never_holds(store: SqlStore, make: Maker) -> None:
    case = make.case()
    holds = make.draft(case.id)
    with store.begin() as uow:
        beside = uow.add_draft(
            case.id, replace(holds.content, body="Uit Outlook"), by="mail_client", at=NOW, beside=True
        )
        assert (beside.revision, beside.beside) == (2, True)
        assert uow.latest_draft(case.id) == holds
        uow.add_approval(case.id, 1, content_hash=holds.content_hash, by="u", at=NOW, outbox_id="o")
    assert [draft.revision for draft in store.queries.case_page(case.reference).drafts] == [1, 2]
    third = make.draft(case.id, "Weer anders")
    assert third.revision == 3
    assert [draft.revision for draft in store.queries.case_page(case.reference).drafts] == [3, 2, 1]


def test_what_is_known_of_a_folder_is_remembered(store: SqlStore) -> None:
    with store.begin() as uow:
        assert uow.folder_beside(FolderUse.SENT) is None
        uow.note_folder_trouble(FolderUse.SENT, "full")  # not looked at yet: nothing to note
        assert uow.folder_beside(FolderUse.SENT) is None
        uow.keep_folder_beside(FolderUse.SENT, FolderBeside("loket@imap/INBOX", "Verzonden", 7, uid=3, messages=2))
        uow.note_folder_trouble(FolderUse.SENT, "full")
    with store.begin() as uow:
        kept = uow.folder_beside(FolderUse.SENT)
    assert kept == FolderBeside("loket@imap/INBOX", "Verzonden", 7, uid=3, messages=2, trouble="full")


def test_a_mail_sent_elsewhere_joins_the_conversation_sealed_and_once(store: SqlStore, make: Maker) -> None:
    case = make.case()
    mail = replace(make.mail(900), text="Zo zit het, Marker.")
    raw = FetchedMail(UidRef(7, 1), NOW, 5, b"bytes")
    with store.begin() as uow:
        assert not uow.asked_between(case.id, NOW + timedelta(days=9))
        uow.add_sent_message(case.id, raw, mail, identity_key="sent:a", sent_at=NOW, at=NOW)
        assert uow.message_by_identity("sent:a") is not None
        assert mail.message_id and uow.is_known_sent(case.id, mail.message_id)
        (sent,) = uow.sent_in(case.id)
        assert (sent.at, sent.text, bool(sent.to)) == (NOW, "Zo zit het, Marker.", True)
        assert list(uow.cases_by_message_ids([mail.message_id])) == [case.id]
    shown = store.queries.case_page(case.reference).messages[-1]
    assert (shown.direction, shown.from_client, shown.text) == ("out", True, "Zo zit het, Marker.")
    with pytest.raises(TriageError), store.begin() as uow:
        uow.add_sent_message(case.id, raw, mail, identity_key="sent:a", sent_at=NOW, at=NOW)


def test_erasure_takes_the_copy_out_of_the_folder_as_well(store: SqlStore, make: Maker) -> None:
    case = make.case()
    make.draft(case.id)
    assert settle(store, case.id, 1)
    with store.begin() as uow:
        uow.erase_case(case.id, by="u", at=NOW)
    with store.begin() as uow:
        assert uow.is_erased(case.id) and uow.revision_for_folder(case.id) is None
        assert uow.draft_copies_due(limit=9) == [case.id]
