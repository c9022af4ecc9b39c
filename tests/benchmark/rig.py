"""What the measuring commands stand on: a mailbox in Dovecot, an SMTP server, the product as a real process.

The product is started as an operator starts it (`run.py serve` with TRIAGE_* variables); what it does is read from
outside: its database, its servers, its process times.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

import run
from tests.benchmark.mails import ADDRESS
from tests.benchmark.sink import SinkProcess
from tests.servers.dovecot import DovecotServer
from triage.settings import Settings, load_settings

ROOT = run.ROOT
_LOOK_SECONDS = 0.02
_NO_LIMIT = "1000000"


class Rig:
    """Dovecot, an SMTP server and a folder, for one command. `space()` gives a fresh mailbox with its settings."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triage-bench-")))
            self.dovecot = stack.enter_context(DovecotServer())
            self.imap_server = next(
                child for child in psutil.Process().children() if str(self.dovecot.folder) in " ".join(child.cmdline())
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def space(self, *, poll_seconds: float = 1.0, imap_port: int = 0) -> Iterator[Space]:
        """A mailbox, a data folder and an SMTP server that nothing else uses."""
        username, password = self.dovecot.account()
        folder = Path(tempfile.mkdtemp(prefix="space-", dir=self.folder))
        (folder / "config").mkdir()
        with SinkProcess(folder / "sink.jsonl") as sink:
            environment = {
                "TRIAGE_CONFIG_DIR": str(folder / "config"),  # without anybody's local.toml
                "TRIAGE_DATA_DIR": str(folder / "data"),
                "TRIAGE_MAILBOX__HOST": self.dovecot.host,
                "TRIAGE_MAILBOX__PORT": str(imap_port or self.dovecot.port),
                "TRIAGE_MAILBOX__USERNAME": username,
                "TRIAGE_MAILBOX__PASSWORD": password,
                "TRIAGE_MAILBOX__SECURITY": "none",
                "TRIAGE_MAILBOX__ADDRESSES": f'["{ADDRESS}"]',
                "TRIAGE_MAILBOX__POLL_SECONDS": str(poll_seconds),
                "TRIAGE_SMTP__HOST": "127.0.0.1",
                "TRIAGE_SMTP__PORT": str(sink.port),
                "TRIAGE_SMTP__SECURITY": "none",
                "TRIAGE_SMTP__FROM": ADDRESS,
                "TRIAGE_WEB__PORT": str(free_port()),
                "TRIAGE_ACKNOWLEDGEMENTS__MODE": "live",
                "TRIAGE_ACKNOWLEDGEMENTS__SINCE": "2020-01-01T00:00:00+00:00",
                "TRIAGE_ACKNOWLEDGEMENTS__PER_ADDRESS_PER_DAY": _NO_LIMIT,
                "TRIAGE_ACKNOWLEDGEMENTS__PER_HOUR": _NO_LIMIT,
            }
            yield Space(self, username, folder, environment, sink)
        shutil.rmtree(folder, ignore_errors=True)

    def imap_cpu(self) -> float:
        """CPU seconds of the IMAP server so far, its ended processes included."""
        return tree_cpu(self.imap_server)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the product is, read from its database."""

    seen: int = 0
    finished: int = 0
    marked: int = 0
    queued: int = 0  # outbox items
    to_send: int = 0  # due, deferred or sending
    quarantined: int = 0


_PROGRESS_SQL = """SELECT
  (SELECT count(*) FROM ledger),
  (SELECT count(*) FROM ledger WHERE outcome IS NOT NULL),
  (SELECT count(*) FROM ledger WHERE courtesy_done OR outcome IN ('quarantined', 'gone')),
  (SELECT count(*) FROM outbox),
  (SELECT count(*) FROM outbox WHERE state IN ('due', 'deferred', 'sending')),
  (SELECT count(*) FROM quarantine)"""


@dataclass(frozen=True, slots=True)
class Space:
    """One mailbox with the settings of the product that reads it."""

    rig: Rig
    username: str
    folder: Path
    environment: Mapping[str, str]
    sink: SinkProcess

    @property
    def database(self) -> Path:
        return self.folder / "data" / "triage.sqlite3"

    def settings(self) -> Settings:
        """The settings as the product's process reads them."""
        before = {key: value for key, value in os.environ.items() if key.startswith("TRIAGE_")}
        for key in before:
            del os.environ[key]
        os.environ.update(self.environment)
        try:
            return load_settings()
        finally:
            for key in self.environment:
                del os.environ[key]
            os.environ.update(before)

    def deliver(self, raws: Iterable[bytes], *, batch: int = 100) -> None:
        """Puts mails in the INBOX, as arrived now."""
        client = self.rig.dovecot.client(self.username)
        waiting: list[bytes] = []
        for raw in raws:
            waiting.append(raw)
            if len(waiting) == batch:
                client.multiappend("INBOX", waiting)
                waiting = []
        if waiting:
            client.multiappend("INBOX", waiting)
        client.logout()

    def product(self, *, wrapper: Sequence[str] = ()) -> ProductProcess:
        return ProductProcess(self, wrapper)

    def progress(self) -> Progress:
        """Zeros while there is no database yet."""
        try:
            connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=1)
        except sqlite3.OperationalError:
            return Progress()
        try:
            return Progress(*connection.execute(_PROGRESS_SQL).fetchone())
        except sqlite3.OperationalError:
            return Progress()  # the tables are being made
        finally:
            connection.close()

    def is_connected(self) -> bool:
        """Whether somebody holds a connection to the IMAP server's port (ours are closed by then)."""
        port = int(self.environment["TRIAGE_MAILBOX__PORT"])
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return any(f":{port:04X} 01 " in row for row in rows)  # remote port, ESTABLISHED


