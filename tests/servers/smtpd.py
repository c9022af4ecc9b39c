"""A true aiosmtpd that records what it is told and misbehaves at the planned moment.

`server.plan("RCPT", "451 4.7.1 later", nth=2)` gives that reply to the second RCPT from now on. Places: CONNECT,
EHLO, AUTH, MAIL, RCPT, DATA (the command), "." (after the final dot), RSET, NOOP, QUIT, and "MAIL<>" for the null
reverse path. The reply CLOSE drops the connection without a word. `delay` waits first, in seconds.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult

from tests.servers.loop_thread import LoopThread

CLOSE = "CLOSE"
_PARAMETERS_OF_DSN = ("RET=", "ENVID=", "NOTIFY=", "ORCPT=")


@dataclass
class _Planned:
    place: str
    reply: str
    nth: int
    times: int
    delay: float


@dataclass(frozen=True)
class Received:
    reverse_path: str
    forward_paths: tuple[str, ...]
    raw: bytes


class RecordingSmtp:
    """Context manager; `port` is the free port it took, `transcript` the commands of all connections in order,
    `chunks` what came over the wire, piece by piece, as far as it was not encrypted."""

    def __init__(
        self,
        *,
        tls: tuple[Path, Path] | None = None,
        implicit_tls: bool = False,
        login: tuple[str, str] | None = None,
        smtputf8: bool = True,
        dsn: bool = False,
        hidden: frozenset[str] = frozenset(),
        size_limit: int = 1_000_000,
    ) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.transcript: list[str] = []
        self.chunks: list[bytes] = []
        self.received: list[Received] = []
        self.connections = 0
        self.smtputf8, self.dsn, self.hidden, self.size_limit, self.login = smtputf8, dsn, hidden, size_limit, login
        self.implicit_tls = implicit_tls
        self.context: ssl.SSLContext | None = None
        if tls is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self._plans: list[_Planned] = []
        self._open: set[Any] = set()

    def plan(self, place: str, reply: str, *, nth: int = 1, times: int = 1, delay: float = 0) -> None:
        self._plans.append(_Planned(place, reply, nth, times, delay))

    def plan_for(self, recipient: str, reply: str, *, times: int = 1) -> None:
        """That reply to RCPT for this recipient."""
        self.plan(f"RCPT {recipient}", reply, times=times)

    def forget_plans(self) -> None:
        self._plans.clear()

    def drop_connections(self) -> None:
        """Ends every open connection, as a server does with idle ones."""

        async def drop() -> None:
            for transport in list(self._open):
                transport.close()
            await asyncio.sleep(0.05)

        self._thread.run(drop())

    def commands(self, *verbs: str) -> list[str]:
        return [line for line in self.transcript if not verbs or line.split(" ", 1)[0] in verbs]

    def __enter__(self) -> Self:
        self._thread = LoopThread()
        self._server = self._thread.run(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._server is None:
            return

        async def close() -> None:
            self._server.close()

        self._thread.run(close())
        self.drop_connections()
        self._server = None
        self._thread.stop()

    async def _listen(self) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: _Conversation(self, loop), self.host, 0, ssl=self.context if self.implicit_tls else None
        )

    def due(self, place: str) -> _Planned | None:
        for planned in self._plans:
            if planned.place != place:
                continue
            planned.nth -= 1
            if planned.nth <= 0 and planned.times > 0:
                planned.times -= 1
                return planned
        return None

    async def handle_EHLO(
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        hidden = self.hidden if self.login else self.hidden | {"AUTH"}
        shown = [line for line in responses if line[4:].split(" ")[0] not in hidden]
        return [*shown[:-1], "250-DSN", shown[-1]] if self.dsn else shown

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        planned = self.due(".")
        if planned:
            await asyncio.sleep(planned.delay)
            if planned.reply == CLOSE:
                server.transport.abort()  # type: ignore[union-attr]
                return "250 never arrives"
            if not planned.reply.startswith("2"):
                return planned.reply
        reverse_path = "" if envelope.mail_from == "<>" else envelope.mail_from  # aiosmtpd keeps the brackets
        self.received.append(Received(reverse_path, tuple(envelope.rcpt_tos), bytes(envelope.content)))
        return planned.reply if planned else "250 2.0.0 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert self.login is not None
        good = (data.login.decode(), data.password.decode()) == self.login
        return AuthResult(success=good, handled=False)  # aiosmtpd writes the reply only when it is not handled


class _Conversation(SMTP):
    def __init__(self, owner: RecordingSmtp, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        super().__init__(
            owner,
            data_size_limit=owner.size_limit,
            enable_SMTPUTF8=owner.smtputf8,
            hostname="mx.test.example",
            tls_context=None if owner.implicit_tls else owner.context,
            auth_require_tls=False,
            authenticator=owner.authenticate if owner.login else None,
            auth_exclude_mechanism=[] if owner.login else ["LOGIN", "PLAIN"],
            loop=loop,
        )

    def connection_made(self, transport: Any) -> None:
        self._owner.connections += 1
        self._owner._open.add(transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._owner.chunks.append(data)
        super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner._open.discard(self.transport)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        text = status.decode() if isinstance(status, bytes) else status
        if text.startswith("220 mx.test.example"):
            planned = self._owner.due("CONNECT")
            if planned:
                await super().push(planned.reply)
                self.transport.close()
                return
        await super().push(status)

    async def _misbehaves(self, *places: str) -> bool:
        """True when a planned reply took the place of the real one."""
        for place in places:
            planned = self._owner.due(place)
            if planned is None:
                continue
            await asyncio.sleep(planned.delay)
            if planned.reply == CLOSE:
                self.transport.abort()
                return True
            if planned.reply:
                await self.push(planned.reply)
                if planned.reply.startswith("421"):
                    self.transport.close()
                return True
        return False

    def _note(self, verb: str, argument: str | None) -> None:
        self._owner.transcript.append(f"{verb} {argument}" if argument else verb)

    async def smtp_EHLO(self, hostname: str) -> None:
        self._note("EHLO", hostname)
        if not await self._misbehaves("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg: str) -> None:
        self._note("AUTH", arg.split(" ", 1)[0])
        if not await self._misbehaves("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        self._note("MAIL", arg)
        places = ("MAIL", "MAIL<>") if arg and arg.upper().startswith("FROM:<>") else ("MAIL",)
        if not await self._misbehaves(*places):
            await super().smtp_MAIL(_without_dsn(arg) if self._owner.dsn else arg)

    async def smtp_RCPT(self, arg: str | None) -> None:
        self._note("RCPT", arg)
        recipient = (arg or "").partition("<")[2].partition(">")[0]
        if not await self._misbehaves("RCPT", f"RCPT {recipient}"):
            await super().smtp_RCPT(_without_dsn(arg) if self._owner.dsn else arg)

    async def smtp_DATA(self, arg: str) -> None:
        self._note("DATA", arg)
        if not await self._misbehaves("DATA"):
            await super().smtp_DATA(arg)

    async def smtp_RSET(self, arg: str) -> None:
        self._note("RSET", arg)
        if not await self._misbehaves("RSET"):
            await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg: str) -> None:
        self._note("QUIT", arg)
        if not await self._misbehaves("QUIT"):
            await super().smtp_QUIT(arg)


def _without_dsn(arg: str | None) -> str | None:
    """aiosmtpd does not know RFC 3461: its parameters are taken away after they were recorded."""
    if arg is None:
        return None
    return " ".join(word for word in arg.split(" ") if not word.upper().startswith(_PARAMETERS_OF_DSN))
