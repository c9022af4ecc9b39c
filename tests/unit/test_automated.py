"""Who may be answered by a machine, and what kind of mail it is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests import screening_cases as cases
from tests.screening_cases import MAILS, OWN, R, mail
from triage.core.automated import no_reply_reasons, screen
from triage.core.mail import MessageKind, NoReplyReason, Screening
from triage.core.parse import parse_mail


def judged(raw: bytes, authserv_id: str = "mx1.loket.example") -> Screening:
    return screen(parse_mail(raw), own_addresses=OWN, authserv_id=authserv_id)


def fixture(name: str) -> Screening:
    return judged((MAILS / f"{name}.eml").read_bytes())


def numbered(cases: list[tuple[Any, ...]]) -> list[Any]:
    """Parameters that carry their number in the list of mail protocol cases."""
    return [
        pytest.param(*case[1:], marks=[pytest.mark.protocol(case[0])] if case[0] != "-" else [], id=str(case[1])[:60])
        for case in cases
    ]


@pytest.mark.protocol("A01")
def test_a_person_is_acknowledged() -> None:
    assert judged(mail()) == Screening(MessageKind.QUESTION)


@pytest.mark.parametrize(("field", "reason"), numbered(cases.FIELDS_THAT_WITHHOLD))
def test_a_field_withholds(field: str, reason: NoReplyReason) -> None:
    assert reason in judged(mail(field)).reasons


@pytest.mark.parametrize("field", numbered(cases.HARMLESS_FIELDS))
def test_a_harmless_field_does_not_withhold(field: str) -> None:
    assert judged(mail(field)) == Screening(MessageKind.QUESTION)


@pytest.mark.parametrize(("sender", "reason"), numbered(cases.SENDERS_THAT_WITHHOLD))
def test_a_sender_withholds(sender: str, reason: NoReplyReason) -> None:
    assert reason in judged(mail(sender=sender)).reasons


@pytest.mark.parametrize("sender", numbered(cases.PEOPLE_WITH_ODD_ADDRESSES))
def test_a_person_with_an_odd_address_is_acknowledged(sender: str) -> None:
    assert judged(mail(sender=sender)) == Screening(MessageKind.QUESTION)


@pytest.mark.protocol("A18")
@pytest.mark.parametrize("subject", cases.AUTO_REPLY_SUBJECTS)
def test_a_subject_makes_an_automatic_reply(subject: str) -> None:
    result = judged(mail(subject=subject, text="Ik ben afwezig tot maandag."))
    assert result.kind is MessageKind.AUTO_REPLY
    assert R.AUTO_REPLY_SUBJECT in result.reasons


@pytest.mark.parametrize(("subject", "text"), numbered(cases.QUESTIONS_IN_DANGEROUS_WORDS))
def test_a_question_is_never_hidden_for_a_word(subject: str, text: str) -> None:
    assert judged(mail(subject=subject, text=text)) == Screening(MessageKind.QUESTION)


@pytest.mark.parametrize("name", sorted(path.stem for path in cases.MAILS.glob("*.eml")))
def test_every_fixture(name: str) -> None:
    """A fixture that is no mail of a person who is acknowledged must stand in tests/screening_cases.py."""
    result = fixture(name)
    assert result.kind is cases.KINDS.get(name, MessageKind.QUESTION)
    assert result.may_acknowledge is (name not in cases.NOT_ACKNOWLEDGED)


def test_web_form_marked_generated_stays_a_question() -> None:
    result = judged(
        mail("Auto-Submitted: auto-generated", "Reply-To: petra@x.example", text="Naam: Petra\r\nVraag: mag dat?")
    )
    assert result.kind is MessageKind.QUESTION
    assert result.reasons == (R.AUTO_SUBMITTED,)


@pytest.mark.protocol("A32", "A33", "A34")
@pytest.mark.parametrize(
    ("value", "authserv_id", "fails"),
    [
        ("mx1.loket.example; dmarc=fail (p=reject) header.from=x.example", "mx1.loket.example", True),
        ("MX1.loket.example; dmarc=fail header.from=x.example", "mx1.loket.example", True),
        ("mx1.loket.example; dmarc=fail (p=none) header.from=x.example", "mx1.loket.example", False),
        ("ander.example; dmarc=fail (p=reject) header.from=x.example", "mx1.loket.example", False),
        ("mx1.loket.example; dmarc=fail (p=reject) header.from=x.example", "", False),
        ("mx1.loket.example; spf=softfail smtp.mailfrom=x.example; dmarc=none", "mx1.loket.example", False),
        ("spf=fail smtp.mailfrom=x.example; dmarc=fail mx1.loket.example", "mx1.loket.example", False),
        ("mx1.loket.example; dmarc=((((", "mx1.loket.example", False),
    ],
)
def test_dmarc_of_our_own_server_only(value: str, authserv_id: str, fails: bool) -> None:
    result = judged(mail(f"Authentication-Results: {value}"), authserv_id)
    assert (R.AUTHENTICATION_FAILED in result.reasons) is fails


@pytest.mark.parametrize(
    ("subject", "text", "rule"),
    [
        (
            "Inheritance",
            "A deceased client left 9,400,000 USD. Send your bank details, strictly confidential.",
            "inheritance",
        ),
        ("U heeft gewonnen", "U bent de winnaar van de loterij en heeft 1 prijs gewonnen. Claim uw prijs.", "lottery"),
        ("Bitcoin", "Investeer in bitcoin: gegarandeerd rendement, registreer vandaag.", "bitcoin"),
        (
            "Website",
            "We offer SEO services and guarantee the first page. Interested? Reply for a quote.",
            "search_ranking",
        ),
        ("Uw betaalpas", "Uw rekening is geblokkeerd. Klik hier binnen 24 uur om blokkering te voorkomen.", "phishing"),
    ],
)
def test_unsolicited(subject: str, text: str, rule: str) -> None:
    result = judged(mail(subject=subject, text=text))
    assert (result.kind, result.rule) == (MessageKind.UNSOLICITED, rule)
    assert R.UNSOLICITED in result.reasons


def test_machine_by_its_text_stays_a_case_without_acknowledgement() -> None:
    result = judged(
        mail(subject="Status", text="Dit is een automatisch gegenereerd bericht. Het dossier is bijgewerkt.")
    )
    assert result.kind is MessageKind.QUESTION
    assert result.reasons == (R.MACHINE_TEXT,)


def test_all_reasons_in_the_order_of_the_enum() -> None:
    raw = mail("Return-Path: <>", "Precedence: bulk", "Auto-Submitted: auto-generated", sender="noreply@x.example")
    parsed = parse_mail(raw)
    reasons = no_reply_reasons(parsed, own_addresses=OWN, authserv_id="")
    assert reasons == (R.AUTO_SUBMITTED, R.NULL_REVERSE_PATH, R.NO_REPLY_ADDRESS, R.BULK_PRECEDENCE)
    assert reasons == screen(parsed, own_addresses=OWN, authserv_id="").reasons


@pytest.mark.protocol("A26")
def test_own_receipt_that_comes_back_is_own() -> None:
    raw = mail("Auto-Submitted: auto-replied", "Reply-To: iemand@x.example", sender="meldpunt@loket.example")
    assert judged(raw).kind is MessageKind.OWN


@pytest.mark.protocol("A36", "A37", "A38")
@pytest.mark.parametrize("name", ["two-from", "no-from", "group-from", "empty", "rubbish"])
def test_without_one_valid_sender_nobody_is_answered(name: str) -> None:
    """Neither kind of mail is lost: each is a case that people see."""
    assert fixture(name).kind in (MessageKind.QUESTION, MessageKind.UNREADABLE)
    assert not fixture(name).may_acknowledge


@pytest.mark.protocol("A37")
@pytest.mark.parametrize("sender", ["<>", "", "Website <>", "jan@"])
def test_a_question_whose_sender_cannot_be_read_stays_a_question(sender: str) -> None:
    assert judged(mail(sender=sender)) == Screening(MessageKind.QUESTION, (R.NO_VALID_FROM,))


@pytest.mark.protocol("D16", "D17")
@pytest.mark.parametrize(
    ("name", "rule"),
    [("feedback-report", "feedback_report"), ("complaint-plain", "feedback_report"), ("dmarc-report", "dmarc_report")],
)
def test_reports_on_our_mail_say_what_they_are(name: str, rule: str) -> None:
    result = fixture(name)
    assert (result.kind, result.rule) == (MessageKind.AUTO_REPLY, rule)
    assert R.DELIVERY_REPORT not in result.reasons


@pytest.mark.parametrize(
    "file",
    [
        "groot.example!loket.example!1795478400!1795564799.xml.gz",
        "groot.example!loket.example!1795478400!1795564799!a1.zip",
        "groot.example!loket.example!1795478400!1795564799.json.gz",
    ],
)
def test_figures_from_other_servers_are_known_by_their_file(file: str) -> None:
    raw = mail(
        'Content-Type: application/octet-stream; name="x"',
        f'Content-Disposition: attachment; filename="{file}"',
    )
    assert judged(raw).rule == "dmarc_report"


@pytest.mark.parametrize("prefix", ["", "Re: "])
def test_an_autoresponder_without_marks_is_a_case_and_not_answered(prefix: str) -> None:
    text = "Ik ben afwezig tot 4 december. Mails worden niet doorgestuurd. Voor dringende zaken kunt u bellen."
    assert judged(mail(subject=f"{prefix}Vraag", text=text)) == Screening(MessageKind.QUESTION, (R.MACHINE_TEXT,))


def test_a_report_of_our_own_server_in_our_own_name_is_a_report() -> None:
    raw = (MAILS / "dsn-failed.eml").read_bytes()
    named = re.sub(rb"(?m)^From:[^\r\n]*", b"From: meldpunt@loket.example", raw, count=1)
    assert judged(named).kind is MessageKind.DELIVERY_REPORT
