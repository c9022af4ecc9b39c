"""The MailSender port: one contract for the fake and for SmtpSender on a true aiosmtpd; then what only SMTP can do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.fakes import FakeMailSender
from tests.servers.smtpd import CLOSE, RecordingSmtp
from triage.adapters.smtp import SmtpSender
from triage.errors import (
    DeliveryDeferred,
    DeliveryRefused,
    DeliveryUncertain,
    SenderUnavailable,
    TriageError,
)
from triage.ports import Envelope, MailSender
from triage.settings import SmtpSettings

ENVELOPE = Envelope("meldpunt@juisteloket.example", "ria.koolstra@kpn.example")
NULL = Envelope("", "ria.koolstra@kpn.example")
RAW = b"From: meldpunt@juisteloket.example\r\nSubject: [JL-2026-00001-K7]\r\n\r\nDag\r\n.\r\n..punt\r\n"
Make = Callable[..., SmtpSettings]


async def send(sender: MailSender, envelope: Envelope = ENVELOPE, raw: bytes = RAW) -> None:
    async with sender.session() as session:
        await session.prepare(envelope)
        await session.data(raw)


async def outcome(sender: MailSender, envelope: Envelope = ENVELOPE, raw: bytes = RAW) -> TriageError | None:
    try:
        await send(sender, envelope, raw)
    except TriageError as exc:
        return exc
    return None


def run(work: Coroutine[Any, Any, Any], sender: MailSender) -> Any:
    """Runs `work` and then closes the sender, in one event loop."""

    async def whole() -> Any:
        try:
            return await work
        finally:
            await sender.close()

    return asyncio.run(whole())


class World(Protocol):
    """A sender and the server it meets. `plan` names what the server does next."""

    sender: MailSender

    def plan(self, what: str) -> None: ...
    def accepted(self) -> list[tuple[str, str, bytes]]: ...


class FakeWorld:
    def __init__(self) -> None:
        self.sender: Any = FakeMailSender()

    def plan(self, what: str) -> None:
        if what == "no null reverse path":
            self.sender.refuses_null_reverse_path = True
            return
        step, error = {
            "down": ("session", SenderUnavailable("down")),
            "RCPT 451": ("prepare", DeliveryDeferred("later", reply_code=451, enhanced_status="4.7.1")),
            "RCPT 550": ("prepare", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1")),
            "DATA 452": ("data", DeliveryDeferred("later", reply_code=452, enhanced_status="4.3.1")),
            "DATA 554": ("data", DeliveryRefused("no", reply_code=554, enhanced_status="5.7.1")),
            "close after the dot": ("data", DeliveryUncertain("lost")),
        }[what]
        self.sender.plan(step, error)

    def accepted(self) -> list[tuple[str, str, bytes]]:
        return [(envelope.reverse_path, envelope.forward_path, raw) for envelope, raw in self.sender.sent]


class SmtpWorld:
    def __init__(self, server: RecordingSmtp, sender: SmtpSender) -> None:
        self.server, self.sender = server, sender

    def plan(self, what: str) -> None:
        if what == "down":
            self.server.plan("CONNECT", "421 4.3.2 closing")
        elif what == "no null reverse path":
            self.server.plan("MAIL<>", "550 5.1.7 null sender refused", times=99)
        else:
            place, reply = {
                "RCPT 451": ("RCPT", "451 4.7.1 greylisted, ria.koolstra@kpn.example"),
                "RCPT 550": ("RCPT", "550 5.1.1 unknown ria.koolstra@kpn.example"),
                "DATA 452": (".", "452 4.3.1 full"),
                "DATA 554": (".", "554 5.7.1 spam"),
                "close after the dot": (".", CLOSE),
            }[what]
            self.server.plan(place, reply)

    def accepted(self) -> list[tuple[str, str, bytes]]:
        return [(mail.reverse_path, ",".join(mail.forward_paths), mail.raw) for mail in self.server.received]


@pytest.fixture
def smtp() -> Iterator[RecordingSmtp]:
    with RecordingSmtp() as server:
        yield server


@pytest.fixture(params=["fake", "smtp"])
def world(request: pytest.FixtureRequest, smtp_settings: Make) -> World:
    if request.param == "fake":
        return FakeWorld()
    server: RecordingSmtp = request.getfixturevalue("smtp")
    return SmtpWorld(server, SmtpSender(smtp_settings(port=server.port)))


class TestMailSenderContract:
    def test_bytes_and_envelope_arrive_as_given(self, world: World) -> None:
        run(send(world.sender), world.sender)
        assert world.accepted() == [(ENVELOPE.reverse_path, ENVELOPE.forward_path, RAW)]

    def test_null_reverse_path(self, world: World) -> None:
        run(send(world.sender, NULL), world.sender)
        assert world.accepted() == [("", NULL.forward_path, RAW)]

    def test_refused_null_reverse_path_is_told_apart(self, world: World) -> None:
        async def work() -> tuple[TriageError | None, TriageError | None]:
            return await outcome(world.sender, NULL), await outcome(world.sender)

        world.plan("no null reverse path")
        refused, other = run(work(), world.sender)
        assert isinstance(refused, DeliveryRefused) and refused.null_reverse_path_refused
        assert other is None and len(world.accepted()) == 1

    @pytest.mark.parametrize(
        ("what", "kind", "code", "status"),
        [
            ("RCPT 451", DeliveryDeferred, 451, "4.7.1"),
            ("RCPT 550", DeliveryRefused, 550, "5.1.1"),
            ("DATA 452", DeliveryDeferred, 452, "4.3.1"),
            ("DATA 554", DeliveryRefused, 554, "5.7.1"),
            ("close after the dot", DeliveryUncertain, None, None),
        ],
    )
    def test_every_outcome_and_the_next_mail_goes_on(
        self, world: World, what: str, kind: type[TriageError], code: int | None, status: str | None
    ) -> None:
        async def work() -> tuple[TriageError | None, TriageError | None]:
            return await outcome(world.sender), await outcome(world.sender)

        world.plan(what)
        first, second = run(work(), world.sender)
        assert type(first) is kind
        assert (first.reply_code, first.enhanced_status) == (code, status)  # type: ignore[attr-defined]
        assert not getattr(first, "null_reverse_path_refused", False)
        assert "@" not in str(first) and "greylisted" not in str(first)
        assert second is None and len(world.accepted()) == 1

    def test_no_connection_is_unavailable_and_says_nothing_on_the_mail(self, world: World) -> None:
        async def work() -> tuple[TriageError | None, TriageError | None]:
            return await outcome(world.sender), await outcome(world.sender)

        world.plan("down")
        first, second = run(work(), world.sender)
        assert type(first) is SenderUnavailable and second is None
        assert len(world.accepted()) == 1

    def test_address_beyond_ascii_is_not_mangled(self, smtp_settings: Make) -> None:
        foreign = Envelope("", "rené@kpn.example")
        with RecordingSmtp(smtputf8=False) as server:
            for sender in (SmtpSender(smtp_settings(port=server.port)), FakeMailSender()):
                refused = run(outcome(sender, foreign), sender)
                assert type(refused) is DeliveryRefused and refused.reply_code is None
                assert "ren" not in str(refused)
            assert server.received == [] and not server.commands("RCPT", "DATA")


class TestOverSmtp:
    def test_one_connection_serves_many_mails(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))

        async def work() -> None:
            for _ in range(5):
                await send(sender)

        run(work(), sender)
        assert len(smtp.received) == 5 and smtp.connections == 1
        assert smtp.commands("EHLO") == ["EHLO triage.test.example"]
        assert smtp.commands("RSET") == [] and smtp.commands("QUIT") == ["QUIT"]

    def test_at_most_the_configured_connections(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port, connections=2))

        async def work() -> None:
            await asyncio.gather(*(send(sender) for _ in range(12)))

        run(work(), sender)
        assert len(smtp.received) == 12 and smtp.connections <= 2

    def test_a_refused_recipient_keeps_the_connection(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))
        smtp.plan("RCPT", "451 4.7.1 later", nth=2)

        async def work() -> list[TriageError | None]:
            return [await outcome(sender) for _ in range(3)]

        results = run(work(), sender)
        assert [type(result) for result in results] == [type(None), DeliveryDeferred, type(None)]
        assert smtp.connections == 1 and smtp.commands("RSET") == ["RSET"]

    def test_prepared_but_not_sent_leaves_no_half_mail(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))

        async def work() -> None:
            async with sender.session() as session:
                await session.prepare(ENVELOPE)
            await send(sender, Envelope("", "ander@kpn.example"))

        run(work(), sender)
        assert [mail.forward_paths for mail in smtp.received] == [("ander@kpn.example",)]
        assert smtp.connections == 1

    def test_held_connection_closed_by_the_server_is_replaced(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))

        async def work() -> None:
            await send(sender)
            await asyncio.to_thread(smtp.drop_connections)
            await send(sender)
            smtp.plan("MAIL", "421 4.4.2 idle for too long")
            await send(sender)
            smtp.plan("MAIL", CLOSE)
            await send(sender)

        run(work(), sender)
        assert len(smtp.received) == 4 and smtp.connections == 4

    def test_421_on_a_new_connection_is_deferred(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))
        smtp.plan("MAIL", "421 4.3.2 overloaded")
        result = run(outcome(sender), sender)
        assert type(result) is DeliveryDeferred and result.reply_code == 421

    def test_idle_connections_are_given_back(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port), idle_seconds=0.1)

        async def work() -> None:
            await send(sender)
            await asyncio.sleep(0.4)
            assert smtp.commands("QUIT") == ["QUIT"]
            await send(sender)

        run(work(), sender)
        assert smtp.connections == 2 and len(smtp.received) == 2

    @pytest.mark.parametrize("place", ["MAIL", "RCPT"])
    def test_connection_lost_before_data_is_certainly_not_sent(
        self, smtp: RecordingSmtp, smtp_settings: Make, place: str
    ) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))
        smtp.plan(place, CLOSE)
        assert type(run(outcome(sender), sender)) is DeliveryDeferred
        assert smtp.received == []

    def test_connection_gone_between_prepare_and_data_is_certainly_not_sent(
        self, smtp: RecordingSmtp, smtp_settings: Make
    ) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))

        async def work() -> TriageError | None:
            try:
                async with sender.session() as session:
                    await session.prepare(ENVELOPE)
                    await asyncio.to_thread(smtp.drop_connections)
                    await session.data(RAW)
            except TriageError as exc:
                return exc
            return None

        assert type(run(work(), sender)) is DeliveryDeferred

    def test_silence_before_data_is_deferred_and_after_the_dot_uncertain(
        self, smtp: RecordingSmtp, smtp_settings: Make
    ) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port, timeout_seconds=1), data_seconds=0.3)
        smtp.plan("RCPT", "", delay=1.5)
        assert type(run(outcome(sender), sender)) is DeliveryDeferred
        smtp.plan(".", "250 late", delay=0.8)
        assert type(run(outcome(sender), sender)) is DeliveryUncertain

    def test_slow_answer_after_the_dot_is_waited_for(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port, timeout_seconds=1))
        smtp.plan(".", "250 2.0.0 at last", delay=1.5)
        assert run(outcome(sender), sender) is None

    @pytest.mark.parametrize(
        ("place", "reply", "kind"),
        [
            (".", "252 2.0.0 will see", type(None)),
            ("MAIL", "251 fine", DeliveryRefused),  # aiosmtpd then knows no sender and refuses RCPT with 503
            (".", "399 strange", DeliveryUncertain),
            (".", "no reply at all", DeliveryUncertain),
            ("DATA", "250 what?", DeliveryDeferred),
            ("DATA", "554 5.5.1 no", DeliveryRefused),
            ("DATA", "451 4.3.0 later", DeliveryDeferred),
            ("DATA", CLOSE, DeliveryUncertain),
            ("MAIL", "451 4.3.0 later", DeliveryDeferred),
            ("MAIL", "552 5.3.4 too big", DeliveryRefused),
            ("MAIL", "530 5.7.0 login first", SenderUnavailable),
        ],
    )
    def test_replies_are_read_by_their_first_digit(
        self, smtp: RecordingSmtp, smtp_settings: Make, place: str, reply: str, kind: type
    ) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))
        smtp.plan(place, reply)
        assert type(run(outcome(sender), sender)) is kind

    def test_server_down(self, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=9))
        result = run(outcome(sender), sender)
        assert type(result) is SenderUnavailable
        assert "127.0.0.1:9 cannot be reached" in str(result) and "smtp.port" in str(result)

    def test_nothing_configured(self, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(host=""))
        assert "set smtp.host" in str(run(outcome(sender), sender))

    @pytest.mark.protocol("F03")
    def test_delivery_reports_are_declined_where_the_server_can(self, smtp_settings: Make) -> None:
        with RecordingSmtp(dsn=True) as server:
            sender = SmtpSender(smtp_settings(port=server.port))

            async def work() -> None:
                await send(sender, NULL)
                await send(sender)

            run(work(), sender)
            assert server.commands("MAIL") == ["MAIL FROM:<> RET=HDRS", f"MAIL FROM:<{ENVELOPE.reverse_path}>"]
            assert server.commands("RCPT")[0].endswith("NOTIFY=NEVER")
            assert "NOTIFY" not in server.commands("RCPT")[1]

    def test_size_and_8bit_are_announced_when_known(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))
        eight_bit = RAW + "één\r\n".encode()

        async def work() -> None:
            async with sender.session() as session:
                await session.prepare(ENVELOPE, raw=eight_bit)
                await session.data(eight_bit)

        run(work(), sender)
        assert smtp.commands("MAIL")[0].endswith(f"SIZE={len(eight_bit)} BODY=8BITMIME")
        assert smtp.received[0].raw == eight_bit

    def test_too_large_and_8bit_for_a_7bit_server_never_reach_data(self, smtp_settings: Make) -> None:
        with RecordingSmtp(size_limit=5000, hidden=frozenset({"8BITMIME"})) as server:
            sender = SmtpSender(smtp_settings(port=server.port))

            async def work() -> list[TriageError | None]:
                return [await outcome(sender, raw=RAW + b"x" * 5000), await outcome(sender, raw=RAW + b"\xe9\r\n")]

            assert [type(result) for result in run(work(), sender)] == [DeliveryRefused, DeliveryRefused]
            assert server.commands("DATA") == []

    @pytest.mark.protocol("H10", "S16")
    def test_utf8_address_and_foreign_domain(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))

        async def work() -> None:
            await send(sender, Envelope("", "rené@kpn.example"))
            await send(sender, Envelope("", "rene@zorgcafé.example"))

        run(work(), sender)
        assert [mail.forward_paths[0] for mail in smtp.received] == ["rené@kpn.example", "rene@xn--zorgcaf-hya.example"]
        assert ["SMTPUTF8" in line for line in smtp.commands("MAIL")] == [True, False]

    @pytest.mark.parametrize(
        "address",
        ["a,b@kpn.example", "a b@kpn.example", "a@b\r\nDATA", "<a@b.example>", "niemand", "a(b)@c.example", ""],
    )
    def test_no_other_address_than_the_given_one(self, smtp: RecordingSmtp, smtp_settings: Make, address: str) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))
        assert type(run(outcome(sender, Envelope("", address)), sender)) is DeliveryRefused
        assert smtp.commands("MAIL", "RCPT") == []

    def test_a_name_for_ehlo_without_a_setting_is_not_localhost(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port, hostname=""))
        run(send(sender), sender)
        (said,) = smtp.commands("EHLO")
        assert "localhost" not in said and ("." in said)

    def test_each_event_loop_gets_its_own_connection(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))
        asyncio.run(send(sender))
        run(send(sender), sender)
        assert len(smtp.received) == 2

    def test_cancelled_in_the_middle_spoils_no_later_mail(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))
        smtp.plan("RCPT", "", delay=0.5)

        async def work() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(send(sender), 0.2)
            await send(sender)

        run(work(), sender)
        assert len(smtp.received) == 1

    def test_probe_tells_what_the_server_offers(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port))
        facts = dict(run(sender.probe(), sender))
        assert facts["offered"] == "SIZE, 8BITMIME, SMTPUTF8" and facts["encrypted"] == "no"
        assert facts["largest mail"] == "1000000 bytes"


class TestLoginAndTls:
    LOGIN = ("loket@juisteloket.example", 'ge"heim é')

    @pytest.mark.protocol("S12", "S13")
    def test_starttls_and_login(self, certificate: tuple[Path, Path], smtp_settings: Make) -> None:
        with RecordingSmtp(tls=certificate, login=self.LOGIN) as server:
            sender = SmtpSender(self._settings(smtp_settings, server, certificate))
            run(send(sender), sender)
            assert len(server.received) == 1 and server.commands("AUTH") == ["AUTH PLAIN"]
            assert len(server.commands("EHLO")) == 2  # what was offered in clear is forgotten (RFC 3207 §4.2)

    @pytest.mark.protocol("S13")
    def test_implicit_tls(self, certificate: tuple[Path, Path], smtp_settings: Make) -> None:
        with RecordingSmtp(tls=certificate, implicit_tls=True, login=self.LOGIN) as server:
            sender = SmtpSender(self._settings(smtp_settings, server, certificate, security="tls"))
            run(send(sender), sender)
            assert len(server.received) == 1

    @pytest.mark.protocol("S11")
    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_untrusted_certificate_is_refused(
        self, certificate: tuple[Path, Path], smtp_settings: Make, security: str
    ) -> None:
        with RecordingSmtp(tls=certificate, implicit_tls=security == "tls", login=self.LOGIN) as server:
            sender = SmtpSender(self._settings(smtp_settings, server, certificate, security=security, ca_file=""))
            result = run(outcome(sender), sender)
            assert type(result) is SenderUnavailable
            assert "certificate is not trusted" in str(result) and "smtp.ca_file" in str(result)
            assert server.received == [] and server.commands("AUTH", "MAIL") == []

    @pytest.mark.protocol("S11")
    def test_starttls_taken_away_sends_nothing(self, smtp_settings: Make, certificate: tuple[Path, Path]) -> None:
        with RecordingSmtp(login=self.LOGIN) as server:
            sender = SmtpSender(self._settings(smtp_settings, server, certificate))
            result = run(outcome(sender), sender)
            assert type(result) is SenderUnavailable and "does not offer STARTTLS" in str(result)
            assert server.commands("AUTH", "MAIL") == []

    @pytest.mark.protocol("O12")
    @pytest.mark.parametrize(("reply", "code"), [("535 5.7.8 wrong", 535), ("435 4.7.0 later", 435)])
    def test_refused_login_is_no_refused_mail(self, smtp_settings: Make, reply: str, code: int) -> None:
        with RecordingSmtp(login=self.LOGIN) as server:
            sender = SmtpSender(
                smtp_settings(port=server.port, username=self.LOGIN[0], password=self.LOGIN[1], connections=4)
            )
            server.plan("AUTH", reply, times=99)

            async def work() -> list[TriageError | None]:
                return await asyncio.gather(*(outcome(sender) for _ in range(4)))

            results = run(work(), sender)
            assert [type(result) for result in results] == [SenderUnavailable] * 4
            assert {result.reply_code for result in results} == {code}
            assert ("smtp.password" in str(results[0])) is (code == 535) and "heim" not in str(results[0])
            assert len(server.commands("AUTH")) == 1  # four attempts would lock the account
            assert server.commands("MAIL") == []

    def test_wrong_password(self, smtp_settings: Make) -> None:
        with RecordingSmtp(login=self.LOGIN) as server:
            sender = SmtpSender(smtp_settings(port=server.port, username=self.LOGIN[0], password="verkeerd"))
            result = run(outcome(sender), sender)
            assert type(result) is SenderUnavailable and result.reply_code == 535
            text = str(result)
            assert f"127.0.0.1:{server.port} refused the login as smtp.username (reply 535)" in text
            assert "TRIAGE_SMTP__PASSWORD" in text and "@" not in text and self.LOGIN[0] not in text

    def test_no_login_offered(self, smtp: RecordingSmtp, smtp_settings: Make) -> None:
        sender = SmtpSender(smtp_settings(port=smtp.port, username="loket", password="geheim"))
        assert "offers no login" in str(run(outcome(sender), sender))

    def _settings(
        self, make: Make, server: RecordingSmtp, certificate: tuple[Path, Path], **changes: Any
    ) -> SmtpSettings:
        values = {
            "port": server.port,
            "username": self.LOGIN[0],
            "password": self.LOGIN[1],
            "security": "starttls",
            "ca_file": str(certificate[0]),
        }
        return make(**values | changes)
