"""Mails made to stop, fill or mislead a reader: one shape each, built when asked for, the same bytes every time."""

from __future__ import annotations

import base64
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial

MB = 1_000_000
HEAD = (
    b"From: Jan Voorbeeld <jan@voorbeeld.example>\r\nTo: loket@juisteloket.example\r\nSubject: Vraag\r\n"
    b"Message-ID: <vijandig@voorbeeld.example>\r\nDate: Mon, 16 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\n"
)
SENTENCE = b"Mijn moeder krijgt minder hulp en ik weet niet bij welke wet ik moet zijn.\r\n"
_TEXT_PART = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + SENTENCE

_MADE: dict[str, Callable[[], bytes]] = {}


def hostile_names() -> tuple[str, ...]:
    return tuple(_MADE)


def hostile_mail(name: str) -> bytes:
    """The bytes of one hostile mail. Raises KeyError for a name that is not in `hostile_names`."""
    return _MADE[name]()


def hostile_mails() -> Iterator[tuple[str, bytes]]:
    for name in _MADE:
        yield name, hostile_mail(name)


def _single(body: bytes, kind: bytes = b"text/plain; charset=utf-8", encoding: bytes = b"8bit") -> bytes:
    return HEAD + b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body


def _mixed(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    head = HEAD + b"Content-Type: multipart/" + kind + b'; boundary="b1"\r\n\r\n'
    return head + b"".join(b"--b1\r\n" + part + b"\r\n" for part in parts) + b"--b1--\r\n"


def _attached(data: bytes, kind: bytes, name: bytes, encoding: bytes = b"base64") -> bytes:
    return (
        b"Content-Type: "
        + kind
        + b'; name="'
        + name
        + b'"\r\nContent-Disposition: attachment; filename="'
        + name
        + b'"\r\nContent-Transfer-Encoding: '
        + encoding
        + b"\r\n\r\n"
        + data
    )


def _with(fields: bytes, body: bytes = SENTENCE) -> bytes:
    return HEAD + fields + b"\r\n" + body


def _of(size: int, piece: bytes) -> bytes:
    return piece * (size // len(piece))


def _noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def _lines(data: bytes, width: int = 76) -> bytes:
    return b"\r\n".join(data[at : at + width] for at in range(0, len(data), width))


def _repeated(piece: bytes, kind: bytes = b"text/plain; charset=utf-8") -> bytes:
    return _single(_of(10 * MB, piece), kind)


def _flooded(name: bytes, piece: bytes) -> bytes:
    return _with(name + b": " + _of(MB, piece) + b"\r\n")


def _multiparts(depth: int) -> bytes:
    opening = (b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i) for i in range(depth))
    closing = (b"\r\n--b%d--\r\n" % i for i in reversed(range(depth)))
    return HEAD + b"".join(opening) + _TEXT_PART + b"".join(closing)


def _attached_mails(depth: int) -> bytes:
    return HEAD + b"Content-Type: message/rfc822\r\n\r\n" * depth + b"Subject: diep\r\n\r\n" + SENTENCE


# ---------------------------------------------------------------- size

_MADE |= {
    "text 40 MB": lambda: _single(_of(40 * MB, SENTENCE)),
    "text 40 MB in quoted-printable": lambda: _single(_of(40 * MB, b"=65=69=6E=\r\n"), encoding=b"quoted-printable"),
    "text 40 MB in base64": lambda: _single(base64.encodebytes(_of(30 * MB, SENTENCE)), encoding=b"base64"),
    "text 40 MB in a multipart": lambda: _mixed(
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + _of(40 * MB, SENTENCE)
    ),
    "text 40 MB of 8-bit letters in a multipart": lambda: _mixed(
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + _of(40 * MB, "Coördinatie één café.\r\n".encode())
    ),
    "line 10 MB": lambda: _single(b"x" * 10 * MB),
    "line 10 MB of words": lambda: _single(_of(10 * MB, b"zorg en hulp ")),
    "line 10 MB in a multipart": lambda: _mixed(b"\r\n" + b"x" * 10 * MB),
    "10 MB of empty lines": lambda: _single(_of(10 * MB, b"\r\n")),
    "10 MB of empty lines in a multipart": lambda: _mixed(b"\r\n" + _of(10 * MB, b"\r\n")),
    "10 MB of bare CR": lambda: _single(_of(10 * MB, b"\r")),
    "10 MB of bare CR in a multipart": lambda: _mixed(b"\r\n" + _of(10 * MB, b"x\r")),
    "10 MB of NUL": lambda: _single(b"\0" * 10 * MB),
    "10 MB of blanks": lambda: _single(b" " * 10 * MB),
    "attachment 26 MB in base64": lambda: _mixed(
        _TEXT_PART, _attached(_lines(base64.b64encode(_noise(19 * MB))), b"application/pdf", b"brief.pdf")
    ),
    "attachment 26 MB in one base64 line": lambda: _mixed(
        _TEXT_PART, _attached(base64.b64encode(_noise(19 * MB)), b"application/pdf", b"brief.pdf")
    ),
    "attachment 26 MB in binary": lambda: _mixed(
        _TEXT_PART, _attached(_noise(26 * MB), b"application/octet-stream", b"x.bin", b"binary")
    ),
    "attachment 26 MB in quoted-printable": lambda: _mixed(
        _TEXT_PART, _attached(_of(26 * MB, b"=E9=E9=E9=\r\n"), b"application/octet-stream", b"x", b"quoted-printable")
    ),
    "the whole mail a PDF of 26 MB": lambda: _single(
        _lines(base64.b64encode(_noise(19 * MB))), b"application/pdf; name=brief.pdf", b"base64"
    ),
    "mail of 26 MB attached to a mail": lambda: _mixed(
        _TEXT_PART,
        b"Content-Type: message/rfc822\r\n\r\n"
        + _mixed(_TEXT_PART, _attached(_lines(base64.b64encode(_noise(19 * MB))), b"application/pdf", b"brief.pdf")),
    ),
    "random bytes 10 MB": lambda: _noise(10 * MB),
    "random bytes 10 MB below a good head": lambda: _single(_noise(10 * MB)),
    "random bytes 10 MB in a multipart": lambda: _mixed(b"\r\n" + _noise(10 * MB)),
}

# ---------------------------------------------------------------- headers

_MADE |= {
    "20,000 headers": lambda: _with(b"".join(b"X-Veld-%d: waarde %d\r\n" % (i, i) for i in range(20_000))),
    "500,000 headers": lambda: _with(b"X: y\r\n" * 500_000),
    "header of 1 MB": lambda: _with(b"X-Lang: " + b"x" * MB + b"\r\n"),
    "header of 10 MB, folded": lambda: _with(b"X-Lang: x" + _of(10 * MB, b"\r\n xxxxxxxxx") + b"\r\n"),
    "Subject of 10 MB": lambda: HEAD.replace(b"Vraag", _of(10 * MB, b"vraag ")) + b"\r\n" + SENTENCE,
    "300 Received": lambda: (
        b"Received: from a.example by b.example; Mon, 16 Nov 2026 10:00:00 +0100\r\n" * 300 + HEAD + b"\r\n" + SENTENCE
    ),
    "10,000 recipients": lambda: _with(
        b"Cc: " + b",\r\n ".join(b"a%d@voorbeeld.example" % i for i in range(10_000)) + b"\r\n"
    ),
    "10,000 recipients with quoted names": lambda: _with(
        b"Cc: " + b",\r\n ".join(b'"Vries, Jan (%d)" <a%d@voorbeeld.example>' % (i, i) for i in range(10_000)) + b"\r\n"
    ),
    "200 From fields of 10,000 authors": lambda: _with(
        b"".join(b"From: " + b", ".join(b"a%d@x.example" % i for i in range(50)) + b"\r\n" for _ in range(200))
    ),
    "3,000 nested comments": lambda: _with(b"Reply-To: " + b"(" * 3_000 + b")" * 3_000 + b" jan@x.example\r\n"),
    "300,000 open comments": lambda: _with(b"Reply-To: " + b"(" * 300_000 + b"\r\n"),
    "date of 20 digits": lambda: HEAD.replace(b"16 Nov 2026", b"16 Nov 20262026202620262026") + b"\r\n" + SENTENCE,
    "date of 1 MB of digits": lambda: HEAD.replace(b"2026 10", b"2" * MB + b" 10") + b"\r\n" + SENTENCE,
    "References of 1 MB of ids": lambda: _with(
        b"References: " + b" ".join(b"<%d@x.example>" % i for i in range(60_000)) + b"\r\n"
    ),
    "Message-ID of 1 MB": lambda: _with(b"Message-ID: <" + b"a" * MB + b"@x.example>\r\n"),
    "encoded words in Subject, 1 MB": lambda: _with(b"Subject: " + _of(MB, b"=?utf-8?q?caf=C3=A9?= ") + b"\r\n"),
    "open encoded words in Subject, 1 MB": lambda: _with(b"Subject: " + _of(MB, b"=?utf-8?q?") + b"\r\n"),
    "encoded words of 1,000 charsets in Subject": lambda: _with(
        b"Subject: " + b" ".join(b"=?x-%d?q?caf=E9?=" % i for i in range(60_000)) + b"\r\n"
    ),
    "encoded words in From, 1 MB": lambda: _with(
        b"From: " + _of(MB, b"=?utf-8?b?Y2Fmw6k=?= ") + b"<jan@x.example>\r\n"
    ),
    "encoded words in a file name, 1 MB": lambda: _mixed(
        _TEXT_PART, _attached(b"eA==", b"application/pdf", _of(MB, b"=?utf-8?q?caf=C3=A9?= "))
    ),
    "file name of 1 MB": lambda: _mixed(_TEXT_PART, _attached(b"eA==", b"application/pdf", b"a" * MB + b".pdf")),
    "RFC 2231 name in 60,000 pieces": lambda: _mixed(
        _TEXT_PART,
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment;\r\n "
        + b";\r\n ".join(b"filename*%d*=%%41%%42" % i for i in range(60_000))
        + b"\r\n\r\nx",
    ),
    "100,000 parameters": lambda: _single(SENTENCE, b"text/plain" + b'; a="b"' * 100_000),
    "parameter of 1 MB of open quotes": lambda: _single(SENTENCE, b"text/plain" + b';a="' * 250_000),
    "60 headers of 60 kB of 8-bit bytes": lambda: _with(
        b"".join(b"X-Acht-%d: " % i + b"\xe9 " * 30_000 + b"\r\n" for i in range(60))
    ),
    "60 Authentication-Results of 60 kB": lambda: _with(
        b"".join(b"Authentication-Results: mx; " + b"dkim=pass (x) header.d=x; " * 2_400 + b"\r\n" for i in range(60))
    ),
    "no blank line, 10 MB": lambda: HEAD + _of(10 * MB, b"regel zonder dubbele punt\r\n"),
    "10 MB of colons": lambda: HEAD + _of(10 * MB, b":\r\n"),
    "10 MB of continuation lines first": lambda: _of(10 * MB, b" x\r\n") + HEAD + b"\r\n" + SENTENCE,
    **{
        f"1 MB of {char.decode()!r} in {name.decode()}": partial(_flooded, name, char)
        for name, char in (
            (b"From", b"<"),
            (b"From", b'"'),
            (b"From", b"\\"),
            (b"To", b","),
            (b"To", b";"),
            (b"To", b":"),
            (b"To", b"a:b@x.example;"),
            (b"To", b"["),
            (b"To", b"<@a,"),
            (b"To", b"a."),
            (b"Cc", b"a <b@x.example>"),
            (b"Reply-To", b'"\\"'),
            (b"Sender", b"()"),
            (b"Message-ID", b"<"),
            (b"References", b"<a@"),
            (b"In-Reply-To", b"@"),
            (b"Date", b"("),
            (b"Return-Path", b"<"),
            (b"Subject", b"=?"),
            (b"Subject", b"Re: "),
            (b"Subject", b"=?utf-8?b?"),
            (b"List-Id", b"<"),
            (b"Auto-Submitted", b"(a"),
            (b"Content-Disposition", b";filename*0*=x"),
            (b"Content-Type", b"(("),
            (b"Precedence", b" ("),
        )
    },
}

# ---------------------------------------------------------------- structure

_MADE |= (
    {f"multipart nested {depth:,} deep": partial(_multiparts, depth) for depth in (30, 150, 900, 4_000, 100_000)}
    | {f"message/rfc822 nested {depth:,} deep": partial(_attached_mails, depth) for depth in (300, 3_000, 300_000)}
    | {
        "multiparts 50 deep around 400,000 lines": lambda: (
            HEAD
            + b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i) for i in range(50))
            + b"\r\n"
            + b"-- regel\r\n" * 400_000
        ),
        "multiparts 8 deep around 10 MB": lambda: (
            HEAD
            + b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i) for i in range(8))
            + b"\r\n"
            + _of(10 * MB, SENTENCE)
        ),
        "5,000 parts": lambda: _mixed(*[_TEXT_PART] * 5_000),
        "500,000 parts": lambda: _mixed(*[b"\r\nx"] * 500_000),
        "5,000 attached mails": lambda: _mixed(*[b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny"] * 5_000),
        "digest of 5,000 mails": lambda: _mixed(*[b"\r\nSubject: x\r\n\r\n" + SENTENCE] * 5_000, kind=b"digest"),
        "900 attached mails of 10 kB of HTML": lambda: _mixed(
            *[b"Content-Type: message/rfc822\r\n\r\nContent-Type: text/html\r\n\r\n" + b"<p>x" * 2_500] * 900
        ),
        "900 parts of 10 kB of HTML": lambda: _mixed(*[b"Content-Type: text/html\r\n\r\n" + b"<p>x" * 2_500] * 900),
        "900 texts in windows-1252 called utf-8": lambda: _mixed(
            *[b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + b"\xe9\xe8 " * 3_000] * 900
        ),
        "10 MB of boundary lines of nobody": lambda: _mixed(b"\r\n" + _of(10 * MB, b"--b2\r\n")),
        "10 MB of almost the boundary": lambda: _mixed(b"\r\n" + _of(10 * MB, b"--b1x\r\n")),
        "boundary of 100 kB": lambda: (
            HEAD
            + b"Content-Type: multipart/mixed; boundary="
            + b"b" * 100_000
            + b"\r\n\r\n"
            + (b"--" + b"b" * 100_000 + b"\r\n\r\nx\r\n") * 50
        ),
        "boundary of regular expression signs": lambda: (
            HEAD
            + b'Content-Type: multipart/mixed; boundary="(a*)*(.*)+$["\r\n\r\n'
            + _of(5 * MB, b"--(a*)*(.*)+$[a\r\n\r\nx\r\n")
        ),
        "wrong boundary, 10 MB": lambda: (
            HEAD
            + b"Content-Type: multipart/mixed; boundary=nee\r\n\r\n"
            + _of(10 * MB, b"--ja\r\nContent-Type: text/plain\r\n\r\nx\r\n")
        ),
        "1,000 multiparts with a wrong boundary": lambda: _mixed(
            *[b"Content-Type: multipart/mixed; boundary=nee\r\n\r\n--ja\r\nContent-Type: text/plain\r\n\r\nx\r\n"]
            * 1_000
        ),
        "wrong boundaries 3,000 deep": lambda: (
            HEAD
            + b"Content-Type: multipart/mixed; boundary=nee\r\n\r\n"
            + b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=nee\r\n\r\n" % i for i in range(3_000))
            + b"x" * MB
        ),
        "base64 on a multipart, 10 MB": lambda: (
            HEAD
            + b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + _lines(base64.b64encode(b"--b\r\n" + _TEXT_PART + _of(7 * MB, SENTENCE) + b"\r\n--b--\r\n"))
        ),
        "base64 of base64 mails, 20 deep": lambda: _coded_mails(20),
        "1,000 alternatives in each other's place": lambda: _mixed(
            *[b"Content-Type: text/html\r\n\r\n<p>x</p>", b"Content-Type: text/plain\r\n\r\n "] * 500,
            kind=b"alternative",
        ),
        "delivery report of 100,000 recipients": lambda: _mixed(
            b"\r\nNiet bezorgd.",
            b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n\r\n"
            + b"Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n" * 100_000,
            kind=b"report; report-type=delivery-status",
        ),
        "message/partial": lambda: _single(SENTENCE, b'message/partial; id="x"; number=1; total=99999'),
    }
)


