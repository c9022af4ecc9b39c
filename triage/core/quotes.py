"""What the sender wrote now, apart from quoted history, forwarded mail, signature and disclaimer.

quotequail knows the intro lines of many clients; the rules on top of it know Dutch Outlook, Samsung and the
rest, and keep answers below and between quotes. Losing a customer's sentence is worse than leaving a
quote in, so every rule needs marks that people do not write by chance. One pass over the lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from triage.core import quote_patterns as p
from triage.core.attribution import attribution, inside_line, next_filled, squeeze
from triage.core.quoted_header import quoted_header
from triage.core.signature import strip_signature

MAX_LINES = 20_000  # lines that are looked at; a longer text without a quote in them is kept whole
_CUT = "\ue003"
_ARMOUR = re.compile(r"-----(BEGIN|END) PGP ([A-Z ]{5,40})-----")
_MORE_THAN = re.compile(r"> ?\d{1,3}\b(?![.)])")  # "> 65 jaar": a sign of the sender's own, no quote mark
_SHORT_ANSWER = 60  # words; a longer new text is no mere pointer to answers in the quoted mail

Mark = Literal["history", "forward"]


@dataclass(frozen=True, slots=True)
class Split:
    """`new_text` may be empty; `forwarded_text` is the body of an inline-forwarded mail.

    `author` is the From line of that mail as it stands there, a claim of the one who forwarded. `answers_inside`:
    the sender says that the answers stand in the quoted mail, so `new_text` is all of it.
    """

    new_text: str
    forwarded_text: str = ""
    has_quote: bool = False
    author: str = ""
    answers_inside: bool = False


@dataclass(slots=True)
class _Reading:
    """One pass over the lines. `kept` is the sender's own; `cut_rest`: history ran to the end without quote marks."""

    lines: list[str]
    is_reply: bool
    is_forward: bool
    kept: list[str] = field(default_factory=list)
    forwarded: list[str] = field(default_factory=list)
    author: str = ""
    has_quote: bool = False
    cut_rest: bool = False
    runs: int = 0  # blocks of ">" lines in the whole text

    @property
    def other(self) -> Mark:
        return "forward" if self.is_forward or not self.is_reply else "history"


@dataclass(frozen=True, slots=True)
class _Border:
    """Where another mail begins: its kind, the lines of marking above its text, and its From value.

    `announced`: the marking says itself that a mail was forwarded.
    """

    kind: Mark
    length: int
    author: str = ""
    announced: bool = False


def split(text: str, *, is_reply: bool, is_forward: bool) -> Split:
    """New text and forwarded text. `is_reply`: the headers or subject say that it answers a mail.

    `is_forward`: the subject says so and no header speaks of an answer.
    """
    lines = _without_armour(text.split("\n"))
    beyond = lines[MAX_LINES:]
    reading = _Reading(lines[:MAX_LINES], is_reply, is_forward)
    reading.runs = _count_runs(reading.lines)
    at = 0
    while at < len(reading.lines) and not reading.cut_rest:
        at = _step(reading, at)
    if not reading.has_quote:
        reading.kept += beyond
    new_text = _tidy(strip_signature(reading.kept))
    forwarded = _tidy(strip_signature(reading.forwarded))
    if reading.cut_rest and not forwarded and _says_nothing(new_text):
        new_text = ""
    if reading.cut_rest and not forwarded and is_reply and _points_below(new_text):
        return Split(_tidy([line.replace(_CUT, "") for line in lines]), "", True, answers_inside=True)
    return Split(new_text, forwarded, reading.has_quote, reading.author)


def _step(reading: _Reading, at: int) -> int:
    """Reads one line, or a block that belongs together; returns the next line to read."""
    lines = reading.lines
    line = lines[at]
    if not line or line.isspace():
        reading.kept.append("")
        return at + 1
    if line[0] == ">":
        return _read_marked(reading, at)
    border = _border(reading, at)
    if border:
        return _cross(reading, at, border)
    found = attribution(lines, at)
    if found:
        length, how = found
        below = next_filled(lines, at + length)
        marked = below < len(lines) and lines[below].startswith(">")
        if marked and (how != "weak" or reading.is_reply):
            reading.has_quote = True
            return _skip_marked(lines, below)
        if below >= len(lines) and how in ("certain", "likely"):
            reading.has_quote = True
            return at + length
        # Nothing shows where the history ends: all below goes, if this is an answer or the line is beyond doubt.
        if how == "certain" or (how == "likely" and reading.is_reply):
            reading.has_quote = reading.cut_rest = True
            return len(lines)
    else:
        begins = inside_line(squeeze(line)) if "@" in line else 0
        below = next_filled(lines, at + 1)
        if begins and below < len(lines) and lines[below].startswith(">"):
            reading.kept.append(squeeze(line)[:begins].rstrip(" -"))
            reading.has_quote = True
            return _skip_marked(lines, below)
    reading.kept.append(line.replace(_CUT, ""))
    return at + 1


