"""Delivery reports: which of our mails, and what became of each recipient."""

from __future__ import annotations

import base64

import pytest

from tests.screening_cases import MAILS, mail
from triage.core.automated import screen
from triage.core.mail import MessageKind, ReportedRecipient
from triage.core.parse import parse_mail
from triage.core.report_fields import recipient_address, reported_recipients
from triage.core.reports import Delivery, DeliveryReport, RecipientResult, delivery_report

OURS = "<antwoord.7@loket.example>"
VISSER, BOS, SMIT = ("a.visser@mensen.example", "b.bos@mensen.example", "c.smit@mensen.example")
GONE, LATER, DELAYED, ARRIVED = (
    Delivery.FAILED_PERMANENT, Delivery.FAILED_TEMPORARY, Delivery.DELAYED, Delivery.ARRIVED,
)  # fmt: skip


def read(name: str) -> DeliveryReport:
    parsed = parse_mail((MAILS / f"{name}.eml").read_bytes())
    assert screen(parsed, own_addresses=(), authserv_id="").kind is MessageKind.DELIVERY_REPORT
    return delivery_report(parsed)


def case(number: str, name: str, *results: tuple[str, Delivery, str]) -> object:
    return pytest.param(name, results, marks=pytest.mark.protocol(number), id=name)


@pytest.mark.parametrize(
    ("name", "results"),
    [
        case("D01", "dsn-odd-order", (VISSER, GONE, "5.1.1"), (BOS, DELAYED, "4.2.2")),
        case("D02", "dsn-no-original", (VISSER, GONE, "5.1.1")),
        case("D02", "dsn-words-only", (VISSER, GONE, "5.1.1")),
        case("D02", "dsn-mixed", (VISSER, GONE, "5.2.2")),
        case("D04", "dsn-real-path", (VISSER, GONE, "5.1.1")),
        case("D05", "bounce-delayed-text", (VISSER, DELAYED, "4.4.1")),
        case("D06", "dsn-delivered", (VISSER, ARRIVED, "2.1.5")),
        case("D06", "dsn-relayed", (VISSER, ARRIVED, "2.1.5")),
        case("D07", "dsn-temporary", (VISSER, LATER, "4.4.7")),
        case("D08", "dsn-several", (VISSER, GONE, "5.1.1"), (BOS, DELAYED, "4.4.1"), (SMIT, ARRIVED, "2.1.5")),
        case("D09", "bounce-qmail", (VISSER, GONE, "5.1.1")),
        case("D09", "bounce-exim", (VISSER, GONE, "5.1.1"), (BOS, LATER, "4.2.2")),
        case("D09", "bounce-notes", (VISSER, GONE, "")),
        case("D09", "bounce-domino", (VISSER, GONE, "")),
        case("D09", "bounce-postmaster", (VISSER, GONE, "")),
        case("D09", "bounce-no-marks", ("0612345678@sms.example", GONE, "")),
        case("D09", "bounce-no-sender", (VISSER, GONE, "")),
        case("D09", "bounce-mailbox-filter", (VISSER, GONE, "")),
        case("D10", "bounce-dutch", ("", GONE, "5.1.1")),
        case("D10", "bounce-german", (VISSER, GONE, "5.1.1")),
        case("D10", "bounce-french", (VISSER, GONE, "")),
        case("D10", "bounce-japanese", (VISSER, GONE, "")),
    ],
)
def test_what_became_of_each_recipient(name: str, results: tuple[tuple[str, Delivery, str], ...]) -> None:
    assert [(item.address, item.delivery, item.status) for item in read(name).recipients] == list(results)


@pytest.mark.protocol("D01", "D02")
@pytest.mark.parametrize(
    "name",
    [
        "dsn-odd-order", "dsn-no-original", "dsn-words-only", "dsn-mixed", "dsn-temporary", "bounce-qmail",
        "bounce-exim", "bounce-no-marks", "bounce-postmaster", "bounce-notes", "bounce-japanese", "bounce-no-sender",
    ],
)  # fmt: skip
def test_our_mail_is_found_wherever_its_id_stands(name: str) -> None:
    """In the status part, the attached mail, its headers, the returned text, or the fields of the report itself."""
    assert read(name).about[0] == OURS


