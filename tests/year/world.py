"""Lets a stretch of time happen to the real services, and keeps its own book of every case beside them.

Everything is an event in one queue: a mail that arrives, an act of a person, a round of the product (poll, relay,
watch). After each event the stored clocks of the case are compared with `tests.oracle.CaseClocks`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import sqlite3
import tempfile
import time as stopwatch
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from tests.integration.harness import Harness
from tests.oracle import AMS, CaseClocks, OracleCalendar, day_of, start
from tests.year.alert_book import AlertBook, Verdict
from tests.year.outside import ALERT_TO, Arrived, Written, YearMailbox, YearMailServer, read
from tests.year.plans import Plan
from triage.core.assessment import Band, Urgency
from triage.core.case import OPEN_STATES, WaitingFor
from triage.core.gate import BLOCKING, Finding
from triage.core.mail import LedgerOutcome
from triage.core.workdays import WorkCalendar
from triage.errors import DeliveryRefused, DeliveryUncertain, MailboxUnavailable, TriageError
from triage.ports import DraftContent
from triage.services.taking_in import TakenIn

_SECOND, _MINUTE, _HOUR, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_DESK_OPENS, _DESK_CLOSES = time(8, 40), time(16, 50)
_BUSY = (time(7), time(19))
_PER_HOUR, _BURST = 60, 75
_SILENT_AFTER = timedelta(minutes=15)
_POLL_AT_LEAST = timedelta(minutes=10)
_WATCH_AT_MOST, _WATCH_AT_LEAST, _WATCH_AT_NIGHT = timedelta(minutes=14), timedelta(minutes=25), timedelta(minutes=115)
_NEXT_LOOK = timedelta(minutes=36)  # a look later than this is not the first one any more
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCKS_SQL = """SELECT version, answer_due, take_up_due, taken_up_at IS NOT NULL, paused_ends_left, state
  FROM cases WHERE reference = ?"""
_TO_SEND_SQL = "SELECT 1 FROM outbox WHERE state IN ('due', 'deferred', 'sending') AND due_at <= ? LIMIT 1"
_MOST_FOLLOW_UPS = 5
_BY_HOUR = [1, 1, 1, 1, 1, 1, 2, 4, 9, 12, 12, 10, 8, 9, 9, 8, 7, 5, 4, 4, 5, 4, 3, 2]
_BY_WEEKDAY = [1.7, 1.3, 1.2, 1.2, 1.1, 0.25, 0.25]
_FORM = "formulier@webformulier.example"  # writes for its visitors, and more in a day than one address is answered


@dataclass
class LivedCase:
    """One case as the world outside knows it."""

    reference: str
    contact: str
    clocks: CaseClocks
    promised: tuple[date, ...]
    draw: random.Random  # of its own: what happens to one case moves nothing in another
    history: list[str]
    ours: str = ""  # Message-ID of the last mail of ours that the sender got
    written: int = 1
    taken_in: int = 1  # of what the sender wrote
    waits_for: str = ""  # sender | others
    acknowledgements: int = 0
    reply_on_its_way: bool = False
    seen: int = 0  # of what the sender wrote, by who approved the reply
    failed_reply: str = ""  # outbox id of a reply that was refused or is uncertain
    turn: int = 0  # only the act planned last happens
    derailed: bool = False


@dataclass
class Lived:
    """What came out of it. `differences` are defects of the product, or of the oracle."""

    mails: int
    cases: int
    events: Counter[str]
    compared: int
    promises: int
    acknowledged: int
    withheld: int
    clock_differences: list[str]
    promise_differences: list[str]
    acknowledgement_differences: list[str]
    other_differences: list[str]
    alerts: Verdict
    seconds: float
    spent: dict[str, float]

    @property
    def differences(self) -> list[str]:
        return [
            *self.clock_differences,
            *self.promise_differences,
            *self.acknowledgement_differences,
            *self.other_differences,
            *self.alerts.differences,
        ]


@dataclass(order=True)
class _Event:
    at: datetime
    number: int
    act: Callable[[], None] = field(compare=False)
    inside: bool = field(compare=False, default=True)  # needs the product to run


def live(plan: Plan) -> Lived:
    """In a folder in memory where the system has one: a year writes some hundred thousand times."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        return World(Path(folder), plan).live()


