"""The relay: claim, send, record (`product.md` sections 2 and 3.9). Automatic mail leaves at most once.

Everything before DATA is certain not to have been sent. The row is committed as `sending` just before DATA; when
the process dies after that, or no reply comes, the outcome is unknown: the item becomes `uncertain`, is never
claimed again by itself, and a person sees it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from triage.errors import DeliveryDeferred, DeliveryRefused, DeliveryUncertain, SenderUnavailable
from triage.logs import get_logger
from triage.ports import Clock, Envelope, MailSender, OutboxItem, Store, UnitOfWork

LEASE_TTL = timedelta(
    minutes=15
)  # longer than the 10 minutes a server may take after the final dot (RFC 5321 §4.5.3.2.6)
_GIVE_UP_AFTER = timedelta(days=3)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=2), timedelta(hours=2)
_SERVER_PAUSES = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)  # seconds, while the SMTP server itself cannot be used
_BATCH = 50

T = TypeVar("T")


def next_attempt(attempts: int, created_at: datetime, now: datetime) -> datetime | None:
    """When a deferred item is tried again: growing pauses; None when it has waited long enough (RFC 5321 §4.5.4.1)."""
    if now - created_at >= _GIVE_UP_AFTER:
        return None
    doublings: int = min(max(attempts, 1) - 1, 10)
    return now + min(_FIRST_PAUSE * 2.0**doublings, _LONGEST_PAUSE)


@dataclass(slots=True)
class RelayReport:
    """Counts per outcome of one cycle; `unavailable` tells in words why the server could not be used."""

    states: Counter[str] = field(default_factory=Counter)
    unavailable: str = ""


def _is_about_the_recipient(refusal: DeliveryRefused) -> bool:
    """Another reverse path cannot help: bad address or mailbox (RFC 3463 §3.2, §3.3), or the mail is too large."""
    status = refusal.enhanced_status or ""
    return status.startswith(("5.1.", "5.2.", "5.3.")) or refusal.reply_code == 552


class Relay:
    """Sends what is due. One instance per process; several processes share the outbox through leases."""

    def __init__(
        self,
        *,
        store: Store,
        sender: MailSender,
        clock: Clock,
        owner: str,
        connections: int,
        acknowledge: bool,
    ) -> None:
        self._store, self._sender, self._clock, self._owner = store, sender, clock, owner
        self._connections, self._acknowledge = connections, acknowledge
        self._failures = 0
        self._not_before: datetime | None = None
        self._unavailable = ""
        self._handed_over: set[str] = set()  # items whose DATA was begun and that have no definite outcome yet
        self.stopping = False

    async def relay_once(self) -> RelayReport:
        """Sends until nothing is due or the server cannot be used. Safe to repeat."""
        report = RelayReport()
        lost = await self._in_store(lambda uow: uow.expire_sending(now=self._clock()))
        report.states["uncertain"] += len(lost)
        if self._not_before is not None and self._clock() < self._not_before:
            report.unavailable = self._unavailable
            return report
        while not self.stopping:
            items = await self._in_store(
                lambda uow: uow.claim_outbox(owner=self._owner, now=self._clock(), lease=LEASE_TTL, limit=_BATCH)
            )
            if not items:
                break
            await self._send_all(items, report)
            if report.unavailable:
                self._failures += 1
                self._unavailable = report.unavailable
                pause = _SERVER_PAUSES[min(self._failures, len(_SERVER_PAUSES)) - 1]
                self._not_before = self._clock() + timedelta(seconds=pause)
                await self._in_store(lambda uow: uow.recover_outbox(owner=self._owner, now=self._clock()))
                break
            self._failures, self._not_before = 0, None
        return report

    async def _send_all(self, items: Sequence[OutboxItem], report: RelayReport) -> None:
        queue: asyncio.Queue[OutboxItem] = asyncio.Queue()
        for item in items:
            queue.put_nowait(item)
        workers = min(self._connections, queue.qsize())
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(queue, report))

    async def _work(self, queue: asyncio.Queue[OutboxItem], report: RelayReport) -> None:
        while not queue.empty() and not report.unavailable and not self.stopping:
            item = queue.get_nowait()
            try:
                if item.kind == "acknowledgement" and self._clock() - item.created_at >= _GIVE_UP_AFTER:
                    await self._record(item, report, "refused")  # the day it promises may have passed
                elif item.kind == "acknowledgement" and not self._acknowledge:
                    await self._record(item, report, "deferred", due_at=self._clock() + _LONGEST_PAUSE)
                else:
                    await self._send(item, report)
            except SenderUnavailable as exc:
                report.unavailable = str(exc)
                get_logger().warning("sender_unavailable", reply_code=exc.reply_code, exc_info=exc)
            except Exception as exc:  # the loop edge: this item is set aside, the next one goes on
                get_logger().error("item_not_sent", outbox_id=item.id, exc_info=exc)
                if item.id not in self._handed_over:  # else it stays `sending`, and becomes `uncertain` with its lease
                    await self._defer(item, report, DeliveryDeferred("unexpected error"))
            finally:
                self._handed_over.discard(item.id)

    async def _send(self, item: OutboxItem, report: RelayReport) -> None:
        try:
            await self._attempt(item, item.envelope, report)
        except DeliveryRefused as exc:
            fallback = item.null_reverse_path_fallback
            if fallback and item.envelope.reverse_path == "" and not _is_about_the_recipient(exc):
                # refused, so certainly not sent; servers turn the null path down at MAIL, RCPT or DATA
                try:
                    await self._attempt(item, replace(item.envelope, reverse_path=fallback), report)
                except DeliveryRefused as second:
                    await self._refuse(item, report, second)
                except SenderUnavailable:
                    raise
                except DeliveryDeferred as second:
                    await self._defer(item, report, second)
            else:
                await self._refuse(item, report, exc)
        except SenderUnavailable:
            raise
        except DeliveryDeferred as exc:
            await self._defer(item, report, exc)

    async def _attempt(self, item: OutboxItem, envelope: Envelope, report: RelayReport) -> None:
        """One try. Raises only what leaves the item certainly unsent; records every other outcome itself."""
        async with self._sender.session() as session:
            await session.prepare(envelope, raw=item.raw)
            mine = await self._in_store(
                lambda uow: uow.mark_sending([item.id], owner=self._owner, now=self._clock(), lease=LEASE_TTL)
            )
            if item.id not in mine:
                get_logger().warning("lease_lost", outbox_id=item.id)
                return
            self._handed_over.add(item.id)
            try:
                await session.data(item.raw)
            except (DeliveryRefused, DeliveryDeferred):  # the server said so: certainly not sent
                self._handed_over.discard(item.id)
                raise
            except DeliveryUncertain as exc:
                await self._record(item, report, "uncertain", reply_code=exc.reply_code)
                return
        await self._record(item, report, "sent", reply_code=250)

    async def _refuse(self, item: OutboxItem, report: RelayReport, exc: DeliveryRefused) -> None:
        await self._record(item, report, "refused", reply_code=exc.reply_code, enhanced_status=exc.enhanced_status)

    async def _defer(self, item: OutboxItem, report: RelayReport, exc: DeliveryDeferred) -> None:
        again = next_attempt(item.attempts, item.created_at, self._clock())
        await self._record(
            item,
            report,
            "refused" if again is None else "deferred",
            due_at=again,
            reply_code=exc.reply_code,
            enhanced_status=exc.enhanced_status,
        )

    async def _record(
        self,
        item: OutboxItem,
        report: RelayReport,
        state: str,
        *,
        due_at: datetime | None = None,
        reply_code: int | None = None,
        enhanced_status: str | None = None,
    ) -> None:
        kept = await self._in_store(
            lambda uow: uow.record_delivery(
                item.id,
                owner=self._owner,
                state=state,
                now=self._clock(),
                due_at=due_at,
                reply_code=reply_code,
                enhanced_status=enhanced_status,
            )
        )
        if not kept:
            get_logger().error("lease_lost", outbox_id=item.id, state=state)
            return
        report.states[state] += 1
        if state in ("refused", "uncertain"):
            get_logger().warning("delivery_" + state, outbox_id=item.id, kind=item.kind, reply_code=reply_code)

    async def _in_store(self, work: Callable[[UnitOfWork], T]) -> T:
        def run() -> T:
            with self._store.begin() as uow:
                return work(uow)

        return await asyncio.to_thread(run)
