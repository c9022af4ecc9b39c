"""`report judgement`: how the machine judged from week to week, as text, CSV or JSON Lines. No personal data."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from triage import logs
from triage.bootstrap import open_product_store, utc_now
from triage.commands.output import json_line, show
from triage.commands.reporting import day_of
from triage.core.drift import FEWEST_MAILS, FEWEST_WEEKS, NUMBERS, WeekReport
from triage.core.workdays import local_date
from triage.errors import ConfigError
from triage.services.judgement_report import judgement_weeks, past_days
from triage.settings import load_settings

_LONGEST_WEEKS = 260
_WHY = {
    "few_mails": f"fewer than {FEWEST_MAILS} mails",
    "few_weeks": f"fewer than {FEWEST_WEEKS} weeks with enough mails before it",
}


def report_judgement(*, begin: str, end: str, form: str) -> int:
    """The ISO weeks that hold the days from `begin` to `end` (Amsterdam, both included); "" for the last eight whole
    weeks. Raises ConfigError."""
    if form not in _FORMATS:
        raise ConfigError(f"--format: choose one of {', '.join(_FORMATS)}")
    usual = past_days(local_date(utc_now()))
    first, last = day_of(begin, "--from"), day_of(end, "--to")
    last = last or usual[1]
    first = first or min(usual[0], last)
    if first > last:
        raise ConfigError("--from is after --to: give the earlier day first")
    if (last - first).days > 7 * _LONGEST_WEEKS:
        raise ConfigError("give five years at most")
    settings = load_settings()
    logs.configure(settings.log.level, settings.log.format)
    store, _ = open_product_store(settings)
    with closing(store):
        weeks = judgement_weeks(store.queries, first, last)
    _FORMATS[form](weeks)
    return 0


def _as_object(report: WeekReport) -> dict[str, Any]:
    figures = report.figures
    return {
        "week": figures.week.name,
        "n": figures.n,
        "unjudged": figures.unjudged,
        **{name: dict(sorted(mix.items())) for name, mix in figures.mixes.items()},
        **{name: _rounded(figures.numbers[name].value) for name in NUMBERS if name != "found_late"},
        "found_late": figures.found_late,
        "sample": {"looked_at": figures.sample[0], "found_urgent": figures.sample[1]} if figures.sample else None,
        "not_compared": report.not_judged,
        "departures": [item.figure for item in report.departures],
        "alarms": list(report.alarms),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _as_json(weeks: Sequence[WeekReport]) -> None:
    for one in weeks:
        json_line(_as_object(one))


def _as_csv(weeks: Sequence[WeekReport]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    for number, one in enumerate(weeks):
        cells = _as_object(one)
        if number == 0:
            writer.writerow(cells)
        writer.writerow(_cell(value) for value in cells.values())
    show(out.getvalue())


def _cell(value: Any) -> object:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {count}" for name, count in value.items())
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else value


def _as_text(weeks: Sequence[WeekReport]) -> None:
    for one in weeks:
        told = _as_object(one)
        show(f"{told['week']}  {told['n']} mails judged by a model, {told['unjudged']} by none\n")
        for name in ("bands", "laws", "topics"):
            if told[name]:
                most = sorted(told[name].items(), key=lambda item: (-item[1], item[0]))[:8]
                parts = ", ".join(f"{code} {count / one.figures.n:.0%}" for code, count in most)
                show(f"  {name:<24} {parts}\n")
        for name in NUMBERS[:-1]:
            if told[name] is not None:
                show(f"  {name.replace('_', ' '):<24} {told[name]:.3f}\n")
        show(f"  {'urgent found late':<24} {told['found_late']}\n")
        if told["sample"]:
            looked = told["sample"]
            show(f"  {'audit sample':<24} {looked['found_urgent']} urgent of {looked['looked_at']} looked at\n")
        if one.not_judged:
            show(f"  not compared: {_WHY[one.not_judged]}\n")
        for item in one.departures:
            how = "" if item.usual is None else f": {item.value:.3f}, usually {item.usual:.3f}"
            again = "  ALARM: the second week running" if item.figure in one.alarms else ""
            show(f"  departs in {item.figure.replace('_', ' ')}{how}{again}\n")
        show("\n")


_FORMATS: dict[str, Callable[[Sequence[WeekReport]], None]] = {"text": _as_text, "csv": _as_csv, "json": _as_json}
