"""The MIME tree of a mail, read within limits: headers, structure, parameters.

The parsing is that of the standard library (`email.parser`, policy compat32: a third of the cost of the
default policy). This module keeps it within bounds and survives what it raises, part by part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email import policy
from email.errors import MessageError
from email.feedparser import BytesFeedParser
from email.message import Message
from email.parser import BytesParser
from typing import Any

from triage.core.charsets import decode_bytes, to_bytes
from triage.core.headers import safe_filename
from triage.core.set_aside import set_aside
from triage.core.transfer import first_lines

MAX_DEPTH = 60
MAX_PARTS = 1_000
MAX_LINES = 200_000  # the parser takes 0.3 µs a line and as much again for each level of nesting
MAX_HEADER_LINES = 20_000
MAX_TEXT = 2_000_000  # characters of text kept
_CHUNK = 65_536  # bytes fed to the parser at a time: whole, it would hold four bytes for each
_LINE_BUDGET = 3_000_000  # lines times levels

# What the standard library is known to raise on odd structure or parameters.
PARSER_ERRORS = (
    MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, OverflowError,
)  # fmt: skip
_HEAD_END = re.compile(rb"\r?\n\r?\n|\r\r")
_MULTI_HEAD = re.compile(rb"(?:\A|[\r\n])content-type[ \t]*:\s*(?:multipart|message)", re.IGNORECASE)
_MISNAMED = {
    "application/plain": "text/plain", "application/text": "text/plain", "plain/text": "text/plain",
    "html/text": "text/html", "application/xhtml+xml": "text/html",
}  # fmt: skip
_TEXTS_OF_THEIR_OWN = frozenset(
    f"text/{name}"
    for name in (
        "html enriched richtext calendar rfc822-headers x-amp-html watch-html csv vcard x-vcard directory css rtf "
        "xml javascript x-python tab-separated-values x-diff x-patch"
    ).split()
)


class _TooManyParts(Exception):
    """Stops the parser; what was read so far stays."""


class _BoundedPolicy(policy.Compat32):
    """compat32 with header values cut where the library takes quadratic time over their parameters."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        if len(value) > 512 and name[:8].lower() == "content-":
            value = ";".join(value[:8192].split(";")[:65])
        return name, value

    def header_fetch_parse(self, name: str, value: str) -> str:
        """The value as it stands: the library's own way turns every 8-bit byte into U+FFFD."""
        return value


_POLICY = _BoundedPolicy()


class BoundedMessage(Message):
    """A message part that knows its depth; at the limit it no longer counts as a container."""

    depth = 0
    max_depth = MAX_DEPTH
    _payload: Any

    def attach(self, payload: Any) -> None:
        if isinstance(payload, BoundedMessage):
            payload.depth, payload.max_depth = self.depth + 1, self.max_depth
        super().attach(payload)

    def get_payload(self, i: Any = None, decode: bool = False) -> Any:
        """The parts, or the body as it stands: the library's own way puts U+FFFD for the bytes its charset lacks."""
        return self._payload if i is None else self._payload[i]

    def get_content_type(self) -> str:
        found = super().get_content_type()
        if self.depth >= self.max_depth and found.startswith(("multipart/", "message/")):
            return "application/octet-stream"
        if found.startswith("text/") and found not in _TEXTS_OF_THEIR_OWN:
            return "text/plain"  # RFC 2046 §4.1.4: a kind of text that is not known is plain
        return _MISNAMED.get(found, found)

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
        shorter = first_lines(head, MAX_HEADER_LINES)
        start = shorter + b"\r\n" + start[len(head) :]
        defects.append("too_many_headers")
        head, end = shorter, _HEAD_END.search(start)
    if not _MULTI_HEAD.search(head):
        root = parse_part(head, defects, headers_only=True)
        missed = root.get_payload()
        body = to_bytes(missed) if isinstance(missed, str) else b""
        if body.strip():
            defects.append("no_header_separator")
        else:
            body = b""
        rest = start[end.end() :] if end else b""
        return Tree(root, body + (start[end.start() : end.end()] if body and end else b"") + rest, defects)
    start, cut = set_aside(start, longest_text=5 * MAX_TEXT)
    if cut:
        defects.append("text_too_long")
    lines = start.count(b"\n") + start.count(b"\r") - start.count(b"\r\n")
    if lines > MAX_LINES:
        start = first_lines(start, MAX_LINES)
        lines = MAX_LINES
        defects.append("too_many_lines")
    depth = max(8, min(MAX_DEPTH, _LINE_BUDGET // max(lines, 1)))
    return Tree(parse_part(start, defects, max_depth=depth), None, defects)


def parse_part(
    raw: bytes, defects: list[str], *, headers_only: bool = False, max_depth: int = MAX_DEPTH
) -> BoundedMessage:
    made: list[BoundedMessage] = []

    def new_part(policy: Any = None) -> BoundedMessage:
        if len(made) > MAX_PARTS + 1:
            raise _TooManyParts
        part = BoundedMessage(policy=policy or _POLICY)
        part.max_depth = max_depth
        made.append(part)
        return part

    try:
        if headers_only:
            BytesParser(new_part, policy=_POLICY).parsebytes(raw, headersonly=True)
        else:
            parser = BytesFeedParser(new_part, policy=_POLICY)
            for at in range(0, len(raw), _CHUNK):
                parser.feed(raw[at : at + _CHUNK])
            parser.close()
    except _TooManyParts:
        defects.append("too_many_parts")
    except PARSER_ERRORS:
        defects.append("bad_structure")
    # The first one made is the library's trial of the factory, the second is the root.
    return made[1] if len(made) > 1 else BoundedMessage(policy=_POLICY)


def param(part: Message, name: str, header: str = "content-type") -> str:
    """One parameter of a MIME header as text; "" when there is none or it cannot be read."""
    try:
        values: list[Any] = [
            value for key, value in part.get_params([], header=header, unquote=True) if key.lower() == name
        ]
        coded = next((value for value in values if isinstance(value, tuple)), None)  # RFC 2231: before the plain form
        if coded:
            raw = coded[2].encode("latin-1", "surrogateescape") if coded[2] else b""
            return decode_bytes(raw, coded[0] or "")[0]
        return str(values[0]) if values else ""
    except PARSER_ERRORS:
        return ""


def token(part: Message, name: str) -> str:
    return re.sub(r"[^a-z0-9.+-]", "", param(part, name).lower())[:60]


def filename_of(part: Message) -> str:
    """The safe file name of a part, or ""."""
    return safe_filename(param(part, "filename", "content-disposition") or param(part, "name"))


def disposition_of(part: Message) -> str:
    return str(part.get("content-disposition", "")).partition(";")[0].strip().lower()[:40]


def encoding_of(part: Message) -> str:
    return re.split(r"[\s;(]", str(part.get("content-transfer-encoding", "")).strip().lower(), maxsplit=1)[0].strip(
        "\"'"
    )
