"""Reading of odd mails, one fixture each (`tests/data/mail/README.md`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from triage.core.mail import ParsedMail
from triage.core.parse import parse_mail

MAILS = Path(__file__).parent.parent / "data" / "mail"


def shows(case: str, *values: object) -> object:
    """A row of a table of cases, with the mark of the protocol case that it shows."""
    return pytest.param(*values, marks=pytest.mark.protocol(case))


def read(name: str) -> ParsedMail:
    return parse_mail((MAILS / f"{name}.eml").read_bytes())


def test_plain_mail_has_all_its_fields() -> None:
    mail = read("plain")
    assert mail.from_address is not None
    assert (mail.from_address.address, mail.from_address.display_name) == ("jan@voorbeeld.example", "Jan Voorbeeld")
    assert mail.message_id == "<a01@voorbeeld.example>"
    assert mail.date == datetime(2026, 11, 16, 10, tzinfo=timezone(timedelta(hours=1)))
    assert mail.text.strip() == mail.new_text == "Mag de gemeente dit weigeren?"
    assert mail.return_path is None
    assert mail.defects == ()
    assert mail.readable


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("encoded-subject", "Vraag over zorg in Café €"),
        shows("H05", "inject-subject", "Vraag Bcc: x@y.example"),
        shows("H12", "latin1-header", "Vraag over € 100 en café"),
        shows("H17", "duplicate-subject", "Eerste"),
        shows("H18", "no-blank-line", "x"),
        shows("H18", "leading-blank", "x"),
    ],
)
def test_subject(name: str, subject: str) -> None:
    assert read(name).subject == subject


@pytest.mark.protocol("H13", "H14")
def test_broken_encoded_words_lose_no_text() -> None:
    subject = read("encoded-broken").subject
    assert subject == "café =?utf-8?b?!!!?= café"


@pytest.mark.parametrize(
    ("name", "address", "display"),
    [
        shows("H08", "bidi-name", "bank@voorbeeld.example", "knab"),
        shows("H07", "comma-name", "jan@voorbeeld.example", "Vries, Jan de"),
        shows("H09", "eai-address", "zoë@voorbeeld.example", "Zoë"),
        shows("H12", "latin1-header", "andre@voorbeeld.example", "André"),
    ],
)
def test_single_from(name: str, address: str, display: str) -> None:
    mail = parse_mail(_only_last_from(name))
    assert mail.from_address is not None
    assert (mail.from_address.address, mail.from_address.display_name) == (address, display)


def _only_last_from(name: str) -> bytes:
    """The fixtures begin with an ordinary head; the odd From field comes last in it."""
    lines = (MAILS / f"{name}.eml").read_bytes().split(b"\r\n")
    froms = [i for i, line in enumerate(lines) if line.startswith(b"From:")]
    return b"\r\n".join(line for i, line in enumerate(lines) if i not in froms[:-1])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("jan@x.example", ["jan@x.example"]),
        ("<jan@x.example>", ["jan@x.example"]),
        shows("H07", '"Vries, Jan" <jan@x.example>', ["jan@x.example"]),
        ("jan@x.example <jan@x.example>", ["jan@x.example"]),
        ("a@x.example, B <b@x.example>", ["a@x.example", "b@x.example"]),
        shows("H07", "Jan (thuis) <jan@x.example>", ["jan@x.example"]),
        ("jan@bücher.example", ["jan@bücher.example"]),
        ("Familie: a@x.example, b@x.example;", []),
        ("undisclosed-recipients:;", []),
        ("Jan zonder adres", []),
        ("<>", []),
        ("", []),
        ("jan@", []),
        ("@x.example", []),
        ("a..b@x.example", []),
        ("a b@x.example\r\n", []),
    ],
)
def test_from_addresses(value: str, expected: list[str]) -> None:
    mail = parse_mail(f"From: {value}\r\nSubject: x\r\n\r\nx".encode())
    assert [item.address for item in mail.from_addresses] == expected


@pytest.mark.protocol("H17")
def test_two_from_fields_give_no_single_author() -> None:
    assert read("two-from").from_address is None
    assert "duplicate_from" in read("two-from").defects


@pytest.mark.parametrize(("value", "path"), [("<>", ""), (" < > ", ""), ("<a@x.example>", "a@x.example"), ("", "")])
def test_return_path(value: str, path: str) -> None:
    assert parse_mail(f"Return-Path: {value}\r\nFrom: a@x.example\r\n\r\nx".encode()).return_path == path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a@b.example>", "<a@b.example>"),
        ("<a@b.example> (comment)", "<a@b.example>"),
        ("<a@b.example> <c@d.example>", "<a@b.example>"),
        shows("H03", "a@b.example", None),
        shows("H03", "<>", None),
        ("<a b@c.example>", None),
        (f"<{'a' * 5000}@b.example>", None),
        ("<é@b.example>", None),
    ],
)
def test_message_id_is_well_formed_or_none(value: str, expected: str | None) -> None:
    assert parse_mail(f"Message-ID: {value}\r\nFrom: a@x.example\r\n\r\nx".encode()).message_id == expected


@pytest.mark.protocol("H04")
@pytest.mark.parametrize(
    "value",
    [
        "",
        "gisteren",
        "Mon, 32 Jan 2026 10:00:00 +0100",
        "1 Jan 99999 00:00:00 +0000",
        "1 Jan 2026 10:00:00 +9999999999",
    ],
)
def test_bad_date_is_none_and_a_defect(value: str) -> None:
    mail = parse_mail(f"Date: {value}\r\nFrom: a@x.example\r\n\r\nx".encode())
    assert mail.date is None
    assert "bad_date" in mail.defects


def test_date_with_unknown_zone_is_utc() -> None:
    mail = parse_mail(b"Date: Mon, 16 Nov 2026 10:00:00 -0000\r\nFrom: a@x.example\r\n\r\nx")
    assert mail.date == datetime(2026, 11, 16, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text", "defect"),
    [
        shows("E01", "cp1252-as-latin1", "Het kost € 12,50 en dat is “te veel”.", None),
        shows("E02", "utf8-as-ascii", "Coërdinatie € 5", None),
        shows("E03", "cp1252-as-utf8", "Coërdinatie € 5", "charset_mismatch"),
        shows("E04", "charset-unknown", "Coërdinatie", "unknown_charset"),
        shows("E04", "charset-codec", "Hallo daar", "unknown_charset"),
        shows("E05", "utf7", "Coërdinatie", None),
        shows("E05", "iso2022", "こんにちは", None),
        shows("E06", "html-meta-charset", "Coërdinatie € 5", None),
        shows("E07", "qp-bad", "Coërdinatie is 50=% en =ZZ goed", None),
        shows("E08", "base64-footer", "Mag de gemeente dit weigeren?", "bad_base64"),
        shows("E08", "base64-no-padding", "Mag dat, vraag ik u?", None),
        shows("E09", "encoding-unknown", "Mag dat?", "unknown_transfer_encoding"),
        shows("E11", "flowed", "Dit is een lange regel.", None),
        shows("E11", "flowed", " >65 jaar is de grens.", None),
        shows("E13", "nul-body", "Hallo daar allemaal", None),
        shows("H18", "no-blank-line", "Dit is meteen de tekst van de mail.\nTweede regel", None),
        shows("H18", "leading-blank", "Hallo daar", "leading_blank"),
        shows("M02", "html-only", "Eerste regel\n\nTweede regel", None),
        shows("M02", "html-only", "* punt een\n* punt twee", None),
        shows("M03", "alternative-blank-plain", "De echte tekst", None),
        shows("M03", "alternative-placeholder", "De echte tekst", None),
        shows("M05", "apple-two-texts", "Eerste deel\nTweede deel", None),
        shows("M09", "nested-30", "Onderin", None),
        shows("M10", "boundary-wrong", "De tekst staat hier", "bad_boundary"),
        shows("M10", "boundary-none", "De tekst staat hier", "bad_boundary"),
        shows("M10", "boundary-unclosed", "De tekst staat hier", None),
        shows("M13", "smime-signed", "Ondertekende tekst", None),
        ("calendar", "Overleg zorgplan\nBespreken van het plan", None),
        ("rfc822-attached", "Zie de mail van Wilma", None),
    ],
)
def test_text(name: str, text: str, defect: str | None) -> None:
    mail = read(name)
    assert text in mail.text
    assert defect is None or defect in mail.defects


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        shows("M02", "html-only", "alert"),
        shows("M02", "html-only", "color"),
        shows("M02", "html-only", "verborgen"),
        shows("M06", "text-attachment", "Geheime"),
        shows("E08", "base64-footer", "\ufffd"),
        shows("E12", "uuencode", "begin 644"),
        shows("M14", "pgp-inline-signed", "iQEzBAEB"),
    ],
)
def test_not_in_new_text(name: str, absent: str) -> None:
    assert absent not in read(name).new_text


@pytest.mark.protocol("M04")
def test_alternative_is_not_read_twice() -> None:
    assert read("alternative").text.count("De tekst") == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        shows("M07", "attachment-only", [("brief.pdf", "application/pdf", 5)]),
        shows("M06", "text-attachment", [("notitie.txt", "text/plain", 20)]),
        shows("E12", "uuencode", [("brief.txt", "application/octet-stream", 3)]),
        shows("M18", "filename-2231", [("coërdinatie brief.pdf", "application/pdf", 1)]),
        shows("M19", "filename-2047", [("coërdinatie.pdf", "application/pdf", 1)]),
        shows("M20", "filename-path", [("_con.pdf", "application/pdf", 1)]),
        ("winmail", [("winmail.dat", "application/ms-tnef", 4)]),
        shows("M05", "apple-two-texts", [("foto.png", "image/png", 8)]),
    ],
)
def test_attachments(name: str, expected: list[tuple[str, str, int]]) -> None:
    found = [(item.filename, item.content_type, item.size) for item in read(name).attachments]
    assert found == expected


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        shows("M13", "smime-encrypted", "encrypted"),
        shows("M14", "pgp-encrypted", "encrypted"),
        ("winmail", "tnef"),
        shows("M07", "attachment-only", "content_only_in_attachment"),
        shows("M09", "nested-900", "nesting_too_deep"),
        shows("H17", "duplicate-subject", "duplicate_subject"),
        shows("H03", "message-id-bad", "bad_message_id"),
        shows("H04", "date-bad", "bad_date"),
    ],
)
def test_defect(name: str, defect: str) -> None:
    assert defect in read(name).defects


@pytest.mark.protocol("M08")
@pytest.mark.parametrize("name", ["rfc822-attached", "rfc822-root", "rfc822-base64"])
def test_attached_mail_is_kept_apart(name: str) -> None:
    mail = read(name)
    assert mail.from_address is not None
    assert mail.from_address.address == "jan@voorbeeld.example"
    assert mail.forwarded_text == "Kan de dagbesteding doorgaan?"
    assert "dagbesteding" not in mail.text
    assert [item.content_type for item in mail.attachments] == ["message/rfc822"]


@pytest.mark.parametrize(
    ("name", "about", "actions"),
    [
        ("dsn-failed", ("<ons@loket.example>",), ("failed",)),
        ("dsn-headers", ("<ons@loket.example>",), ("failed",)),
        ("dsn-delayed", (), ("delayed",)),
        ("dsn-global", (), ("failed",)),
        ("read-receipt", ("<ons@loket.example>",), ()),
    ],
)
def test_reports(name: str, about: tuple[str, ...], actions: tuple[str, ...]) -> None:
    mail = read(name)
    assert (mail.report_about, mail.report_actions) == (about, actions)
    assert mail.report_type is not None


@pytest.mark.parametrize(
    ("name", "readable"), [("empty", False), ("rubbish", False), ("plain", True), ("empty-body", True)]
)
def test_readable(name: str, readable: bool) -> None:
    assert read(name).readable is readable


def test_text_without_any_header_is_readable() -> None:
    assert parse_mail(b"Goedemorgen, ik heb een vraag over de zorg voor mijn moeder.").readable


def test_references_keep_order_and_only_ids() -> None:
    raw = b"References: <a@x.example>\r\n rommel <b@x.example>\r\nIn-Reply-To: Your mail <b@x.example>\r\n\r\nx"
    mail = parse_mail(raw)
    assert mail.references == ("<a@x.example>", "<b@x.example>")
    assert mail.in_reply_to == ("<b@x.example>",)


HTML = b"From: a@x.example\r\nContent-Type: text/html\r\n\r\n"


def test_html_of_a_forged_mark_is_harmless() -> None:
    mail = parse_mail(HTML + "<p>Hallo \ue003 daar</p>".encode())
    assert mail.new_text.split() == ["Hallo", "daar"]
