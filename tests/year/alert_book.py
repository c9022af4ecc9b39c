"""Which alerts must go out, and what went out instead.

The rule: danger and mailbox alarms at once; everything else at the first look inside the service hours at which it
still holds, once per transition of a clock (each clock of a case for itself); a digest every working day.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from tests.oracle import AMS, SHORT, CaseClocks, OracleCalendar, day_of
from tests.year.outside import Arrived

OPENS, CLOSES = time(8, 30), time(17)
AT_ANY_HOUR = frozenset({"danger", "mailbox_silent", "sign_in_needed"})
_URGENT_LOOKED_FOR = time(11)
_HELD_OVER = timedelta(days=8)  # an alert written outside the hours stands for the one that was due by then


@dataclass
class Expected:
    """Must be written from `since` until `until`; `optional`: may be."""

    kind: str
    about: str  # case reference, or ""
    since: datetime
    until: datetime
    optional: bool = False
    told: bool = False


@dataclass
class Pending:
    """Something that is told at the first look inside the hours from `since` on at which it holds."""

    kind: str
    about: str
    since: datetime
    holds: Callable[[], bool]


@dataclass
class Verdict:
    """Per kind: how many were due, and what differs. Each difference is one line."""

    due: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    outside_hours: list[str] = field(default_factory=list)

    @property
    def differences(self) -> list[str]:
        lists = {
            "missing": self.missing,
            "twice": self.twice,
            "unexpected": self.unexpected,
            "outside the hours": self.outside_hours,
        }
        return [f"{name}: {line}" for name, lines in lists.items() for line in lines]


class AlertBook:
    def __init__(self, calendar: OracleCalendar) -> None:
        self._calendar = calendar
        self._expected: list[Expected] = []
        self._pending: list[Pending] = []
        self._told: set[tuple[object, ...]] = set()
        self._digests: set[date] = set()
        self._past_eleven: set[date] = set()  # days on which it was looked after eleven
        self.arrived: list[Arrived] = []

    def in_hours(self, moment: datetime) -> bool:
        local = moment.astimezone(AMS)
        return self._calendar.works(local.date()) and OPENS <= local.time() < CLOSES

    def at_once(self, kind: str, now: datetime, *, about: str = "", until: datetime | None = None) -> None:
        self._expected.append(Expected(kind, about, now, until or now))

    def allow(self, kind: str, since: datetime, until: datetime, *, about: str = "") -> None:
        """The rule is silent on this one: it may come once."""
        self._expected.append(Expected(kind, about, since, until, optional=True))

    def when_open(self, kind: str, since: datetime, holds: Callable[[], bool], *, about: str = "") -> None:
        self._pending.append(Pending(kind, about, since, holds))

    def awaits(self, now: datetime) -> bool:
        """Something that did not hold before may have to be told now, though nothing happened."""
        past_eleven = now.astimezone(AMS).time() >= _URGENT_LOOKED_FOR
        return any(item.since <= now for item in self._pending) or (
            past_eleven and day_of(now) not in self._past_eleven
        )

    def look(self, now: datetime, cases: Mapping[str, CaseClocks], next_look: datetime) -> None:
        """The product looks now, after everything else that happens at this moment."""
        if now.astimezone(AMS).time() >= _URGENT_LOOKED_FOR:
            self._past_eleven.add(day_of(now))
        if not self.in_hours(now):
            return
        if day_of(now) not in self._digests:
            self._digests.add(day_of(now))
            self._expected.append(Expected("digest", "", now, now))
        for reference, clocks in cases.items():
            self._look_at(reference, clocks, now)
        for item in [item for item in self._pending if item.since <= now]:
            self._pending.remove(item)
            if item.holds():  # the product may have told it when it happened, or may look a moment later
                self._expected.append(Expected(item.kind, item.about, item.since, next_look))

    def _look_at(self, reference: str, clocks: CaseClocks, now: datetime) -> None:
        state = clocks.answer_state(now)
        if state in ("at_risk", "breached"):
            self._state(state, reference, ("answer", clocks.answer_due), clocks.answer_runs, now)
        state = clocks.take_up_state(now)
        if state in ("at_risk", "breached"):
            self._state(state, reference, ("take up", clocks.take_up_due), clocks.take_up_runs, now)
        if state and clocks.band in SHORT and clocks.take_up_due is not None:
            local = now.astimezone(AMS)
            if local.date() == day_of(clocks.take_up_due) and local.time() >= _URGENT_LOOKED_FOR:
                self._state("urgent_not_taken_up", reference, (clocks.take_up_due,), clocks.take_up_runs, now)

    def _state(self, kind: str, reference: str, term: tuple[object, ...], run: int, now: datetime) -> None:
        """A clock in this state. One that began anew with the same due date may be told again, or not."""
        transition, anew = (kind, reference, *term), (kind, reference, *term, run)
        if anew in self._told:
            return
        known = transition in self._told
        last = self._expected[-1]  # one mail may say it of both clocks of a case
        same_mail = not last.optional and (last.kind, last.about, last.since) == (kind, reference, now)
        self._told |= {transition, anew}
        self._expected.append(Expected(kind, reference, now, now, optional=known or same_mail))

    # ---------------------------------------------------------------- judging

    def verdict(self, *, ignore: Iterable[str] = ()) -> Verdict:
        """`ignore`: references whose clocks differ already; their alerts say nothing."""
        ignored, verdict = set(ignore), Verdict()
        due: dict[tuple[str, str], list[Expected]] = defaultdict(list)
        for one in self._expected:
            if one.about not in ignored:
                due[one.kind, one.about].append(one)
        unnamed: Counter[tuple[str, datetime]] = Counter()
        for mail in self.arrived:
            kind = mail.alert_kind
            about = mail.references if kind != "digest" else ()
            unnamed[kind, mail.written] += mail.unnamed
            for reference in about or ("",):
                if reference not in ignored:
                    self._match(verdict, kind, reference, mail.written, due[kind, reference])
        for (kind, reference), items in due.items():
            for one in items:
                verdict.due[kind] += not one.optional or one.told
                if not one.told and not one.optional:
                    if unnamed[kind, one.since] > 0:
                        unnamed[kind, one.since] -= 1
                        verdict.told[kind] += 1
                    else:
                        verdict.missing.append(f"{kind} {reference} due {_words(one.since)}")
        return verdict

    def _match(self, verdict: Verdict, kind: str, about: str, written: datetime, due: list[Expected]) -> None:
        verdict.told[kind] += 1
        line = f"{kind} {about} written {_words(written)}"
        if not self.in_hours(written) and kind not in AT_ANY_HOUR:
            verdict.outside_hours.append(line)
            for one in due:
                if not one.told and timedelta() <= one.until - written < _HELD_OVER:
                    one.told = True
                    return
            return
        fitting = [one for one in due if one.since <= written <= one.until]
        for one in sorted(fitting, key=lambda one: one.optional):
            if not one.told:
                one.told = True
                return
        (verdict.twice if fitting else verdict.unexpected).append(line)


def _words(moment: datetime) -> str:
    return f"{moment.astimezone(AMS):%a %d %b %Y %H:%M:%S}"
