"""Zaak tells what was promised, and proposes the mail that corrects it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.web.fakes import NOW, World, case_page, message
from triage.core.assessment import Band
from triage.core.case import CaseState, Counting, WaitingFor
from triage.core.mail import MessageKind
from triage.core.promises import Delivery, JudgedPromise, Promise, Subject
from triage.ports import CasePage, OutboxRow

CASE = "/zaak/JL-2026-00001"
DAY = "2026-11-27"  # the case holds this day; the acknowledgement named the 26th


def differing(**changes: Any) -> CasePage:
    """A case from Monday with a day more than was promised, because of a closing day."""
    page = case_page(1)
    return case_page(1, **{"answer_due": page.case.answer_due + timedelta(days=1), **changes})


def opened(page: CasePage, who: str = "medewerker", now: datetime = NOW) -> str:
    world = World()
    world.clock.now = now
    world.helpdesk.put(page)
    text: str = world.browser().login(who).get(CASE).text
    return text


def waiting_since(page: CasePage) -> CasePage:
    case = replace(page.case, state=CaseState.WAITING, waiting_for=WaitingFor.SENDER, paused_ends_left=3)
    return replace(page, case=case)


def test_the_same_day_is_told_and_nothing_is_proposed() -> None:
    page = opened(case_page(1))
    assert "Beloofd: antwoord uiterlijk do 26 november." in page
    assert "Nieuwe datum" not in page and "Beloofde dagen" not in page


def test_a_later_day_is_told_with_its_reason_and_the_mail_is_proposed() -> None:
    page = opened(differing())
    assert "Beloofd: antwoord uiterlijk do 26 november. Nu: vr 27 november. Reden: de kalender is veranderd." in page
    assert "Onderwerp: Nieuwe datum voor uw antwoord [JL-2026-00001-K7]" in page
    assert "De datum &lt;verandert&gt;." in page and "Verstuur deze mail" in page and 'value="2026-11-27"' in page


def test_a_wait_is_told_as_the_reason() -> None:
    case = case_page(1).case
    went_on = Counting(case.arrived_at + timedelta(days=1), 3, None)
    assert "Reden: de zaak wachtte op de vrager." in opened(differing(counting=went_on))


def test_an_earlier_day_is_told_quietly() -> None:
    page = opened(case_page(1, answer_due=NOW + timedelta(hours=24)))
    assert "Nu: wo 25 november. Reden: de kalender is veranderd. Dat is eerder dan beloofd" in page
    assert "Verstuur deze mail" not in page


def test_while_the_case_waits_no_day_is_proposed() -> None:
    page = opened(waiting_since(differing()))
    assert "do 26 november. De termijn staat stil. De beloofde dag kan voorbijgaan." in page
    assert "Verstuur deze mail" not in page


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (MessageKind.FOLLOW_UP, "de vrager schreef opnieuw na het antwoord"),
        (MessageKind.DELIVERY_REPORT, "ons antwoord kwam terug"),
        (None, "een collega heropende de zaak"),
    ],
)
def test_after_an_answer_no_day_is_promised(kind: MessageKind | None, reason: str) -> None:
    began = NOW - timedelta(hours=1)
    further = (message(2, kind=kind, arrived_at=began),) if kind else ()
    anew = case_page(1, arrived_at=began, state=CaseState.IN_PROGRESS)
    told = replace(anew.promises[0], at=NOW - timedelta(days=7), promised_for=NOW - timedelta(days=4))
    page = opened(replace(anew, promises=(told,), messages=(message(), *further)))
    assert f"Beloofd voor het vorige antwoord: vr 20 november. Daarna: {reason}. Daarvoor is nog geen dag" in page
    assert "Nu: vr 27 november." in page and "Verstuur deze mail" in page


@pytest.mark.parametrize(
    ("state", "bounced", "words"),
    [
        ("refused", False, "Er is niets beloofd: de vrager kreeg geen mail met een datum."),
        ("sent", True, "Er is niets beloofd: de vrager kreeg geen mail met een datum."),
        ("uncertain", False, "Misschien beloofd: antwoord uiterlijk do 26 november."),
    ],
)
def test_what_the_sender_never_read_is_not_promised(state: str, bounced: bool, words: str) -> None:
    page = differing()
    page = opened(replace(page, promises=(replace(page.promises[0], state=state, bounced=bounced),)))
    assert words in page
    assert ("Verstuur deze mail" in page) == (state == "uncertain")


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "do 26 november. Gehouden."), (1, "do 26 november. Niet gehouden.")],
)
def test_after_the_answer_it_is_told_whether_the_promise_was_kept(days: int, words: str) -> None:
    page = case_page(1, state=CaseState.ANSWERED, answered_at=case_page(1).case.answer_due + timedelta(days=days))
    assert words in opened(page, now=NOW + timedelta(days=9))


def test_a_promised_day_that_passed_is_told() -> None:
    page = opened(case_page(1), now=NOW + timedelta(days=3))
    assert "do 26 november. De beloofde dag is voorbij." in page


@pytest.mark.parametrize(
    ("taken_up_at", "now", "words"),
    [
        (None, NOW, "uiterlijk di 24 november.</p>"),
        (NOW, NOW, "uiterlijk di 24 november. Gehouden."),
        (None, NOW + timedelta(days=1), "uiterlijk di 24 november. Niet gehouden."),
        (NOW + timedelta(days=1), NOW + timedelta(days=1), "uiterlijk di 24 november. Niet gehouden."),
    ],
)
def test_the_promised_take_up_is_told(taken_up_at: datetime | None, now: datetime, words: str) -> None:
    page = case_page(1, band=Band.URGENT, taken_up_at=taken_up_at)
    assert f"Beloofd: in behandeling {words}" in opened(page, now=now)


def test_a_person_sends_it_and_the_history_is_told() -> None:
    world = World()
    world.helpdesk.put(differing())
    browser = world.browser().login("medewerker")
    answer = browser.post(f"{CASE}/nieuwe-datum", versie=1, datum=DAY)
    assert answer.status_code == 303 and world.helpdesk.done == [("send_correction", "JL-2026-00001")]
    assert world.seen[-1][2] == "correction_approved"
    page = browser.get(answer.headers["location"]).text
    assert "De mail met de nieuwe datum gaat nu weg." in page and "Verstuur deze mail" not in page
    assert "Beloofd: antwoord uiterlijk vr 27 november." in page
    assert "Mail met een nieuwe datum van vandaag 10:30, Mira de Wit: staat klaar" in page
    assert page.index("Mail met een nieuwe datum van") < page.index("Ontvangstbevestiging van")


@pytest.mark.parametrize(("version", "day"), [(2, DAY), (1, "2026-11-28")])
def test_nothing_is_sent_when_the_day_or_the_case_changed(version: int, day: str) -> None:
    world = World()
    world.helpdesk.put(differing())
    answer = world.browser().login("medewerker").post(f"{CASE}/nieuwe-datum", versie=version, datum=day)
    assert (answer.status_code, world.helpdesk.done) == (409, [])
    assert "De datum is net veranderd" in answer.text and "u hebt niets verstuurd" in answer.text


def test_not_needed_asks_why() -> None:
    world = World()
    world.helpdesk.put(differing())
    browser = world.browser().login("medewerker")
    empty = browser.post(f"{CASE}/nieuwe-datum-niet-nodig", versie=1, datum=DAY, reden=" ")
    assert (empty.status_code, world.helpdesk.done) == (422, [])
    answer = browser.post(f"{CASE}/nieuwe-datum-niet-nodig", versie=1, datum=DAY, reden="Ik heb gebeld.")
    assert answer.status_code == 303
    page = browser.get(CASE).text
    assert "Ik heb gebeld." in page and "Verstuur deze mail" not in page
    assert browser.post(f"{CASE}/nieuwe-datum-niet-nodig", versie=2, datum="morgen", reden="x").status_code == 400


def test_a_trainee_reads_it_and_cannot_send_it() -> None:
    page = opened(differing(), "trainee")
    assert "De datum &lt;verandert&gt;." in page and "Een collega kan de mail versturen." in page
    assert "Verstuur deze mail" not in page and "/nieuwe-datum-niet-nodig" not in page


@pytest.mark.parametrize(("day", "asks"), [(1, True), (2, False)])
def test_a_refused_correction_can_be_sent_again_while_its_day_holds(day: int, asks: bool) -> None:
    page = differing()
    promised = case_page(1).case.answer_due + timedelta(days=day)
    told = Promise(NOW, "correction", "Mira de Wit", promised, state="refused", outbox_id="o-9")
    row = OutboxRow("o-9", "correction", "refused", page.case.reference, NOW, NOW, 1, None, 550, None)
    shown = opened(replace(page, promises=(*page.promises, told), outbox=(row,)))
    assert ("Mail met een nieuwe datum: geweigerd door de mailserver (code 550)." in shown) is asks
    assert ("Verstuur nog één keer" in shown) is asks


def test_the_supervisor_sees_the_promises_of_this_month_and_the_broken_ones() -> None:
    world = World()
    clean = world.browser().login("toezichthouder").get("/toezicht").text
    assert '<span class="cijfer__getal">0/0</span>' in clean and "Er is geen belofte gebroken." in clean
    kept_one = JudgedPromise("JL-2026-00001", Subject.ANSWER, "acknowledgement", Delivery.TOLD, NOW, NOW, True)
    world.helpdesk.judged = (
        kept_one,
        replace(kept_one, reference="JL-2026-00002", subject=Subject.TAKE_UP, met_at=None, kept=False),
        replace(kept_one, reference="JL-2026-00003", kept=None),
    )
    page = world.browser().login("toezichthouder").get("/toezicht").text
    assert '<span class="cijfer__getal">1/2</span> <span class="cijfer__naam">Beloften gehouden</span>' in page
    broken = page[page.index('id="beloften"') : page.index('id="onzeker"')]
    assert "JL-2026-00002" in broken and "JL-2026-00001" not in broken and "JL-2026-00003" not in broken
    assert "In behandeling" in broken and "di 24 november" in broken and "nog niet" in broken
