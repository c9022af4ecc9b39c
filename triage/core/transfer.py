"""Transfer decoding as far as it holds (RFC 2045 §6), and uuencoded files inside a text."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

MAX_LINES = 400_000  # lines of a damaged part that are looked at one by one
_MAX_FILES = 1_000
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_WHITE = b" \t\r\n\x0b\x0c"
_OTHERS = bytes(set(range(256)) - set(_ALPHABET))
_MAX_PADDED = 10_000  # pieces with their own padding, one after another
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_LINE_END = re.compile(rb"\r\n?|\n")
_UU_BEGIN = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,300})\n", re.MULTILINE)


def first_lines(raw: bytes, count: int) -> bytes:
    """The first `count` lines; a bare CR ends a line too."""
    position = 0
    for number, match in enumerate(_LINE_END.finditer(raw), 1):
        position = match.end()
        if number == count:
            return raw[:position]
    return raw


def decode_base64(body: bytes) -> tuple[bytes, bool]:
    """The bytes and whether the base64 was whole.

    Text behind the end (the footer of a list or scanner) is kept as text, not decoded to noise.
    """
    tail = b""
    residue = body.translate(None, _ALPHABET + _WHITE)
    whole = not residue.strip(b"=")
    if not whole:
        good: list[bytes] = []
        if body.count(b"\n") + body.count(b"\r") > MAX_LINES:
            body = first_lines(body, MAX_LINES)
        lines = body.splitlines(keepends=True)
        for at, line in enumerate(lines):
            ended = good and good[-1].rstrip().endswith(b"=")
            foreign = _NOT_BASE64.search(line)
            if foreign and (ended or b" " in line.strip()):
                tail = b"\n" + b"".join(lines[at:])
                break
            if line.strip():
                good.append(line)
        body = b"".join(good)
    if b"=" in body[:-4] and body.count(b"=") <= _MAX_PADDED:  # some programs pad every piece
        pieces = [piece for piece in body.split(b"=") if piece]
    else:
        pieces = [body.partition(b"=")[0]]
    decoded = [_decode_piece(piece.translate(None, _OTHERS)) for piece in pieces]
    return b"".join(decoded) + tail, whole


def _decode_piece(clean: bytes) -> bytes:
    if len(clean) % 4 == 1:
        clean = clean[:-1]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def base64_size(length: int, white: int, padding: int) -> int:
    """Bytes that `length` bytes of base64 with so much white space and padding stand for."""
    return max(0, (length - white) * 3 // 4 - padding)


@dataclass(frozen=True, slots=True)
class CodedFile:
    """A uuencoded file: its name as given and its size in bytes."""

    name: str
    size: int


def without_uuencoded(text: str) -> tuple[str, list[CodedFile]]:
    """Text without the uuencoded files in it. A "begin" without coded lines below it is a sentence and stays."""
    files: list[CodedFile] = []
    pieces: list[str] = []
    kept = position = 0
    while len(files) < _MAX_FILES and (begin := _UU_BEGIN.search(text, position)):
        end, size = _coded_lines(text, begin.end())
        position = end
        if end == begin.end():
            continue
        files.append(CodedFile(begin[1], size))
        pieces.append(text[kept : begin.start()])
        kept = end
    return ("".join(pieces) + text[kept:] if files else text), files


def _coded_lines(text: str, at: int) -> tuple[int, int]:
    """Where the coded lines from `at` end, and how many bytes they hold."""
    size, start = 0, at
    while at < len(text):
        stop = text.find("\n", at, at + 100)
        line = text[at:stop] if stop >= 0 else text[at : at + 100]
        after = stop + 1 if stop >= 0 else at + len(line)
        if line.rstrip() == "end" and at > start:
            return after, size
        count = _line_size(line)
        if count is None:
            break
        size, at = size + count, after
    return at, size


def _line_size(line: str) -> int | None:
    """The bytes in one coded line; None when it is none. The padding of a last line is often left out."""
    if line.rstrip() in ("`", ""):
        return 0 if line else None
    count = (ord(line[0]) - 32) & 63
    needed = (count * 4 + 2) // 3 + 1
    held = len(line.rstrip(" ")) if len(line) > needed + 3 else len(line)
    if not count or not " " < line[0] <= "`" or not needed - 3 <= held <= needed + 3:
        return None
    return count if all(" " <= char <= "`" for char in line) else None


def decode_uu(data: bytes) -> bytes:
    """The first file of a uuencoded body; the bytes themselves when there is none."""
    text = data.decode("latin-1").replace("\r\n", "\n")
    begin = _UU_BEGIN.search(text)
    if not begin:
        return data
    end, _ = _coded_lines(text, begin.end())
    out: list[bytes] = []
    for line in text[begin.end() : end].split("\n")[:MAX_LINES]:
        try:
            out.append(binascii.a2b_uu(line.encode("latin-1")))
        except binascii.Error:
            continue  # the closing "end", or a line of which part is missing
    return b"".join(out)
