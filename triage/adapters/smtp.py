"""The MailSender port over SMTP (RFC 5321): a small pool of held connections, and how they are made.

Messages of exceptions name the server and the setting to look at, never what the server said.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiosmtplib

from triage.adapters.mail_server import Fact, ServerName, tls_context
from triage.adapters.smtp_session import TROUBLE, SmtpSession, enhanced_status, size_limit
from triage.errors import SenderUnavailable, TokenUnavailable
from triage.ports import TokenSource
from triage.settings import SmtpSettings

DATA_SECONDS = 630.0  # a server may take ten minutes after the final dot (RFC 5321 §4.5.3.2.6)
IDLE_SECONDS = 30.0  # a held connection unused for longer is closed: servers do so too, without a word
_SAME_REFUSAL_SECONDS = 4.0  # a refused login holds for the other connections that want to log in just now
_WANTED = ("STARTTLS", "AUTH", "SIZE", "8BITMIME", "SMTPUTF8", "DSN")


@dataclass(frozen=True, slots=True)
class _Held:
    smtp: aiosmtplib.SMTP
    used_at: float  # loop time


class SmtpSender:
    """Sends over at most `connections` connections at once. One event loop at a time."""

    def __init__(
        self,
        settings: SmtpSettings,
        *,
        tokens: TokenSource | None = None,
        data_seconds: float = DATA_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`tokens`: OAuth2 access tokens, for the setting `smtp.oauth`."""
        self.server = ServerName("SMTP", "smtp", settings.host, settings.port)
        self._settings, self._tokens = settings, tokens
        self._data_seconds, self._idle_seconds = data_seconds, idle_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = asyncio.Semaphore(settings.connections)
        self._first = asyncio.Lock()
        self._idle: list[_Held] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._works = False  # a login succeeded and none failed since
        self._refusal: tuple[float, SenderUnavailable] | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[SmtpSession]:
        """A connection, held or new; it goes back to the pool afterwards when it is still in order. Raises
        SenderUnavailable when none can be had. Leaving the block raises nothing by itself."""
        self._enter_loop()
        async with self._places:
            smtp = self._take()
            session = SmtpSession(
                smtp or await self._connected(),
                reused=smtp is not None,
                replacement=self._connected,
                seconds=self._settings.timeout_seconds,
                data_seconds=self._data_seconds,
            )
            try:
                yield session
            except Exception:
                await session.leave()
                raise
            except BaseException:  # cancelled: a reply may still be on its way, so this connection is done
                session.in_order = False
                raise
            else:
                await session.leave()
            finally:
                self._put_back(session)

    async def close(self) -> None:
        """Says goodbye on every held connection; never raises."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        if self._loop is not asyncio.get_running_loop():
            self._idle.clear()  # their event loop is gone, and the sockets with it
            return
        held, self._idle = self._idle, []
        await asyncio.gather(*(_say_goodbye(item.smtp) for item in held), *self._goodbyes, return_exceptions=True)

    async def probe(self) -> list[Fact]:
        """What this server offers, for `check`: (what, value) lines. Raises SenderUnavailable."""
        self._enter_loop()
        smtp = await self._connect()
        offered = [name for name in _WANTED if smtp.supports_extension(name)]
        facts = [
            ("offered", ", ".join(offered) or "none of the extensions wanted"),
            ("encrypted", "yes" if smtp.get_transport_info("sslcontext") is not None else "no"),
            ("login", "accepted" if self._settings.username else "none (smtp.username is empty)"),
            ("largest mail", f"{size_limit(smtp)} bytes" if size_limit(smtp) else "not told"),
        ]
        await _say_goodbye(smtp)
        return facts

    # ---------------------------------------------------------------- pool

    def _enter_loop(self) -> None:
        """A one-shot command runs its own event loop each time: connections of an ended one cannot be used."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        self._loop = loop
        self._idle, self._goodbyes, self._sweep = [], set(), None
        self._places, self._first = asyncio.Semaphore(self._settings.connections), asyncio.Lock()

    def _take(self) -> aiosmtplib.SMTP | None:
        while self._idle:
            held = self._idle.pop()  # the freshest, so that the others can grow old
            if held.smtp.is_connected and self._now() - held.used_at <= self._idle_seconds:
                return held.smtp
            self._retire(held)
        return None

    def _put_back(self, session: SmtpSession) -> None:
        if not session.in_order or not session.smtp.is_connected:
            session.smtp.close()
            return
        self._idle.append(_Held(session.smtp, self._now()))
        if self._sweep is None and self._loop is not None:
            self._sweep = self._loop.call_later(self._idle_seconds, self._sweep_idle)

    def _sweep_idle(self) -> None:
        self._sweep = None
        limit = self._now() - self._idle_seconds
        for held in [held for held in self._idle if held.used_at <= limit]:
            self._idle.remove(held)
            self._retire(held)
        if self._idle and self._loop is not None:
            oldest = min(held.used_at for held in self._idle)
            self._sweep = self._loop.call_at(oldest + self._idle_seconds, self._sweep_idle)

    def _retire(self, held: _Held) -> None:
        task = asyncio.get_running_loop().create_task(_say_goodbye(held.smtp))
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # ---------------------------------------------------------------- connect

    async def _connected(self) -> aiosmtplib.SMTP:
        """A new connection. Until one login worked they are made one after the other, so that a wrong password
        is tried once and not once per connection (accounts get locked)."""
        if self._works:
            return await self._connect()
        async with self._first:
            if self._refusal is not None and self._now() - self._refusal[0] < _SAME_REFUSAL_SECONDS:
                raise self._refusal[1]
            return await self._connect()

    async def _connect(self) -> aiosmtplib.SMTP:
        settings = self._settings
        if not settings.host:
            raise SenderUnavailable("no SMTP server is configured: set smtp.host, smtp.username and its password")
        try:
            context = await asyncio.to_thread(tls_context, settings.ca_file) if settings.security != "none" else None
        except OSError as exc:
            raise SenderUnavailable(self.server.ca_file_unreadable(exc)) from exc
        smtp = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            local_hostname="[127.0.0.1]",  # replaced below; without a value the library asks DNS for one
            timeout=settings.timeout_seconds,
            use_tls=settings.security == "tls",
            start_tls=False,  # done step by step here, so that each step has its own message
            tls_context=context,
        )
        try:
            await smtp.connect()
            smtp.local_hostname = await _own_name(settings.hostname, smtp)
            await smtp._ehlo_or_helo_if_needed()
            await self._secure(smtp)
            await self._log_in(smtp)
        except BaseException as exc:
            smtp.close()
            if isinstance(exc, TROUBLE):
                raise self._unavailable(exc) from exc
            raise
        self._works, self._refusal = True, None
        return smtp

    async def _secure(self, smtp: aiosmtplib.SMTP) -> None:
        if self._settings.security != "starttls":
            return
        if not smtp.supports_extension("STARTTLS"):
            raise SenderUnavailable(
                f"{self.server} does not offer STARTTLS, so no password and no mail was sent; "
                "check smtp.port and smtp.security"
            )
        await smtp.starttls()
        await smtp._ehlo_or_helo_if_needed()

    async def _log_in(self, smtp: aiosmtplib.SMTP) -> None:
        user, password = self._settings.username, self._settings.password.get_secret_value()
        if not user:
            return
        token = ""
        # one method only: the library's login() would try a wrong password with each of them
        try:
            if self._settings.oauth:
                token = await self._access_token(smtp)
                await smtp.auth_xoauth2(user, token)
            elif "plain" in smtp.server_auth_methods:
                await smtp.auth_plain(user, password)
            elif "login" in smtp.server_auth_methods:
                await smtp.auth_login(user, password)
            elif "cram-md5" in smtp.server_auth_methods:
                await smtp.auth_crammd5(user, password)
            else:
                raise SenderUnavailable(
                    f"{self.server} offers no login with a password; "
                    "check smtp.port and smtp.security, or leave smtp.username empty"
                )
        except aiosmtplib.SMTPAuthenticationError as exc:
            later = 400 <= exc.code < 500
            if token and not later and self._tokens is not None and await asyncio.to_thread(self._tokens.forget, token):
                # it had just expired, or was called back: the next try asks for a fresh one
                raise SenderUnavailable(f"{self.server} refused an OAuth2 token; it is tried with a new one") from exc
            what = "takes no logins now" if later else "refused the login as smtp.username"
            wrong = (
                "check smtp.username and mailbox.oauth.scopes"
                if token
                else "check smtp.username and smtp.password (TRIAGE_SMTP__PASSWORD)"
            )
            mend = "it is tried again" if later else wrong
            refusal = SenderUnavailable(
                f"{self.server} {what} (reply {exc.code}); {mend}",
                reply_code=exc.code,
                enhanced_status=enhanced_status(exc),
            )
            self._works, self._refusal = False, (self._now(), refusal)
            raise refusal from exc

    async def _access_token(self, smtp: aiosmtplib.SMTP) -> str:
        if self._tokens is None or "xoauth2" not in smtp.server_auth_methods:
            raise SenderUnavailable(
                f"{self.server} offers no login with an OAuth2 token (XOAUTH2); "
                "check smtp.host, smtp.security and mailbox.oauth.grant"
            )
        if smtp.get_transport_info("sslcontext") is None:
            raise SenderUnavailable(
                f"{self.server} is not encrypted, so no token was sent; set smtp.security to tls or starttls"
            )
        try:
            return await asyncio.to_thread(self._tokens.access_token)
        except TokenUnavailable as exc:
            raise SenderUnavailable(str(exc)) from exc

    def _unavailable(self, exc: BaseException) -> SenderUnavailable:
        if isinstance(exc, aiosmtplib.SMTPResponseException) and exc.code > 0:
            return SenderUnavailable(
                f"{self.server} refused the connection (reply {exc.code}); try later, "
                "and check smtp.port and smtp.security",
                reply_code=exc.code,
                enhanced_status=enhanced_status(exc),
            )
        # the library puts its own error around the one that tells why
        cause = exc.__cause__ if isinstance(exc.__cause__, OSError) else exc
        return SenderUnavailable(self.server.connection_failed(cause))


async def _own_name(configured: str, smtp: aiosmtplib.SMTP) -> str:
    """Our name for EHLO: the configured one, else this machine's full name, else its address (RFC 5321 §4.1.1.1)."""
    if configured:
        return configured
    name = socket.gethostname()
    if "." not in name:
        name = await asyncio.to_thread(socket.getfqdn)
    if "." in name and name.isascii() and not name.startswith("localhost"):
        return name
    address: str = smtp.get_transport_info("sockname")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


async def _say_goodbye(smtp: aiosmtplib.SMTP) -> None:
    with suppress(*TROUBLE):
        if smtp.is_connected:
            await smtp.quit(timeout=5)
    smtp.close()
