"""Text of rich text as Outlook sends it: the compression of [MS-OXRTFCP] and the words between the codes."""

from __future__ import annotations

import re
import struct

from triage.core.charsets import codec_for

MAX_RTF = 500_000  # bytes that are read
_HEAD = struct.Struct("<III")
_COMPRESSED, _STORED = 0x75465A4C, 0x414C454D
# What the window holds at the start ([MS-OXRTFCP] 2.1.2.1).
_WINDOW_START = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS "
    b"Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20"
    b"\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096
_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)|[\\\r\n]"
)
_SILENT = frozenset(
    "fonttbl colortbl stylesheet info pict themedata colorschememapping datastore latentstyles listtable "
    "listoverridetable generator object fldinst header footer headerl headerr footerl footerr xmlnstbl rsidtbl".split()
)
_SIGNS = {
    "par": "\n", "line": "\n", "sect": "\n", "page": "\n", "row": "\n", "tab": "\t", "cell": " ", "emdash": "—",
    "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•",
}  # fmt: skip


def decompress(data: bytes) -> bytes:
    """The rich text of a PR_RTF_COMPRESSED value, as far as it goes; b"" when it is none."""
    if len(data) < 16:
        return b""
    _, size, kind = _HEAD.unpack_from(data)
    size = min(size, MAX_RTF)
    if kind == _STORED:
        return data[16 : 16 + size]
    if kind != _COMPRESSED:
        return b""
    out = bytearray(_WINDOW_START)
    first = len(out)
    at, end, full = 16, len(data), first + size
    while at < end and len(out) < full:
        control = data[at]
        at += 1
        for bit in range(8):
            if at >= end or len(out) >= full:
                break
            if not control >> bit & 1:
                out.append(data[at])
                at += 1
                continue
            if at + 1 >= end:
                return bytes(out[first:])
            reference = data[at] << 8 | data[at + 1]
            at += 2
            back = (len(out) - (reference >> 4)) % _WINDOW
            if not back or back > len(out):  # a reference to the place of writing is the end
                return bytes(out[first:])
            length = (reference & 15) + 2
            source = len(out) - back
            piece = bytes(out[source : source + length])
            out += (piece * (length // len(piece) + 1))[:length]
    return bytes(out[first:full])


def rtf_to_text(rtf: bytes) -> str:
    """The words of a rich text, one line a paragraph. Never raises; "" for what is no rich text."""
    if not rtf.lstrip()[:5].startswith(b"{\\rtf"):
        return ""
    out: list[str] = []
    pending = bytearray()  # \'hh bytes: a character may take two
    codec = "cp1252"
    states: list[tuple[bool, int]] = []
    silent, fallback = False, 1  # fallback: characters after \u that repeat it for old readers
    skip = 0
    star = False

    def flush() -> None:
        if pending:
            out.append(pending.decode(codec, "replace"))
            pending.clear()

    for match in _TOKEN.finditer(rtf[:MAX_RTF].decode("latin-1")):
        word, number, code, sign, brace, run = match.groups()
        if code:
            if skip:
                skip -= 1
            elif not silent:
                pending.append(int(code, 16))
            continue
        flush()
        if brace == "{":
            states.append((silent, fallback))
            skip = 0
        elif brace == "}":
            silent, fallback = states.pop() if states else (False, 1)
            skip = 0
        elif run:
            text = run[skip:]
            skip = max(0, skip - len(run))
            if not silent:
                out.append(text.encode("latin-1").decode(codec, "replace") if not text.isascii() else text)
        elif sign:
            if sign == "*":
                star = True
                continue
            if not silent and sign in "\\{}~_\r\n":
                out.append({"~": " ", "_": "-", "\r": "\n"}.get(sign, sign))
        elif word:
            if star or word in _SILENT:
                silent = True
            elif word == "u" and number:
                if not silent:
                    out.append(chr(int(number) % 0x10000))
                skip = fallback
            elif word == "uc" and number:
                fallback = min(max(int(number), 0), 10)
            elif word == "ansicpg" and number:
                codec = codec_for(f"cp{int(number)}") or codec
            elif word in _SIGNS and not silent:
                out.append(_SIGNS[word])
        star = False
    flush()
    text = "".join(out).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # \u gives halves of pairs
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()
