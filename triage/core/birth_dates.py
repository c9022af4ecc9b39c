"""Dates of birth in a text: with a word beside them that says so, or so long ago that they can hardly be anything else.

What the gate asks about must be worth a look, so the dates of laws, decisions and letters are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

OLDEST_OTHER_YEAR = 2012
"""A bare date before this year is taken for a date of birth: a running decision or letter is younger."""

_MONTHS = (
    ("januari", "january", "jan"), ("februari", "february", "feb"), ("maart", "march", "mrt", "mar"),
    ("april", "apr"), ("mei", "may"), ("juni", "june", "jun"), ("juli", "july", "jul"), ("augustus", "august", "aug"),
    ("september", "sept", "sep"), ("oktober", "october", "okt", "oct"), ("november", "nov"),
    ("december", "dec"),
)  # fmt: skip
_MONTH_NUMBER = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_MONTH = "|".join(sorted(_MONTH_NUMBER, key=len, reverse=True))
_DATE = re.compile(
    rf"""(?<![\w/-])(?<!\d\.)(?:
        (?P<year_a>(?:19|20)\d\d)[-/.](?P<month_a>\d\d?)[-/.](?P<day_a>\d\d?)
      | (?P<day_b>\d\d?)\s?(?P<mark>[-/.\s])\s?(?P<month_b>\d\d?)\s?(?P=mark)\s?(?P<year_b>(?:19|20)\d\d|['’]?\d\d)
      | (?P<day_c>\d\d?)(?:e|de|ste|st|nd|rd|th)?(?:[\s-]|\sof\s)(?P<month_c>{_MONTH})\b
          \.?(?:[\s,-]{{1,2}}(?P<year_c>(?:19|20)\d\d|['’]\d\d|\d\d(?![\d:.])))?
      | (?P<month_d>{_MONTH})\.?\s(?P<day_d>\d\d?)(?:st|nd|rd|th)?,?\s(?P<year_d>(?:19|20)\d\d)
      | (?P<packed>\d{{8}})
    )(?![\w/-])""",
    re.IGNORECASE | re.VERBOSE,
)
_CUE = (
    r"(?:geboren|geb\.?\s?(?:dat(?:um)?\b\.?)?|geboorte-?\s?(?:datum|dag)"
    r"|born|birth-?\s?(?:date|day)|date\sof\sbirth|d\.?o\.?b\b\.?)"
)
_CUE_BEFORE = re.compile(rf"\b{_CUE}(?!\w)(?P<gap>\W{{0,8}}|(?:(?![.!?;]\s)[^\n]){{0,40}})\Z", re.IGNORECASE)
_CUE_AFTER = re.compile(rf"[ ,(]{{0,2}}(?:[^\W\d]+ ){{0,3}}{_CUE}(?!\w)", re.IGNORECASE)
_OTHER_THING = re.compile(
    r"\b(?:v[oó]{2}r|na|vanaf|tot|before|after|since|until|besluit|beschikking|indicatie|brief|mail|wet|afspraak|gesprek"
    r"|decision|letter|act)\b",
    re.IGNORECASE,
)
_LAW_OR_TERM = re.compile(
    r"\b(?:(?:versie|wet|besluit|beschikking|indicatie|brief|regeling|verordening|uitspraak|arrest|vonnis) van"
    r"|version of|act of|staatsblad|staatscourant|sinds|vanaf|per|met ingang van|in werking op|v[oó]{2}r|tot|na"
    r"|since|from|before|after|until|as of)\s+(?:de\s|the\s)?\Z",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://\S+")
FOOTNOTE = re.compile(r"^[ \t]*\[\d+\][ \t].*$", re.MULTILINE)
"""A line of the sources under a letter."""


def birth_dates(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of every date of birth in the text, in order."""
    text = _LINK.sub(lambda link: " " * len(link[0]), text)
    for found in _DATE.finditer(text):
        if not _is_a_day(found):
            continue
        start, end = found.span()
        before, after = text[max(0, start - 60) : start], text[end : end + 60]
        if _has_cue(before, after) or (_stands_alone(found, before) and not _in_a_footnote(text, start)):
            yield start, end


def _has_cue(before: str, after: str) -> bool:
    cue = _CUE_BEFORE.search(before)
    if cue is not None and not _OTHER_THING.search(cue["gap"]):
        return True
    return _CUE_AFTER.match(after) is not None


def _in_a_footnote(text: str, start: int) -> bool:
    return FOOTNOTE.match(text, text.rfind("\n", 0, start) + 1) is not None


def _part(found: re.Match[str], name: str) -> str:
    return next((value for key in "abcd" if (value := found.groupdict().get(f"{name}_{key}"))), "")


def _stands_alone(found: re.Match[str], before: str) -> bool:
    """An old date with its year in full, that no law, decision or term goes with."""
    year = _part(found, "year")
    return len(year) == 4 and int(year) < OLDEST_OTHER_YEAR and not _LAW_OR_TERM.search(before)


def _is_a_day(found: re.Match[str]) -> bool:
    """Whether a calendar has it, in one of the usual orders; a year that was left out may be any."""
    if packed := found["packed"]:
        numbers = [(packed[4:], packed[2:4], packed[:2]), (packed[:4], packed[4:6], packed[6:])]
        return any(
            year[:2] in ("19", "20") and _exists(int(year), int(month), int(day)) for year, month, day in numbers
        )
    year, month, day = _part(found, "year").lstrip("'’"), _part(found, "month").casefold(), int(_part(found, "day"))
    in_year = int(year) if len(year) == 4 else 2000  # a leap year
    number = _MONTH_NUMBER.get(month) or int(month)
    return _exists(in_year, number, day) or (month.isdigit() and _exists(in_year, day, number))


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
