"""Header fields: encoded words, addresses, ids, dates and file names, as far as they can be read.

The parts of the standard library that raise on odd input are called for one value at a time, so that a
broken field costs that field alone. What leaves this module holds no line breaks or control characters.
"""

from __future__ import annotations

import binascii
import email.utils
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from triage.core.charsets import clean_line, decode_bytes, guess, to_bytes
from triage.core.mail import EmailAddress

MAX_VALUE = 65_536  # characters of one header value that are decoded; longer ones are cut
MAX_ADDRESSES = 10_000
MAX_ADDRESS_TEXT = 300_000  # characters of all fields of one name that are read for addresses
MAX_AUTHOR_TEXT = 50_000  # the same for fields that say who wrote
MAX_IDS = 1_000

_ENCODED_WORD = re.compile(r"=\?([^?\s]{0,80})\?([bBqQ])\?([^?]*)\?=")
_ENCODED_PHRASE = re.compile(
    r"(?:=\?[^?\s<>]{1,80}\?[bBqQ]\?[^?\s<>]{0,2000}\?=[ ]?){1,20}"
)  # whatever it should have coded
_FOLD = re.compile(r"\r?\n|\r")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]{1,250}@[!-;=?A-~]{1,250}>")
_BLANK_RUN = re.compile(r"[ \t\r\n]+")


def _decode_word(encoding: str, payload: str) -> bytes | None:
    """The bytes of one encoded word; None when they cannot be had."""
    data = to_bytes(payload)
    if encoding in "qQ":
        return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)
    stripped = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    stripped = stripped[: len(stripped) - 1] if len(stripped) % 4 == 1 else stripped
    if data.strip() and not stripped:
        return None
    try:
        return binascii.a2b_base64(stripped + b"=" * (-len(stripped) % 4))
    except binascii.Error:
        return None


def _decode_words(value: str) -> str:
    out: list[str] = []
    pending, charset, last, after_word = b"", "", 0, False

    def flush() -> None:
        nonlocal pending
        if pending:
            out.append(decode_bytes(pending, charset)[0])
            pending = b""

    for match in _ENCODED_WORD.finditer(value):
        between = value[last : match.start()]
        word = _decode_word(match[2], match[3])
        # Blanks between two encoded words are not shown (RFC 2047 §6.2); a character may be split over both.
        apart = bool(between.strip()) or not after_word
        if apart or word is None or match[1].lower() != charset.lower():
            flush()
        if apart or word is None:
            out.append(between)
        if word is None:
            out.append(match[0])
        else:
            pending, charset = pending + word, match[1]
        last, after_word = match.end(), word is not None
    flush()
    out.append(value[last:])
    return "".join(out)


def decode_value(raw: str, hint: str = "") -> str:
    """A header value as people read it: unfolded, 8-bit bytes and encoded words decoded, on one line.

    `hint` is the charset of the mail's text, in which old programs write their headers too.
    """
    value = _FOLD.sub("", raw[:MAX_VALUE])
    if "\x1b$" in value:
        value = decode_bytes(to_bytes(value), "iso-2022-jp")[0]
    if value.isascii() and "=?" not in value:
        return clean_line(value)
    if not value.isascii():
        value = guess(to_bytes(value), hint)
    return clean_line(_decode_words(value) if "=?" in value else value)


def message_ids(values: Iterable[str]) -> tuple[str, ...]:
    """The well-formed ids with their brackets (RFC 5322 §3.6.4), in order, without repeats."""
    found: dict[str, None] = {}
    for value in values:
        for match in _MESSAGE_ID.finditer(_FOLD.sub("", value[: MAX_VALUE * 4])):
            found[match[0]] = None
            if len(found) >= MAX_IDS:
                return tuple(found)
    return tuple(found)


def parse_date(raw: str) -> datetime | None:
    """The author's date, aware; None when it is no date. `-0000` (RFC 5322 §3.3) counts as UTC."""
    try:
        date = email.utils.parsedate_to_datetime(clean_line(raw[:200]))
        aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        aware.astimezone(UTC)  # raises when the year is at the edge of what can be told
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        return None
    return aware


# ---------------------------------------------------------------- addresses

