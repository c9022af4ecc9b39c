"""What the parts of a mail hold: bytes after transfer decoding, text, sizes; and where the walk puts what it finds."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from triage.core.charsets import clean_text, decode_start, to_bytes
from triage.core.headers import safe_filename
from triage.core.htmltext import meta_charset, without_data_uris
from triage.core.mail import Attachment, ReportedRecipient
from triage.core.mime import MAX_TEXT, BoundedMessage, encoding_of, filename_of, param
from triage.core.set_aside import noted_size
from triage.core.transfer import base64_size, decode_base64, decode_uu, without_uuencoded

# What Windows starts at a click, and office files that carry macros.
_PROGRAM = re.compile(
    r"\.(?:exe|scr|com|pif|bat|cmd|msi|msix|jar|js|jse|vbs|vbe|wsf|wsh|hta|ps1|cpl|reg|lnk|url|iso|img|vhdx?|appx|dll|chm|"
    r"docm|xlsm|pptm|dotm|xlam|xll|one)$",
    re.IGNORECASE,
)


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
    report_recipients: list[ReportedRecipient] = field(default_factory=list)
    attached_ids: list[str] = field(default_factory=list)
    attached_subjects: list[str] = field(default_factory=list)
    calendar_method: str = ""
    spare: list[Callable[[], tuple[str, str]]] = field(default_factory=list)  # for a mail without text of its own
    opened: int = 0  # wrappings that were opened
    reading_room: int = 12_000_000  # characters that may be parsed a second time
    defects: list[str] = field(default_factory=list)

    def note(self, defect: str) -> None:
        if defect not in self.defects:
            self.defects.append(defect)


def part_bytes(part: BoundedMessage, body: bytes | None, content: Content) -> bytes:
    """A leaf's bytes after transfer decoding, as far as the encoding holds (RFC 2045 §6)."""
    if body is None:
        payload = part.get_payload()
        body = to_bytes(payload) if isinstance(payload, str) else b""
    encoding = encoding_of(part)
    if encoding in ("quoted-printable", "quoted_printable", "qp"):
        return binascii.a2b_qp(body)
    if encoding in ("base64", "base-64", "b64"):
        return unbase64(body, content)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return decode_uu(body)
    if encoding not in ("", "7bit", "8bit", "binary", "7-bit", "8-bit"):
        content.note("unknown_transfer_encoding")
    return body


def unbase64(body: bytes, content: Content) -> bytes:
    data, whole = decode_base64(body)
    if not whole:
        content.note("bad_base64")
    return data


def size_of(part: Message, body: bytes | None) -> int:
    payload: Any = body if body is not None else part.get_payload()
    if isinstance(payload, list):
        return sum(
            size_of(child, None) + sum(len(k) + len(str(v)) + 4 for k, v in child.raw_items()) for child in payload
        )
    if not payload:
        return 0
    if (noted := noted_size(payload)) is not None:
        return noted
    if encoding_of(part) == "base64":
        blanks = payload.count(b"\n" if body is not None else "\n") + payload.count(b"\r" if body is not None else "\r")
        padding = payload[-8:].count(b"=" if body is not None else "=")
        return base64_size(len(payload), int(blanks), int(padding))
    if encoding_of(part) == "quoted-printable":
        return len(binascii.a2b_qp(payload if body is not None else to_bytes(payload)))
    return len(body if body is not None else str(payload))


def attach(part: BoundedMessage, content: Content, body: bytes | None = None, name: str = "") -> None:
    kind, name = part.get_content_type(), name or filename_of(part)
    content.attachments.append(Attachment(name, kind, size_of(part, body)))
    if _PROGRAM.search(name):
        content.note("program_attached")
    if kind == "application/octet-stream" and part.depth >= part.max_depth:
        content.note("nesting_too_deep")


def text_of(part: BoundedMessage, body: bytes | None, content: Content) -> str:
    is_html = part.get_content_type() == "text/html"
    limit = 5 * MAX_TEXT if is_html else MAX_TEXT  # pictures may stand in it
    if body is not None and len(body) > 2 * limit:
        body = body[: body.rfind(b"\n", limit, 2 * limit) + 1 or 2 * limit]
        content.note("text_too_long")
    data = part_bytes(part, body, content)
    label = param(part, "charset")
    if not label and is_html:
        label = meta_charset(data)
    text, defect, cut = decode_start(data, label, limit)
    if defect:
        content.note(defect)
    if is_html:
        text = without_data_uris(text)
    if cut or len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
        content.note("text_too_long")
    return clean_text(text)


def without_files(text: str, content: Content) -> str:
    """Text without its uuencoded files, which are listed as attachments."""
    text, files = without_uuencoded(text)
    content.attachments += [
        Attachment(safe_filename(item.name), "application/octet-stream", item.size) for item in files
    ]
    return text


def is_set_aside(part: Message, body: bytes | None) -> bool:
    payload = body if body is not None else part.get_payload()
    return isinstance(payload, str | bytes) and noted_size(payload) is not None
