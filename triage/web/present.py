"""Moments, terms and certainty in Dutch words.

Everything is pure: `now` is an argument, moments are aware and shown in Europe/Amsterdam.
"""

from __future__ import annotations

import math
from datetime import date, datetime

from triage.core.assessment import Assessment, Band, Urgency
from triage.core.case import OPEN_STATES, Case, CaseState, WaitingFor
from triage.core.sla import dutch_date, is_paused
from triage.core.workdays import AMSTERDAM
from triage.ports import CaseRow
from triage.web.words import word

_DAYS = ("ma", "di", "wo", "do", "vr", "za", "zo")
_MONTHS = ("jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec")
_NEAR_DAYS = 6  # within this many days a weekday name cannot be mistaken

# Words for certainty, by distance from the cut: `classification.md` asks for words until figures are calibrated.
_LIKELY = 0.5
_DOUBT = 0.25


def when(moment: datetime, now: datetime, *, seconds: bool = False) -> str:
    """'vandaag 17:00', 'morgen 17:00', 'gisteren 17:00', 'wo 17:00', 'wo 2 dec 17:00', 'wo 2 dec 2026 17:00'."""
    local, today = moment.astimezone(AMSTERDAM), now.astimezone(AMSTERDAM).date()
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    days = (local.date() - today).days
    if days in (-1, 0, 1):
        return f"{('gisteren', 'vandaag', 'morgen')[days + 1]} {clock}"
    day = _DAYS[local.weekday()]
    if abs(days) > _NEAR_DAYS:
        day += f" {local.day} {_MONTHS[local.month - 1]}"
        if local.year != today.year:
            day += f" {local.year}"
    return f"{day} {clock}"


def short_day(moment: datetime) -> str:
    """'do 26 november': a promised day, without an hour."""
    return f"{_DAYS[moment.astimezone(AMSTERDAM).weekday()]} {dutch_date(moment).partition(' ')[2]}"


def date_words(day: date) -> str:
    """'22 nov 2026'."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def term(due: datetime, now: datetime) -> str:
    """'vandaag 17:00', or 'te laat sinds ma 17:00'."""
    return f"te laat sinds {when(due, now)}" if now > due else when(due, now)


def day_and_time(moment: datetime) -> str:
    """'ma 23 nov 2026 09:12', for lists that are read back later."""
    local = moment.astimezone(AMSTERDAM)
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year} {local:%H:%M}"


def percent(value: float | None) -> str:
    """'12%', '0,4%' under one in a hundred, '–' when there is none."""
    if value is None:
        return "–"
    return f"{value:.1%}".replace(".", ",") if 0 < value < 0.01 else f"{value:.0%}"


def size(count: int) -> str:
    """A number of bytes: '812 bytes', '14 kB', '2,4 MB'."""
    if count < 1000:
        return f"{count} bytes"
    if count < 1_000_000:
        return f"{round(count / 1000)} kB"
    return f"{count / 1_000_000:.1f} MB".replace(".", ",")


def state_words(state: CaseState, waiting_for: WaitingFor | None) -> str:
    """'Nieuw', 'Wacht op de vrager'."""
    if state is CaseState.WAITING and waiting_for is not None:
        return word(waiting_for, "waiting_for")
    return word(state, "state")


def urgency_words(band: Band, urgency: Urgency) -> str:
    """'Dringend: palliatieve zorg', 'Mogelijk dringend: transfer', 'Gewoon'."""
    if band is Band.NORMAL:
        return word(band, "band")
    return f"{word(band, 'band')}: {word(urgency, 'urgency')}"


def running_terms(row: CaseRow, now: datetime) -> tuple[tuple[str, str], ...]:
    """The terms that still run for a line of the work list: (what, when), the nearest first."""
    if row.state not in OPEN_STATES:
        return ()
    if row.state is CaseState.WAITING and row.waiting_for is WaitingFor.SENDER:
        return (("Antwoord", "staat stil"),)
    terms = []
    if row.take_up_due is not None and row.taken_up_at is None:
        terms.append((row.take_up_due, "Oppakken"))
    terms.append((row.answer_due, "Antwoord"))
    return tuple((what, term(due, now)) for due, what in sorted(terms))


def paused_words(case: Case) -> str:
    """'De termijn staat stil. Na een reactie van de vrager zijn er nog 2 werkdagen.', or ''."""
    if not is_paused(case):
        return ""
    left = max(1, case.paused_ends_left or 0)
    days = "is er nog 1 werkdag" if left == 1 else f"zijn er nog {left} werkdagen"
    return f"De termijn staat stil. Na een reactie van de vrager {days}."


def law_certainty(assessment: Assessment, law: str) -> str:
    """'waarschijnlijk', 'twijfel', 'onwaarschijnlijk' for one law; '' when it was not judged."""
    probability = assessment.law_probabilities.get(law)
    if probability is None:
        return ""
    chosen = law in assessment.laws
    if assessment.laws_unclear and (chosen or law == assessment.runner_up):
        return "twijfel"
    if chosen:
        return "waarschijnlijk"
    return "twijfel" if probability >= _LIKELY else "onwaarschijnlijk"


def urgency_certainty(assessment: Assessment, head: str) -> str:
    """The same words for `palliative` and `transfer`."""
    probability = assessment.urgency_probabilities.get(head)
    if probability is None:
        return ""
    if assessment.band is Band.URGENT and assessment.urgency == head:
        return "waarschijnlijk"
    if assessment.band is Band.POSSIBLE and assessment.urgency == head:
        return "twijfel"
    return "waarschijnlijk" if probability >= _LIKELY else "twijfel" if probability >= _DOUBT else "onwaarschijnlijk"


def margin_words(margin: float) -> str:
    """How far the runner-up law stands behind."""
    if margin < 0.1:
        return "bijna gelijk"
    return "een stuk minder waarschijnlijk" if margin < 0.35 else "veel minder waarschijnlijk"


def likeness_words(similarity: float) -> str:
    """How much an example of the corpus is like the mail, by its strongest words; the same mail scores about 0.5."""
    if similarity >= 0.35:
        return "lijkt heel veel"
    return "lijkt erop" if similarity >= 0.18 else "lijkt een beetje"


def at_most(share: float) -> str:
    """'4,9%', rounded up: a bound is never told smaller than it is."""
    return f"{math.ceil(share * 1000) / 10:.1f}%".replace(".", ",")


def week_words(week: str) -> str:
    """'week 47 van 2026' for "2026-W47"."""
    year, _, number = week.partition("-W")
    return f"week {int(number)} van {year}" if number.isdigit() else week


def block_reason_words(reason: str) -> str:
    """Why an answer block fits, from a code such as "topic:T24" or "laws:wmo,zvw"."""
    kind, _, value = reason.partition(":")
    if kind == "laws":
        return " en ".join(word(law, "law") for law in value.split(","))
    if kind in ("topic", "urgency"):
        return word(value, kind)
    return word(kind, "block_reason")
