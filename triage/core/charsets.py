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
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LINE_BREAKS = re.compile("\r\n?|[\x85\u2028\u2029\x0b\x0c]")
_HEADER_BREAKS = re.compile("[\r\n\t\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")
_HEADER_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


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


def _cp1252(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.translate(None, _MEANINGLESS).decode("cp1252")


def guess(data: bytes) -> str:
    """Unlabelled bytes: UTF-8 when they are that, else windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _cp1252(data)


def _utf16(data: bytes, name: str) -> str:
    if name == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Without a mark RFC 2781 §4.3 says big-endian; Latin text shows the truth by where its zeros are.
        even, odd = data[0:400:2].count(0), data[1:400:2].count(0)
        name = "utf-16-le" if odd > even else "utf-16-be"
    return data.decode(name, errors="replace")


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
            return _cp1252(data), "charset_mismatch" if name == "ascii" else None
    if name.startswith("utf-16"):
        return _utf16(data, name), None
    try:
        return data.decode(name), None
    except (UnicodeError, ValueError, LookupError):
        pass  # the defect below records it
    if name == "utf-8":
        text = data.decode("utf-8", errors="replace")
        # A single cut character in long good UTF-8 is damage; much of it means that the label is wrong.
        damaged = text.count("\ufffd")
        good = len(re.findall("[\u00a0-\uffef]", text)) - damaged
        return (text, "bad_bytes") if good > 4 * damaged else (_cp1252(data), "charset_mismatch")
    try:
        return data.decode(name, errors="replace"), "bad_bytes"
    except (UnicodeError, ValueError, LookupError):
        return guess(data), "unknown_charset"


def clean_text(text: str) -> str:
    """Body text with `\\n` line ends and no control characters but tab; databases refuse NUL."""
    return _UNSAFE.sub("", _LINE_BREAKS.sub("\n", text))


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
