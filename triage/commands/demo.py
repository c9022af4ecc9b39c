"""`demo`: the settings of an embedded default and the servers it starts; the rest is `serve`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from triage import logs
from triage.bootstrap import Product, build, utc_now
from triage.commands.output import json_line, mail_line, say
from triage.commands.running import serve
from triage.demo.samples import load, sample_paths
from triage.demo.servers import EmbeddedServers
from triage.settings import Settings, default_values, load_settings
from triage.web.auth import password_hash

ADDRESS = "meldpunt@juisteloket.example"
ARRIVAL_SECONDS = 50.0  # the sample mails arrive spread over this time
_MOST_ROUNDS = 50
_ACCOUNTS = (
    ("medewerker", "Marit de Boer", "medewerker"),
    ("trainee", "Sem Visser", "trainee"),
    ("toezichthouder", "Noor Bakker", "toezichthouder"),
    ("beheerder", "Bas Mulder", "beheerder"),
)


class ServerThread:
    """The embedded servers on an event loop of their own, as a mail provider would be elsewhere."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded-servers", daemon=True)
        self.servers = EmbeddedServers(address=ADDRESS, password=secrets.token_urlsafe(12))

    def __enter__(self) -> ServerThread:
        self._thread.start()
        self.call(self.servers.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.servers.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def deliver(self, path: Path) -> None:
        self.call(self.servers.deliver(load(path), datetime.now(UTC)))


@contextlib.contextmanager
def embedded() -> Iterator[tuple[ServerThread, Settings]]:
    """Servers and settings of the embedded default, in a data folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="triage-demo-") as folder, ServerThread() as thread:
        yield thread, load_settings({"log": {"level": "warning"}}, forced=own_settings(folder, thread.servers))


def own_settings(folder: str, servers: EmbeddedServers) -> dict[str, Any]:
    """The whole of each section through which a demo could reach a real server, mailbox, database or key.

    Forced, and complete, because the machine it runs on may hold the settings of a real one."""
    defaults = default_values()
    connection = {"host": servers.host, "security": "none"}
    own: dict[str, dict[str, Any]] = {
        "mailbox": {
            **connection,
            "port": servers.imap_port,
            "username": ADDRESS,
            "password": servers.password,
            "addresses": [ADDRESS],
            "poll_seconds": 2,
        },
        "smtp": {
            **connection,
            "port": servers.smtp_port,
            "from": ADDRESS,
            "relay_seconds": 1,
            "hostname": "demo.juisteloket.example",
        },
        "database": {},
        "acknowledgements": {"mode": "live"},
        "alerts": {"to": ["toezicht@juisteloket.example"]},
        "seal": {},
    }
    return {"data_dir": folder, **{section: {**defaults[section], **values} for section, values in own.items()}}


def demo(*, once: bool, as_json: bool) -> int:
    with embedded() as (thread, settings):
        if once:
            return _once(thread, settings, as_json)
        _serve(thread, settings)
        return 0


def _serve(thread: ServerThread, settings: Settings) -> None:
    stop = threading.Event()
    paths = sample_paths()

    def arrive() -> None:
        for path in paths:
            if stop.wait(ARRIVAL_SECONDS / len(paths)):
                return
            thread.deliver(path)
        if not stop.wait(3):
            say(f"All {len(paths)} sample mails have arrived. What was sent: {len(thread.servers.received())} mails.")

    def ready(product: Product) -> None:
        say("Log in with one of these (made for this run; everything is gone when it ends):")
        for username, name, role in _ACCOUNTS:
            password = secrets.token_urlsafe(9)
            product.store.accounts.add(
                username=username, display_name=name, role=role, password_hash=password_hash(password), at=utc_now()
            )
            say(f"  {username:<15} {password:<14} ({role})")
        say(f"{len(paths)} sample mails arrive within a minute:")
        threading.Thread(target=arrive, name="arrivals", daemon=True).start()

    try:
        serve(settings, ready=ready)
    finally:
        stop.set()


def _once(thread: ServerThread, settings: Settings, as_json: bool) -> int:
    """The whole sample mailbox, to the end: cycles of `poll` and `relay` until nothing is left to do."""
    logs.configure(settings.log.level, settings.log.format)
    product = build(settings, on_taken_in=lambda taken: say(mail_line(taken, utc_now)))
    try:
        for path in sample_paths():
            thread.deliver(path)
        asyncio.run(_to_the_end(product))
        summary = dict(product.store.queries.demo_summary())
    finally:
        product.close()
    if as_json:
        json_line(summary)
    else:
        print("; ".join(f"{key} {value}" for key, value in summary.items()))  # noqa: T201 - the command's result
    accepted = sum("auto-replied" in mail.raw.decode("latin-1") for mail in thread.servers.received())
    if accepted != summary["acknowledged"]:
        say(f"error: the server holds {accepted} acknowledgements, the store says {summary['acknowledged']}")
        return 1
    return 0 if summary["unaccounted"] == 0 and summary["pending"] == 0 else 1


async def _to_the_end(product: Product) -> None:
    try:
        for _ in range(_MOST_ROUNDS):
            report = await asyncio.to_thread(product.intake.poll_once)
            await product.relay.relay_once()
            if not report.handled and not report.failed and not report.unaccounted:
                return
    finally:
        await product.sender.close()
