"""`report sla`: promises kept, as text, CSV or JSON Lines. No personal data."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from triage import logs
from triage.bootstrap import open_product_store, utc_now
from triage.commands.output import json_line, show
from triage.commands.reporting import cell, period_of
from triage.core.promises import Delivery, JudgedPromise
from triage.core.workdays import AMSTERDAM
from triage.services.sla_report import Share, SlaLine, Totals, sla_lines, totals
from triage.settings import load_settings

_COLUMNS = (
    "reference", "arrived_at", "band", "channel", "backlog", "set_aside", "take_up_due", "taken_up_at", "answer_due",
    "answered_at", "ended_at", "clock", "paused_days", "reopened",
)  # fmt: skip
_MOMENTS = frozenset(name for name in _COLUMNS if name.endswith(("_at", "_due")))
_KEPT = {True: "yes", False: "no", None: "open"}


def report_sla(*, begin: str, end: str, form: str) -> int:
    """`begin` and `end` are days in Amsterdam, both included; "" is without limit. Raises ConfigError."""
    first, last = period_of(begin, end, form, _FORMATS)
    settings = load_settings()
    logs.configure(settings.log.level, settings.log.format)
    store, _ = open_product_store(settings)
    with closing(store):
        calendar = settings.sla_rules.calendar
        _FORMATS[form](sla_lines(store.queries, first, last, now=utc_now(), calendar=calendar))
    return 0


def kept_words(promise: JudgedPromise) -> str:
    """yes, no or open; "not told" when its mail never reached the sender."""
    return "not told" if promise.delivery is Delivery.NOT_TOLD else _KEPT[promise.kept]


def _day(promise: JudgedPromise) -> str:
    return promise.promised.astimezone(AMSTERDAM).date().isoformat()


def _as_json(lines: Iterator[SlaLine]) -> None:
    def told() -> Iterator[SlaLine]:
        for line in lines:
            json_line(_line(line))
            yield line

    json_line({"totals": asdict(totals(told()))})


def _line(line: SlaLine) -> dict[str, Any]:
    values = {name: getattr(line, name) for name in _COLUMNS}
    values |= {name: cell(values[name]) or None for name in _MOMENTS}
    values["promises"] = [
        {
            "subject": one.subject,
            "day": _day(one),
            "told_by": one.told_by,
            "delivery": one.delivery,
            "met_at": cell(one.met_at) or None,
            "kept": kept_words(one),
        }
        for one in line.promises
    ]
    return values


def _as_csv(lines: Iterator[SlaLine]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow((*_COLUMNS, "promises"))
    for line in lines:
        promises = "; ".join(
            f"{one.subject} {_day(one)} by {one.told_by}, {one.delivery}: {kept_words(one)}" for one in line.promises
        )
        writer.writerow((*(cell(getattr(line, name)) for name in _COLUMNS), promises))
        show(out.getvalue())  # line by line: a year of cases is not held in memory
        out.seek(0)
        out.truncate()
    show(out.getvalue())


def _as_text(lines: Iterator[SlaLine]) -> None:
    broken: list[JudgedPromise] = []

    def noted() -> Iterator[SlaLine]:
        for line in lines:
            broken.extend(one for one in line.promises if one.kept is False)
            yield line

    _show_totals(totals(noted()))
    _show_broken(broken)


def _show_totals(sums: Totals) -> None:
    show(f"{sums.cases} cases, {sums.open} open, {sums.set_aside} set aside by a rule\n")
    for name, share in (
        ("answered in term", sums.answered_in_term),
        ("taken up in term", sums.taken_up_in_term),
        ("promises kept", sums.promises_kept),
    ):
        show(f"{name}: {_share(share)}\n")
    show(f"told of another day: {sums.corrected} cases\n")
    show(f"late and taken in after an outage: {sums.breached_in_backlog} cases\n")


def _share(share: Share) -> str:
    return f"{share.k}/{share.n}" + (f" ({share.k / share.n:.0%})" if share.n else "")


def _show_broken(broken: Sequence[JudgedPromise]) -> None:
    show("\nno promise was broken\n" if not broken else "\nbroken promises:\n")
    for one in broken:
        met = f"met {one.met_at.astimezone(AMSTERDAM):%Y-%m-%d %H:%M}" if one.met_at else "not met yet"
        show(f"  {one.reference}  {one.subject:<8} {_day(one)}  told by {one.told_by} ({one.delivery}), {met}\n")


_FORMATS: dict[str, Callable[[Iterator[SlaLine]], None]] = {"text": _as_text, "csv": _as_csv, "json": _as_json}