class ProductProcess:
    """`serve` as a process; its lines for people go to a file. Killed when the block is left, if it still runs."""

    def __init__(self, space: Space, wrapper: Sequence[str]) -> None:
        self._space, self._wrapper = space, wrapper
        self.log = space.folder / "serve.log"

    def __enter__(self) -> Self:
        inherited = {key: value for key, value in run.environment().items() if not key.startswith("TRIAGE_")}
        with self.log.open("ab") as log:
            self.started = time.monotonic()
            self._popen = subprocess.Popen(
                [*self._wrapper, *serve_command()],
                cwd=ROOT,
                env={**inherited, **self._space.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def wait_until(self, done: Callable[[], object], *, seconds: float, what: str) -> float:
        """Looks until `done`; returns the `time.monotonic()` of that. Raises RuntimeError with the product's last
        lines when it ended or took longer than `seconds`."""
        until = time.monotonic() + seconds
        while not done():
            if self._popen.poll() is not None:
                raise RuntimeError(f"the product ended while waiting until {what}:\n{self.last_lines()}")
            if time.monotonic() > until:
                raise RuntimeError(f"not reached within {seconds:.0f} s: {what}:\n{self.last_lines()}")
            time.sleep(_LOOK_SECONDS)
        return time.monotonic()

    def runs(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        """kill -9 of the main process; its children die with it."""
        self._popen.kill()
        self._popen.wait()

    def end(self) -> int:
        """SIGTERM to all of it, as systemd sends it; returns the exit code."""
        os.killpg(self._popen.pid, signal.SIGTERM)
        return self._popen.wait(30)

    def cpu(self) -> float:
        """CPU seconds so far of all its processes, ended children included."""
        return tree_cpu(psutil.Process(self._popen.pid))

    def peak_rss(self) -> int:
        """Sum over its processes of the largest resident size each ever had (since `forget_peak`), in bytes."""
        return sum(_status(process.pid, "VmHWM") for process in tree(psutil.Process(self._popen.pid)))

    def rss(self) -> int:
        return sum(_status(process.pid, "VmRSS") for process in tree(psutil.Process(self._popen.pid)))

    def own_memory(self) -> int:
        """Memory that belongs to its processes alone: without the pages of files they have mapped (the database's),
        which are the system's cache."""
        return sum(_status(process.pid, "RssAnon") for process in tree(psutil.Process(self._popen.pid)))

    def forget_peak(self) -> None:
        for process in tree(psutil.Process(self._popen.pid)):
            with contextlib.suppress(OSError):
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # proc(5): resets VmHWM

    def last_lines(self, count: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


def serve_command() -> list[str]:
    """`run.py serve`; with an interpreter outside `.venv` that already has the packages, the same entry point."""
    if Path(sys.prefix).resolve() == run.VENV.resolve():
        return [sys.executable, str(ROOT / "run.py"), "serve"]
    return [sys.executable, "-c", "from triage.cli import main; main()", "serve"]


def tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def tree_cpu(process: psutil.Process) -> float:
    total = 0.0
    for member in tree(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _status(pid: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def require_servers() -> None:
    """Ends the command with one clear line when it cannot measure here."""
    if shutil.which("dovecot") is None and shutil.which("dovecot", path="/usr/sbin") is None:
        sys.exit("not measured: Dovecot is missing; install it with: apt-get install dovecot-imapd")
    if os.geteuid() != 0:
        sys.exit("not measured: Dovecot of our own starts as root only")
    if not sys.platform.startswith("linux"):
        sys.exit("not measured: process figures are read from /proc, which only Linux has")


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
