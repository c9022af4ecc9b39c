"""Any bytes as a mail: what the worst mails take to read, and whether a damaged one ever raises.

Every mail goes the way of `inspect`: parsed, screened, assessed, described as JSON. The hostile ones run in a child
process each, which starts with the model loaded and ends after its mail, so that a peak is the mail's own.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.benchmark.hostile_mails import hostile_mail, hostile_names
from tests.benchmark.mails import make_mails
from tests.benchmark.report import Bar, bar_table, table
from triage.bootstrap import reader_for
from triage.commands.inspecting import describe
from triage.services.reading import Reader, Unread
from triage.settings import load_settings

_MAX_SECONDS, _MAX_MEGABYTES = 2.0, 500.0
_GIVE_UP_SECONDS = 60.0
_MUTATED = 3_000
_SHOWN = 15
_MAILS = Path(__file__).resolve().parents[1] / "data" / "mail"
_SEASONING = (
    *(b"\0", b"\r", b"\n", b"\r\n\r\n", b"--", b"\xff\xfe", b"\xe9", b"\xf0\x9f", b"\x1b$B", b"\xef\xbb\xbf"),
    *(b'"', b"<", b">", b"(", b";", b"=", b"<!--", b"&#x110000;", b"\xe2\x80\xa8", b"\x78\x9f\x3e\x22"),
    *(b"=?utf-8?b?", b"=?x?q?=E9?=", b"charset=utf-16", b"zlib_codec", b"format=flowed", b"filename*0*=", b"From: "),
    *(b"begin 644 x\n", b"99999999999999999999", b"application/ms-tnef", b"application/pkcs7-mime"),
    *(b"Content-Type: multipart/mixed; boundary=x\r\n", b"Content-Type: message/rfc822\r\n"),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x-uuencode\r\n"),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What one mail took; `error` is "" when it was read. `peak` is the process's largest resident size in bytes."""

    name: str
    size: int
    seconds: float
    peak: int
    error: str


def one(reader: Reader, name: str, raw: bytes) -> Taken:
    """Reads one mail as `inspect --json` does. An exception becomes the error."""
    _forget_peak()
    started = time.process_time()
    try:
        reading = reader.read([raw])[0]
        error = reading.error if isinstance(reading, Unread) else ""
        if not isinstance(reading, Unread):
            json.dumps(describe(name, 0, reading), ensure_ascii=False).encode("utf-8", "backslashreplace")
    except Exception as exc:
        error = type(exc).__name__
    return Taken(name, len(raw), time.process_time() - started, _peak(), error)


def hostile(reader: Reader, names: Sequence[str] = ()) -> Iterator[Taken]:
    """Every hostile mail, each in a child process of its own."""
    fork = multiprocessing.get_context("fork")
    for name in names or hostile_names():
        receiver, sender = fork.Pipe(duplex=False)
        child = fork.Process(target=_in_child, args=(reader, name, sender))
        child.start()
        sender.close()
        if receiver.poll(_GIVE_UP_SECONDS):
            try:
                yield receiver.recv()
            except EOFError:
                yield Taken(name, 0, 0.0, 0, "killed")
        else:
            child.kill()
            yield Taken(name, 0, _GIVE_UP_SECONDS, 0, "did not end")
        child.join()


def _in_child(reader: Reader, name: str, sender: Connection) -> None:
    raw = hostile_mail(name)
    gc.collect()
    sender.send(one(reader, name, raw))


def mutated(count: int, *, seed: int = 1) -> Iterator[bytes]:
    """Mails of the repository, damaged at random: the same for the same seed."""
    chance = random.Random(seed)
    mails = [path.read_bytes() for path in sorted(_MAILS.glob("*.eml"))]
    for _ in range(count):
        raw = bytearray(chance.choice(mails))
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(raw) + 1)
            match chance.randrange(8):
                case 0:
                    raw[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    raw[at:at] = chance.choice(_SEASONING)
                case 2:
                    del raw[at : at + chance.randint(1, 80)]
                case 3:
                    piece = raw[at : at + chance.randint(1, 120)]
                    raw[at:at] = piece * chance.choice((1, 2, 50, 1_000))
                case 4:
                    other = chance.choice(mails)
                    start = chance.randrange(len(other) + 1)
                    raw[at:at] = other[start : start + chance.randint(1, 2_000)]
                case 5:
                    raw[at:at] = chance.randbytes(chance.randint(1, 60))
                case 6:
                    raw = bytearray(raw.replace(b"\r\n", chance.choice((b"\n", b"\r", b"\r\n", b"\n\r"))))
                case _:
                    del raw[max(at, 100) :]
        yield bytes(raw)


def section() -> str:
    reader = warm_reader()
    taken = list(hostile(reader))
    damaged = [one(reader, f"mutation {number}", raw) for number, raw in enumerate(mutated(_MUTATED))]
    slowest = sorted(taken, key=lambda item: -item.seconds)
    largest = sorted(taken, key=lambda item: -item.peak)
    shown = list(dict.fromkeys([*slowest[:_SHOWN], *largest[:_SHOWN]]))
    errors = [item for item in (*taken, *damaged) if item.error]
    bars = (
        Bar("exceptions", f"{len(taken)} hostile mails, {len(damaged)} damaged ones", float(len(errors)), 0.0, ""),
        Bar("time", "slowest hostile mail", slowest[0].seconds, _MAX_SECONDS, "s CPU"),
        Bar("memory", "largest process, model included", largest[0].peak / 1e6, _MAX_MEGABYTES, "MB"),
        Bar("over 2 s", "mails, hostile and damaged", float(_over([*taken, *damaged])), 0.0, ""),
        Bar("damaged", "slowest damaged mail", max(item.seconds for item in damaged), _MAX_SECONDS, "s CPU"),
    )
    rows = [(item.name, f"{item.size / 1e6:.1f}", item.seconds, item.peak / 1e6, item.error or "-") for item in shown]
    return "\n\n".join(
        [
            "Mails made to stop a reader, each by itself in a process that has the model loaded, from bytes to JSON "
            "as `inspect` writes it; and mails of the repository damaged at random with a fixed seed.",
            bar_table(bars),
            f"The slowest and the largest of the {len(taken)} hostile mails:",
            table(("Mail", "MB", "s CPU", "Peak MB", "Exception"), rows),
        ]
    )


def _over(taken: Sequence[Taken]) -> int:
    return sum(item.seconds > _MAX_SECONDS for item in taken)


def warm_reader() -> Reader:
    """The reader of `inspect` after its first mails: what is loaded late is loaded."""
    reader = reader_for(load_settings())
    reader.read([mail.raw for mail in make_mails(30)])
    return reader


def _forget_peak() -> None:
    """The kernel's record of the largest resident size begins anew (man proc: clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    print(section())
