"""The demo's own servers in a thread, for synchronous tests."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Self

from tests.servers.loop_thread import LoopThread
from triage.demo.servers import EmbeddedServers, ReceivedMail


class EmbeddedThread:
    """As `EmbeddedServers`, with plain methods."""

    def __init__(self) -> None:
        self.servers = EmbeddedServers()

    def __enter__(self) -> Self:
        self._thread = LoopThread()
        self._thread.run(self.servers.__aenter__())
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.run(self.servers.__aexit__(None, None, None))
        self._thread.stop()

    @property
    def imap_port(self) -> int:
        return self.servers.imap_port

    @property
    def smtp_port(self) -> int:
        return self.servers.smtp_port

    def deliver(self, raw: bytes, at: datetime | None = None) -> int:
        return self._thread.run(self.servers.deliver(raw, at))

    def received(self) -> list[ReceivedMail]:
        return self.servers.received()
