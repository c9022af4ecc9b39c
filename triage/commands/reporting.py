"""`report ledger`: what became of each mail, as text, CSV or JSON Lines."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta

from triage import logs
from triage.bootstrap import open_product_store
from triage.commands.output import json_line, show
from triage.core.workdays import AMSTERDAM, start_of
from triage.errors import ConfigError
from triage.services.ledger_report import COLUMNS, WOULD_HAVE, ReportLine, Totals, report_lines, totals
from triage.settings import Settings, load_settings

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run such a cell


def report_ledger(*, begin: str, end: str, form: str) -> int:
    """`begin` and `end` are days in Amsterdam, both included; "" is without limit. Raises ConfigError."""
    first, until = period_of(begin, end, form, _FORMATS)
    settings = load_settings()
    logs.configure(settings.log.level, settings.log.format)
    store, _ = open_product_store(settings)
    try:
        facts = store.proof.ledger_facts(first, until)
        lines = report_lines(facts)
    finally:
        store.close()
    _FORMATS[form](lines, totals(lines), settings)
    return 0


def period_of(begin: str, end: str, form: str, formats: Collection[str]) -> tuple[datetime | None, datetime | None]:
    """[begin, end) of a report's `--from` and `--to`, both days included; None is without limit. Raises ConfigError,
    also for a `--format` that it does not have."""
    first, last = day_of(begin, "--from"), day_of(end, "--to")
    if first and last and first > last:
        raise ConfigError("--from is after --to: give the earlier day first")
    if form not in formats:
        raise ConfigError(f"--format: choose one of {', '.join(formats)}")
    return start_of(first) if first else None, start_of(last + timedelta(days=1)) if last else None


def day_of(text: str, option: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option}: give a day such as 2026-11-23") from None


def cell(value: object) -> str:
    """A value as text: moments in Amsterdam, lists with spaces, "" for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(AMSTERDAM).isoformat(timespec="seconds")
    if isinstance(value, tuple):
        return " ".join(str(one) for one in value)
    return str(value)


def _as_json(lines: Sequence[ReportLine], sums: Totals, settings: Settings) -> None:
    json_line(
        {
            "mails": sums.mails,
            "outcomes": dict(sorted(sums.outcomes.items())),
            "acknowledgements": dict(sorted(sums.acknowledgements.items())),
            "withheld_reasons": dict(sorted(sums.reasons.items())),
            "busiest_hour": sums.busiest_hour,
            "most_to_one_address": sums.most_to_one_address,
            "mode": settings.acknowledgements.mode,
        }
    )
    for line in lines:
        values = {name: getattr(line, name) for name in COLUMNS}
        values["reasons"] = list(line.reasons)
        for name in ("arrived", "promised_for", "promised_take_up", "sent_at"):
            values[name] = cell(values[name]) or None
        json_line(values)


def _as_csv(lines: Sequence[ReportLine], sums: Totals, settings: Settings) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for line in lines:
        cells = (cell(getattr(line, name)) for name in COLUMNS)
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    show(out.getvalue())


def _as_text(lines: Sequence[ReportLine], sums: Totals, settings: Settings) -> None:
    limits = settings.acknowledgements
    show(f"{sums.mails} mails: {_told(sums.outcomes)}\n")
    show(f"acknowledgements: {_told(sums.acknowledgements)}\n")
    if sums.reasons:
        show(f"withheld because: {_told(sums.reasons)}\n")
    if would_have := sums.acknowledgements[WOULD_HAVE]:
        show(
            f"shadow mode held {would_have} back that would have left; what it held back is never sent later.\n"
            f"busiest hour {sums.busiest_hour} (per_hour is {limits.per_hour}), most to one address in a day "
            f"{sums.most_to_one_address} (per_address_per_day is {limits.per_address_per_day})\n"
        )
    show("\n")
    for line in lines:
        moment = line.arrived.astimezone(AMSTERDAM)
        answer = line.acknowledgement
        if answer == "withheld":
            answer += f": {', '.join(line.reasons)}"
        elif answer == "refused" and line.reply_code:
            answer += f" {line.reply_code}"
        if line.to:
            answer += f" → {line.to}"
        what = f"{line.outcome:<11} {line.kind or '-':<18} {line.reference or '-':<14}"
        rule = f"[{line.rule}] " if line.rule else ""
        show(f"{moment:%Y-%m-%d %H:%M}  UID {line.uid:<7} {what} {rule}{answer}".rstrip() + "\n")


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


_FORMATS: dict[str, Callable[[Sequence[ReportLine], Totals, Settings], None]] = {
    "text": _as_text,
    "csv": _as_csv,
    "json": _as_json,
}
