"""The look at Sent before a reply leaves: it shares the mailbox, and holds nothing back for long."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from triage import host as host_module
from triage.bootstrap import Product
from triage.host import Host


class Looking:
    """A look that lasts until told."""

    def __init__(self, *, due: bool = True) -> None:
        self.due, self.looks, self.goes_on = due, 0, threading.Event()

    def reply_is_due(self) -> bool:
        return self.due

    def look_once(self) -> None:
        self.looks += 1
        self.goes_on.wait(20)


def host_with(looking: Looking, woken: list[str]) -> Host:
    mailbox = SimpleNamespace(stop_waiting=lambda: woken.append("woken"))
    product = SimpleNamespace(client_mail=looking, mailbox=mailbox)
    return Host(cast("Product", product))


def test_a_look_ends_the_wait_for_news_and_takes_the_mailbox() -> None:
    looking, woken = Looking(), list[str]()
    looking.goes_on.set()

    async def run() -> None:
        await host_with(looking, woken)._look_before_release()

    asyncio.run(run())
    assert looking.looks == 1 and woken == ["woken"]


def test_without_a_reply_nobody_looks() -> None:
    looking = Looking(due=False)
    asyncio.run(host_with(looking, [])._look_before_release())
    assert looking.looks == 0


def test_a_silent_server_holds_no_reply_back_and_keeps_the_mailbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "_LOOK_SECONDS", 0.05)
    looking = Looking()

    async def run() -> None:
        host: Any = host_with(looking, [])
        async with asyncio.timeout(5):
            await host._look_before_release()
            await host._look_before_release()  # the next reply: the first look still waits
        assert looking.looks == 1 and host._mailbox_free.locked()
        looking.goes_on.set()
        async with asyncio.timeout(5), host._mailbox_free:
            pass

    asyncio.run(run())
    assert looking.looks == 1
