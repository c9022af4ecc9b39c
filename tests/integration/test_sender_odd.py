"""SMTP servers as they are: odd replies, replies at the wrong moment, connections that end, logins with a token."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_sender import ENVELOPE, NULL, RAW, outcome, run, send
from tests.servers.scripted_smtp import ScriptedSmtp
from tests.servers.smtpd import CLOSE, RecordingSmtp
from triage.adapters.smtp import DATA_SECONDS, SmtpSender
from triage.errors import (
    DeliveryDeferred,
    DeliveryRefused,
    DeliveryUncertain,
    SenderUnavailable,
    SignInNeeded,
    TriageError,
)
from triage.ports import Envelope
from triage.services.relay import LEASE_TTL
from triage.settings import SmtpSettings

Make = Callable[..., SmtpSettings]


@pytest.fixture
def smtp() -> Iterator[RecordingSmtp]:
    with RecordingSmtp() as server:
        yield server


async def twice(sender: SmtpSender, raw: bytes = RAW) -> list[TriageError | None]:
    return [await outcome(sender, raw=raw) for _ in range(2)]


@pytest.mark.protocol("S04")
@pytest.mark.parametrize("place", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
def test_421_at_any_time_ends_the_connection_and_costs_nothing(
    smtp: RecordingSmtp, smtp_settings: Make, place: str
) -> None:
    smtp.plan(place, "421 4.3.2 closing")
    sender = SmtpSender(smtp_settings(port=smtp.port))
    first, second = run(twice(sender), sender)
    assert isinstance(first, DeliveryDeferred) and first.reply_code == 421
    assert second is None and len(smtp.received) == 1
    assert smtp.connections == 2


@pytest.mark.protocol("S04")
def test_421_to_rset_ends_the_connection(smtp: RecordingSmtp, smtp_settings: Make) -> None:
    smtp.plan("RCPT", "550 5.1.1 nobody")
    smtp.plan("RSET", "421 4.3.2 closing")
    sender = SmtpSender(smtp_settings(port=smtp.port))
    first, second = run(twice(sender), sender)
    assert type(first) is DeliveryRefused and second is None
    assert smtp.connections == 2 and len(smtp.received) == 1


@pytest.mark.protocol("S06", "S19", "S20")
@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.1 no such user",
        "551 5.1.6 user not local; please try <iemand@anders.example>",
        "550 5.1.10 recipient domain has a null MX",
        "556 5.1.10 domain takes no mail",
        "550 5.4.4 no such domain",
    ],
)
def test_a_refused_recipient_gets_no_data_and_no_other_address_is_tried(
    smtp: RecordingSmtp, smtp_settings: Make, reply: str
) -> None:
    smtp.plan("RCPT", reply)
    sender = SmtpSender(smtp_settings(port=smtp.port))
    refused = run(outcome(sender), sender)
    assert type(refused) is DeliveryRefused
    assert (refused.reply_code, refused.enhanced_status) == (int(reply[:3]), reply.split(" ")[1])
    assert smtp.commands("RCPT") == [f"RCPT TO:<{ENVELOPE.forward_path}>"] and smtp.commands("DATA") == []
    assert "anders" not in str(refused)


@pytest.mark.protocol("S19")
def test_251_is_an_acceptance_and_the_forward_path_is_not_followed(smtp_settings: Make) -> None:
    with ScriptedSmtp({"RCPT": b"251 User not local; will forward to <iemand@anders.example>\r\n"}) as server:
        sender = SmtpSender(smtp_settings(port=server.port))
        assert run(outcome(sender), sender) is None
        assert [line for line in server.heard if line.startswith("RCPT")] == [f"RCPT TO:<{ENVELOPE.forward_path}>"]
        assert len(server.received) == 1


@pytest.mark.protocol("S07")
def test_a_connection_lost_in_the_body_is_uncertain(smtp_settings: Make) -> None:
    body = RAW + b"x" * 70 + b"\r\n"
    with ScriptedSmtp({}, hang_up_after="DATA") as server:
        sender = SmtpSender(smtp_settings(port=server.port))
        assert type(run(outcome(sender, raw=body * 2000), sender)) is DeliveryUncertain
        assert server.received == []


@pytest.mark.protocol("S08")
def test_a_connection_lost_after_the_dot_is_uncertain(smtp: RecordingSmtp, smtp_settings: Make) -> None:
    smtp.plan(".", CLOSE)
    sender = SmtpSender(smtp_settings(port=smtp.port))
    assert type(run(outcome(sender), sender)) is DeliveryUncertain


@pytest.mark.protocol("S09")
def test_the_last_reply_is_waited_for_longer_than_ten_minutes_and_the_lease_lasts_longer_still(
    smtp: RecordingSmtp, smtp_settings: Make
) -> None:
    assert 600 <= DATA_SECONDS < LEASE_TTL.total_seconds()
    smtp.plan(".", "250 2.0.0 at last", delay=1.3)
    sender = SmtpSender(smtp_settings(port=smtp.port, timeout_seconds=1))  # the time-out of all other replies
    assert run(outcome(sender), sender) is None and len(smtp.received) == 1


@pytest.mark.protocol("S10")
def test_a_connection_that_breaks_after_the_250_has_sent_the_mail(smtp_settings: Make) -> None:
    with ScriptedSmtp({}, hang_up_after=".") as server:
        sender = SmtpSender(smtp_settings(port=server.port))
        assert run(twice(sender), sender) == [None, None]
        assert len(server.received) == 2 and "QUIT" not in server.heard


@pytest.mark.protocol("S11")
def test_a_refused_starttls_sends_no_password_and_no_mail(smtp_settings: Make, certificate: tuple[Path, Path]) -> None:
    answers = {"EHLO": b"250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n", "STARTTLS": b"454 4.7.0 not now\r\n"}
    with ScriptedSmtp(answers) as server:
        settings = smtp_settings(
            port=server.port, username="loket", password="geheim", security="starttls", ca_file=str(certificate[0])
        )
        sender = SmtpSender(settings)
        assert type(run(outcome(sender), sender)) is SenderUnavailable
        assert [line.split(" ")[0] for line in server.heard] == ["EHLO", "STARTTLS"]


@pytest.mark.protocol("S12")
def test_what_stands_in_clear_behind_the_reply_to_starttls_is_not_believed(
    smtp_settings: Make, certificate: tuple[Path, Path]
) -> None:
    answers = {
        "EHLO": [b"250-mx\r\n250 STARTTLS\r\n", b"250-mx\r\n250 SIZE 5000\r\n"],
        "STARTTLS": b"220 2.0.0 go on\r\n250-mx\r\n250-SIZE 1\r\n250 AUTH PLAIN LOGIN\r\n",
    }
    for username, kind in (("", type(None)), ("loket", SenderUnavailable)):
        with ScriptedSmtp(answers, tls=certificate) as server:
            settings = smtp_settings(
                port=server.port, username=username, password="geheim", security="starttls",
                ca_file=str(certificate[0]),
            )  # fmt: skip
            sender = SmtpSender(settings)
            assert type(run(outcome(sender), sender)) is kind
            said = [line.split(" ")[0] for line in server.heard]
            assert said[:3] == ["EHLO", "STARTTLS", "EHLO"] and "AUTH" not in said
            assert len(server.received) == (0 if username else 1)


@pytest.mark.protocol("S14")
def test_a_mail_above_the_size_the_server_told_is_not_even_begun(smtp_settings: Make) -> None:
    with RecordingSmtp(size_limit=5000) as server:
        sender = SmtpSender(smtp_settings(port=server.port))

        async def work() -> TriageError | None:
            try:
                async with sender.session() as session:
                    await session.prepare(ENVELOPE, raw=RAW + b"x" * 5000)
            except TriageError as exc:
                return exc
            return None

        refused = run(work(), sender)
        assert type(refused) is DeliveryRefused and "5000" in str(refused)
        assert server.commands("MAIL", "RCPT", "DATA") == []


@pytest.mark.protocol("S16", "H09")
def test_a_mail_with_a_foreign_address_in_to_needs_smtputf8_for_every_recipient(smtp_settings: Make) -> None:
    """RFC 6531 §3.4: it is the header, not only the envelope, that makes a mail an internationalised one."""
    raw = "To: rené@kpn.example, ria.koolstra@kpn.example\r\n".encode() + RAW

    async def work(sender: SmtpSender) -> TriageError | None:
        try:
            async with sender.session() as session:
                await session.prepare(ENVELOPE, raw=raw)
                await session.data(raw)
        except TriageError as exc:
            return exc
        return None

    for smtputf8, kind in ((True, type(None)), (False, DeliveryRefused)):
        with RecordingSmtp(smtputf8=smtputf8) as server:
            sender = SmtpSender(smtp_settings(port=server.port))
            assert type(run(work(sender), sender)) is kind
            assert ["SMTPUTF8" in line for line in server.commands("MAIL")] == ([True] if smtputf8 else [])


@pytest.mark.protocol("S17")
def test_every_command_waits_for_the_reply_to_the_one_before(smtp: RecordingSmtp, smtp_settings: Make) -> None:
    sender = SmtpSender(smtp_settings(port=smtp.port))
    run(twice(sender), sender)
    commands = [chunk for chunk in smtp.chunks if not chunk.startswith(RAW[:10])]
    assert [chunk.split(b" ")[0].strip() for chunk in commands] == [
        b"EHLO", b"MAIL", b"RCPT", b"DATA", b"MAIL", b"RCPT", b"DATA", b"QUIT",
    ]  # fmt: skip
    assert all(chunk.count(b"\r\n") == 1 for chunk in commands)


@pytest.mark.protocol("S18")
@pytest.mark.parametrize(
    "reply",
    [
        b"250-first\r\n250-second\r\n250 third\r\n",
        b"250 \r\n",
        b"250\r\n",
        b"250-\r\n250 \r\n",
        b"250 d\xe9j\xe0 vu \xf0\x9f\x93\xac\r\n",
        b"259 never heard of\r\n",
    ],
)
def test_replies_in_odd_forms_count_by_their_first_digit(smtp_settings: Make, reply: bytes) -> None:
    with ScriptedSmtp({"MAIL": reply, "RCPT": reply, ".": reply, "RSET": reply}) as server:
        sender = SmtpSender(smtp_settings(port=server.port))
        assert run(twice(sender), sender) == [None, None]
        assert len(server.received) == 2


def test_a_reply_too_many_is_not_taken_for_the_answer_to_the_next_mail(smtp_settings: Make) -> None:
    """The second 250 must not stand in for the reply to RCPT: what the server refused would count as sent."""
    with ScriptedSmtp({"MAIL": b"250 ok\r\n250 twice\r\n", "RCPT": b"550 5.1.1 nobody\r\n"}) as server:
        sender = SmtpSender(smtp_settings(port=server.port))
        assert isinstance(run(outcome(sender), sender), DeliveryRefused | DeliveryDeferred)
        assert server.received == []


@pytest.mark.protocol("F24", "F25")
def test_dots_are_stuffed_once_on_the_wire(smtp_settings: Make) -> None:
    with ScriptedSmtp({}) as server:
        sender = SmtpSender(smtp_settings(port=server.port))
        run(send(sender, NULL), sender)
        (wire,) = server.received
    assert wire == RAW.replace(b"\r\n.\r\n..punt", b"\r\n..\r\n...punt") + b".\r\n"
    assert b"\n" not in wire.replace(b"\r\n", b"") and b"\r" not in wire.replace(b"\r\n", b"")


@pytest.mark.protocol("S25")
@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain", "werkstation"])
def test_a_machine_without_a_name_says_its_address(
    smtp: RecordingSmtp, smtp_settings: Make, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    monkeypatch.setattr(socket, "getfqdn", lambda: name)
    sender = SmtpSender(smtp_settings(port=smtp.port, hostname=""))
    run(send(sender), sender)
    assert smtp.commands("EHLO") == ["EHLO [127.0.0.1]"]


class Tokens:
    """A TokenSource: each token is good for one login."""

    def __init__(self, *given: str) -> None:
        self.given, self.forgotten = list(given), list[str]()

    def access_token(self) -> str:
        if not self.given:
            raise SignInNeeded("sign in again")
        return self.given[0]

    def forget(self, token: str) -> bool:
        self.forgotten.append(token)
        self.given.remove(token)
        return bool(self.given)


class TestToken:
    EHLO = (b"250-mx\r\n250 STARTTLS\r\n", b"250-mx\r\n250 AUTH XOAUTH2 PLAIN LOGIN\r\n")

    def make(self, make: Make, certificate: tuple[Path, Path], port: int, tokens: Any, **changes: Any) -> SmtpSender:
        values = {"username": "loket@ons.example", "oauth": True, "security": "starttls", "ca_file": certificate[0]}
        return SmtpSender(make(port=port, **{**values, "ca_file": str(certificate[0])} | changes), tokens=tokens)

    def test_a_token_is_the_login(self, smtp_settings: Make, certificate: tuple[Path, Path]) -> None:
        with ScriptedSmtp({"EHLO": self.EHLO, "AUTH": b"235 2.7.0 in\r\n"}, tls=certificate) as server:
            sender = self.make(smtp_settings, certificate, server.port, Tokens("sleutel"))
            assert run(outcome(sender), sender) is None
            (said,) = [line for line in server.heard if line.startswith("AUTH")]
        mechanism, encoded = said.split(" ")[1:]
        assert mechanism == "XOAUTH2"
        assert base64.b64decode(encoded) == b"user=loket@ons.example\x01auth=Bearer sleutel\x01\x01"

    def test_an_expired_token_is_renewed_and_no_mail_is_lost(
        self, smtp_settings: Make, certificate: tuple[Path, Path]
    ) -> None:
        answers = {
            "EHLO": (*self.EHLO, *self.EHLO),
            "AUTH": [b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n", b"235 2.7.0 in\r\n"],
            "": b"535 5.7.3 no\r\n",
        }
        tokens = Tokens("oud", "nieuw")
        with ScriptedSmtp(answers, tls=certificate) as server:
            sender = self.make(smtp_settings, certificate, server.port, tokens)
            first, second = run(twice(sender), sender)
            assert type(first) is SenderUnavailable and first.reply_code is None
            assert "oud" not in str(first) and "new one" in str(first)
            assert second is None and len(server.received) == 1 and tokens.forgotten == ["oud"]

    def test_a_refused_token_names_the_setting(self, smtp_settings: Make, certificate: tuple[Path, Path]) -> None:
        with ScriptedSmtp({"EHLO": self.EHLO, "AUTH": b"535 5.7.139 no\r\n"}, tls=certificate) as server:
            sender = self.make(smtp_settings, certificate, server.port, Tokens("enige"))
            refused = run(outcome(sender), sender)
            assert type(refused) is SenderUnavailable and refused.reply_code == 535
            assert "mailbox.oauth.scopes" in str(refused) and "PASSWORD" not in str(refused)

    def test_no_token_leaves_in_clear_and_none_is_made_up(
        self, smtp_settings: Make, certificate: tuple[Path, Path]
    ) -> None:
        with ScriptedSmtp({"EHLO": self.EHLO[1]}) as server:
            sender = self.make(smtp_settings, certificate, server.port, Tokens("sleutel"), security="none")
            assert "not encrypted" in str(run(outcome(sender), sender))
        with ScriptedSmtp({"EHLO": self.EHLO}, tls=certificate) as server:
            sender = self.make(smtp_settings, certificate, server.port, Tokens())
            assert "sign in again" in str(run(outcome(sender), sender))
            assert not [line for line in server.heard if line.startswith("AUTH")]


@pytest.mark.protocol("O09")
def test_microsoft_365_is_never_met_with_more_than_three_connections(smtp: RecordingSmtp, smtp_settings: Make) -> None:
    from triage.settings import load_settings

    connections = load_settings().smtp.connections
    assert connections == 3
    sender = SmtpSender(smtp_settings(port=smtp.port, connections=connections))

    async def work() -> None:
        await asyncio.gather(*(send(sender, Envelope("", f"mens{n}@kpn.example")) for n in range(20)))

    run(work(), sender)
    assert len(smtp.received) == 20 and smtp.connections <= 3
