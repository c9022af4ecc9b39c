"""The stretches of time that are lived through: days, closing days and what breaks down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tests.oracle import AMS


@dataclass(frozen=True)
class Outage:
    """`what`: "mailbox" (cannot be reached), "smtp" (takes no mail), "process" (the product does not run)."""

    what: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Plan:
    """From the start of `first` until the end of `last`. `burst`: so many mails within minutes that the breaker trips;
    `mailed_at`: moments at which a mail arrives whatever else happens."""

    first: date
    last: date
    seed: int
    closing_days: frozenset[date] = frozenset()
    outages: tuple[Outage, ...] = ()
    burst: datetime | None = None
    mailed_at: tuple[datetime, ...] = ()
    mails_a_day: float = 10.5  # before what is added: bursts, edges of days, web forms


def _at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, *, second: int = 0, fold: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=AMS, fold=fold)


_DST_NIGHTS_2027 = (
    _at(2027, 3, 28, 0, 30),
    _at(2027, 3, 28, 1, 59, second=59),
    _at(2027, 3, 28, 3, 0),
    _at(2027, 10, 31, 2, 30),
    _at(2027, 10, 31, 2, 30, fold=1),
    _at(2027, 10, 31, 23, 30),
)
_EDGES_2027 = tuple(
    _at(2027, month, 15, *edge, second=second)
    for month in range(1, 13)
    for edge, second in (((16, 59), 58), ((17, 0), 2), ((23, 59), 59), ((0, 0), 1), ((8, 29), 50))
)

WHOLE_YEAR = Plan(
    first=date(2027, 1, 1),
    last=date(2027, 12, 31),
    seed=2027,
    closing_days=frozenset({date(2027, 2, 19), date(2027, 5, 7), date(2027, 9, 13), date(2027, 12, 24)}),
    outages=(
        Outage("mailbox", _at(2027, 2, 9, 6, 2), _at(2027, 2, 10, 6, 12)),
        Outage("mailbox", _at(2027, 8, 14, 22, 1), _at(2027, 8, 15, 9, 1)),
        Outage("smtp", _at(2027, 4, 14, 9, 3), _at(2027, 4, 15, 9, 13)),
        Outage("process", _at(2027, 6, 9, 10, 0), _at(2027, 6, 10, 10, 0)),
        Outage("process", _at(2027, 9, 17, 15, 58), _at(2027, 9, 20, 9, 40)),
    ),
    burst=_at(2027, 11, 3, 13, 20),
    mailed_at=(*_DST_NIGHTS_2027, *_EDGES_2027),
)

CHRISTMAS = Plan(
    first=date(2026, 12, 19),
    last=date(2027, 1, 8),
    seed=1219,
    mails_a_day=9.0,
    closing_days=frozenset({date(2026, 12, 31)}),
    outages=(
        Outage("mailbox", _at(2026, 12, 22, 6, 2), _at(2026, 12, 22, 16, 12)),
        Outage("process", _at(2026, 12, 24, 15, 0), _at(2026, 12, 28, 9, 10)),
        Outage("smtp", _at(2027, 1, 4, 9, 3), _at(2027, 1, 5, 9, 13)),
    ),
    mailed_at=(_at(2026, 12, 24, 16, 59, second=58), _at(2026, 12, 31, 23, 59, second=59), _at(2027, 1, 1, 0, 0)),
)

EASTER = Plan(
    first=date(2028, 4, 12),
    last=date(2028, 4, 29),
    seed=416,
    mails_a_day=9.0,
    closing_days=frozenset({date(2028, 4, 28)}),
    outages=(
        Outage("process", _at(2028, 4, 14, 15, 58), _at(2028, 4, 18, 9, 40)),
        Outage("mailbox", _at(2028, 4, 22, 22, 1), _at(2028, 4, 23, 9, 1)),
        Outage("smtp", _at(2028, 4, 25, 10, 3), _at(2028, 4, 25, 15, 13)),
    ),
    burst=_at(2028, 4, 20, 13, 20),
    mailed_at=(_at(2028, 4, 13, 23, 59, second=59), _at(2028, 4, 17, 2, 0), _at(2028, 4, 26, 17, 0, second=1)),
)
