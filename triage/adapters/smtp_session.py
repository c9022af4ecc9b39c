"""One mail over one SMTP connection: MAIL and RCPT, then DATA, with a strict reading of every reply (RFC 5321 §4.2.1).

Up to RCPT nothing was sent for certain. DATA, body and final dot are one call of the library, so a connection lost
during it leaves the outcome unknown. Messages of exceptions hold no address and nothing of the server's text; the
reply code and the enhanced status (RFC 3463) stand in their attributes.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NoReturn

import aiosmtplib
from aiosmtplib.email import parse_address

from triage.errors import DeliveryDeferred, DeliveryRefused, DeliveryUncertain, SenderUnavailable
from triage.ports import Envelope

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_WANTS_LOGIN = frozenset({530, 534, 535, 538})  # RFC 4954 §6: about our login, not about this mail

TROUBLE = (aiosmtplib.SMTPException, OSError, ValueError)
"""What the library raises: refusals and lost connections, TLS errors, and arguments it will not put on the wire."""


class SmtpSession:
    """One connection in use. `in_order`: it may be used for a next mail."""

    def __init__(
        self,
        smtp: aiosmtplib.SMTP,
        *,
        reused: bool,
        replacement: Callable[[], Awaitable[aiosmtplib.SMTP]],
        seconds: float,
        data_seconds: float,
    ) -> None:
        self.smtp = smtp
        self.in_order = True
        self._reused, self._replacement = reused, replacement
        self._seconds, self._data_seconds = seconds, data_seconds
        self._open = False  # MAIL was accepted and the transaction is not over

    async def prepare(self, envelope: Envelope, *, raw: bytes = b"") -> None:
        """MAIL and RCPT. With `raw` the server is told its size and that it holds 8-bit text."""
        recipient, utf8_recipient = self._on_the_wire(envelope.forward_path)
        sender, utf8_sender = self._on_the_wire(envelope.reverse_path) if envelope.reverse_path else ("", False)
        # another recipient's address in To makes the whole mail an internationalised one (RFC 6531 §3.4)
        needs_utf8 = utf8_recipient or utf8_sender or not raw.partition(b"\r\n\r\n")[0].isascii()
        if self._open:
            await self._reset()
        await self._say_mail(sender, needs_utf8, raw)
        smtp = self.smtp
        quiet = not sender and smtp.supports_extension("DSN")
        try:
            await smtp.rcpt(
                recipient,
                options=["NOTIFY=NEVER"] if quiet else [],
                encoding="utf-8" if needs_utf8 else "ascii",
                timeout=self._seconds,
            )
        except aiosmtplib.SMTPRecipientRefused as exc:
            if not 200 <= exc.code < 300:
                await self._reset()
                _raise_for(exc, "the recipient")
        except TROUBLE as exc:
            self._raise_lost(exc)

    async def data(self, raw: bytes) -> None:
        """DATA to the final reply; returns when the server accepted (2yz)."""
        smtp = self.smtp
        if not smtp.is_connected:
            self._raise_lost(None)
        self._check_fits(raw)
        self._open = False
        try:
            await smtp.data(raw, timeout=self._data_seconds)
        except aiosmtplib.SMTPDataError as exc:
            code, status = exc.code, enhanced_status(exc)
            if code == 250:  # in answer to DATA itself: the body was never asked for
                self.in_order = False
                raise DeliveryDeferred("the server did not take the mail", reply_code=code) from exc
            if 200 <= code < 300:
                return
            if 400 <= code < 500:
                self._open, self.in_order = True, code != 421
                raise DeliveryDeferred(
                    f"the server takes the mail later (reply {code})", reply_code=code, enhanced_status=status
                ) from exc
            if 500 <= code < 600:
                self._open = True
                raise DeliveryRefused(
                    f"the server refused the mail (reply {code})", reply_code=code, enhanced_status=status
                ) from exc
            self.in_order = False
            raise DeliveryUncertain(f"the server gave reply {code} to the mail", reply_code=code) from exc
        except TROUBLE as exc:
            self.in_order = False
            raise DeliveryUncertain("the connection was lost while the mail was sent; no reply came") from exc
        except BaseException:
            self.in_order = False
            raise

    async def leave(self) -> None:
        """Makes the connection ready for the next mail; never raises an error of the connection."""
        if self._open and self.in_order and self.smtp.is_connected:
            await self._reset()

    # ---------------------------------------------------------------- steps

    async def _say_mail(self, sender: str, needs_utf8: bool, raw: bytes) -> None:
        while True:
            smtp = self.smtp
            self._check_fits(raw)
            if needs_utf8 and not smtp.supports_extension("SMTPUTF8"):
                raise DeliveryRefused("the server does not take addresses with characters beyond ASCII (no SMTPUTF8)")
            try:
                await smtp.mail(
                    sender,
                    options=self._mail_options(sender, needs_utf8, raw),
                    encoding="utf-8" if needs_utf8 else "ascii",
                    timeout=self._seconds,
                )
            except aiosmtplib.SMTPSenderRefused as exc:
                if self._reused and exc.code == 421:
                    await self._replace()
                    continue
                if not 200 <= exc.code < 300:
                    self._open = True
                    await self._reset()
                    _raise_for(exc, "the sender", null_reverse_path=not sender)
            except (aiosmtplib.SMTPServerDisconnected, ConnectionError) as exc:
                if not self._reused:
                    self._raise_lost(exc)
                await self._replace()  # the server closed a held connection meanwhile; nothing was sent on it
                continue
            except TROUBLE as exc:
                self._raise_lost(exc)
            self._open = True
            return

    def _mail_options(self, sender: str, needs_utf8: bool, raw: bytes) -> list[str]:
        smtp = self.smtp
        options = []
        if raw and smtp.supports_extension("SIZE"):
            options.append(f"SIZE={len(raw)}")
        if not raw.isascii() and smtp.supports_extension("8BITMIME"):
            options.append("BODY=8BITMIME")
        if needs_utf8:
            options.append("SMTPUTF8")
        if not sender and smtp.supports_extension("DSN"):
            options.append("RET=HDRS")
        return options

    def _check_fits(self, raw: bytes) -> None:
        limit = size_limit(self.smtp)
        if limit and len(raw) > limit:
            raise DeliveryRefused(f"the mail has {len(raw)} bytes, the server takes {limit}")
        if not raw.isascii() and not self.smtp.supports_extension("8BITMIME"):
            raise DeliveryRefused("the mail holds 8-bit text and the server takes only 7-bit (no 8BITMIME)")

    @staticmethod
    def _on_the_wire(address: str) -> tuple[str, bool]:
        """(address with its domain as A-label, whether it needs SMTPUTF8). Raises DeliveryRefused."""
        local, at, domain = address.rpartition("@")
        try:
            ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
            wired = f"{local}{at}{ascii_domain}"
            # the library reads addresses leniently and would send "a,b@c.example" to "a"
            if not local or not domain or parse_address(wired) != wired:
                raise ValueError
        except ValueError:
            raise DeliveryRefused("an address of the envelope is not valid") from None
        return wired, not wired.isascii()

    async def _replace(self) -> None:
        self.smtp.close()
        self._reused = False
        self.smtp = await self._replacement()

    async def _reset(self) -> None:
        self._open = False
        try:
            await self.smtp.rset(timeout=self._seconds)
        except TROUBLE:
            self.in_order = False  # the connection is closed instead; nothing was lost with it

    def _raise_lost(self, exc: BaseException | None) -> NoReturn:
        self.in_order = False
        raise DeliveryDeferred("the connection was lost before the mail was sent") from exc


def _raise_for(
    exc: aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPRecipientRefused, what: str, *, null_reverse_path: bool = False
) -> NoReturn:
    code, status = exc.code, enhanced_status(exc)
    if code in _WANTS_LOGIN:
        raise SenderUnavailable(
            f"the server wants a login before it takes mail (reply {code}); check smtp.username and smtp.security",
            reply_code=code,
            enhanced_status=status,
        ) from exc
    if 500 <= code < 600:
        raise DeliveryRefused(
            f"the server refused {what} (reply {code})",
            reply_code=code,
            enhanced_status=status,
            null_reverse_path_refused=null_reverse_path,
        ) from exc
    raise DeliveryDeferred(
        f"the server takes {what} later (reply {code})", reply_code=code, enhanced_status=status
    ) from exc


def enhanced_status(exc: aiosmtplib.SMTPResponseException) -> str | None:
    found = _ENHANCED.match(exc.message)
    return found.group(1) if found else None


def size_limit(smtp: aiosmtplib.SMTP) -> int:
    """The largest mail in bytes (RFC 1870 §4); 0 when the server names none."""
    told = smtp.esmtp_extensions.get("size", "").strip()
    return int(told) if told.isascii() and told.isdigit() else 0
