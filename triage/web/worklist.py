"""Werkvoorraad: what must be done first. Also the lists of ended cases and of mail that needs no reply."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from starlette.responses import JSONResponse, RedirectResponse, Response

from triage.core.assessment import LAWS, Band, Urgency
from triage.core.case import OPEN_STATES, CaseState
from triage.core.workdays import AMSTERDAM, local_date
from triage.errors import ConflictError, NotAllowed, NotFound
from triage.ports import CaseFilter, CaseRow
from triage.web.cases import TROUBLED, troubled_replies
from triage.web.desk import Screen, Visit
from triage.web.present import running_terms, state_words, urgency_words
from triage.web.words import WORDS

PAGE_SIZE = 25
LISTS = {"open": "/werkvoorraad", "no_reply_needed": "/geen-antwoord-nodig", "ended": "/afgerond"}
TITLES = {"open": "Werkvoorraad", "no_reply_needed": "Geen antwoord nodig", "ended": "Afgerond"}
_REFERENCE = re.compile(r"(?:JL-?)?(?:(20\d\d)-?)?0*(\d{1,5})(?:-[A-Z0-9]{2})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One case in a list, in words."""

    row: CaseRow
    terms: tuple[tuple[str, str], ...]
    state: str
    urgency: str
    claimable: bool

    @property
    def tone(self) -> str:
        """How the line stands out: danger, urgent, possible or nothing."""
        if self.row.danger:
            return "danger"
        return {Band.URGENT: "urgent", Band.POSSIBLE: "possible"}.get(self.row.band, "")


def line_of(row: CaseRow, now: datetime) -> Line:
    return Line(
        row,
        running_terms(row, now),
        state_words(row.state, row.waiting_for),
        urgency_words(row.band, row.urgency),
        row.assignee is None and row.state in OPEN_STATES,
    )


def wanted(visit: Visit, which: str) -> CaseFilter:
    """The filter that the address asks for; a value that no page offers is left out."""

    def one(name: str, group: str) -> str | None:
        value = visit.query(name)
        return value if value in WORDS[group] else None

    page = visit.query("pagina")
    whose = visit.query("van")
    return CaseFilter(
        which=which,
        law=one("wet", "law"),
        urgency=one("urgentie", "urgency"),
        state=one("status", "state"),
        topic=one("onderwerp", "topic"),
        mine=visit.user.id if whose == "mij" else None,
        unassigned=whose == "niemand",
        clock=one("termijn", "clock_filter"),
        page=min(int(page), 100_000) if page.isascii() and page.isdigit() and int(page) > 0 else 1,
        page_size=PAGE_SIZE,
    )


def chosen(filter_: CaseFilter) -> dict[str, str]:
    """The filter as the address holds it: codes only, no personal data."""
    whose = "mij" if filter_.mine else "niemand" if filter_.unassigned else ""
    values = {
        "wet": filter_.law,
        "urgentie": filter_.urgency,
        "status": filter_.state,
        "onderwerp": filter_.topic,
        "van": whose,
        "termijn": filter_.clock,
    }
    return {name: value for name, value in values.items() if value}


def list_screen(which: str) -> Screen:
    """The screen of one of LISTS."""

    def screen(visit: Visit) -> Response:
        filter_ = wanted(visit, which)
        rows, total = visit.desk.queries.worklist(filter_, now=visit.now)
        pages = max(1, -(-total // PAGE_SIZE))
        if filter_.page > pages:  # a page that has emptied meanwhile
            filter_ = replace(filter_, page=pages)
            rows, total = visit.desk.queries.worklist(filter_, now=visit.now)
        base = chosen(filter_)

        def address(page: int) -> str:
            return f"{LISTS[which]}?{urlencode({**base, 'pagina': page})}"

        return visit.page(
            "werkvoorraad.html",
            which=which,
            title=TITLES[which],
            lists=[(LISTS[key], TITLES[key], key == which) for key in LISTS],
            lines=[line_of(row, visit.now) for row in rows],
            troubled=troubled_replies(visit.desk.queries.outbox(states=TROUBLED, kind="reply", limit=2000)),
            total=total,
            first=(filter_.page - 1) * PAGE_SIZE + 1,
            page_number=filter_.page,
            pages=pages,
            previous=address(filter_.page - 1) if filter_.page > 1 else "",
            following=address(filter_.page + 1) if filter_.page < pages else "",
            chosen=base,
            counts=counts(visit) if which == "open" else {},
            laws=LAWS,
            urgencies=tuple(Urgency),
            states=[state for state in CaseState if state in OPEN_STATES],
        )

    return screen


def counts(visit: Visit) -> dict[str, int]:
    """The numbers above the list: all, mine, nobody's, late, urgent not taken up."""
    queries, now = visit.desk.queries, visit.now
    numbers = queries.supervision(now=now, today_ends=today_ends(visit))
    one = CaseFilter(page_size=1)
    return {
        "open": numbers.open,
        "mine": queries.worklist(replace(one, mine=visit.user.id), now=now)[1],
        "unassigned": queries.worklist(replace(one, unassigned=True), now=now)[1],
        "due_today": numbers.due_today,
        "breached": numbers.breached,
        "urgent_not_taken_up": numbers.urgent_not_taken_up,
    }


def counts_screen(visit: Visit) -> Response:
    """The same numbers for the script that keeps them fresh."""
    return JSONResponse(counts(visit))


def today_ends(visit: Visit) -> datetime:
    return visit.desk.rules.calendar.end_of(local_date(visit.now))


def find_screen(visit: Visit) -> Response:
    """Goes to the case with a number, as people type or paste it: 42, 2026-42, [JL-2026-00042-K7]."""
    typed = visit.form.line("nummer", longest=60).strip("[] ")
    found = _REFERENCE.fullmatch(typed)
    if found is None:
        return visit.done("/werkvoorraad", "niet-gevonden")
    year = found[1] or str(visit.now.astimezone(AMSTERDAM).year)
    reference = f"JL-{year}-{int(found[2]):05d}"
    try:
        visit.desk.queries.case_page(reference)
    except NotFound:
        return visit.done("/werkvoorraad", "niet-gevonden")
    return RedirectResponse(f"/zaak/{reference}", 303)


def claim_screen(visit: Visit) -> Response:
    """Takes a case up straight from the list. The list shows no version: what counts is that nobody else has it."""
    reference = visit.part("reference")
    case = visit.desk.queries.case_page(reference).case
    if case.assignee not in (None, visit.user.id):
        return visit.done(f"/zaak/{reference}", "bezet")
    try:
        visit.desk.acts.claim(reference, user=visit.user, version=case.version)
    except (ConflictError, NotAllowed):
        return visit.done(f"/zaak/{reference}", "bezet")
    visit.desk.on_access(visit.user, reference, "claimed")
    return visit.done(f"/zaak/{reference}", "opgepakt")
