"""Hearing of new mail at once (IDLE, RFC 2177), with polling beneath: the connection, then the whole product."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.integration.desks import dovecot_mailbox
from tests.integration.harness import US, mail
from tests.integration.test_command_line import free_port
from tests.servers.dovecot import DovecotServer
from tests.servers.scripted import HANG, HANG_UP, LISTEN, CuttingProxy, ScriptedImap
from triage.adapters.imap import ImapMailbox
from triage.bootstrap import Product, build
from triage.errors import MailboxUnavailable
from triage.host import Host
from triage.settings import MailboxSettings, load_settings

LONG = 60.0


class Waiting:
    """`wait_for_news` in a thread of its own, as the product calls it."""

    def __init__(self, mailbox: ImapMailbox, seconds: float = LONG) -> None:
        self.news: bool | None = None
        self.error: MailboxUnavailable | None = None
        self._mailbox, self._seconds = mailbox, seconds
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.news = self._mailbox.wait_for_news(self._seconds)
        except MailboxUnavailable as exc:
            self.error = exc

    def ended(self) -> bool | None:
        self.thread.join(20)
        assert not self.thread.is_alive(), "still waiting"
        return self.news


def wait_until(done: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.01)


@pytest.mark.dovecot
class TestOnDovecot:
    def test_an_arrival_ends_the_wait_on_the_one_connection(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with CuttingProxy(dovecot.port) as proxy:
            mailbox, account = dovecot_mailbox(dovecot, mailbox_settings, port=proxy.port)
            mailbox.status()
            for number in (1, 2, 3):
                commands = proxy.commands
                waiting = Waiting(mailbox)
                wait_until(lambda before=commands: proxy.commands > before)  # IDLE is on its way
                dovecot.append(account, mail(number))
                assert waiting.ended() is True
                assert mailbox.status().messages == number and len(list(mailbox.fetch([number]))) == 1
            assert proxy.connections == 1
            mailbox.close()

    def test_what_colleagues_read_wakes_nobody_and_what_they_remove_does(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        dovecot.append(account, mail(1))
        mailbox.status()
        waiting = Waiting(mailbox)
        colleague = dovecot.client(account)
        colleague.select_folder("INBOX")
        for flag in (b"\\Seen", b"\\Flagged", b"gelezen"):
            colleague.add_flags([1], [flag])
        waiting.thread.join(1.2)  # Dovecot tells after half a second
        assert waiting.thread.is_alive()
        colleague.delete_messages([1])
        colleague.expunge()
        assert waiting.ended() is True
        assert mailbox.status().messages == 0
        colleague.logout()
        mailbox.close()

    def test_the_poll_takes_the_connection_back_whenever_it_wants(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        mailbox, account = dovecot_mailbox(dovecot, mailbox_settings)
        mailbox.status()
        waiting = Waiting(mailbox)
        time.sleep(0.1)  # either way must work: while it waits, or before it began
        mailbox.stop_waiting()
        assert waiting.ended() is False
        mailbox.stop_waiting()
        assert mailbox.wait_for_news(LONG) is False  # nobody waited: the next wait ends at once
        dovecot.append(account, mail(1))
        assert mailbox.status().messages == 1
        assert mailbox.wait_for_news(0.2) is False and mailbox.can_wait
        mailbox.close()
        assert mailbox.wait_for_news(LONG) is False

    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_inside_tls(
        self, dovecot_tls: DovecotServer, mailbox_settings: Callable[..., MailboxSettings], security: str
    ) -> None:
        port = dovecot_tls.tls_port if security == "tls" else dovecot_tls.port
        ca_file = str(dovecot_tls.certificate)
        mailbox, account = dovecot_mailbox(dovecot_tls, mailbox_settings, port=port, security=security, ca_file=ca_file)
        mailbox.status()
        for number in (1, 2):
            waiting = Waiting(mailbox)
            client = dovecot_tls.secure_client(account)
            client.append("INBOX", mail(number))
            client.logout()
            assert waiting.ended() is True
            assert mailbox.status().messages == number
        mailbox.close()

    @pytest.mark.protocol("I26")
    def test_a_connection_that_died_without_a_word_is_found(
        self, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with CuttingProxy(dovecot.port) as proxy:
            mailbox, account = dovecot_mailbox(dovecot, mailbox_settings, port=proxy.port, timeout_seconds=1)
            mailbox.status()
            waiting = Waiting(mailbox, 1.0)
            time.sleep(0.2)
            proxy.deaf = True  # as a router that forgot the connection
            dovecot.append(account, mail(1))
            assert waiting.ended() is None
            assert "no answer in time" in str(waiting.error)
            proxy.deaf = False
            assert mailbox.status().messages == 1 and proxy.connections == 2
            mailbox.close()


class TestScripted:
    ANSWERS: ClassVar[dict[str, Any]] = {
        "CAPABILITY": ["* CAPABILITY IMAP4rev1 IDLE"],
        "SELECT": ["* 1 EXISTS", "* FLAGS ()", "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 12] ok"],
    }

    @pytest.mark.protocol("I27")
    def test_not_offered_means_polling(self, mailbox_settings: Callable[..., MailboxSettings]) -> None:
        with ScriptedImap({**self.ANSWERS, "CAPABILITY": ["* CAPABILITY IMAP4rev1"]}) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port))
            mailbox.status()
            assert mailbox.wait_for_news(LONG) is False and not mailbox.can_wait
            assert mailbox.status().messages == 1 and "IDLE" not in server.heard

    def test_switched_off_in_the_settings(self, mailbox_settings: Callable[..., MailboxSettings]) -> None:
        with ScriptedImap(self.ANSWERS) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port, idle=False))
            mailbox.status()
            assert mailbox.wait_for_news(LONG) is False and not mailbox.can_wait and "IDLE" not in server.heard

    @pytest.mark.parametrize("refusal", ["NO not for you", "BAD unknown command"])
    @pytest.mark.protocol("I27")
    def test_offered_but_refused_is_asked_once(
        self, mailbox_settings: Callable[..., MailboxSettings], refusal: str
    ) -> None:
        with ScriptedImap({**self.ANSWERS, "IDLE": refusal}) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port))
            for _ in range(3):
                mailbox.status()
                assert mailbox.wait_for_news(LONG) is False and not mailbox.can_wait
            assert server.heard.count("IDLE") == 1 and server.connections == 1

    @pytest.mark.protocol("I26", "I12")
    @pytest.mark.parametrize(
        "end", [["+ idling", "* BYE [UNAVAILABLE] bye", HANG_UP], ["+ idling", HANG_UP], ["* BYE closing", HANG_UP]]
    )
    def test_bye_and_hang_up_in_idle(self, mailbox_settings: Callable[..., MailboxSettings], end: list[str]) -> None:
        with ScriptedImap({**self.ANSWERS, "IDLE": (end, ["+ idling", "* 2 EXISTS", LISTEN])}) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port))
            mailbox.status()
            with pytest.raises(MailboxUnavailable, match="waiting for new mail failed"):
                mailbox.wait_for_news(LONG)
            mailbox.status()
            assert mailbox.wait_for_news(LONG) is True and server.connections == 2

    @pytest.mark.protocol("I28")
    def test_noise_before_and_in_idle_is_no_news_and_no_error(
        self, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        noise = [
            "* 1 EXISTS", "+ idling", "* OK Still here", "* 1 FETCH (FLAGS (\\Seen))", "* XNIEUW 3", "* 0 RECENT",
            "* OK [XCODE 7] hallo", b"* 1 FETCH (X {3}\r\na\r\n)\r\n", "* 1 EXISTS", LISTEN,
        ]  # fmt: skip
        with ScriptedImap({**self.ANSWERS, "IDLE": noise}) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port))
            mailbox.status()
            assert mailbox.wait_for_news(0.3) is False and server.heard[-1] == "DONE"
            assert mailbox.status().messages == 1 and server.heard.count('SELECT "INBOX"') == 1

    def test_news_that_came_before_the_wait_began(self, mailbox_settings: Callable[..., MailboxSettings]) -> None:
        with ScriptedImap({**self.ANSWERS, "IDLE": ["* 2 EXISTS", "+ idling", LISTEN]}) as server:
            mailbox = ImapMailbox(mailbox_settings(port=server.port))
            mailbox.status()
            assert mailbox.wait_for_news(LONG) is True


# ---------------------------------------------------------------- the whole product


@pytest.fixture
def product_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Product]]:
    products: list[Product] = []

    def make(**changes: object) -> Product:
        values = {
            "CONFIG_DIR": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), "MAILBOX__HOST": "127.0.0.1",
            "MAILBOX__SECURITY": "none", "MAILBOX__USERNAME": "loket", "MAILBOX__PASSWORD": "geheim-wachtwoord",
            "SMTP__HOST": "127.0.0.1", "SMTP__PORT": "9", "SMTP__SECURITY": "none", "SMTP__FROM": US,
            "SMTP__RELAY_SECONDS": "3000", "WEB__PORT": str(free_port()), "ACKNOWLEDGEMENTS__MODE": "live",
            "MODEL__DIRECTORY": str(tmp_path / "no-model"), **changes,
        }  # fmt: skip
        for name, value in values.items():
            monkeypatch.setenv(f"TRIAGE_{name}", str(value))
        products.append(build(load_settings()))
        return products[-1]

    yield make
    for product in products:
        product.close()


def host_runs(product: Product, steps: Callable[[], Awaitable[None]]) -> None:
    """Runs the product's host until the steps are done, and ends it as systemd does."""

    async def run() -> None:
        host = Host(product)
        ready = asyncio.Event()

        async def do_steps() -> None:
            await ready.wait()
            try:
                await steps()
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        task = asyncio.create_task(do_steps())
        await host.run(host.listen(), ready=ready.set)
        await task

    asyncio.run(run())


