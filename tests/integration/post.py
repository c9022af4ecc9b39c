"""The services with a real SMTP server behind them, and a strict reading of what arrives there."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from tests.integration.harness import US, Harness
from tests.servers.smtpd import Received, RecordingSmtp
from triage.adapters.smtp import SmtpSender
from triage.core.case import CaseState
from triage.core.gate import Finding
from triage.ports import OutboxRow, User
from triage.services.relay import RelayReport
from triage.settings import SmtpSettings

FIRST = "JL-2026-00001"
STATES = ("due", "sending", "sent", "deferred", "refused", "uncertain")
SETTINGS: dict[str, Any] = {
    "host": "127.0.0.1", "username": "", "password": "", "oauth": False, "security": "none", "ca_file": "",
    "from": US, "reverse_path": "bounces@juisteloket.example", "hostname": "triage.test.example", "connections": 3,
    "per_minute": 0, "timeout_seconds": 5, "relay_seconds": 5,
}  # fmt: skip


class Post(Harness):
    """The services with a real SMTP server behind them."""

    server: RecordingSmtp

    def connect(self, server: RecordingSmtp, **changes: Any) -> None:
        self.server = server
        self.sender = SmtpSender(SmtpSettings(**SETTINGS | {"port": server.port} | changes))  # type: ignore[assignment]
        self.wire()

    def relay_once(self) -> RelayReport:
        async def whole() -> RelayReport:
            try:
                return await self.relay.relay_once()
            finally:
                await self.sender.close()

        return asyncio.run(whole())

    def receive(self, raw: bytes) -> None:
        self.mailbox.deliver(raw)
        self.poll()

    def acknowledged(self, raw: bytes) -> Received:
        """What the sender of this mail gets back."""
        self.receive(raw)
        self.relay_once()
        return self.server.received[-1]

    def rows(self, kind: str = "") -> list[OutboxRow]:
        return [row for row in self.store.queries.outbox(states=STATES) if kind in ("", row.kind)]

    def approve(self, reference: str = FIRST, *, seen: int = 1, user: User | None = None, **changes: Any) -> None:
        """A person changes the draft, approves it with every tick that is asked, and the undo time passes."""
        draft = self.store.queries.case_page(reference).drafts[0]
        person = user or self.somebody()
        if changes:
            content = replace(draft.content, **changes)
            draft = self.approval.save_draft(reference, user=person, base_revision=draft.revision, content=content)
        self.approval.approve(
            reference,
            user=person,
            revision=draft.revision,
            content_hash=draft.content_hash,
            seen_messages=seen,
            ticked=frozenset(Finding),
        )
        self.later(seconds=30)

    def somebody(self) -> User:
        known = self.store.accounts.by_username("jansen")
        return known.user if known else self.user()

    def state(self, reference: str = FIRST) -> CaseState:
        return self.store.queries.case_page(reference).case.state


def read(received: Received) -> EmailMessage:
    message = message_from_bytes(received.raw, policy=policy.default)
    assert isinstance(message, EmailMessage) and not message.defects
    return message


def text_of(received: Received) -> str:
    part = read(received).get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def header_lines(received: Received) -> list[bytes]:
    return received.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")


def assert_well_formed(received: Received) -> None:
    """What RFC 5322 and 2047 ask of every mail, on its bytes."""
    raw = received.raw
    assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert raw.isascii() and b"\x00" not in raw
    names = [line.split(b":")[0].lower() for line in header_lines(received) if not line.startswith((b" ", b"\t"))]
    assert len(names) == len(set(names))
    assert {b"date", b"from", b"to", b"subject", b"message-id", b"mime-version", b"content-type"} <= set(names)
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^?\s]+\?[bqBQ]\?[^?\s]*\?=", raw))
    message = read(received)
    assert message["Date"].datetime is not None and message["Message-ID"].endswith("@juisteloket.example>")
    assert not {name for name in message if name.lower() in ("bcc", "cc", "return-receipt-to")} - {"Cc"}