def _coded_mails(depth: int) -> bytes:
    raw = HEAD + b"\r\n" + SENTENCE
    for _ in range(depth):
        raw = (
            HEAD
            + b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(raw)
        )
    return raw


# ---------------------------------------------------------------- HTML


def _html(body: bytes, size: int = 10 * MB) -> bytes:
    return _single(b"<html><body><p>Hallo</p>" + _of(size, body), b"text/html; charset=utf-8")


_MADE |= {
    "HTML of 5,000 nested divs": lambda: _html(b"<div>x", 5_000 * 6),
    **{
        f"HTML, 10 MB of {what}": partial(_html, piece)
        for what, piece in (
            ("paragraphs", b"<p>Een zin over de zorg voor mijn moeder.</p>"),
            ("nested divs", b"<div>"),
            ("open list items", b"<ul><li>a"),
            ("open fonts", b"<font color=red>x<p>"),
            ("tables", b"<table><tr><td>x"),
            ("open quotes", b"<blockquote type=cite>x"),
            ("less-than signs", b"<"),
            ("open tags", b"<a href="),
            ("open comments", b"<!--"),
            ("closed comments", b"<!---->"),
            ("CDATA", b"<![CDATA["),
            ("closed CDATA", b"<![CDATA[x]]>"),
            ("declarations", b"<!x>"),
            ("instructions", b"<?x"),
            ("entities", b"&amp;"),
            ("unknown entities", b"&amp&bestaatniet;&#99999999;&#x"),
            ("ampersands", b"&"),
            ("numeric entities", b"&#233;"),
            ("attributes", b"<p a=\"b\" c='d' e=f "),
            ("open attributes", b'<p a="'),
            ("styles", b"<style>a{b:c}</style>"),
            ("open styles", b"<style>"),
            ("scripts", b"<script>a<b</script>"),
            ("open scripts", b"<script><"),
            ("titles", b"<title>x</title>"),
            ("svg and math", b"<svg><math><mtext><p><style>"),
            ("templates", b"<template>x</template>"),
            ("hidden spans", b'<span style="display:none">x</span>'),
            ("open hidden spans", b'<span style="display:'),
            ("hidden divs that nest", b"<div style='mso-hide:all'>"),
            ("links", b'<a href="https://x.example/a?b=c">x</a>'),
            ("preformatted", b"<pre>x\n"),
            ("breaks", b"<br>"),
            ("selects", b"<select><option>x"),
            ("closing tags", b"</p>"),
            ("closing quotes", b"</blockquote>"),
            ("meta charsets", b"<meta charset=utf-7>"),
            ("Outlook conditions", b"<!--[if mso]><p>x<![endif]-->"),
            ("NUL in tags", b"<p\0>x</\0p>"),
            ("tabs in tags", b"<p" + b"\t" * 50 + b">x"),
            ("soft hyphens", "a\u00ad\u200bb".encode()),
            ("title without end", b"<title"),
            ("textareas", b"<textarea>x"),
            ("frames", b"<frameset><frame>"),
        )
    },
    "HTML in one line of 10 MB without blanks": lambda: _html(b"x"),
    "HTML of one tag of 10 MB": lambda: _single(b"<p " + b"a" * 10 * MB + b">x", b"text/html"),
    "HTML in utf-16, 10 MB": lambda: _single(b"\xff\xfe" + _of(10 * MB, "<p>x</p>".encode("utf-16-le")), b"text/html"),
}

