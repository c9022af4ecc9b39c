"""Beheer: does everything run, is nothing lost, and what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from starlette.responses import Response

from triage.core.sla import dutch_date
from triage.core.workdays import local_date, start_of
from triage.errors import ConflictError
from triage.web.dashboard import SHOWN_ALERTS
from triage.web.desk import Visit
from triage.web.forms import BadForm

OUTBOX_STATES = ("uncertain", "refused", "deferred", "sending", "due")

WITHHELD_PAGE = 50
_SHOWN_CLOSED_DAYS = 10
_CLOSED_AHEAD = timedelta(days=3 * 365)


def admin_screen(visit: Visit) -> Response:
    return admin_page(visit)


def admin_page(visit: Visit, *, problem: str = "") -> Response:
    """The whole screen; with `problem` when an act on it did not go through."""
    queries, health = visit.desk.queries, visit.desk.health()
    users = visit.desk.accounts.all()
    total = queries.withheld_count()
    pages = max(1, -(-total // WITHHELD_PAGE))
    asked = visit.query("pagina")
    number = min(max(1, int(asked)), pages) if asked.isascii() and asked.isdigit() else 1
    return visit.page(
        "beheer.html",
        409 if problem else 200,
        problem=problem,
        ledger=queries.ledger(),
        jobs=queries.health(),
        outbox=queries.outbox(states=OUTBOX_STATES),
        quarantined=queries.quarantined(),
        withheld=queries.withheld(limit=WITHHELD_PAGE, offset=(number - 1) * WITHHELD_PAGE),
        withheld_total=total,
        page_number=number,
        pages=pages,
        acknowledged_last_hour=queries.acknowledged_last_hour(now=visit.now),
        budget=health.get("budget") or {},
        go_live=queries.go_live() if visit.desk.mode == "shadow" else None,
        held_by_shadow=queries.held_by_shadow(),
        breaker=health.get("breaker_tripped"),
        mailbox=_mailbox(health.get("mailbox")),
        calendar=_calendar(visit),
        alerts=queries.last_alerts(limit=SHOWN_ALERTS),
        users=users,
        model=visit.desk.models(),
        letters=visit.desk.letters,
        names={user.id: user.display_name for user in users} | {"command": "met een opdracht"},
    )


def _mailbox(told: object) -> dict[str, object]:
    """How the mailbox is reached, as the health report has it; None for what it does not say."""
    known = told if isinstance(told, Mapping) else {}
    keys = ("idle", "notice", "notice_at", "oauth", "signed_in_at", "refreshed_at", "refused_at", "refused_code")
    return {key: known.get(key) for key in keys}


def _calendar(visit: Visit) -> dict[str, object] | None:
    """The choices that decide which days count, and how alerts reach people; None when that is not told here."""
    told, calendar = visit.desk.alerting, visit.desk.rules.calendar
    if told is None:
        return None
    closed = calendar.closed_weekdays(local_date(visit.now), _CLOSED_AHEAD)[:_SHOWN_CLOSED_DAYS]
    return {
        "confirmed": told.calendar_confirmed,
        "good_friday_free": calendar.good_friday_free,
        "liberation_day": calendar.liberation_day,
        "closing_days": len(calendar.closing_days),
        "day_ends": calendar.day_ends,
        "closed": [(dutch_date(start_of(day), year=True), reason) for day, reason in closed],
        "hours": told.hours,
        "addresses": told.addresses,
        "digest": told.digest,
        "last_digest": visit.desk.queries.last_digest(),
    }


def release_quarantined_screen(visit: Visit) -> Response:
    try:
        visit.desk.acts.release_quarantined(visit.form.line("rij", longest=100), user=visit.user)
    except ConflictError:
        return admin_page(visit, problem="Deze mail staat niet meer in quarantaine.")
    return visit.done("/beheer", "quarantaine")


def resend_screen(visit: Visit) -> Response:
    outbox_id = visit.form.line("verzending", longest=100)
    if outbox_id not in {row.id for row in visit.desk.queries.outbox(states=("uncertain", "refused"))}:
        raise BadForm("verzending")
    try:
        visit.desk.acts.release_uncertain(outbox_id, user=visit.user)
    except ConflictError:
        return admin_page(visit, problem="Deze mail wacht niet meer op een besluit.")
    return visit.done("/beheer", "opnieuw")


def release_breaker_screen(visit: Visit) -> Response:
    visit.desk.acts.release_breaker(user=visit.user)
    return visit.done("/beheer", "noodrem")
