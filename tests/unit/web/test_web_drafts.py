"""The reply: saving, approving, undoing; two people at once; no text is ever lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from lxml.html import fromstring

from tests.unit.web.fakes import NOW, World, case_page, message
from triage.core.case import CaseState
from triage.core.gate import Correspondents, Finding, SecureChannel, findings
from triage.ports import AuditRow, DraftContent, OutboxRow
from triage.web.drafting import EMPTY_LETTER, DiffLine, diff
from triage.web.forms import addresses

CASE = "/zaak/JL-2026-00001"
REFERENCE = "JL-2026-00001"
FIELDS = {
    "basis": 1,
    "gezien": 1,
    "aan": "anna@post.example",
    "cc": "",
    "onderwerp": "Re: Afwijzing Wlz [JL-2026-00001-K7]",
    "tekst": "Beste mevrouw Jansen,\r\n\r\nDank.",
}


def world() -> World:
    made = World()
    made.helpdesk.put(case_page(1))
    return made


def newest(made: World) -> DraftContent:
    return made.helpdesk.pages[REFERENCE].drafts[0].content


def test_saving_makes_a_revision_and_keeps_every_character() -> None:
    made = world()
    browser = made.browser().login("trainee")
    text = "\r\nBeste <Anna>,\r\n\r\n  ingesprongen & “aanhaling”\t😀\r\n\r\n"
    answer = browser.post(f"{CASE}/concept", **{**FIELDS, "tekst": text})
    assert answer.headers["location"] == f"{CASE}?melding=bewaard#antwoord"
    assert newest(made).body == text.replace("\r\n", "\n")
    assert made.helpdesk.pages[REFERENCE].drafts[0].created_by == "u-trainee"
    page = browser.get(CASE).text
    # a browser drops the first line break after the tag, so one more is written
    assert ">\n\nBeste &lt;Anna&gt;,\n\n  ingesprongen &amp; “aanhaling”\t😀\n\n</textarea>" in page


def test_saving_without_a_change_makes_no_revision() -> None:
    made = world()
    assert made.browser().login("medewerker").post(f"{CASE}/concept", **FIELDS).status_code == 303
    assert len(made.helpdesk.pages[REFERENCE].drafts) == 1


def test_approving_sends_exactly_what_was_in_the_fields() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    answer = browser.post(f"{CASE}/concept", **{**FIELDS, "tekst": "Nieuwe tekst", "doe": "goedkeuren"})
    assert answer.headers["location"] == f"{CASE}?melding=goedgekeurd#antwoord"
    assert made.helpdesk.done == [("save_draft", REFERENCE), ("approve", REFERENCE)]
    approved = made.helpdesk.pages[REFERENCE].drafts[0]
    assert (approved.content.body, approved.approved_by) == ("Nieuwe tekst", "u-medewerker")
    page = browser.get(CASE).text
    assert "De mail vertrekt vandaag 10:30:20. Tot dan kunt u de goedkeuring intrekken." in page
    assert 'action="/zaak/JL-2026-00001/concept"' not in page  # locked until taken back


def test_an_approval_can_be_taken_back_until_it_left() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    browser.post(f"{CASE}/concept", **{**FIELDS, "doe": "goedkeuren"})
    assert browser.post(f"{CASE}/goedkeuring/intrekken").status_code == 303
    assert 'action="/zaak/JL-2026-00001/concept"' in browser.get(CASE).text
    browser.post(f"{CASE}/concept", **{**FIELDS, "doe": "goedkeuren"})
    page = made.helpdesk.pages[REFERENCE]
    made.helpdesk.put(replace(page, outbox=(replace(page.outbox[0], state="sent", sent_at=NOW),)))
    answer = browser.post(f"{CASE}/goedkeuring/intrekken")
    assert answer.status_code == 409
    assert "Intrekken kan niet meer" in answer.text
    assert "Verstuurd vandaag 10:30" in answer.text


def test_two_people_save_and_both_texts_are_shown() -> None:
    made = world()
    first, second = made.browser().login("trainee"), made.browser().login("medewerker")
    first.post(f"{CASE}/concept", **{**FIELDS, "tekst": "Beste Anna,\n\nTekst van Tom."})
    answer = second.post(f"{CASE}/concept", **{**FIELDS, "tekst": "Beste Anna,\n\nTekst van Mira."})
    assert answer.status_code == 409
    page = answer.text
    assert "Tekst van Mira.</textarea>" in page  # mine, still in the field
    assert "<del>Tekst van Mira.</del>" in page and "<ins>Tekst van Tom.</ins>" in page
    assert "De tekst van Tom Smit" in page
    assert newest(made).body.endswith("Tekst van Tom.")
    # having seen both, saving again is meant
    assert 'name="basis" value="2"' in page
    saved = second.post(f"{CASE}/concept", **{**FIELDS, "basis": 2, "tekst": "Beste Anna,\n\nTekst van Mira en Tom."})
    assert saved.status_code == 303
    assert [one.revision for one in made.helpdesk.pages[REFERENCE].drafts] == [3, 2, 1]


def test_approving_an_old_text_is_refused_with_a_diff() -> None:
    made = world()
    made.browser().login("trainee").post(f"{CASE}/concept", **{**FIELDS, "tekst": "Tekst van Tom."})
    answer = made.browser().login("medewerker").post(f"{CASE}/concept", **{**FIELDS, "doe": "goedkeuren"})
    assert answer.status_code == 409
    assert "<ins>Tekst van Tom.</ins>" in answer.text
    assert "approve" not in dict(made.helpdesk.done)


def test_a_newer_mail_of_the_sender_stops_the_approval_and_keeps_the_text() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    page = made.helpdesk.pages[REFERENCE]
    made.helpdesk.put(replace(page, messages=(*page.messages, message(2, text="Toch niet!", new_text="Toch niet!"))))
    answer = browser.post(f"{CASE}/concept", **{**FIELDS, "tekst": "Mijn antwoord", "doe": "goedkeuren"})
    assert answer.status_code == 409
    assert "De vrager heeft intussen weer geschreven" in answer.text
    assert "Toch niet!" in answer.text and "Mijn antwoord</textarea>" in answer.text
    assert newest(made).body == "Mijn antwoord"
    assert 'name="gezien" value="2"' in answer.text


def test_the_gate_says_why_a_mail_may_not_leave() -> None:
    made = world()
    made.helpdesk.refusals = (Finding.BSN, Finding.PLACE_HOLDER)
    browser = made.browser().login("medewerker")
    answer = browser.post(f"{CASE}/concept", **{**FIELDS, "tekst": "BSN …", "doe": "goedkeuren"})
    assert answer.status_code == 422
    assert "burgerservicenummer" in answer.text and "controleer deze regel" in answer.text
    assert "BSN …</textarea>" in answer.text


def test_a_fault_in_approving_is_not_taken_for_a_verdict_of_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    made = world()
    browser = made.browser().login("medewerker")

    def broken(*args: object, **named: object) -> None:
        raise ValueError("anna@post.example cannot be encoded")

    monkeypatch.setattr(made.helpdesk, "approve", broken)
    answer = browser.post(f"{CASE}/concept", **{**FIELDS, "doe": "goedkeuren"})
    assert answer.status_code == 500
    assert "anna@post" not in answer.text


def test_a_wrong_address_is_kept_but_not_approved() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    answer = browser.post(f"{CASE}/concept", **{**FIELDS, "aan": "anna@post", "doe": "goedkeuren"})
    assert answer.status_code == 422
    assert "Een adres bij ‘Aan’ of ‘Cc’ klopt niet." in answer.text
    assert 'value="anna@post"' in answer.text


def test_line_breaks_never_reach_the_subject() -> None:
    made = world()
    hostile = "Re: x\r\nBcc: iedereen@kwaad.example"
    made.browser().login("medewerker").post(f"{CASE}/concept", **{**FIELDS, "onderwerp": hostile})
    assert newest(made).subject == "Re: x Bcc: iedereen@kwaad.example"


def test_attachments_of_the_draft_stay() -> None:
    made = world()
    page = made.helpdesk.pages[REFERENCE]
    draft = replace(page.drafts[0], content=replace(page.drafts[0].content, attachments=("folder.pdf",)))
    made.helpdesk.put(replace(page, drafts=(draft,)))
    made.browser().login("medewerker").post(f"{CASE}/concept", **{**FIELDS, "tekst": "Anders"})
    assert newest(made).attachments == ("folder.pdf",)


def test_the_script_saves_by_itself_and_hears_of_a_conflict() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    script = {"Accept": "application/json"}
    answer = browser.post(f"{CASE}/concept", script, **{**FIELDS, "tekst": "Halve zin"})
    assert answer.json() == {"concept": 2, "tijd": "10:30", "zaak": 2}
    assert browser.post(f"{CASE}/concept", script, **{**FIELDS, "tekst": "Oud"}).status_code == 409
    assert newest(made).body == "Halve zin"


def test_a_draft_goes_back_to_its_author_with_a_reason() -> None:
    made = world()
    made.browser().login("trainee").post(f"{CASE}/concept", **{**FIELDS, "tekst": "Tekst van Tom."})
    browser = made.browser().login("medewerker")
    assert "Geef dit concept terug aan Tom Smit" in browser.get(CASE).text
    assert browser.post(f"{CASE}/teruggeven", concept=2, reden="Noem de gemeente.").status_code == 303
    assert made.helpdesk.pages[REFERENCE].notes[0].text == "Noem de gemeente."
    stale = browser.post(f"{CASE}/teruggeven", concept=1, reden="Noem de gemeente.")
    assert stale.status_code == 409 and "Noem de gemeente.</textarea>" in stale.text


def test_a_case_without_a_draft_offers_an_empty_letter() -> None:
    made = World()
    made.helpdesk.put(case_page(1, drafts=(), messages=(message(1, reply_to=("thuis@post.example",)),)))
    browser = made.browser().login("medewerker")
    page = browser.get(CASE).text
    assert 'name="basis" value="0"' in page and 'value="thuis@post.example"' in page
    assert "[JL-2026-00001-K7]" in page
    assert browser.post(f"{CASE}/concept", **{**FIELDS, "basis": 0}).status_code == 303


def test_after_a_sent_reply_the_next_letter_begins_empty_and_cannot_leave_so() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    browser.post(f"{CASE}/concept", **{**FIELDS, "doe": "goedkeuren"})
    page = made.helpdesk.pages[REFERENCE]
    made.helpdesk.put(replace(page, outbox=(replace(page.outbox[0], state="sent", sent_at=NOW),)))
    shown = browser.get(CASE).text
    assert "Schrijf nog een antwoord" in shown and "De tekst van het vorige antwoord" in shown
    assert "Geachte Anna Jansen,\n\n[[schrijf hier uw antwoord]]" in shown  # an open place: the gate stops it
    saved = browser.post(f"{CASE}/concept", **{**FIELDS, "tekst": "Tweede antwoord"})
    assert saved.status_code == 303
    assert newest(made).body == "Tweede antwoord"


def test_the_gate_stops_a_letter_that_nobody_wrote() -> None:
    letter = EMPTY_LETTER.format(name="Anna")
    found = findings(
        recipients=("a@b.example",), subject="Re", body=letter, own_addresses=(), correspondents=Correspondents()
    )
    assert Finding.PLACE_HOLDER in [one.finding for one in found]


def test_a_refused_reply_can_be_mended() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    browser.post(f"{CASE}/concept", **{**FIELDS, "doe": "goedkeuren"})
    page = made.helpdesk.pages[REFERENCE]
    made.helpdesk.put(replace(page, outbox=(replace(page.outbox[0], state="refused", reply_code=550),)))
    shown = browser.get(CASE).text
    assert "Geweigerd door de mailserver" in shown and "code 550" in shown
    assert "Dank.</textarea>" in shown


def test_a_closed_case_cannot_be_answered_by_its_buttons() -> None:
    made = World()
    made.helpdesk.stale = ("Toegang tot de Wlz",)
    made.helpdesk.put(case_page(1, state=CaseState.CLOSED, ended_at=NOW))
    page = made.browser().login("medewerker").get(CASE).text
    assert 'value="goedkeuren"' not in page and "Controle van versie" not in page


def test_diff_holds_every_line_of_both() -> None:
    assert diff(["a", "b", "c"], ["a", "x", "c", "d"]) == [
        DiffLine("same", "a"),
        DiffLine("mine", "b"),
        DiffLine("theirs", "x"),
        DiffLine("same", "c"),
        DiffLine("theirs", "d"),
    ]


@pytest.mark.parametrize(
    ("typed", "found", "fine"),
    [
        ("a@b.example, c@d.example;e@f.example", ("a@b.example", "c@d.example", "e@f.example"), True),
        ("a@b.example, a@b.example", ("a@b.example",), True),
        ("", (), True),
        ("anna", ("anna",), False),
        ("anna@localhost", ("anna@localhost",), False),
        ("Anna <a@b.example>", ("Anna <a@b.example>",), False),
        ("a@b.example\nBcc: x@y.example", ("a@b.example", "Bcc: x@y.example"), False),
        ("@b.example", ("@b.example",), False),
    ],
)
def test_addresses(typed: str, found: tuple[str, ...], fine: bool) -> None:
    assert addresses(typed) == (found, fine)


def test_an_approval_can_be_taken_back_while_the_server_puts_the_mail_off() -> None:
    world = World()
    page = case_page(1)
    approved = replace(page.drafts[0], approved_by="u-medewerker", approved_at=NOW, outbox_id="o-1")
    row = OutboxRow("o-1", "reply", "deferred", REFERENCE, NOW, NOW + timedelta(minutes=5), 2, None, 451, None)
    world.helpdesk.put(replace(page, drafts=(approved,), outbox=(row,)))
    told = world.browser().login("medewerker").get(CASE).text
    assert "De mailserver nam de mail nog niet aan." in told and "Trek de goedkeuring in" in told
    assert "data-vertrek" not in told  # it does not leave at that moment, it is tried


LONG = " ".join(["lang"] * 26)
ASKED = {
    **FIELDS,
    "cc": "zus@post.example",
    "tekst": f"Beste mevrouw Jansen,\r\n\r\nUw moeder (geb. 12-03-1950) krijgt hulp.\r\n{LONG}.",
}
TICKS = ("birth_date", "unknown_recipient", "long_sentence")


def boxes(page: str) -> dict[str, tuple[str, str, bool]]:
    """Of each box to tick: its label, what stands above it, and whether it is ticked."""
    tree = fromstring(page)
    found = {}
    for box in tree.xpath("//input[@type='checkbox' and @name='vink']"):
        (label,) = tree.xpath(f"//label[@for='{box.get('id')}']")
        (why,) = tree.xpath(f"//*[@id='{box.get('aria-describedby')}']")
        assert box.xpath("ancestor::fieldset/legend") and box.xpath("ancestor::form[@class='concept']")
        found[box.get("value")] = (label.text_content().strip(), why.text_content(), box.get("checked") is not None)
    return found


def asked_world() -> World:
    made = world()
    made.browser().login("trainee").post(f"{CASE}/concept", **ASKED)
    return made


def test_the_form_asks_each_thing_by_itself_and_says_what_and_where() -> None:
    browser = asked_world().browser().login("medewerker")
    page = browser.get(CASE).text
    shown = boxes(page)
    assert tuple(shown) == TICKS and not any(ticked for _, _, ticked in shown.values())
    assert "geboortedatum" in shown["birth_date"][0] and "geb. 12-03-1950" in shown["birth_date"][1]
    assert "zus@post.example" in shown["unknown_recipient"][1]
    assert LONG in shown["long_sentence"][1] and "meer dan 25 woorden" in shown["long_sentence"][1]
    assert len({label for label, _, _ in shown.values()}) == 3
    assert "Controle van versie 2" in page and 'name="nagekeken" value="2"' in page


def test_a_draft_with_nothing_to_ask_shows_no_check() -> None:
    page = world().browser().login("medewerker").get(CASE).text
    assert boxes(page) == {} and "Controle van versie" not in page


def test_without_the_ticks_nothing_leaves_and_the_text_and_the_ticks_stay() -> None:
    made = asked_world()
    browser = made.browser().login("medewerker")
    before = made.helpdesk.pages[REFERENCE]
    answer = browser.post_list(
        f"{CASE}/concept", {**ASKED, "basis": 2, "nagekeken": 2, "vink": ["birth_date"], "doe": "goedkeuren"}
    )
    assert answer.status_code == 422
    assert "De mail is nog niet verstuurd. Kijk eerst na wat hieronder staat" in answer.text
    assert made.helpdesk.pages[REFERENCE] == before
    assert f"{LONG}.</textarea>" in answer.text
    assert [code for code, (_, _, ticked) in boxes(answer.text).items() if ticked] == ["birth_date"]

    done = browser.post_list(
        f"{CASE}/concept", {**ASKED, "basis": 2, "nagekeken": 2, "vink": list(TICKS), "doe": "goedkeuren"}
    )
    assert done.headers["location"] == f"{CASE}?melding=goedgekeurd#antwoord"
    assert len(made.helpdesk.pages[REFERENCE].drafts) == 2


@pytest.mark.parametrize("basis", [2, 3])
def test_a_tick_counts_for_the_revision_it_was_shown_under(basis: int) -> None:
    made = asked_world()
    browser = made.browser().login("medewerker")
    changed = {**ASKED, "basis": 2, "tekst": ASKED["tekst"] + "\r\nGroet"}
    if basis == 3:  # the script saved while somebody typed: the boxes are still those of revision 2
        browser.post(f"{CASE}/concept", {"Accept": "application/json"}, **changed)
    answer = browser.post_list(
        f"{CASE}/concept", {**changed, "basis": basis, "nagekeken": 2, "vink": list(TICKS), "doe": "goedkeuren"}
    )
    assert answer.status_code == 422 and "approve" not in dict(made.helpdesk.done)
    assert 'name="nagekeken" value="3"' in answer.text
    assert tuple(boxes(answer.text)) == TICKS and not any(ticked for _, _, ticked in boxes(answer.text).values())


def test_a_box_that_no_page_offers_is_refused() -> None:
    made = asked_world()
    browser = made.browser().login("medewerker")
    wrong = {**ASKED, "basis": 2, "nagekeken": 2, "vink": ["alles"], "doe": "goedkeuren"}
    assert browser.post_list(f"{CASE}/concept", wrong).status_code == 400
    assert "approve" not in dict(made.helpdesk.done)


def test_what_blocks_is_said_before_somebody_approves_and_has_no_box() -> None:
    made = world()
    made.browser().login("trainee").post(f"{CASE}/concept", **{**FIELDS, "tekst": "BSN 111222333 [[datum]]"})
    page = made.browser().login("medewerker").get(CASE).text
    assert boxes(page) == {}
    assert "Deze mail kan zo nog niet weg" in page and "burgerservicenummer" in page and "[[datum]]</q>" in page


def test_a_trainee_sees_what_will_be_asked_and_ticks_nothing() -> None:
    page = asked_world().browser().login("trainee").get(CASE).text
    assert boxes(page) == {} and 'value="goedkeuren"' not in page
    assert "Wie goedkeurt, krijgt hier vragen over" in page and "geb. 12-03-1950" in page


def test_the_check_is_not_shown_beside_another_text() -> None:
    made = asked_world()
    answer = made.browser().login("medewerker").post(f"{CASE}/concept", **{**FIELDS, "tekst": "Tekst van Mira."})
    assert answer.status_code == 409 and "Controle van versie" not in answer.text


def test_a_block_to_check_anew_is_named() -> None:
    made = world()
    made.helpdesk.stale = ("Toegang tot de Wlz",)
    shown = boxes(made.browser().login("medewerker").get(CASE).text)
    assert list(shown) == ["stale_block"] and "Toegang tot de Wlz" in shown["stale_block"][1]


@pytest.mark.parametrize("setting", list(SecureChannel))
def test_secure_mail_is_advised_once_or_asked(setting: SecureChannel) -> None:
    made = world()
    made.helpdesk.secure_channel = setting
    page = made.browser().login("medewerker").get(CASE).text
    assert page.count("Kan het antwoord via beveiligde mail?") == (setting is SecureChannel.ADVISE)
    assert list(boxes(page)) == (["secure_channel"] if setting is SecureChannel.REQUIRE else [])


def test_a_question_about_the_helpdesk_itself_is_nobodys_health() -> None:
    made = World()
    made.helpdesk.put(case_page(1, topics=("T91",)))
    assert "beveiligde mail" not in made.browser().login("medewerker").get(CASE).text


def test_the_case_tells_what_was_ticked() -> None:
    made = world()
    page = case_page(1)
    approved = replace(page.drafts[0], approved_by="u-medewerker", approved_at=NOW, outbox_id="o-1")
    row = OutboxRow("o-1", "reply", "sent", REFERENCE, NOW, NOW, 1, NOW, 250, None)
    details = {"revision": 1, "ticked": {"birth_date": 1, "long_sentence": 3}}
    audit = AuditRow(NOW, "Mira de Wit", "draft_approved", details)
    made.helpdesk.put(replace(page, drafts=(approved,), outbox=(row,), timeline=(*page.timeline, audit)))
    told = made.browser().login("medewerker").get(CASE).text
    assert "Goedgekeurd door Mira de Wit. Aangevinkt: geboortedatum, lange zin (3 keer)." in told
    assert "versie 1 · aangevinkt: geboortedatum, lange zin (3 keer)" in told