# ---------------------------------------------------------------- text, charsets, transfer encodings

_MADE |= {
    "quoted-printable of 10 MB of '='": lambda: _single(b"=" * 10 * MB, encoding=b"quoted-printable"),
    "quoted-printable of 10 MB of soft breaks": lambda: _single(_of(10 * MB, b"=\r\n"), encoding=b"quoted-printable"),
    "quoted-printable of 10 MB of trailing blanks": lambda: _single(
        _of(10 * MB, b"x" + b" " * 1_000 + b"\r\n"), encoding=b"quoted-printable"
    ),
    "base64 of 10 MB of '='": lambda: _single(_of(10 * MB, b"=\r\n"), encoding=b"base64"),
    "base64 of 10 MB of rubbish": lambda: _single(_of(10 * MB, b"!a#b \r\n"), encoding=b"base64"),
    "base64 of 10 MB in lines of one": lambda: _single(_of(10 * MB, b"a\r\n"), encoding=b"base64"),
    "base64 of 10 MB of blanks": lambda: _single(b" " * 10 * MB + b"aGFs", encoding=b"base64"),
    "uuencode without end, 10 MB": lambda: _single(b"begin 644 x.txt\r\n" + _of(10 * MB, b"#86)C\r\n")),
    "10 MB of uuencode beginnings": lambda: _single(_of(10 * MB, b"begin 644 x.txt\r\n")),
    "10 MB of small uuencoded files": lambda: _single(_of(10 * MB, b"begin 644 x.txt\r\n#86)C\r\n`\r\nend\r\n")),
    "x-uuencode as transfer encoding, 10 MB": lambda: _single(
        b"begin 644 x\r\n" + _of(10 * MB, b"M" + b"8" * 60 + b"\r\n") + b"end\r\n", encoding=b"x-uuencode"
    ),
    "format=flowed, 10 MB of flowing lines": lambda: _single(_of(10 * MB, b"x \r\n"), b"text/plain; format=flowed"),
    "format=flowed, 10 MB of quote marks": lambda: _single(b">" * 10 * MB, b"text/plain; format=flowed"),
    "format=flowed, quote depth up and down": lambda: _single(
        _of(10 * MB, b">" * 500 + b" x \r\n> y \r\n"), b"text/plain; format=flowed; delsp=yes"
    ),
    **{
        f"10 MB of {what}": partial(_repeated, piece, b"text/plain; charset=" + label)
        for what, piece, label in (
            ("iso-2022-jp escapes", b"\x1b$B\x1b(B", b"iso-2022-jp"),
            ("iso-2022-jp text", b"\x1b$B$3$s\x1b(B\r\n", b"iso-2022-jp"),
            ("iso-2022-kr escapes", b"\x1b$)C\x0e\x0f", b"iso-2022-kr"),
            ("utf-7 shifts", b"+AOk-", b"utf-7"),
            ("open utf-7 shifts", b"+", b"utf-7"),
            ("hz escapes", b"~{~}", b"hz-gb-2312"),
            ("utf-16 without mark", b"a\0", b"utf-16"),
            ("windows-1252 called utf-8", b"caf\xe9 ", b"utf-8"),
            ("utf-8 called us-ascii", b"caf\xc3\xa9 ", b"us-ascii"),
            ("windows-1252 called us-ascii", b"caf\xe9 \x80", b"us-ascii"),
            ("bad gb18030", b"\xff\x81", b"gb18030"),
            ("bad big5", b"\xff\x81", b"big5"),
            ("bad euc-jp", b"\x8f\xa1", b"euc-jp"),
            ("unknown charset", b"caf\xe9 ", b"x-geen"),
            ("idna as charset", b"xn--a.", b"idna"),
            ("punycode as charset", b"a-b", b"punycode"),
            ("zlib as charset", b"x", b"zlib_codec"),
            ("unicode escapes as charset", b"\\u0041", b"unicode_escape"),
            ("a charset of 1,000 letters", b"x", b"x" * 1_000),
            ("combining marks", "a\u0301\u0302\u0303".encode(), b"utf-8"),
            ("direction marks", "\u202e\u2066".encode(), b"utf-8"),
            ("line separators", "x\u2028\u2029\u0085".encode(), b"utf-8"),
            ("ideographic blanks", "\u3000\u00a0".encode(), b"utf-8"),
            ("emoji", "🙂".encode(), b"utf-8"),
            ("Turkish capitals", "İI".encode(), b"utf-8"),
            ("utf-32", b"a\0\0\0", b"utf-32"),
        )
    },
    **{
        f"text, 10 MB of {what}": partial(_repeated, piece)
        for what, piece in (
            ("quote marks", b">"),
            ("quoted lines", b"> oud\r\n"),
            ("header blocks", b"Van: a@x.example\r\nVerzonden: 1\r\nAan: b\r\n"),
            ("intro lines", b"Op di 3 mrt 2026 om 10:12 schreef Jan <jan@x.example>:\r\n"),
            ("halves of intro lines", b"Op 3 mrt schreef\r\n"),
            ("signature marks", b"-- \r\nJan\r\n"),
            ("closings", b"Met vriendelijke groet,\r\nJan\r\n\r\n"),
            ("underscores", b"_" * 70 + b"\r\n"),
            ("PGP beginnings", b"-----BEGIN PGP SIGNED MESSAGE-----\r\n"),
            ("original-message rules", b"-----Oorspronkelijk bericht-----\r\n"),
            ("addresses", b"a@b.example "),
            ("links", b"https://x.example/a?b=c&d=e\r\n"),
            ("Message-ID lines", b"Message-ID: <a@b>\r\n"),
            ("digits", b"123456782 "),
            ("letters without blanks", b"abcdefghij"),
            ("one word", b"palliatief "),
            ("not", b"niet "),
            ("urgent cues", b"Mijn vader gaat vandaag dood en moet uit het ziekenhuis. "),
            ("hyphens", b"-"),
            ("dots", b". "),
            ("blanks and letters", b"  " * 400 + b"x"),
            ("bounce words", b"Uw bericht aan a@x.example kon niet worden bezorgd. "),
            ("device lines", b"Verstuurd vanaf mijn iPhone\r\n"),
            ("parentheses", b"("),
            ("colons", b": "),
            ("asterisks", b"*Van:* "),
            ("tabs", b"\t"),
            ("capitals", b"SPOED! "),
        )
    },
}

