"""Beheer: does everything run, is nothing lost, and what waits for a person."""

from __future__ import annotations

from starlette.responses import Response

from triage.errors import ConflictError
from triage.web.desk import Visit
from triage.web.forms import BadForm

OUTBOX_STATES = ("uncertain", "refused", "deferred", "sending", "due")


def admin_screen(visit: Visit) -> Response:
    return _show(visit)


def _show(visit: Visit, *, problem: str = "") -> Response:
    queries = visit.desk.queries
    return visit.page(
        "beheer.html",
        409 if problem else 200,
        problem=problem,
        ledger=queries.ledger(),
        jobs=queries.health(),
        outbox=queries.outbox(states=OUTBOX_STATES),
        quarantined=queries.quarantined(),
        withheld=queries.withheld(limit=100),
        breaker=visit.desk.health().get("breaker_tripped"),
        users=visit.desk.accounts.all(),
    )


def release_quarantined_screen(visit: Visit) -> Response:
    try:
        visit.desk.acts.release_quarantined(visit.form.line("rij", longest=100), user=visit.user)
    except ConflictError:
        return _show(visit, problem="Deze mail staat niet meer in quarantaine.")
    return visit.done("/beheer", "quarantaine")


def resend_screen(visit: Visit) -> Response:
    outbox_id = visit.form.line("verzending", longest=100)
    if outbox_id not in {row.id for row in visit.desk.queries.outbox(states=("uncertain", "refused"))}:
        raise BadForm("verzending")
    try:
        visit.desk.acts.release_uncertain(outbox_id, user=visit.user)
    except ConflictError:
        return _show(visit, problem="Deze mail wacht niet meer op een besluit.")
    return visit.done("/beheer", "opnieuw")


def release_breaker_screen(visit: Visit) -> Response:
    visit.desk.acts.release_breaker(user=visit.user)
    return visit.done("/beheer", "noodrem")
