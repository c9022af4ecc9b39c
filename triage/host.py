"""Runs the product: poll, relay and deadline watch on a schedule, and the web app, until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import uvicorn
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from triage.bootstrap import TEMPLATES, Product, token_store
from triage.errors import ConfigError, TriageError
from triage.logs import get_logger
from triage.ports import FolderUse, User
from triage.services.block_learning import block_views
from triage.services.case_acting import find
from triage.services.casework import BREAKER_FACT
from triage.services.sla_report import MonthOfPromises
from triage.services.staff_acts import StaffActs
from triage.services.wording import telephone_hours
from triage.web.app import create_app
from triage.web.desk import Alerting

_WATCH_SECONDS = 60
_MODEL_SECONDS = 30
_HOUR = 3600
_SELDOM = dict.fromkeys(("rescreen", "audit_sample", "judgement"), timedelta(seconds=2.5 * _HOUR))
"""Jobs that run less often than the mailbox alarm: how long one may be silent before it counts as late."""
_RETRY = timedelta(seconds=20)  # of a seldom job that failed
_STOP_SECONDS = 20
_LOOK_SECONDS = 10.0  # how long a reply waits at most for a look at Sent: less than any sensible poll
_NEWS_PAUSE_SECONDS = 0.05  # a server that announces without end does not get a poll without end


class _Server(uvicorn.Server):
    """uvicorn ends the process on a signal as soon as the web app is down; ours lets the mail at hand end first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self) -> None:
        self.should_exit = True


