"""The whole job as `serve` does it: from the first poll until every mail is a case, every acknowledgement is accepted
and every flag is set."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmark.endstate import EndState, end_state
from tests.benchmark.mails import MadeMail
from tests.benchmark.rig import Space

_START_SECONDS, _WORK_SECONDS = 60.0, 180.0


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run, measured from outside. Times in seconds, CPU in seconds, memory in bytes."""

    seconds: float
    start_seconds: float  # from exec to the first poll
    cpu: float  # all processes, from the first poll on
    start_cpu: float
    imap_cpu: float
    peak_rss: int
    smtp_connections: int
    end: EndState


def pipeline(space: Space, mails: Sequence[MadeMail]) -> PipelineRun:
    """The mails already lie in the mailbox. Raises RuntimeError when the end is not reached in time."""
    imap_before = space.rig.imap_cpu()
    with space.product() as product:
        first_poll = product.wait_until(space.is_connected, seconds=_START_SECONDS, what="the first poll")
        start_cpu = product.cpu()
        done = product.wait_until(lambda: all_done(space, len(mails)), seconds=_WORK_SECONDS, what="all mail is done")
        cpu, peak = product.cpu() - start_cpu, product.peak_rss()
        imap_cpu = space.rig.imap_cpu() - imap_before
        started = product.started
        product.end()
    return PipelineRun(
        seconds=done - first_poll,
        start_seconds=first_poll - started,
        cpu=cpu,
        start_cpu=start_cpu,
        imap_cpu=imap_cpu,
        peak_rss=peak,
        smtp_connections=space.sink.connections,
        end=end_state(space, mails),
    )


def all_done(space: Space, expected: int) -> bool:
    """Every mail has an outcome and its flags, and nothing waits to be sent."""
    progress = space.progress()
    return progress.finished == expected and progress.marked == expected and progress.to_send == 0


def flushes(space: Space, mails: Sequence[MadeMail]) -> float | None:
    """fsync and fdatasync calls per mail from the first poll on, in a run of its own; None without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    trace = space.folder / "flushes.txt"
    wrapper = [strace, "-f", "--seccomp-bpf", "-ttt", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
    with space.product(wrapper=wrapper) as product:
        product.wait_until(space.is_connected, seconds=_START_SECONDS, what="the first poll")
        since = time.time()
        product.wait_until(lambda: all_done(space, len(mails)), seconds=_WORK_SECONDS, what="all mail is done")
        until = time.time()
        product.end()
    calls = 0
    for line in trace.read_text(errors="replace").splitlines():
        fields = line.split(maxsplit=2)  # process, time, call; the second half of a broken-off line says "resumed"
        if len(fields) == 3 and fields[2].startswith(("fsync(", "fdatasync(")):
            calls += since <= float(fields[1]) <= until
    return calls / len(mails)