_ATEXT = r"[^\s\x00-\x1f\x7f-\x9f()<>\[\]:;@\\,.\"\u2028\u2029\ud800-\udfff]"
_LOCAL = re.compile(rf"(?:{_ATEXT}+(?:\.{_ATEXT}+)*|\"[ !#-\[\]-~]{{1,62}}\")")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?(?:\.[^\W_](?:[\w-]{0,61}[^\W_])?)*|\[[0-9A-Fa-f:.IPv]{3,50}\])")
_ANGLE = re.compile(r"<\s{0,8}([^<>\s]{3,320})\s{0,8}>")
_GROUP = re.compile(r"[^<>@\",()]{0,200}:[^:]")
_BIDI = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


def valid_address(text: str) -> str | None:
    """`local@domain` when it can be one address (RFC 5322 §3.4.1, RFC 6532 §3.2), else None."""
    address = text.strip()
    if len(address) > 254 or _BIDI.search(address):
        return None
    local, at, domain = address.rpartition("@")
    domain = domain.removesuffix(".")
    if not at or len(local.encode("utf-8", "replace")) > 64:
        return None
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return None
    return f"{local}@{domain}"


def _name(text: str) -> str:
    name = text.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return decode_value(name)[:500].strip().strip("'\"").strip()


def _single(value: str) -> tuple[str, str] | None:
    """The common forms `a@b`, `Name <a@b>`, `"Name, x" <a@b>`; None when the value needs the full grammar."""
    if value.count("<") == 1 and value.endswith(">"):
        name, _, address = value[:-1].partition("<")
        name = name.strip()
        quoted = len(name) > 1 and name[0] == name[-1] == '"' and '"' not in name[1:-1] and "\\" not in name
        if quoted or _ENCODED_PHRASE.fullmatch(name) or not any(c in name for c in ',;:()"\\'):
            return name, address
    if not any(c in value for c in '<>,;:()"\\ '):
        return "", value
    return None


def _full(value: str) -> list[tuple[str, str]]:
    strict = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}
    try:
        return email.utils.getaddresses([value], **strict)
    except (RecursionError, ValueError, IndexError, TypeError, AttributeError):
        return [("", match[1]) for match in _ANGLE.finditer(value)]


def parse_addresses(
    raws: Iterable[str], *, keep_groups: bool = True, hint: str = ""
) -> tuple[tuple[EmailAddress, ...], bool]:
    """The valid addresses in order and whether anything had to be dropped.

    Structure is read before encoded words are decoded (RFC 2047 §6.2), so a comma in a name never splits.
    With `keep_groups` False the members of a group are dropped: nobody wrote as a group.
    """
    found: list[EmailAddress] = []
    dropped = False
    room = MAX_ADDRESS_TEXT if keep_groups else MAX_AUTHOR_TEXT
    for raw in raws:
        dropped = dropped or len(raw) > room
        value = _FOLD.sub("", raw[:room]).strip()
        room -= min(room, len(raw))
        if not value.isascii():
            value = guess(to_bytes(value), hint)
        value = _BLANK_RUN.sub(" ", value)
        single = _single(value)
        if single is None and not keep_groups and ";" in value and _GROUP.match(value):
            dropped = True
            continue
        for name, address in [single] if single else _full(value):
            if not address and not name:
                continue
            valid = valid_address(address)
            if valid is None:
                dropped = True
            elif len(found) < MAX_ADDRESSES:
                found.append(EmailAddress(valid, _name(name)))
            else:
                dropped = True
    return tuple(found), dropped


# ---------------------------------------------------------------- file names

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


def safe_filename(name: str) -> str:
    """A name to show and to offer: no path, controls or direction marks, at most 150 characters; "" when none."""
    name = re.split(r"[/\\]", decode_value(name))[-1]
    name = re.sub(r'[<>:"|?*]', "_", name).strip(" .")
    if _RESERVED.match(name):
        name = f"_{name}"
    if len(name) > 150:
        stem, dot, extension = name.rpartition(".")
        name = f"{stem[: 149 - len(extension)]}.{extension}" if dot and len(extension) <= 10 else name[:150]
    return name
