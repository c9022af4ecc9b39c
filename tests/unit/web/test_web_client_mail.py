"""Zaak and Beheer on what people did in their own mail program."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.web.fakes import NOW, World, case_page, message
from triage.core.case import CaseState
from triage.core.draft_copy import MAIL_CLIENT
from triage.ports import AuditRow, CasePage, DraftCopyView, DraftRevision

CASE = "/zaak/JL-2026-00001"


def opened(page: CasePage) -> str:
    world = World()
    world.helpdesk.put(page)
    answer = world.browser().login("medewerker").get(CASE)
    assert answer.status_code == 200
    return str(answer.text)


def with_draft(by: str = "system", *timeline: AuditRow, copy: DraftCopyView | None = None) -> CasePage:
    page = case_page(1)
    first = page.drafts[0]
    newest = DraftRevision(
        first.case_id, 7, replace(first.content, body="De nieuwste tekst."), "hash", by, NOW - timedelta(minutes=5)
    )
    return replace(page, drafts=(newest, first), timeline=timeline, draft_copy=copy)


def done(action: str, **details: object) -> AuditRow:
    return AuditRow(NOW, MAIL_CLIENT, action, details)


def test_the_place_of_the_draft_is_told() -> None:
    here = opened(with_draft(copy=DraftCopyView("Concepten", here=True)))
    assert "Het concept staat ook in de map ‘Concepten’ van de mailbox." in here and "uit het mailprogramma" not in here
    assert "map ‘Concepten’" not in opened(with_draft(copy=DraftCopyView("Concepten", here=False)))
    assert "map ‘Concepten’" not in opened(with_draft())


@pytest.mark.protocol("I22")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("full", "de mailbox is vol"),
        ("read_only", "in deze map mag niet worden geschreven"),
        ("missing", "de map bestaat niet en kan niet worden gemaakt"),
        ("refused", "de mailserver weigert het"),
    ],
)
def test_why_the_draft_is_not_there_is_told(code: str, words: str) -> None:
    page = opened(with_draft(copy=DraftCopyView("Concepten", here=False, trouble=code)))
    assert f"Het concept staat niet in de map ‘Concepten’: {words}. Hier is het bewaard." in page


@pytest.mark.protocol("F29")
def test_a_text_from_the_mail_program_says_so_and_cannot_be_given_back() -> None:
    row = done("draft_edited_in_client", revision=7, attachments=2)
    page = opened(with_draft(MAIL_CLIENT, row, copy=DraftCopyView("Concepten", here=True)))
    assert "Deze tekst komt uit het mailprogramma." in page
    assert "De 2 bijlagen staan alleen in het mailprogramma." in page
    assert "Geef dit concept terug" not in page
    assert "Concept veranderd in het mailprogramma: versie 7 · met 2 bijlagen" in page
    assert "iemand in het mailprogramma</span>" in page
    older = done("draft_edited_in_client", revision=6, attachments=2)
    assert "alleen in het mailprogramma" not in opened(with_draft("u-medewerker", older))


def test_two_edits_are_told_until_the_next_one() -> None:
    told = opened(with_draft("u-medewerker", done("draft_edited_twice", revision=8, holds=7)))
    assert "Dit concept is op twee plaatsen veranderd:" in told and "Eerdere versies (1)" in told
    assert "op twee plaatsen veranderd:" not in opened(
        with_draft("u-medewerker", done("draft_edited_twice", revision=6, holds=5))
    )


def test_two_answers_are_told_until_the_sender_asks_again() -> None:
    page = replace(case_page(1), timeline=(done("answered_twice", state="sent"),))
    assert "Er zijn twee antwoorden verstuurd." in opened(page)
    asked = replace(page, messages=(*page.messages, message(2, arrived_at=NOW + timedelta(minutes=1))))
    assert "Eén ging weg uit het mailprogramma" not in opened(asked)


def test_a_reply_that_was_overtaken_is_told() -> None:
    page = case_page(1, state=CaseState.ANSWERED, answered_at=NOW)
    told = opened(replace(page, timeline=(done("reply_overtaken", revision=7),)))
    assert "Het goedgekeurde antwoord is niet verstuurd." in told and "Het goedgekeurde" not in opened(page)


def test_an_answer_from_the_mail_program_is_named_in_the_conversation() -> None:
    page = case_page(1)
    ours = replace(message(2, arrived_at=NOW), direction="out", from_client=True)
    assert "Van ons (uit het mailprogramma)" in opened(replace(page, messages=(*page.messages, ours)))


def test_beheer_shows_the_folders_found() -> None:
    world = World()
    folders = [
        {"use": "drafts", "name": "Concepten", "trouble": "full"},
        {"use": "sent", "name": "", "trouble": ""},
    ]
    world.report = {"healthy": True, "breaker_tripped": False, "mailbox": {"idle": True, "folders": folders}}
    page = world.browser().login("beheerder").get("/beheer").text
    assert "Map voor concepten</dt><dd>Concepten" in page and "de mailbox is vol" in page
    assert "Map voor verzonden mail</dt><dd>niet gevonden" in page
