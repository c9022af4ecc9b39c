"""One held IMAP connection: connect, secure, log in, select; and every way in which that fails, in words.

IMAPClient has no types: this module and `imap.py` are the only ones that touch it.
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

from triage.adapters.mail_server import HoldOff, ServerName, response_code, tls_context
from triage.errors import MailboxUnavailable
from triage.logs import get_logger
from triage.settings import MailboxSettings

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
_MAX_FOLDERS_NAMED = 30
TEMPORARY = frozenset({" [UNAVAILABLE]", " [INUSE]", " [LIMIT]"})
"""Response codes that say nothing against this login or this mail (RFC 5530 §3)."""
_BACKOFF = re.compile(r"Backoff Time:?\s*(\d{1,9})", re.IGNORECASE)  # milliseconds, as Microsoft 365 says it
_ATOM = re.compile(r"[A-Za-z0-9.@_+=/-]+")

Lost = (IMAPClientError, OSError, ValueError, TypeError, LookupError)
"""What IMAPClient raises: for a refusal, a lost connection, and (the last three) an answer it cannot read."""


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

    def __init__(self, settings: MailboxSettings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.server = ServerName("IMAP", "mailbox", settings.host, settings.port)
        self.folder: Folder | None = None
        self._settings = settings
        self._client: Any = None
        self._hold_off = HoldOff(monotonic)

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
            text = str(exc)
            self.drop()
            if found := _BACKOFF.search(text):
                reason = f"{self.server} asks us to wait"
                self._hold_off.wait(int(found.group(1)) / 1000, reason)
                raise MailboxUnavailable(f"{reason} ({int(found.group(1)) // 1000} s)") from exc
            raise MailboxUnavailable(f"{self.server}: {doing} failed ({_how(exc)}{response_code(text)})") from exc

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
        settings, server = self._settings, self.server
        if not settings.host:
            raise MailboxUnavailable("no mailbox is configured: set mailbox.host, mailbox.username and its password")
        if left := self._hold_off.seconds_left():
            raise MailboxUnavailable(f"{self._hold_off.reason}; next try in {int(left) + 1} s")
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
                timeout=SocketTimeout(CONNECT_SECONDS, READ_SECONDS),
            )
        except IMAPClientError as exc:  # BYE or rubbish for a greeting
            raise MailboxUnavailable(
                f"{server} answered, but refused the connection{response_code(str(exc))}; try later, "
                "and check mailbox.port and mailbox.security"
            ) from exc
        except (OSError, ValueError) as exc:
            raise MailboxUnavailable(server.connection_failed(exc)) from exc
        try:
            client.normalise_times = False  # otherwise INTERNALDATE loses its offset
            # without it Nagle's algorithm and delayed acknowledgements make every command wait 40 ms
            client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._secure(client, context)
            self._log_in(client)
        except BaseException as exc:
            with suppress(*Lost):
                client.shutdown()
            if isinstance(exc, Lost):
                raise MailboxUnavailable(f"{server}: logging in failed ({_how(exc)}{response_code(str(exc))})") from exc
            raise
        self._hold_off.succeeded()
        return client

    def _secure(self, client: Any, context: Any) -> None:
        if self._settings.security != "starttls":
            return
        if _is_preauthenticated(client) or not client.has_capability("STARTTLS"):
            # a man in the middle can take the offer away (RFC 8314 §4.1): no password leaves in clear
            raise MailboxUnavailable(
                f"{self.server} does not offer STARTTLS, so no password was sent; "
                "check mailbox.port and mailbox.security"
            )
        try:
            client.starttls(context)
        except OSError as exc:
            raise MailboxUnavailable(self.server.connection_failed(exc)) from exc
        except IMAPClientError as exc:
            raise MailboxUnavailable(
                f"{self.server} refused STARTTLS{response_code(str(exc))}, so no password was sent; "
                "check the server's certificate and mailbox.security"
            ) from exc

    def _log_in(self, client: Any) -> None:
        if _is_preauthenticated(client):
            return
        user, password = self._settings.username, self._settings.password.get_secret_value()
        plain = client.has_capability("AUTH=PLAIN")
        encrypted = self._settings.security != "none"
        if client.has_capability("LOGINDISABLED") and not (plain and encrypted):
            raise MailboxUnavailable(
                f"{self.server} allows no login on an unencrypted connection; set mailbox.security to tls or starttls"
            )
        if not plain and not (user + password).isascii():
            raise MailboxUnavailable(
                f"{self.server} takes only ASCII in login names and passwords (it offers no AUTH=PLAIN); "
                "choose other ones for mailbox.username or mailbox.password"
            )
        try:
            if plain:  # base64: any character passes, which LOGIN cannot promise
                client.plain_login(user, password)
            else:
                client.login(user if _ATOM.fullmatch(user) else _quoted(user), password)
        except IMAPClientError as exc:
            if isinstance(exc, IMAPClientAbortError) or isinstance(exc.__context__, IMAPClientAbortError):
                raise
            code = response_code(str(exc))
            if code in TEMPORARY or "too many" in str(exc).lower():
                raise MailboxUnavailable(f"{self.server} takes no logins now{code}; it is tried again") from exc
            reason = (
                f"{self.server} refused the login as mailbox.username{code}; "
                "check mailbox.username and mailbox.password (TRIAGE_MAILBOX__PASSWORD)"
            )
            self._hold_off.refused(reason)
            raise MailboxUnavailable(reason) from exc

    def _why_not_selected(self, client: Any, refusal: str) -> str:
        name = self._settings.folder
        names = sorted(folder for _, _, folder in client.list_folders())
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


def quoted_folder(name: str) -> str:
    """The folder as an error text names it: shared ones bear their owner's address on some servers, and an error
    text holds none."""
    return f'"{name}"' if "@" not in name else "(named after an address)"


def _is_preauthenticated(client: Any) -> bool:
    return bool(client._imap.state == "AUTH")


def _quoted(text: str) -> str:
    """A quoted string (RFC 9051 §4.3): imaplib quotes the password, but not the login name."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _how(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if is_refusal(exc):
        return "refused"
    if isinstance(exc, (IMAPClientAbortError, OSError)):
        return "connection lost"
    return "unexpected answer"
