"""The text head: it holds back an acknowledgement, never a person's question."""

from __future__ import annotations

import pytest

from triage.core.mail import MessageKind, NoReplyReason, ParsedMail, Screening
from triage.core.text_kind import TEXT_HEAD, screen_by_text

QUESTION = Screening(MessageKind.QUESTION)
NOTICE = ParsedMail(subject="Gesloten", new_text="Het secretariaat is tot 4 januari dicht. Daarna leest men uw mail.")


@pytest.mark.parametrize(
    ("machine_kind", "kind"),
    [
        ("auto_reply", MessageKind.AUTO_REPLY),
        ("bounce", MessageKind.DELIVERY_REPORT),
        ("newsletter_or_spam", MessageKind.LIST_OR_BULK),
    ],
)
def test_a_silent_machine_is_not_answered_and_stays_a_case(machine_kind: str, kind: MessageKind) -> None:
    result = screen_by_text(NOTICE, QUESTION, machine_kind)
    assert (result.kind, result.rule, result.by_words) == (kind, TEXT_HEAD, True)
    assert result.reasons == (NoReplyReason.MACHINE_TEXT,)
    assert not result.may_acknowledge


@pytest.mark.parametrize(
    "text",
    [
        "Mijn moeder is afwezig van de dagbesteding, wie regelt het vervoer?",
        "Ik zoek hulp bij het huishouden.",
        "Naam: J. de Wit\nVraag: krijg ik een rolstoel?",
        "Kan iemand mij terugbellen over de wijkverpleging?",
    ],
)
def test_who_asks_for_care_is_a_person_whatever_the_model_says(text: str) -> None:
    mail = ParsedMail(subject="Automatisch bericht", text=text, new_text=text)
    assert screen_by_text(mail, QUESTION, "auto_reply") is QUESTION


def test_what_the_headers_decided_stays() -> None:
    bulk = Screening(MessageKind.LIST_OR_BULK, (NoReplyReason.MACHINE_TEXT,), "list_id")
    form = Screening(MessageKind.QUESTION, rule="own_address_form")
    assert screen_by_text(NOTICE, bulk, "auto_reply") is bulk
    assert screen_by_text(NOTICE, form, "auto_reply") is form
    assert screen_by_text(NOTICE, QUESTION, "") is QUESTION
