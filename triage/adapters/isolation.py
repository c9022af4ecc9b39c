"""Reads one mail in a child process, so that a mail that kills or stalls its reader harms nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import multiprocessing
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from triage.errors import ReaderUnavailable
from triage.services.reading import Reader, Reading, Unread

STUCK_SECONDS = 300.0  # far above what a batch of fifty mails takes
_MEMORY_BYTES = 2_000_000_000
_START_SECONDS = 120.0
_PR_SET_PDEATHSIG = 1
_reader: Reader | None = None


@contextlib.contextmanager
def ended_when_stuck() -> Iterator[None]:
    """Ends this process when the block takes longer than STUCK_SECONDS.

    Python code that never comes back (a pattern that backtracks for ever) holds the interpreter: no thread of ours
    could notice. A watchdog outside the interpreter does, writes code places to stderr and exits; whoever runs the
    program starts it again, and the mails at hand are then read one by one, each in a child with a time limit."""
    faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _start(make_reader: Callable[[], Reader]) -> None:
    """In the child: bound its memory, let it die with its parent, load the model once."""
    global _reader
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _reader = make_reader()


def _read(raw: bytes) -> Reading | Unread:
    assert _reader is not None
    return _reader.read([raw])[0]


class ChildReader:
    """One child at a time, started when first needed; `close` ends it."""

    def __init__(self, make_reader: Callable[[], Reader], *, seconds: float = 30.0) -> None:
        """`make_reader` must be picklable (a module's function or a partial of one)."""
        self._make_reader, self._seconds = make_reader, seconds
        self._pool: ProcessPoolExecutor | None = None
        self._outdated = False

    def renew(self) -> None:
        """The next mail is read by a new child, with what `make_reader` gives then. Safe from any thread."""
        self._outdated = True

    def read_alone(self, raw: bytes) -> Reading | Unread:
        """The reading, or Unread when the child raised, died or took too long. Raises ReaderUnavailable."""
        if self._outdated:
            self._outdated = False
            self.close()
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(self._make_reader,),
            )
            try:
                # the child's start (imports, model) is not on the mail's account
                self._pool.submit(int).result(timeout=_START_SECONDS)
            except (BrokenProcessPool, TimeoutError):
                self._kill()
                raise ReaderUnavailable(
                    "the process that reads one mail by itself cannot be started: free some memory"
                ) from None
        try:
            return self._pool.submit(_read, raw).result(timeout=self._seconds)
        except BrokenProcessPool:
            self.close()
            return Unread("ReaderDied")
        except TimeoutError:
            self._kill()
            return Unread("ReaderTimedOut")
        except Exception as exc:  # raised in the child
            return Unread(type(exc).__name__)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _kill(self) -> None:
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                with contextlib.suppress(OSError):
                    process.kill()
        self.close()