def cases(product: Product) -> int:
    return int(product.store.queries.demo_summary()["cases"])


async def reached(done: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not await asyncio.to_thread(done):
        assert time.monotonic() < until, "waited too long"
        await asyncio.sleep(0.02)


@pytest.mark.dovecot
class TestHost:
    def test_new_mail_is_a_case_long_before_the_next_poll(
        self, dovecot: DovecotServer, product_on: Callable[..., Product]
    ) -> None:
        account, _ = dovecot.account()
        with CuttingProxy(dovecot.port) as proxy:
            product = product_on(
                MAILBOX__PORT=proxy.port, MAILBOX__USERNAME=account, MAILBOX__POLL_SECONDS=3000,
                MAILBOX__IDLE_SECONDS=10,
            )  # fmt: skip

            async def steps() -> None:
                await reached(lambda: proxy.commands > 6)
                for number in (1, 2, 3):
                    await asyncio.to_thread(dovecot.append, account, mail(number))
                    await reached(lambda wanted=number: cases(product) == wanted)

            host_runs(product, steps)
            assert proxy.connections == 1
            assert product.store.queries.ledger().unaccounted == 0

    @pytest.mark.protocol("I26")
    def test_a_poll_catches_what_a_broken_wait_missed(
        self, dovecot: DovecotServer, product_on: Callable[..., Product]
    ) -> None:
        account, _ = dovecot.account()
        with CuttingProxy(dovecot.port) as proxy:
            product = product_on(MAILBOX__PORT=proxy.port, MAILBOX__USERNAME=account, MAILBOX__POLL_SECONDS=1)

            async def steps() -> None:
                for number in (1, 2, 3):
                    await asyncio.to_thread(dovecot.append, account, mail(number))
                    proxy.cut()
                    await reached(lambda wanted=number: cases(product) == wanted)

            host_runs(product, steps)
            assert 2 <= proxy.connections <= 12

    def test_several_polls_go_on_beneath_the_wait(
        self, dovecot: DovecotServer, product_on: Callable[..., Product]
    ) -> None:
        account, _ = dovecot.account()
        with CuttingProxy(dovecot.port) as proxy:
            product = product_on(MAILBOX__PORT=proxy.port, MAILBOX__USERNAME=account, MAILBOX__POLL_SECONDS=1)

            async def steps() -> None:
                commands = proxy.commands
                await reached(lambda: proxy.commands > commands + 12)

            host_runs(product, steps)
            assert proxy.connections == 1


class TestHangingServer:
    @pytest.mark.protocol("I34")
    def test_the_screens_stay_up_and_the_poll_gives_up(self, product_on: Callable[..., Product]) -> None:
        with ScriptedImap({"SELECT": HANG}) as server:
            product = product_on(MAILBOX__PORT=server.port, MAILBOX__TIMEOUT_SECONDS=2, MAILBOX__POLL_SECONDS=1)
            url = f"http://127.0.0.1:{product.settings.web.port}/gezond"

            def state() -> dict[str, Any]:
                try:
                    with urllib.request.urlopen(url, timeout=5) as answer:
                        return dict(json.loads(answer.read()))
                except urllib.error.HTTPError as exc:  # not healthy, and says so
                    with exc:
                        return dict(json.loads(exc.read()))

            async def steps() -> None:
                await reached(lambda: any(line.startswith("SELECT") for line in server.heard))
                assert "healthy" in await asyncio.to_thread(state)
                await reached(
                    lambda: "MailboxUnavailable" in [job.last_error for job in product.store.queries.health()]
                )

            host_runs(product, steps)
            assert server.connections <= 3
