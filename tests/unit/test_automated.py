"""Who may be answered by a machine, and what kind of mail it is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests import screening_cases as cases
from tests.screening_cases import MAILS, OWN, K, R, mail
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


@pytest.mark.parametrize(("subject", "text"), cases.PEOPLE_IN_THE_WORDS_OF_MACHINES)
def test_a_person_in_the_words_of_a_machine_is_acknowledged(subject: str, text: str) -> None:
    result = judged(mail(subject=subject, text=text))
    assert (result.kind, result.reasons) == (MessageKind.QUESTION, ())


@pytest.mark.parametrize(("subject", "text"), cases.MACHINES_WITHOUT_FIELDS)
def test_a_machine_without_fields_is_not_answered_and_never_ignored(subject: str, text: str) -> None:
    result = judged(mail(subject=subject, text=text))
    assert not result.may_acknowledge
    assert result.kind is MessageKind.QUESTION or result.by_words


def test_a_subject_of_vacation_programs_alone_withholds_and_keeps_the_case() -> None:
    result = judged(mail(subject="Afwezig", text="Zie de bijlage."))
    assert (result.kind, result.reasons) == (MessageKind.QUESTION, (R.AUTO_REPLY_SUBJECT,))


@pytest.mark.parametrize(
    ("field", "by_words"),
    [("X-Test: a", True), ("Auto-Submitted: auto-generated", False), ("Return-Path: <>", False)],
)
def test_only_without_a_field_of_machines_the_words_alone_decide(field: str, by_words: bool) -> None:
    result = judged(mail(field, subject="Afwezig", text="Ik ben afwezig tot maandag."))
    assert (result.kind, result.by_words) == (MessageKind.AUTO_REPLY, by_words)


def test_a_read_receipt_in_its_exact_words() -> None:
    text = "Uw bericht\r\n\r\nAan: Kim\r\nOnderwerp: Uw vraag\r\n\r\nis gelezen op maandag 3 maart 2025 11:00."
    result = judged(mail(subject="Gelezen: Uw vraag", text=text))
    assert (result.kind, result.rule, result.by_words) == (MessageKind.AUTO_REPLY, "read_receipt", True)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (
            "Contactformulier",
            "Bericht: Ik ben afwezig tot 5 mei. Bij spoed mijn dochter bellen. Ik heb thuiszorg nodig.",
        ),
        ("Uw vraag is ontvangen", "Naam: A. Bos\r\nVraag: Mijn man is terminaal en wil naar huis."),
        ("Formulier", "Naam: Ans\r\nE-mail: ans@x.example\r\nBericht: Het hulpmiddel kon niet worden bezorgd."),
    ],
)
def test_a_form_is_a_question_whatever_its_words(subject: str, text: str) -> None:
    result = judged(mail("Auto-Submitted: auto-generated", subject=subject, text=text, sender="form@x.example"))
    assert (result.kind, result.reasons) == (MessageKind.QUESTION, (R.AUTO_SUBMITTED,))


def test_a_program_that_names_one_asker_elsewhere_writes_for_a_person() -> None:
    fields = ("Auto-Submitted: auto-generated", "Reply-To: ans@y.example")
    assert judged(mail(*fields, subject="Ontvangstbevestiging", text="Dit is een automatisch bericht.")).kind is (
        MessageKind.QUESTION
    )


@pytest.mark.parametrize(
    ("fields", "sender", "subject", "text", "kind"),
    [
        ((), "meldpunt@loket.example", "Formulier", "Naam: A. Bos\r\nVraag: mijn man is terminaal", K.QUESTION),
        ((), "meldpunt@loket.example", "FW: vraag", "Kwam binnen\r\n\r\nVan: Ans <a@y.example>\r\nHelp!", K.QUESTION),
        ((), "a@y.example, meldpunt@loket.example", "vraag", "Mijn man is terminaal.", K.QUESTION),
        ((), "meldpunt@loket.example", "Overleg", "Tot morgen.", K.OWN),
        (("In-Reply-To: <a@y.example>",), "meldpunt@loket.example", "Re: x", "Naam: A\r\nVraag: b", K.OWN),
        (("In-Reply-To: <a@loket.example>",), "meldpunt@loket.example", "FW: x", "Van: A\r\nb", K.OWN),
    ],
)
def test_own_mail_is_ours_only_when_nobody_else_speaks_in_it(
    fields: tuple[str, ...], sender: str, subject: str, text: str, kind: MessageKind
) -> None:
    result = judged(mail(*fields, sender=sender, subject=subject, text=text))
    assert result.kind is kind
    assert R.OWN_ADDRESS in result.reasons


def test_the_foot_of_a_mailing_does_not_hide_an_organisations_question() -> None:
    text = "Een lid vraagt of haar indicatie overgaat naar de Wlz. Kunnen jullie dit uitleggen?\r\n\r\nNieuwsbrief | "
    raw = mail("List-Unsubscribe: <mailto:u@x.example>", text=text + "Uitschrijven | Bekijk online")
    assert judged(raw) == Screening(MessageKind.QUESTION, (R.MAILING_LIST,))
