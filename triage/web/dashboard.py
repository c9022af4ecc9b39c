"""Toezicht: how the helpdesk stands now, with the list behind every number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response

from triage.core.audit_sample import upper_bound
from triage.web.desk import Visit
from triage.web.present import at_most
from triage.web.worklist import today_ends

_YEAR = timedelta(days=365)
SHOWN_ALERTS = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name, the list behind it and how bad it is above zero ("", "warning" or "error"). With `of`
    it is a part of that number, and how bad it is holds for the rest."""

    name: str
    count: int
    link: str
    tone: str
    explanation: str
    of: int | None = None


def dashboard_screen(visit: Visit) -> Response:
    queries, now = visit.desk.queries, visit.now
    numbers = queries.supervision(now=now, today_ends=today_ends(visit))
    found_late, sample = queries.found_late(now - _YEAR), queries.audit_sample(now - _YEAR)
    told = [promise for promise in visit.desk.promises() if promise.kept is not None]
    broken = [promise for promise in told if not promise.kept]
    bound = upper_bound(sample.found_urgent, sample.looked_at)
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
        Figure(
            "Beloften gehouden",
            len(told) - len(broken),
            "#beloften",
            "error",
            "Wat wij vragers deze maand schreven.",
            of=len(told),
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
    judging = [
        Figure(
            "Spoed laat gevonden",
            len({row.reference for row in found_late}),
            "#laat-gevonden",
            "warning",
            "De computer noemde deze zaak eerst gewoon. In de laatste 12 maanden.",
        ),
        Figure(
            "Steekproef te bekijken",
            len(sample.open),
            "#steekproef",
            "",
            "Niemand keek nog of hier toch spoed bij zit.",
        ),
    ]
    return visit.page(
        "toezicht.html",
        promises=promises,
        broken=broken,
        judging=judging,
        mail=mail,
        alerts=queries.last_alerts(limit=SHOWN_ALERTS),
        uncertain=[row for row in queries.outbox(states=("uncertain",)) if not row.settled],
        refused=[row for row in queries.outbox(states=("refused",)) if not row.settled],
        quarantined=queries.quarantined(),
        ledger=queries.ledger(),
        found_late=found_late,
        sample=sample,
        weeks=visit.desk.judgement(),
        at_most=at_most(bound) if bound is not None else "",
    )
