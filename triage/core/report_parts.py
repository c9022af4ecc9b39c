"""The machine parts of a report: what was refused, for whom, and about which mail (RFC 3464, 6533, 8098, 5965)."""

from __future__ import annotations

from email.message import Message
from typing import Any

from triage.core.charsets import to_bytes
from triage.core.content import Content, part_bytes, unbase64
from triage.core.headers import decode_value, message_ids
from triage.core.mime import BoundedMessage, encoding_of, parse_part
from triage.core.report_fields import reported_recipients


def read_report_part(part: BoundedMessage, content: Content) -> bool:
    """Reads a machine part of a report (RFC 3464, 6533, 8098, 5965); False when `part` is something else."""
    kind = part.get_content_type()
    if kind in ("message/rfc822", "message/global", "message/rfc822-headers"):
        inner: Any = part.get_payload()
        if isinstance(inner, list) and inner:
            note_original(inner[0], content)
            content.report_about += message_ids(str(v) for v in inner[0].get_all("message-id", []))
        return True
    if kind in ("text/rfc822-headers", "message/global-headers"):
        data = part_bytes(part, None, content)
        nested: Any = part.get_payload()
        inner_part = nested[0] if isinstance(nested, list) and nested else None
        if inner_part is None:
            inner_part = parse_part(data[:100_000], content.defects, headers_only=True)
        note_original(inner_part, content)
        content.report_about += message_ids(str(v) for v in inner_part.get_all("message-id", []))
        return True
    if kind.startswith("message/"):
        read_status(part, content)
        return True
    return False


def note_original(mail: Message, content: Content) -> None:
    """What a report can be known by: id and subject of a mail attached to this one."""
    if len(content.attached_subjects) < 20:
        content.attached_ids += message_ids(str(value) for value in mail.get_all("message-id", []))[:5]
        content.attached_subjects.append(decode_value(str(mail.get("subject", ""))[:2_000]))


def read_status(part: BoundedMessage, content: Content) -> None:
    """The fields of a machine part, in groups parted by blank lines; the first group is about the whole mail."""
    payload: Any = part.get_payload()
    groups: list[list[tuple[str, str]]] = []
    for block in payload if isinstance(payload, list) else []:
        fields = [(key.strip().lower(), str(value)) for key, value in block.raw_items()]
        rest = block.get_payload()
        if isinstance(rest, str) and rest.strip():
            if not fields and encoding_of(part) == "base64":
                rest = unbase64(to_bytes(rest), content).decode("utf-8", "replace")
            groups.append(fields)
            fields = []
            for line in rest.splitlines()[:5_000]:
                key, colon, value = line.partition(":")
                if colon and not key[:1].isspace():
                    fields.append((key.strip().lower(), value))
                elif not line.strip() and fields:
                    groups.append(fields)
                    fields = []
        groups.append(fields)
    for group in groups:
        for key, value in group:
            if key == "original-message-id":
                content.report_about += message_ids([value])
    found = reported_recipients([(key, decode_value(value)) for key, value in group] for group in groups)
    content.report_recipients += found
    content.report_actions += [one.action for one in found if one.action]
