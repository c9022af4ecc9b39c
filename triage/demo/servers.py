"""The embedded default: an IMAP and an SMTP server in this process, in memory and on the loopback address only.

For the demo and for quick tests; the product itself meets them as any other server, through its settings.
pymap serves IMAP. What the SMTP server accepts is kept in a mailbox per recipient, so that nothing leaves the
machine and the acknowledgements can be read where a citizen would read them.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP
from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import DictBackend
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import ObjectId
from pymap.parsing.specials.flag import Wildcard
from pymap.user import Passwords, UserMetadata

ADDRESS = "meldpunt@juisteloket.example"
PASSWORD = "demo"  # noqa: S105 - opens mailboxes of invented people, on the loopback address only
FOLDERS = ("Concepten", "Verzonden", "Verwerkt")
HOST = "127.0.0.1"
_SMTP_NAME = "mail.juisteloket.example"
_SIZE_LIMIT = 33_554_432


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """What the SMTP server accepted. `raw` is as it came over the wire, CRLF."""

    reverse_path: str
    forward_paths: tuple[str, ...]
    raw: bytes


class KeywordMailbox(MailboxData):
    """pymap keeps system flags only, unless the permanent flags hold the wildcard."""

    @property
    def permanent_flags(self) -> frozenset[Any]:
        flags: frozenset[Any] = super().permanent_flags
        return flags | {Wildcard}


class DemoMailboxes(MailboxSet):
    """INBOX and the folders that a Dutch mail program makes, all of them with keywords."""

    def __init__(self, folders: Iterable[str] = FOLDERS) -> None:
        super().__init__()
        self._inbox = self._new()
        self._set = {name: self._new() for name in folders}
        for name in self._set:
            self._subscribed[name] = True

    def _new(self) -> KeywordMailbox:
        return KeywordMailbox(self._content_cache, self._thread_cache)

    async def add_mailbox(self, name: str) -> ObjectId:
        async with self._set_lock.write_lock():
            if name in self._set:
                raise ValueError(name)
            self._set[name] = made = self._new()
            return made.mailbox_id


class EmbeddedServers:
    """Both servers, as an async context manager. Port 0 takes a free one; read `imap_port` and `smtp_port`."""

    def __init__(
        self,
        *,
        imap_port: int = 0,
        smtp_port: int = 0,
        address: str = ADDRESS,
        password: str = PASSWORD,
        on_received: Callable[[ReceivedMail], None] = lambda mail: None,
    ) -> None:
        self.host = HOST
        self.imap_port, self.smtp_port = imap_port, smtp_port
        self.address, self.password = address, password
        self._on_received = on_received
        self._received: list[ReceivedMail] = []
        self._stack = AsyncExitStack()
        self._config: Any = None
        self._login: Any = None
        self._hash = ""
        self._connections: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start_imap(stack)
            await self._start_smtp(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        for writer in list(self._connections):
            writer.close()

    # ---------------------------------------------------------------- use

    async def deliver(self, raw: bytes, at: datetime | None = None) -> int:
        """Puts a mail into the INBOX of our own account as if it arrived at `at` (aware; now when None). Gives
        its UID."""
        return await self._append(self.address, raw, at)

    def received(self) -> list[ReceivedMail]:
        """What the SMTP server accepted, oldest first."""
        return list(self._received)

    def mailbox_count(self) -> int:
        """Mailboxes of citizens: recipients that got at least one mail from us."""
        return sum(1 for name in self._config.set_cache if name != self.address)

    async def inbox(self, address: str | None = None) -> MailboxData:
        """pymap's INBOX of this address, our own by default; made when it is new."""
        return await self._mailboxes(address or self.address).get_mailbox("INBOX")

    # ---------------------------------------------------------------- IMAP

    async def _start_imap(self, stack: AsyncExitStack) -> None:
        arguments = Namespace(
            host=HOST,
            port=self.imap_port,
            tls=False,
            demo_data=False,
            demo_user=self.address,
            demo_password=self.password,
            debug=False,
            cert=None,
            key=None,
            passlib_cfg=None,
            proxy_protocol=None,
            inherited_sockets=None,
        )
        backend, self._config = await DictBackend.init(arguments)
        self._login = backend.login
        self._hash = await Passwords(self._config).hash_password(self.password)
        self._mailboxes(self.address)
        await backend.start(stack)
        serve = IMAPServer(backend.login, self._config)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.add(writer)
            try:
                await serve(reader, writer, SocketInfoLocal(writer))
            finally:
                self._connections.discard(writer)

        server = await asyncio.start_server(connected, HOST, self.imap_port)
        stack.callback(server.close)
        self.imap_port = server.sockets[0].getsockname()[1]

    def _mailboxes(self, address: str) -> DemoMailboxes:
        cached = self._config.set_cache.get(address)
        if cached is None:
            cached = (DemoMailboxes(), FilterSet())
            self._config.set_cache[address] = cached
            if address not in self._login.users_dict:  # every citizen may look: same password, hashed once
                self._login.users_dict[address] = UserMetadata(self._config, address, password=self._hash)
        mailboxes: DemoMailboxes = cached[0]
        return mailboxes

    async def _append(self, address: str, raw: bytes, at: datetime | None) -> int:
        inbox = await self._mailboxes(address).get_mailbox("INBOX")
        message = await inbox.append(AppendMessage(raw, at or datetime.now(UTC), frozenset()), recent=True)
        uid: int = message.uid
        return uid

    # ---------------------------------------------------------------- SMTP

    async def _start_smtp(self, stack: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()

        def protocol() -> SMTP:
            return SMTP(
                self, data_size_limit=_SIZE_LIMIT, enable_SMTPUTF8=True, hostname=_SMTP_NAME, ident="demo", loop=loop
            )

        server = await loop.create_server(protocol, HOST, self.smtp_port)
        stack.callback(server.close)
        self.smtp_port = server.sockets[0].getsockname()[1]

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        """Takes every mail for everybody (aiosmtpd calls it after the final dot)."""
        raw = bytes(envelope.content)
        reverse_path = "" if envelope.mail_from == "<>" else envelope.mail_from  # aiosmtpd keeps the brackets
        mail = ReceivedMail(reverse_path, tuple(envelope.rcpt_tos), raw)
        self._received.append(mail)
        delivered = f"Return-Path: <{mail.reverse_path}>\r\n".encode() + raw  # the last server adds it (RFC 5321 §4.4)
        for forward_path in mail.forward_paths:
            await self._append(forward_path.lower(), delivered, None)
        self._on_received(mail)
        return "250 2.0.0 OK"
