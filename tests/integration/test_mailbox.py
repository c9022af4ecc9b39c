"""The Mailbox port: one contract for the fake, the embedded server and Dovecot; then what only a server can do."""

from __future__ import annotations

import email
import email.policy
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Protocol

import pytest
from imapclient import IMAPClient

from tests.fakes import FakeMailbox
from tests.servers.dovecot import DovecotServer
from tests.servers.embedded import EmbeddedThread
from tests.servers.scripted import HANG_UP, CuttingProxy, ScriptedImap
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

    def test_starttls_taken_away_sends_no_password(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        mailbox, _ = dovecot_mailbox(dovecot, mailbox_settings, security="starttls")
        with pytest.raises(MailboxUnavailable, match="does not offer STARTTLS, so no password was sent"):
            mailbox.status()


class TestHostileServers:
    SELECTED: ClassVar[dict[str, Any]] = {
        "LOGIN": [],
        "SELECT": ["* 1 EXISTS", "* FLAGS ()", "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 12] ok"],
    }

    @pytest.fixture
    def talk(self, mailbox_settings: Callable[..., MailboxSettings]) -> Callable[..., ImapMailbox]:
        def make(server: ScriptedImap, **changes: Any) -> ImapMailbox:
            return ImapMailbox(mailbox_settings(port=server.port, **changes))

        return make

    def test_server_down(self, mailbox_settings: Callable[..., MailboxSettings]) -> None:
        with pytest.raises(MailboxUnavailable, match=r"127\.0\.0\.1:9 cannot be reached.*mailbox\.port"):
            ImapMailbox(mailbox_settings(port=9)).status()

    def test_nothing_configured(self, mailbox_settings: Callable[..., MailboxSettings]) -> None:
        with pytest.raises(MailboxUnavailable, match=r"set mailbox\.host"):
            ImapMailbox(mailbox_settings(host="")).status()

    def test_unreadable_ca_file(self, mailbox_settings: Callable[..., MailboxSettings]) -> None:
        with pytest.raises(MailboxUnavailable, match=r"mailbox\.ca_file cannot be used"):
            ImapMailbox(mailbox_settings(security="tls", ca_file="/nowhere.pem")).status()

    def test_bye_for_a_greeting(self, talk: Callable[..., ImapMailbox]) -> None:
        with ScriptedImap({}, greeting="* BYE [UNAVAILABLE] ria@kpn.example") as server:
            with pytest.raises(MailboxUnavailable, match=r"refused the connection \[UNAVAILABLE\]") as told:
                talk(server).status()
            assert "kpn" not in str(told.value)

    def test_logindisabled_sends_no_password(self, talk: Callable[..., ImapMailbox]) -> None:
        offered = {"CAPABILITY": ["* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN"]}
        with ScriptedImap(offered) as server:
            with pytest.raises(MailboxUnavailable, match="no login on an unencrypted connection"):
                talk(server).status()
            assert not [line for line in server.heard if line.startswith(("LOGIN", "AUTHENTICATE"))]

    def test_starttls_refused_sends_no_password(self, talk: Callable[..., ImapMailbox]) -> None:
        answers = {"CAPABILITY": ["* CAPABILITY IMAP4rev1 STARTTLS"], "STARTTLS": "NO not now"}
        with ScriptedImap(answers) as server:
            with pytest.raises(MailboxUnavailable, match="no password was sent"):
                talk(server, security="starttls").status()
            assert not [line for line in server.heard if line.startswith(("LOGIN", "AUTHENTICATE"))]

    def test_preauth_is_no_way_around_starttls(self, talk: Callable[..., ImapMailbox]) -> None:
        told = pytest.raises(MailboxUnavailable, match="does not offer STARTTLS")
        with ScriptedImap({}, greeting="* PREAUTH welcome") as server, told:
            talk(server, security="starttls").status()

    def test_temporary_login_refusal_blames_no_password(self, talk: Callable[..., ImapMailbox]) -> None:
        with ScriptedImap({"LOGIN": ("NO [UNAVAILABLE] later", []), "SELECT": self.SELECTED["SELECT"]}) as server:
            mailbox = talk(server)
            with pytest.raises(MailboxUnavailable, match=r"takes no logins now \[UNAVAILABLE\]"):
                mailbox.status()
            assert mailbox.status().uidnext == 12

    def test_login_without_auth_plain_is_quoted(self, talk: Callable[..., ImapMailbox]) -> None:
        with ScriptedImap(self.SELECTED) as server:
            talk(server, username='mijn "loket"', password='pas"woord\\').status()
            assert 'LOGIN "mijn \\"loket\\"" "pas\\"woord\\\\"' in server.heard

    def test_throttled_waits_as_long_as_told(self, mailbox_settings: Callable[..., MailboxSettings]) -> None:
        moment = [0.0]
        throttled = "BAD Request is throttled. Suggested Backoff Time: 178755 milliseconds"
        with ScriptedImap({**self.SELECTED, "NOOP": (throttled, [])}) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port), monotonic=lambda: moment[0])
            mailbox.status()
            with pytest.raises(MailboxUnavailable, match="asks us to wait"):
                mailbox.status()
            moment[0] += 170
            with pytest.raises(MailboxUnavailable, match="next try in"):
                mailbox.status()
            assert server.connections == 1
            moment[0] += 10
            assert mailbox.status().uidvalidity == 7

    def test_bad_means_a_new_connection(self, talk: Callable[..., ImapMailbox]) -> None:
        bad = "BAD User is authenticated but not connected."
        with ScriptedImap({**self.SELECTED, "NOOP": (bad, [])}) as server:
            mailbox = talk(server)
            mailbox.status()
            with pytest.raises(MailboxUnavailable):
                mailbox.status()
            mailbox.status()
            assert server.connections == 2

    def test_hang_up_in_any_command(self, talk: Callable[..., ImapMailbox]) -> None:
        for verb in ("LOGIN", "SELECT", "UID SEARCH", "UID FETCH", "UID STORE"):
            answers: dict[str, Any] = {"UID FETCH": ["* 1 FETCH (UID 11 RFC822.SIZE 3)"], **self.SELECTED}
            with ScriptedImap({**answers, verb: (HANG_UP, answers.get(verb, []))}) as server:
                mailbox = talk(server)
                with pytest.raises(MailboxUnavailable):
                    mailbox.uids()
                    list(mailbox.fetch([11]))
                    mailbox.mark([11], keywords=["$Triaged"])
                assert mailbox.status().messages == 1

    def test_read_only_folder_is_read_all_the_same(self, talk: Callable[..., ImapMailbox]) -> None:
        examined = [*self.SELECTED["SELECT"], "* OK [READ-ONLY] only reading"]
        with ScriptedImap({"LOGIN": [], "SELECT": examined, "EXAMINE": examined}) as server:
            mailbox = talk(server)
            assert mailbox.status().messages == 1
            mailbox.mark([11], keywords=["$Triaged"], flags=["\\Flagged"])
            assert not [line for line in server.heard if "STORE" in line]

    def test_keywords_the_server_throws_away_are_not_sent(self, talk: Callable[..., ImapMailbox]) -> None:
        told = [*self.SELECTED["SELECT"], "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Seen)] limited"]
        with ScriptedImap({"LOGIN": [], "SELECT": told}) as server:
            mailbox = talk(server)
            mailbox.mark([11], keywords=["$Triaged"], flags=["\\Flagged"])
            mailbox.mark([11], keywords=["$Triaged"])
            assert [line for line in server.heard if "STORE" in line] == ["UID STORE 11 +FLAGS.SILENT (\\Flagged)"]

    def test_refused_store_is_no_error(self, talk: Callable[..., ImapMailbox]) -> None:
        with ScriptedImap({**self.SELECTED, "UID STORE": "NO [LIMIT] too many keywords"}) as server:
            mailbox = talk(server)
            mailbox.mark([11], keywords=["$Triaged"])
            assert mailbox.status().messages == 1 and server.connections == 1

    def test_unasked_answers_are_ignored(self, talk: Callable[..., ImapMailbox]) -> None:
        noise = ["* OK [XNIEUW 3] hallo", "* 11 FETCH (FLAGS (\\Seen))", "* XLEUK 1", "* 3 RECENT"]
        fetched = [*noise, '* 1 FETCH (UID 11 RFC822.SIZE 3 INTERNALDATE "16-Nov-2026 09:30:00 +0100")', *noise]
        answers = {
            **self.SELECTED,
            "NOOP": noise,
            "UID SEARCH": [*noise, "* SEARCH 11"],
            "UID FETCH": (fetched, [*noise, '* 1 FETCH (UID 11 BODY[] "abc")']),
        }
        with ScriptedImap(answers) as server:
            mailbox = talk(server)
            mailbox.status()
            mailbox.status()
            assert mailbox.uids_above(3) == [11]
            assert [(item.raw, item.internal_date) for item in mailbox.fetch([11, 12])] == [(b"abc", AT)]

    def test_one_mail_the_server_cannot_read_stops_no_other(self, talk: Callable[..., ImapMailbox]) -> None:
        facts = [f'* {n} FETCH (UID {n} RFC822.SIZE 3 INTERNALDATE "16-Nov-2026 09:30:00 +0100")' for n in (1, 2)]
        no = "NO [SERVERBUG] internal error"
        fetches = (facts, no, no, ['* 2 FETCH (UID 2 BODY[] "abc")'], no, no)
        answers = {**self.SELECTED, "UID FETCH": fetches, "UID SEARCH": (["* SEARCH 1 2"], ["* SEARCH 1"])}
        with ScriptedImap(answers) as server:
            mails = list(talk(server).fetch([1, 2]))
            assert [(item.ref.uid, item.raw, item.complete) for item in mails] == [(1, b"", False), (2, b"abc", True)]

    def test_a_store_that_answers_nothing_is_unavailable_not_empty(self, talk: Callable[..., ImapMailbox]) -> None:
        facts = ['* 1 FETCH (UID 1 RFC822.SIZE 3 INTERNALDATE "16-Nov-2026 09:30:00 +0100")']
        answers = {**self.SELECTED, "UID FETCH": (facts, "NO [SERVERBUG] x"), "UID SEARCH": ["* SEARCH 1"]}
        with ScriptedImap(answers) as server, pytest.raises(MailboxUnavailable):
            list(talk(server).fetch([1]))

    def test_missing_uidvalidity_and_uidnext_still_work(self, talk: Callable[..., ImapMailbox]) -> None:
        answers = {"LOGIN": [], "SELECT": ["* 1 EXISTS", "* FLAGS ()"], "UID SEARCH": ["* SEARCH 40"]}
        with ScriptedImap(answers) as server:
            status = talk(server).status()
            assert (status.uidvalidity, status.uidnext, status.messages) == (0, 41, 1)

    def test_sent_folder_with_a_prefix_is_made_and_a_dutch_one_is_used(self, talk: Callable[..., ImapMailbox]) -> None:
        offered = {
            "CAPABILITY": ["* CAPABILITY IMAP4rev1 NAMESPACE"],
            "NAMESPACE": ['* NAMESPACE (("INBOX." ".")) NIL NIL'],
        }
        for listed, wanted in (
            (['* LIST () "." INBOX'], ("INBOX.Sent (does not exist yet; made with the first reply)")),
            (['* LIST () "." INBOX', '* LIST () "." "INBOX.Verzonden items"'], "INBOX.Verzonden items"),
            (['* LIST (\\Sent) "." "INBOX.Weg"', '* LIST () "." INBOX.Sent'], "INBOX.Weg"),
        ):
            with ScriptedImap({**self.SELECTED, **offered, "LIST": listed}) as server:
                assert dict(talk(server).probe())["sent folder"] == wanted
