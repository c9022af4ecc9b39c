"""One held IMAP connection: connect, select, use; and every way in which that fails, in words.

IMAPClient has no types: only the modules named `imap…` touch it.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, IMAPClientReadOnlyError, ProtocolError

from triage.adapters.imap_folders import list_folders, quoted_folder
from triage.adapters.imap_login import Login, LoginRefused, TokenRefused
from triage.adapters.mail_server import HoldOff, ServerName, response_code, tls_context
from triage.errors import MailboxUnavailable, TokenUnavailable
from triage.logs import get_logger
from triage.ports import TokenSource
from triage.settings import MailboxSettings

CONNECT_SECONDS = 10.0
_MAX_FOLDERS_NAMED = 30
_BACKOFF = re.compile(r"Backoff Time:?\s*(\d{1,9})", re.IGNORECASE)  # milliseconds, as Microsoft 365 says it
_LONGEST_BACKOFF_SECONDS = 3600.0
_ALERT = re.compile(rb"^\S+ (?:OK|NO|BAD|BYE|PREAUTH) \[ALERT\] *(.+)", re.IGNORECASE | re.DOTALL)
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 4))  # a silent peer is dead after 140 s

Lost = (IMAPClientError, OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What IMAPClient raises: for a refusal, a lost connection, and (from the third on) an answer it cannot read."""


def is_refusal(exc: BaseException) -> bool:
    """A tagged NO: the connection is in order. BAD, a lost connection and an unreadable answer are not refusals."""
    return (
        isinstance(exc, IMAPClientError)
        and not isinstance(exc, (IMAPClientAbortError, ProtocolError))
        and " failed: " in str(exc)
    )


@dataclass(slots=True)
class Folder:
    """The selected folder, as the last SELECT described it. `keeps` is PERMANENTFLAGS in lower case, None when the
    server did not say (then every flag may be kept, RFC 9051 §7.1)."""

    uidvalidity: int
    uidnext: int
    messages: int
    read_only: bool
    keeps: frozenset[str] | None

    def keeps_flag(self, flag: str) -> bool:
        if self.keeps is None:
            return True
        is_keyword = not flag.startswith("\\")
        return flag.lower() in self.keeps or (is_keyword and "\\*" in self.keeps)


