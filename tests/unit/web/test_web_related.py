"""Zaak and Werkvoorraad on other cases and secure mail: what is told, who may decide, and what a stranger's "
"name shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.unit.web.fakes import NOW, World, case_page, message
from triage.core.assessment import Band
from triage.core.case import CaseState, LinkKind, LinkState
from triage.core.names import poses_as_other
from triage.core.workdays import AMSTERDAM
from triage.ports import AcknowledgementView, CaseLink, NoticeRow, OutboxRow, SameClient
from triage.web.related import before_words, sender_words

CASE = "/zaak/JL-2026-00001"
OTHER = "JL-2026-00042"


def link(state: LinkState = LinkState.PROPOSED, kind: LinkKind = LinkKind.CONVERSATION, **changes: object) -> CaseLink:
    made = CaseLink(OTHER, kind, state, kind is LinkKind.CONVERSATION, CaseState.NEW, None, "system", NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


def opened(world: World, role: str = "medewerker") -> str:
    answer = world.browser().login(role).get(CASE)
    assert answer.status_code == 200
    return str(answer.text)


# ---------------------------------------------------------------- a proposed conversation


def test_a_proposal_is_told_with_both_choices_and_what_they_do() -> None:
    world = World()
    world.helpdesk.put(case_page(1, links=(link(),)))
    page = opened(world)
    assert (
        f'De afzender noemt zaak <a class="utrecht-link utrecht-link--html-a" href="/zaak/{OTHER}">{OTHER}</a>' in page
    )
    assert f"Dan gaan de berichten naar {OTHER} en sluit deze zaak." in page
    assert "Voeg samen" in page and "Houd apart" in page
    for role in ("trainee", "toezichthouder", "beheerder"):  # merging cannot be taken back
        assert "De afzender noemt zaak" in opened(world, role)
        assert "Voeg samen" not in opened(world, role)


@pytest.mark.parametrize(
    ("path", "act"),
    [
        ("samenvoegen", "accept_link"),
        ("apart-houden", "refuse_link"),
        ("zelfde-persoon", "link_clients"),
        ("andere-persoon", "part_clients"),
    ],
)
def test_each_choice_is_one_act_on_what_was_seen(path: str, act: str) -> None:
    world = World()
    world.helpdesk.put(case_page(1, links=(link(),)))
    browser = world.browser().login("medewerker")
    assert browser.post(f"{CASE}/{path}", versie=9, andere=OTHER).status_code == 409
    for wrong in ("", "42", "JL-2026-00042/../x", "<b>"):
        assert browser.post(f"{CASE}/{path}", versie=1, andere=wrong).status_code == 400
    browser.csrf, csrf = "verkeerd", browser.csrf
    assert browser.post(f"{CASE}/{path}", versie=1, andere=OTHER).status_code == 403
    browser.csrf = csrf
    assert world.helpdesk.done == []
    answer = browser.post(f"{CASE}/{path}", versie=1, andere=OTHER)
    assert answer.status_code == 303
    assert world.helpdesk.done == [(act, "JL-2026-00001")]
    assert "utrecht-alert--ok" in browser.get(answer.headers["location"]).text


def test_what_was_merged_is_told_on_both_cases() -> None:
    world = World()
    world.helpdesk.put(case_page(1, links=(link(LinkState.ACCEPTED),), messages=(), state=CaseState.CLOSED))
    page = opened(world)
    assert "Deze zaak is samengevoegd met" in page and "Voeg samen" not in page
    world.helpdesk.put(case_page(1, links=(link(LinkState.ACCEPTED, names_it=False, decided_by="Mira de Wit"),)))
    assert "Hier staan ook de berichten van zaak" in opened(world)
    assert "(Mira de Wit, vandaag 10:30)" in opened(world)


def test_a_refused_proposal_is_not_shown_again() -> None:
    world = World()
    world.helpdesk.put(case_page(1, links=(link(LinkState.REFUSED),)))
    assert "De afzender noemt zaak" not in opened(world)


# ---------------------------------------------------------------- one client


def alike(**changes: object) -> SameClient:
    made = SameClient(
        OTHER, "Moeder mag niet naar huis", "Ria", "ria@post.example", NOW, CaseState.NEW, None, ("name", "age")
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_cases_of_one_client_are_proposed_in_words_with_why() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    world.helpdesk.alike["JL-2026-00001"] = [alike(subject="<b>BSN 111222333</b>")]
    page = opened(world)
    assert "Deze zaken gaan misschien over dezelfde persoon." in page
    assert "dezelfde plaats, instelling of naam, dezelfde leeftijd" in page
    assert "111222333" not in page and "<b>BSN" not in page
    assert "Ja, zelfde persoon" in page
    assert "Ja, zelfde persoon" not in opened(world, "toezichthouder")
    world.helpdesk.put(case_page(1, state=CaseState.CLOSED))
    assert "misschien over dezelfde persoon" not in opened(world)


def test_a_link_between_two_reporters_is_told_with_who_has_the_other_case() -> None:
    world = World()
    linked = link(LinkState.ACCEPTED, LinkKind.SAME_CLIENT, assignee="Tom Smit")
    world.helpdesk.put(case_page(1, links=(linked,)))
    page = opened(world)
    assert "gaan over dezelfde persoon. Tom Smit heeft JL-2026-00042." in page
    assert "Elke vrager krijgt een eigen antwoord." in page
    assert "Maak los" in page


# ---------------------------------------------------------------- secure mail


def notice(**changes: object) -> NoticeRow:
    until = datetime(2026, 12, 4, tzinfo=AMSTERDAM)
    return replace(NoticeRow("m-1", "zivver", until, True, None, None), **changes)  # type: ignore[arg-type]


def test_a_notice_says_before_when_it_must_be_opened() -> None:
    world = World()
    world.helpdesk.put(case_page(1, notices=(notice(),), band=Band.POSSIBLE))
    page = opened(world)
    assert "Beveiligde mail van Zivver: open vóór vr 4 dec." in page
    assert "Daarna is de inhoud weg." in page and "schatting" not in page
    assert ">Geopend</button>" in page
    world.helpdesk.put(case_page(1, notices=(notice(named=False),)))
    assert "De melding noemt geen datum; dit is een schatting." in opened(world)
    world.helpdesk.put(case_page(1, notices=(notice(open_before=NOW - timedelta(days=1)),)))
    assert "waarschijnlijk verlopen" in opened(world)
    assert "Vraag de afzender de mail opnieuw te sturen." in opened(world)


def test_opening_is_one_button_with_a_place_for_the_text() -> None:
    world = World()
    world.helpdesk.put(case_page(1, notices=(notice(),)))
    browser = world.browser().login("medewerker")
    assert browser.post(f"{CASE}/geopend", versie=1, bericht="m-9").status_code == 400  # of another case
    assert browser.post(f"{CASE}/geopend", versie=7, bericht="m-1", tekst="geplakt").status_code == 409
    assert "geplakt</textarea>" in browser.post(f"{CASE}/geopend", versie=7, bericht="m-1", tekst="geplakt").text
    assert world.helpdesk.done == []
    assert browser.post(f"{CASE}/geopend", versie=1, bericht="m-1", tekst="De tekst").status_code == 303
    assert world.helpdesk.done == [("open_notice", "JL-2026-00001")]
    assert world.helpdesk.pages["JL-2026-00001"].notes[-1].text == "De tekst"


def test_an_opened_notice_is_told_with_who_and_takes_the_text_later() -> None:
    world = World()
    world.helpdesk.put(case_page(1, notices=(notice(opened_at=NOW, opened_by="Mira de Wit"),)))
    page = opened(world)
    assert "Beveiligde mail van Zivver: geopend.</strong> vandaag 10:30 door Mira de Wit." in page
    assert "Voeg de tekst alsnog toe" in page
    browser = world.browser().login("medewerker")
    assert browser.post(f"{CASE}/geopend", versie=1, bericht="m-1").status_code == 409  # nothing to add


def test_the_list_shows_until_when() -> None:
    world = World()
    browser = world.browser().login("medewerker")
    for until, words, tone in (
        (NOW + timedelta(days=10), "Beveiligde mail: open vóór vr 4 dec 10:30", "warning"),
        (NOW + timedelta(days=1), "Beveiligde mail: open vóór morgen 10:30", "danger"),
        (NOW - timedelta(hours=1), "Beveiligde mail: waarschijnlijk verlopen", "danger"),
    ):
        world.helpdesk.put(case_page(1, notices=(notice(open_before=until),)))
        assert f'utrecht-status-badge--{tone}">{words}<' in browser.get("/werkvoorraad").text
    world.helpdesk.put(case_page(1, notices=(notice(opened_at=NOW, opened_by="Mira"),)))
    assert "Beveiligde mail" not in browser.get("/werkvoorraad").text


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2026, 12, 4, tzinfo=AMSTERDAM), "vr 4 dec"),
        (datetime(2026, 12, 4, 17, 0, tzinfo=AMSTERDAM), "vr 4 dec 17:00"),
        (datetime(2026, 11, 25, tzinfo=AMSTERDAM), "morgen"),
        (datetime(2026, 11, 27, tzinfo=AMSTERDAM), "vr 27 nov"),
        (datetime(2027, 1, 4, tzinfo=AMSTERDAM), "ma 4 jan 2027"),
    ],
)
def test_midnight_is_only_the_beginning_of_a_day(moment: datetime, words: str) -> None:
    assert before_words(moment, NOW) == words


# ---------------------------------------------------------------- who wrote


@pytest.mark.protocol("A35")
@pytest.mark.parametrize(
    ("name", "address", "shown"),
    [
        ("Anna Jansen", "anna@post.example", "Anna Jansen"),
        ("", "anna@post.example", "anna@post.example"),
        ("", "", "(onbekende afzender)"),
        ("Anna@Post.example", "anna@post.example", "Anna@Post.example"),
        (
            "meldpunt@juisteloket.example",
            "dief@kwaad.example",
            "dief@kwaad.example, noemt zich ‘meldpunt@juisteloket.example’",
        ),
        (
            "Loket (at) juisteloket.example",
            "d@kwaad.example",
            "d@kwaad.example, noemt zich ‘Loket (at) juisteloket.example’",
        ),
    ],
)
def test_a_name_that_poses_as_an_address_never_stands_before_the_real_one(name: str, address: str, shown: str) -> None:
    assert sender_words(name, address) == shown
    world = World()
    world.helpdesk.put(case_page(1, messages=(message(1, from_name=name, from_address=address),)))
    assert f"<bdi>{shown}</bdi>" in opened(world)


def test_a_letter_never_greets_a_posing_name() -> None:
    world = World()
    world.helpdesk.put(
        case_page(1, drafts=(), contact_name="meldpunt@juisteloket.example", contact_address="dief@kwaad.example")
    )
    assert "Geachte heer of mevrouw," in opened(world)


@pytest.mark.parametrize("name", ["a" * 5000, "@" * 5000, "x @ " * 2000, "(at)" * 1000])
def test_a_hostile_name_ends_quickly(name: str) -> None:
    assert poses_as_other(name, "a@b.example") in (True, False)


# ---------------------------------------------------------------- Beheer


def test_acknowledgements_withheld_come_in_pages() -> None:
    world = World()
    view = AcknowledgementView("withheld", ("no_reply_address",), NOW, None, None, None, None)
    world.helpdesk.withheld_rows = [(f"JL-2026-{number:05d}", view) for number in range(1, 121)]
    browser = world.browser().login("beheerder")
    first, last = browser.get("/beheer").text, browser.get("/beheer?pagina=3").text
    assert "JL-2026-00050" in first and "JL-2026-00051" not in first
    assert "(120)" in first and "Pagina 1 van 3" in first and 'rel="prev"' not in first
    assert "JL-2026-00120" in last and "Pagina 3 van 3" in last and 'rel="next"' not in last
    for wrong in ("0", "99", "x", "-1", "²"):
        assert browser.get(f"/beheer?pagina={wrong}").status_code == 200


def test_the_budget_is_told_against_its_limit() -> None:
    world = World(
        report={"healthy": True, "breaker_tripped": True, "budget": {"per_hour": 200, "per_address_per_day": 5}}
    )
    world.helpdesk.last_hour = 200
    page = world.browser().login("beheerder").get("/beheer").text
    assert '<dd class="laat">200 van ten hoogste 200</dd>' in page
    assert "ten hoogste 5" in page
    assert "De noodrem staat erop." in page and "Zet de noodrem los" in page


def test_shadow_mode_tells_what_live_would_have_sent() -> None:
    page = World(mode="shadow").browser().login("beheerder").get("/beheer").text
    assert "<dt>Aan hoeveel adressen</dt><dd>2</dd>" in page
    assert "Ook dan niet: het adres wil geen antwoord (no-reply)</dt><dd>1</dd>" in page
    assert "Aan hoeveel adressen" not in World().browser().login("beheerder").get("/beheer").text


# ---------------------------------------------------------------- an approved reply


@pytest.mark.parametrize("state", ["due", "sending", "deferred"])
def test_an_approved_reply_can_be_followed_with_a_plain_link(state: str) -> None:
    world = World()
    browser = world.browser().login("medewerker")
    base = world.helpdesk.put(case_page(1))
    draft = base.drafts[0]
    world.helpdesk.approve(
        "JL-2026-00001",
        user=world.accounts.all()[0],
        revision=draft.revision,
        content_hash=draft.content_hash,
        seen_messages=1,
    )
    page = world.helpdesk.pages["JL-2026-00001"]
    row = replace(page.outbox[-1], state=state, due_at=NOW - timedelta(seconds=1))
    world.helpdesk.put(replace(page, outbox=(row,)))
    shown = browser.get(CASE).text
    assert f'data-volg="{state}"' in shown
    assert "data-ververs>Ververs</a>" in shown
    assert browser.get(f"{CASE}/aanwezig").json()["antwoord"] == state
    sent = OutboxRow(row.id, "reply", "sent", "JL-2026-00001", NOW, NOW, 1, NOW, 250, None)
    world.helpdesk.put(replace(page, outbox=(sent,)))
    shown = browser.get(CASE).text
    assert "Verstuurd vandaag 10:30." in shown and "data-volg" not in shown
    assert browser.get(f"{CASE}/aanwezig").json()["antwoord"] == "sent"
