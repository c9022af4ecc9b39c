"""The relay: claim, send, record (`product.md` sections 2 and 3.9). Automatic mail leaves at most once.

Everything before DATA is certain not to have been sent. The row is committed as `sending` just before DATA; when
the process dies after that, or no reply comes, the outcome is unknown: the item becomes `uncertain`, is never
claimed again by itself, and a person sees it.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from triage.core.mail import NoReplyReason
from triage.errors import (
    DeliveryDeferred,
    DeliveryRefused,
    DeliveryUncertain,
    SenderUnavailable,
    StoreUnavailable,
)
from triage.logs import get_logger
from triage.ports import Clock, Envelope, MailSender, OutboxItem, Store, UnitOfWork
from triage.services.renewing import Renewing

LEASE_TTL = timedelta(
    minutes=15
)  # longer than the 10 minutes a server may take after the final dot (RFC 5321 §4.5.3.2.6)
_GIVE_UP_AFTER = timedelta(days=3)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=2), timedelta(hours=2)
_SERVER_PAUSES = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)  # seconds, while the SMTP server itself cannot be used
_LOGIN_PAUSES = (60.0, 300.0, 900.0, 1800.0)  # after a refused login: many tries lock the account
_LESS_PAUSES = (60.0, 120.0, 300.0)  # after "too many connections", "too many mails"
_LOGIN_REFUSED = frozenset({530, 534, 535, 538})  # RFC 4954 §6
_SEND_LESS = frozenset({421, 432})  # RFC 5321 §3.8; Microsoft 365 for more than three connections
_SEND_LESS_STATUS = frozenset({"4.3.2", "4.4.5"})  # RFC 3463 §3.4, §3.5: takes no mail now, congestion
_MINUTE = timedelta(minutes=1)
_CLOCK_SET_BACK = _LONGEST_PAUSE + timedelta(minutes=10)  # nothing but an alert is told to wait longer than this
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
    """Counts per outcome of one cycle, and of acknowledgements `withheld`: switched off, or too late to
    help; `unavailable` tells in words why the server, or the store, could not be used."""

    states: Counter[str] = field(default_factory=Counter)
    unavailable: str = ""


def _is_about_the_recipient(refusal: DeliveryRefused) -> bool:
    """Another reverse path cannot help: bad address or mailbox (RFC 3463 §3.2, §3.3), or the mail is too large."""
    status = refusal.enhanced_status or ""
    if status in ("5.1.7", "5.1.8"):  # these two are about the sender's address
        return False
    return status.startswith(("5.1.", "5.2.", "5.3.")) or refusal.reply_code == 552


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a mail came to, as long as the store has not taken it."""

    item: OutboxItem
    state: str
    at: datetime
    due_at: datetime | None
    reply_code: int | None
    enhanced_status: str | None


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
        renewing: Renewing,
        before_sending: Callable[[], None] = lambda: None,
        per_minute: int = 0,
    ) -> None:
        """`before_sending` is called before each batch leaves; what it raises stops the batch. `per_minute`: how many
        mails this process hands over in any minute; 0 is no limit."""
        self._store, self._sender, self._clock, self._owner = store, sender, clock, owner
        self._connections, self._acknowledge, self._per_minute = connections, acknowledge, per_minute
        self._renewing, self._before_sending = renewing, before_sending
        self._failures = 0
        self._not_before: datetime | None = None
        self._unavailable = ""
        self._pauses: tuple[float, ...] = _SERVER_PAUSES
        self._handed_over: set[str] = set()  # items whose DATA was begun and that have no definite outcome yet
        self._begun: deque[datetime] = deque()  # when DATA was begun, the last minute
        self._unwritten: list[_Outcome] = []
        self._store_error: StoreUnavailable | None = None
        self._at_work = threading.Lock()
        self._holds_items = False  # a cycle broke off: what it had claimed is claimed still
        self.stopping = False

    async def relay_once(self) -> RelayReport:
        """Sends until nothing is due, the minute is full, or the server or the store cannot be used. Safe to repeat.

        An outcome that could not be written is kept and written first by the next call. Raises StoreUnavailable."""
        report = RelayReport()
        if not self._at_work.acquire(blocking=False):  # two cycles of one owner would not keep out of each other's way
            return report
        try:
            await self._cycle(report)
        finally:
            self._at_work.release()
        return report

    async def _cycle(self, report: RelayReport) -> None:
        await self._begin(report)
        if self._not_before is not None and timedelta() < self._not_before - self._clock() <= self._longest_pause:
            report.unavailable = self._unavailable
            return
        while not self.stopping and (limit := min(_BATCH, self._left_this_minute())):
            items = await self._in_store(functools.partial(self._claim, limit))
            if not items:
                break
            self._holds_items = True
            await asyncio.to_thread(self._before_sending)
            await self._send_all(items, report)
            if self._store_error is not None:
                report.unavailable = str(self._store_error)
                break
            if report.unavailable:
                self._failures += 1
                self._unavailable = report.unavailable
                pause = self._pauses[min(self._failures, len(self._pauses)) - 1]
                self._not_before = self._clock() + timedelta(seconds=pause)
                await self._in_store(lambda uow: uow.recover_outbox(owner=self._owner, now=self._clock()))
                self._holds_items = False
                break
            self._failures, self._not_before, self._holds_items = 0, None, False

    def _claim(self, limit: int, uow: UnitOfWork) -> Sequence[OutboxItem]:
        return uow.claim_outbox(owner=self._owner, now=self._clock(), lease=LEASE_TTL, limit=limit)

    async def _begin(self, report: RelayReport) -> None:
        """What an earlier cycle left behind, unknown outcomes, and what may not leave any more."""
        unwritten, broke_off, now = self._unwritten, self._holds_items, self._clock()

        def begin(uow: UnitOfWork) -> tuple[int, int]:
            for outcome in unwritten:
                self._write(uow, outcome)
            lost = len(uow.recover_outbox(owner=self._owner, now=now)) if broke_off else 0
            uow.mend_waits(now=now, longest=_CLOCK_SET_BACK, lease=LEASE_TTL)
            withheld = 0
            if not self._acknowledge:
                withheld = uow.withhold_queued(NoReplyReason.SHADOW_MODE, owner=self._owner, at=now)
            return lost + len(uow.expire_sending(now=now)), withheld

        uncertain, withheld = await self._in_store(begin)
        self._unwritten, self._store_error, self._holds_items = [], None, False
        report.states.update(outcome.state for outcome in unwritten)
        report.states["uncertain"] += uncertain
        report.states["withheld"] += withheld

    @property
    def _longest_pause(self) -> timedelta:
        """A pause that seems longer than any is one from before the clock was set back."""
        return timedelta(seconds=self._pauses[-1])

    def _left_this_minute(self) -> int:
        if not self._per_minute:
            return _BATCH
        now = self._clock()
        while self._begun and not timedelta() <= now - self._begun[0] < _MINUTE:
            self._begun.popleft()
        return max(0, self._per_minute - len(self._begun))

    async def _send_all(self, items: Sequence[OutboxItem], report: RelayReport) -> None:
        queue: asyncio.Queue[OutboxItem] = asyncio.Queue()
        for item in items:
            queue.put_nowait(item)
        workers = min(self._connections, queue.qsize())
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(queue, report))

    async def _work(self, queue: asyncio.Queue[OutboxItem], report: RelayReport) -> None:
        while not (queue.empty() or report.unavailable or self._store_error or self.stopping):
            item = queue.get_nowait()
            try:
                if item.kind == "acknowledgement" and self._clock() - item.created_at >= _GIVE_UP_AFTER:
                    await self._record(item, report, "refused")  # the day it promises may have passed
                elif item.kind == "acknowledgement" and not self._acknowledge:  # another node queued it just now
                    await self._record(item, report, "deferred", due_at=self._clock() + _FIRST_PAUSE)
                elif (ready := await self._as_of_today(item)) is None:
                    report.states["withheld"] += 1
                else:
                    await self._send(ready, report)
            except SenderUnavailable as exc:
                report.unavailable = str(exc)
                self._pauses = _LOGIN_PAUSES if exc.reply_code in _LOGIN_REFUSED else _SERVER_PAUSES
                get_logger().warning("sender_unavailable", reply_code=exc.reply_code, exc_info=exc)
            except DeliveryRefused as exc:  # what it says is true no more
                await self._refuse(item, report, exc)
            except DeliveryDeferred as exc:  # it was not ready to leave
                await self._defer(item, report, exc)
            except StoreUnavailable as exc:  # nothing of this item was handed over; mails that are, come to their end
                self._store_error = exc
            except Exception as exc:  # the loop edge: this item is set aside, the next one goes on
                get_logger().error("item_not_sent", outbox_id=item.id, exc_info=exc)
                if item.id not in self._handed_over:  # else it stays `sending`, and becomes `uncertain` with its lease
                    await self._defer(item, report, DeliveryDeferred("unexpected error"))
            finally:
                self._handed_over.discard(item.id)

    async def _as_of_today(self, item: OutboxItem) -> OutboxItem | None:
        """What waited over midnight, with words that hold today; None when it was withheld."""
        now = self._clock()
        if not self._renewing.is_due(item, now):
            return item
        return await self._in_store(lambda uow: self._renewing.renew(uow, item, now))

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
                except SenderUnavailable as second:
                    await self._defer(item, report, second)  # else it stays `sending`, though nothing was sent
                    raise
                except StoreUnavailable as second:
                    again = self._clock() + _FIRST_PAUSE
                    self._unwritten.append(_Outcome(item, "deferred", self._clock(), again, exc.reply_code, None))
                    raise second
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
            self._begun.append(self._clock())
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
        if exc.reply_code in _SEND_LESS or exc.enhanced_status in _SEND_LESS_STATUS:
            # the same would meet every other mail: they keep their place and their attempts
            report.unavailable = report.unavailable or f"the SMTP server asks to send less (reply {exc.reply_code})"
            self._pauses = _LESS_PAUSES

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
        outcome = _Outcome(item, state, self._clock(), due_at, reply_code, enhanced_status)
        try:
            kept = await self._in_store(lambda uow: self._write(uow, outcome))
        except StoreUnavailable as exc:
            self._unwritten.append(outcome)
            self._store_error = exc
            return
        if kept:
            report.states[state] += 1

    def _write(self, uow: UnitOfWork, outcome: _Outcome) -> bool:
        item, state = outcome.item, outcome.state
        kept = uow.record_delivery(
            item.id,
            owner=self._owner,
            state=state,
            now=outcome.at,
            due_at=outcome.due_at,
            reply_code=outcome.reply_code,
            enhanced_status=outcome.enhanced_status,
        )
        if not kept:
            get_logger().error("lease_lost", outbox_id=item.id, state=state)
        elif state in ("refused", "uncertain"):
            get_logger().warning("delivery_" + state, outbox_id=item.id, kind=item.kind, reply_code=outcome.reply_code)
        return kept

    async def _in_store(self, work: Callable[[UnitOfWork], T]) -> T:
        def run() -> T:
            with self._store.begin() as uow:
                return work(uow)

        return await asyncio.to_thread(run)
