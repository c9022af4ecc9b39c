"""The pages in docs/ that the measuring commands write: machine, date, figures, bars, and by how much one is missed."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil

DOCS = Path(__file__).resolve().parents[2] / "docs"
_PACKAGES = ("imapclient", "aiosmtplib", "sqlalchemy", "scikit-learn", "numpy", "starlette", "uvicorn", "aiosmtpd")


@dataclass(frozen=True, slots=True)
class Bar:
    """One demand and what was measured. `at_least` False: `limit` is the most that is allowed."""

    number: str
    what: str
    measured: float | None  # None: not measured, `unit` says why
    limit: float
    unit: str
    at_least: bool = False

    @property
    def passed(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        if self.passed:
            return "passed"
        if math.isinf(self.measured):
            return "**missed**"
        if not self.limit:
            return f"**missed** by {number(abs(self.measured - self.limit))} {self.unit}".rstrip()
        return f"**missed** by {number(abs(self.measured - self.limit) / self.limit * 100)}%"


def number(value: float) -> str:
    """Three figures that mean something."""
    if math.isinf(value):
        return "never"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(number(cell) if isinstance(cell, float) else str(cell) for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *(line(row) for row in rows)])


def bar_table(bars: Sequence[Bar]) -> str:
    return table(
        ("Bar", "Demand", "Measured", "Limit", "Verdict"),
        (
            (
                bar.number,
                bar.what,
                f"{number(bar.measured)} {bar.unit}".strip() if bar.measured is not None else bar.unit,
                _limit(bar),
                bar.verdict,
            )
            for bar in bars
        ),
    )


def _limit(bar: Bar) -> str:
    unit = bar.unit if bar.measured is not None else ""
    return f"{'≥' if bar.at_least else '≤'} {number(bar.limit)} {unit}".strip()


def measured_on() -> str:
    """Machine, date and versions, as a paragraph: figures mean little without them."""
    memory = psutil.virtual_memory().total / 2**30
    dovecot = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=False).stdout.split()
    versions = [f"Dovecot {dovecot[0] if dovecot else '?'}", f"SQLite {sqlite3.sqlite_version}"]
    versions += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"Measured on {datetime.now(ZoneInfo('Europe/Amsterdam')):%d %B %Y, %H:%M}: {os.cpu_count()} cores "
        f"({platform.machine()}), {memory:.0f} GiB, {platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, "
        f"Python {platform.python_version()}; {'; '.join(versions)}. All servers on this machine, over loopback. "
        f"Load over the last 1, 5 and 15 minutes when the report was written, the measuring itself included: {load}."
    )


def write(name: str, text: str) -> Path:
    DOCS.mkdir(exist_ok=True)
    path = DOCS / name
    path.write_text(text.rstrip() + "\n", encoding="utf-8")
    return path
