"""The MIME tree of a mail, read within limits: which parts are its text, which are attachments.

The parsing is that of the standard library (`email.parser`, policy compat32: a third of the cost of the
default policy). This module keeps it within bounds and survives what it raises, part by part.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from email import policy
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser
from typing import Any

from triage.core.charsets import clean_text, decode_bytes, to_bytes
from triage.core.flowed import unflow
from triage.core.headers import decode_value, message_ids, safe_filename
from triage.core.htmltext import meta_charset
from triage.core.mail import Attachment

MAX_DEPTH = 60
MAX_PARTS = 1_000
MAX_LINES = 400_000  # the parser takes 0.3 µs a line and as much again for each level of nesting
MAX_HEADER_LINES = 20_000
MAX_TEXT = 5_000_000  # characters of text kept
_LINE_BUDGET = 5_000_000  # lines times levels

# What the standard library is known to raise on odd structure or parameters.
PARSER_ERRORS = (
    MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, OverflowError,
)  # fmt: skip
_HEAD_END = re.compile(rb"\r?\n\r?\n|\r\r")
_MULTI_HEAD = re.compile(rb"(?:\A|[\r\n])content-type[ \t]*:\s*(?:multipart|message)", re.IGNORECASE)
_GUESSED_BOUNDARY = re.compile(r"(?:\A|\n)--([^\r\n]{1,200}?)[ \t]*\r?\n[Cc]ontent-", re.MULTILINE)
_BASE64_ONLY = re.compile(rb"[A-Za-z0-9+/\s]*=?\s?=?\s*")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_NOT_BASE64_AT_ALL = re.compile(rb"[^A-Za-z0-9+/]+")
_UU_BEGIN = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,300})$", re.MULTILINE)
_NO_HTML_PLACEHOLDER = re.compile(r"\bhtml\b", re.IGNORECASE)
_ENRICHED_TAG = re.compile(r"<[^<>\n]{0,100}>")
_BODY_TYPES = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext"})
_ALTERNATIVE_ONLY = frozenset({"text/x-amp-html", "text/watch-html"})
_SMIME = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})


class _TooManyParts(Exception):
    """Stops the parser; what was read so far stays."""


class _BoundedPolicy(policy.Compat32):
    """compat32 with header values cut where the library takes quadratic time over their parameters."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        if len(value) > 512 and name[:8].lower() == "content-":
            value = ";".join(value[:8192].split(";")[:65])
        return name, value


_POLICY = _BoundedPolicy()


class BoundedMessage(Message):
    """A message part that knows its depth; at the limit it no longer counts as a container."""

    depth = 0
    max_depth = MAX_DEPTH

    def attach(self, payload: Any) -> None:
        if isinstance(payload, BoundedMessage):
            payload.depth, payload.max_depth = self.depth + 1, self.max_depth
        super().attach(payload)

    def get_content_type(self) -> str:
        found = super().get_content_type()
        if self.depth >= self.max_depth and found.startswith(("multipart/", "message/")):
            return "application/octet-stream"
        return found

    def get_content_maintype(self) -> str:
        return self.get_content_type().partition("/")[0]


@dataclass
class Tree:
    """The parsed root. `body` is set when the root is a single part whose bytes need no further parsing."""

    root: BoundedMessage
    body: bytes | None
    defects: list[str] = field(default_factory=list)


