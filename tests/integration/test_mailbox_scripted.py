"""The IMAP adapter against servers that refuse, hang up, throw away and talk nonsense."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest

from tests.servers.scripted import HANG_UP, ScriptedImap
from triage.adapters.imap import ImapMailbox
from triage.errors import MailboxUnavailable
from triage.settings import MailboxSettings

AT = datetime(2026, 11, 16, 9, 30, tzinfo=timezone(timedelta(hours=1)))


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

    @pytest.mark.protocol("I12")
    def test_bye_for_a_greeting(self, talk: Callable[..., ImapMailbox]) -> None:
        with ScriptedImap({}, greeting="* BYE [UNAVAILABLE] ria@kpn.example") as server:
            with pytest.raises(MailboxUnavailable, match=r"refused the connection \[UNAVAILABLE\]") as told:
                talk(server).status()
            assert "kpn" not in str(told.value)

    @pytest.mark.protocol("I14")
    def test_logindisabled_sends_no_password(self, talk: Callable[..., ImapMailbox]) -> None:
        offered = {"CAPABILITY": ["* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN"]}
        with ScriptedImap(offered) as server:
            with pytest.raises(MailboxUnavailable, match="no login on an unencrypted connection"):
                talk(server).status()
            assert not [line for line in server.heard if line.startswith(("LOGIN", "AUTHENTICATE"))]

    @pytest.mark.protocol("I15")
    def test_starttls_refused_sends_no_password(self, talk: Callable[..., ImapMailbox]) -> None:
        answers = {"CAPABILITY": ["* CAPABILITY IMAP4rev1 STARTTLS"], "STARTTLS": "NO not now"}
        with ScriptedImap(answers) as server:
            with pytest.raises(MailboxUnavailable, match="no password was sent"):
                talk(server, security="starttls").status()
            assert not [line for line in server.heard if line.startswith(("LOGIN", "AUTHENTICATE"))]

    @pytest.mark.protocol("I13")
    def test_preauth_is_no_way_around_starttls(self, talk: Callable[..., ImapMailbox]) -> None:
        told = pytest.raises(MailboxUnavailable, match="does not offer STARTTLS")
        with ScriptedImap({}, greeting="* PREAUTH welcome") as server, told:
            talk(server, security="starttls").status()

    @pytest.mark.protocol("O05")
    def test_temporary_login_refusal_blames_no_password(self, talk: Callable[..., ImapMailbox]) -> None:
        with ScriptedImap({"LOGIN": ("NO [UNAVAILABLE] later", []), "SELECT": self.SELECTED["SELECT"]}) as server:
            mailbox = talk(server)
            with pytest.raises(MailboxUnavailable, match=r"takes no logins now \[UNAVAILABLE\]"):
                mailbox.status()
            assert mailbox.status().uidnext == 12

    @pytest.mark.protocol("I35")
    def test_login_without_auth_plain_is_quoted(self, talk: Callable[..., ImapMailbox]) -> None:
        with ScriptedImap(self.SELECTED) as server:
            talk(server, username='mijn "loket"', password='pas"woord\\').status()
            assert 'LOGIN "mijn \\"loket\\"" "pas\\"woord\\\\"' in server.heard

    @pytest.mark.protocol("O07")
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

    @pytest.mark.protocol("O06")
    def test_bad_means_a_new_connection(self, talk: Callable[..., ImapMailbox]) -> None:
        bad = "BAD User is authenticated but not connected."
        with ScriptedImap({**self.SELECTED, "NOOP": (bad, [])}) as server:
            mailbox = talk(server)
            mailbox.status()
            with pytest.raises(MailboxUnavailable):
                mailbox.status()
            mailbox.status()
            assert server.connections == 2

    @pytest.mark.protocol("I12")
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

    @pytest.mark.protocol("I25")
    def test_read_only_folder_is_read_all_the_same(self, talk: Callable[..., ImapMailbox]) -> None:
        examined = [*self.SELECTED["SELECT"], "* OK [READ-ONLY] only reading"]
        with ScriptedImap({"LOGIN": [], "SELECT": examined, "EXAMINE": examined}) as server:
            mailbox = talk(server)
            assert mailbox.status().messages == 1
            mailbox.mark([11], keywords=["$Triaged"], flags=["\\Flagged"])
            assert not [line for line in server.heard if "STORE" in line]

    @pytest.mark.protocol("I25")
    def test_keywords_the_server_throws_away_are_not_sent(self, talk: Callable[..., ImapMailbox]) -> None:
        told = [*self.SELECTED["SELECT"], "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Seen)] limited"]
        with ScriptedImap({"LOGIN": [], "SELECT": told}) as server:
            mailbox = talk(server)
            mailbox.mark([11], keywords=["$Triaged"], flags=["\\Flagged"])
            mailbox.mark([11], keywords=["$Triaged"])
            assert [line for line in server.heard if "STORE" in line] == ["UID STORE 11 +FLAGS.SILENT (\\Flagged)"]

    @pytest.mark.protocol("I25")
    def test_refused_store_is_no_error(self, talk: Callable[..., ImapMailbox]) -> None:
        with ScriptedImap({**self.SELECTED, "UID STORE": "NO [LIMIT] too many keywords"}) as server:
            mailbox = talk(server)
            mailbox.mark([11], keywords=["$Triaged"])
            assert mailbox.status().messages == 1 and server.connections == 1

    @pytest.mark.protocol("I28")
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

    @pytest.mark.protocol("I30")
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

    @pytest.mark.protocol("I02")
    def test_missing_uidvalidity_and_uidnext_still_work(self, talk: Callable[..., ImapMailbox]) -> None:
        answers = {"LOGIN": [], "SELECT": ["* 1 EXISTS", "* FLAGS ()"], "UID SEARCH": ["* SEARCH 40"]}
        with ScriptedImap(answers) as server:
            status = talk(server).status()
            assert (status.uidvalidity, status.uidnext, status.messages) == (0, 41, 1)

    @pytest.mark.protocol("I18", "I19")
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