class Host:
    """Holds the running jobs. A job never overlaps itself, missed runs are run once, and an error ends only its run."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self._scheduler = AsyncIOScheduler(
            timezone="Europe/Amsterdam",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60},
        )
        self._relay_wanted = asyncio.Event()
        self._mailbox_free = asyncio.Lock()  # one connection, one user of it: the poll, a look, or the wait for news
        self._polled = asyncio.Event()  # the mailbox was read: from now on news can be waited for
        self._polling = self._stopping = False
        self._polls = 0  # begun so far
        self._running: set[asyncio.Task[Any]] = set()
        self._look: asyncio.Task[None] | None = None
        self._unrecorded: set[str] = set()  # jobs whose last end could not be written: the store takes nothing

    def listen(self) -> socket.socket:
        """The web app's socket, bound before anything else starts; ConfigError when the port is taken."""
        web = self.product.settings.web
        family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((web.host, web.port))
        except OSError as exc:
            listener.close()
            raise ConfigError(
                f"web.host {web.host} port {web.port} cannot be used ({exc.strerror}): "
                "set TRIAGE_WEB__PORT to a free port"
            ) from None
        return listener

    async def run(self, listener: socket.socket, *, ready: Callable[[], None] = lambda: None) -> None:
        """Until SIGINT or SIGTERM. Ends after the mail at hand, at the latest after some seconds."""
        product = self.product
        config = uvicorn.Config(
            create_web_app(product, health=self.health),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(product.settings.web.public_url),
            timeout_graceful_shutdown=5,
        )
        server = _Server(config)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.leave)
        product.relay.look_first = self._look_before_release
        settings = product.settings
        self._every(settings.mailbox.poll_seconds, "poll", self._poll)
        self._every(settings.smtp.relay_seconds, "relay", self._relay)
        self._every(_WATCH_SECONDS, "watch", self._watch)
        self._every(_MODEL_SECONDS, "model", self._look_for_model)
        self._every(_HOUR, "rescreen", self._rescreen)
        self._every(_HOUR, "audit_sample", self._draw_sample)
        self._every(_HOUR, "judgement", self._watch_judgement)
        self._scheduler.start()
        waker = asyncio.create_task(self._wake_relay())
        watcher = asyncio.create_task(self._await_news())
        ready()
        try:
            await server.serve(sockets=[listener])
        finally:
            product.intake.stopping = True
            product.relay.stopping = product.rescreen.stopping = self._stopping = True
            waker.cancel()
            self._scheduler.pause()
            product.mailbox.stop_waiting()
            self._polled.set()
            await asyncio.wait({watcher, *self._running}, timeout=_STOP_SECONDS)
            watcher.cancel()
            self._scheduler.shutdown(wait=False)
            await product.sender.close()

    def _every(self, seconds: float, name: str, work: Callable[[], Awaitable[bool]]) -> None:
        self._scheduler.add_job(
            self._job, "interval", seconds=seconds, id=name, args=[name, work], next_run_time=self.product.clock()
        )

    async def _job(self, name: str, work: Callable[[], Awaitable[bool]]) -> None:
        """One run: its end is recorded for the health page; what it raises is one clear line, never the end."""
        error, did = "", True
        this = asyncio.current_task()
        assert this is not None
        self._running.add(this)
        this.add_done_callback(self._running.discard)
        try:
            did = await work()
        except TriageError as exc:
            error = type(exc).__name__
            get_logger().error(f"{name}_failed", error=error, hint=str(exc))
        except Exception as exc:  # the loop edge: the next run goes on
            error = type(exc).__name__
            get_logger().error(f"{name}_failed", exc_info=exc)
        if not did and not error:
            return
        try:
            await asyncio.to_thread(self._note_run, name, error)
        except TriageError as exc:
            self._unrecorded.add(name)
            get_logger().error("health_not_recorded", job=name, hint=str(exc))
        else:
            self._unrecorded.discard(name)
        if error or name in self._unrecorded:
            self._try_soon(name)

    def _try_soon(self, name: str) -> None:
        """A seldom job that failed does not wait for its next turn: an hour of alarm would outlive a full disk."""
        job = self._scheduler.get_job(name) if name in _SELDOM and not self._stopping else None
        if job is not None:
            job.modify(next_run_time=self.product.clock() + _RETRY)

    def _note_run(self, name: str, error: str) -> None:
        with self.product.store.begin() as uow:
            uow.job_ran(name, at=self.product.clock(), ok=not error, error=error)

    async def _poll(self) -> bool:
        """False when another node polls: this one can say nothing of the mailbox's health."""
        self._polling = True
        self._polls += 1
        self.product.mailbox.stop_waiting()
        try:
            async with self._mailbox_free:
                self._polled.clear()
                report = await asyncio.to_thread(self.product.intake.poll_once)
        finally:
            self._polling = False
        if not report.skipped:
            self._polled.set()
        if report.handled or report.failed:
            get_logger().info(
                "poll_done", taken_in=report.handled, unaccounted=report.unaccounted, state=report.skipped or "ok"
            )
        if report.handled:
            self._relay_wanted.set()
        return not report.skipped

    async def _await_news(self) -> None:
        """Between two polls: holds the mailbox in IDLE, and polls at once when the server tells of new mail.

        What goes wrong here is left to the next poll, so that a server that ends every IDLE is not stormed."""
        mailbox, seconds = self.product.mailbox, self.product.settings.mailbox.idle_seconds
        while not self._stopping:
            await self._polled.wait()
            async with self._mailbox_free:
                if self._stopping or not self._polled.is_set():
                    continue
                try:
                    news = await asyncio.to_thread(mailbox.wait_for_news, seconds)
                    can_wait = mailbox.can_wait
                except TriageError as exc:
                    get_logger().info("idle_ended", error=type(exc).__name__, hint=str(exc))
                    news = can_wait = False
                except Exception as exc:  # the loop edge: the polls go on without us
                    get_logger().error("idle_failed", exc_info=exc)
                    news = can_wait = False
                if news or not can_wait:
                    self._polled.clear()
            job = self._scheduler.get_job("poll") if news and not self._polling else None
            begun = self._polls
            # more than once: while the end of the last poll is being written, the scheduler begins no other
            while job is not None and not self._stopping and self._polls == begun:
                job.modify(next_run_time=self.product.clock())
                await asyncio.sleep(_NEWS_PAUSE_SECONDS)

    async def _relay(self) -> bool:
        report = await self.product.relay.relay_once()
        if report.unavailable:
            raise TriageError(report.unavailable)
        return True

    async def _look_before_release(self) -> None:
        """Before a reply leaves: did somebody answer from a mail program? At most some seconds, also while a long poll
        has the mailbox or its server is silent: then the reply leaves, and the next poll looks."""
        if not await asyncio.to_thread(self.product.client_mail.reply_is_due):
            return
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._look_beside())
            self._running.add(self._look)
            self._look.add_done_callback(self._running.discard)
        # not wait_for: a thread that waits for the server cannot be ended, and must keep the mailbox meanwhile
        done, _ = await asyncio.wait({self._look}, timeout=_LOOK_SECONDS)
        if not done:
            get_logger().warning("no_look_before_release", seconds=_LOOK_SECONDS)

    async def _look_beside(self) -> None:
        self.product.mailbox.stop_waiting()
        async with self._mailbox_free:
            try:
                await asyncio.to_thread(self.product.client_mail.look_once)
            except TriageError as exc:
                get_logger().error("look_failed", error=type(exc).__name__, hint=str(exc))
            except Exception as exc:  # the loop edge: the polls go on
                get_logger().error("look_failed", exc_info=exc)

    async def _watch(self) -> bool:
        await asyncio.to_thread(self.product.watch.watch_once)
        await asyncio.to_thread(self.product.digest.send_once)
        return True

    async def _look_for_model(self) -> bool:
        """Never counts as a run: what goes wrong stands on Beheer, under Model."""
        if await asyncio.to_thread(self.product.take_chosen_model):
            get_logger().info("model_switched", model=self.product.classifier.model_id)
            job = self._scheduler.get_job("rescreen")
            if job is not None and not self._stopping:
                job.modify(next_run_time=self.product.clock())
        return False

    async def _rescreen(self) -> bool:
        report = await asyncio.to_thread(self.product.rescreen.rescreen_once)
        if report.judged or report.failed:
            get_logger().info(
                "rescreened", judged=report.judged, found_late=report.found_late, held=report.held, failed=report.failed
            )
        return True

    async def _draw_sample(self) -> bool:
        drawn = await asyncio.to_thread(self.product.audit_sample.draw_once)
        if drawn:
            get_logger().info("sample_drawn", drawn=drawn)
        return True

    async def _watch_judgement(self) -> bool:
        alarms = await asyncio.to_thread(self.product.judgement.watch_once)
        if alarms:
            get_logger().warning("judgement_drifts", reasons=list(alarms))
        return True

    async def _wake_relay(self) -> None:
        """An acknowledgement does not wait for the relay's next turn."""
        while True:
            await self._relay_wanted.wait()
            self._relay_wanted.clear()
            job = self._scheduler.get_job("relay")
            if job is not None:
                job.modify(next_run_time=self.product.clock())
            await asyncio.sleep(0.2)

    def health(self) -> dict[str, object]:
        """Status and times only: what /gezond and Beheer show."""
        now = self.product.clock()
        silent_after = timedelta(minutes=self.product.settings.mailbox.alarm_minutes)
        jobs: dict[str, object] = {}
        healthy = not self._unrecorded
        for job in self.product.store.queries.health():
            may_be_silent = max(silent_after, _SELDOM.get(job.name, timedelta()))
            late = job.last_succeeded is None or now - job.last_succeeded > may_be_silent
            healthy = healthy and not late
            jobs[job.name] = {
                "last_succeeded": job.last_succeeded.isoformat() if job.last_succeeded else None,
                "last_error": job.last_error,
                "last_error_at": job.last_error_at.isoformat() if job.last_error_at else None,
            }
        with self.product.store.begin() as uow:
            breaker = bool(uow.fact(BREAKER_FACT))
        mode = self.product.settings.acknowledgements.mode
        return {
            "healthy": healthy,
            "mode": mode,
            "breaker_tripped": breaker,
            "jobs": jobs,
            "mailbox": mailbox_state(self.product),
            "budget": {
                "per_hour": self.product.settings.acknowledgements.per_hour,
                "per_address_per_day": self.product.settings.acknowledgements.per_address_per_day,
            },
        }


