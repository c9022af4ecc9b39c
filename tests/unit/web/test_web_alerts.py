"""The calendar and the alerts on Beheer, and the last alerts on Toezicht."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.web.fakes import NOW, World
from triage.ports import AlertRow
from triage.web.desk import Alerting

ALERTS = [
    AlertRow(NOW - timedelta(hours=1), "breached", "JL-2026-00007"),
    AlertRow(NOW - timedelta(days=1), "mailbox_silent", None),
]


def section(page: str) -> str:
    return page.partition('id="kalender"')[2].partition("</section>")[0]


def test_beheer_tells_the_calendar_and_how_alerts_go() -> None:
    world = World()
    world.helpdesk.alert_rows = list(ALERTS)
    world.helpdesk.digest_at = NOW - timedelta(hours=2)
    page = world.browser().login("beheerder").get("/beheer").text
    assert 'href="#kalender"' in page
    shown = section(page)
    for words in (
        "<dt>Goede Vrijdag</dt><dd>werkdag</dd>",
        "<dt>5 mei</dt><dd>vrij in lustrumjaren",
        "<dt>Eigen sluitingsdagen</dt><dd>geen</dd>",
        "<dt>Einde van de werkdag</dt><dd>17:00 uur</dd>",
        "nog niet bevestigd",
        "vrijdag 25 december 2026",
        "van 08:30 tot 17:00 uur",
        "<dt>Aantal adressen</dt><dd>2</dd>",
        "<dt>Laatste dagoverzicht</dt><dd>vandaag 08:30</dd>",
        '<td>vandaag 09:30</td><td>Te laat</td><td><a class="utrecht-link utrecht-link--html-a" '
        'href="/zaak/JL-2026-00007">JL-2026-00007</a></td>',
        "<td>De mailbox is niet bereikbaar</td><td>–</td>",
    ):
        assert words in shown, words
    closed = shown.partition('id="gesloten"')[2].partition("</ul>")[0]
    assert closed.count("<li>") == 10 and "zaterdag" not in closed and "zondag" not in closed


def test_beheer_says_when_nobody_gets_alerts_and_when_all_is_settled() -> None:
    nobody, settled = World(), World()
    nobody.alerting = Alerting("van 08:30 tot 17:00 uur", 0, True, True)
    shown = section(nobody.browser().login("beheerder").get("/beheer").text)
    assert "Waarschuwingen staan nu alleen op de schermen" in shown and "nog niet gemaakt" in shown
    settled.alerting = Alerting("van 08:30 tot 17:00 uur", 1, False, True)
    shown = section(settled.browser().login("beheerder").get("/beheer").text)
    assert "nog niet" not in shown and "alleen op de schermen" not in shown and "staat uit" in shown
    assert "Er is nog geen waarschuwing gegeven." in shown


def test_toezicht_shows_the_last_alerts_and_others_do_not_see_beheer() -> None:
    world = World()
    world.helpdesk.alert_rows = [*ALERTS, *(AlertRow(NOW, "at_risk", f"JL-2026-{n:05}") for n in range(100, 130))]
    browser = world.browser().login("toezichthouder")
    shown = browser.get("/toezicht").text.partition('id="waarschuwingen"')[2].partition("</section>")[0]
    assert "JL-2026-00007" in shown and shown.count("<tr>") == 21
    assert browser.get("/beheer").status_code == 403
