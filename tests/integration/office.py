"""The services with a true SMTP server behind them; used by the tests of screening and of delivery reports."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.integration.harness import Harness
from tests.servers.smtpd import RecordingSmtp
from triage.adapters.smtp import SmtpSender
from triage.ports import CasePage
from triage.settings import SmtpSettings

REF = "JL-2026-00001"
ASKER = "vrager1@mensen.example"


@dataclass
class Office:
    """The services with a true SMTP server behind them."""

    desk: Harness
    server: RecordingSmtp
    settings: SmtpSettings

    def send(self) -> list[tuple[tuple[str, ...], bytes]]:
        """Sends what is due; what the server got since, as (recipients, bytes)."""
        before = len(self.server.received)

        async def once() -> None:
            sender = SmtpSender(self.settings)
            self.desk.sender = sender  # type: ignore[assignment]
            self.desk.wire()
            try:
                await self.desk.relay.relay_once()
            finally:
                await sender.close()

        asyncio.run(once())
        return [(got.forward_paths, got.raw) for got in self.server.received[before:]]


def page(desk: Harness, number: int = 1) -> CasePage:
    return desk.store.queries.case_page(f"JL-2026-{number:05d}")
