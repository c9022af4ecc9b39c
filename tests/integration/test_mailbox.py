"""The Mailbox port: one contract for the fake, the embedded server and Dovecot; then what only a server can do."""

from __future__ import annotations

import email
import email.policy
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

import pytest
from imapclient import IMAPClient

from tests.fakes import FakeMailbox
from tests.servers.dovecot import DovecotServer
from tests.servers.embedded import EmbeddedThread
from tests.servers.scripted import CuttingProxy
from triage.adapters.imap import ImapMailbox
from triage.errors import MailboxUnavailable
from triage.ports import Mailbox
from triage.settings import MailboxSettings

AT = datetime(2026, 11, 16, 9, 30, tzinfo=timezone(timedelta(hours=1)))
LIMIT = 20_000


def mail(subject: str, size: int = 0) -> bytes:
    return f"From: Ria <ria@kpn.example>\r\nSubject: {subject}\r\n\r\nDag loket\r\n".encode() + b"x" * size


def large(text: str = "Kan mijn moeder w=C3=A9l thuis blijven?") -> bytes:
    attachment = b"QUJD" * 18 + b"\r\n"
    return (
        b"From: Ria <ria@kpn.example>\r\nMessage-ID: <groot@kpn.example>\r\nSubject: groot\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed;\r\n boundary=grens\r\n\r\n"
        b"--grens\r\nContent-Type: application/pdf; name=brief.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + attachment
        * 300
        + b"--grens\r\nContent-Type: multipart/alternative; boundary=binnen\r\n\r\n"
        b"--binnen\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        + text.encode()
        + b"\r\n--binnen\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n--binnen--\r\n--grens--\r\n"
    )


class Server(Protocol):
    """What happens to the mailbox from outside."""

    def mailbox(self) -> Mailbox: ...
    def deliver(self, raw: bytes, at: datetime = AT) -> int: ...
    def expunge(self, uid: int) -> None: ...
    def flags(self, uid: int) -> set[str]: ...
    def sent(self) -> Sequence[bytes]: ...


class FakeServer:
    def __init__(self) -> None:
        self._mailbox = FakeMailbox(max_mail_bytes=LIMIT)
        self.expunge, self.flags = self._mailbox.expunge, self._mailbox.flags

    def mailbox(self) -> Mailbox:
        return self._mailbox

    def deliver(self, raw: bytes, at: datetime = AT) -> int:
        return self._mailbox.deliver(raw, at)

    def sent(self) -> Sequence[bytes]:
        return [raw for raw, _ in self._mailbox.sent]


class RealServer:
    def __init__(self, settings: MailboxSettings, append: Callable[[bytes, datetime], object]) -> None:
        self._settings, self._append = settings, append
        self.colleague: Any = IMAPClient(settings.host, settings.port, ssl=False, timeout=20)
        self.colleague.plain_login(settings.username, settings.password.get_secret_value())

    def mailbox(self) -> ImapMailbox:
        return ImapMailbox(self._settings)

    def deliver(self, raw: bytes, at: datetime = AT) -> int:
        self._append(raw, at)
        self.colleague.select_folder("INBOX")
        return int(max(self.colleague.search()))

    def expunge(self, uid: int) -> None:
        self.colleague.select_folder("INBOX")
        self.colleague.delete_messages([uid])
        self.colleague.expunge()

    def flags(self, uid: int) -> set[str]:
        self.colleague.select_folder("INBOX", readonly=True)
        return {flag.decode() for flag in self.colleague.get_flags([uid])[uid]} - {"\\Recent"}

    def sent(self) -> Sequence[bytes]:
        self.colleague.select_folder("Verzonden", readonly=True)
        return [item[b"BODY[]"] for item in self.colleague.fetch(self.colleague.search(), ["BODY.PEEK[]"]).values()]


