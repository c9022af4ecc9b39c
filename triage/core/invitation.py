"""The words of a calendar part (RFC 5545): what a mail that is only an invitation says."""

from __future__ import annotations

import re

from triage.core.charsets import clean_text, decode_bytes

_MAX_BYTES = 200_000
_FOLD = re.compile(r"\n[ \t]")
_LINE = re.compile(r"^(SUMMARY|DESCRIPTION|LOCATION|DTSTART)((?:;[^:\n]{0,300})?):(.{1,20000})$", re.MULTILINE)
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2}))?")
_ESCAPED = re.compile(r"\\([\\;,nN])")


def invitation_text(data: bytes, charset: str) -> str:
    """Title, time, place and description of the first event, one a line; "" when it has none of them."""
    text = _FOLD.sub("", clean_text(decode_bytes(data[:_MAX_BYTES], charset or "utf-8")[0]))
    begin = re.search(r"^BEGIN:V(?:EVENT|TODO|JOURNAL)", text, re.MULTILINE)
    event = text[begin.end() :] if begin else text
    end = re.search(r"^(?:BEGIN:VALARM|END:V)", event, re.MULTILINE)
    found: dict[str, str] = {}
    for match in _LINE.finditer(event[: end.start()] if end else event):
        found.setdefault(match[1], match[3])
    if "DTSTART" in found:
        found["DTSTART"] = _when(found["DTSTART"])
    words = (_ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], found.get(name, "")) for name in _ORDER)
    return "\n".join(line for line in words if line.strip())


_ORDER = ("SUMMARY", "DTSTART", "LOCATION", "DESCRIPTION")


def _when(value: str) -> str:
    """`20261120T100000` as 20-11-2026 10:00; a time in UTC says so."""
    match = _DATE.match(value)
    if not match:
        return ""
    day = f"{match[3]}-{match[2]}-{match[1]}"
    if not match[4]:
        return day
    return f"{day} {match[4]}:{match[5]}{' UTC' if value.rstrip().endswith('Z') else ''}"
