"""A mail above the size limit, taken in by its headers and its text part (`product.md` section 3.1).

Pure functions: which part of a BODYSTRUCTURE holds the readable text, and how headers and that part become one
message that any mail parser reads. The rest stays on the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

TEXT_LIMIT = 1_000_000
"""Bytes of the text part, still encoded, that are asked of the server."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DESCRIBES_CONTENT = (b"content-", b"mime-version:")
_MAX_DEPTH = 50  # nesting beyond any mail program's; a deeper structure is a bomb


@dataclass(frozen=True, slots=True)
class TextPart:
    """`section` is the part's number (RFC 9051 §6.4.5.1), "" for a message that is not multipart."""

    section: str
    subtype: str


def find_text_part(structure: Sequence[Any]) -> TextPart | None:
    """The first text/plain part that is not an attachment, else the first text/html; None when there is none.

    `structure` is IMAPClient's BodyData: a multipart holds a list of parts as its first element. Forwarded
    messages inside (message/rfc822) are not searched: their text is not what this sender wrote."""
    html: TextPart | None = None
    for section, part in _leaves(structure, "", 0):
        if _lower(part, 0) != "text" or _is_attachment(part):
            continue
        subtype = _lower(part, 1)
        if subtype == "plain" and _octets(part) > 0:
            return TextPart(section, "plain")
        if subtype == "html" and html is None:
            html = TextPart(section, "html")
    return html


def is_report(structure: Sequence[Any]) -> bool:
    """multipart/report (RFC 6522): what it says stands in its first parts, in a fixed order."""
    return isinstance(structure[0], list) and _lower(structure, 1) == "report"


def _leaves(part: Sequence[Any], section: str, depth: int) -> Iterator[tuple[str, Sequence[Any]]]:
    if not isinstance(part[0], list):
        yield section, part
        return
    if depth >= _MAX_DEPTH:
        return
    for number, child in enumerate(part[0], start=1):
        yield from _leaves(child, f"{section}.{number}" if section else str(number), depth + 1)


def _lower(part: Sequence[Any], index: int) -> str:
    value = part[index] if len(part) > index else None
    return value.decode("ascii", "replace").lower() if isinstance(value, bytes) else ""


def _octets(part: Sequence[Any]) -> int:
    size = part[6] if len(part) > 6 else None
    return size if isinstance(size, int) else 1  # unknown: worth asking for


def _is_attachment(part: Sequence[Any]) -> bool:
    """The body disposition of a text part stands after its number of lines and MD5 (RFC 9051 §7.5.2)."""
    disposition = part[9] if len(part) > 9 else None
    return isinstance(disposition, tuple) and _lower(disposition, 0) == "attachment"


def join_text_part(header: bytes, part_header: bytes, text: bytes) -> bytes:
    """The mail's own headers with the text part as its whole body.

    `part_header` is the part's MIME header as sent, so that charset and transfer encoding stay right; b"" keeps
    those of `header` (a message that is not multipart)."""
    body = _whole_lines(text)
    if not part_header:
        return header.rstrip(b"\r\n") + b"\r\n\r\n" + body
    kept = [line for line in _fields(header) if not line.lower().startswith(_DESCRIBES_CONTENT)]
    described = [line for line in _fields(part_header) if line.lower().startswith(b"content-")]
    return b"\r\n".join([*kept, b"MIME-Version: 1.0", *described]) + b"\r\n\r\n" + body


def without_text(header: bytes) -> bytes:
    """The mail's headers with an empty body: nothing in it could be read as text."""
    return join_text_part(header, b"Content-Type: text/plain; charset=utf-8\r\n\r\n", b"")


def _fields(block: bytes) -> list[bytes]:
    """Header fields with their folded lines; stops at the blank line."""
    fields: list[bytes] = []
    for line in _LINE_END.split(block):
        if not line:
            break
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\r\n" + line
        else:
            fields.append(line)
    return fields


def _whole_lines(text: bytes) -> bytes:
    """A text cut at the limit ends after its last whole line: half a base64 group would spoil the decoding."""
    if len(text) < TEXT_LIMIT:
        return text
    end = text.rfind(b"\n")
    return text[: end + 1] if end > 0 else text
