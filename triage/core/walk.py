"""The walk over a mail's parts: which are its text, which are attachments, what is wrapped in them."""

from __future__ import annotations

import re
from typing import Any

from triage.core import cms
from triage.core.charsets import clean_text, decode_bytes, to_bytes
from triage.core.content import Content, attach, is_set_aside, part_bytes, text_of, unbase64, without_files
from triage.core.flowed import unflow
from triage.core.headers import decode_value, safe_filename
from triage.core.invitation import invitation_text
from triage.core.mail import Attachment
from triage.core.mime import (
    MAX_TEXT,
    PARSER_ERRORS,
    BoundedMessage,
    disposition_of,
    encoding_of,
    filename_of,
    param,
    parse_part,
    token,
)
from triage.core.report_parts import note_original, read_report_part, read_status
from triage.core.tnef import Tnef, read_tnef

_GUESSED_BOUNDARY = re.compile(r"(?:\A|\n)--([^\r\n]{1,200}?)[ \t]*\r?\n[Cc]ontent-", re.MULTILINE)
_NO_HTML_PLACEHOLDER = re.compile(r"\bhtml\b", re.IGNORECASE)
_HTML_AFTER_ALL = re.compile(r"\s{0,99}<(?:!doctype html|html[\s>])", re.IGNORECASE)
_ENRICHED_TAG = re.compile(r"<[^<>\n]{0,100}>")
_BODY_TYPES = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext"})
_MAX_CODED = 10_000_000  # characters of a coded multipart
_MAX_OPENED = 5  # wrappings inside each other or side by side that are opened
_MAX_SPARE = 5
_ALTERNATIVE_ONLY = frozenset({"text/x-amp-html", "text/watch-html"})
_SMIME = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_ANY = frozenset({"application/octet-stream", "application/x-unknown", "application/data"})


def _leaf(part: BoundedMessage, content: Content, body: bytes | None) -> list[tuple[str, str]]:
    kind = part.get_content_type()
    if kind in _ALTERNATIVE_ONLY:
        return []
    name = filename_of(part)
    is_text = kind in _BODY_TYPES and disposition_of(part) != "attachment" and (not name or part.depth == 0)
    if kind == "text/calendar" and not content.calendar_method:
        content.calendar_method = token(part, "method") or "publish"
        content.note("calendar")
    if kind == "text/rfc822-headers":
        note_original(
            parse_part(part_bytes(part, body, content)[:100_000], content.defects, headers_only=True), content
        )
    if not is_text:
        attach(part, content, body, name)
        return _opened(part, content, body, name)
    text = text_of(part, body, content)
    if kind == "text/html" or (kind == "text/plain" and _HTML_AFTER_ALL.match(text)):
        if not content.html:
            content.html = text
        return [("html", text)]
    if kind != "text/plain":
        text = _ENRICHED_TAG.sub("", text)
    if param(part, "format").lower() == "flowed":
        text = unflow(text, delete_space=param(part, "delsp").lower() == "yes")
    if "\nbegin " in text or text.startswith("begin "):
        text = without_files(text, content)
    return [("plain", text)]


def _opened(part: BoundedMessage, content: Content, body: bytes | None, name: str) -> list[tuple[str, str]]:
    """The text inside a wrapping that only some mail programs open: S/MIME signed, winmail.dat. Attachments of a kind
    that can be read as text are kept for a mail that has nothing else to read."""
    kind = part.get_content_type()
    lower = name.lower()
    if kind in _SMIME or (kind in _ANY and lower.endswith((".p7m", ".p7s"))):
        return _smime(part, content, body)
    if kind in _TNEF or (kind in _ANY and lower == "winmail.dat"):
        return _winmail(part, content, body)
    if len(content.spare) < _MAX_SPARE and not is_set_aside(part, body):
        if kind in _BODY_TYPES:
            block = "html" if kind == "text/html" else "plain"
            content.spare.append(lambda: (block, text_of(part, body, content)))
        elif kind in ("text/calendar", "application/ics"):
            content.spare.append(lambda: ("plain", _invitation(part, body, content)))
    return []


def _invitation(part: BoundedMessage, body: bytes | None, content: Content) -> str:
    return invitation_text(part_bytes(part, body, content), param(part, "charset"))


def _smime(part: BoundedMessage, content: Content, body: bytes | None) -> list[tuple[str, str]]:
    data = part_bytes(part, body, content)
    kind = cms.kind_of(data)
    if kind == cms.ENVELOPED or (not kind and "signed" not in param(part, "smime-type").lower()):
        content.note("encrypted")
        return []
    inner = cms.signed_content(data) if content.opened < _MAX_OPENED else None
    if inner is None:
        if part.get_content_type() in _SMIME:
            content.note("opaque_signed")
        return []
    content.opened += 1
    content.note("signature_unchecked")
    return walk(parse_part(inner, content.defects, max_depth=8), content)


