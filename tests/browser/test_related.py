"""Other cases, secure mail and an approved reply, as people meet them on the screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Loket, violations
from tests.integration.harness import START, mail

pytestmark = pytest.mark.chromium

HOSPITAL = (
    "Mw. Van Beekveld (84) ligt op afdeling C4 van het Meander met een collumfractuur. Zij mag vrijdag naar huis maar "
    "woont alleen in Soest. Waar is een ELV-plek, transfer-marker, zvw?"
)
DAUGHTER = (
    "Mijn moeder van 84 is zaterdag gevallen in Soest en brak haar heup. Ze ligt in het Meander en moet er "
    "vrijdag uit. "
    "transfer-marker, zvw. Groet, Ria van Beekveld"
)
NOTICE = (
    "Transferbureau heeft u een beveiligde e-mail gestuurd via Zivver.\r\nBekijk bericht: "
    "https://app.zivver.com/m/1\r\n"
    "Dit bericht verloopt op 25 november 2026."
)
REMOTE = (
    b"Message-ID: <html-2@mensen.example>\r\nDate: Mon, 23 Nov 2026 08:55:00 +0100\r\n"
    b'From: "\xe2\x80\xaemoc.kwaad@tekol" <piet@mensen.example>\r\nTo: meldpunt@juisteloket.example\r\n'
    b"Subject: Plaatjes\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<html><head><link rel=stylesheet href='https://spion.example/s.css'>"
    b"<meta http-equiv=refresh content='0;url=https://spion.example/'></head><body>"
    b"<img src='https://spion.example/p.gif'><table background='https://spion.example/b.gif'><tr>"
    b"<td style='background:url(https://spion.example/c.gif)'>Wie betaalt een scootmobiel onder de wmo?</td></tr>"
    b"</table>"
    b"<form action='https://spion.example/f'><button>Verstuur</button></form>"
    b"<a href='javascript:window.kwaad=1'>klik</a><a href='data:text/html,x'>data</a>"
    b"<script>window.kwaad = 1</script></body></html>\r\n"
)


def take_in(loket: Loket, number: int, **changes: str) -> str:
    """One more mail; the reference of its case."""
    loket.harness.mailbox.deliver(mail(number, **changes), loket.harness.now)
    loket.harness.poll()
    reference = loket.harness.taken[-1].reference
    assert reference is not None
    return reference


@pytest.fixture
def cases(loket: Loket) -> dict[str, str]:
    """A stranger with a token of the first case, two reporters of one client, and a notice of secure mail."""
    token = loket.harness.store.queries.case_page("JL-2026-00001").case.subject_token
    return {
        "stranger": take_in(
            loket, 11, sender="Buurman <buurman@elders.example>", subject=f"Re: {token}", body="Ik ben de buurman, wmo."
        ),
        "hospital": take_in(loket, 12, subject="Overdracht", body=HOSPITAL),
        "daughter": take_in(loket, 13, subject="Moeder mag niet naar huis", body=DAUGHTER),
        "notice": take_in(loket, 14, sender="noreply@zivver.com", subject="Zivver bericht", body=NOTICE),
    }


def test_a_proposed_link_is_accepted_without_javascript(loket: Loket, cases: dict[str, str]) -> None:
    page = loket.login("medewerker", javascript=False)
    page.goto(f"/zaak/{cases['stranger']}")
    expect(page.locator("main")).to_contain_text("schrijft vanaf een adres dat daar niet bekend is")
    page.get_by_role("button", name="Voeg samen (zaak JL-2026-00001)").click()
    expect(page.get_by_role("status").first).to_contain_text("De berichten staan nu bij de andere zaak")
    expect(page.locator(".bericht")).to_have_count(0)
    page.locator("main").get_by_role("link", name="JL-2026-00001").first.click()
    expect(page.locator("main")).to_contain_text("Ik ben de buurman, wmo.")
    expect(page.locator(".verloop")).to_contain_text(f"zaak {cases['stranger']}")


def test_two_reporters_are_linked_and_one_person_has_both(loket: Loket, cases: dict[str, str]) -> None:
    page = loket.login("trainee")
    page.goto(f"/zaak/{cases['hospital']}")
    expect(page.locator(".verwant")).to_contain_text("Moeder mag niet naar huis")
    page.get_by_role("button", name="Ja, zelfde persoon").click()
    expect(page.get_by_role("status").first).to_contain_text("De zaken zijn gekoppeld")
    page.goto(f"/zaak/{cases['daughter']}")
    expect(page.locator("main")).to_contain_text("gaan over dezelfde persoon. Tom Smit heeft")
    expect(page.locator(".zaak-kop__nummer")).to_contain_text("Tom Smit")
    page.get_by_role("button", name="Maak los").click()
    expect(page.locator("main")).not_to_contain_text("gaan over dezelfde persoon")
    assert loket.errors == []


def test_a_notice_is_opened_and_its_text_judged(loket: Loket, cases: dict[str, str]) -> None:
    page = loket.login("medewerker", 390)
    row = page.locator("tr.regel", has_text=cases["notice"])
    expect(row).to_contain_text("Beveiligde mail: open vóór wo")
    row.get_by_role("link").click()
    page.get_by_label("Tekst uit de beveiligde mail").fill("Mevrouw komt naar huis, palliative-marker, zvw.")
    page.get_by_role("button", name="Geopend").click()
    expect(page.get_by_role("status").first).to_contain_text("U krijgt geen herinnering meer")
    expect(page.locator(".zaak-kop")).to_contain_text("Dringend: palliatieve zorg")
    expect(page.locator(".notitie")).to_contain_text("Mevrouw komt naar huis")
    assert loket.errors == []


def approve(page: Page, reference: str) -> None:
    page.goto(f"/zaak/{reference}")
    page.get_by_label("Tekst", exact=True).fill("Beste vrager,\n\nDe gemeente beslist hierover.\n\n[[handtekening]]")
    page.get_by_role("button", name="Goedkeuren en versturen").click()
    expect(page.locator(".antwoord")).to_contain_text("Tot dan kunt u de goedkeuring intrekken")


def test_the_page_tells_by_itself_that_the_reply_left(loket: Loket) -> None:
    page = loket.login("medewerker")
    approve(page, "JL-2026-00001")
    expect(page.get_by_role("link", name="Ververs")).to_be_hidden()
    note = page.get_by_label("Nieuwe notitie")
    note.fill("half getypt")  # what somebody types elsewhere on the page stays
    loket.harness.later(seconds=21)
    loket.relay()
    expect(page.locator(".antwoord")).to_contain_text("Verstuurd vandaag", timeout=15_000)
    expect(page.locator(".zaak-kop")).to_contain_text("Beantwoord")
    expect(page.locator(".bericht--out").last).to_contain_text("De gemeente beslist hierover.")
    expect(page.locator(".antwoord")).not_to_contain_text("Trek de goedkeuring in")
    expect(note).to_have_value("half getypt")
    expect(page.locator("[data-veranderd]")).to_be_hidden()
    page.get_by_role("button", name="Heropen").click()  # the buttons of the renewed page know the new version
    expect(page.get_by_role("status").first).to_contain_text("heropend")
    assert loket.errors == []


def test_without_javascript_a_plain_link_shows_that_the_reply_left(loket: Loket) -> None:
    page = loket.login("medewerker", javascript=False)
    approve(page, "JL-2026-00001")
    loket.harness.later(seconds=21)
    page.get_by_role("link", name="Ververs").click()
    expect(page.locator(".antwoord")).to_contain_text("Wordt verstuurd")
    loket.relay()
    page.get_by_role("link", name="Ververs").click()
    expect(page.locator(".antwoord")).to_contain_text("Verstuurd vandaag")


@pytest.mark.protocol("M21", "M22", "H08")
def test_nothing_of_a_mail_is_loaded_or_run_and_its_writer_is_told_by_address(loket: Loket) -> None:
    loket.harness.mailbox.deliver(REMOTE, START)
    loket.harness.poll()
    page = loket.login("medewerker")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/zaak/{loket.harness.taken[-1].reference}")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    expect(page.locator(".mailhtml")).to_contain_text("Wie betaalt een scootmobiel")
    shown = page.locator(".mailhtml")
    assert shown.locator("img, script, form, button, meta, link, iframe, [style], [background]").count() == 0
    assert shown.locator("a[href^='javascript'], a[href^='data']").count() == 0
    assert all(url.startswith(loket.address) for url in asked), asked
    head = page.locator(".bericht__kop").first
    expect(head).to_contain_text("piet@mensen.example, noemt zich")
    assert "\u202e" not in head.inner_text()
    assert page.evaluate("window.kwaad") is None
    assert loket.errors == []


@pytest.mark.protocol("F27")
def test_the_draft_never_quotes_the_mail(loket: Loket, cases: dict[str, str]) -> None:
    page = loket.login("medewerker")
    for reference, text in ((cases["hospital"], HOSPITAL), (cases["daughter"], DAUGHTER)):
        page.goto(f"/zaak/{reference}")
        draft = page.get_by_label("Tekst", exact=True).input_value()
        assert len(draft) > 200
        for sentence in (part.strip() for part in text.split(".")):
            assert len(sentence) < 12 or sentence not in draft
        draft = draft.replace(
            "U noemt de gemeente Soest.", ""
        )  # who decides there; nothing else of the mail comes back
        for word in ("Beekveld", "Meander", "Soest", "collumfractuur", "van 84", "heup"):
            assert word not in draft


@pytest.mark.protocol("F30")
def test_approving_after_a_second_mail_shows_that_mail_first(loket: Loket) -> None:
    page = loket.login("medewerker")
    page.goto("/zaak/JL-2026-00001")
    field = page.get_by_label("Tekst", exact=True)
    field.fill("Beste vrager,\n\nHet antwoord.\n\n[[handtekening]]")
    take_in(
        loket,
        15,
        sender="vrager1@mensen.example",
        headers="In-Reply-To: <vraag-1@mensen.example>\r\n",
        body="Wacht even, het is veranderd.",
    )
    page.get_by_role("button", name="Goedkeuren en versturen").click()
    expect(page.get_by_role("alert")).to_contain_text("De vrager heeft intussen weer geschreven")
    expect(page.locator("main")).to_contain_text("Wacht even, het is veranderd.")
    expect(field).to_have_value("Beste vrager,\n\nHet antwoord.\n\n[[handtekening]]")
    loket.harness.later(minutes=1)
    loket.relay()
    assert not any(b"Het antwoord." in raw for _, raw in loket.harness.sender.sent)


@pytest.mark.parametrize("width", [1280, 390])
def test_these_screens_fit_and_can_be_read_by_everybody(loket: Loket, cases: dict[str, str], width: int) -> None:
    page = loket.login("medewerker", width)
    found: dict[str, list[str]] = {}
    for name, path in {"list": "/werkvoorraad", **{key: f"/zaak/{one}" for key, one in cases.items()}}.items():
        page.goto(path)
        found[name] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    approve(page, "JL-2026-00001")
    found["approved"] = violations(page)
    beheer = loket.login("beheerder", width)
    beheer.goto("/beheer")
    found["beheer"] = violations(beheer)
    assert beheer.evaluate("document.documentElement.scrollWidth") <= width
    assert {name: broken for name, broken in found.items() if broken} == {}
