"""Sending mail over SMTP, and the mark of what was sent."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Envelope:
    """RFC 5321 §3.3: `reverse_path` "" is the null one."""

    reverse_path: str
    forward_path: str


class MailSession(Protocol):
    async def prepare(self, envelope: Envelope, *, raw: bytes = b"") -> None:
        """MAIL and RCPT; with `raw` the server is told its size and that it holds 8-bit text.
        Raises DeliveryDeferred or DeliveryRefused: certainly not sent."""

    async def data(self, raw: bytes) -> None:
        """DATA to the final reply; returns when the server accepted. Raises DeliveryDeferred (4yz),
        DeliveryRefused (5yz) or DeliveryUncertain (no reply). Only after `prepare` succeeded."""


class MailSender(Protocol):
    def session(self) -> AbstractAsyncContextManager[MailSession]:
        """A connection from a small pool. Raises SenderUnavailable when none can be had."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SendingMark:
    """The last batch this node sent: its number in the database, and when."""

    count: int
    at: datetime


class MarkFile(Protocol):
    """Survives a restore of the database. Raises StoreUnavailable when it cannot be written."""

    def read(self) -> SendingMark | None: ...
    def write(self, mark: SendingMark) -> None: ...