@pytest.fixture(params=["fake", "embedded", pytest.param("dovecot", marks=pytest.mark.dovecot)])
def server(request: pytest.FixtureRequest, mailbox_settings: Callable[..., MailboxSettings]) -> Iterator[Server]:
    if request.param == "fake":
        yield FakeServer()
        return
    if request.param == "embedded":
        embedded: EmbeddedThread = request.getfixturevalue("embedded")
        account, password = embedded.servers.address, embedded.servers.password
        settings = mailbox_settings(port=embedded.imap_port, username=account, password=password, max_mail_bytes=LIMIT)
        real = RealServer(settings, embedded.deliver)
    else:
        dovecot: DovecotServer = request.getfixturevalue("dovecot")
        account, password = dovecot.account()
        settings = mailbox_settings(port=dovecot.port, username=account, password=password, max_mail_bytes=LIMIT)
        real = RealServer(settings, lambda raw, at: dovecot.append(account, raw, at))
    yield real
    real.colleague.shutdown()


@pytest.fixture
def mailbox(server: Server) -> Iterator[Mailbox]:
    mailbox = server.mailbox()
    yield mailbox
    mailbox.close()


class TestMailboxContract:
    def test_status_follows_what_arrives_and_what_goes(self, server: Server, mailbox: Mailbox) -> None:
        empty = mailbox.status()
        first = server.deliver(mail("een"))
        second = server.deliver(mail("twee"))
        full = mailbox.status()
        server.expunge(first)
        less = mailbox.status()

        assert empty.messages == 0 and full.messages == 2 and less.messages == 1
        assert full.uidnext == less.uidnext == second + 1
        assert empty.uidvalidity == full.uidvalidity == less.uidvalidity

    def test_status_is_right_after_an_arrival_seen_by_another_command(self, server: Server, mailbox: Mailbox) -> None:
        mailbox.status()
        uid = server.deliver(mail("tussendoor"))
        assert list(mailbox.uids()) in ([], [uid])  # a server may announce it here or wait for the next NOOP
        assert mailbox.status().messages == 1
        assert list(mailbox.uids()) == [uid]

    @pytest.mark.protocol("I04")
    def test_uids_above_never_gives_the_last_old_one(self, server: Server, mailbox: Mailbox) -> None:
        uids = [server.deliver(mail(str(number))) for number in range(3)]
        mailbox.status()
        assert list(mailbox.uids()) == uids
        assert list(mailbox.uids_above(uids[0])) == uids[1:]
        assert list(mailbox.uids_above(uids[2])) == []
        assert list(mailbox.uids_above(uids[2] + 1000)) == []

    def test_uids_of_an_empty_folder(self, mailbox: Mailbox) -> None:
        assert list(mailbox.uids()) == [] and list(mailbox.uids_above(7)) == []

    def test_fetch_gives_the_bytes_and_the_arrival_in_utc(self, server: Server, mailbox: Mailbox) -> None:
        raw = mail("bytes") + bytes(range(128, 256)) + b"\r\n"
        uid = server.deliver(raw)
        (fetched,) = mailbox.fetch([uid])
        assert fetched.raw == raw and fetched.size == len(raw) and fetched.complete
        assert fetched.ref.uid == uid and fetched.ref.uidvalidity == mailbox.status().uidvalidity
        assert fetched.internal_date == AT and fetched.internal_date.utcoffset() == timedelta(0)

    def test_fetch_of_many_gives_each_once_in_order(self, server: Server, mailbox: Mailbox) -> None:
        uids = [server.deliver(mail(str(number))) for number in range(7)]
        assert [item.ref.uid for item in mailbox.fetch([*reversed(uids), uids[0]])] == uids

    @pytest.mark.protocol("I05")
    def test_expunged_between_search_and_fetch_is_left_out(self, server: Server, mailbox: Mailbox) -> None:
        uids = [server.deliver(mail(str(number))) for number in range(3)]
        assert list(mailbox.uids()) == uids
        server.expunge(uids[1])
        assert [item.ref.uid for item in mailbox.fetch(uids)] == [uids[0], uids[2]]
        server.expunge(uids[0])
        server.expunge(uids[2])
        assert list(mailbox.fetch(uids)) == []

    def test_a_large_mail_comes_by_headers_and_text_part(self, server: Server, mailbox: Mailbox) -> None:
        before, big, after = server.deliver(mail("voor")), server.deliver(large()), server.deliver(mail("na"))
        fetched = {item.ref.uid: item for item in mailbox.fetch([before, big, after])}
        assert [fetched[uid].complete for uid in (before, big, after)] == [True, False, True]
        assert fetched[big].size == len(large())
        parsed = email.message_from_bytes(fetched[big].raw, policy=email.policy.default)
        assert parsed["Message-ID"] == "<groot@kpn.example>" and parsed["Subject"] == "groot"
        assert parsed.get_content().strip() == "Kan mijn moeder wél thuis blijven?"
        assert len(fetched[big].raw) < 1000

    @pytest.mark.protocol("I09")
    def test_reading_leaves_every_flag_alone(self, server: Server, mailbox: Mailbox) -> None:
        uids = [server.deliver(mail("ongelezen")), server.deliver(large())]
        list(mailbox.fetch(uids))
        mailbox.status()
        assert [server.flags(uid) for uid in uids] == [set(), set()]

    def test_mark_adds_keyword_and_flag(self, server: Server, mailbox: Mailbox) -> None:
        uids = [server.deliver(mail(str(number))) for number in range(3)]
        server.expunge(uids[2])
        mailbox.status()
        mailbox.mark(uids, keywords=["$Triaged"])
        mailbox.mark(uids[:1], flags=["\\Flagged"])
        assert server.flags(uids[0]) == {"$Triaged", "\\Flagged"}
        assert server.flags(uids[1]) == {"$Triaged"}

    def test_mark_nothing_and_mark_the_gone_are_no_errors(self, server: Server, mailbox: Mailbox) -> None:
        uid = server.deliver(mail("weg"))
        mailbox.mark([])
        server.expunge(uid)
        mailbox.mark([uid, uid + 50], keywords=["$Triaged"])
        assert mailbox.status().messages == 0

    @pytest.mark.protocol("I09")
    def test_seen_and_deleted_are_refused(self, mailbox: Mailbox) -> None:
        for flag in ("\\Seen", "\\deleted"):
            with pytest.raises(ValueError, match="never"):
                mailbox.mark([1], flags=[flag])

    def test_sent_copy_is_kept_once(self, server: Server, mailbox: Mailbox) -> None:
        raw = b"Message-ID: <antwoord@juisteloket.example>\r\n" + mail("antwoord")
        mailbox.append_sent(raw, at=AT)
        mailbox.append_sent(raw, at=AT)
        mailbox.append_sent(raw.replace(b"<antwoord", b"<volgend"), at=AT)
        assert len(server.sent()) == 2 and server.sent()[0] == raw

    def test_inbox_is_open_again_after_a_sent_copy(self, server: Server, mailbox: Mailbox) -> None:
        uid = server.deliver(mail("vraag"))
        mailbox.status()
        mailbox.append_sent(b"Message-ID: <a@b.example>\r\n" + mail("antwoord"), at=AT)
        mailbox.append_sent(b"Message-ID: <a@b.example>\r\n" + mail("antwoord"), at=AT)
        assert [item.raw for item in mailbox.fetch([uid])] == [mail("vraag")]
        assert mailbox.status().messages == 1

    def test_waiting_ends_with_an_arrival_with_the_time_or_when_asked(self, server: Server, mailbox: Mailbox) -> None:
        mailbox.status()
        assert mailbox.wait_for_news(0.05) is False and mailbox.can_wait
        mailbox.stop_waiting()
        assert mailbox.wait_for_news(60) is False
        deliver = threading.Timer(0.2, server.deliver, [mail("nieuw")])
        deliver.start()
        assert mailbox.wait_for_news(60) is True
        deliver.join()
        assert mailbox.status().messages == 1
        assert mailbox.wait_for_news(0.05) is False

    def test_name_stays_the_same_and_close_may_be_repeated(self, server: Server, mailbox: Mailbox) -> None:
        assert mailbox.name == server.mailbox().name and mailbox.name.endswith("/INBOX")
        mailbox.close()
        mailbox.close()


