"""The arrivals of tests/data/awkward_arrivals.toml, whose days were worked out by hand."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "data" / "awkward_arrivals.toml"


@dataclass(frozen=True)
class AwkwardMail:
    """A mail, and what its acknowledgement must say."""

    name: str
    arrived: datetime
    sum: str
    answer: str
    take_up: str
    closed: str = ""
    fetched: datetime | None = None
    closing_days: Mapping[str, str] = field(default_factory=dict)

    @property
    def taken_in(self) -> datetime:
        return self.fetched or self.arrived + timedelta(minutes=1)

    @property
    def closings(self) -> dict[date, str]:
        return {date.fromisoformat(day): reason for day, reason in self.closing_days.items()}


@dataclass(frozen=True)
class AwkwardCase:
    """A case that was answered or set to wait, then a message of its sender; `answer` is the new day."""

    name: str
    arrived: datetime
    act: str
    acted: datetime
    written: datetime
    sum: str
    answer: str


def _read() -> dict[str, list[dict[str, Any]]]:
    with _FILE.open("rb") as file:
        return tomllib.load(file)


MAILS = tuple(AwkwardMail(**row) for row in _read()["mail"])
CASES = tuple(AwkwardCase(**row) for row in _read()["case"])
