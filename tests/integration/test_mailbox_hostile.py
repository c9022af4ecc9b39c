"""Logins, TLS and conversations that no sane server holds, with the whole intake behind them where that matters."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.integration.desks import answered_all, attach
from tests.integration.harness import Harness, mail
from tests.servers.dovecot import DovecotServer
from tests.servers.scripted import HANG_UP, LISTEN, ScriptedImap
from triage.adapters.imap import ImapMailbox
from triage.errors import MailboxUnavailable
from triage.settings import MailboxSettings

Make = Callable[..., MailboxSettings]
REPLY = b"Message-ID: <antwoord@juisteloket.example>\r\n\r\nEen antwoord.\r\n"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path)
    yield harness
    harness.store.close()


# ---------------------------------------------------------------- logins


ODD_PASSWORD = 'a"b\\c é€ {5} %s'


@pytest.mark.dovecot
@pytest.mark.protocol("I35")
def test_odd_names_and_passwords_get_in_and_stay_out_of_every_text(
    mailbox_settings: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    with DovecotServer(passwords={"loket": ODD_PASSWORD}) as server:
        for password in (ODD_PASSWORD, ODD_PASSWORD + "x"):
            mailbox = ImapMailbox(mailbox_settings(port=server.port, username="loket", password=password))
            if password == ODD_PASSWORD:
                assert mailbox.status().messages == 0
                mailbox.close()
                continue
            with pytest.raises(MailboxUnavailable) as told:
                mailbox.status()
            assert "é€" not in str(told.value) and "\n" not in str(told.value)
    shown = capsys.readouterr()
    assert "é€" not in shown.out + shown.err


class TestLogins:
    SELECTED: ClassVar[dict[str, Any]] = {
        "SELECT": ["* 1 EXISTS", "* FLAGS ()", "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 12] ok"],
    }

    @pytest.mark.protocol("I35")
    def test_beyond_ascii_without_auth_plain_is_refused_clearly(self, mailbox_settings: Make) -> None:
        with ScriptedImap(self.SELECTED) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port, password="gehéím"))
            with pytest.raises(MailboxUnavailable, match="takes only ASCII") as told:
                mailbox.status()
            assert "héím" not in str(told.value) and not any("LOGIN" in line for line in server.heard)

    @pytest.mark.protocol("I13")
    def test_preauth_needs_no_login(self, mailbox_settings: Make) -> None:
        with ScriptedImap(self.SELECTED, greeting="* PREAUTH welcome") as server:
            assert ImapMailbox(mailbox_settings(port=server.port)).status().messages == 1
            assert not any("LOGIN" in line for line in server.heard)

    @pytest.mark.protocol("O04", "O05", "I12")
    @pytest.mark.parametrize(
        ("answers", "greeting", "most"),
        [
            ({"LOGIN": "NO [AUTHENTICATIONFAILED] wrong"}, "* OK hi", 12),
            ({"LOGIN": "NO [UNAVAILABLE] later"}, "* OK hi", 24),
            ({"LOGIN": "NO [INUSE] later"}, "* OK hi", 24),
            ({"LOGIN": "NO [LIMIT] later"}, "* OK hi", 24),
            ({"LOGIN": "NO Maximum number of connections from user+IP exceeded"}, "* OK hi", 24),
            ({}, "* BYE too busy", 24),
            ({"SELECT": "BAD User is authenticated but not connected."}, "* OK hi", 24),
            ({"SELECT": ["* BYE no more", HANG_UP]}, "* OK hi", 24),
            ({"SELECT": HANG_UP}, "* OK hi", 24),
        ],
    )
    def test_an_hour_of_refusals_is_no_storm(
        self, mailbox_settings: Make, answers: dict[str, Any], greeting: str, most: int
    ) -> None:
        moment = [0.0]
        with ScriptedImap({**self.SELECTED, **answers}, greeting=greeting) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port), monotonic=lambda: moment[0])
            for _ in range(120):  # a poll every 30 s
                with pytest.raises(MailboxUnavailable):
                    mailbox.status()
                moment[0] += 30
            assert 4 <= server.connections <= most

    @pytest.mark.protocol("O06")
    def test_not_connected_is_over_by_itself(self, mailbox_settings: Make) -> None:
        moment = [0.0]
        bad = "BAD User is authenticated but not connected."
        with ScriptedImap({"SELECT": (bad, bad, self.SELECTED["SELECT"])}) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port), monotonic=lambda: moment[0])
            for _ in range(2):
                with pytest.raises(MailboxUnavailable, match="failed"):
                    mailbox.status()
            with pytest.raises(MailboxUnavailable, match="next try in"):
                mailbox.status()
            moment[0] += 11
            assert mailbox.status().messages == 1 and server.connections == 3

    @pytest.mark.protocol("O07")
    @pytest.mark.parametrize("verb", ["LOGIN", "SELECT", "UID SEARCH"])
    def test_throttled_at_any_command(self, mailbox_settings: Make, verb: str) -> None:
        moment = [0.0]
        throttled = "BAD Request is throttled. Suggested Backoff Time: 178755 milliseconds"
        answers: dict[str, Any] = {**self.SELECTED, "UID SEARCH": ["* SEARCH 3"]}
        with ScriptedImap({**answers, verb: (throttled, answers.get(verb, []))}) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port), monotonic=lambda: moment[0])
            for moment[0] in (0.0, 60.0, 178.0):
                with pytest.raises(MailboxUnavailable, match=r"asks us to wait"):
                    mailbox.uids()
            assert server.connections == 1
            moment[0] = 179.0
            assert list(mailbox.uids()) == [3]

    @pytest.mark.protocol("O08")
    @pytest.mark.parametrize(
        ("answers", "greeting"),
        [
            ({"LOGIN": "NO [ALERT] Too many simultaneous connections. (Failure)"}, "* OK hi"),
            ({"LOGIN": ["* OK [ALERT] Too many simultaneous connections. (Failure)"]}, "* OK hi"),
            ({"SELECT": ["* NO [ALERT] Too many simultaneous connections. (Failure)"]}, "* OK hi"),
            ({"LOGIN": "OK [ALERT] Too many simultaneous connections. (Failure)"}, "* OK hi"),
            ({}, "* OK [ALERT] Too many simultaneous connections. (Failure)"),
            ({}, "* BYE [ALERT] Too many simultaneous connections. (Failure)"),
        ],
    )
    def test_an_alert_reaches_staff(self, mailbox_settings: Make, answers: dict[str, Any], greeting: str) -> None:
        told: list[str] = []
        with ScriptedImap(answers, greeting=greeting) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port), on_notice=told.append)
            try:
                mailbox.status()
            except MailboxUnavailable as exc:
                assert "simultaneous" not in str(exc)  # an error text repeats nothing a server says
        assert told == ["Too many simultaneous connections. (Failure)"]
        assert server.connections == 1


# ---------------------------------------------------------------- TLS


class StartTls:
    """Answers STARTTLS and puts a further line behind its OK in the same packet, still in clear."""

    def __init__(self, certificate: tuple[Path, Path], injected: bytes) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        self._injected = injected
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(10)
        connection.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                tag, command = line.split()[:2]
                if command == b"STARTTLS":
                    connection.sendall(tag + b" OK begin\r\n" + self._injected)
                    break
                connection.sendall(b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n" + tag + b" OK done\r\n")
        try:
            secure = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        with secure, secure.makefile("rb") as lines:
            for line in lines:
                self.heard.append(line)
                tag, command = line.split()[:2]
                answer = b"* CAPABILITY IMAP4rev1\r\n" if command == b"CAPABILITY" else b""
                if command == b"SELECT":
                    answer = b"* 1 EXISTS\r\n* FLAGS ()\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 2] x\r\n"
                secure.sendall(answer + tag + b" OK done\r\n")


@pytest.mark.protocol("I16")
def test_what_is_injected_behind_starttls_is_thrown_away(
    mailbox_settings: Make, certificate: tuple[Path, Path]
) -> None:
    told: list[str] = []
    injected = b"* OK [ALERT] bel 0900-1234\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n* 99 EXISTS\r\n"
    server = StartTls(certificate, injected)
    settings = mailbox_settings(port=server.port, security="starttls", ca_file=str(certificate[0]))
    mailbox = ImapMailbox(settings, on_notice=told.append)
    assert mailbox.status().messages == 1
    assert told == [] and any(b"LOGIN" in line for line in server.heard)
    mailbox.close()
    server.close()


# ---------------------------------------------------------------- conversations no server holds


class TestScriptedIntake:
    RAW = mail(1).decode()
    FACTS = '* 1 FETCH (UID 11 RFC822.SIZE 500 INTERNALDATE "20-Nov-2026 09:30:00 +0100" FLAGS ())'

    def script(self, **changes: Any) -> dict[str, Any]:
        raw = self.RAW.encode()
        body = [b"* 1 FETCH (UID 11 BODY[] {%d}\r\n" % len(raw) + raw + b")\r\n"]
        return {
            "CAPABILITY": ["* CAPABILITY IMAP4rev1"],
            "SELECT": ["* 1 EXISTS", "* FLAGS ()", "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 12] ok"],
            "UID SEARCH": ["* SEARCH 11"],
            "UID FETCH": ([self.FACTS], body),
        } | changes

    def taken_in_once(self, desk: Harness, server: ScriptedImap, make: Make) -> None:
        attach(desk, ImapMailbox(make(port=server.port)))
        assert desk.poll().outcomes["case"] == 1
        for _ in range(3):
            assert desk.poll().handled == 0
        answered_all(desk, 1)

    @pytest.mark.protocol("I02")
    @pytest.mark.parametrize(
        "selected",
        [
            ["* 1 EXISTS", "* FLAGS ()", "* OK [UIDVALIDITY 0] ok", "* OK [UIDNEXT 12] ok"],
            ["* 1 EXISTS", "* FLAGS ()"],
        ],
    )
    def test_uidvalidity_zero_or_missing(
        self, desk: Harness, mailbox_settings: Make, selected: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with ScriptedImap(self.script(SELECT=selected)) as server:
            self.taken_in_once(desk, server, mailbox_settings)
        assert "uidvalidity_missing" in capsys.readouterr().err

    @pytest.mark.protocol("I04")
    def test_the_last_old_mail_given_for_a_range_beyond_it_is_not_new(
        self, desk: Harness, mailbox_settings: Make
    ) -> None:
        jumped = ["* 1 EXISTS", "* FLAGS ()", "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 4000] ok"]
        with ScriptedImap(self.script(SELECT=jumped)) as server:
            self.taken_in_once(desk, server, mailbox_settings)
            assert "UID SEARCH UID 12:*" in server.heard  # and it answered 11

    @pytest.mark.protocol("I06", "I28")
    def test_expunge_and_other_data_within_our_commands(self, desk: Harness, mailbox_settings: Make) -> None:
        raw = self.RAW.encode()
        noise = [
            "* 3 EXPUNGE",
            "* 7 EXISTS",
            "* 2 RECENT",
            "* OK [XNIEUW 3] x",
            "* 4 FETCH (FLAGS (\\Seen))",
            "* XLEUK",
        ]
        body = b"* 1 FETCH (UID 11 FLAGS () BODY[] {%d}\r\n" % len(raw) + raw + b")\r\n"
        script = self.script()
        script |= {
            "SELECT": [*noise, *script["SELECT"]],
            "UID SEARCH": [*noise, "* SEARCH 11"],
            "UID FETCH": ([*noise, self.FACTS, *noise], [*noise, body, *noise]),
            "UID STORE": noise,
        }
        with ScriptedImap(script) as server:
            self.taken_in_once(desk, server, mailbox_settings)
            commands = {line.split(" ")[0] for line in server.heard}
            assert not commands & {"FETCH", "STORE", "SEARCH", "COPY"}  # by UID only

    @pytest.mark.protocol("I24", "I09")
    def test_nothing_is_moved_deleted_or_marked_read(self, desk: Harness, mailbox_settings: Make) -> None:
        with ScriptedImap(self.script()) as server:
            self.taken_in_once(desk, server, mailbox_settings)
            text = "\n".join(line for line in server.heard if "(\\Draft \\Seen)" not in line)  # our own draft may be
        for word in ("MOVE", "COPY", "EXPUNGE", "CLOSE", "\\Deleted", "\\Seen", "BODY[]", "RFC822 "):
            assert word not in text
        assert "BODY.PEEK[]" in text

    @pytest.mark.protocol("I25")
    @pytest.mark.parametrize(
        ("changes", "stores"),
        [
            ({"SELECT": "* OK [PERMANENTFLAGS (\\Answered)] limited"}, 0),
            ({"SELECT": "* OK [READ-ONLY] only reading"}, 0),
            ({"UID STORE": "NO [CANNOT] no keywords"}, 1),
        ],
    )
    def test_no_keywords_and_read_only_make_no_loop(
        self, desk: Harness, mailbox_settings: Make, changes: dict[str, str], stores: int
    ) -> None:
        script = self.script()
        if "SELECT" in changes:
            script["SELECT"] = [*script["SELECT"], changes["SELECT"]]
            script["EXAMINE"] = script["SELECT"]
        else:
            script |= changes
        with ScriptedImap(script) as server:
            self.taken_in_once(desk, server, mailbox_settings)
            assert len([line for line in server.heard if "STORE" in line]) == stores

    @pytest.mark.protocol("I29")
    @pytest.mark.parametrize(
        "facts",
        [
            f"* 1 FETCH (UID 11 RFC822.SIZE 500 INTERNALDATE NIL FLAGS NIL ENVELOPE (NIL{' NIL' * 9}))",
            '* 1 FETCH (UID 11 RFC822.SIZE NIL INTERNALDATE "20-Nov-2026 09:30:00 +0100" FLAGS ())',
            b'* 1 FETCH (ENVELOPE (NIL {8}\r\na"b\r\n\xe9)) NIL NIL NIL NIL NIL NIL NIL NIL) UID 11 RFC822.SIZE 5)\r\n',
        ],
    )
    def test_nil_and_odd_literals_beside_the_mail(
        self, desk: Harness, mailbox_settings: Make, facts: str | bytes
    ) -> None:
        script = self.script()
        with ScriptedImap(script | {"UID FETCH": ([facts], script["UID FETCH"][1])}) as server:
            self.taken_in_once(desk, server, mailbox_settings)
            assert not any("ENVELOPE" in line for line in server.heard)  # we never ask for it

    @pytest.mark.protocol("I21", "I23")
    def test_trycreate_is_followed_once_and_the_copy_found_without_uidplus(
        self, desk: Harness, mailbox_settings: Make
    ) -> None:
        append = ["+ go on", LISTEN]  # one line: a copy of one line
        listed = ['* LIST (\\Sent) "/" Verzonden']
        script = self.script(LIST=listed, APPEND=([*append, "NO [TRYCREATE] no such folder"], append))
        script["UID SEARCH"] = (["* SEARCH"], ["* SEARCH 1"])
        raw = b"Message-ID: <kort@juisteloket.example>"
        with ScriptedImap(script) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port))
            mailbox.append_sent(raw, at=desk.now)
            mailbox.append_sent(raw, at=desk.now)
            verbs = [line.split(" ")[0] for line in server.heard]
            assert (verbs.count("APPEND"), verbs.count("CREATE")) == (2, 1)

    @pytest.mark.protocol("I21")
    def test_create_not_allowed_is_held_and_not_asked_at_every_poll(
        self, desk: Harness, mailbox_settings: Make
    ) -> None:
        script = self.script(LIST=['* LIST () "\\\\" INBOX'], CREATE="NO [NOPERM] not for you")
        with ScriptedImap(script) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port, sent_folder="Uit/2026"))
            for _ in range(3):
                with pytest.raises(MailboxUnavailable, match=r"may not be made .*\[NOPERM\].*mailbox\.sent_folder"):
                    mailbox.append_sent(REPLY, at=desk.now)
            assert [line for line in server.heard if "CREATE" in line] == ['CREATE "Uit\\\\2026"']  # its delimiter
            assert mailbox.status().messages == 1 and server.connections == 1

    @pytest.mark.protocol("I20")
    def test_folder_names_in_no_known_encoding_stop_nothing(self, mailbox_settings: Make) -> None:
        listed = [b'* LIST () "/" "Verz\xe9nden"\r\n', b'* LIST () "/" "&x&y"\r\n', '* LIST () NIL "Prullenbak"',
                  '* LIST (\\Sent) "/" "Verzonden &- co &AOk-"']  # fmt: skip
        with ScriptedImap(self.script(LIST=listed)) as server:
            facts = dict(ImapMailbox(mailbox_settings(port=server.port)).probe())
            assert facts["sent folder"] == "Verzonden & co é" and facts["trash folder"] == "Prullenbak"

    @pytest.mark.protocol("I19")
    def test_special_use_is_asked_for_where_it_must_be_and_a_refusal_is_no_end(self, mailbox_settings: Make) -> None:
        offered = ["* CAPABILITY IMAP4rev1 SPECIAL-USE LIST-EXTENDED"]
        for answers, wanted in (
            (['* LIST (\\Sent) "/" "Verstuurd"'], "Verstuurd"),
            (("BAD no such option", ['* LIST () "/" "Sent Items"']), "Sent Items"),
        ):
            with ScriptedImap(self.script(CAPABILITY=offered, LIST=answers)) as server:
                assert dict(ImapMailbox(mailbox_settings(port=server.port)).probe())["sent folder"] == wanted
                assert 'LIST "" "*" RETURN (SPECIAL-USE)' in server.heard