class ImapConnection:
    """Connects when first used and again after any loss. Not thread-safe."""

    def __init__(
        self,
        settings: MailboxSettings,
        *,
        tokens: TokenSource | None = None,
        on_notice: Callable[[str], None] = lambda text: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.server = ServerName("IMAP", "mailbox", settings.host, settings.port)
        self.folder: Folder | None = None
        self._settings = settings
        self._login = Login(settings, self.server, tokens)
        self._client: Any = None
        self._hold_off = HoldOff(monotonic)
        self._on_notice, self._told = on_notice, ""

    @property
    def is_connected(self) -> bool:
        return self._client is not None

    # ---------------------------------------------------------------- use

    @contextmanager
    def use(self, doing: str) -> Iterator[Any]:
        """The logged-in IMAPClient. Any failure inside drops the connection and becomes MailboxUnavailable."""
        if self._client is None:
            self._client = self._connect()
        try:
            yield self._client
        except MailboxUnavailable:
            raise
        except Lost as exc:
            self.drop()
            self._raise_throttled(exc)
            reason = f"{self.server}: {doing} failed ({_how(exc)}{response_code(str(exc))})"
            self._hold_off.failed(reason)
            raise MailboxUnavailable(reason) from exc
        finally:
            self._tell_notice()

    def _raise_throttled(self, exc: BaseException) -> None:
        """Obeys a server that says how long to stay away (Microsoft 365 does)."""
        if found := _BACKOFF.search(str(exc)):
            seconds = min(int(found.group(1)) / 1000, _LONGEST_BACKOFF_SECONDS)
            reason = f"{self.server} asks us to wait"
            self._hold_off.wait(seconds, reason)
            raise MailboxUnavailable(f"{reason} ({int(seconds)} s)") from exc

    @contextmanager
    def selected(self, doing: str) -> Iterator[tuple[Any, Folder]]:
        """As `use`, with the configured folder open."""
        with self.use(doing) as client:
            yield client, self.folder or self.select(client)

    def select(self, client: Any) -> Folder:
        """Opens the folder, for writing when the server allows it; refreshes what is known of it."""
        name = self._settings.folder
        self.folder = None
        refusal = ""
        for read_only in (False, True):
            try:
                told = client.select_folder(name, readonly=read_only)
            except IMAPClientReadOnlyError:
                continue  # SELECT answered [READ-ONLY]: open it with EXAMINE
            except IMAPClientError as exc:
                if not is_refusal(exc):
                    raise
                refusal = response_code(str(exc))
                continue
            kept = told.get(b"PERMANENTFLAGS")
            self.folder = Folder(
                uidvalidity=int(told.get(b"UIDVALIDITY", 0)),
                uidnext=int(told.get(b"UIDNEXT", 0)),
                messages=int(told.get(b"EXISTS", 0)),
                read_only=read_only,
                keeps=None if kept is None else frozenset(flag.decode("ascii", "replace").lower() for flag in kept),
            )
            if self.folder.uidnext == 0:  # not required of old servers (RFC 3501 §6.3.1)
                uids = client.search(["UID", "*"]) if self.folder.messages else []
                self.folder.uidnext = max(uids, default=0) + 1
            if self.folder.uidvalidity == 0:
                get_logger().warning("uidvalidity_missing", host=self.server.host)
            forget_announcements(client)
            self._hold_off.succeeded()
            return self.folder
        raise MailboxUnavailable(self._why_not_selected(client, refusal))

    def deselected(self) -> None:
        """Another folder was opened: the next use opens ours again."""
        self.folder = None

    def drop(self) -> None:
        """Gives the connection up without a word; the next use makes a new one."""
        client, self._client, self.folder = self._client, None, None
        if client is not None:
            with suppress(*Lost):
                client.shutdown()

    def close(self) -> None:
        """Logs out; never raises."""
        client, self._client, self.folder = self._client, None, None
        if client is None:
            return
        try:
            client.socket().settimeout(5)
            client.logout()
        except Lost:
            with suppress(*Lost):
                client.shutdown()

    # ---------------------------------------------------------------- connect

    def _connect(self) -> Any:
        """Once more with a new token when the server refuses an access token that may have expired."""
        if left := self._hold_off.seconds_left():
            raise MailboxUnavailable(f"{self._hold_off.reason}; next try in {int(left) + 1} s")
        try:
            try:
                return self._connect_once()
            except TokenRefused as exc:
                if not exc.renewable:
                    raise
                return self._connect_once()
        except LoginRefused as exc:
            self._hold_off.refused(str(exc))
            raise MailboxUnavailable(str(exc)) from exc
        except TokenUnavailable as exc:  # the token server has a back-off of its own
            raise MailboxUnavailable(f"{self.server}: no login, because {exc}") from exc
        except MailboxUnavailable as exc:
            self._hold_off.failed(str(exc))
            raise
        finally:
            self._tell_notice()

    def _connect_once(self) -> Any:
        settings, server = self._settings, self.server
        if not settings.host:
            raise MailboxUnavailable("no mailbox is configured: set mailbox.host, mailbox.username and its password")
        try:
            context = tls_context(settings.ca_file) if settings.security != "none" else None
        except OSError as exc:
            raise MailboxUnavailable(server.ca_file_unreadable(exc)) from exc
        try:
            client = IMAPClient(
                settings.host,
                port=settings.port,
                ssl=settings.security == "tls",
                ssl_context=context,
                timeout=SocketTimeout(CONNECT_SECONDS, settings.timeout_seconds),
            )
        except IMAPClientError as exc:  # BYE or rubbish for a greeting
            self._hear(exc.args[0] if exc.args and isinstance(exc.args[0], bytes) else b"")
            raise MailboxUnavailable(
                f"{server} answered, but refused the connection{response_code(str(exc))}; try later, "
                "and check mailbox.port and mailbox.security"
            ) from exc
        except (OSError, ValueError) as exc:
            raise MailboxUnavailable(server.connection_failed(exc)) from exc
        try:
            client.normalise_times = False  # otherwise INTERNALDATE loses its offset
            client._imap.debug = 0  # the library's level makes a printable copy of every mail, for a log nobody keeps
            _prepare_socket(client.socket())
            self._listen_for_notices(client)
            self._login.secure(client, context)
            self._login.log_in(client)
        except BaseException as exc:
            with suppress(*Lost):
                client.shutdown()
            if isinstance(exc, Lost):
                self._raise_throttled(exc)
                raise MailboxUnavailable(f"{server}: logging in failed ({_how(exc)}{response_code(str(exc))})") from exc
            raise
        return client

    # ---------------------------------------------------------------- what people must read

    def _listen_for_notices(self, client: Any) -> None:
        """A text marked [ALERT] must be shown to people (RFC 9051 §7.1). It can stand in any reply, and imaplib
        keeps none of them, so every line is looked at as it comes."""
        usual = client._imap._get_response

        def look(*args: Any) -> Any:
            line = usual(*args)
            if line and b"[ALERT]" in line:
                self._hear(line)
            return line

        client._imap._get_response = look
        self._hear(client.welcome or b"")

    def _hear(self, line: bytes) -> None:
        if found := _ALERT.match(line):
            text = found.group(1).decode("utf-8", "replace")
            self._told = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())

    def _tell_notice(self) -> None:
        told, self._told = self._told, ""
        if told:
            self._on_notice(told)

    def _why_not_selected(self, client: Any, refusal: str) -> str:
        name = self._settings.folder
        names = sorted(item.name for item in list_folders(client))
        if name in names or name.upper() == "INBOX":
            return (
                f"{self.server}: folder {quoted_folder(name)} cannot be opened{refusal}; "
                "check the rights of mailbox.username"
            )
        told = [folder for folder in names if "@" not in folder][:_MAX_FOLDERS_NAMED]
        more = ", …" if len(told) < len(names) else ""
        listed = ", ".join(f'"{folder}"' for folder in told)
        return f"{self.server}: there is no folder {quoted_folder(name)}; set mailbox.folder to one of {listed}{more}"


def forget_announcements(client: Any) -> None:
    """Clears what the server said by itself so far; imaplib would keep it for as long as the connection lives."""
    client._imap.untagged_responses.clear()


def announced(client: Any, name: str) -> list[bytes]:
    """What the server said by itself under this name since the last call, such as EXISTS; clears it."""
    data: list[bytes | None] = client._imap.response(name)[1]
    return [item for item in data if item is not None]


def _prepare_socket(connection: socket.socket) -> None:
    # without it Nagle's algorithm and delayed acknowledgements make every command wait 40 ms
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _how(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if is_refusal(exc):
        return "refused"
    if isinstance(exc, (IMAPClientAbortError, OSError)):
        return "connection lost"
    return "unexpected answer"