def test_without_an_id_the_subject_token_is_left() -> None:
    report = read("bounce-french")
    assert report.about == ()
    assert [(token.reference, token.check_code) for token in report.tokens] == [("JL-2026-00007", "K7")]


@pytest.mark.protocol("D03")
def test_an_internationalised_report() -> None:
    """RFC 6533: its own content type, and an address in which signs beyond ASCII are written as `\\x{HEX}`."""
    assert [item.delivery for item in read("dsn-global").recipients] == [GONE]
    assert recipient_address("utf-8; ji\\x{159}\\x{ED}@p\\x{159}\\x{ED}klad.example") == "jiří@příklad.example"


@pytest.mark.protocol("D05", "D06", "D07")
def test_only_a_failure_is_a_failure() -> None:
    failed = {
        name: read(name).failed
        for name in ("dsn-delayed", "dsn-delivered", "dsn-relayed", "dsn-temporary", "dsn-failed")
    }
    assert failed == {
        "dsn-delayed": False,
        "dsn-delivered": False,
        "dsn-relayed": False,
        "dsn-temporary": True,
        "dsn-failed": True,
    }


@pytest.mark.parametrize(
    ("groups", "addresses"),
    [
        ([[("reporting-mta", "dns; x")]], []),
        ([[("final-recipient", "rfc822; a@x.example")], [("action", "failed")]], ["a@x.example"]),
        (
            [[("final-recipient", "rfc822;a@x.example"), ("final-recipient", "rfc822;b@x.example")]],
            ["a@x.example", "b@x.example"],
        ),
        (
            [[("original-recipient", "rfc822; jan@x.example"), ("final-recipient", "x; intern@y.example")]],
            ["jan@x.example"],
        ),
        ([[("final-recipient", "LOCAL; niemand"), ("action", "failed")]], [""]),
        ([[("final-recipient", "rfc822; <a@x.example>; rest"), ("action", "failed")]], ["a@x.example"]),
    ],
)
def test_fields_of_one_recipient_belong_together(groups: list[list[tuple[str, str]]], addresses: list[str]) -> None:
    assert [item.address for item in reported_recipients(groups)] == addresses


def test_a_report_part_in_base64_is_read() -> None:
    fields = base64.b64encode(
        b"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@x.example\r\nAction: failed\r\n"
    )
    raw = (
        b"From: MAILER-DAEMON@x.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: message/delivery-status\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + fields + b"\r\n--b--\r\n"
    )
    assert parse_mail(raw).report_recipients == (ReportedRecipient("a@x.example", "failed"),)


@pytest.mark.parametrize(
    ("text", "results"),
    [
        (
            "<a@x.example>:\n550 5.7.1 spam\n\n<b@x.example>:\n452 4.2.2 full",
            [("a@x.example", GONE), ("b@x.example", LATER)],
        ),
        ("Not delivered.\nTo: a@x.example\nFrom: meldpunt@loket.example", [("a@x.example", GONE)]),
        ("Your message\nTo: iedereen@x.example\ndid not reach a@x.example", [("a@x.example", GONE)]),
        ("Not delivered to a@x.example. Contact postmaster@x.example for help.", [("a@x.example", GONE)]),
        ("User unknown.", [("", GONE)]),
    ],
)
def test_recipients_in_free_words(text: str, results: list[tuple[str, Delivery]]) -> None:
    report = delivery_report(parse_mail(mail(subject="Undeliverable", sender="MAILER-DAEMON@x.example", text=text)))
    assert [(item.address, item.delivery) for item in report.recipients] == results


def test_what_the_returned_mail_says_is_not_the_report() -> None:
    """Addresses and codes below the mark of the returned mail are those of our own mail."""
    text = "Not delivered:\n  a@x.example\n\n--- Original message follows ---\n\nBel b@x.example, kamer 4.5.6"
    report = delivery_report(parse_mail(mail(subject="Undeliverable", sender="MAILER-DAEMON@x.example", text=text)))
    assert report.recipients == (RecipientResult("a@x.example", GONE, ""),)


def test_a_thousand_recipients_are_bounded() -> None:
    lines = "\n".join(f"<n{number}@x.example>: user unknown" for number in range(5_000))
    report = delivery_report(parse_mail(mail(subject="failure notice", sender="MAILER-DAEMON@x.example", text=lines)))
    assert len(report.recipients) <= 100
