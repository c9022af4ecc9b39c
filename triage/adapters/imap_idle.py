"""Waiting in IDLE (RFC 2177) until the folder changes, the time is over, or another thread wants the connection.

The library's own `idle_check` cannot tell a lost connection from silence, so the waiting is done here.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import Any

from imapclient.exceptions import IMAPClientAbortError

from triage.adapters.imap_connection import Folder, announced

_DONE_SECONDS = 15.0  # a peer that does not answer DONE in this time is dead
_CHANGES = ("EXPUNGE", "VANISHED", "UIDVALIDITY", "UIDNEXT")


class Waker:
    """Lets one thread end the wait of another. A wake-up that finds nobody waiting ends the next wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._woken = False
        self._pair: tuple[socket.socket, socket.socket] | None = None

    def wake(self) -> None:
        with self._lock:
            self._woken = True
            if self._pair is not None:
                with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
                    self._pair[1].send(b"w")

    def is_woken(self) -> bool:
        """True once for all wake-ups so far."""
        with self._lock:
            woken, self._woken = self._woken, False
            if self._pair is not None:
                with contextlib.suppress(BlockingIOError):
                    while self._pair[0].recv(100):
                        pass
            return woken

    def fileno(self) -> int:
        """Becomes readable with a wake-up."""
        with self._lock:
            if self._pair is None:
                self._pair = socket.socketpair()
                for end in self._pair:
                    end.setblocking(False)
                if self._woken:
                    self._pair[1].send(b"w")
            return self._pair[0].fileno()

    def close(self) -> None:
        with self._lock:
            pair, self._pair = self._pair, None
            for end in pair or ():
                end.close()


def idle_until_news(client: Any, folder: Folder, *, seconds: float, waker: Waker, answer_seconds: float) -> bool | None:
    """True when the server told of new or vanished mail, False when nothing came, None when it refuses IDLE.

    Raises what the library raises when the connection is lost, BYE included."""
    imap = client._imap
    tag = imap._command("IDLE")
    while imap._get_response() is not None:  # untagged data may come before the "+"
        if imap.tagged_commands[tag]:
            del imap.tagged_commands[tag]
            return None
    try:
        news = has_news(client, folder) or _watch(client, folder, time.monotonic() + seconds, waker)
        client.socket().settimeout(min(_DONE_SECONDS, answer_seconds))
        imap.send(b"DONE\r\n")
        while not imap.tagged_commands[tag]:
            imap._get_response()
            _check_bye(imap)
        del imap.tagged_commands[tag]
    finally:
        with contextlib.suppress(OSError):
            client.socket().settimeout(answer_seconds)
    return has_news(client, folder) or news


def has_news(client: Any, folder: Folder) -> bool:
    """Whether the server announced new or vanished mail since the folder was selected. What it said stays noted."""
    announced(client, "FETCH")  # flags that others changed: not looked at, and not to be kept for ever
    announced(client, "RECENT")
    held = client._imap.untagged_responses
    if any(held.get(name) for name in _CHANGES):
        return True
    if any(not text.isdigit() or int(text) != folder.messages for text in held.get("EXISTS", ()) if text is not None):
        return True
    held.pop("EXISTS", None)
    return False


def _watch(client: Any, folder: Folder, until: float, waker: Waker) -> bool:
    connection = client.socket()
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    poller.register(waker.fileno(), select.POLLIN)
    while True:
        if not _peek(client):
            left = until - time.monotonic()
            ready = {number for number, _ in poller.poll(left * 1000)} if left > 0 else set()
            if not ready or waker.is_woken():
                return False
            waiting = _peek(client)
            if waiting is None:
                continue  # half a TLS record
            if not waiting:
                raise IMAPClientAbortError("connection closed in IDLE")
        client._imap._get_response()
        _check_bye(client._imap)
        if has_news(client, folder):
            return True


def _peek(client: Any) -> bytes | None:
    """What was received and not read yet, left where it is. None: TLS has nothing yet. Empty: nothing yet, or, when
    the socket is readable, the end of the connection."""
    connection = client.socket()
    patience = connection.gettimeout()
    connection.settimeout(0)
    try:
        waiting: bytes = client._imap.file.peek(1)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None
    finally:
        connection.settimeout(patience)
    return waiting


def _check_bye(imap: Any) -> None:
    if imap.untagged_responses.get("BYE"):
        raise IMAPClientAbortError("the server said BYE in IDLE")
