"""Messages, cases, drafts and approvals as other parts of the product read them back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.store.conftest import NOW
from tests.integration.store.making import FOLDER, Maker
from triage.adapters.store import SqlStore
from triage.core.case import CaseState, WaitingFor
from triage.core.mail import EmailAddress, LedgerOutcome, MessageKind, NoReplyReason, UidRef
from triage.errors import ConflictError, NotFound
from triage.ports import CaseFilter, DraftContent


@pytest.mark.protocol("Q13")
def test_a_case_page_gives_back_what_was_taken_in(store: SqlStore, make: Maker) -> None:
    mail = make.mail(
        1,
        sender=EmailAddress("secretaris@example.nl", "Sec"),
        reply_to=(EmailAddress("terug@example.nl"),),
        forwarded_text="Hallo",
        originally_from="Piet <piet@example.nl>",
        originally_found="attached",
        new_text="alleen nieuw",
    )
    case = make.case(mail=mail)
    page = store.queries.case_page(case.reference)
    assert page.case == case
    assert (page.contact_name, page.contact_address) == ("Anna Marker1", "Anna1@Example.NL")
    assert (page.kind, page.channel, page.backlog, page.no_reply_rule) == (MessageKind.QUESTION, "mail", False, "")
    assert page.topics == ("indicatie", "verblijf")
    assert page.assessment == make.assessment(mail)
    (message,) = page.messages
    assert (message.direction, message.arrived_at, message.complete) == ("in", NOW, True)
    assert (message.subject, message.text, message.html) == (mail.subject, mail.text, mail.html)
    assert message.new_text == "alleen nieuw"
    assert (message.from_name, message.from_address) == ("Anna Marker1", "Anna1@Example.NL")
    assert message.sent_by == "Sec <secretaris@example.nl>"
    assert (message.originally_from, message.originally_found) == ("Piet <piet@example.nl>", "attached")
    assert (message.to, message.reply_to) == (("loket@example.org",), ("terug@example.nl",))
    assert message.attachments == (("brief-Marker1.pdf", "application/pdf", 1234),)
    assert message.defects == ("no_date",)
    assert [(row.action, row.actor, row.details) for row in page.timeline] == [("case_opened", "system", {"uid": 1})]
    assert (page.acknowledgement, page.drafts, page.outbox, page.notes) == (None, (), (), ())
    assert store.queries.raw_message(message.id).startswith(b"Subject: ")
    assert store.queries.thread_ids(case.reference) == ["<vraag-1@example.nl>"]


def test_hostile_text_survives(store: SqlStore, make: Maker) -> None:
    text = "los \udcff surrogaat, nul \x00 en \U0001f600"
    case = make.case(mail=make.mail(1, subject=text, text=text, new_text=text))
    page = store.queries.case_page(case.reference)
    assert page.messages[0].subject == page.messages[0].text == page.messages[0].new_text == text
    assert store.queries.worklist(CaseFilter(which="all"), now=NOW)[0][0].subject == text


def test_unknown_things_are_not_found(store: SqlStore) -> None:
    with pytest.raises(NotFound):
        store.queries.case_page("JL-2026-00001")
    with pytest.raises(NotFound):
        store.queries.raw_message("0" * 32)
    with store.begin() as uow:
        assert uow.case_by_reference("JL-2026-00001") is None
        assert uow.message_by_identity("x") is None
        assert uow.latest_draft("0" * 32) is None
        with pytest.raises(NotFound):
            uow.case("0" * 32)


def test_a_mail_is_known_by_its_identity_and_stored_once(store: SqlStore, make: Maker) -> None:
    case = make.case()
    with store.begin() as uow:
        known = uow.message_by_identity("id-1")
        assert known is not None
        assert (known.case_id, known.outcome) == (case.id, LedgerOutcome.CASE)
    with pytest.raises(ConflictError), store.begin() as uow:
        uow.add_message(make.message(1, make.mail(1), ref=UidRef(7, 99)), case_id=case.id)


def test_threads_are_found_by_received_and_sent_ids(store: SqlStore, make: Maker) -> None:
    first, second = make.case(), make.case()
    item = make.queue(second.id, "acknowledgement")
    with store.begin() as uow:
        uow.add_acknowledgement(
            second.id, at=NOW, outbox_id=item, reasons=(), promised_for=None, message_ids=["<extra@example.org>"]
        )
    with store.begin() as uow:
        assert uow.cases_by_message_ids(["<vraag-1@example.nl>"]) == [first.id]
        assert uow.cases_by_message_ids([f"<{item}@example.org>"]) == [second.id]
        assert uow.cases_by_message_ids(["<extra@example.org>"]) == [second.id]
        both = uow.cases_by_message_ids([f"<{item}@example.org>", "<vraag-1@example.nl>", "<vraag-2@example.nl>"])
        assert sorted(both) == sorted([first.id, second.id])
        assert uow.cases_by_message_ids([]) == []
        assert uow.cases_by_message_ids(["", "<>", "<nooit@example.nl>"]) == []


def test_a_mail_without_message_id_is_found_by_no_empty_id(store: SqlStore, make: Maker) -> None:
    make.case(mail=make.mail(1, message_id=None))
    make.case(mail=make.mail(2, message_id=None))
    with store.begin() as uow:
        assert uow.cases_by_message_ids(["", "<>", " "]) == []


def test_contacts_are_compared_by_keyed_address(store: SqlStore, make: Maker) -> None:
    case = make.case()
    with store.begin() as uow:
        bounce = make.message(50, make.mail(50), kind=MessageKind.DELIVERY_REPORT, ref=UidRef(7, 50))
        uow.add_message(bounce, case_id=case.id)
        follow_up = make.message(51, make.mail(51), kind=MessageKind.FOLLOW_UP, ref=UidRef(7, 51))
        uow.add_message(follow_up, case_id=case.id)
        keys = uow.contact_keys(case.id)
        assert keys == {uow.address_key("Anna1@example.nl"), uow.address_key("anna51@EXAMPLE.nl")}
        assert uow.address_key("anna50@example.nl") not in keys


def test_references_count_per_year_in_amsterdam(store: SqlStore, open_another: Callable[[], SqlStore]) -> None:
    new_year = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)  # 0:30 on 1 January in Amsterdam
    with store.begin() as uow:
        assert uow.next_reference(arrived=NOW)[0] == "JL-2026-00001"
        reference, check_code = uow.next_reference(arrived=NOW)
        assert reference == "JL-2026-00002"
        assert uow.next_reference(arrived=new_year)[0] == "JL-2027-00001"
    with open_another().begin() as uow:
        assert uow.next_reference(arrived=NOW)[0] == "JL-2026-00003"
        assert uow.token_is_valid(reference, check_code)
        assert uow.token_is_valid(reference, check_code.lower())
        assert not uow.token_is_valid("JL-2026-00003", check_code) or check_code == uow.next_reference(arrived=NOW)[1]


def test_saving_needs_the_version_that_was_read(store: SqlStore, make: Maker) -> None:
    case = make.case()
    with store.begin() as uow:
        read = uow.case(case.id, for_update=True)
        changed = replace(
            read, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER, paused_ends_left=2, laws=("wmo", "zvw"),
            taken_up_at=NOW,
        )  # fmt: skip
        uow.save_case(changed)
        assert uow.case(case.id) == replace(changed, version=2)
    with pytest.raises(ConflictError), store.begin() as uow:
        uow.save_case(changed)
    with pytest.raises(NotFound), store.begin() as uow:
        uow.save_case(replace(changed, id="0" * 32))


def test_assignee_and_promise_survive_a_save_of_older_values(store: SqlStore, make: Maker) -> None:
    case = make.case()
    user = store.accounts.add(username="jan", display_name="Jan", role="medewerker", password_hash="x", at=NOW)
    with store.begin() as uow:
        read = uow.case(case.id)
        uow.set_assignee(case.id, user.id)
        uow.add_acknowledgement(
            case.id, at=NOW, outbox_id=None, reasons=[NoReplyReason.SHADOW_MODE], promised_for=case.answer_due
        )
        uow.save_case(replace(read, state=CaseState.IN_PROGRESS))
        after = uow.case(case.id)
        assert (after.assignee, after.promised_for, after.state) == (user.id, case.answer_due, CaseState.IN_PROGRESS)
        later = case.answer_due + timedelta(days=1)
        uow.save_case(replace(after, assignee=None, promised_for=later))
        assert (uow.case(case.id).assignee, uow.case(case.id).promised_for) == (None, later)


def test_one_acknowledgement_per_case_ever(store: SqlStore, make: Maker) -> None:
    case = make.case()
    for outcome in ("first", "second"):
        try:
            with store.begin() as uow:
                uow.add_acknowledgement(
                    case.id, at=NOW, outbox_id=None, reasons=[NoReplyReason.AUTO_SUBMITTED], promised_for=None
                )
            assert outcome == "first"
        except ConflictError:
            assert outcome == "second"
    ((reference, view),) = store.queries.withheld()
    assert (reference, view.state, view.reasons) == (case.reference, "withheld", ("auto_submitted",))
    assert store.queries.case_page(case.reference).acknowledgement == view


def test_corrections_change_what_the_lists_show(store: SqlStore, make: Maker) -> None:
    case = make.case(assessment={"laws_unclear": True})
    message = store.queries.case_page(case.reference).messages[0]
    with store.begin() as uow:
        for field, after in (("topics", ["wonen"]), ("laws", ["wmo"]), ("sender_type", ["gemeente"])):
            uow.add_correction(case.id, message.id, by="u", at=NOW, field=field, before=[], after=after)
    page = store.queries.case_page(case.reference)
    assert (page.topics, page.laws_unclear) == (("wonen",), False)
    assert page.assessment is not None
    assert page.assessment.topics == ("indicatie", "verblijf")  # what the machine said stays
    assert (page.sender_type, page.judged_message) == ("gemeente", message.id)
    assert {(row.field, row.before, row.after, row.message_id, row.actor) for row in page.corrections} == {
        ("topics", (), ("wonen",), message.id, "u"),
        ("laws", (), ("wmo",), message.id, "u"),
        ("sender_type", (), ("gemeente",), message.id, "u"),
    }


def test_notes_show_their_author(store: SqlStore, make: Maker) -> None:
    case = make.case()
    user = store.accounts.add(username="jan", display_name="Jan", role="medewerker", password_hash="x", at=NOW)
    with store.begin() as uow:
        uow.add_note(case.id, "Gebeld met Marker", by=user.id, at=NOW)
        uow.audit("note_added", at=NOW, actor=user.id, case_id=case.id)
    page = store.queries.case_page(case.reference)
    assert [(note.author, note.text, note.at) for note in page.notes] == [("Jan", "Gebeld met Marker", NOW)]
    assert [row.actor for row in page.timeline] == ["system", "Jan"]


def test_draft_revisions_and_their_approval(store: SqlStore, make: Maker) -> None:
    case = make.case()
    first, second = make.draft(case.id), make.draft(case.id, "Anders")
    assert (first.revision, second.revision) == (1, 2)
    assert first.content_hash != second.content_hash
    with pytest.raises(ConflictError), store.begin() as uow:
        uow.add_approval(case.id, 1, content_hash=first.content_hash, by="u", at=NOW, outbox_id="o")
    with pytest.raises(ConflictError), store.begin() as uow:
        uow.add_approval(case.id, 2, content_hash=first.content_hash, by="u", at=NOW, outbox_id="o")
    with store.begin() as uow:
        uow.add_approval(case.id, 2, content_hash=second.content_hash, by="u", at=NOW, outbox_id="o")
        latest = uow.latest_draft(case.id)
        assert latest == replace(second, approved_by="u", approved_at=NOW, outbox_id="o")
    with pytest.raises(ConflictError), store.begin() as uow:
        uow.add_approval(case.id, 2, content_hash=second.content_hash, by="v", at=NOW, outbox_id="p")
    with store.begin() as uow:
        uow.void_approval(case.id, 2, by="u", at=NOW)
        assert uow.latest_draft(case.id) == second
        uow.add_approval(case.id, 2, content_hash=second.content_hash, by="v", at=NOW, outbox_id="p")
    third = make.draft(case.id, "Weer anders")
    drafts = store.queries.case_page(case.reference).drafts
    assert [(draft.revision, draft.approved_by) for draft in drafts] == [(3, None), (2, "v"), (1, None)]
    assert drafts[0] == third


def test_the_content_hash_tells_its_parts_apart(store: SqlStore, make: Maker) -> None:
    case = make.case()
    contents = [
        DraftContent(("a@b.nl", "c@d.nl"), (), "s", "b"),
        DraftContent(("a@b.nl",), ("c@d.nl",), "s", "b"),
        DraftContent(("a@b.nl", "c@d.nl"), (), "sb", ""),
        DraftContent(("a@b.nl", "c@d.nl"), (), "s", "b", ("x.pdf",)),
    ]
    with store.begin() as uow:
        hashes = {uow.add_draft(case.id, content, by="u", at=NOW).content_hash for content in contents}
    assert len(hashes) == len(contents)


def test_a_transition_is_recorded_once_until_it_is_forgotten(store: SqlStore, make: Maker) -> None:
    case, other = make.case(), make.case()
    with store.begin() as uow:
        assert uow.add_alert("at_risk", term="answer:1", case_id=case.id, at=NOW)
        assert not uow.add_alert("at_risk", term="answer:1", case_id=case.id, at=NOW + timedelta(hours=1))
        assert uow.add_alert("at_risk", term="take_up:1", case_id=case.id, at=NOW)
        assert uow.add_alert("breached", term="answer:1", case_id=case.id, at=NOW)
        assert uow.add_alert("at_risk", term="answer:1", case_id=other.id, at=NOW)
        assert uow.add_alert("breaker", term="x" * 40, at=NOW)
        assert not uow.add_alert("breaker", term="x" * 40, at=NOW)
        uow.forget_alert("at_risk", term="answer:1", case_id=case.id)
        assert uow.add_alert("at_risk", term="answer:1", case_id=case.id, at=NOW + timedelta(hours=2))
        assert not uow.add_alert("at_risk", term="answer:1", case_id=other.id, at=NOW)
        assert not uow.add_alert("breached", term="answer:1", case_id=case.id, at=NOW)
    told = [(row.kind, row.reference) for row in store.queries.last_alerts(limit=10)]
    assert told.count(("at_risk", case.reference)) == 3  # what was forgotten was told all the same


def test_watched_cases_are_those_whose_clock_matters(store: SqlStore, make: Maker) -> None:
    early = make.case(case={"at_risk_at": NOW - timedelta(hours=1)})
    make.case()  # nothing to see yet
    urgent = make.case(case={"take_up_due": NOW + timedelta(days=1)})
    make.case(case={"take_up_due": NOW + timedelta(days=1), "taken_up_at": NOW})
    moved = make.case()  # told before its term was moved
    danger = make.case()  # another kind says nothing of its clocks
    paused = {"state": CaseState.WAITING, "waiting_for": WaitingFor.SENDER, "at_risk_at": NOW - timedelta(hours=1)}
    make.case(case={**paused, "danger": True})
    make.case(case={"state": CaseState.ANSWERED, "at_risk_at": NOW - timedelta(hours=1)})
    with store.begin() as uow:
        uow.add_alert("at_risk", term="answer:1", case_id=early.id, at=NOW)
        uow.add_alert("breached", term="answer:1", case_id=moved.id, at=NOW)
        uow.add_alert("danger", term="answer:1", case_id=danger.id, at=NOW)
        watched = uow.watched_cases(now=NOW)
    assert {one.case.id: one.told for one in watched} == {
        early.id: {("at_risk", "answer:1"): NOW}, urgent.id: {}, moved.id: {("breached", "answer:1"): NOW},
    }  # fmt: skip


def test_a_message_without_a_case_is_kept(store: SqlStore, make: Maker) -> None:
    with store.begin() as uow:
        uow.note_seen(FOLDER, [UidRef(7, 9)], at=NOW)
        message = make.message(9, make.mail(9), kind=MessageKind.OWN)
        uow.add_message(message, case_id=None)
        uow.add_decision(message.id, None, (), at=NOW)
        uow.record_outcome(FOLDER, message.ref, LedgerOutcome.IGNORED, at=NOW, message_id=message.id)
    with store.begin() as uow:
        known = uow.message_by_identity("id-9")
    assert known is not None
    assert (known.case_id, known.outcome) == (None, LedgerOutcome.IGNORED)


def test_two_writers_number_their_cases_apart(store: SqlStore, open_another: Callable[[], SqlStore]) -> None:
    numbers: list[str] = []

    def take(own: SqlStore) -> None:
        for _ in range(10):
            with own.begin() as uow:
                numbers.append(uow.next_reference(arrived=NOW)[0])

    threads = [threading.Thread(target=take, args=(one,)) for one in (store, store, open_another(), open_another())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [f"JL-2026-{number:05d}" for number in range(1, 41)]
