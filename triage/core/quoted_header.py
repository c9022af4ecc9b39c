"""The header block above a quoted or forwarded mail: "Van: … Verzonden: … Aan: … Onderwerp: …".

Letters, forms and lists have such lines too. What tells a program's block from a person's letterhead is the mix of
sender, moment with a clock time, receiver or subject, and an address; a rule or mark of the program above it helps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from triage.core import quote_patterns as p
from triage.core.attribution import squeeze

_LONGEST = 60  # lines of one block, wrapped lists of receivers included
_MANY = 8  # wrapped lines below one header


@dataclass(slots=True)
class _Seen:
    """What of a block has been read. `values` by kind, the first of each."""

    names: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    sent: bool = False  # a name that only mail programs use for the moment
    kind: str = ""  # of the last header

    def add(self, name: str, value: str) -> None:
        self.names.add(name)
        self.kind = p.KINDS[name]
        if self.kind != "other" and not self.values.get(self.kind):
            self.values[self.kind] = value
        self.sent = self.sent or name in p.SENT_NAMES

    def more(self, text: str) -> None:
        if self.kind in ("from", "date", "subject") and len(self.values.get(self.kind, "")) < 300:
            self.values[self.kind] = f"{self.values.get(self.kind, '')} {text}".strip()


@dataclass(frozen=True, slots=True)
class QuotedHeader:
    """`length` in lines; `author` is the From value as it stands there: a claim, not a checked address."""

    length: int
    author: str


def _headers_in(line: str) -> list[tuple[str, str]]:
    """(lower-case name, value) of each header on this line; [] when it does not begin with one."""
    first = _header(line)
    if not first:
        return []
    if line.count(":") < 2:
        return [first]
    return [found for piece in p.HEADER_INSIDE.split(line) if (found := _header(piece.strip()))]


def _header(text: str) -> tuple[str, str] | None:
    match = p.HEADER.fullmatch(text)
    if not match:
        return None
    name = " ".join(match[1].lower().split())
    return (name, match[2].strip(" \t*_")) if name in p.KINDS else None


def quoted_header(lines: Sequence[str], at: int, *, hinted: bool, is_reply: bool) -> QuotedHeader | None:
    """The header block that begins at `at`, or None. `hinted`: a program's rule or mark stands right above it."""
    first = _headers_in(squeeze(lines[at]))
    if not first:
        return None
    from_first = p.KINDS.get(first[0][0]) == "from"
    if not from_first and not hinted:
        if p.KINDS.get(first[0][0]) not in ("date", "to", "subject"):
            return None
        if at and _headers_in(squeeze(lines[at - 1])):  # inside a block that was refused
            return None
    seen = _Seen()
    end, loose, position = at, 0, at
    while position < len(lines) and position - at < _LONGEST:
        line = squeeze(lines[position])
        headers = _headers_in(line)
        if headers:
            if "from" in seen.values and p.KINDS.get(headers[0][0]) == "from":  # a list, or the next mail's header
                break
            for name, value in headers:
                seen.add(name, value)
            end, loose = position, 0
        elif not line:
            # Outlook's plain text has no blank line inside; Yahoo and copies have one after each.
            following = squeeze(lines[position + 1]) if position + 1 < len(lines) else ""
            if _complete(seen) or not _headers_in(following):
                if following or position + 2 >= len(lines) or _complete(seen):
                    break
                if not _headers_in(squeeze(lines[position + 2])):
                    break
        else:
            loose += 1
            if not _continues(line, loose, seen):
                break
            seen.more(line)
            end = position
        position += 1
    if not _is_program(seen, hinted=hinted, from_first=from_first, is_reply=is_reply):
        return None
    return QuotedHeader(end - at + 1, seen.values.get("from", "").strip(" \t*_"))


def _complete(seen: _Seen) -> bool:
    return {"from", "date", "to", "subject"} <= seen.values.keys() and bool(seen.values.get("subject"))


def _continues(line: str, loose: int, seen: _Seen) -> bool:
    """Is a line without a header name the rest of the header above it?"""
    if loose > _MANY:
        return False
    if not seen.values.get(seen.kind, "-"):  # the value stands on the line below its name
        return len(line) < 200
    if seen.kind in ("to", "other"):
        return ";" in line or "@" in line or (loose == 1 and "," in line and len(line) < 120)
    if seen.kind == "from":
        return bool(p.ADDRESS.search(line)) and len(line) < 200
    return loose == 1 and seen.kind == "subject" and not _complete(seen)


def _is_program(seen: _Seen, *, hinted: bool, from_first: bool, is_reply: bool) -> bool:
    values = seen.values
    author, moment = values.get("from", ""), values.get("date", "")
    dated = bool(re.search(r"\d", moment))
    clock = bool(p.CLOCK.search(p.YEARED.sub(" ", moment)))
    to, subject = "to" in values, "subject" in values
    known = bool(p.ADDRESS.search(author))
    addressed = known or bool(p.ADDRESS.search(values.get("to", "")))
    if hinted:
        return (bool(author) and (dated or to or subject)) or (dated and to and subject)
    if not author:
        # only a moment as a program writes it, and a receiver with an address
        return bool(re.search(r"[+-]\d{4}\b", moment)) and clock and addressed and not from_first
    if not from_first:
        return known and dated and clock and (to or subject)
    if dated and clock and addressed and (to or subject):
        return True
    if known and to and subject:
        return True
    if clock and seen.sent and dated and to and subject:
        return True
    return is_reply and dated and clock and ((seen.sent and (to or subject)) or (to and subject))
