"""What was promised to the sender, in Dutch words for the card "Termijn" on Zaak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from triage.core.case import OPEN_STATES
from triage.core.promises import Compared, Delivery, Difference, Promise, kept, may_promise
from triage.core.sla import is_paused
from triage.ports import CasePage, OutboxRow
from triage.web.present import short_day
from triage.web.words import word

_NOT_TOLD = "Er is niets beloofd: de vrager kreeg geen mail met een datum."
_KEPT: Mapping[bool | None, str] = {True: " Gehouden.", False: " Niet gehouden.", None: ""}


@dataclass(frozen=True, slots=True)
class Line:
    """`tone`: "" quiet, "warning" the sender must know, "late" a promise that was not kept."""

    words: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One row of the history."""

    at: datetime
    how: str
    actor: str
    day: str
    state: str
    void: bool


@dataclass(frozen=True, slots=True)
class Book:
    lines: tuple[Line, ...]
    history: tuple[Told, ...]  # newest first; empty while there is one promise at most


def promise_book(page: CasePage, now: datetime) -> Book:
    """All that was promised of this case."""
    lines = [line for line in (_answer(page, now), _take_up(page, now)) if line is not None]
    book = [one for one in page.promises if one.promised_for is not None]
    return Book(tuple(lines), tuple(map(_told, reversed(book))) if len(book) > 1 else ())


def still_asking(page: CasePage, now: datetime) -> list[OutboxRow]:
    """The mails of a case without corrections that name a day that holds no more: nobody has to send those again."""
    days = {one.outbox_id: one.promised_for for one in page.promises if one.told_by == "correction"}
    return [row for row in page.outbox if (day := days.get(row.id)) is None or may_promise(page.case, day, now)]


def _answer(page: CasePage, now: datetime) -> Line | None:
    compared = page.compared
    if compared is None or compared.promise.promised_for is None:
        sent = page.acknowledgement is not None and any(one.promised_for is not None for one in page.promises)
        return Line(_NOT_TOLD, "warning" if page.case.state in OPEN_STATES else "") if sent else None
    beloofd = "Misschien beloofd" if compared.promise.delivery is Delivery.MAYBE else "Beloofd"
    day = short_day(compared.promise.promised_for)
    if compared.difference is Difference.NOT_PROMISED:
        return _anew(page, compared, f"{beloofd} voor het vorige antwoord: {day}.")
    said = f"{beloofd}: antwoord uiterlijk {day}."
    if page.case.state not in OPEN_STATES:
        return _ended(page, compared, said, now)
    if is_paused(page.case):
        return Line(f"{said} De termijn staat stil. De beloofde dag kan voorbijgaan.")
    if compared.difference is not Difference.SAME and compared.reason is not None:
        said += f" Nu: {short_day(page.case.answer_due)}. Reden: {word(compared.reason, 'promise_reason')}."
    if kept(compared.promise.promised_for, None, now) is False:
        return Line(f"{said} De beloofde dag is voorbij.", "late")
    if compared.difference is Difference.EARLIER:
        return Line(f"{said} Dat is eerder dan beloofd; een mail is niet nodig.")
    return Line(said, "warning" if compared.difference is Difference.LATER else "")


def _anew(page: CasePage, compared: Compared, said: str) -> Line:
    if page.case.state not in OPEN_STATES:
        return Line(f"{said} Voor het laatste antwoord was geen dag beloofd.")
    reason = word(compared.reason, "promise_reason")
    said += f" Daarna: {reason}. Daarvoor is nog geen dag beloofd."
    if is_paused(page.case):
        return Line(f"{said} De termijn staat stil.")
    return Line(f"{said} Nu: {short_day(page.case.answer_due)}.", "warning")


def _ended(page: CasePage, compared: Compared, said: str, now: datetime) -> Line:
    assert compared.promise.promised_for is not None
    ended_at = page.case.answered_at or page.case.ended_at
    held = kept(compared.promise.promised_for, ended_at, now)
    return Line(said + _KEPT[held], "late" if held is False else "")


def _take_up(page: CasePage, now: datetime) -> Line | None:
    """The promised take-up, as long as it belongs to the term that runs."""
    promise = next((one for one in page.promises if one.promised_take_up is not None), None)
    if promise is None or promise.promised_take_up is None or promise.delivery is Delivery.NOT_TOLD:
        return None
    if not promise.is_of_term(page.case):
        return None
    beloofd = "Misschien beloofd" if promise.delivery is Delivery.MAYBE else "Beloofd"
    held = kept(promise.promised_take_up, page.case.taken_up_at or page.case.ended_at, now)
    said = f"{beloofd}: in behandeling uiterlijk {short_day(promise.promised_take_up)}."
    return Line(said + _KEPT[held], "late" if held is False else "")


def _told(promise: Promise) -> Told:
    assert promise.promised_for is not None
    return Told(
        at=promise.at,
        how=word(promise.told_by, "outbox_kind"),
        actor=promise.actor,
        day=short_day(promise.promised_for),
        state="kwam terug, niet bezorgd" if promise.bounced else word(promise.state, "outbox_state").lower(),
        void=promise.delivery is Delivery.NOT_TOLD,
    )
