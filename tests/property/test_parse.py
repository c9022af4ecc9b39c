"""Parsing and screening are total: any bytes, any header text."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triage.core import cms
from triage.core.automated import screen
from triage.core.htmltext import html_to_text
from triage.core.invitation import invitation_text
from triage.core.mail import NoReplyReason, ParsedMail
from triage.core.parse import parse_mail
from triage.core.quotes import split
from triage.core.rtf import MAX_RTF, decompress, rtf_to_text
from triage.core.tnef import read_tnef
from triage.core.transfer import decode_base64, without_uuencoded

SEEDS = [path.read_bytes() for path in sorted((Path(__file__).parent.parent / "data" / "mail").glob("*.eml"))]
FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
BUDGET = settings(max_examples=150, deadline=2_000, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.sampled_from(
    """From To Cc Reply-To Sender Subject Date Message-ID In-Reply-To References Return-Path Content-Type
    Content-Disposition Content-Transfer-Encoding Auto-Submitted Precedence List-Id Authentication-Results
    X-Auto-Response-Suppress""".split()
)


PIECES = """> oud

Op 3 mrt. 2026 om 10:12 schreef X <x@y.example>:
Van: X <x@y.example>
Verzonden: 3 maart 2026
Aan: Y
Onderwerp: z
-----Oorspronkelijk bericht-----
---------- Forwarded message ---------
--
Groet,
Jan
Ik heb een vraag, kunt u helpen?
\ue003""".split("\n")


HTML = (
    "<p>|</p>|<div class='a>b'>|</div>|<br>|<blockquote type=cite>|</blockquote>|<li>|&amp;|woord |<td>|<pre>|</pre>|"
    "<!--weg-->|<style>weg</style>|<script>weg<</script>|<|&#x|</x"
).split("|")


def lines_of(mail: ParsedMail) -> list[str]:
    people = [*mail.from_addresses, *mail.reply_to, *mail.to, *mail.cc, *([mail.sender] if mail.sender else [])]
    return [
        *(text for pair in mail.headers for text in pair),
        mail.subject,
        mail.message_id or "",
        *mail.in_reply_to,
        *mail.references,
        *mail.report_about,
        *mail.report_actions,
        mail.return_path or "",
        *(text for person in people for text in (person.address, person.display_name)),
        *(text for item in mail.attachments for text in (item.filename, item.content_type)),
        mail.content_type,
        mail.report_type or "",
        *mail.defects,
    ]


def check(mail: ParsedMail) -> None:
    for line in lines_of(mail):
        assert not FORBIDDEN.search(line), repr(line)
    for text in (mail.text, mail.new_text, mail.forwarded_text, mail.html):
        assert not FORBIDDEN.search(text.replace("\n", "").replace("\t", "")), repr(text)
        text.encode("utf-8")
    assert mail.date is None or mail.date.utcoffset() is not None
    for person in mail.from_addresses:
        local, _, domain = person.address.rpartition("@")
        assert local
        assert domain
        assert not any(unicodedata.category(char) == "Cc" for char in person.address)
        assert person.normalised
    result = screen(mail, own_addresses=("a@x.example",), authserv_id="mx")
    assert result.reasons == tuple(reason for reason in NoReplyReason if reason in result.reasons)


@BUDGET
@given(st.binary(max_size=2_000))
def test_any_bytes(raw: bytes) -> None:
    check(parse_mail(raw))


@BUDGET
@given(NAMES, st.text(max_size=300), st.sampled_from(["utf-8", "latin-1"]))
def test_any_header_text(name: str, value: str, charset: str) -> None:
    raw = f"{name}: {value}\r\nX-Ander: y\r\n\r\nHallo".encode(charset, "replace")
    check(parse_mail(raw))


@BUDGET
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 5_000), st.binary(max_size=6)), max_size=6))
def test_damaged_mails(raw: bytes, damage: list[tuple[int, bytes]]) -> None:
    for position, piece in damage:
        position = min(position, len(raw))
        raw = raw[:position] + piece + raw[position + len(piece) :]
    check(parse_mail(raw))


@BUDGET
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\x78\x9f\x3e\x22\x01\x00", b"0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02"]),
)
def test_what_is_wrapped_may_be_anything(data: bytes, start: bytes) -> None:
    found = read_tnef(start + data)
    assert found is None or len(found.text) + len(found.html) <= 20 * (len(data) + 300)
    content = cms.signed_content(start + data)
    assert content is None or len(content) <= len(data)
    assert len(decompress(start + data)) <= MAX_RTF
    rtf_to_text(b"{\\rtf1 " + data)
    decode_base64(data)
    without_uuencoded("begin 644 x\n" + data.decode("latin-1"))
    invitation_text(b"BEGIN:VEVENT\nSUMMARY:" + data, "utf-8")


@BUDGET
@given(st.lists(st.sampled_from(HTML), max_size=30))
def test_html_loses_no_word_between_its_tags(pieces: list[str]) -> None:
    text = html_to_text("".join(pieces))
    assert text.count("woord") == pieces.count("woord ")
    assert "weg" not in text


@BUDGET
@given(
    st.lists(
        st.sampled_from(PIECES),
        max_size=25,
    ),
    st.booleans(),
    st.booleans(),
)
def test_splitting_invents_nothing(lines: list[str], is_reply: bool, is_forward: bool) -> None:
    parts = split("\n".join(lines), is_reply=is_reply, is_forward=is_forward)
    known = {line.strip("> \ue003") for line in lines}
    for line in (parts.new_text + "\n" + parts.forwarded_text).split("\n"):
        assert line.strip("> ") in known or not line.strip("> ")


@BUDGET
@given(
    st.lists(
        st.sampled_from(["Mijn moeder krijgt minder hulp.", "Mag dat zomaar?", "", "Zij is 84 en woont alleen."]),
        min_size=1,
        max_size=12,
    )
)
def test_a_mail_without_quotes_is_kept_whole(lines: list[str]) -> None:
    text = "\n".join(lines)
    kept = split(text, is_reply=True, is_forward=False).new_text
    assert kept.split() == text.split()
