"""Intake under fire: what servers, models, terminals and other nodes do wrong costs no mail and blocks no other."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError, DataError

from tests.integration.harness import START, Harness, MarkerClassifier, PoisonReader, mail
from triage.adapters.database import translated
from triage.adapters.mark_file import NAME, SendingMarkFile
from triage.core.assessment import Band, Verdict
from triage.core.mail import LedgerOutcome, UidRef
from triage.errors import StoreUnavailable
from triage.ports import SendingMark
from triage.services.restored import RestoreGuard

# ---------------------------------------------------------------- the model


class HangingClassifier(MarkerClassifier):
    """Never answers on a text with `hangs` in it, as a model that waits for something would."""

    def verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        if any("hangs" in text for text in texts):
            time.sleep(60)
        return super().verdicts(texts)


def with_slow_model(desk: Harness, *, seconds: float = 3.0) -> None:
    desk.reader = PoisonReader(
        HangingClassifier(), own_addresses=(), authserv_id="", model_languages=frozenset({"nl"}), model_seconds=seconds
    )
    desk.wire()


@pytest.mark.protocol("X07")
def test_a_model_that_hangs_costs_the_mail_its_verdict_and_not_its_acknowledgement(desk: Harness) -> None:
    with_slow_model(desk)
    desk.mailbox.deliver(mail(1))
    desk.mailbox.deliver(mail(2, body="Een vraag over de wmo waarop het model hangs."))
    desk.mailbox.deliver(mail(3))
    begun = time.monotonic()
    assert desk.poll().outcomes["case"] == 3
    desk.relay_once()
    assert time.monotonic() - begun < 30  # and the model sleeps for a minute
    assert len(desk.sender.sent) == 3
    assert [taken.band for taken in desk.taken] == [Band.NORMAL, Band.POSSIBLE, Band.NORMAL]
    page = desk.store.queries.case_page("JL-2026-00002")
    assert page.case.take_up_due is not None  # the short term runs until a person looks
    assert page.assessment is not None and page.assessment.band_reason == "classifier_error"


@pytest.mark.protocol("X07")
def test_a_model_that_hangs_always_does_not_pile_up_threads(desk: Harness) -> None:
    with_slow_model(desk, seconds=0.05)
    for number in range(1, 31):
        desk.mailbox.deliver(mail(number, body="De wmo, maar het model hangs."))
    assert desk.poll().outcomes["case"] == 30
    assert sum(thread.name == "classifier" for thread in threading.enumerate()) <= 20
    assert {taken.band for taken in desk.taken} == {Band.POSSIBLE}


# ---------------------------------------------------------------- the server


def test_a_mail_that_the_server_lists_and_does_not_give_is_not_called_gone(desk: Harness) -> None:
    uids = [desk.mailbox.deliver(mail(number)) for number in range(1, 4)]
    original = desk.mailbox.fetch

    def all_but_the_second(wanted: Sequence[int]) -> Any:
        return original([uid for uid in wanted if uid != uids[1]])

    desk.mailbox.fetch = all_but_the_second  # type: ignore[method-assign]
    first = desk.poll()
    assert (first.outcomes["case"], first.outcomes["gone"], first.failed, first.unaccounted) == (2, 0, 1, 1)
    assert desk.poll().outcomes["quarantined"] == 1
    summary = desk.summary()
    assert (summary["cases"], summary["quarantined"], summary["gone"], summary["unaccounted"]) == (2, 1, 0, 0)
    desk.mailbox.fetch = original  # type: ignore[method-assign]
    (row,) = desk.store.queries.quarantined()
    desk.casework.release_quarantined(row.id, user=desk.user("beheerder"))
    assert desk.poll().outcomes["case"] == 1  # the server gives it after all


def test_an_answer_beyond_the_client_is_the_mails_fault_and_blocks_no_other(desk: Harness) -> None:
    uids = [desk.mailbox.deliver(mail(number)) for number in range(1, 5)]
    original = desk.mailbox.fetch

    def nonsense(wanted: Sequence[int]) -> Any:
        if uids[0] in wanted:
            raise RecursionError("nested too deep")
        return original(wanted)

    desk.mailbox.fetch = nonsense  # type: ignore[method-assign]
    with pytest.raises(RecursionError):
        desk.poll()
    desk.poll()
    summary = desk.summary()
    assert (summary["cases"], summary["quarantined"], summary["unaccounted"]) == (3, 1, 0)


# ---------------------------------------------------------------- moved away between two tries


def failing(desk: Harness, *, times: int, error: Exception | None = None) -> None:
    """Taking in raises this many times, as a fault of ours would."""
    original = desk.taking_in.take_in
    left = [error or RuntimeError("x")] * times

    def take_in(*args: Any, **kwargs: Any) -> Any:
        if left:
            raise left.pop()
        return original(*args, **kwargs)

    desk.taking_in.take_in = take_in  # type: ignore[method-assign]


@pytest.mark.parametrize("compared", [True, False])
def test_a_mail_that_failed_once_and_then_leaves_the_folder_is_taken_in_all_the_same(
    desk: Harness, compared: bool
) -> None:
    failing(desk, times=1)
    uid = desk.mailbox.deliver(mail(1))
    first = desk.poll()
    assert (first.failed, first.unaccounted) == (1, 1)
    assert desk.store.queries.quarantined() == []  # it is tried once more first
    assert desk.store.queries.supervision(now=desk.now, today_ends=desk.now).quarantined == 0
    desk.mailbox.expunge(uid)
    desk.intake._compare_next_time = compared
    assert dict(desk.poll().outcomes) == {"case": 1}
    summary = desk.summary()
    assert (summary["gone"], summary["quarantined"], summary["unaccounted"]) == (0, 0, 0)
    with desk.store.begin() as uow:
        assert uow.kept_mail(desk.mailbox.name, UidRef(1, uid)) is None  # and its bytes are not kept twice


def test_a_mail_that_fails_twice_and_left_the_folder_is_quarantined_with_its_bytes(desk: Harness) -> None:
    failing(desk, times=2)
    uid = desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.mailbox.expunge(uid)
    assert dict(desk.poll().outcomes) == {"quarantined": 1}
    (row,) = desk.store.queries.quarantined()
    desk.casework.release_quarantined(row.id, user=desk.user("beheerder"))
    assert dict(desk.poll().outcomes) == {"case": 1}


def test_a_mail_the_database_cannot_hold_is_quarantined_and_blocks_no_other(desk: Harness) -> None:
    def refused(*_: Any) -> Any:
        with translated():
            raise DataError("INSERT", None, sqlite3.DataError("string or blob too big"))

    original = desk.taking_in.take_in
    desk.taking_in.take_in = lambda folder, fetched, reading: (  # type: ignore[method-assign]
        refused() if b"poison" in fetched.raw else original(folder, fetched, reading)
    )
    desk.mailbox.deliver(mail(1, body="poison"))
    desk.mailbox.deliver(mail(2))
    desk.poll()
    desk.poll()
    summary = desk.summary()
    assert (summary["cases"], summary["quarantined"], summary["unaccounted"]) == (1, 1, 0)


@pytest.mark.parametrize("damage", [sqlite3.DatabaseError, sqlite3.InternalError])
def test_a_damaged_database_is_not_the_fault_of_a_mail(damage: type[sqlite3.DatabaseError]) -> None:
    with pytest.raises(StoreUnavailable), translated():
        raise DatabaseError("SELECT", None, damage("malformed"))


# ---------------------------------------------------------------- machines that answer


def test_a_new_plus_form_for_every_mail_does_not_get_round_the_budget(desk: Harness) -> None:
    for number in range(1, 9):
        sender = f"Zorg <Support+id{number}abc@zorg.example>"
        desk.mailbox.deliver(mail(number, sender=sender, body=f"Een vraag over de wmo, kenmerk {number}."))
    desk.poll()
    desk.relay_once()
    assert len(desk.sender.sent) == 5
    page = desk.store.queries.case_page("JL-2026-00008")
    assert page.acknowledgement is not None and page.acknowledgement.reasons == ("budget_address",)


# ---------------------------------------------------------------- other nodes


def test_a_mail_another_node_took_in_meanwhile_is_left_alone(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, body="poison-pill"))
    desk.mailbox.deliver(mail(2))
    desk.poll()
    with desk.store.begin() as uow:
        unfinished = [entry.ref for entry in uow.unfinished(desk.mailbox.name, 1)]
        uow.record_outcome(desk.mailbox.name, unfinished[0], LedgerOutcome.IGNORED, at=desk.now, rule="own_address")
    desk.intake._take_alone(unfinished[0], report := desk.poll())
    assert (report.handled, report.failed) == (0, 0)
    assert desk.summary()["ignored"] == 1


def test_a_node_that_was_overtaken_in_the_middle_of_a_batch_makes_no_second_case(desk: Harness) -> None:
    """Its lease ran out while it fetched: the other node took the same mails in first."""
    for number in range(1, 4):
        desk.mailbox.deliver(mail(number))
    original = desk.mailbox.fetch

    def overtaken(wanted: Sequence[int]) -> Any:
        desk.mailbox.fetch = original  # type: ignore[method-assign]
        desk.later(minutes=5)
        other = Harness.__new__(Harness)
        other.__dict__.update(desk.__dict__)
        other.wire()
        other.intake._owner = "node-2"
        with desk.store.begin() as uow:
            uow.release_lease("intake", owner="node-1", now=desk.now)
        other.poll()
        return original(wanted)

    desk.mailbox.fetch = overtaken  # type: ignore[method-assign]
    desk.poll()
    with desk.store.begin() as uow:
        uow.release_lease("intake", owner="node-2", now=desk.now)
    desk.poll()
    desk.relay_once()
    summary = desk.summary()
    assert (summary["cases"], summary["unaccounted"], summary["quarantined"]) == (3, 0, 0)
    assert len(desk.sender.sent) == 3


# ---------------------------------------------------------------- the terminal


def test_a_closed_terminal_does_not_stop_the_intake(desk: Harness) -> None:
    def broken(taken: object) -> None:
        raise BrokenPipeError

    desk.intake._on_taken_in = broken
    for number in range(1, 6):
        desk.mailbox.deliver(mail(number))
    assert desk.poll().outcomes["case"] == 5


# ---------------------------------------------------------------- an older database


def guard(desk: Harness, folder: Path) -> RestoreGuard:
    return RestoreGuard(store=desk.store, file=SendingMarkFile(folder), clock=desk.clock)


def test_a_database_that_knows_what_was_sent_is_trusted(desk: Harness, tmp_path: Path) -> None:
    assert guard(desk, tmp_path).look() is None  # a first start
    guard(desk, tmp_path).before_sending()
    guard(desk, tmp_path).before_sending()
    assert guard(desk, tmp_path).look() is None
    desk.mailbox.deliver(mail(1))
    desk.poll()
    assert desk.relay_once().states["sent"] == 1


@pytest.mark.protocol("X22")
def test_what_waits_in_an_older_database_becomes_uncertain_and_a_person_sends_it(desk: Harness, tmp_path: Path) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    SendingMarkFile(tmp_path).write(SendingMark(7, START + timedelta(hours=3)))
    assert guard(desk, tmp_path).look() == START + timedelta(hours=3, minutes=5)
    assert guard(desk, tmp_path).look() == START + timedelta(hours=3, minutes=5)  # remembered, held once
    desk.relay_once()
    assert desk.sender.sent == []
    (row,) = desk.store.queries.outbox(states=("uncertain",))
    desk.casework.release_uncertain(row.id, user=desk.user("beheerder"))
    desk.relay_once()
    assert len(desk.sender.sent) == 1


@pytest.mark.protocol("X22")
def test_a_mail_with_our_keyword_that_the_store_does_not_know_waits_for_a_person(desk: Harness) -> None:
    uid = desk.mailbox.deliver(mail(1))
    desk.mailbox.mails[uid].flags.add("$Triaged")
    desk.mailbox.deliver(mail(2))
    desk.poll()
    desk.relay_once()
    assert [envelope.forward_path for envelope, _ in desk.sender.sent] == ["vrager2@mensen.example"]
    page = desk.store.queries.case_page("JL-2026-00001")
    assert page.acknowledgement is not None and page.acknowledgement.state == "uncertain"
    assert any(row.action == "acknowledgement_doubtful" for row in page.timeline)
    assert desk.store.queries.case_page("JL-2026-00002").acknowledgement.state == "sent"  # type: ignore[union-attr]


@pytest.mark.parametrize("content", ["", "x", "7 gisteren", "7 2026-01-01T00:00:00", "é 2026"])
def test_a_damaged_mark_stops_nothing(desk: Harness, tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content, encoding="utf-8")
    assert guard(desk, tmp_path).look() is None
    guard(desk, tmp_path).before_sending()
    assert guard(desk, tmp_path).look() is None


@pytest.mark.protocol("X20")
def test_a_mark_that_cannot_be_written_stops_the_sending(desk: Harness, tmp_path: Path) -> None:
    (tmp_path / "sent.new").mkdir()
    with pytest.raises(StoreUnavailable, match="nothing is sent until it can"):
        guard(desk, tmp_path).before_sending()


def test_an_answer_to_a_mail_seen_again_still_finds_its_case(desk: Harness) -> None:
    """The UID came back after it was marked absent: present again, and not read a second time."""
    desk.mailbox.deliver(mail(1))
    desk.poll()
    with desk.store.begin() as uow:
        uow.mark_absent(desk.mailbox.name, [UidRef(1, 1)], at=desk.now)
    desk.intake._compare_next_time = True
    report = desk.poll()
    assert (report.handled, report.failed, report.unaccounted) == (0, 0, 0)
    assert desk.store.proof.folders()[0].present == 1


# ---------------------------------------------------------------- two mails that look like one, and the reverse

BARE = b"From: formulier@mensen.example\r\nSubject: Contactformulier\r\n\r\nWie helpt mij met de wmo?\r\n"


def test_the_same_words_asked_again_are_a_second_question_when_nothing_says_it_is_one_mail(desk: Harness) -> None:
    """A web form without Message-ID and Date: the reminder three weeks later has the very same bytes."""
    desk.mailbox.deliver(BARE)
    desk.poll()
    desk.later(days=21)
    desk.mailbox.deliver(BARE)
    assert dict(desk.poll().outcomes) == {"case": 1}
    desk.mailbox.new_uidvalidity()  # and each of them is found again as itself
    desk.poll()
    summary = desk.summary()
    assert (summary["cases"], summary["attached"], summary["unaccounted"]) == (2, 2, 0)


@pytest.mark.parametrize("header", ["Date: Mon, 23 Nov 2026 08:51:00 +0100", "Message-ID:\r\n <a@mensen.example>"])
def test_a_mail_that_says_which_one_it_is_stays_one_however_late_its_copy_comes(desk: Harness, header: str) -> None:
    raw = header.encode() + b"\r\n" + BARE
    desk.mailbox.deliver(raw)
    desk.poll()
    desk.later(days=2)
    desk.mailbox.deliver(b"Received: from a slow relay\r\n" + raw)
    assert dict(desk.poll().outcomes) == {"attached": 1}


def test_a_header_end_further_down_does_not_hide_what_differs(desk: Harness) -> None:
    """Bare line feeds in the header, and lines in the text that look like a server's trace."""
    for word in (b"een", b"twee"):
        head = b"Message-ID: <x@mensen.example>\nFrom: a@mensen.example\nSubject: Vraag\n\n"
        desk.mailbox.deliver(head + b"Wie helpt mij met de wmo?\nX-Vraag: " + word + b"\r\n\r\nGroet\r\n")
    assert dict(desk.poll().outcomes) == {"case": 2}
