"""Words for letters: dates and hours in Dutch and English, closed days, and one marked text as plain text and as HTML.

A letter is written once, with three marks at the start of a line: "## " a heading, "- " a list item, "> " the promise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from markupsafe import Markup, escape

from triage.core.sla import dutch_date
from triage.core.workdays import AMSTERDAM, WorkCalendar

_LINK = re.compile(
    r"https?://[^\s<>\"]+[^\s<>\".,;:)]|\b11[23]\b|\b0\d{1,3}[- ]\d[\d ]{2,}\d\b"
)  # pages and telephone numbers
_ENGLISH_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ENGLISH_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def english_date(moment: datetime) -> str:
    """'Thursday 26 November', in Amsterdam."""
    local = moment.astimezone(AMSTERDAM)
    return f"{_ENGLISH_DAYS[local.weekday()]} {local.day} {ENGLISH_MONTHS[local.month - 1]}"


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), AMSTERDAM)


_MONTHS = (*(dutch_date(noon(date(2026, month, 1))).split()[-1] for month in range(1, 13)), *ENGLISH_MONTHS)
_DAY = re.compile(rf"\b(\d{{1,2}}) (?={'|'.join(_MONTHS)})")


def telephone_hours(blocks: Sequence[str], lang: str) -> str:
    """'van 10:00 tot 12:00 uur en van 13:00 tot 15:00 uur'."""
    parts = [block.split("-") for block in blocks]
    if lang == "en":
        return " and ".join(f"from {begins} to {ends}" for begins, ends in parts)
    return " en ".join(f"van {begins} tot {ends} uur" for begins, ends in parts)


_LAW_NAMES = {
    "nl": {
        "Wmo 2015": "Wet maatschappelijke ondersteuning 2015 (Wmo 2015)",
        "Wlz": "Wet langdurige zorg (Wlz)",
        "Zvw": "Zorgverzekeringswet (Zvw)",
    },
    "en": {
        "Wmo 2015": "Social Support Act (Wmo 2015)",
        "Wlz": "Long-term Care Act (Wlz)",
        "Zvw": "Health Insurance Act (Zvw)",
    },
}


def spell_out_laws(text: str, lang: str) -> str:
    """The text with each law's short name written in full the first time, unless it stands so already."""
    for short, full in _LAW_NAMES[lang].items():
        first = re.search(rf"\b{short}\b(?!-)", text)
        if first is not None and text[first.end() : first.end() + 1] != ")":
            text = f"{text[: first.start()]}{full}{text[first.end() :]}"
    return text


def law_names_shortened(text: str) -> str:
    """The text with every name that `spell_out_laws` may have written in full as its short name again."""
    for names in _LAW_NAMES.values():
        for short, full in names.items():
            text = text.replace(full, short)
    return text


def closings(calendar: WorkCalendar, first: date, last: date, lang: str) -> list[str]:
    """Closed weekdays in [first, last] in words: 'op maandag 25 mei (Tweede pinksterdag)', rows of days as one."""
    runs: list[list[date]] = []
    day, row_open = first, False
    while day <= last:
        if day.weekday() < 5:  # a weekend neither opens nor breaks a row of closed days
            if calendar.is_working_day(day):
                row_open = False
            elif row_open:
                runs[-1].append(day)
            else:
                runs.append([day])
                row_open = True
        day += timedelta(days=1)
    return [_closing(calendar, run, lang) for run in runs]


def _closing(calendar: WorkCalendar, run: Sequence[date], lang: str) -> str:
    if lang == "en":
        if len(run) == 1:
            return f"on {english_date(noon(run[0]))}"
        return f"from {english_date(noon(run[0]))} up to and including {english_date(noon(run[-1]))}"
    if len(run) == 1:
        return f"op {dutch_date(noon(run[0]))} ({calendar.closed_because(run[0])})"
    return f"van {dutch_date(noon(run[0]))} tot en met {dutch_date(noon(run[-1]))}"


# ---------------------------------------------------------------- one source for text and HTML


def as_plain(text: str) -> str:
    """The text part: the marks of headings and of the promise are left out."""
    return re.sub(r"^(?:## |> )", "", re.sub(r"\n{3,}", "\n\n", text.strip()), flags=re.MULTILINE)


def as_blocks(text: str) -> list[tuple[str, list[Markup]]]:
    """(kind, lines) for the HTML part; kind is heading, list, promise or paragraph. Lines are escaped, links made, and
    a day stays on one line with its month."""
    found: list[tuple[str, list[Markup]]] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        for line in paragraph.splitlines():
            kind, mark = next(
                (
                    (kind, mark)
                    for kind, mark in (("heading", "## "), ("list", "- "), ("promise", "> "))
                    if line.startswith(mark)
                ),
                ("paragraph", ""),
            )
            if not found or found[-1][0] != kind or kind == "heading" or (kind == "paragraph" and line is paragraph):
                found.append((kind, []))
            found[-1][1].append(_linked(_DAY.sub("\\1\u00a0", line.removeprefix(mark))))
        found.append(("", []))
    return [(kind, lines) for kind, lines in found if lines]


def _linked(line: str) -> Markup:
    parts, end = [], 0
    for link in _LINK.finditer(line):
        found = link.group()
        target = found if found.startswith("http") else "tel:" + re.sub(r"[- ]", "", found)
        parts += [escape(line[end : link.start()]), Markup('<a href="{}">{}</a>').format(target, found)]
        end = link.end()
    return Markup("").join([*parts, escape(line[end:])])
