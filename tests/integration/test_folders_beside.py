"""Drafts and Sent beside the inbox: one contract for the fake, the embedded server and Dovecot; then odd servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

import pytest
from imapclient import IMAPClient

from tests.fakes import FakeMailbox
from tests.servers.dovecot import DovecotServer
from tests.servers.embedded import EmbeddedThread
from tests.servers.scripted import CuttingProxy
from triage.adapters.imap import ImapMailbox
from triage.core.mail import UidRef
from triage.errors import FolderRefused, MailboxUnavailable
from triage.ports import FolderUse, Mailbox
from triage.settings import MailboxSettings

AT = datetime(2026, 11, 16, 9, 30, tzinfo=timezone(timedelta(hours=1)))
DRAFTS, SENT = FolderUse.DRAFTS, FolderUse.SENT


def draft(number: int, text: str = "Geachte heer Jansen,") -> bytes:
    return (
        f"Message-ID: <concept-{number}@loket.example>\r\nFrom: loket@loket.example\r\nSubject: antwoord {number}\r\n"
        f"\r\n{text}\r\n"
    ).encode()


class Server(Protocol):
    def mailbox(self) -> Mailbox: ...
    def put(self, use: FolderUse, raw: bytes) -> None:
        """A mail program stores a mail in this folder."""

    def deliver(self, raw: bytes) -> None:
        """A mail arrives in the inbox."""

    def mails(self, use: FolderUse) -> list[tuple[bytes, set[str]]]: ...
    def mark_deleted(self, use: FolderUse) -> None:
        """A mail program marks all mails of this folder as deleted and does not expunge them."""


class FakeServer:
    def __init__(self) -> None:
        self.fake = FakeMailbox()

    def mailbox(self) -> Mailbox:
        return self.fake

    def put(self, use: FolderUse, raw: bytes) -> None:
        self.fake.beside[use].put(raw, AT)

    def deliver(self, raw: bytes) -> None:
        self.fake.deliver(raw, AT)

    def mails(self, use: FolderUse) -> list[tuple[bytes, set[str]]]:
        return [(stored.raw, set(stored.flags)) for stored in self.fake.beside[use].mails.values()]

    def mark_deleted(self, use: FolderUse) -> None:
        for stored in self.fake.beside[use].mails.values():
            stored.flags.add("\\Deleted")


class RealServer:
    def __init__(self, settings: MailboxSettings, names: dict[FolderUse, str]) -> None:
        self.settings, self.names = settings, names
        self.colleague: Any = IMAPClient(settings.host, settings.port, ssl=False, timeout=20)
        self.colleague.plain_login(settings.username, settings.password.get_secret_value())
        for name in names.values():
            if not self.colleague.folder_exists(name):
                self.colleague.create_folder(name)

    def mailbox(self) -> ImapMailbox:
        return ImapMailbox(self.settings)

    def put(self, use: FolderUse, raw: bytes) -> None:
        self.colleague.append(self.names[use], raw, msg_time=AT)

    def deliver(self, raw: bytes) -> None:
        self.colleague.append("INBOX", raw, msg_time=AT)

    def mails(self, use: FolderUse) -> list[tuple[bytes, set[str]]]:
        self.colleague.select_folder(self.names[use], readonly=True)
        told = self.colleague.fetch(self.colleague.search(), ["BODY.PEEK[]", "FLAGS"])
        return [
            (item[b"BODY[]"], {flag.decode() for flag in item[b"FLAGS"]} - {"\\Recent"})
            for _, item in sorted(told.items())
        ]

    def mark_deleted(self, use: FolderUse) -> None:
        self.colleague.select_folder(self.names[use])
        self.colleague.delete_messages(self.colleague.search())
        self.colleague.select_folder("INBOX", readonly=True)


@pytest.fixture(params=["fake", "embedded", pytest.param("dovecot", marks=pytest.mark.dovecot)])
def server(request: pytest.FixtureRequest, mailbox_settings: Callable[..., MailboxSettings]) -> Iterator[Server]:
    if request.param == "fake":
        yield FakeServer()
        return
    if request.param == "embedded":
        embedded: EmbeddedThread = request.getfixturevalue("embedded")
        account, password = embedded.servers.address, embedded.servers.password
        settings = mailbox_settings(port=embedded.imap_port, username=account, password=password)
        real = RealServer(settings, {DRAFTS: "Concepten", SENT: "Verzonden"})
    else:
        dovecot: DovecotServer = request.getfixturevalue("dovecot")
        account, password = dovecot.account()
        settings = mailbox_settings(port=dovecot.port, username=account, password=password)
        real = RealServer(settings, {DRAFTS: "Concepten", SENT: "Verzonden"})
    yield real
    real.colleague.shutdown()


@pytest.fixture
def mailbox(server: Server) -> Iterator[Mailbox]:
    mailbox = server.mailbox()
    yield mailbox
    mailbox.close()


class TestContract:
    def test_a_folder_is_found_and_its_figures_follow(self, server: Server, mailbox: Mailbox) -> None:
        empty = mailbox.find_beside(DRAFTS)
        server.put(DRAFTS, draft(1))
        full = mailbox.find_beside(DRAFTS)
        assert empty is not None and full is not None
        assert empty.name == full.name == "Concepten"
        assert (empty.status.messages, full.status.messages) == (0, 1)
        assert full.status.uidnext == empty.status.uidnext + 1
        assert full.status.uidvalidity == empty.status.uidvalidity

    def test_reading_gives_what_a_mail_program_stored_and_changes_nothing(
        self, server: Server, mailbox: Mailbox
    ) -> None:
        for number in (1, 2, 3):
            server.put(SENT, draft(number))
        assert mailbox.find_beside(SENT) is not None
        uids = list(mailbox.uids_beside(SENT))
        assert len(uids) == 3 and list(mailbox.uids_beside(SENT, above=uids[1])) == uids[2:]
        assert list(mailbox.uids_beside(SENT, above=uids[2])) == []
        heads = mailbox.headers_beside(SENT, [*uids, uids[2] + 9])
        assert sorted(heads) == uids and all(b"Geachte" not in head for head in heads.values())
        assert b"<concept-2@loket.example>" in heads[uids[1]]
        fetched = list(mailbox.fetch_beside(SENT, uids[1:]))
        assert [item.raw for item in fetched] == [draft(2), draft(3)]
        assert [item.internal_date for item in fetched] == [AT, AT]
        assert all(flags == set() for _, flags in server.mails(SENT))

    @pytest.mark.protocol("F26")
    def test_a_draft_is_kept_once_with_its_flags_and_can_be_taken_away_alone(
        self, server: Server, mailbox: Mailbox
    ) -> None:
        server.put(DRAFTS, draft(9, "van een collega"))
        server.mark_deleted(DRAFTS)
        first = mailbox.append_draft(draft(1), at=AT)
        assert mailbox.append_draft(draft(1), at=AT) == first
        second = mailbox.append_draft(draft(2), at=AT)
        assert first is not None and second is not None and first != second
        assert [raw for raw, _ in server.mails(DRAFTS)] == [draft(9, "van een collega"), draft(1), draft(2)]
        assert server.mails(DRAFTS)[1][1] == {"\\Draft", "\\Seen"}
        assert mailbox.remove_drafts([first]) is True
        assert mailbox.remove_drafts([first, UidRef(first.uidvalidity, second.uid + 40)]) is True
        assert [raw for raw, _ in server.mails(DRAFTS)] == [draft(9, "van een collega"), draft(2)]

    def test_a_draft_marked_as_deleted_is_gone_and_a_sent_mail_is_not(self, server: Server, mailbox: Mailbox) -> None:
        for use in FolderUse:
            server.put(use, draft(1))
            server.mark_deleted(use)
            assert mailbox.find_beside(use) is not None
        assert list(mailbox.uids_beside(DRAFTS)) == [] and len(mailbox.uids_beside(SENT)) == 1

    def test_a_draft_under_another_uidvalidity_is_left_alone(self, server: Server, mailbox: Mailbox) -> None:
        placed = mailbox.append_draft(draft(1), at=AT)
        assert placed is not None
        mailbox.remove_drafts([UidRef(placed.uidvalidity + 1, placed.uid)])
        assert len(server.mails(DRAFTS)) == 1

    def test_the_inbox_is_read_on_after_a_look_beside_it(self, server: Server, mailbox: Mailbox) -> None:
        before = mailbox.status()
        server.put(SENT, draft(1))
        assert mailbox.find_beside(SENT) is not None
        list(mailbox.fetch_beside(SENT, mailbox.uids_beside(SENT)))
        mailbox.append_draft(draft(1), at=AT)
        assert mailbox.status() == before and list(mailbox.uids()) == []

    def test_a_mail_that_comes_during_a_look_beside_is_news(self, server: Server, mailbox: Mailbox) -> None:
        mailbox.status()
        server.put(SENT, draft(1))
        assert mailbox.find_beside(SENT) is not None
        list(mailbox.uids_beside(SENT))
        assert mailbox.wait_for_news(0.05) is False
        list(mailbox.uids_beside(SENT))
        server.deliver(draft(2))
        assert mailbox.wait_for_news(20) is True


# ---------------------------------------------------------------- only on servers


def real(dovecot: DovecotServer, make: Callable[..., MailboxSettings], **changes: Any) -> tuple[ImapMailbox, Any]:
    account, password = dovecot.account()
    values = {"port": dovecot.port, "username": account, "password": password} | changes
    return ImapMailbox(make(**values)), dovecot.client(account)


@pytest.mark.dovecot
class TestOnDovecot:
    def test_without_marks_the_configured_name_counts_in_modified_utf7(
        self, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with DovecotServer(marked=False, drafts="Opzij", sent="Verzonden items") as dovecot:
            mailbox, colleague = real(dovecot, mailbox_settings, drafts_folder="Concepten é & co")
            sent = mailbox.find_beside(SENT)  # a usual Dutch name counts, so that no second folder appears
            assert sent is not None and sent.name == "Verzonden items"
            assert mailbox.find_beside(DRAFTS) is None
            assert mailbox.append_draft(draft(1), at=AT) is not None
            found = mailbox.find_beside(DRAFTS)
            assert found is not None and (found.name, found.status.messages) == ("Concepten é & co", 1)
            assert colleague.folder_exists("Concepten é & co")
            mailbox.close()
            colleague.logout()

    @pytest.mark.protocol("I22")
    def test_cut_after_the_literal_then_one_copy(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with CuttingProxy(dovecot.port) as proxy:
            mailbox, colleague = real(dovecot, mailbox_settings, port=proxy.port)
            mailbox.find_beside(DRAFTS)
            proxy.cut_before = b"APPENDUID"
            with pytest.raises(MailboxUnavailable, match="connection lost"):
                mailbox.append_draft(draft(1), at=AT)
            assert mailbox.append_draft(draft(1), at=AT) is not None
            colleague.select_folder("Concepten", readonly=True)
            assert len(colleague.search()) == 1
            mailbox.close()
            colleague.logout()

    @pytest.mark.protocol("I22")
    def test_a_full_mailbox_is_asked_again_after_some_minutes(
        self, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with DovecotServer(quota=True) as dovecot:
            account, password = dovecot.account()
            moment = [1000.0]
            settings = mailbox_settings(port=dovecot.port, username=account, password=password)
            mailbox = ImapMailbox(settings, monotonic=lambda: moment[0])
            with pytest.raises(FolderRefused) as refused:
                mailbox.append_draft(draft(1, "x" * 60_000), at=AT)
            assert refused.value.code == "full" and 'the draft was not kept in "Concepten"' in str(refused.value)
            with pytest.raises(FolderRefused, match="tried again every 10 minutes"):
                mailbox.append_draft(draft(2), at=AT)
            assert mailbox.status().messages == 0  # reading goes on
            moment[0] += 601
            assert mailbox.append_draft(draft(2), at=AT) is not None
            mailbox.close()

    def test_without_uidplus_a_draft_is_only_marked(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with CuttingProxy(dovecot.port) as proxy:
            proxy.hide = b" UIDPLUS"
            mailbox, colleague = real(dovecot, mailbox_settings, port=proxy.port)
            colleague.append("Concepten", draft(9), flags=[b"\\Deleted"])
            placed = mailbox.append_draft(draft(1), at=AT)
            assert placed is not None
            assert mailbox.remove_drafts([placed]) is False
            colleague.select_folder("Concepten", readonly=True)
            assert len(colleague.search()) == 2  # a bare EXPUNGE would have taken a colleague's mail as well
            assert colleague.search(["UNDELETED"]) == []
            again = mailbox.append_draft(draft(1), at=AT)
            assert again is not None and again != placed
            mailbox.close()
            colleague.logout()
