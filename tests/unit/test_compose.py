"""The bytes that leave: headers, folding, threading, addresses (protocol F)."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from triage.core.compose import (
    compose,
    header_address,
    is_writable,
    person_name,
    reply_addresses,
    reply_subject,
    shorten_references,
    stable_message_id,
    threading_of,
)
from triage.core.mail import EmailAddress, ParsedMail, without_plus

WHEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def written(**changes: Any) -> bytes:
    values: dict[str, Any] = {
        "sender": EmailAddress("loket@ons.example", "Juiste Loket"),
        "to": ["jan@post.example"],
        "subject": "Uw vraag [JL-2026-00042-K7]",
        "date": WHEN,
        "message_id": "<een@ons.example>",
        "text": "Dag,\n\nDank u.\n",
    }
    return compose(**(values | changes))


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def text_of(part: EmailMessage | None) -> str:
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_every_mail_has_its_headers_once_and_well_formed() -> None:
    message = read(written())
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"):
        assert len(message.get_all(name, [])) == 1, name
    assert message["From"] == "Juiste Loket <loket@ons.example>"
    assert parsedate_to_datetime(message["Date"]) == WHEN
    assert message["Date"].endswith("+0100")
    assert text_of(message) == "Dag,\n\nDank u.\n"


@pytest.mark.protocol("F25", "S24")
def test_only_crlf_and_no_line_above_998() -> None:
    raw = written(text="x" * 5000 + "\rna een kale CR\nna een kale LF\r\neind", html="<p>" + "y" * 4000 + "</p>")
    assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    plain = read(raw).get_body(("plain",))
    assert text_of(plain) == "x" * 5000 + "\nna een kale CR\nna een kale LF\neind\n"


def test_alternative_keeps_text_first_and_both_whole() -> None:
    message = read(written(text="Prijs: € 21,80\n.\n.punt\nFrom hier\n", html="<p>Prijs: € 21,80</p>"))
    assert message.get_content_type() == "multipart/alternative"
    plain, html = message.iter_parts()
    assert isinstance(plain, EmailMessage) and isinstance(html, EmailMessage)
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text_of(plain) == "Prijs: € 21,80\n.\n.punt\nFrom hier\n"
    assert text_of(html) == "<p>Prijs: € 21,80</p>\n"


def test_the_same_values_give_the_same_bytes() -> None:
    assert written(html="<p>x</p>") == written(html="<p>x</p>")


@pytest.mark.protocol("F15")
def test_names_and_subjects_outside_ascii_are_encoded_words() -> None:
    raw = written(sender=EmailAddress("loket@ons.example", "Juíste Löket"), subject="Ü" * 90)
    assert raw.isascii()
    assert all(len(word) <= 75 for line in raw.split(b"\r\n") for word in line.split() if word.startswith(b"=?"))
    message = read(raw)
    assert message["From"].addresses[0].display_name == "Juíste Löket"
    assert message["Subject"] == "Ü" * 90


@pytest.mark.parametrize("value", ["x\r\nBcc: a@b.example", "x\nBcc: a@b.example", "x\r\n\r\nlijf", "x\x00y\u2028z"])
def test_a_subject_cannot_bring_a_header(value: str) -> None:
    message = read(written(subject=value))
    assert message["Bcc"] is None
    assert text_of(message) == "Dag,\n\nDank u.\n"
    assert message["Subject"].startswith("x")


def test_a_huge_subject_is_cut() -> None:
    assert len(read(written(subject="lang " * 20_000))["Subject"]) <= 200


def test_a_header_value_that_breaks_the_line_is_refused() -> None:
    with pytest.raises(ValueError, match="X-Thing"):
        written(headers={"X-Thing": "a\r\nBcc: x@y.example"})
    with pytest.raises(ValueError, match="Message-ID"):
        written(message_id="<a@b>\n\nx")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("jan@post.example", "jan@post.example"),
        ("jan@bücher.example", "jan@xn--bcher-kva.example"),
        ("jan..smit@post.example", '"jan..smit"@post.example'),
        ('"jan smit"@post.example', '"jan smit"@post.example'),
        ("jörg@post.example", "jörg@post.example"),
        ("jan@[192.0.2.1]", "jan@[192.0.2.1]"),
    ],
)
def test_addresses_as_a_header_can_hold_them(given: str, wanted: str) -> None:
    assert header_address(given) == wanted
    assert wanted in written(to=[given]).decode()


@pytest.mark.parametrize(
    "given",
    ["", "jan", "@post.example", "jan@", "jan@a b", "a\r\nBcc: x@y", "jan@post.example\r\nX: y", "a,b@c.example",
     "<jan@post.example>", "jan@post..example", "x" * 400 + "@post.example",
     'ja"n@post.example', "a\u200bb c@d.example"],
)  # fmt: skip
def test_addresses_that_no_header_can_hold(given: str) -> None:
    assert not is_writable(given)
    with pytest.raises(ValueError, match="address") as caught:
        written(to=[given])
    assert not given or given not in str(caught.value)


def test_an_international_local_part_makes_an_internationalised_mail() -> None:
    raw = written(to=["jörg@post.example"])
    assert "To: jörg@post.example\r\n".encode() in raw


def test_many_recipients_are_folded() -> None:
    message = read(written(to=[f"mens{n}@post.example" for n in range(60)]))
    assert [address.addr_spec for address in message["To"].addresses] == [f"mens{n}@post.example" for n in range(60)]


@pytest.mark.protocol("F07")
def test_threading_of_an_ordinary_mail() -> None:
    mail = ParsedMail(message_id="<b@x>", references=("<a@x>",), in_reply_to=("<a@x>",))
    assert threading_of(mail) == ("<b@x>", ("<a@x>", "<b@x>"))
    assert threading_of(ParsedMail(message_id="<b@x>", in_reply_to=("<a@x>",))) == ("<b@x>", ("<a@x>", "<b@x>"))
    assert threading_of(ParsedMail(message_id="<b@x>", in_reply_to=("<a@x>", "<c@x>"))) == ("<b@x>", ("<b@x>",))


@pytest.mark.protocol("F08")
def test_without_message_id_nothing_is_invented() -> None:
    assert threading_of(ParsedMail()) == (None, ())
    message = read(written())
    assert message["In-Reply-To"] is None and message["References"] is None


@pytest.mark.parametrize(
    "bad", ["<a b@x>", "<é@x>", "<" + "a" * 5000 + "@x>", "<a@x> <b@x>", "<a@x> text", "a@x", "<>", "<a@x", "<a@\r\nx>"]
)
def test_a_malformed_id_is_left_out(bad: str) -> None:
    assert threading_of(ParsedMail(message_id=bad, references=(bad, "<goed@x>"))) == (None, ("<goed@x>",))
    message = read(written(in_reply_to=bad, references=[bad]))
    assert message["In-Reply-To"] is None and message["References"] is None


@pytest.mark.protocol("F10")
def test_five_hundred_references_keep_first_and_last() -> None:
    ids = tuple(f"<{number}.{'x' * 60}@lang.example>" for number in range(500))
    kept = shorten_references(ids)
    assert kept[0] == ids[0] and kept[-1] == ids[-1] and len(kept) == 20
    raw = written(references=ids, in_reply_to=ids[-1])
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert read(raw)["References"].split() == list(kept)


def test_a_long_id_stays_whole_and_plain() -> None:
    long_id = f"<{'a' * 200}@post.example>"
    raw = written(references=[long_id], in_reply_to=long_id)
    assert f"In-Reply-To: {long_id}\r\n".encode() in raw


def test_ids_are_stable_and_show_nothing() -> None:
    first = stable_message_id("acknowledgement", "sleutel", "ons.example")
    assert first == stable_message_id("acknowledgement", "sleutel", "ons.example")
    assert first != stable_message_id("acknowledgement", "sleutel2", "ons.example")
    assert "sleutel" not in first and first.endswith("@ons.example>")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Uw vraag", "Uw vraag [JL-2026-00042-K7]"),
        ("Uw vraag [JL-2026-00042-K7]", "Uw vraag [JL-2026-00042-K7]"),
        ("Re: RE: Antw: AW: x [JL-2026-00042-K7] [JL-2026-00042-K7]", "Re: x [JL-2026-00042-K7]"),
        ("x\r\nBcc: y", "x Bcc: y [JL-2026-00042-K7]"),
        ("", "[JL-2026-00042-K7]"),
        ("Re:", "Re: [JL-2026-00042-K7]"),
        ("Regel het", "Regel het [JL-2026-00042-K7]"),
    ],
)
def test_subject_of_a_reply(given: str, wanted: str) -> None:
    assert reply_subject(given, "[JL-2026-00042-K7]") == wanted


OWN = frozenset({without_plus("Loket@Ons.example")})


def test_a_reply_goes_to_reply_to_but_never_to_us() -> None:
    person, other = EmailAddress("jan@post.example"), EmailAddress("zus@post.example")
    us, plus = EmailAddress("LOKET@ons.example"), EmailAddress("loket+x@ons.example")
    assert reply_addresses(ParsedMail(from_addresses=(person,), reply_to=(other,)), OWN) == ("zus@post.example",)
    assert reply_addresses(ParsedMail(from_addresses=(person,), reply_to=(us, plus)), OWN) == ("jan@post.example",)
    assert reply_addresses(ParsedMail(from_addresses=(person,), reply_to=(us, other, other)), OWN) == (
        "zus@post.example",
    )
    assert reply_addresses(ParsedMail(from_addresses=(us,), reply_to=()), OWN) == ()
    assert reply_addresses(ParsedMail(), OWN) == ()
    assert reply_addresses(ParsedMail(from_addresses=(EmailAddress("geen adres"),)), OWN) == ()


@pytest.mark.parametrize(
    "name", ["Fatma Yıldız", "Jan de Vries", "J. Smit", "Anne-Marie van den Berg", "J.P. Jansen", "Ria 't Hart"]
)
def test_a_clear_name_is_used(name: str) -> None:
    assert person_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "jan", "Jan", "jan de vries", "Vries, J. de", "Palliatief Team Oost", "Gemeente Utrecht", "JAN DE VRIES",
     "Fam. Bakker", "info@x.example",
     "Jan 42", "Jan {{7*7}}", "<b>Jan</b> Smit", "Zorg & Zo", "Mijn Moeder", "Jan de",
     "Bakker J.", "A B C D E F", "Jan\r\nSmit: x", "x" * 70 + " Smit"],
)  # fmt: skip
def test_when_unsure_nobody_is_named(name: str) -> None:
    assert person_name(name) == ""