def _cross(reading: _Reading, at: int, border: _Border) -> int:
    """Past the marking of another mail: what is below goes, except own words under a forward in quote marks."""
    lines = reading.lines
    if not border.announced and _pasted(reading):
        reading.author = reading.author or border.author
        reading.kept += [item.replace(_CUT, "") for item in lines[at : at + border.length]]
        return at + border.length
    reading.has_quote = True
    rest = at + border.length
    reading.author = reading.author or (border.author if border.kind == "forward" else "")
    if border.kind == "forward":
        start = next_filled(lines, rest)
        if start < len(lines) and lines[start].startswith(">"):
            end = _skip_marked(lines, start)
            _take_forward(reading, lines[start:end])
            return end
        _take_forward(reading, [item.replace(_CUT, "") for item in lines[rest:]])
    reading.cut_rest = True
    return len(lines)


def _pasted(reading: _Reading) -> bool:
    """A first mail that announces what it shows ("Deze mail kreeg ik:"): pasted, with a question below it perhaps."""
    if reading.is_reply or reading.is_forward:
        return False
    before = next((line for line in reversed(reading.kept) if line.strip()), "")
    return squeeze(before).endswith(":")


def _take_forward(reading: _Reading, lines: list[str]) -> None:
    """The forwarded mail without its quote marks and header block."""
    if reading.forwarded:
        return
    lines = _unmarked(lines)
    start = next_filled(lines, 0)
    if start < len(lines) and p.FORWARD_LINE.fullmatch(squeeze(lines[start])):
        start = next_filled(lines, start + 1)
    header = quoted_header(lines, start, hinted=True, is_reply=False) if start < len(lines) else None
    if header:
        reading.author = reading.author or header.author
        start += header.length
    reading.forwarded = lines[start:]


def _border(reading: _Reading, at: int) -> _Border | None:
    """Where everything below is another mail; None on an ordinary line."""
    lines = reading.lines
    line = squeeze(lines[at])
    hinted = _CUT in line
    line = line.replace(_CUT, "").strip()
    if not line:
        return _below_rule(reading, at, at + 1) if hinted else None
    head = line[0]
    if p.RULE.fullmatch(line):
        return _below_rule(reading, at, at + 1)
    if head.isalnum() and ":" not in line and len(line) > 40:
        return None
    kind: Mark | None = None
    if p.FORWARD_RULE.fullmatch(line) or p.FORWARD_LINE.fullmatch(line):
        kind = "forward"
    elif p.HISTORY_RULE.fullmatch(line):
        kind = reading.other
    elif p.ANSWER_ABOVE.fullmatch(line):
        return _Border("history", 1)
    if kind:
        start = next_filled(lines, at + 1)
        header = quoted_header(lines, start, hinted=True, is_reply=reading.is_reply) if start < len(lines) else None
        announced = kind == "forward" and not p.HISTORY_RULE.fullmatch(line)
        if header:
            return _Border(kind, start - at + header.length, header.author, announced)
        return _Border(kind, 1, announced=announced)
    ruled = p.RULED_HEADER.match(line)
    if ruled:
        header = quoted_header([line[ruled.end() :]], 0, hinted=True, is_reply=reading.is_reply)
        return _Border(reading.other, 1, header.author) if header else None
    if p.HISTORY_WORDS.fullmatch(line):
        return _below_rule(reading, at, at + 1)
    if hinted:
        return _below_rule(reading, at, at)
    if ":" in line or "：" in line:
        header = quoted_header(lines, at, hinted=False, is_reply=reading.is_reply)
        if header:
            return _Border(reading.other, header.length, header.author)
    return None


def _below_rule(reading: _Reading, at: int, start: int) -> _Border | None:
    """A rule or a program's invisible mark counts only with a header or attribution below it."""
    lines = reading.lines
    start = next_filled([line.replace(_CUT, "") for line in lines[start : start + 6]], 0) + start
    if start >= len(lines):
        return None
    trial = [lines[start].replace(_CUT, ""), *lines[start + 1 : start + 70]]
    if p.RULE.fullmatch(squeeze(trial[0])) and start > at:
        below = next_filled(trial, 1)
        trial, start = trial[below:], start + below
        if not trial:
            return None
    header = quoted_header(trial, 0, hinted=True, is_reply=reading.is_reply)
    if header:
        return _Border(reading.other, start - at + header.length, header.author)
    found = attribution(trial, 0) if _CUT in lines[at] else None
    if found and found[1] != "weak":
        return _Border("history", start - at + found[0])
    return None