def mailbox_state(product: Product) -> dict[str, object]:
    """How the mailbox is reached, for Beheer: moments, an error code, and what its server wants people to read."""
    state: dict[str, object] = {"idle": product.settings.mailbox.idle and product.mailbox.can_wait}
    with product.store.begin() as uow:
        beside = [(use, uow.folder_beside(use)) for use in FolderUse]
    state["folders"] = [{"use": str(use), "name": one.name, "trouble": one.trouble} for use, one in beside if one]
    if notice := product.store.notices.last("mailbox"):
        state |= {"notice": notice[0], "notice_at": notice[1]}
    if product.settings.mailbox.oauth.grant:
        tokens = token_store(product.settings, product.store).state()
        state |= {
            "oauth": True,
            "signed_in_at": tokens.signed_in_at,
            "refreshed_at": tokens.refreshed_at,
            "refused_at": tokens.refused_at,
            "refused_code": tokens.refused_code,
        }
    return state


def create_web_app(product: Product, *, health: Callable[[], dict[str, object]]) -> Any:
    """The staff screens on this product's store."""
    settings = product.settings

    def on_access(user: User, reference: str, action: str) -> None:
        """Who saw which case; what people change is recorded by the act itself."""
        if not action.startswith("viewed"):
            return
        with product.store.begin() as uow:
            uow.audit(action, at=product.clock(), actor=user.id, case_id=find(uow, reference))

    return create_app(
        queries=product.store.queries,
        accounts=product.store.accounts,
        acts=StaffActs(product.casework, product.approval, product.promising, product.suggesting, product.models),
        settings=settings.web,
        organisation=settings.organisation,
        clock=product.clock,
        calendar_rules=settings.sla_rules,
        session_secret=product.keyring.session_key,
        undo_seconds=settings.approval.undo_seconds,
        secure_channel=settings.approval.secure_channel,
        mode=settings.acknowledgements.mode,
        health=health,
        templates=TEMPLATES,
        on_access=on_access,
        models=product.models.overview,
        judgement=lambda: product.judgement.latest,
        letters=product.letters.acknowledgements,
        promises=MonthOfPromises(
            queries=product.store.queries, clock=product.clock, calendar=settings.sla_rules.calendar
        ),
        alerting=Alerting(
            hours=telephone_hours(settings.alerts.hours, "nl"),
            addresses=len(settings.alerts.to),
            digest=settings.alerts.digest,
            calendar_confirmed=settings.calendar.confirmed,
        ),
        blocks=block_views(product.letters.knowledge),
    )
