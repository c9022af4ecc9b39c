"""The content of an S/MIME message that is signed but not encrypted (RFC 5652 §5, RFC 8551 §3.5.2).

The library for certificates reads only the strict encoding; mail programs send the loose one (BER, lengths left open).
The signature is not checked here: what it wraps is text like any other.
"""

from __future__ import annotations

SIGNED = bytes.fromhex("2a864886f70d010702")
ENVELOPED = bytes.fromhex("2a864886f70d010703")
_OID, _INTEGER, _OCTETS, _OCTETS_IN_PIECES, _SEQUENCE, _SET, _CONTEXT = 0x06, 0x02, 0x04, 0x24, 0x30, 0x31, 0xA0
_MAX_PIECES = 100_000
_MAX_STEPS = 10_000


class _NotCms(Exception):
    pass


def kind_of(data: bytes) -> bytes:
    """The object identifier of the content type, b"" when these bytes are no CMS message."""
    try:
        at, _ = _enter(data, 0, _SEQUENCE)
        start, end = _enter(data, at, _OID)
    except _NotCms:
        return b""
    return data[start:end]


def signed_content(data: bytes) -> bytes | None:
    """What was signed, usually a MIME part; None when there is nothing readable inside. Never raises."""
    try:
        at, _ = _enter(data, 0, _SEQUENCE)
        start, end = _enter(data, at, _OID)
        if data[start:end] != SIGNED:
            return None
        at, _ = _enter(data, end, _CONTEXT)
        at, _ = _enter(data, at, _SEQUENCE)
        at = _skip(data, at, _INTEGER)
        at = _skip(data, at, _SET)
        at, _ = _enter(data, at, _SEQUENCE)
        at = _skip(data, at, _OID)
        at, _ = _enter(data, at, _CONTEXT)
        return _octets(data, at)
    except _NotCms:
        return None


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, start and length of the element at `at`; length -1 when it is left open."""
    if at + 2 > len(data):
        raise _NotCms
    tag, first = data[at], data[at + 1]
    if first < 0x80:
        return tag, at + 2, first
    if first == 0x80:
        return tag, at + 2, -1
    count = first & 0x7F
    if count > 5 or at + 2 + count > len(data):
        raise _NotCms
    return tag, at + 2 + count, int.from_bytes(data[at + 2 : at + 2 + count], "big")


def _enter(data: bytes, at: int, wanted: int) -> tuple[int, int]:
    """Start and end of the content of the element at `at`, which must have this tag."""
    tag, start, length = _header(data, at)
    if tag != wanted:
        raise _NotCms
    return start, len(data) if length < 0 else min(start + length, len(data))


def _skip(data: bytes, at: int, wanted: int) -> int:
    """The position behind the element at `at`."""
    tag, at, length = _header(data, at)
    if tag != wanted:
        raise _NotCms
    if length >= 0:
        return at + length
    depth = 1
    for _ in range(_MAX_STEPS):
        if data[at : at + 2] == b"\0\0":
            at, depth = at + 2, depth - 1
            if not depth:
                return at
            continue
        _, at, length = _header(data, at)
        if length < 0:
            depth += 1
        else:
            at += length
    raise _NotCms


def _octets(data: bytes, at: int) -> bytes:
    """An octet string, whole or in pieces; a message that breaks off gives what there is of it."""
    pieces: list[bytes] = []
    end = len(data)
    for _ in range(_MAX_PIECES):
        if at >= end or data[at : at + 2] == b"\0\0":
            break
        tag, start, length = _header(data, at)
        if tag == _OCTETS:
            pieces.append(data[start : start + max(length, 0)])
            at = start + max(length, 0)
        elif tag == _OCTETS_IN_PIECES:
            end = end if length < 0 else min(end, start + length)
            at = start
        else:
            break
    if not pieces:
        raise _NotCms
    return b"".join(pieces)