# ---------------------------------------------------------------- lines with ">"


def _count_runs(lines: list[str]) -> int:
    """Blocks of quote marks with other text between them."""
    marked = [line.startswith(">") for line in lines if line.strip()]
    return sum(1 for before, now in pairwise([False, *marked]) if now and not before)


def _skip_marked(lines: list[str], at: int) -> int:
    """The first line after a block of ">" lines; blank lines between two such lines belong to it."""
    while at < len(lines):
        if lines[at].lstrip(" ").startswith(">"):
            at += 1
            continue
        if lines[at].strip():
            break
        below = next_filled(lines, at)
        if below >= len(lines) or not lines[below].startswith(">"):
            break
        at = below
    return at


def _read_marked(reading: _Reading, at: int) -> int:
    """A block of ">" lines is history in an answer, or when a program's marks stand in it; else the sender's own."""
    lines = reading.lines
    if p.GROUPWISE.fullmatch(squeeze(lines[at])):
        reading.has_quote = reading.cut_rest = True
        return len(lines)
    end = _skip_marked(lines, at)
    block = lines[at:end]
    if _holds_history(reading, block):
        reading.has_quote = True
        inner = _unmarked(block)
        start = next_filled(inner, 0)
        if start < len(inner) and (
            p.FORWARD_LINE.fullmatch(squeeze(inner[start]))
            or (reading.other == "forward" and quoted_header(inner, start, hinted=False, is_reply=False))
        ):
            _take_forward(reading, block)
    elif reading.has_quote or (reading.is_reply and not _cited_by_hand(reading, block)):
        reading.has_quote = True
    elif reading.is_forward and not reading.forwarded:
        reading.has_quote = True
        _take_forward(reading, block)
    else:  # nobody was answered: a list or a law text marked with ">" is the sender's own
        reading.kept += block
    return end


def _holds_history(reading: _Reading, block: list[str]) -> bool:
    filled = [line for line in block[:200] if line.strip(" >\t\r")]
    if len(filled) < 2:
        return False
    if any(re.match(r">[ ]?>", line) for line in filled):
        return True
    inner = _unmarked(block[:12])
    for at, line in enumerate(inner):
        if not line.strip():
            continue
        if p.FORWARD_LINE.fullmatch(squeeze(line)) or p.HISTORY_RULE.fullmatch(squeeze(line)):
            return True
        if attribution(inner, at) or quoted_header(inner, at, hinted=False, is_reply=reading.is_reply):
            return True
    return False


def _cited_by_hand(reading: _Reading, block: list[str]) -> bool:
    """One lone block that the sender introduces ("In de brief staat:") or that is law text: not a program's quote."""
    if block[0].rstrip().endswith("<") or all(_MORE_THAN.match(line) for line in block if line.strip()):
        return True
    if reading.runs > 1:
        return False
    before = next((line for line in reversed(reading.kept) if line.strip()), "")[-300:]
    if before.rstrip().endswith(":") and not (p.VERB.search(before) and p.CLOCK.search(before)):
        return True
    return bool(p.LAW_TEXT.search(" ".join(block[:6])[:1_000]))


def _unmarked(lines: list[str]) -> list[str]:
    """The lines without one level of quote marks, when all of them have it."""
    filled = [line for line in lines if line.strip()]
    if filled and all(line.startswith(">") for line in filled[:20]):
        return [line[1:].removeprefix(" ") if line.startswith(">") else line for line in lines]
    return lines


# ---------------------------------------------------------------- what is left


def _says_nothing(new_text: str) -> bool:
    """No words, or only a salutation: then the rest was no history but the sender's own, or the answer is below it."""
    if not new_text:
        return True
    lines = [line.strip() for line in new_text.split("\n") if line.strip()]
    if len(lines) != 1 or not p.SALUTATION.fullmatch(lines[0][:200]):
        return False
    return lines[0].endswith(",") or (" " in lines[0] and lines[0].split()[-1][:1].isupper())


def _points_below(new_text: str) -> bool:
    return 0 < len(new_text.split()) <= _SHORT_ANSWER and bool(p.ANSWERS_BELOW.search(new_text))


def _without_armour(lines: list[str]) -> list[str]:
    """PGP: the encrypted block and the signature go, signed text stays (RFC 9580 §7)."""
    if not any(line.startswith("-----BEGIN PGP ") for line in lines):
        return lines
    kept: list[str] = []
    inside = header = False
    for line in lines:
        match = _ARMOUR.match(line[:100])
        if match:
            header = match[1] == "BEGIN" and match[2] == "SIGNED MESSAGE"
            inside = match[1] == "BEGIN" and not header
        elif header:
            header = bool(line.strip())
        elif not inside:
            kept.append(line.removeprefix("- "))
    return kept


def _tidy(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()