def read_tree(raw: bytes) -> Tree:
    """Headers and structure of a mail; never raises."""
    defects: list[str] = []
    start = raw.lstrip(b"\r\n\xef\xbb\xbf") if raw[:1] in (b"\r", b"\n", b"\xef") else raw
    if len(start) != len(raw):
        defects.append("leading_blank")
    end = _HEAD_END.search(start)
    head = start[: end.start() + 2] if end else start
    if head.count(b"\n") + head.count(b"\r") > 2 * MAX_HEADER_LINES:
        shorter = _first_lines(head, MAX_HEADER_LINES)
        start = shorter + b"\r\n" + start[len(head) :]
        defects.append("too_many_headers")
        head, end = shorter, _HEAD_END.search(start)
    if not _MULTI_HEAD.search(head):
        root = _parse(head, defects, headers_only=True)
        missed = root.get_payload()
        body = to_bytes(missed) if isinstance(missed, str) else b""
        if body.strip():
            defects.append("no_header_separator")
        else:
            body = b""
        rest = start[end.end() :] if end else b""
        return Tree(root, body + (start[end.start() : end.end()] if body and end else b"") + rest, defects)
    lines = start.count(b"\n") + start.count(b"\r") - start.count(b"\r\n")
    if lines > MAX_LINES:
        start = _first_lines(start, MAX_LINES)
        lines = MAX_LINES
        defects.append("too_many_lines")
    depth = max(8, min(MAX_DEPTH, _LINE_BUDGET // max(lines, 1)))
    return Tree(_parse(start, defects, max_depth=depth), None, defects)


def _first_lines(raw: bytes, count: int) -> bytes:
    position = 0
    ends = re.compile(rb"\r\n?|\n")
    for number, match in enumerate(ends.finditer(raw), 1):
        position = match.end()
        if number == count:
            break
    return raw[:position]


def _parse(raw: bytes, defects: list[str], *, headers_only: bool = False, max_depth: int = MAX_DEPTH) -> BoundedMessage:
    made: list[BoundedMessage] = []

    def new_part(policy: Any = None) -> BoundedMessage:
        if len(made) > MAX_PARTS + 1:
            raise _TooManyParts
        part = BoundedMessage(policy=policy or _POLICY)
        part.max_depth = max_depth
        made.append(part)
        return part

    try:
        BytesParser(new_part, policy=_POLICY).parsebytes(raw, headersonly=headers_only)
    except _TooManyParts:
        defects.append("too_many_parts")
    except PARSER_ERRORS:
        defects.append("bad_structure")
    # The first one made is the library's trial of the factory, the second is the root.
    return made[1] if len(made) > 1 else BoundedMessage(policy=_POLICY)


# ---------------------------------------------------------------- content


@dataclass
class Content:
    """What the walk found, in the order of the mail."""

    blocks: list[tuple[str, str]] = field(default_factory=list)  # ("plain" | "html", text)
    html: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    forwarded: list[BoundedMessage] = field(default_factory=list)  # attached mails
    report_type: str | None = None
    report_about: list[str] = field(default_factory=list)
    report_actions: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)

    def note(self, defect: str) -> None:
        if defect not in self.defects:
            self.defects.append(defect)


def param(part: Message, name: str, header: str = "content-type") -> str:
    """One parameter of a MIME header as text; "" when there is none or it cannot be read."""
    try:
        value = part.get_param(name, "", header=header, unquote=True)
        if isinstance(value, tuple):
            raw = value[2].encode("raw_unicode_escape", "replace") if value[2] else b""
            return decode_bytes(raw, value[0] or "")[0]
        return str(value)
    except PARSER_ERRORS:
        return ""


def filename_of(part: Message) -> str:
    """The safe file name of a part, or ""."""
    return safe_filename(param(part, "filename", "content-disposition") or param(part, "name"))


def _disposition(part: Message) -> str:
    return str(part.get("content-disposition", "")).partition(";")[0].strip().lower()[:40]


def _encoding(part: Message) -> str:
    return re.split(r"[\s;(]", str(part.get("content-transfer-encoding", "")).strip().lower(), maxsplit=1)[0].strip(
        "\"'"
    )


def part_bytes(part: BoundedMessage, body: bytes | None, content: Content) -> bytes:
    """A leaf's bytes after transfer decoding, as far as the encoding holds (RFC 2045 §6)."""
    if body is None:
        payload = part.get_payload()
        body = to_bytes(payload) if isinstance(payload, str) else b""
    encoding = _encoding(part)
    if encoding in ("quoted-printable", "quoted_printable", "qp"):
        return binascii.a2b_qp(body)
    if encoding in ("base64", "base-64", "b64"):
        return _base64(body, content)
    if encoding not in ("", "7bit", "8bit", "binary", "7-bit", "8-bit", "x-uuencode", "uuencode", "x-uue", "uue"):
        content.note("unknown_transfer_encoding")
    return body


def _base64(body: bytes, content: Content) -> bytes:
    """Decoded up to the fault. Text after the end (a footer of a list or scanner) is kept, not decoded to noise."""
    tail = b""
    if not _BASE64_ONLY.fullmatch(body):
        content.note("bad_base64")
        good: list[bytes] = []
        body = _first_lines(body, MAX_LINES) if body.count(b"\n") + body.count(b"\r") > MAX_LINES else body
        lines = body.splitlines(keepends=True)
        for at, line in enumerate(lines):
            ended = good and good[-1].rstrip().endswith(b"=")
            foreign = _NOT_BASE64.search(line)
            if foreign and (ended or b" " in line.strip()):
                tail = b"\n" + b"".join(lines[at:])
                break
            if line.strip():
                good.append(line)
        body = b"".join(good)
    clean = _NOT_BASE64_AT_ALL.sub(b"", body.partition(b"=")[0] if b"=" in body[:-4] else body)
    if len(clean) % 4 == 1:
        clean = clean[:-1]
    try:
        return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4)) + tail
    except binascii.Error:
        content.note("bad_base64")
        return tail