# ---------------------------------------------------------------- only on servers


def dovecot_mailbox(
    dovecot: DovecotServer, make: Callable[..., MailboxSettings], **changes: Any
) -> tuple[ImapMailbox, str]:
    account, password = dovecot.account()
    values = {"port": dovecot.port, "username": account, "password": password} | changes
    return ImapMailbox(make(**values)), account


@pytest.mark.dovecot
class TestOnDovecot:
    @pytest.mark.protocol("I11")
    def test_cut_in_the_middle_of_a_body_then_whole_again(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with CuttingProxy(dovecot.port) as proxy:
            mailbox, account = dovecot_mailbox(dovecot, mailbox_settings, port=proxy.port)
            dovecot.append(account, mail("lang", size=200_000), AT)
            status = mailbox.status()
            proxy.cut_after = 30_000
            with pytest.raises(MailboxUnavailable, match=rf"127\.0\.0\.1:{proxy.port}.*connection lost"):
                list(mailbox.fetch(mailbox.uids()))
            assert mailbox.status() == status
            (fetched,) = mailbox.fetch(mailbox.uids())
            assert fetched.raw == mail("lang", size=200_000)
            proxy.cut()
            with pytest.raises(MailboxUnavailable):
                mailbox.status()
            assert mailbox.status() == status
            mailbox.close()

    def test_idle_poll_is_one_short_command(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with CuttingProxy(dovecot.port) as proxy:
            mailbox, account = dovecot_mailbox(dovecot, mailbox_settings, port=proxy.port)
            dovecot.append(account, mail("een"), AT)
            mailbox.status()
            time.sleep(0.05)
            proxy.commands = proxy.bytes_answered = 0
            for _ in range(10):
                mailbox.status()
            assert proxy.commands == 10 and proxy.bytes_answered < 2000
            mailbox.close()

    def test_batches_stay_within_fifty_mails(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with CuttingProxy(dovecot.port) as proxy:
            mailbox, account = dovecot_mailbox(dovecot, mailbox_settings, port=proxy.port)
            client = dovecot.client(account)
            for number in range(120):
                client.append("INBOX", mail(str(number)), msg_time=AT)
            client.logout()
            uids = mailbox.uids()
            proxy.commands = 0
            assert len(list(mailbox.fetch(uids))) == 120
            assert proxy.commands == 1 + 3  # sizes once, then 50, 50 and 20 bodies
            proxy.commands = 0
            mailbox.mark(uids, keywords=["$Triaged"], flags=["\\Flagged"])
            assert proxy.commands == 1
            mailbox.close()

    @pytest.mark.protocol("I01")
    def test_another_uidvalidity_after_a_reconnect_ends_the_poll(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with CuttingProxy(dovecot.port) as proxy:
            mailbox, account = dovecot_mailbox(dovecot, mailbox_settings, port=proxy.port, folder="Vragen")
            client = dovecot.client(account)
            client.create_folder("Vragen")
            client.append("Vragen", mail("oud"), msg_time=AT)
            old = mailbox.status()
            proxy.cut()
            with pytest.raises(MailboxUnavailable):
                mailbox.status()
            client.delete_folder("Vragen")
            time.sleep(1.1)  # UIDVALIDITY is a moment in whole seconds
            client.create_folder("Vragen")
            client.append("Vragen", mail("nieuw"), msg_time=AT)
            client.logout()
            with pytest.raises(MailboxUnavailable, match="another UIDVALIDITY"):
                mailbox.mark([1], keywords=["$Triaged"])
            assert mailbox.status().uidvalidity != old.uidvalidity
            assert [item.raw for item in mailbox.fetch(mailbox.uids())] == [mail("nieuw")]
            mailbox.close()

    @pytest.mark.protocol("O04")
    def test_wrong_password_names_the_setting_and_waits_before_the_next_try(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        account, _ = dovecot.account()
        moment = [1000.0]
        settings = mailbox_settings(port=dovecot.port, username=account, password="verkeerd")
        mailbox = ImapMailbox(settings, monotonic=lambda: moment[0])
        with pytest.raises(MailboxUnavailable) as first:
            mailbox.status()
        text = str(first.value)
        assert f"127.0.0.1:{dovecot.port} refused the login as mailbox.username [AUTHENTICATIONFAILED]" in text
        assert "TRIAGE_MAILBOX__PASSWORD" in text and "verkeerd" not in text and "\n" not in text
        assert account not in text
        with pytest.raises(MailboxUnavailable, match="next try in"):
            mailbox.status()
        moment[0] += 31
        with pytest.raises(MailboxUnavailable) as third:
            mailbox.status()
        assert "next try in" not in str(third.value)
        moment[0] += 31  # the pause has doubled
        with pytest.raises(MailboxUnavailable, match="next try in"):
            mailbox.status()

    def test_missing_folder_lists_those_that_exist(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        mailbox, _ = dovecot_mailbox(dovecot, mailbox_settings, folder="Meldpnt")
        with pytest.raises(MailboxUnavailable, match=r'no folder "Meldpnt".*"Concepten", "INBOX", "Verzonden"'):
            mailbox.status()
        mailbox.close()

    @pytest.mark.protocol("I19")
    def test_sent_goes_to_the_marked_folder_and_is_read(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings, sent_folder="Sent")
        mailbox.append_sent(mail("zonder id"), at=AT)
        client = dovecot.client(account)
        assert not client.folder_exists("Sent")
        client.select_folder("Verzonden", readonly=True)
        (item,) = client.fetch(client.search(), ["FLAGS", "INTERNALDATE"]).values()
        assert b"\\Seen" in item[b"FLAGS"]
        client.logout()
        mailbox.close()

    def test_probe_tells_what_the_server_offers(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        dovecot.append(account, mail("een"), AT)
        facts = dict(mailbox.probe())
        assert facts["messages"] == "1" and facts["keywords kept"] == "yes" and facts["sent folder"] == "Verzonden"
        assert {"IDLE", "MOVE", "UIDPLUS", "SPECIAL-USE", "CONDSTORE"} == set(facts["capabilities"].split(", "))
        mailbox.close()

    @pytest.mark.protocol("I20")
    def test_odd_folder_and_login_names_pass(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        client = dovecot.client(account := dovecot.account()[0])
        client.create_folder("Meldpunt & zorg é")
        client.append("Meldpunt & zorg é", mail("een"), msg_time=AT)
        client.logout()
        mailbox = ImapMailbox(
            mailbox_settings(
                port=dovecot.port, username=account, password="geheim-wachtwoord", folder="Meldpunt & zorg é"
            )
        )
        assert mailbox.status().messages == 1
        mailbox.close()

    @pytest.mark.protocol("I17")
    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_certificates_are_checked(
        self, dovecot_tls: DovecotServer, mailbox_settings: Callable[..., MailboxSettings], security: str
    ) -> None:
        port = dovecot_tls.tls_port if security == "tls" else dovecot_tls.port
        account, password = dovecot_tls.account()
        values = {"port": port, "username": account, "password": password, "security": security}
        with pytest.raises(MailboxUnavailable, match=r"certificate is not trusted .*mailbox\.ca_file"):
            ImapMailbox(mailbox_settings(**values)).status()
        trusted = ImapMailbox(mailbox_settings(**values, ca_file=str(dovecot_tls.certificate)))
        assert trusted.status().messages == 0
        trusted.close()

    def test_tls_on_a_plain_port_says_so(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        mailbox, _ = dovecot_mailbox(dovecot, mailbox_settings, security="tls")
        with pytest.raises(MailboxUnavailable, match=r"does not speak TLS.*mailbox\.security"):
            mailbox.status()

    @pytest.mark.protocol("I15")
    def test_starttls_taken_away_sends_no_password(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        mailbox, _ = dovecot_mailbox(dovecot, mailbox_settings, security="starttls")
        with pytest.raises(MailboxUnavailable, match="does not offer STARTTLS, so no password was sent"):
            mailbox.status()
