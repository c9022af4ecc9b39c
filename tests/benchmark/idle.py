"""What waiting costs: an idle poll on a held connection, and the whole product for a minute."""

from __future__ import annotations

import functools
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from tests.benchmark.mails import old_mails
from tests.benchmark.rig import Rig, Space
from triage.adapters.imap import ImapMailbox
from triage.bootstrap import build, open_product_store, utc_now
from triage.core.mail import LedgerOutcome, UidRef

_POLL_SECONDS = 10.0
_SETTLE_SECONDS = 15.0  # the first polls compare everything
_POLLS = 50
_BATCH = 500


@dataclass(frozen=True, slots=True)
class IdleFigures:
    mailbox: int  # mails in it, all known
    product_cpu: float  # seconds, all processes
    product_seconds: float
    poll_bytes: float  # both directions
    poll_cpu: float  # seconds


def idle(rig: Rig, sizes: Sequence[int], *, seconds: float = 60.0) -> list[IdleFigures]:
    """One result per mailbox size; the products run beside each other, each with its own processes."""
    with ExitStack() as stack:
        spaces = [stack.enter_context(rig.space(poll_seconds=_POLL_SECONDS)) for _ in sizes]
        for space, size in zip(spaces, sizes, strict=True):
            space.deliver(old_mails(size), batch=_BATCH)
            _know_all(space)
        measured = _products(spaces, seconds)
        return [
            IdleFigures(size, cpu, lasted, *_polls(space))
            for space, size, (cpu, lasted) in zip(spaces, sizes, measured, strict=True)
        ]


def _know_all(space: Space) -> None:
    """The ledger knows every mail of the mailbox, as after a long time of use."""
    settings = space.settings()
    mailbox = ImapMailbox(settings.mailbox)
    store, _ = open_product_store(settings)
    uidvalidity = mailbox.status().uidvalidity
    uids, now = list(mailbox.uids()), utc_now()
    for start in range(0, len(uids), _BATCH):
        part = uids[start : start + _BATCH]
        refs = [UidRef(uidvalidity, uid) for uid in part]
        with store.begin() as uow:
            uow.note_seen(mailbox.name, refs, at=now)
            for ref in refs:
                uow.record_outcome(mailbox.name, ref, LedgerOutcome.IGNORED, at=now, rule="old")
            uow.courtesy_done(mailbox.name, uidvalidity, part)
    mailbox.close()
    store.close()


def _products(spaces: Sequence[Space], seconds: float) -> list[tuple[float, float]]:
    """(CPU seconds, measured seconds) of each idle product."""
    with ExitStack() as stack:
        products = [stack.enter_context(space.product()) for space in spaces]
        for space, product in zip(spaces, products, strict=True):
            product.wait_until(functools.partial(_polled, space), seconds=90, what="the first poll is done")
        time.sleep(_SETTLE_SECONDS)
        before = [(product.cpu(), time.monotonic()) for product in products]
        time.sleep(seconds)
        after = [(product.cpu(), time.monotonic()) for product in products]
        for product in products:
            product.end()
    return [(b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True)]


def _polled(space: Space) -> bool:
    store, _ = open_product_store(space.settings())
    try:
        return any(job.name == "poll" and job.last_succeeded for job in store.queries.health())
    finally:
        store.close()


def _polls(space: Space) -> tuple[float, float]:
    """(bytes, CPU seconds) of one idle poll, the mean of many on one connection."""
    with CountingProxy(space.rig.dovecot.host, space.rig.dovecot.port) as proxy:
        environment = {**space.environment, "TRIAGE_MAILBOX__PORT": str(proxy.port)}
        product = build(replace(space, environment=environment).settings())
        try:
            for _ in range(3):  # connects, compares, and knows everything
                product.intake.poll_once()
            bytes_before, cpu_before = proxy.passed, time.thread_time()
            for _ in range(_POLLS):
                report = product.intake.poll_once()
                if report.handled or report.unaccounted:
                    raise RuntimeError("the mailbox was not idle")
            cpu = time.thread_time() - cpu_before
            time.sleep(0.1)  # the last bytes are counted
            return (proxy.passed - bytes_before) / _POLLS, cpu / _POLLS
        finally:
            product.close()


class CountingProxy:
    """Passes TCP connections on to a server and counts the bytes of both directions; `on_data` sees them first."""

    def __init__(self, host: str, port: int, *, on_data: Callable[[bytes], object] = lambda data: None) -> None:
        self._on_data = on_data
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.port: int = self._listener.getsockname()[1]
        self.passed = self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for item in (self._listener, *self._sockets):
            with suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
            item.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed: the end
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                self.connections += 1
                for item in (client, server):
                    item.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._on_data(data)
                with self._lock:
                    self.passed += len(data)
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
