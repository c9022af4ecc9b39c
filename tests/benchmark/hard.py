"""Mails made to stop a queue: how long and how much memory each takes, and when the mail after it is a case."""

from __future__ import annotations

import functools
import sqlite3
import threading
import time
from dataclasses import dataclass

from tests.benchmark.mails import hard_mails, ordinary
from tests.benchmark.rig import ProductProcess, Rig, Space

_START_SECONDS, _GIVE_UP_SECONDS = 60.0, 60.0
_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class HardFigures:
    """Times count from the moment the mail lay in the mailbox, the wait for the next poll (1 s) included."""

    name: str
    size: int
    outcome: str  # of the hard mail in the ledger; "" when it had none in time
    seconds: float
    extra_memory: int  # peak above the resident size just before, all processes
    next_outcome: str
    next_seconds: float


def hard(rig: Rig) -> list[HardFigures]:
    """Each hard mail meets a freshly started product that has handled one ordinary mail."""
    figures = []
    with rig.space() as space:
        uid = 0
        for number, (name, raw) in enumerate(hard_mails()):
            with space.product() as product:
                space.deliver([ordinary(2 * number).raw])
                uid += 1
                handled = functools.partial(_outcome, space, uid)
                product.wait_until(handled, seconds=_START_SECONDS, what="an ordinary mail is done")
                figures.append(_one(space, product, name, raw, uid, ordinary(2 * number + 1).raw))
                uid += 2
                if product.runs():
                    product.end()
    return figures


def _one(space: Space, product: ProductProcess, name: str, raw: bytes, uid: int, after: bytes) -> HardFigures:
    time.sleep(1.5)  # sending and flags of the ordinary mail are over
    product.forget_peak()
    before = product.rss()
    with _Peak(product) as peak:
        space.deliver([raw])
        lay_there = time.monotonic()
        space.deliver([after])
        next_lay_there = time.monotonic()
        done: dict[int, tuple[str, float]] = {}
        until = lay_there + _GIVE_UP_SECONDS
        while len(done) < 2 and time.monotonic() < until and product.runs():
            for number in (uid + 1, uid + 2):
                if number not in done and (outcome := _outcome(space, number)):
                    done[number] = (outcome, time.monotonic())
            time.sleep(0.02)
        gave_up = time.monotonic()
        peak.look()
    outcome, at = done.get(uid + 1, ("", gave_up))
    next_outcome, next_at = done.get(uid + 2, ("", gave_up))
    return HardFigures(
        name=name,
        size=len(raw),
        outcome=outcome,
        seconds=at - lay_there,
        extra_memory=max(0, peak.most - before),
        next_outcome=next_outcome,
        next_seconds=next_at - next_lay_there,
    )


def _outcome(space: Space, uid: int) -> str:
    try:
        connection = sqlite3.connect(f"file:{space.database}?mode=ro", uri=True, timeout=1)
    except sqlite3.OperationalError:
        return ""
    try:
        row = connection.execute("SELECT outcome FROM ledger WHERE uid = ?", (uid,)).fetchone()
    except sqlite3.OperationalError:
        return ""  # the tables are being made
    finally:
        connection.close()
    return str(row[0]) if row and row[0] else ""


class _Peak:
    """The largest sum of memory of all processes of the product; a child that died is in the samples."""

    def __init__(self, product: ProductProcess) -> None:
        self._product, self.most = product, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def look(self) -> None:
        """Takes the kernel's own record into account, which no sample can miss."""
        self.most = max(self.most, self._product.peak_rss())

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.most = max(self.most, self._product.rss())