class World:
    """`live()` once. The folder holds the store."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._plan, self._draw = plan, random.Random(plan.seed)
        self._calendar = OracleCalendar(closing_days=plan.closing_days)
        self._desk = Harness(
            folder,
            alert_to=(ALERT_TO,),
            calendar=WorkCalendar(closing_days=dict.fromkeys(plan.closing_days, "gesloten")),
            policy_changes={"per_hour": _PER_HOUR},
        )
        self._mailbox, self._server = YearMailbox(now=self._desk.clock), YearMailServer()
        self._desk.mailbox, self._desk.sender = self._mailbox, self._server
        self._begins, self._ends = start(plan.first), start(plan.last + _DAY)
        self._desk.now = self._begins
        self._desk.wire()
        self._user = self._desk.user("medewerker")
        self._reading = sqlite3.connect(folder / "triage.sqlite3", isolation_level=None)
        self._queue: list[_Event] = []
        self._numbers = itertools.count(1)
        self._letters = itertools.count(1)
        self._written: dict[int, Written] = {}  # by UID
        self._by_message_id: dict[str, LivedCase] = {}
        self._cases: dict[str, LivedCase] = {}
        self._read_to = self._taken_to = 0
        self._polled = self._watched = self._begins
        self._touched = True  # something happened since the last watch
        self._silence_told = self._breaker_told = False
        self._runs = True
        self._events: Counter[str] = Counter()
        self._clock_differences: list[str] = []
        self._promise_differences: list[str] = []
        self._other_differences: list[str] = []
        self._compared = self._promises = 0
        self._spent: Counter[str] = Counter()
        self._book = AlertBook(self._calendar)

    def live(self) -> Lived:
        with asyncio.Runner() as self._runner, closing(self._reading), closing(self._desk.store):
            return self._live()

    def _live(self) -> Lived:
        began = stopwatch.monotonic()
        self._plan_arrivals()
        self._plan_outages()
        self._at(self._begins + 3 * _MINUTE, self._round)
        while self._queue and self._queue[0].at < self._ends:
            event = heapq.heappop(self._queue)
            if event.inside and not self._runs:
                continue
            self._desk.now = max(event.at, self._desk.now)
            event.act()
            self._touched |= event.act != self._round
        self._desk.now = self._ends
        self._relay()
        for case in self._cases.values():
            self._compare(case, "at the end")
        withheld = {reference for reference, _ in self._desk.store.queries.withheld(limit=100_000)}
        derailed = [case.reference for case in self._cases.values() if case.derailed]
        return Lived(
            mails=len(self._written),
            cases=len(self._cases),
            events=self._events,
            compared=self._compared,
            promises=self._promises,
            acknowledged=sum(case.acknowledgements for case in self._cases.values()),
            withheld=len(withheld),
            clock_differences=self._clock_differences,
            promise_differences=self._promise_differences,
            acknowledgement_differences=self._acknowledgement_differences(withheld),
            other_differences=self._other_differences,
            alerts=self._book.verdict(ignore=derailed),
            seconds=stopwatch.monotonic() - began,
            spent=dict(self._spent),
        )

    # ---------------------------------------------------------------- what will happen

    def _at(self, moment: datetime, act: Callable[[], None], *, inside: bool = True) -> None:
        moment = moment.astimezone(UTC).replace(microsecond=0)
        heapq.heappush(self._queue, _Event(moment, next(self._numbers), act, inside))

    def _plan_arrivals(self) -> None:
        day = self._plan.first
        while day <= self._plan.last:
            expected = self._plan.mails_a_day * _BY_WEEKDAY[day.weekday()]
            expected *= 0.7 if day.month in (7, 8) else 1.15 if day.month in (1, 11) else 1.0
            if self._calendar.works(day) and not self._calendar.works(day + _DAY) and day.weekday() < 4:
                expected *= 1.5  # before a holiday
            hours = list(_BY_HOUR)
            if day.weekday() == 0:
                hours[7:10] = [10, 22, 20]
            for _ in range(round(self._draw.gauss(expected, expected**0.5))):
                (hour,) = self._draw.choices(range(24), hours)
                moment = datetime.combine(day, time(hour), AMS) + self._draw.randrange(3600) * _SECOND
                self._at(moment, self._ask, inside=False)
            day += _DAY
        for moment in self._plan.mailed_at:
            self._at(moment, self._ask, inside=False)
        if self._plan.burst:
            for number in range(_BURST):
                self._at(self._plan.burst + number * _SECOND, self._ask, inside=False)
            self._at(self._plan.burst + 2 * _HOUR, self._release_breaker)
        for week in range(0, (self._plan.last - self._plan.first).days, 28):
            monday = self._plan.first + (week + 3) * _DAY
            for number in range(7):  # more than the budget of one address
                moment = datetime.combine(monday, time(11), AMS) + number * 40 * _MINUTE
                self._at(moment, lambda: self._ask(sender=_FORM), inside=False)

    def _plan_outages(self) -> None:
        for outage in self._plan.outages:
            begins, ends = outage.begins.astimezone(UTC), outage.ends.astimezone(UTC)
            if outage.what == "mailbox":
                self._at(begins, lambda: setattr(self._mailbox, "reachable", False), inside=False)
                self._at(ends, lambda: setattr(self._mailbox, "reachable", True), inside=False)
            elif outage.what == "smtp":
                self._at(begins, lambda: setattr(self._server, "up", False), inside=False)
                self._at(ends, lambda: setattr(self._server, "up", True), inside=False)
                self._book.allow("relay_silent", begins, ends + _DAY)
            else:
                self._at(begins, self._stop, inside=False)
                self._at(ends, self._start, inside=False)

    def _stop(self) -> None:
        self._runs = False

    def _start(self) -> None:
        """After a stop of the process: services anew on the same store, and people find their work again."""
        self._runs = True
        self._desk.wire()
        self._round()
        for case in self._cases.values():
            if not case.clocks.ended and not case.reply_on_its_way:
                self._plan_act(case, case.draw.expovariate(1 / 3))

    def _desk_time(self, after: datetime, hours: float) -> datetime:
        """The moment at which people have worked so many hours since `after`."""
        left, local = hours * _HOUR, after.astimezone(AMS)
        day = local.date()
        while True:
            if self._calendar.works(day):
                opens, closes = datetime.combine(day, _DESK_OPENS, AMS), datetime.combine(day, _DESK_CLOSES, AMS)
                begins = max(opens, local)
                if begins + left < closes:
                    return begins + left
                left -= max(closes - begins, timedelta())
            day += _DAY

    # ---------------------------------------------------------------- senders

    def _ask(self, *, sender: str = "") -> None:
        number = next(self._letters)
        draw = self._draw.random()
        band = "urgent" if draw < 0.12 else "possible" if draw < 0.14 else "normal"
        self._deliver(
            Written(
                number,
                sender or f"vrager{number}@mensen.example",
                self._desk.now,
                band=band,
                danger=self._draw.random() < 0.012 and band != "possible",  # of a failed assessment nothing is known
                machine=not sender and self._draw.random() < 0.02,
            )
        )

    def _deliver(self, mail: Written) -> None:
        self._written[self._mailbox.deliver(mail.raw, mail.at)] = mail

    def _write_again(self, case: LivedCase) -> None:
        if not case.ours or case.written > _MOST_FOLLOW_UPS:
            return
        case.written += 1
        raises = case.clocks.band == "normal" and case.draw.random() < 0.08
        self._deliver(
            Written(
                next(self._letters),
                case.contact,
                self._desk.now,
                band="urgent" if raises else "normal",
                answers=case.reference,
                in_reply_to=case.ours,
            )
        )

    def _perhaps_writes(self, case: LivedCase, chance: float, least: float, most: float) -> None:
        """`least` and `most` in hours from now."""
        if case.draw.random() < chance:
            moment = self._desk.now + case.draw.uniform(least, most) * _HOUR
            self._at(moment, lambda: self._write_again(case), inside=False)

    # ---------------------------------------------------------------- the product

    def _round(self) -> None:
        """Poll, relay, watch; and when the next one comes.

        A poll or relay with nothing to do is left out. A watch comes within a quarter of an hour of every event, and at
        least twice an hour in the service hours."""
        now = self._desk.now
        local = now.astimezone(AMS)
        busy = self._calendar.works(local.date()) and _BUSY[0] <= local.time() < _BUSY[1]
        upcoming = now + (5 if busy else 30) * _MINUTE + self._draw.randrange(-9, 10) * _SECOND
        for edge in (_BUSY[0], time(0)):  # no round of the night reaches into the day
            first = datetime.combine(day_of(upcoming), edge, AMS).astimezone(UTC)
            upcoming = first + 7 * _SECOND if now < first < upcoming else upcoming
        self._at(upcoming, self._round)
        if day_of(now) != day_of(self._polled):
            self._tidy()
        reachable = self._mailbox.reachable
        watches = self._watch_is_due(now) or not reachable
        if self._mailbox.has_news or not reachable or (watches and now - self._polled >= _POLL_AT_LEAST):
            self._poll()
        self._relay()
        if watches or self._watch_is_due(now):
            self._timed("watch", self._desk.watch.watch_once)
            self._timed("watch", self._desk.digest.send_once)
            self._touched, self._watched = False, now
            running = {reference: case.clocks for reference, case in self._cases.items() if not case.clocks.ended}
            self._book.look(now, running, now + _NEXT_LOOK)

    def _watch_is_due(self, now: datetime) -> bool:
        quiet = now - self._watched
        open_now = self._book.in_hours(now)
        return (
            (open_now and not self._book.in_hours(self._watched))
            or self._book.awaits(now)
            or (self._touched and quiet >= _WATCH_AT_MOST)
            or quiet >= (_WATCH_AT_LEAST if open_now else _WATCH_AT_NIGHT)
        )

    def _poll(self) -> None:
        now, error = self._desk.now, ""
        try:
            self._timed("poll", self._desk.poll)
        except MailboxUnavailable as exc:
            error = type(exc).__name__
        with self._desk.store.begin() as uow:  # as the host notes it
            uow.job_ran("poll", at=now, ok=not error, error=error)
        if not error:
            self._polled, self._silence_told = now, False
        elif now - self._polled >= _SILENT_AFTER and not self._silence_told:
            self._silence_told = True
            self._book.at_once("mailbox_silent", now, until=now + _NEXT_LOOK)
        new, self._taken_to = self._desk.taken[self._taken_to :], len(self._desk.taken)
        self._touched |= bool(new)
        for taken in new:
            self._taken_in(taken)

    def _tidy(self) -> None:
        """Staff move old mail out of the folder."""
        for uid in list(self._mailbox.mails):
            if self._mailbox.mails[uid].internal_date < self._desk.now - 14 * _DAY:
                self._mailbox.expunge(uid)

    def _relay(self) -> None:
        if not self._reading.execute(_TO_SEND_SQL, (_stamp(self._desk.now),)).fetchone():
            return
        self._timed("relay", lambda: self._runner.run(self._desk.relay.relay_once()))
        sent, self._read_to = self._server.sent[self._read_to :], len(self._server.sent)
        mails = [read(envelope.forward_path, raw) for envelope, raw in sent]
        for arrived in sorted(mails, key=lambda mail: (mail.subject, mail.to)):  # connections work side by side
            if arrived.what == "alert":
                self._book.arrived.append(arrived)
            elif arrived.what == "acknowledgement":
                self._acknowledged(arrived)
            else:
                self._answered(arrived)

    def _timed(self, name: str, act: Callable[[], object]) -> None:
        began = stopwatch.perf_counter()
        try:
            act()
        finally:
            self._spent[name] += stopwatch.perf_counter() - began

    def _taken_in(self, taken: TakenIn) -> None:
        mail, now = self._written[taken.uid], self._desk.now
        if mail.answers:
            case = self._cases[mail.answers]
            if taken.outcome is not LedgerOutcome.FOLLOW_UP or taken.reference != mail.answers:
                self._other_differences.append(f"{mail.message_id}: a follow-up of {mail.answers} became {taken}")
                return
            case.taken_in += 1
            reopens = case.clocks.ended
            case.clocks.message(mail.at, mail.band)
            case.waits_for = ""
            self._note(case, f"the sender wrote ({mail.band}){', which reopens' if reopens else ''}", mail.at)
            self._events["reopened" if reopens else "follow-ups"] += 1
            if not case.reply_on_its_way:
                self._plan_act(case, case.draw.expovariate(1 / 5))
            return
        if taken.outcome is not LedgerOutcome.CASE or taken.reference is None:
            self._other_differences.append(f"{mail.message_id}: a question became {taken.outcome}")
            return
        clocks = CaseClocks(self._calendar, mail.band, mail.at)
        days = (clocks.answer_due, clocks.take_up_due) if mail.band == "urgent" else (clocks.answer_due,)
        case = LivedCase(
            taken.reference,
            mail.sender,
            clocks,
            promised=tuple(day_of(moment) for moment in days if moment),
            draw=random.Random(f"{self._plan.seed} {mail.message_id}"),
            history=[],
        )
        self._cases[case.reference] = self._by_message_id[mail.message_id] = case
        self._events[f"questions, {mail.band}"] += 1
        self._note(case, f"arrived ({mail.band})", mail.at)
        if mail.danger:
            self._events["danger"] += 1
            self._book.at_once("danger", now, about=case.reference)
        self._plan_act(case, self._first_delay(case.draw, mail.band))
        self._look_at_breaker()

    def _look_at_breaker(self) -> None:
        """More acknowledgements in an hour than the budget: the product stops, and says so once."""
        row = self._reading.execute("SELECT value FROM facts WHERE name = 'breaker'").fetchone()
        tripped = bool(row and row[0])
        if tripped and not self._breaker_told:
            self._book.when_open("breaker", self._desk.now, lambda: self._breaker_told)
        self._breaker_told = tripped

    def _release_breaker(self) -> None:
        self._desk.casework.release_breaker(user=self._user)
        self._breaker_told = False

    def _acknowledged(self, arrived: Arrived) -> None:
        case = self._by_message_id.get(arrived.in_reply_to)
        if case is None:
            self._other_differences.append(f"an acknowledgement of nothing: {arrived.in_reply_to}")
            return
        case.acknowledgements += 1
        case.ours = case.ours or arrived.message_id
        self._promises += 1
        try:
            promised: Sequence[object] = arrived.promised
        except ValueError as exc:
            promised = (str(exc),)
        if tuple(promised) != case.promised:
            self._promise_differences.append(
                f"{case.reference}: expected {case.promised}, promised {promised}; {case.history[0]}"
            )
        self._perhaps_writes(case, 0.18, 0.5, 60)

    def _answered(self, arrived: Arrived) -> None:
        case = next((case for case in self._cases.values() if case.reference in arrived.subject), None)
        if case is None:
            self._other_differences.append(f"a reply of no case: {arrived.subject}")
            return
        case.ours, case.reply_on_its_way, case.failed_reply = arrived.message_id, False, ""
        if case.taken_in > case.seen:  # a reply that was written before the sender's last mail does not answer that
            self._events["replies overtaken"] += 1
            self._note(case, "a reply left that the sender's last mail overtook", self._desk.now)
            self._plan_act(case, case.draw.uniform(1, 4))
            return
        case.clocks.end(self._desk.now)
        self._events["answered"] += 1
        self._note(case, "answered", self._desk.now)
        self._perhaps_writes(case, 0.15, 1, 280)

    # ---------------------------------------------------------------- people of the helpdesk

    def _first_delay(self, chance: random.Random, band: str) -> float:
        """Hours of work until somebody looks: mostly soon, sometimes too late."""
        draw = chance.random()
        if band == "urgent":
            return chance.uniform(0.2, 4) if draw < 0.75 else chance.uniform(6, 12 if draw < 0.92 else 45)
        return chance.expovariate(1 / 6) if draw < 0.92 else chance.uniform(20, 50)

    def _plan_act(self, case: LivedCase, hours: float) -> None:
        case.turn += 1
        turn = case.turn

        def act() -> None:
            if case.turn == turn:
                self._act(case)

        self._at(self._desk_time(self._desk.now, hours), act)

    def _act(self, case: LivedCase) -> None:
        """One act of a person, as fits the state of the case."""
        if case.clocks.ended or case.reply_on_its_way:
            return
        if case.failed_reply:
            self._send_again(case)
            return
        acts: dict[Callable[[LivedCase], float], float]
        if case.waits_for == "sender":
            acts = {self._resume: 5, self._close: 2, self._wait_sender: 1, self._answer: 1, self._wait_body: 1}
        elif case.waits_for:
            acts = {self._resume: 6, self._answer: 3, self._wait_sender: 1}
        elif not case.clocks.taken_up:
            acts = {self._claim: 11, self._note_it: 3, self._answer: 3, self._wait_sender: 1, self._close: 1}
            acts |= {self._no_reply: 0.3, self._change_band: 0.7}
        else:
            acts = {self._answer: 9, self._note_it: 2, self._wait_sender: 3, self._wait_body: 1.6}
            acts |= {self._wait_team: 1, self._close: 1.4, self._no_reply: 0.4, self._change_band: 1}
        (chosen,) = case.draw.choices(list(acts), list(acts.values()))
        name = chosen.__name__.strip("_").replace("_", " ")
        try:
            hours = chosen(case)
        except TriageError as exc:
            self._other_differences.append(f"{case.reference}: {name} failed: {exc!r}; {'; '.join(case.history)}")
            hours = 10.0
        self._note(case, name, self._desk.now)
        self._events[name] += 1
        if not case.clocks.ended and not case.reply_on_its_way:
            self._plan_act(case, hours)

    def _version(self, case: LivedCase) -> int:
        version: int = self._reading.execute(_CLOCKS_SQL, (case.reference,)).fetchone()[0]
        return version

    @staticmethod
    def _soon(case: LivedCase) -> float:
        return case.draw.expovariate(1 / 5)

    def _claim(self, case: LivedCase) -> float:
        self._desk.casework.claim(case.reference, user=self._user, version=self._version(case))
        case.clocks.take_up()
        return self._soon(case)

    def _note_it(self, case: LivedCase) -> float:
        self._desk.casework.note(case.reference, user=self._user, text="Gebeld, geen gehoor.")
        case.clocks.take_up()
        return self._soon(case)

    def _wait_sender(self, case: LivedCase) -> float:
        self._wait(case, WaitingFor.SENDER)
        case.clocks.wait_for_sender(self._desk.now)
        case.waits_for = "sender"
        self._perhaps_writes(case, 0.7, 2, 220)
        return case.draw.uniform(2, 70)

    def _wait_body(self, case: LivedCase) -> float:
        return self._wait_others(case, WaitingFor.BODY)

    def _wait_team(self, case: LivedCase) -> float:
        return self._wait_others(case, WaitingFor.EXPERT_TEAM)

    def _wait_others(self, case: LivedCase, whom: WaitingFor) -> float:
        self._wait(case, whom)
        case.clocks.wait_for_others(self._desk.now)
        case.waits_for = "others"
        return case.draw.uniform(4, 30)

    def _wait(self, case: LivedCase, whom: WaitingFor) -> None:
        self._desk.casework.wait(case.reference, user=self._user, version=self._version(case), waiting_for=whom)

    def _resume(self, case: LivedCase) -> float:
        self._desk.casework.resume(case.reference, user=self._user, version=self._version(case))
        case.clocks.resume_by_person(self._desk.now)
        case.waits_for = ""
        return self._soon(case)

    def _close(self, case: LivedCase) -> float:
        self._desk.casework.close(case.reference, user=self._user, version=self._version(case), reason="Afgehandeld.")
        return self._over(case)

    def _no_reply(self, case: LivedCase) -> float:
        self._desk.casework.no_reply_needed(
            case.reference, user=self._user, version=self._version(case), reason="Vraagt geen antwoord."
        )
        return self._over(case)

    def _over(self, case: LivedCase) -> float:
        case.clocks.take_up()
        case.clocks.end(self._desk.now)
        case.waits_for = ""
        self._perhaps_writes(case, 0.1, 1, 200)
        return 0.0

    def _change_band(self, case: LivedCase) -> float:
        raises = case.clocks.band == "normal"
        self._desk.casework.corrections.correct_urgency(
            case.reference,
            user=self._user,
            version=self._version(case),
            urgency=Urgency.PALLIATIVE if raises else Urgency.REGULAR,
            band=Band.URGENT if raises else Band.NORMAL,
            reason="Na lezen van de vraag.",
        )
        case.clocks.band_by_person("urgent" if raises else "normal", self._desk.now)
        self._events["raised" if raises else "lowered"] += 1
        return case.draw.choice((1.0, 4.0, 14.0))

    def _answer(self, case: LivedCase) -> float:
        """Draft, approve, and 20 seconds later the relay. Some replies the server refuses, some end in doubt."""
        with self._desk.store.begin() as uow:
            found = uow.case_by_reference(case.reference)
            assert found is not None
            latest, stored = uow.latest_draft(found), uow.case(found)
        content = DraftContent(
            to=(case.contact,),
            cc=(),
            subject=f"Re: uw vraag {stored.subject_token}",
            body="Goedendag,\n\nDe gemeente beslist over uw vraag.\nBel de gemeente.\n",
        )
        draft = self._desk.approval.save_draft(
            case.reference, user=self._user, base_revision=latest.revision if latest else 0, content=content
        )
        leaves = self._desk.approval.approve(
            case.reference,
            user=self._user,
            revision=draft.revision,
            content_hash=draft.content_hash,
            seen_messages=case.taken_in,
            ticked=frozenset(Finding) - BLOCKING,  # staff look, and find all in order
        )
        case.clocks.take_up()
        case.clocks.resume_by_person(self._desk.now)
        case.waits_for, case.reply_on_its_way, case.seen = "", True, case.taken_in
        with self._desk.store.begin() as uow:
            approved = uow.latest_draft(found)
            assert approved is not None and approved.outbox_id is not None
            outbox_id = approved.outbox_id
        fate = case.draw.random() if self._server.up else 1.0
        kind = "refused" if fate < 0.02 else "uncertain" if fate < 0.04 else ""
        if kind == "refused":
            error: TriageError = DeliveryRefused("the server refused the recipient", reply_code=550)
            self._server.plan("prepare", error, forward_path=case.contact)
        elif kind == "uncertain":
            self._server.plan("data", DeliveryUncertain("no reply after DATA"), forward_path=case.contact)
        self._at(leaves + _SECOND, lambda: self._leaves(case, kind, outbox_id))
        waits: Callable[[], bool] = lambda: case.reply_on_its_way  # noqa: E731
        self._book.when_open("delayed", self._desk.now + _HOUR, waits, about=case.reference)
        return 0.0

    def _leaves(self, case: LivedCase, kind: str, outbox_id: str) -> None:
        self._relay()
        if kind:
            case.reply_on_its_way, case.failed_reply = False, outbox_id
            self._events[f"replies {kind}"] += 1
            self._note(case, f"the reply is {kind}", self._desk.now)
            fails: Callable[[], bool] = lambda: case.failed_reply == outbox_id  # noqa: E731
            self._book.when_open(kind, self._desk.now, fails, about=case.reference)
            self._plan_act(case, case.draw.uniform(1, 4))

    def _send_again(self, case: LivedCase) -> None:
        self._desk.casework.release_uncertain(case.failed_reply, user=self._user)
        case.reply_on_its_way, case.failed_reply = True, ""
        self._book.allow("delayed", self._desk.now, self._desk.now + 2 * _DAY, about=case.reference)
        self._at(self._desk.now + _SECOND, self._relay)

    # ---------------------------------------------------------------- comparing

    def _note(self, case: LivedCase, what: str, moment: datetime) -> None:
        """An event of the case; the product must agree about its clocks after it."""
        case.history.append(f"{moment.astimezone(AMS):%a %Y-%m-%d %H:%M:%S} {what}")
        self._compare(case, what)

    def _compare(self, case: LivedCase, after: str) -> None:
        if case.derailed:
            return
        self._compared += 1
        clocks = case.clocks
        expected = {
            "answer_due": clocks.answer_due,
            "take_up_due": clocks.take_up_due,
            "taken_up": clocks.taken_up,
            "ends kept": clocks.kept,
            "ended": clocks.ended,
        }
        _, answer_due, take_up_due, taken_up, kept, state = self._reading.execute(
            _CLOCKS_SQL, (case.reference,)
        ).fetchone()
        got = {
            "answer_due": _moment(answer_due),
            "take_up_due": _moment(take_up_due),
            "taken_up": bool(taken_up),
            "ends kept": kept,
            "ended": state not in OPEN_STATES,
        }
        wrong = [
            f"{name} expected {expected[name]}, got {got[name]}" for name in expected if expected[name] != got[name]
        ]
        if wrong:
            case.derailed = True
            history = "; ".join(case.history)
            self._clock_differences.append(f"{case.reference} after {after!r}: {', '.join(wrong)} [{history}]")

    def _acknowledgement_differences(self, withheld: set[str]) -> list[str]:
        """Each case has exactly one acknowledgement, or a reason why not."""
        return [
            f"{case.reference}: {case.acknowledgements} acknowledgements, "
            f"{'withheld' if case.reference in withheld else 'not withheld'}; {case.history[0]}"
            for case in self._cases.values()
            if case.acknowledgements + (case.reference in withheld) != 1
        ]


def _stamp(moment: datetime) -> int:
    """As the store keeps a moment in SQLite."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(stamp: int | None) -> datetime | None:
    return None if stamp is None else _EPOCH + timedelta(microseconds=stamp)