def _size(part: Message, body: bytes | None) -> int:
    payload: Any = body if body is not None else part.get_payload()
    if isinstance(payload, list):
        return sum(
            _size(child, None) + sum(len(k) + len(str(v)) + 4 for k, v in child.raw_items()) for child in payload
        )
    if not payload:
        return 0
    if _encoding(part) == "base64":
        blanks = payload.count(b"\n" if body is not None else "\n") + payload.count(b"\r" if body is not None else "\r")
        padding = payload[-8:].count(b"=" if body is not None else "=")
        return max(0, (len(payload) - int(blanks)) * 3 // 4 - int(padding))
    if _encoding(part) == "quoted-printable":
        return len(binascii.a2b_qp(payload if body is not None else to_bytes(payload)))
    return len(body if body is not None else str(payload))


def _attach(part: BoundedMessage, content: Content, body: bytes | None = None, name: str = "") -> None:
    kind = part.get_content_type()
    content.attachments.append(Attachment(name or filename_of(part), kind, _size(part, body)))
    if kind in _SMIME:
        content.note("opaque_signed" if "signed" in param(part, "smime-type").lower() else "encrypted")
    elif kind in ("application/ms-tnef", "application/vnd.ms-tnef"):
        content.note("tnef")
    elif kind == "application/octet-stream" and part.depth >= part.max_depth:
        content.note("nesting_too_deep")


def _text(part: BoundedMessage, body: bytes | None, content: Content) -> str:
    data = part_bytes(part, body, content)
    if len(data) > 4 * MAX_TEXT:
        data = data[: 4 * MAX_TEXT]
    label = param(part, "charset")
    if not label and part.get_content_type() == "text/html":
        label = meta_charset(data)
    text, defect = decode_bytes(data, label)
    if defect:
        content.note(defect)
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
        content.note("text_too_long")
    return clean_text(text)


def _uuencoded(text: str, content: Content) -> str:
    """Text without its uuencoded files, which are listed as attachments."""
    for _ in range(20):
        begin = _UU_BEGIN.search(text)
        end = text.find("\nend", begin.end()) if begin else -1
        if not begin or end < 0:
            break
        size = sum(max(0, ord(line[0]) - 32) & 63 for line in text[begin.end() : end].split("\n") if line)
        content.attachments.append(Attachment(safe_filename(begin[1]), "application/octet-stream", size))
        text = text[: begin.start()] + text[end + 4 :]
    return text


def _leaf(part: BoundedMessage, content: Content, body: bytes | None) -> list[tuple[str, str]]:
    kind = part.get_content_type()
    if kind in _ALTERNATIVE_ONLY:
        return []
    name = filename_of(part)
    is_text = kind in _BODY_TYPES and _disposition(part) != "attachment" and (not name or part.depth == 0)
    if not is_text:
        _attach(part, content, body, name)
        return []
    text = _text(part, body, content)
    if kind == "text/html":
        if not content.html:
            content.html = text
        return [("html", text)]
    if kind != "text/plain":
        text = _ENRICHED_TAG.sub("", text)
    if param(part, "format").lower() == "flowed":
        text = unflow(text, delete_space=param(part, "delsp").lower() == "yes")
    if "\nbegin " in text or text.startswith("begin "):
        text = _uuencoded(text, content)
    return [("plain", text)]


def _is_blank(text: str) -> bool:
    """Blank, or only the remark that the reader's program should show HTML."""
    stripped = text.strip(" \t\r\n\xa0\u200b\u200c\u00ad\u034f")
    return not stripped or (len(stripped) < 200 and bool(_NO_HTML_PLACEHOLDER.search(stripped)))


def _alternative(options: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """One of the versions (RFC 2046 §5.1.4): the plain one unless blank, else the last that has text."""
    for blocks in options:
        if any(kind == "plain" and not _is_blank(text) for kind, text in blocks):
            return blocks
    for blocks in reversed(options):
        if any(kind == "html" and text.strip() for kind, text in blocks):
            return blocks
    return next((blocks for blocks in options if any(text.strip() for _, text in blocks)), [])


def _report_part(part: BoundedMessage, content: Content) -> bool:
    """Reads a machine part of a report (RFC 3464, 6533, 8098, 5965); False when `part` is something else."""
    kind = part.get_content_type()
    if kind in ("message/rfc822", "message/global", "message/rfc822-headers"):
        inner: Any = part.get_payload()
        if isinstance(inner, list) and inner:
            content.report_about += message_ids(str(v) for v in inner[0].get_all("message-id", []))
        return True
    if kind in ("text/rfc822-headers", "message/global-headers"):
        data = part_bytes(part, None, content)
        nested: Any = part.get_payload()
        inner_part = nested[0] if isinstance(nested, list) and nested else None
        if inner_part is None:
            inner_part = _parse(data[:100_000], content.defects, headers_only=True)
        content.report_about += message_ids(str(v) for v in inner_part.get_all("message-id", []))
        return True
    if kind.startswith("message/"):
        fields: list[tuple[str, str]] = []
        payload: Any = part.get_payload()
        for block in payload if isinstance(payload, list) else []:
            fields += [(k.lower(), str(v)) for k, v in block.raw_items()]
            rest = block.get_payload()
            for line in rest.splitlines()[:5_000] if isinstance(rest, str) else []:
                key, colon, value = line.partition(":")
                if colon:
                    fields.append((key.strip().lower(), value))
        for key, value in fields:
            if key == "action":
                content.report_actions.append(decode_value(value).partition("(")[0].strip().lower()[:40])
            elif key == "original-message-id":
                content.report_about += message_ids([value])
        return True
    return False


def walk(part: BoundedMessage, content: Content, body: bytes | None = None) -> list[tuple[str, str]]:
    """The text blocks below `part`, in order; attachments and reports are put in `content`."""
    try:
        return _walk(part, content, body)
    except PARSER_ERRORS:
        content.note("bad_part")
        return []


def _walk(part: BoundedMessage, content: Content, body: bytes | None) -> list[tuple[str, str]]:
    kind = part.get_content_type()
    payload: Any = part.get_payload() if body is None else None
    if kind.startswith("message/"):
        return _attached_mail(part, content, payload)
    if not kind.startswith("multipart/"):
        return _leaf(part, content, body)
    if not isinstance(payload, list):
        return _broken_multipart(part, content, body if body is not None else payload)
    if kind == "multipart/encrypted":
        content.note("encrypted")
        for child in payload:
            _attach(child, content)
        return []
    if kind == "multipart/alternative":
        return _alternative([walk(child, content) for child in payload])
    if kind == "multipart/report" and content.report_type is None and part.depth == 0:
        content.report_type = param(part, "report-type").strip().lower()[:60]
        blocks: list[tuple[str, str]] = []
        for number, child in enumerate(payload):
            if number and _report_part(child, content):
                _attach(child, content)
            else:
                blocks += walk(child, content)
        return blocks
    blocks = []
    for child in payload:
        blocks += walk(child, content)
    if not blocks and not content.attachments and isinstance(part.preamble, str) and part.preamble.strip():
        content.note("text_before_parts")
        blocks.append(("plain", clean_text(decode_bytes(to_bytes(part.preamble[:MAX_TEXT]), "")[0])))
    return blocks


def _attached_mail(part: BoundedMessage, content: Content, payload: Any) -> list[tuple[str, str]]:
    """A mail inside the mail: listed, its text kept apart. Partial and external bodies are never fetched."""
    kind = part.get_content_type()
    name = filename_of(part)
    inner = payload[0] if isinstance(payload, list) and payload else None
    if kind in ("message/rfc822", "message/global") and isinstance(inner, BoundedMessage):
        if _encoding(part) == "base64" and not inner.keys() and isinstance(coded := inner.get_payload(), str):
            decoded = _base64(to_bytes(coded), content)
            inner = _parse(decoded[:MAX_TEXT], content.defects, max_depth=8)
        if not name:
            name = safe_filename(
                f"{decode_value(str(dict(inner.raw_items()).get('Subject', '')))[:80]}.eml".lstrip(".")
            )
        content.forwarded.append(inner)
    _attach(part, content, None, name)
    return []


def _broken_multipart(part: BoundedMessage, content: Content, payload: Any) -> list[tuple[str, str]]:
    """A multipart whose boundary is missing or wrong: the boundary in use is looked for, else it is all text."""
    content.note("bad_boundary")
    text = payload if isinstance(payload, str) else ""
    if isinstance(payload, bytes):
        text = payload.decode("ascii", "surrogateescape")
    found = _GUESSED_BOUNDARY.search(text[:200_000])
    if found and '"' not in found[1] and "\\" not in found[1] and not getattr(part, "guessed", False):
        head = f'Content-Type: {part.get_content_type()}; boundary="{found[1]}"\r\n\r\n'
        again = _parse(to_bytes(head + text), content.defects, max_depth=8)
        if isinstance(again.get_payload(), list):
            return walk(again, content)
    return [("plain", clean_text(decode_bytes(to_bytes(text[:MAX_TEXT]), param(part, "charset"))[0]))]
