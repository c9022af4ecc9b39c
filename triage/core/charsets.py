"""Bytes to text when the label may be missing, wrong or hostile. Never raises; says what was odd.

Readers of mail treat latin-1 as windows-1252 (WHATWG Encoding Standard), and much mail is UTF-8 whatever
its label says; a label is followed only as far as the bytes bear it out.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

_LABEL = re.compile(r"[a-z0-9][a-z0-9_.:+-]{0,39}")
_ALIASES = {
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "win1252": "cp1252",
    "win-1252": "cp1252",
    "cp-1252": "cp1252",
    "ansi": "cp1252",
    "x-ansi": "cp1252",
    "windows-31j": "cp932",
    "x-sjis": "cp932",
    "ks_c_5601": "cp949",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601-1989": "cp949",
    "ksc5601": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
}
_SILENT_LABELS = frozenset({"", "unknown-8bit", "8bit", "7bit", "x-unknown", "unknown", "binary", "default", "none"})
# Text to text by type, but not charsets of mail; idna and punycode also take quadratic time on long input.
_REFUSED = frozenset(
    {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem", "palmos", "charmap"}
)
_LATIN = frozenset({"cp1252", "iso8859-1", "ascii"})
_MEANINGLESS = b"\x81\x8d\x8f\x90\x9d"  # no character in windows-1252
_HIGH = re.compile(rb"[\x80-\xff]")
# C0 less tab and line feed, DEL, C1; overrides and isolates that can make text read otherwise than it is.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
_HEADER_BREAKS = re.compile("[\r\n\t\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")
_HEADER_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


_ESCAPED = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[\u00a0-\ud7ff\ue000-\U0010ffff]")
_AS_CP1252 = {0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") for byte in range(0x80, 0x100)}
_HIGH_WORD = re.compile(rb"[\xc0-\xff]{2,}")
_LETTER = re.compile(rb"[A-Za-z\xc0-\xff]")
_SAMPLE = 20_000  # bytes that a guess goes by
_STRETCH = 500_000  # characters


@lru_cache(maxsize=256)
def codec_for(label: str) -> str | None:
    """Python's codec name for a charset label; "" for a label that says nothing; None when unknown or refused.

    Quotes, blanks, a language suffix (RFC 2231 §5) and junk after the label are forgiven.
    """
    cleaned = label.strip().strip("\"'").split("*")[0].strip().lower()
    cleaned = re.split(r"[\s;,\"'()]", cleaned, maxsplit=1)[0]
    if cleaned in _SILENT_LABELS:
        return ""
    if not _LABEL.fullmatch(cleaned):
        return None
    try:
        info = codecs.lookup(_ALIASES.get(cleaned, cleaned))
    except (LookupError, ValueError, ImportError):
        return None
    # `_is_text_encoding` is how the standard library itself tells zlib and rot13 from charsets.
    if not getattr(info, "_is_text_encoding", False) or info.name.replace("-", "_") in _REFUSED:
        return None
    return info.name


def _one_byte(data: bytes) -> str:
    """Bytes of an unnamed charset with a byte a letter: windows-1252, or Cyrillic where whole words are above ASCII."""
    words = _HIGH_WORD.findall(data, 0, _SAMPLE)
    letters = sum(map(len, words))
    if letters > 12 and letters > 0.6 * len(_LETTER.findall(data, 0, _SAMPLE)):
        # Small letters are most of a text; the two common codes have them in opposite halves.
        upper_half = sum(1 for word in words for byte in word if byte >= 0xE0)
        return data.decode("cp1251" if upper_half > letters / 2 else "koi8-r", "replace")
    return _cp1252(data)


def _cp1252(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.translate(None, _MEANINGLESS).decode("cp1252")


def guess(data: bytes, hint: str = "") -> str:
    """Unlabelled bytes: UTF-8 when they are that, else the charset that the mail names for its text, if that is one of
    other than Latin letters, else windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        name = codec_for(hint) if hint else ""
        if name and name not in _LATIN and not name.startswith("utf"):
            return data.decode(name, "replace")
        return _one_byte(data)


