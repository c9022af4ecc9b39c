"""Large attachments kept out of the parser: 26 MB of base64 would be held as a list of lines, several times over.

Only what cannot hold a boundary is taken out: a run of bytes in which no line begins with "--". So the structure the
parser finds is the same, whatever the nesting; the part keeps its headers and a note of its size.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from triage.core.transfer import base64_size

LEAST = 256_000  # bytes of a part that are worth the search
MARK = b"\x00set aside: "
_HEAD_WINDOW = 16_384
_BOUNDARY_LINE = re.compile(rb"--[^\x00-\x08\x0a-\x1f\x7f]{1,2000}(?:[\r\n]|\Z)")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_TYPE = re.compile(rb"^content-type[ \t]*:[ \t]*(?:\r?\n[ \t]+)?([a-z]+)/([\w.+-]*)", re.IGNORECASE | re.MULTILINE)
_OPAQUE = frozenset({b"application", b"image", b"audio", b"video", b"font", b"model", b"chemical"})
_READ = re.compile(rb"tnef|pkcs7|winmail|\.p7m|pgp|/ics\b|rtf\b", re.IGNORECASE)  # what the reader looks into itself
_ATTACHED = re.compile(rb"^content-disposition[ \t]*:[ \t]*attachment", re.IGNORECASE | re.MULTILINE)
_ENCODING = re.compile(rb"^content-transfer-encoding[ \t]*:[ \t]*\"?([\w-]+)", re.IGNORECASE | re.MULTILINE)


def set_aside(raw: bytes, *, longest_text: int) -> tuple[bytes, bool]:
    """`raw` with a note in the place of each large attachment, and whether a text was cut at `longest_text` bytes."""
    if len(raw) < LEAST or MARK in raw:  # nobody but this function writes the note
        return raw, False
    view = memoryview(raw)
    pieces: list[bytes | memoryview] = []
    kept = 0
    cut = False
    for start, end in _long_runs(raw):
        line_end = raw.find(b"\n", start + 1, start + 1_000)
        head_end = _HEAD_END.search(raw, max(start, line_end - 1), min(end, start + _HEAD_WINDOW))
        if line_end < 0 or not head_end or _find_boundary_line(raw, b"\r--", start + 1, end) >= 0:
            continue
        head = raw[line_end : head_end.start() + 2]
        body = head_end.end()
        kind = _TYPE.search(head)
        family = kind[1].lower() if kind else b"text"
        if (family in _OPAQUE or (family == b"text" and _ATTACHED.search(head))) and not _READ.search(head):
            pieces += [view[kept:body], MARK + b"%d" % _size(raw, body, end, head)]
            kept = end
        elif family == b"text" and end - body > longest_text:
            stop = raw.rfind(b"\n", body, body + longest_text) + 1 or body + longest_text
            pieces.append(view[kept:stop])
            kept = end
            cut = True
    return (b"".join([*pieces, view[kept:]]) if pieces else raw), cut


def noted_size(payload: str | bytes) -> int | None:
    """The size in the note that stands for a payload, or None for a payload that is itself."""
    start = payload[: len(MARK) + 20]
    data = start.encode("ascii", "replace") if isinstance(start, str) else start
    digits = data.removeprefix(MARK).strip()
    return int(digits) if data.startswith(MARK) and digits.isdigit() else None


def _long_runs(raw: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of every run of at least `LEAST` bytes that begins with a line "--…" and holds no further one."""
    start = raw.find(b"\n--")
    while 0 <= start < len(raw) - LEAST:
        last = raw.rfind(b"\n--", start + 1, start + LEAST)
        while last > start and not _BOUNDARY_LINE.match(raw, last + 1):
            last = raw.rfind(b"\n--", start + 1, last + 2)
        if last > start:
            start = last
            continue
        following = _find_boundary_line(raw, b"\n--", start + LEAST - 3, len(raw))
        end = following if following >= 0 else len(raw)
        yield start, end - 1 if raw[end - 1 : end] == b"\r" else end
        start = following


def _find_boundary_line(raw: bytes, sign: bytes, start: int, end: int) -> int:
    """Where a possible boundary line begins, -1 when nowhere. Binary data holds `sign` by chance."""
    found = raw.find(sign, start, end)
    while found >= 0 and not _BOUNDARY_LINE.match(raw, found + 1):
        found = raw.find(sign, found + 1, end)
    return found


def _size(raw: bytes, start: int, end: int, head: bytes) -> int:
    """Bytes after transfer decoding."""
    found = _ENCODING.search(head)
    encoding = found[1].lower() if found else b""
    if encoding == b"base64":
        white = sum(raw.count(char, start, end) for char in (b"\n", b"\r", b" "))
        return base64_size(end - start, white, raw.count(b"=", max(start, end - 8), end))
    if encoding == b"quoted-printable":
        return len(binascii.a2b_qp(memoryview(raw)[start:end]))
    return end - start
