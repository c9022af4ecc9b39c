"""Servers and colleagues as they are: the whole intake on Dovecot, and on conversations that no server holds."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.desks import answered_all, attach, dovecot_mailbox, question
from tests.integration.harness import Harness, mail
from tests.servers.dovecot import DovecotServer
from triage.adapters.imap import ImapMailbox
from triage.core.mail import FetchedMail
from triage.errors import MailboxUnavailable
from triage.services.taking_in import identity_key
from triage.settings import MailboxSettings

Make = Callable[..., MailboxSettings]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path)
    yield harness
    harness.store.close()


class BetweenListAndFetch(ImapMailbox):
    """A colleague acts after the mails were listed and before they are fetched, once."""

    act: Callable[[], object] = staticmethod(lambda: None)

    def fetch(self, uids: Sequence[int]) -> Iterator[FetchedMail]:
        act, self.act = self.act, lambda: None
        act()
        return super().fetch(uids)


@pytest.mark.dovecot
class TestColleagues:
    @pytest.mark.protocol("I01")
    def test_a_new_uidvalidity_makes_no_second_case_and_no_second_acknowledgement(
        self, desk: Harness, dovecot: DovecotServer, mailbox_settings: Make
    ) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings, folder="Vragen")
        client = dovecot.client(account)
        client.create_folder("Vragen")
        client.multiappend("Vragen", [mail(1), mail(2)])
        attach(desk, mailbox)
        desk.poll()
        mailbox.close()
        client.delete_folder("Vragen")
        time.sleep(1.1)  # UIDVALIDITY is a moment in whole seconds
        client.create_folder("Vragen")
        client.multiappend("Vragen", [mail(2), mail(3), mail(1)])
        client.logout()
        assert desk.poll().outcomes["case"] == 1
        assert desk.poll().handled == 0
        answered_all(desk, 3)
        mailbox.close()

    @pytest.mark.protocol("I03")
    def test_gaps_in_the_uids_hide_nothing(self, desk: Harness, dovecot: DovecotServer, mailbox_settings: Make) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        attach(desk, mailbox)
        client = dovecot.client(account)
        for first in (1, 10, 20):
            client.multiappend("INBOX", [mail(first + step) for step in range(6)])
            client.select_folder("INBOX")
            uids = client.search()
            client.delete_messages([uid for uid in uids[-6:] if uid % 3 != 1])
            client.expunge()
            desk.poll()
        client.logout()
        answered_all(desk, 6)
        mailbox.close()

    @pytest.mark.protocol("I05")
    def test_expunged_between_listing_and_fetching_is_gone_and_the_rest_goes_on(
        self, desk: Harness, dovecot: DovecotServer, mailbox_settings: Make
    ) -> None:
        account, password = dovecot.account()
        mailbox = BetweenListAndFetch(mailbox_settings(port=dovecot.port, username=account, password=password))
        attach(desk, mailbox)
        for number in (1, 2, 3):
            question(dovecot, account, number)

        def expunge() -> None:
            client = dovecot.client(account)
            client.select_folder("INBOX")
            client.delete_messages([2])
            client.expunge()
            client.logout()

        mailbox.act = expunge
        desk.poll()
        desk.poll()
        assert desk.summary()["gone"] == 1
        answered_all(desk, 2)
        mailbox.close()

    @pytest.mark.protocol("I07")
    def test_moved_away_while_it_is_handled_and_back_again(
        self, desk: Harness, dovecot: DovecotServer, mailbox_settings: Make
    ) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        attach(desk, mailbox)
        colleague = dovecot.client(account)
        colleague.create_folder("Opzij")
        question(dovecot, account, 1)
        colleague.select_folder("INBOX")
        desk.intake._on_taken_in = lambda taken: colleague.move([1], "Opzij")  # before the keyword is set
        assert desk.poll().outcomes["case"] == 1
        desk.intake._on_taken_in = lambda taken: None
        assert desk.poll().unaccounted == 0
        colleague.select_folder("Opzij")
        colleague.move(colleague.search(), "INBOX")
        assert dict(desk.poll().outcomes) == {"attached": 1}  # the same mail under another UID
        colleague.logout()
        answered_all(desk, 1)
        mailbox.close()

    @pytest.mark.protocol("I08")
    def test_answered_by_a_colleague_before_us_gets_no_acknowledgement_and_staff_see_why(
        self, desk: Harness, dovecot: DovecotServer, mailbox_settings: Make
    ) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        attach(desk, mailbox)
        question(dovecot, account, 1)
        question(dovecot, account, 2)
        colleague = dovecot.client(account)
        colleague.select_folder("INBOX")
        colleague.add_flags([1], [b"\\Answered", b"\\Seen"])
        colleague.logout()
        desk.poll()
        desk.relay_once()
        assert [envelope.forward_path for envelope, _ in desk.sender.sent] == ["vrager2@mensen.example"]
        ((reference, why),) = desk.store.queries.withheld()
        assert why.reasons == ("already_answered",)
        assert desk.store.queries.case_page(reference).contact_address == "vrager1@mensen.example"
        mailbox.close()

    @pytest.mark.protocol("I09", "I10")
    def test_read_in_outlook_before_us_and_left_unread_by_us(
        self, desk: Harness, dovecot: DovecotServer, mailbox_settings: Make
    ) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        attach(desk, mailbox)
        question(dovecot, account, 1)
        question(dovecot, account, 2)
        colleague = dovecot.client(account)
        colleague.select_folder("INBOX")
        colleague.add_flags([1], [b"\\Seen"])
        desk.poll()
        flags = colleague.get_flags([1, 2])
        assert b"\\Seen" in flags[1] and b"\\Seen" not in flags[2]
        colleague.logout()
        answered_all(desk, 2)
        mailbox.close()

    @pytest.mark.protocol("I30")
    def test_one_bad_mail_among_a_hundred(self, desk: Harness, dovecot: DovecotServer, mailbox_settings: Make) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        attach(desk, mailbox)
        bad = mail(50, body="poison-pill")
        client = dovecot.client(account)
        client.multiappend("INBOX", [bad if number == 50 else mail(number) for number in range(1, 101)])
        client.logout()
        for _ in range(3):
            report = desk.poll()
        (row,) = desk.store.queries.quarantined()
        assert (row.uid, row.size, report.unaccounted) == (50, len(bad), 0)
        question(dovecot, account, 101)
        assert desk.poll().outcomes["case"] == 1
        answered_all(desk, 100)
        mailbox.close()

    @pytest.mark.protocol("I31")
    def test_two_pollers_on_one_mailbox(self, desk: Harness, dovecot: DovecotServer, mailbox_settings: Make) -> None:
        first, account = dovecot_mailbox(dovecot, mailbox_settings)
        settings = mailbox_settings(port=dovecot.port, username=account, password=dovecot.account()[1])
        attach(desk, first)
        intakes = [desk.intake]
        attach(desk, ImapMailbox(settings))
        desk.intake._owner = "node-2"
        intakes.append(desk.intake)
        for number in range(1, 31):
            question(dovecot, account, number)
        errors: list[BaseException] = []

        def poll(intake: Any) -> None:
            try:
                for _ in range(4):
                    intake.poll_once()
            except BaseException as exc:
                errors.append(exc)

        threads = [threading.Thread(target=poll, args=(intake,)) for intake in intakes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not errors
        desk.later(minutes=5)
        desk.poll()
        answered_all(desk, 30)
        first.close()
        desk.mailbox.close()

    @pytest.mark.protocol("I32")
    def test_a_clock_that_goes_back_skips_and_doubles_nothing(
        self, desk: Harness, dovecot: DovecotServer, mailbox_settings: Make
    ) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        attach(desk, mailbox)
        for number, hours in enumerate((0, -1, -24, 1, 25), start=1):
            desk.later(hours=hours)
            question(dovecot, account, number)
            assert desk.poll().outcomes["case"] == 1
        answered_all(desk, 5)
        mailbox.close()

    @pytest.mark.protocol("I33")
    def test_a_large_mailbox_is_read_in_bounded_memory(self, dovecot: DovecotServer, mailbox_settings: Make) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        client = dovecot.client(account)
        body = "Een lange vraag over zorg.\r\n" * 7_000
        for _ in range(6):
            client.multiappend("INBOX", [mail(number, body=body) for number in range(50)])
        client.logout()
        tracemalloc.start()
        try:
            sizes = [len(fetched.raw) for fetched in mailbox.fetch(mailbox.uids())]
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(sizes) == 300 and sum(sizes) > 55_000_000
        assert peak < 26_000_000  # one batch of 8 MB, read and handed over
        mailbox.close()

    def test_a_mail_of_26_mb_is_held_once(self, dovecot: DovecotServer, mailbox_settings: Make) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings, max_mail_bytes=40_000_000)
        raw = mail(1) + b"JVBERi0xLjQKJeLjz9MKMyAwIG9iago8PC9UeXBl\r\n" * 620_000
        dovecot.append(account, raw)
        mailbox.status()
        tracemalloc.start()
        try:
            (fetched,) = mailbox.fetch([1])
            identity_key(fetched.raw, fetched.internal_date)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(raw) > 26_000_000 and fetched.size == len(raw) and fetched.raw[-200:] == raw[-200:]
        assert peak < 1.1 * len(raw)
        mailbox.close()


# ---------------------------------------------------------------- folders of other servers


@pytest.fixture(scope="module")
def courier() -> Iterator[DovecotServer]:
    """Everything below INBOX, points between the names, Dutch folders."""
    special = {"Ongewenste e-mail": "\\Junk", "Prullenbak": "\\Trash"}
    with DovecotServer(prefix="INBOX.", separator=".", sent="Verzonden & gedaan é", special=special) as server:
        yield server


@pytest.fixture(scope="module")
def full() -> Iterator[DovecotServer]:
    with DovecotServer(quota=True) as server:
        yield server


REPLY = b"Message-ID: <antwoord@juisteloket.example>\r\n" + mail(1).replace(b"Message-ID: <vraag", b"X-Ours: <vraag")


@pytest.mark.dovecot
class TestFolders:
    @pytest.mark.protocol("I18", "I19", "I20")
    def test_the_marked_folder_is_used_whatever_its_name(
        self, courier: DovecotServer, mailbox_settings: Make, desk: Harness
    ) -> None:
        mailbox, account = dovecot_mailbox(courier, mailbox_settings, sent_folder="Sent")
        mailbox.append_sent(REPLY, at=desk.now)
        mailbox.append_sent(REPLY, at=desk.now)
        facts = dict(mailbox.probe())
        assert facts["sent folder"] == "INBOX.Verzonden & gedaan é"
        assert facts["drafts folder"] == "INBOX.Concepten"
        assert facts["junk folder"] == "INBOX.Ongewenste e-mail" and facts["trash folder"] == "INBOX.Prullenbak"
        client = courier.client(account)
        assert sorted(name for _, _, name in client.list_folders()) == [
            "INBOX", "INBOX.Concepten", "INBOX.Ongewenste e-mail", "INBOX.Prullenbak", "INBOX.Verzonden & gedaan é",
        ]  # fmt: skip
        client.select_folder("INBOX.Verzonden & gedaan é", readonly=True)
        assert len(client.search()) == 1
        client.logout()
        mailbox.close()

    @pytest.mark.protocol("I18")
    def test_a_configured_folder_below_inbox_is_read(
        self, courier: DovecotServer, mailbox_settings: Make, desk: Harness
    ) -> None:
        mailbox, account = dovecot_mailbox(courier, mailbox_settings, folder="INBOX.Zorg & wonen é")
        client = courier.client(account)
        client.create_folder("INBOX.Zorg & wonen é")
        client.append("INBOX.Zorg & wonen é", mail(1))
        client.logout()
        attach(desk, mailbox)
        desk.poll()
        answered_all(desk, 1)
        mailbox.close()

    def test_a_full_mailbox_keeps_no_copy_is_left_in_peace_and_stops_no_mail(
        self, full: DovecotServer, mailbox_settings: Make, desk: Harness
    ) -> None:
        moment = [0.0]
        account, password = full.account()
        settings = mailbox_settings(port=full.port, username=account, password=password)
        mailbox = ImapMailbox(settings, monotonic=lambda: moment[0])
        question(full, account, 1)
        large = REPLY + b"Een lang antwoord.\r\n" * 4_000
        with pytest.raises(MailboxUnavailable, match=r'not kept in "Verzonden" \[OVERQUOTA\].*not full'):
            mailbox.append_sent(large, at=desk.now)
        with pytest.raises(MailboxUnavailable, match="tried again every 10 minutes"):
            mailbox.append_sent(large, at=desk.now)
        attach(desk, mailbox)
        desk.poll()
        answered_all(desk, 1)
        moment[0] += 601
        mailbox.append_sent(REPLY, at=desk.now)  # this one fits
        mailbox.close()


@pytest.mark.protocol("I33")
def test_a_batch_of_large_mails_is_never_held_whole(desk: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triage.services.intake._READ_BYTES", 8_000)
    for number in range(8):
        desk.mailbox.deliver(mail(number, body="Een lange vraag over zorg en wonen.\r\n" * 90))
    fetched_before: list[int] = []
    desk.intake._on_taken_in = lambda taken: fetched_before.append(desk.mailbox.calls.count("fetch_one"))
    assert desk.poll().outcomes["case"] == 8
    assert fetched_before == [3, 3, 5, 5, 7, 7, 8, 8]  # two at a time, and the next one on its way
    answered_all(desk, 8)
