"""Any bytes to a ParsedMail. Total: what cannot be read becomes a defect, never an exception.

Bounds: nesting 60, parts 1,000, headers 2,000, text 2 MB kept and 0.3 MB judged. `tests/benchmark/hostile.py` measures
what the worst mails take.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from triage.core.body import MAX_SHOWN, Body, one_line, read_body
from triage.core.content import Content
from triage.core.headers import MAX_VALUE, decode_value, message_ids, parse_addresses, parse_date, valid_address
from triage.core.mail import Attachment, EmailAddress, ParsedMail
from triage.core.mime import PARSER_ERRORS, BoundedMessage, Tree, read_tree
from triage.core.walk import walk

MAX_HEADERS = 2_000
MAX_HEADER_TEXT = 2_000_000  # characters of decoded header values in all
_MAX_RECEIVED = 100  # RFC 5321 §6.3: more looks like a loop

_KNOWN_HEADERS = frozenset(
    "from to cc subject date received message-id return-path content-type mime-version reply-to sender in-reply-to "
    "references delivered-to x-mailer user-agent list-id auto-submitted dkim-signature bcc".split()
)
_ONCE = (
    "subject",
    "content-type",
    "message-id",
    "from",
    "date",
    "in-reply-to",
    "references",
    "reply-to",
    "to",
    "sender",
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_BODY_MESSAGE_ID = re.compile(r"^[ >\t]{0,8}Message-ID:\s{0,4}(<[^<>\s]{3,250}>)", re.IGNORECASE | re.MULTILINE)
_MACHINE_FROM = re.compile(r"(?:mailer-daemon|postmaster)@", re.IGNORECASE)

T = TypeVar("T")


_CHARSET = re.compile(rb"charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{2,40})", re.IGNORECASE)


def parse_mail(raw: bytes) -> ParsedMail:
    """What can be read of a mail (RFC 5322, RFC 2045-2049), from any bytes. Never raises."""
    defects: list[str] = []

    def attempt(what: str, read: Callable[[], T], default: T) -> T:
        """One stage; the rest of the mail survives its failure, and the defect tells staff."""
        try:
            return read()
        except PARSER_ERRORS:
            defects.append(what)
            return default

    tree = attempt("bad_structure", lambda: read_tree(raw), Tree(BoundedMessage(), raw))
    defects += tree.defects
    no_fields: list[tuple[str, str]] = []
    fields = attempt("bad_headers", lambda: _raw_fields(tree.root, defects), no_fields)
    named = _CHARSET.search(raw, 0, 50_000)
    hint = named[1].decode("ascii", "replace") if named else ""
    headers = tuple(attempt("bad_headers", lambda: _decoded(fields, defects, hint), no_fields))
    content = Content(defects=defects)
    blocks = walk(tree.root, content, tree.body)
    content.forwarded = content.forwarded[:20]

    def values(name: str) -> list[str]:
        return [value for key, value in fields if key == name]

    def addresses(name: str, *, keep_groups: bool = True) -> tuple[EmailAddress, ...]:
        found, dropped = parse_addresses(values(name), keep_groups=keep_groups, hint=hint)
        if dropped:
            content.note(f"bad_address_{name.replace('-', '_')}")
        return found

    nobody: tuple[EmailAddress, ...] = ()
    no_ids: tuple[str, ...] = ()
    subject = next((value for key, value in headers if key == "subject"), "")
    from_addresses = attempt("bad_from", lambda: addresses("from", keep_groups=False), nobody)
    sender = attempt("bad_sender", lambda: addresses("sender", keep_groups=False), nobody)
    in_reply_to = attempt("bad_ids", lambda: message_ids(values("in-reply-to")), no_ids)
    references = attempt("bad_ids", lambda: message_ids(values("references")), no_ids)
    own_ids = attempt("bad_ids", lambda: message_ids(values("message-id")), no_ids)
    if values("message-id") and not own_ids:
        content.note("bad_message_id")
    date = parse_date(values("date")[0]) if values("date") else None
    if values("date") and date is None:
        content.note("bad_date")
    from_spare = not content.report_type and content.spare and not any(text.strip() for _, text in blocks)
    if from_spare:
        blocks = attempt("bad_part", lambda: [read() for read in content.spare], [])
    answers = bool(in_reply_to or references)
    body = attempt("bad_text", lambda: read_body(blocks, subject=subject, answers=answers), _plain_body(blocks))
    for defect in body.defects:
        content.note(defect)
    forwarded_text = body.forwarded_text
    originally_from, originally_found = body.originally_from, "text" if body.originally_from else ""
    if not forwarded_text and content.forwarded and content.report_type is None:
        forwarded_text = attempt("bad_forward", lambda: _attached_text(content.forwarded[0]), "")
        writer = attempt("bad_forward", lambda: _attached_writer(content.forwarded[0]), "")
        originally_from, originally_found = (writer, "attached") if writer else (originally_from, originally_found)
    if content.attachments and (from_spare or not body.text.strip()) and not forwarded_text:
        content.note("content_only_in_attachment")
    report_about = tuple(dict.fromkeys(content.report_about))
    if not report_about and from_addresses and _MACHINE_FROM.match(from_addresses[0].address):
        report_about = tuple(match[1] for match in _BODY_MESSAGE_ID.finditer(body.text[:100_000]))[:5]
    new_text = body.new_text
    if not body.text.strip() and forwarded_text:
        content.note("only_forward")
        new_text = forwarded_text
    has_header = any(name in _KNOWN_HEADERS for name, _ in fields)
    return ParsedMail(
        headers=headers,
        message_id=own_ids[0] if own_ids else None,
        in_reply_to=in_reply_to,
        references=references,
        subject=subject,
        from_addresses=from_addresses,
        sender=sender[0] if len(sender) == 1 else None,
        reply_to=attempt("bad_reply_to", lambda: addresses("reply-to", keep_groups=False), nobody),
        to=attempt("bad_to", lambda: addresses("to"), nobody),
        cc=attempt("bad_cc", lambda: addresses("cc"), nobody),
        return_path=_return_path(values("return-path")),
        date=date,
        text=body.text,
        new_text=new_text,
        forwarded_text=forwarded_text,
        originally_from=originally_from,
        originally_found=originally_found,
        html=content.html,
        attachments=tuple(_cleaned(item) for item in content.attachments[:1_000]),
        content_type=_type_of(tree.root),
        report_type=content.report_type or None,
        report_about=report_about,
        report_actions=tuple(content.report_actions[:1_000]),
        report_recipients=tuple(content.report_recipients[:1_000]),
        attached_ids=tuple(dict.fromkeys(content.attached_ids)),
        attached_subjects=tuple(content.attached_subjects),
        calendar_method=content.calendar_method,
        defects=tuple(dict.fromkeys(defects)),
        readable=has_header or _is_text(body.text),
    )


def _raw_fields(root: BoundedMessage, defects: list[str]) -> list[tuple[str, str]]:
    """(lower-case name, raw value) of the first 2,000 fields, with duplicates and loops noted."""
    fields: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for name, value in root.raw_items():
        if len(fields) >= MAX_HEADERS:
            defects.append("too_many_headers")
            break
        key = name.strip().lower()
        fields.append((key, str(value)))
        seen[key] = seen.get(key, 0) + 1
    defects += [f"duplicate_{name.replace('-', '_')}" for name in _ONCE if seen.get(name, 0) > 1]
    if seen.get("received", 0) > _MAX_RECEIVED:
        defects.append("too_many_hops")
    return fields


def _decoded(fields: list[tuple[str, str]], defects: list[str], hint: str) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    room = MAX_HEADER_TEXT
    for name, value in fields:
        if len(value) > MAX_VALUE or room <= 0:
            defects.append("header_too_long")
        text = decode_value(value[: max(0, room)], hint)
        room -= len(value)
        headers.append((name, text))
    return headers


def _return_path(values: list[str]) -> str | None:
    """The reverse path; "" for the null one, also when any of several fields is null (the cautious reading)."""
    if not values:
        return None
    paths = [
        re.sub(r"\([^()]{0,200}\)", "", decode_value(value[:2000])).strip().strip("<>").strip() for value in values
    ]
    return "" if "" in paths else (valid_address(paths[0]) or paths[0][:254])


def _type_of(root: BoundedMessage) -> str:
    kind = root.get_content_type()
    return kind if re.fullmatch(r"[\w.+-]{1,80}/[\w.+-]{1,120}", kind, re.ASCII) else "application/octet-stream"


def _cleaned(item: Attachment) -> Attachment:
    kind = item.content_type
    if not re.fullmatch(r"[\w.+-]{1,80}/[\w.+-]{1,120}", kind, re.ASCII):
        kind = "application/octet-stream"
    return Attachment(item.filename, kind, max(0, item.size))


def _plain_body(blocks: list[tuple[str, str]]) -> Body:
    text = "\n".join(block for kind, block in blocks if kind == "plain").strip()[:MAX_SHOWN]
    return Body(text, text[:1_000_000], "")


def _attached_writer(message: BoundedMessage) -> str:
    """The From of an attached mail as it stands there; a claim of the one who attached it."""
    return one_line(decode_value(str(message.get("from", ""))[:MAX_VALUE]))


def _attached_text(message: BoundedMessage) -> str:
    """The new text of an attached mail; its own attachments and reports are not looked into."""
    inner = Content()
    subject = decode_value(str(message.get("subject", ""))[:MAX_VALUE])
    return read_body(walk(message, inner), subject=subject, answers=False).new_text


def _is_text(text: str) -> bool:
    """Words that a person could read, for bytes without a single known header."""
    sample = text[:4_000]
    words = _WORD.findall(sample)
    if not words:
        return False
    plain = sum(1 for char in sample if char.isalnum() or char.isspace() or char in ".,;:!?'\"()-/@&%€+*_#=<>[]")
    letters = sum(len(word) for word in words)
    common = sum(1 for char in sample if char.isascii() and char.isalpha())
    foreign = sum(1 for char in sample if ord(char) > 0x24F and char.isalpha())
    return plain >= 0.9 * len(sample) and letters >= 0.3 * len(sample) and common + foreign >= 0.6 * letters
