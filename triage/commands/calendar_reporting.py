"""`report calendar`: another calendar rehearsed, as text, CSV or JSON Lines. No personal data."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from triage import logs
from triage.bootstrap import open_product_store, utc_now
from triage.commands.output import json_line, show
from triage.commands.reporting import period_of
from triage.core.sla import ClockState
from triage.core.workdays import AMSTERDAM, local_date
from triage.services.rehearsal import MovedCase, Rehearsal, changed_days, changed_rules, rehearse
from triage.settings import load_settings, with_calendar_of

_AHEAD = timedelta(days=400)
_COLUMNS = (
    "reference", "open", "arrived", "take_up_due", "take_up_due_then", "answer_due", "answer_due_then", "clock_state",
    "clock_state_then", "promise_moves",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Report:
    rules: list[tuple[str, str, str]]
    days: list[tuple[date, str, str]]
    rehearsal: Rehearsal


def report_calendar(path: Path, *, begin: str, end: str, form: str) -> int:
    """`begin` and `end` are days of arrival of the ended cases, in Amsterdam and both included; "" is without limit.
    Raises ConfigError."""
    first, last = period_of(begin, end, form, _FORMATS)
    settings = load_settings()
    other = with_calendar_of(settings, path).sla_rules
    present, now = settings.sla_rules, utc_now()
    logs.configure(settings.log.level, settings.log.format)
    store, _ = open_product_store(settings)
    with closing(store):
        rehearsal = rehearse(
            store.queries.open_cases(), store.queries.ended_cases(first, last), present=present, other=other, now=now
        )
    since = min((one.arrived_at for one in rehearsal.moved), default=now)
    days = changed_days(present.calendar, other.calendar, local_date(min(since, now)), local_date(now) + _AHEAD)
    _FORMATS[form](_Report(changed_rules(present, other), days, rehearsal))
    return 0


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(AMSTERDAM).isoformat(timespec="minutes") if moment else None


def _as_object(one: MovedCase) -> dict[str, Any]:
    take_up, answer, states = one.take_up_due, one.answer_due, one.clock_state
    values = (
        one.reference, one.is_open, _moment(one.arrived_at), _moment(take_up[0]), _moment(take_up[1]),
        _moment(answer[0]), _moment(answer[1]), str(states[0]), str(states[1]), one.promise_moves,
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))


def _as_json(report: _Report) -> None:
    found = report.rehearsal
    json_line(
        {
            "rules": [{"setting": name, "now": now, "then": then} for name, now, then in report.rules],
            "days": [{"day": str(day), "now": now, "then": then} for day, now, then in report.days],
            "open_cases": found.open_cases,
            "paused": found.paused,
            "later": found.count("later"),
            "earlier": found.count("earlier"),
            "promises": found.count("promises"),
            "breached_at_once": found.count(ClockState.BREACHED),
            "ended_cases": found.ended_cases,
            "in_term": found.in_term[0],
            "in_term_then": found.in_term[1],
        }
    )
    for one in found.moved:
        json_line(_as_object(one))


def _as_csv(report: _Report) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    writer.writerows(
        ["" if cell is None else cell for cell in _as_object(one).values()] for one in report.rehearsal.moved
    )
    show(out.getvalue())


def _as_text(report: _Report) -> None:
    found = report.rehearsal
    if not report.rules and not report.days:
        show("The file changes nothing of the calendar.\n")
    for name, now, then in report.rules:
        show(f"{name}: {now} → {then}\n")
    for day, now, then in report.days:
        show(f"{day:%Y-%m-%d}: {now or 'open'} → {then or 'open'}\n")
    show(
        f"\nopen cases: {found.open_cases}; {found.count('later')} get a later day, {found.count('earlier')} an "
        f"earlier one; {found.paused} wait for the sender and keep the days they have left\n"
        f"  {found.count(ClockState.BREACHED)} would be late at once, {found.count(ClockState.AT_RISK)} would come at "
        f"risk at once\n  {found.count('promises')} senders were promised a day that would hold no more\n"
    )
    _list([one for one in found.moved if one.is_open])
    before, after = found.in_term
    show(f"\nended cases: {found.ended_cases}; answered in time {before}, under the other calendar {after}\n")
    _list([one for one in found.moved if not one.is_open])


def _list(moved: list[MovedCase]) -> None:
    for one in moved:
        clocks = [f"answer {_day(one.answer_due[0])} → {_day(one.answer_due[1])}"]
        if one.take_up_due[0] != one.take_up_due[1]:
            clocks.insert(0, f"take-up {_day(one.take_up_due[0])} → {_day(one.take_up_due[1])}")
        states = one.clock_state
        if states[0] is not states[1]:
            clocks.append(f"{states[0]} → {states[1]}")
        show(f"  {one.reference}  {', '.join(clocks)}{', promised otherwise' if one.promise_moves else ''}\n")


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(AMSTERDAM):%a %Y-%m-%d %H:%M}" if moment else "none"


_FORMATS: dict[str, Callable[[_Report], None]] = {"text": _as_text, "csv": _as_csv, "json": _as_json}
