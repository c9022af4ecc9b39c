"""For conversations that no sane server holds: a listener that answers IMAP commands from a list.

`ScriptedImap({"CAPABILITY": ["* CAPABILITY IMAP4rev1"], "LOGIN": "NO [UNAVAILABLE] later"})`: lines of a list are sent
as they are before the tagged OK; a string is the tagged reply itself; HANG keeps silent, HANG_UP closes.
In a list, LISTEN waits for a line of the client, bytes are sent raw, a line that begins with NO, BAD or OK is the
tagged reply, and HANG_UP closes. A tuple of such answers is used one after the other, the last one for ever.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

HANG, HANG_UP, LISTEN = "HANG", "HANG_UP", "LISTEN"
Answer = str | Sequence[str | bytes]


class ScriptedImap:
    def __init__(self, answers: Mapping[str, Answer | tuple[Answer, ...]], *, greeting: str = "* OK ready") -> None:
        self._answers = {"CAPABILITY": ["* CAPABILITY IMAP4rev1"], **answers}
        self._greeting = greeting
        self._used: Counter[str] = Counter()
        self.heard: list[str] = []
        self.connections = 0

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
            self.connections += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            try:
                stream.write(self._greeting.encode() + b"\r\n")
                stream.flush()
                for line in stream:
                    tag, _, command = line.decode("utf-8", "replace").strip().partition(" ")
                    self.heard.append(command)
                    if not self._answer(stream, tag, command):
                        return
            except OSError:
                return

    def _answer(self, stream, tag: str, command: str) -> bool:  # type: ignore[no-untyped-def]
        words = command.upper().split(" ")
        verb = " ".join(words[:2]) if words[0] == "UID" else words[0]
        answer: object = self._answers.get(verb, [])
        if isinstance(answer, tuple):
            number = min(self._used[verb], len(answer) - 1)
            self._used[verb] += 1
            answer = answer[number]
        if answer == HANG:
            return True
        if answer == HANG_UP:
            return False
        for line in [answer] if isinstance(answer, str) else [*answer, "OK done"]:  # type: ignore[misc]
            if line == HANG_UP:
                return False
            if line == LISTEN:
                self.heard.append(stream.readline().decode("utf-8", "replace").rstrip("\r\n"))
            elif isinstance(line, bytes):
                stream.write(line)
            else:
                is_reply = line.split(" ")[0] in ("OK", "NO", "BAD")
                stream.write(f"{tag} {line}\r\n".encode() if is_reply else f"{line}\r\n".encode())
                if is_reply:
                    break
            stream.flush()
        stream.flush()
        return True


class CuttingProxy:
    """Passes bytes to a server on this machine until told to cut; connections made afterwards pass again.

    `cut_after` bytes of answers, or `cut_after_sent` bytes of the client, cuts by itself, once. While `deaf` it
    swallows everything and keeps the connection: a router that forgot it. An answer that holds `cut_before` is
    never passed on: the connection is cut, once. `hide` is taken out of every answer."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.cut_before = self.hide = b""
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.cut_after: int | None = None
        self.cut_after_sent: int | None = None
        self.deaf = False
        self.connections = 0
        self.bytes_sent = 0
        self.commands = 0  # lines from the client
        self.bytes_answered = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # closed already

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self._target))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if self.deaf:
                    continue
                left = self.cut_after if answers else self.cut_after_sent
                if answers and self.cut_before and self.cut_before in data:
                    self.cut_before = b""
                    self.cut()
                    return
                if answers:
                    data = data.replace(self.hide, b"") if self.hide else data
                    self.bytes_answered += len(data)
                else:
                    self.bytes_sent += len(data)
                    self.commands += data.count(b"\n")
                if left is not None and left < len(data):
                    self.cut_after = self.cut_after_sent = None
                    sink.sendall(data[:left])
                    self.cut()
                    return
                if answers and left is not None:
                    self.cut_after = left - len(data)
                elif left is not None:
                    self.cut_after_sent = left - len(data)
                sink.sendall(data)
        except OSError:
            return
        finally:
            for end in (source, sink):
                end.close()
