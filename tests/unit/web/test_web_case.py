"""Zaak: hostile mail stays inert, everything is told in words, and each act does what its button says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.web.fakes import NOW, USERS, World, case_page, message
from triage.core.assessment import Band, Urgency
from triage.core.case import CaseState, WaitingFor
from triage.ports import AcknowledgementView, AuditRow, OutboxRow

CASE = "/zaak/JL-2026-00001"
REFERENCE = "JL-2026-00001"

HOSTILE_HTML = """
<script>alert('een')</script><img src="https://spion.example/p.gif" onerror="alert(2)">
<style>body{display:none}</style><a href="javascript:alert(3)">klik</a>
<a href="https://echt.example/x" onclick="alert(4)" style="color:red">echt</a>
<iframe src="//kwaad.example"></iframe><form action="/uitloggen"><input name=csrf></form>
<svg><script>alert(5)</script></svg><h1>Grote kop</h1><p>Hoi {{ 7*7 }} {% raw %}</p><base href="//kwaad.example">
"""


def opened(world: World, role: str = "medewerker") -> str:
    answer = world.browser().login(role).get(CASE)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.protocol("M22")
def test_hostile_html_is_inert() -> None:
    world = World()
    world.helpdesk.put(case_page(1, messages=(message(1, html=HOSTILE_HTML),)))
    page = opened(world)
    start = page.index('<div class="mailhtml">')
    shown = page[start : page.index("</details>", start)]
    for bad in ("<script", "alert(", "<img", "onerror", "onclick", "style", "javascript:", "<iframe", "<form", "<svg"):
        assert bad not in shown, bad
    assert "<h1" not in shown and "<p>Grote kop</p>" in shown
    assert '<a href="https://echt.example/x" rel="noopener noreferrer nofollow">echt</a>' in shown
    assert "{{ 7*7 }}" in shown
    assert "<base" not in page and "kwaad.example" not in page


@pytest.mark.protocol("M20")
@pytest.mark.parametrize("field", ["subject", "from_name", "from_address", "text", "sent_by", "originally_from"])
def test_hostile_text_is_text_in_every_field(field: str) -> None:
    world = World()
    hostile = "<script>alert(1)</script>{{ config }}{% for x in y %}\ud800"
    changes: dict[str, object] = {field: hostile}
    if field == "text":
        changes["new_text"] = hostile
    world.helpdesk.put(
        case_page(
            1,
            contact_name=hostile,
            messages=(message(1, **changes, attachments=((hostile, "a/b", 1),)),),
        )
    )
    page = opened(world)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ config }}{% for x in y %}" in page


@pytest.mark.protocol("Q13")
def test_quoted_history_is_folded_and_nothing_is_lost() -> None:
    world = World()
    text = "Ja graag.\n\nOp 2 nov schreef u:\n> Wilt u dat?"
    world.helpdesk.put(case_page(1, messages=(message(1, text=text, new_text="Ja graag."),)))
    page = opened(world)
    assert '<div class="mailtekst">Ja graag.</div>' in page
    assert "Eerdere berichten en ondertekening" in page
    assert "&gt; Wilt u dat?" in page


def test_a_bsn_is_masked_and_other_numbers_are_not() -> None:
    world = World()
    text = "BSN 111222333 en 1112.22.333, klantnummer 123456789, telefoon 0612345678"
    world.helpdesk.put(case_page(1, messages=(message(1, text=text, new_text=text, html=f"<p>{text}</p>"),)))
    page = opened(world)
    assert "111222333" not in page and "1112.22.333" not in page
    assert "klantnummer 123456789, telefoon 0612345678" in page


def test_the_assessment_is_told_in_words_with_its_evidence_marked() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    page = opened(world)
    assert "waarschijnlijk" in page and "onwaarschijnlijk" in page
    for figure in ("0.91", "0,91", "91%", "91 %"):
        assert figure not in page  # words, not figures
    assert "Daarna komt Wmo: veel minder waarschijnlijk." in page
    assert '<mark class="teken--wlz">CIZ<span class="beoordeeld__kop"> [Wlz]</span></mark>' in page
    assert "regel wmo-moeder, afgezwakt door ontkenning" in page
    assert "Toegang Wlz / CIZ-afwijzing" in page


def test_the_terms_are_told_with_the_sum() -> None:
    world = World()
    world.helpdesk.put(case_page(1, band=Band.URGENT, arrived_at=NOW - timedelta(hours=1)))
    page = opened(world)
    assert "binnen di 09:30; in behandeling uiterlijk wo 17:00, antwoord uiterlijk vr 17:00." in page


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("sent", "Verstuurd vandaag 10:30."),
        ("withheld", "het adres wil geen antwoord (no-reply)"),
        ("uncertain", "Onzeker of de mail is aangekomen"),
        ("refused", "Geweigerd door de mailserver"),
        ("due", "Staat klaar"),
    ],
)
def test_the_acknowledgement_is_told(state: str, words: str) -> None:
    world = World()
    page = case_page(1)
    reasons = ("no_reply_address",) if state == "withheld" else ()
    view = AcknowledgementView(state, reasons, NOW, page.case.answer_due, NOW, 550, "o-1")
    world.helpdesk.put(replace(page, acknowledgement=view))
    assert words in opened(world)


def test_a_reply_that_did_not_leave_is_an_alarm_with_one_button() -> None:
    world = World()
    row = OutboxRow("o-9", "reply", "uncertain", REFERENCE, NOW, NOW, 1, None, None, None)
    world.helpdesk.put(case_page(1, outbox=(row,)))
    browser = world.browser().login("medewerker")
    assert "Antwoord: onzeker of de mail is aangekomen" in browser.get(CASE).text
    assert browser.post(f"{CASE}/opnieuw-versturen", verzending="o-8").status_code == 400  # of another case
    assert browser.post(f"{CASE}/opnieuw-versturen", verzending="o-9").status_code == 303
    assert world.helpdesk.done == [("release_uncertain", "o-9")]


def test_a_reply_that_did_not_leave_is_told_at_the_top_with_what_to_do_and_how_many() -> None:
    world = World()
    rows = tuple(
        OutboxRow(f"o-{number}", "reply", state, REFERENCE, NOW, NOW, 1, None, code, None)
        for number, (state, code) in enumerate((("refused", 550), ("refused", 551), ("uncertain", None), ("sent", 250)))
    )
    world.helpdesk.put(case_page(1, outbox=rows))
    page = opened(world)
    head = page[page.index('class="zaak-kop"') : page.index('aria-labelledby="kop-gesprek"')]
    assert "Antwoord geweigerd (2)</span>" in head and "Antwoord onzeker</span>" in head
    assert "Antwoord: geweigerd door de mailserver (code 550, 551).</strong> Dit geldt voor 2 mails." in head
    assert "Controleer het adres bij ‘Aan’." in head and "bel de vrager" in head
    assert "Kijk in de map Verzonden" in head
    assert head.count("/opnieuw-versturen") == 3
    assert "/opnieuw-versturen" not in opened(world, "trainee")


def test_who_did_not_get_a_reply_is_named_and_an_answer_that_left_later_ends_the_warning() -> None:
    world = World()
    refused = OutboxRow("o-1", "reply", "refused", REFERENCE, NOW, NOW, 1, None, 550, "5.1.1")
    copy = replace(refused, recipient="zus@mensen.example", copy=True)
    world.helpdesk.put(case_page(1, outbox=(copy,)))
    page = opened(world)
    assert "Aan: zus@mensen.example (kopie)." in page and "De ontvanger van de kopie heeft dit antwoord niet" in page
    world.helpdesk.put(case_page(1, outbox=(replace(refused, settled=True),)))
    world.helpdesk.outbox_rows.append(replace(refused, settled=True))
    assert "eweigerd" not in opened(world)
    assert "eweigerd" not in world.browser().login("medewerker").get("/werkvoorraad").text


def test_a_case_without_such_a_reply_has_no_such_warning() -> None:
    world = World()
    world.helpdesk.put(
        case_page(1, outbox=(OutboxRow("o-1", "reply", "sent", REFERENCE, NOW, NOW, 1, NOW, 250, None),))
    )
    page = opened(world)
    assert "Antwoord geweigerd" not in page and "Antwoord onzeker" not in page


@pytest.mark.protocol("Q10")
@pytest.mark.parametrize(
    ("sender", "where", "told"),
    [
        ("balie@huisarts.example", "text", "zo staat het in de doorgestuurde tekst; niet gecontroleerd"),
        ("", "attached", "volgens de bijgevoegde mail; niet gecontroleerd"),
    ],
)
def test_both_sides_of_a_forwarded_mail_are_told(sender: str, where: str, told: str) -> None:
    world = World()
    shown = message(1, sent_by=sender, originally_from="A. Bos", originally_found=where)
    world.helpdesk.put(case_page(1, messages=(shown,)))
    page = opened(world)
    assert f"Verstuurd door:</strong> {sender or 'anna@post.example'}" in page
    assert f'Oorspronkelijk van:</strong> A. Bos <span class="stil">({told})' in page


def test_a_mail_of_its_own_names_no_other_writer() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    page = opened(world)
    assert "Oorspronkelijk van:" not in page and "Verstuurd door:" not in page


@pytest.mark.protocol("Q09")
@pytest.mark.parametrize(
    ("defect", "words"),
    [
        ("only_quote", "er staat alleen tekst uit een eerdere mail in"),
        ("answers_in_quote", "de antwoorden staan tussen de tekst van onze eerdere mail"),
    ],
)
def test_a_mail_without_text_of_its_own_is_shown_whole_and_marked(defect: str, words: str) -> None:
    world = World()
    text = "> Hoe oud is uw moeder?"
    world.helpdesk.put(case_page(1, messages=(message(1, text=text, new_text=text, defects=(defect,)),)))
    page = opened(world)
    assert words in page
    assert '<div class="mailtekst">&gt; Hoe oud is uw moeder?</div>' in page


def test_defects_and_a_mail_that_is_not_complete_are_told() -> None:
    world = World()
    world.helpdesk.put(case_page(1, messages=(message(1, defects=("bad_date", "nieuw_soort"), complete=False),)))
    page = opened(world)
    assert "de datum in de mail is niet leesbaar; nieuw soort." in page
    assert "Deze mail is heel groot" in page


def test_the_timeline_is_told_newest_first() -> None:
    world = World()
    world.helpdesk.put(
        case_page(
            1,
            timeline=(
                AuditRow(NOW - timedelta(hours=3), "system", "case_opened", {}),
                AuditRow(NOW, "Mira de Wit", "laws_corrected", {"laws": ["wmo", "wlz"]}),
            ),
        )
    )
    page = opened(world)
    assert page.index("Wetten verbeterd: Wmo, Wlz") < page.index("Mail ontvangen")


def test_who_else_looks_is_advice_and_fades() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    trainee, medewerker = world.browser().login("trainee"), world.browser().login("medewerker")
    trainee.get(CASE)
    assert "Ook in deze zaak: <span data-namen>Tom Smit</span>" in medewerker.get(CASE).text
    told = trainee.get(f"{CASE}/aanwezig", Accept="application/json").json()
    assert told == {"anderen": ["Mira de Wit"], "berichten": 1, "versie": 1, "antwoord": ""}
    assert medewerker.post(f"{CASE}/oppakken", versie=1).status_code == 303  # blocks nobody
    world.clock.now += timedelta(seconds=61)
    assert trainee.get(f"{CASE}/aanwezig", Accept="application/json").json()["anderen"] == []


# ---------------------------------------------------------------- acts


def test_the_acts_of_a_case_one_after_the_other() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    browser = world.browser().login("medewerker")

    def act(path: str, **fields: object) -> None:
        version = world.helpdesk.pages[REFERENCE].case.version
        answer = browser.post(f"{CASE}/{path}", versie=version, **fields)
        assert (answer.status_code, path) == (303, path), answer.text
        assert answer.headers["location"].startswith(f"{CASE}?melding=")

    act("oppakken")
    assert world.helpdesk.pages[REFERENCE].case.assignee == USERS["medewerker"].id
    act("wachten", op="sender")
    assert world.helpdesk.pages[REFERENCE].case.waiting_for is WaitingFor.SENDER
    act("hervatten")
    act("loslaten")
    act("wetten", wetten="zvw,wmo")
    assert world.helpdesk.pages[REFERENCE].case.laws == ("wmo", "zvw")
    act("wetten", wetten="")
    assert world.helpdesk.pages[REFERENCE].case.laws == ()
    act("urgentie", urgentie="urgent:transfer")
    case = world.helpdesk.pages[REFERENCE].case
    assert (case.urgency, case.band) == (Urgency.TRANSFER, Band.URGENT)
    act("urgentie", urgentie="normal:regular", reden="Het gaat over volgend voorjaar.")
    act("notitie", tekst="Gebeld met <b>CIZ</b>")
    act("sluiten", reden="Opgelost door de gemeente.")
    act("heropenen")
    act("geen-antwoord", reden="Bedankje.")
    assert world.helpdesk.pages[REFERENCE].case.state is CaseState.NO_REPLY_NEEDED
    page = browser.get(CASE).text
    assert "Gebeld met &lt;b&gt;CIZ&lt;/b&gt;" in page and "Bedankje." in page


def test_a_case_of_somebody_else_is_only_taken_over_on_purpose() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    trainee, medewerker = world.browser().login("trainee"), world.browser().login("medewerker")
    assert "Neem over" not in medewerker.get(CASE).text
    assert trainee.post(f"{CASE}/oppakken", versie=1).status_code == 303

    version = world.helpdesk.pages[REFERENCE].case.version
    late = medewerker.post(f"{CASE}/oppakken", versie=version)
    assert late.status_code == 409
    assert "Tom Smit heeft deze zaak nu; er is niets gedaan." in late.text
    assert world.helpdesk.pages[REFERENCE].case.assignee == USERS["trainee"].id

    page = medewerker.get(CASE).text
    assert "Tom Smit heeft deze zaak." in page and "Neem over van Tom Smit" in page
    assert 'name="van" value="u-trainee"' in page
    assert f'action="{CASE}/oppakken"' not in page
    assert medewerker.post(f"{CASE}/overnemen", versie=version).status_code == 400  # from whom?
    wrong = medewerker.post(f"{CASE}/overnemen", versie=version, van="u-toezichthouder")
    assert (wrong.status_code, world.helpdesk.pages[REFERENCE].case.assignee) == (409, USERS["trainee"].id)
    stale = medewerker.post(f"{CASE}/overnemen", versie=version - 1, van="u-trainee")
    assert (stale.status_code, world.helpdesk.pages[REFERENCE].case.assignee) == (409, USERS["trainee"].id)

    assert medewerker.post(f"{CASE}/overnemen", versie=version, van="u-trainee").status_code == 303
    assert world.helpdesk.pages[REFERENCE].case.assignee == USERS["medewerker"].id
    assert "U hebt deze zaak." in medewerker.get(CASE).text


@pytest.mark.parametrize("path", ["sluiten", "geen-antwoord", "teruggeven", "notitie"])
def test_a_missing_reason_is_asked_for(path: str) -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    browser = world.browser().login("medewerker")
    answer = browser.post(f"{CASE}/{path}", versie=1, concept=1, reden="  ", tekst=" ")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert world.helpdesk.done == []


def test_lowering_the_urgency_needs_a_reason_and_keeps_the_rest() -> None:
    world = World()
    world.helpdesk.put(case_page(1, band=Band.URGENT))
    browser = world.browser().login("medewerker")
    answer = browser.post(f"{CASE}/urgentie", versie=1, urgentie="possible:palliative")
    assert (answer.status_code, world.helpdesk.done) == (422, [])
    assert 'value="urgent:palliative" checked' in answer.text.replace("  ", " ")


def test_an_act_on_an_old_page_changes_nothing_and_keeps_what_was_typed() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    browser = world.browser().login("medewerker")
    browser.post(f"{CASE}/oppakken", versie=1)
    answer = browser.post(f"{CASE}/sluiten", versie=1, reden="Lange <reden>")
    assert answer.status_code == 409
    assert "Iemand anders heeft deze zaak net veranderd" in answer.text
    assert "Lange &lt;reden&gt;" in answer.text
    assert world.helpdesk.pages[REFERENCE].case.state is CaseState.IN_PROGRESS


def test_an_act_that_the_state_forbids_says_so() -> None:
    world = World()
    world.helpdesk.put(case_page(1, state=CaseState.CLOSED, ended_at=NOW))
    answer = world.browser().login("medewerker").post(f"{CASE}/wachten", versie=1, op="body")
    assert answer.status_code == 409
    assert "Dit kan niet in de stand" in answer.text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("wachten", {"versie": 1, "op": "godot"}),
        ("wachten", {"versie": "een", "op": "body"}),
        ("wachten", {"versie": -1, "op": "body"}),
        ("wetten", {"versie": 1, "wetten": "wmo,awb"}),
        ("urgentie", {"versie": 1, "urgentie": "urgent:regular"}),
        ("urgentie", {"versie": 1, "urgentie": ""}),
        ("oppakken", {}),
        ("concept", {"basis": "x", "gezien": 1}),
        ("concept", {"basis": 99, "gezien": 1}),
    ],
)
def test_a_form_that_no_page_offers_is_refused(path: str, fields: dict[str, object]) -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    answer = world.browser().login("medewerker").post(f"{CASE}/{path}", **fields)
    assert (answer.status_code, world.helpdesk.done) == (400, [])


def test_an_unknown_case_is_not_found() -> None:
    browser = World().browser().login("medewerker")
    assert browser.get("/zaak/JL-2026-09999").status_code == 404
    assert browser.post("/zaak/JL-2026-09999/oppakken", versie=1).status_code == 404


def test_buttons_are_only_those_of_the_role() -> None:
    world = World()
    world.helpdesk.put(case_page(1))
    trainee, supervisor = opened(world, "trainee"), opened(world, "toezichthouder")
    assert 'value="bewaren"' in trainee and 'value="goedkeuren"' not in trainee
    assert "Een collega keurt het goed" in trainee
    assert "/sluiten" not in trainee and "/origineel" not in trainee
    assert "/concept" not in supervisor and "/oppakken" not in supervisor and "/notitie" in supervisor
    assert "Beste mevrouw Jansen" in supervisor  # reads the draft
