"""An SMTP server that accepts everything, in a process of its own so that its CPU time is not the product's.

Run as a module it serves until it is ended and writes a JSON line for each connection and each accepted mail;
`SinkProcess` starts it and reads those lines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from aiosmtpd.smtp import SMTP

_ROOT = Path(__file__).resolve().parents[2]
_FIELD = re.compile(rb"^(in-reply-to|auto-submitted|message-id):[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.I | re.M)


@dataclass(frozen=True, slots=True)
class AcceptedMail:
    """What the server took over. `at` is `time.monotonic()`, which all processes of a machine share."""

    at: float
    reverse_path: str
    forward_paths: tuple[str, ...]
    message_id: str
    in_reply_to: str
    automatic: bool


class SinkProcess:
    """Context manager around the server process. `log` is the file it writes to."""

    def __init__(self, log: Path) -> None:
        self._log, self._read_to = log, 0
        self._connections, self._accepted = 0, list[AcceptedMail]()
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmark.sink", str(self._log)], cwd=_ROOT, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        if not told:
            raise RuntimeError("the SMTP server did not start")
        self.port = int(told)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def connections(self) -> int:
        """Connections made so far."""
        self._read()
        return self._connections

    def accepted(self) -> list[AcceptedMail]:
        """Every mail accepted so far, in order."""
        self._read()
        return list(self._accepted)

    def _read(self) -> None:
        with self._log.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_to += len(whole)
        for line in whole.splitlines():
            fact: dict[str, Any] = json.loads(line)
            if fact.pop("what") == "connection":
                self._connections += 1
            else:
                fact["forward_paths"] = tuple(fact["forward_paths"])
                self._accepted.append(AcceptedMail(**fact))


class _Handler:
    def __init__(self, log: IO[str]) -> None:
        self._log = log

    def write(self, **fact: object) -> None:
        self._log.write(json.dumps(fact) + "\n")
        self._log.flush()

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        raw = bytes(envelope.content)
        fields = {
            name.lower(): b" ".join(value.split()).decode("ascii", "replace")
            for name, value in _FIELD.findall(raw.partition(b"\r\n\r\n")[0])
        }
        self.write(
            what="mail",
            at=time.monotonic(),
            reverse_path=envelope.mail_from or "",
            forward_paths=list(envelope.rcpt_tos),
            message_id=fields.get(b"message-id", ""),
            in_reply_to=fields.get(b"in-reply-to", ""),
            automatic=fields.get(b"auto-submitted", "no").lower() != "no",
        )
        return "250 2.0.0 OK"


async def _serve(log: IO[str]) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    handler = _Handler(log)

    def protocol() -> SMTP:
        handler.write(what="connection")
        return SMTP(handler, data_size_limit=50_000_000, enable_SMTPUTF8=True, hostname="sink.example", loop=loop)

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await ended.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    with parser.parse_args().log.open("a", encoding="utf-8") as log:
        asyncio.run(_serve(log))


if __name__ == "__main__":
    main()
