"""Outlook's winmail.dat ([MS-OXTNEF], [MS-OXPROPS]): the text in it and the names of the files in it.

The library for this format copies what is left of the file for every attribute, counts to the number of properties a
file claims to have, and logs what it finds; ten megabytes of small attributes stop it for minutes. Here every step
moves on in the bytes that are there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from triage.core.charsets import decode_start
from triage.core.rtf import decompress, rtf_to_text

SIGNATURE = b"\x78\x9f\x3e\x22"
_ATTRIBUTE = struct.Struct("<BHHI")
_MAX_ATTRIBUTES = 20_000
_MAX_PROPERTIES = 20_000
_MAX_FILES = 1_000
_MAX_TEXT = 2_000_000

_BODY, _TITLE, _DATA, _NEW_FILE, _PROPERTIES, _FILE_PROPERTIES, _CODEPAGE = (
    0x800C, 0x8010, 0x800F, 0x9002, 0x9003, 0x9005, 0x9007,
)  # fmt: skip
_PR_BODY, _PR_RTF, _PR_HTML, _PR_CODEPAGE = 0x1000, 0x1009, 0x1013, 0x3FDE
_PR_FILE_DATA, _PR_FILE_NAME, _PR_LONG_NAME, _PR_MIME_TAG = 0x3701, 0x3704, 0x3707, 0x370E
_FIXED = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_STRINGS = frozenset({0x1E, 0x1F})
_VARIABLE = _STRINGS | {0x0D, 0x102}


@dataclass(slots=True)
class TnefFile:
    """A file inside; `name` as given."""

    name: str = ""
    content_type: str = "application/octet-stream"
    size: int = 0


@dataclass(slots=True)
class Tnef:
    """What was found; `whole` is False when the bytes end or stop making sense before their end."""

    text: str = ""
    html: str = ""
    files: list[TnefFile] = field(default_factory=list)
    whole: bool = True


def read_tnef(data: bytes) -> Tnef | None:
    """The contents as far as they can be read; None when these bytes are no TNEF. Never raises."""
    if not data.startswith(SIGNATURE):
        return None
    found = Tnef()
    codepage = "cp1252"
    properties: dict[int, bytes | str] = {}
    body = b""
    at = 6
    for _ in range(_MAX_ATTRIBUTES):
        if at + _ATTRIBUTE.size > len(data):
            found.whole = found.whole and at >= len(data)
            break
        level, name, _, length = _ATTRIBUTE.unpack_from(data, at)
        start = at + _ATTRIBUTE.size
        end = start + length
        if level not in (1, 2) or end + 2 > len(data):
            found.whole = False
        end = min(end, len(data))
        if level not in (1, 2):
            break
        if level == 1:
            if name == _CODEPAGE and length >= 4:
                codepage = f"cp{struct.unpack_from('<I', data, start)[0]}" if end - start >= 4 else codepage
            elif name == _BODY:
                body = data[start:end]
            elif name == _PROPERTIES:
                properties |= dict(_read_properties(data, start, end, codepage))
        else:
            _read_file(found, name, data, start, end, codepage)
        at = end + 2
    _choose_text(found, properties, body, codepage)
    return found


def _read_file(found: Tnef, name: int, data: bytes, start: int, end: int, codepage: str) -> None:
    if name == _NEW_FILE:
        if len(found.files) < _MAX_FILES:
            found.files.append(TnefFile())
        return
    if not found.files:
        return
    item = found.files[-1]
    if name == _TITLE:
        item.name = item.name or _string(data[start : min(end, start + 2_000)], codepage)
    elif name == _DATA:
        item.size = end - start
    elif name == _FILE_PROPERTIES:
        for number, value in _read_properties(data, start, end, codepage):
            if number == _PR_LONG_NAME and isinstance(value, str) and value:
                item.name = value
            elif number == _PR_FILE_NAME and isinstance(value, str):
                item.name = item.name or value
            elif number == _PR_MIME_TAG and isinstance(value, str) and value:
                item.content_type = value.lower()
            elif number == _PR_FILE_DATA and isinstance(value, bytes):
                item.size = item.size or len(value)


def _choose_text(found: Tnef, properties: dict[int, bytes | str], body: bytes, codepage: str) -> None:
    plain = properties.get(_PR_BODY, "")
    found.text = plain if isinstance(plain, str) else _string(plain, codepage)
    if not found.text.strip() and body:
        found.text = _string(body, codepage)
    html = properties.get(_PR_HTML, "")
    if isinstance(html, bytes):
        number = properties.get(_PR_CODEPAGE, b"")
        label = f"cp{struct.unpack('<I', number)[0]}" if isinstance(number, bytes) and len(number) == 4 else ""
        html = decode_start(html, label.replace("cp65001", "utf-8"), _MAX_TEXT)[0]
    found.html = html
    rtf = properties.get(_PR_RTF, b"")
    if not found.text.strip() and not found.html.strip() and isinstance(rtf, bytes):
        found.text = rtf_to_text(decompress(rtf))


def _string(value: bytes, codepage: str) -> str:
    return decode_start(value, codepage.replace("cp65001", "utf-8"), _MAX_TEXT)[0].rstrip("\0")


def _read_properties(data: bytes, at: int, end: int, codepage: str) -> Iterator[tuple[int, bytes | str]]:
    """(number, value) of the properties of [MS-OXTNEF] 2.1.3.4; the last value of a repeated one counts."""
    at += 4  # how many there are said to be; the bytes themselves tell
    for _ in range(_MAX_PROPERTIES):
        if at + 4 > end:
            return
        kind, number = struct.unpack_from("<HH", data, at)
        at += 4
        if number >= 0x8000:  # a named property: its set and its number or name
            if at + 24 > end:
                return
            named, length = struct.unpack_from("<II", data, at + 16)
            at += 24 + (_padded(length) if named else 0)
        many, kind = bool(kind & 0x1000), kind & 0x0FFF
        count = 1
        if many or kind in _VARIABLE:
            if at + 4 > end:
                return
            count = struct.unpack_from("<I", data, at)[0]
            at += 4
        if kind in _FIXED:
            if at + _FIXED[kind] <= end and count == 1:
                yield number, data[at : at + _FIXED[kind]]
            at += _FIXED[kind] * count
            continue
        if kind not in _VARIABLE:
            return
        for _ in range(min(count, _MAX_PROPERTIES)):
            if at + 4 > end:
                return
            length = struct.unpack_from("<I", data, at)[0]
            value = data[at + 4 : min(at + 4 + length, end)]
            at += 4 + _padded(length)
            if kind == 0x1F:
                yield number, value[: 2 * _MAX_TEXT].decode("utf-16-le", "replace").rstrip("\0")
            elif kind == 0x1E:
                yield number, _string(value, codepage)
            else:
                yield number, value


def _padded(length: int) -> int:
    return length + -length % 4
