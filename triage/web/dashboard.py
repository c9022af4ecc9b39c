"""Toezicht: how the helpdesk stands now, with the list behind every number."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from triage.web.desk import Visit
from triage.web.worklist import today_ends


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name, the list behind it and how bad it is above zero ("", "warning" or "error")."""

    name: str
    count: int
    link: str
    tone: str
    explanation: str


def dashboard_screen(visit: Visit) -> Response:
    queries, now = visit.desk.queries, visit.now
    numbers = queries.supervision(now=now, today_ends=today_ends(visit))
    work = "/werkvoorraad"
    promises = [
        Figure("Open zaken", numbers.open, work, "", "Alles wat nog een antwoord nodig heeft."),
        Figure("Vandaag af", numbers.due_today, f"{work}?termijn=due_today", "", "De termijn eindigt vandaag."),
        Figure(
            "Bijna te laat",
            numbers.at_risk,
            f"{work}?termijn=at_risk",
            "warning",
            "Het grootste deel van de termijn is voorbij.",
        ),
        Figure("Te laat", numbers.breached, f"{work}?termijn=breached", "error", "Een belofte is niet gehaald."),
        Figure(
            "Dringend, niet opgepakt",
            numbers.urgent_not_taken_up,
            f"{work}?termijn=urgent_not_taken_up",
            "error",
            "Niemand heeft deze dringende vraag opgepakt.",
        ),
    ]
    mail = [
        Figure("Onzeker verstuurd", numbers.uncertain, "#onzeker", "error", "Het is niet zeker dat de mail aankwam."),
        Figure("Geweigerd", numbers.refused, "#geweigerd", "error", "Onze mailserver nam de mail niet aan."),
        Figure("In quarantaine", numbers.quarantined, "#quarantaine", "error", "De mail kon niet worden verwerkt."),
        Figure(
            "Niet verantwoord",
            numbers.unaccounted,
            "#grootboek",
            "error",
            "Mail in de mailbox die nog geen uitkomst heeft.",
        ),
    ]
    return visit.page(
        "toezicht.html",
        promises=promises,
        mail=mail,
        uncertain=[row for row in queries.outbox(states=("uncertain",)) if not row.settled],
        refused=[row for row in queries.outbox(states=("refused",)) if not row.settled],
        quarantined=queries.quarantined(),
        ledger=queries.ledger(),
    )