def _damaged_utf8(data: bytes) -> tuple[str, str]:
    """Bytes called UTF-8 that are not that throughout: what is valid is kept, the rest is read as windows-1252."""
    text = data.decode("utf-8", errors="surrogateescape")
    odd = len(_ESCAPED.findall(text[:_STRETCH]))
    good = len(_BEYOND_ASCII.findall(text[:_STRETCH]))
    if good < odd:
        return _cp1252(data), "charset_mismatch"
    return text.translate(_AS_CP1252), "bad_bytes"


def _utf16(data: bytes, name: str) -> str:
    if name == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Without a mark RFC 2781 §4.3 says big-endian; Latin text shows the truth by where its zeros are.
        even, odd = data[0:400:2].count(0), data[1:400:2].count(0)
        name = "utf-16-le" if odd > even else "utf-16-be"
    return data.decode(name, errors="replace")


def _is_utf8(data: bytes, least: int) -> bool:
    """Is it valid UTF-8 with at least so many characters beyond ASCII? Other charsets hardly ever are by chance."""
    if len(_HIGH.findall(data, 0, _SAMPLE)) < 2 * least:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decode_bytes(data: bytes, label: str | None) -> tuple[str, str | None]:
    """Text and a defect slug or None. The text may still hold control characters: see `clean_text`."""
    if not data:
        return "", None
    if data.startswith(codecs.BOM_UTF8):
        return data[3:].decode("utf-8", errors="replace"), None
    name = codec_for(label or "")
    if not name:
        return guess(data), "unknown_charset" if name is None else None
    if name in _LATIN:
        if not _HIGH.search(data):
            return data.decode("ascii"), None
        try:  # several bytes that happen to be valid UTF-8 are no Latin text
            return data.decode("utf-8"), "charset_mismatch"
        except UnicodeDecodeError:
            return _one_byte(data), "charset_mismatch" if name == "ascii" else None
    if name.startswith("utf-16"):
        return _utf16(data, name), None
    if name != "utf-8" and name != "utf-7" and _is_utf8(data, 3):
        return data.decode("utf-8"), "charset_mismatch"
    try:
        return data.decode(name), None
    except (UnicodeError, ValueError, LookupError):
        pass  # the defect below records it
    if name != "utf-8" and _is_utf8(data, 1):
        return data.decode("utf-8"), "charset_mismatch"
    if name == "utf-8":
        return _damaged_utf8(data)
    try:
        return data.decode(name, errors="replace"), "bad_bytes"
    except (UnicodeError, ValueError, LookupError):
        return guess(data), "unknown_charset"


def decode_start(data: bytes, label: str | None, length: int) -> tuple[str, str | None, bool]:
    """The first `length` characters or somewhat more: text, defect slug or None, and whether bytes were left out.

    Most text has about a byte a character, so a long one is not decoded whole to throw most of it away.
    """
    wide = (codec_for(label or "") or "").startswith(("utf-16", "utf-32"))
    for factor in (1, 2, 4):
        limit = factor * (length + 4)
        if len(data) <= limit:
            break
        end = limit - limit % 4 if wide else data.rfind(b"\n", limit // 2, limit) + 1 or _character_start(data, limit)
        text, defect = decode_bytes(data[:end], label)
        if len(text) >= length // 2 or factor == 4:
            return text, defect, True
    return *decode_bytes(data, label), False


def _character_start(data: bytes, at: int) -> int:
    """The position at or just before `at` where a UTF-8 character begins."""
    while at > 0 and data[at] & 0xC0 == 0x80:
        at -= 1
    return at


def clean_text(text: str) -> str:
    """Body text with `\\n` line ends and no control characters but tab; databases refuse NUL."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    for line_break in "\x0b\x0c" if text.isascii() else "\x85\u2028\u2029\x0b\x0c":
        if line_break in text:
            text = text.replace(line_break, "\n")
    if not _UNSAFE.search(text):
        return text
    # In stretches: the pieces that a substitution holds until its end cost 60 bytes each.
    return "".join(_UNSAFE.sub("", text[at : at + _STRETCH]) for at in range(0, len(text), _STRETCH))


def clean_line(text: str) -> str:
    """One line for a header value, name or file name: no line breaks, controls or direction marks."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return _HEADER_UNSAFE.sub("", _HEADER_BREAKS.sub(" ", text)).strip()


def to_bytes(raw: str) -> bytes:
    """What stood in the mail, from a string of the standard library's parser (surrogates carry 8-bit bytes)."""
    try:
        return raw.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return raw.encode("utf-8", "replace")