def _winmail(part: BoundedMessage, content: Content, body: bytes | None) -> list[tuple[str, str]]:
    found = read_tnef(part_bytes(part, body, content)) if content.opened < _MAX_OPENED else None
    content.opened += 1
    content.note("tnef")
    if found is None or not found.whole:
        content.note("bad_tnef")
    found = found or Tnef()
    content.attachments += [Attachment(safe_filename(item.name), item.content_type, item.size) for item in found.files]
    if found.text.strip():
        content.spare.append(lambda: ("plain", clean_text(found.text)))
    elif found.html.strip():
        content.spare.append(lambda: ("html", clean_text(found.html)))
    return []


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
            attach(child, content)
        return []
    if kind == "multipart/alternative":
        return _alternative([walk(child, content) for child in payload])
    if kind == "multipart/report" and content.report_type is None and part.depth == 0:
        content.report_type = token(part, "report-type")
        blocks: list[tuple[str, str]] = []
        for number, child in enumerate(payload):
            if number and read_report_part(child, content):
                attach(child, content)
            else:
                blocks += walk(child, content)
        return blocks
    blocks = []
    for child in payload:
        blocks += walk(child, content)
    blocks += _behind_the_end(part, content)
    if not blocks and not content.attachments and isinstance(part.preamble, str) and part.preamble.strip():
        content.note("text_before_parts")
        blocks.append(("plain", clean_text(decode_bytes(to_bytes(part.preamble[:MAX_TEXT]), "")[0])))
    return blocks


def _behind_the_end(part: BoundedMessage, content: Content) -> list[tuple[str, str]]:
    """Parts behind the closing boundary: a program that used one boundary on two levels lost them there."""
    boundary, rest = param(part, "boundary"), part.epilogue
    if not isinstance(rest, str) or not 0 < len(boundary) <= 200 or f"--{boundary}" not in rest or "\n" not in rest:
        return []
    if content.opened >= _MAX_OPENED or '"' in boundary or "\\" in boundary:
        return []
    content.opened += 1
    content.note("bad_boundary")
    again = parse_part(to_bytes(f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n{rest}'), [], max_depth=8)
    return walk(again, content) if isinstance(again.get_payload(), list) else []


def _attached_mail(part: BoundedMessage, content: Content, payload: Any) -> list[tuple[str, str]]:
    """A mail inside the mail: listed, its text kept apart. Partial and external bodies are never fetched."""
    kind = part.get_content_type()
    if kind in ("message/delivery-status", "message/global-delivery-status"):  # outside a multipart/report
        read_status(part, content)
    if kind == "message/partial":
        content.note("partial")
    name = filename_of(part)
    inner = payload[0] if isinstance(payload, list) and payload else None
    if kind in ("message/rfc822", "message/global") and isinstance(inner, BoundedMessage):
        if encoding_of(part) == "base64" and not inner.keys() and isinstance(coded := inner.get_payload(), str):
            decoded = unbase64(to_bytes(coded), content)
            inner = parse_part(decoded[:MAX_TEXT], content.defects, max_depth=8)
        if not name:
            name = safe_filename(
                f"{decode_value(str(dict(inner.raw_items()).get('Subject', '')))[:80].strip() or 'bericht'}.eml"
            )
        content.forwarded.append(inner)
        note_original(inner, content)
    attach(part, content, None, name)
    if kind == "message/partial" and isinstance(inner, BoundedMessage) and param(part, "number").strip() == "1":
        return walk(inner, content)  # it holds the head of the whole mail; a later part begins anywhere
    return []


def _broken_multipart(part: BoundedMessage, content: Content, payload: Any) -> list[tuple[str, str]]:
    """A multipart whose boundary is missing or wrong: the boundary in use is looked for, else it is all text."""
    content.note("bad_boundary")
    text = payload if isinstance(payload, str) else ""
    if isinstance(payload, bytes):
        text = payload.decode("ascii", "surrogateescape")
    if encoding_of(part) == "base64" and content.opened < _MAX_OPENED:  # RFC 2045 §6.4 forbids it; programs do it
        content.opened += 1
        text = unbase64(to_bytes(text[:_MAX_CODED]), content).decode("ascii", "surrogateescape")
    found = _GUESSED_BOUNDARY.search(text[:200_000])
    # Wrong boundaries inside each other would be read over and over: the room is for all of them together.
    content.reading_room -= len(text) + 1_000
    if found and '"' not in found[1] and "\\" not in found[1] and content.reading_room > 0:
        head = f'Content-Type: {part.get_content_type()}; boundary="{found[1]}"\r\n\r\n'
        again = parse_part(to_bytes(head + text), content.defects, max_depth=8)
        if isinstance(again.get_payload(), list):
            return walk(again, content)
    return [("plain", clean_text(decode_bytes(to_bytes(text[:MAX_TEXT]), param(part, "charset"))[0]))]
