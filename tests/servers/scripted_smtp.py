"""For SMTP conversations that no sane server holds: a listener that answers each verb with given bytes.

`ScriptedSmtp({"RCPT": b"250-\\r\\n250 \\r\\n"})`; "." is the answer after the final dot, "" that to an empty line. A
list is used up one by one, its last one for ever. `hang_up_after` closes the connection right after that answer. With
`tls` the bytes after the reply to STARTTLS are encrypted; what the answer holds beyond its first line is sent in clear.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Answers = Mapping[str, bytes | Sequence[bytes]]
_USUAL: dict[str, bytes | Sequence[bytes]] = {
    "EHLO": b"250 mx.test.example\r\n",
    "STARTTLS": b"220 2.0.0 go on\r\n",
    "DATA": b"354 go on\r\n",
    "QUIT": b"221 bye\r\n",
}


class ScriptedSmtp:
    def __init__(self, answers: Answers, *, tls: tuple[Path, Path] | None = None, hang_up_after: str = "") -> None:
        self._answers = {**_USUAL, **answers}
        self._used: dict[str, int] = {}
        self._hang_up_after = hang_up_after
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*tls)
        self.heard: list[str] = []
        self.received: list[bytes] = []  # as they came over the wire, dots and all

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: Any) -> None:
        try:
            connection.sendall(b"220 mx.test.example ready\r\n")
            reading = _Lines(connection)
            while (line := reading.until(b"\r\n")) is not None:
                verb = line.decode("utf-8", "replace").split(" ", 1)[0].strip().upper()
                self.heard.append(line.decode("utf-8", "replace").strip())
                if not self._answer(connection, verb):
                    return
                if verb == "STARTTLS" and self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                    reading = _Lines(connection)
                elif verb == "DATA":
                    body = reading.until(b"\r\n.\r\n")
                    if body is None:
                        return
                    self.received.append(body)
                    if not self._answer(connection, "."):
                        return
        except OSError:
            return
        finally:
            connection.close()

    def _answer(self, connection: Any, verb: str) -> bool:
        answer = self._answers.get(verb, b"250 2.0.0 OK\r\n")
        if not isinstance(answer, bytes):
            number = self._used.get(verb, 0)
            self._used[verb] = number + 1
            answer = answer[min(number, len(answer) - 1)]
        connection.sendall(answer)
        return verb != self._hang_up_after


class _Lines:
    def __init__(self, connection: Any) -> None:
        self._connection, self._kept = connection, b""

    def until(self, end: bytes) -> bytes | None:
        """Up to and with `end`; None when the other side closed."""
        while end not in self._kept:
            piece = self._connection.recv(65536)
            if not piece:
                return None
            self._kept += piece
        found, _, self._kept = self._kept.partition(end)
        return bytes(found + end)