# ---------------------------------------------------------------- what is attached


def _tnef(*attributes: tuple[int, int, bytes]) -> bytes:
    """A TNEF stream ([MS-OXTNEF] 2.1.3): level, id with type, length, data, sum."""
    out = struct.pack("<IH", 0x223E9F78, 1)
    for level, name, data in attributes:
        out += struct.pack("<BII", level, name, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)
    return out


def _winmail(data: bytes) -> bytes:
    return _mixed(_TEXT_PART, _attached(base64.encodebytes(data), b"application/ms-tnef", b"winmail.dat"))


def _zip_bomb() -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("../../nul", b"\0" * 60 * MB)
    return inner.getvalue()


def _length(size: int) -> bytes:
    return bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4, "big")


_MADE |= {
    "zip bomb": lambda: _mixed(_TEXT_PART, _attached(base64.encodebytes(_zip_bomb()), b"application/zip", b"a.zip")),
    "gzip bomb": lambda: _mixed(
        _TEXT_PART, _attached(base64.encodebytes(zlib.compress(b"\0" * 60 * MB, 9, 31)), b"application/gzip", b"a.gz")
    ),
    "XML entity bomb": lambda: _mixed(
        _TEXT_PART,
        _attached(
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">'
            + b"".join(b'<!ENTITY a%d "&a%d;&a%d;">' % (i + 1, i, i) for i in range(60))
            + b"]><a>&a60;</a>",
            b"application/xml",
            b"a.xml",
            b"8bit",
        ),
    ),
    "TNEF, truncated": lambda: _winmail(_tnef((1, 0x0002800C, b"Hallo daar\0"))[:-7]),
    "TNEF, 10 MB of small attributes": lambda: _winmail(
        struct.pack("<IH", 0x223E9F78, 1) + _of(7 * MB, struct.pack("<BIIH", 1, 0x00068008, 0, 0))
    ),
    "TNEF that promises 4,000 million properties": lambda: _winmail(
        _tnef((1, 0x00069003, b"\xff\xff\xff\xff" + b"\0" * 64))
    ),
    "TNEF, 100,000 attachments": lambda: _winmail(
        struct.pack("<IH", 0x223E9F78, 1) + struct.pack("<BIIH", 2, 0x00069002, 0, 0) * 100_000
    ),
    "TNEF, RTF that grows": lambda: _winmail(
        _tnef(
            (
                1,
                0x00069003,
                struct.pack("<IHHIIIII", 1, 0x0102, 0x1009, 1, 16 + 3 * MB, 3 * MB + 12, 400 * MB, 0x75465A4C)
                + b"\0\0\0\0"
                + b"\xff" * 3 * MB,
            )
        )
    ),
    "signed content, 100,000 deep": lambda: _single(
        base64.encodebytes(b"\x30\x80" * 100_000),
        b"application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
        b"base64",
    ),
    "signed content of 10 MB in pieces of one": lambda: _single(
        base64.encodebytes(
            b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80"
            b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80" + b"\x04\x01x" * 2_500_000
        ),
        b"application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
        b"base64",
    ),
    "calendar of 10 MB": lambda: _single(
        b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n" + _of(10 * MB, b"SUMMARY:Overleg\r\n"),
        b"text/calendar; method=REQUEST",
    ),
    "calendar, one description of 10 MB": lambda: _single(
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDESCRIPTION:" + _of(10 * MB, b"x\r\n "), b"text/calendar"
    ),
    "rich text of 10 MB": lambda: _single(_of(10 * MB, b"<bold><<"), b"text/enriched"),
    "attached text of 10 MB and nothing else": lambda: _single(_of(10 * MB, SENTENCE), b'text/plain; name="a.txt"'),
    "1,000 executables with two endings": lambda: _mixed(
        _TEXT_PART, *[_attached(b"TVo=", b"application/pdf", b"rekening.pdf.exe")] * 990
    ),
}
