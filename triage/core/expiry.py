"""Until when something can be opened, as notices say it in Dutch and English words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from triage.core.workdays import AMSTERDAM, local_date

_I = re.IGNORECASE
_LONGEST_TERM = timedelta(days=800)

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "januari jan january",
            "februari feb february",
            "maart mrt mar march",
            "april apr",
            "mei may",
            "juni jun june",
            "juli jul july",
            "augustus aug august",
            "september sep sept",
            "oktober okt october oct",
            "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}
_NAME = "|".join(sorted(_MONTHS, key=len, reverse=True))
_TO_OPEN = r"(?:open|geopend|lees|lezen|gelezen|bekijk|download|gedownload|ophalen|opgehaald|read|view)\w*"
_ENDS = re.compile(
    r"verlo(?:op|pen)|verval|geldig|beschikbaar|verwijder|bewaard|toegankelijk|in te zien|expir|valid|available|"
    r"deleted|removed|accessible|until|houdbaar|"
    rf"{_TO_OPEN}[^.\n]{{0,40}}\b(?:tot|t/?m|v[oó][oó]r|uiterlijk|binnen|before|by|within)\b|"
    rf"\b(?:binnen|within)\b[^.\n]{{0,30}}{_TO_OPEN}",
    _I,
)
_OF_A_CODE = re.compile(r"toegangscode|sms-code|verificatiecode|passcode|wachtwoord|password|access code|\bcode\b", _I)
_THROUGH = re.compile(
    r"\b(?:t/?m|tot en met|uiterlijk(?: op| t/m)?|through|up to and including|no later than)\W{0,3}$", _I
)
_CLOCK = (
    r"(?:[,\s]{1,3}(?:om|at|@|-|–)?\s{0,2}(?P<hour>[0-2]?\d)[:.](?P<minute>[0-5]\d)(?:[:.][0-5]\d)?"
    r"\s?(?P<half>[ap]\.?m\b\.?)?)?"
)
_DAY_NAME = rf"\b(?P<d>[0-3]?\d)(?:e|ste|de|st|nd|rd|th)?\.?\s(?:of\s)?(?P<m>{_NAME})\b\.?,?(?:\s(?P<y>20\d\d))?"
_NAME_DAY = rf"\b(?P<m>{_NAME})\.?\s(?P<d>[0-3]?\d)(?:st|nd|rd|th)?\b(?:,?\s(?P<y>20\d\d))?"
_FIGURES = r"\b(?P<d>[0-3]?\d)(?P<sep>[-/.])(?P<m>[0-1]?\d|[0-3]\d)(?P=sep)(?P<y>20\d\d|\d\d)\b"
_ISO = r"\b(?P<y>20\d\d)-(?P<m>[01]\d)-(?P<d>[0-3]\d)(?:T(?=\d))?"
_DATES = tuple(re.compile(form + _CLOCK, _I) for form in (_ISO, _DAY_NAME, _NAME_DAY, _FIGURES))
_SHORT_MONTH = re.compile(rf"\b({_NAME})\.", _I)  # its dot ends no sentence
_NUMBER_WORDS = {
    "een": 1, "één": 1, "one": 1, "twee": 2, "two": 2, "drie": 3, "three": 3, "vier": 4, "four": 4, "zeven": 7,
    "seven": 7, "tien": 10, "ten": 10, "veertien": 14, "fourteen": 14, "dertig": 30, "thirty": 30, "negentig": 90,
    "ninety": 90,
}  # fmt: skip
_SPAN = re.compile(
    rf"\b(?P<n>\d{{1,3}}|{'|'.join(_NUMBER_WORDS)})\s(?:hele\s|volle\s|calendar\s|kalender)?"
    r"(?P<unit>uur|uren|hours?|dag(?:en)?|days?|we(?:ek|ken)|weeks?|maand(?:en)?|months?)\b",
    _I,
)


def ends_before(text: str, *, arrived: datetime) -> datetime | None:
    """The moment, aware, before which something must be opened, as far as the text names it; the earliest when
    there are several, None when there is none after `arrived`. A day without an hour counts from its beginning, so
    that nobody comes too late, unless the notice says "up to and including"."""
    found: list[datetime] = []
    lines = [_SHORT_MONTH.sub(r"\1", line.strip()) for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        for sentence in re.split(r"(?<=[a-z)])[.!]\s+", line):
            if not _ENDS.search(sentence):
                continue
            dated = [*_moments(sentence, arrived)]
            if not dated and len(sentence) < 60 and number + 1 < len(lines):
                dated = [*_moments(lines[number + 1], arrived)]  # a label, and what it labels on the next line
            if not dated and not _OF_A_CODE.search(sentence):
                dated = [arrived + span for span in _spans(sentence)]
            found += dated
    ahead = [moment for moment in found if arrived < moment <= arrived + _LONGEST_TERM]
    return min(ahead, default=None)


def _moments(text: str, arrived: datetime) -> list[datetime]:
    taken: list[tuple[int, int]] = []
    found: list[datetime] = []
    for form in _DATES:
        for match in form.finditer(text):
            if any(start < match.end() and match.start() < end for start, end in taken):
                continue
            parts = match.groupdict()
            through = bool(_THROUGH.search(text[: match.start()]))
            days = _days(parts, arrived)
            if days:
                taken.append(match.span())
                found += [_moment(day, parts, through) for day in days]
    return found


def _days(parts: Mapping[str, str | None], arrived: datetime) -> list[date]:
    """The day that is meant; two when 3/4/2026 may be either, and the caller takes the earlier one that is ahead."""
    written, day = str(parts["m"]).lower(), int(parts["d"] or 0)
    month = _MONTHS.get(written) or (int(written) if written.isdigit() else 0)
    year = int(parts["y"] or 0)
    if not year:
        year = local_date(arrived).year
        first = _day(year, month, day)
        return (
            [later]
            if (later := first if first and first >= local_date(arrived) else _day(year + 1, month, day))
            else []
        )
    year += 2000 if year < 100 else 0
    found = [_day(year, month, day)]
    if parts.get("sep") == "/":  # American order
        found.append(_day(year, day, month))
    return [one for one in found if one is not None]


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _moment(day: date, parts: Mapping[str, str | None], through: bool) -> datetime:
    hour, minute = int(parts["hour"] or 0), int(parts["minute"] or 0)
    if parts["hour"] is None or hour > 23:
        return datetime.combine(day + timedelta(days=1 if through else 0), time(), AMSTERDAM)
    half = (parts["half"] or "").lower()[:1]
    if half == "p" and hour < 12:
        hour += 12
    elif half == "a" and hour == 12:
        hour = 0
    return datetime.combine(day, time(hour, minute), AMSTERDAM)


def _spans(text: str) -> list[timedelta]:
    found = []
    for match in _SPAN.finditer(text):
        number = _NUMBER_WORDS.get(match["n"].lower()) or (int(match["n"]) if match["n"].isdigit() else 0)
        unit = match["unit"].lower()
        hours = 1 if unit[0] in "uh" else 24 if unit[0] == "d" else 24 * 7 if unit[0] == "w" else 24 * 30
        if number:
            found.append(timedelta(hours=number * hours))
    return found
