"""What the sender wrote now, apart from quoted history, forwarded mail, signature and disclaimer.

quotequail knows the intro lines of many clients; the rules on top of it know Dutch Outlook, Samsung and the
rest, and keep answers below and between quotes. Losing a customer's sentence is worse than leaving a
quote in, so every rule needs marks that people do not write by chance. One pass over the lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import quotequail

from triage.core import quote_patterns as p

MAX_LINE = 1_000  # characters of a line that are looked at
MAX_LINES = 20_000  # lines that are looked at; a longer text without a quote in them is kept whole
_CUT = "\ue003"
_ARMOUR = re.compile(r"-----(BEGIN|END) PGP ([A-Z ]{5,40})-----")
_MAX_SIGNATURE = 20  # lines

Mark = Literal["history", "forward"]


@dataclass(frozen=True, slots=True)
class Split:
    """`new_text` may be empty; `forwarded_text` is the body of an inline-forwarded mail."""

    new_text: str
    forwarded_text: str = ""
    has_quote: bool = False


def _squeeze(line: str) -> str:
    return line[:MAX_LINE].replace("\xa0", " ").replace("\u202f", " ").strip()


def _is_intro(line: str) -> bool:
    """A program's intro line: an address, or a date with a time, between its first and last words."""
    if len(line) < 12 or not p.INTRO_END.search(line[-300:]) or not p.INTRO_START.match(line):
        return False
    return bool(p.ADDRESS.search(line)) or bool(
        p.CLOCK.search(line) and (p.DATE.search(line) or re.search(r"\d{1,2} \w", line))
    )


def _library_intro(line: str) -> bool:
    """quotequail's opinion (French, Spanish, Swedish, …), trusted only with an address or a date in the line."""
    if not (p.ADDRESS.search(line) or (p.CLOCK.search(line) and p.DATE.search(line))):
        return False
    parts = quotequail.quote(line, quote_intro_line=True)
    return len(parts) == 2 and not parts[0][1]


def _is_certain(line: str) -> bool:
    return bool(p.ADDRESS.search(line[:MAX_LINE]) and p.CLOCK.search(line[:MAX_LINE]))


def _intro_length(lines: list[str], at: int) -> int:
    """How many lines from `at` form the intro of a quote; 0 when they do not. Clients wrap it over up to four."""
    first = _squeeze(lines[at])
    if not first or first.startswith(">") or not (p.INTRO_START.match(first) or "@" in first):
        return 0
    joined = ""
    for count in range(1, 5):
        if at + count > len(lines):
            break
        piece = _squeeze(lines[at + count - 1])
        if not piece or piece.startswith(">"):
            break
        joined = f"{joined} {piece}".strip()[:MAX_LINE]
        if joined.endswith((":", "：", "*", "wrote", "schreef")) and (_is_intro(joined) or _library_intro(joined)):
            return count
    return 0


def _header_block(lines: list[str], at: int, *, hinted: bool) -> int:
    """How many lines from `at` form a quoted mail's header; 0 when they do not.

    Needs a From line first, then a date with digits, then To or Subject: lists of "Van/Naar" and forms lack these.
    """
    first = p.HEADER.fullmatch(_squeeze(lines[at]))
    if not first or first[1].lower() not in p.FROM_NAMES or not first[2].strip():
        return 0
    seen: set[str] = set()
    dated = addressed = bool(p.ADDRESS.search(first[2]))
    dated = False
    end, loose, position = at, 0, at
    while position < len(lines) and position - at < 60:
        line = _squeeze(lines[position])
        match = p.HEADER.fullmatch(line)
        if match:
            name = match[1].lower()
            if seen and name in p.FROM_NAMES:  # a list, or the next mail's header
                break
            if name in p.DATE_NAMES and re.search(r"\d", match[2]):
                dated = True
            seen.add(name)
            end, loose = position, 0
        elif not line:
            # Outlook's plain text has no blank line inside; Yahoo and copies have one after each.
            following = _squeeze(lines[position + 1]) if position + 1 < len(lines) else ""
            if not p.HEADER.fullmatch(following) or len(seen) >= 5:
                break
        else:
            loose += 1
            if loose > 8 or not (";" in line or "@" in line or "," in line or loose == 1):
                break
            if not seen & (p.TO_NAMES | {"cc", "bcc", "kopie"}) and not p.ADDRESS.search(line):
                break
        position += 1
    named_to, subject = bool(seen & p.TO_NAMES), bool(seen & p.SUBJECT_NAMES)
    sure = dated and (named_to or subject) and (len(seen) >= 4 or addressed or hinted)
    sure = sure or (hinted and len(seen) >= 3) or (addressed and named_to and subject)
    return end - at + 1 if sure and len(seen) >= 3 else 0


def _cut_mark(lines: list[str], at: int, *, forwarding: bool) -> tuple[Mark, int] | None:
    """Where everything below is another mail: its kind and how many lines of marking it has."""
    line = _squeeze(lines[at])
    if not line:
        return None
    hinted = line.startswith(_CUT)
    line = line.lstrip(_CUT)
    other: Mark = "forward" if forwarding else "history"
    head = line[:1]
    if head in "-_=*" or (head.lower() in "abs" and line[-1:] in ":*tle" and len(line) < 60):
        kind: Mark | None = None
        if p.FORWARD_RULE.fullmatch(line) or p.FORWARD_LINE.fullmatch(line):
            kind = "forward"
        elif p.HISTORY_RULE.fullmatch(line):
            kind = other
        if kind:
            start = _next_filled(lines, at + 1)
            length = _header_block(lines, start, hinted=True) if start < len(lines) else 0
            return kind, (start - at + length) if length else 1
    if hinted or p.RULE.fullmatch(line):
        start = at if line and not p.RULE.fullmatch(line) else _next_filled(lines, at + 1)
        if start < len(lines):
            trial = [lines[start].replace(_CUT, ""), *lines[start + 1 : start + 60]]
            length = _header_block(trial, 0, hinted=True)
            if length:
                return other, start - at + length
        return None
    if head.lower() in "vfda*|" or head in "\t":
        length = _header_block(lines, at, hinted=False)
        if length:
            return other, length
    return None


def _next_filled(lines: list[str], at: int) -> int:
    stop = min(len(lines), at + 4)
    while at < stop and not lines[at].strip(f" \t\xa0{_CUT}"):
        at += 1
    return at


def split(text: str, *, is_reply: bool, is_forward: bool) -> Split:
    """New text and forwarded text. `is_reply`: the headers or subject say that it answers a mail.

    `is_forward`: the subject says so and no header speaks of an answer.
    """
    lines = _without_armour(text.split("\n"))
    beyond = lines[MAX_LINES:]
    lines = lines[:MAX_LINES]
    kept: list[str] = []
    forwarded = ""
    has_quote = False
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line or line.isspace():
            kept.append("")
            at += 1
            continue
        if line.startswith(">"):
            end = at
            while end < len(lines) and (
                lines[end].startswith(">") or (not lines[end].strip() and _quoted_next(lines, end))
            ):
                end += 1
            if is_reply or is_forward or has_quote:
                has_quote = True
            else:  # nobody was answered: a list made with ">" is the sender's own
                kept += lines[at:end]
            at = end
            continue
        mark = _cut_mark(lines, at, forwarding=is_forward or not is_reply)
        if mark:
            rest = [item.replace(_CUT, "") for item in lines[at + mark[1] :]]
            has_quote = True
            if mark[0] == "forward":
                forwarded = _unquoted(rest)
            break
        length = _intro_length(lines, at)
        if length:
            start = _next_filled(lines, at + length)
            if start < len(lines) and lines[start].startswith(">"):
                has_quote = True
                at += length
                continue
            # Nothing shows where the history ends: all below goes, if this is an answer or the line is beyond doubt.
            if is_reply or start >= len(lines) or _is_certain(" ".join(lines[at : at + length])):
                has_quote = True
                break
        kept.append(line.replace(_CUT, ""))
        at += 1
    else:
        if not has_quote:
            kept += beyond
    return Split(_tidy(strip_signature(kept)), forwarded, has_quote)


def _quoted_next(lines: list[str], at: int) -> bool:
    following = _next_filled(lines, at)
    return following < len(lines) and lines[following].startswith(">")


def _unquoted(lines: list[str]) -> str:
    filled = [line for line in lines if line.strip()]
    if filled and all(line.startswith(">") for line in filled[:20]):
        lines = [line[1:].removeprefix(" ") if line.startswith(">") else line for line in lines]
        start = _next_filled(lines, 0)
        length = _header_block(lines, start, hinted=True) if start < len(lines) else 0
        lines = lines[start + length :] if length else lines
    return _tidy(strip_signature(lines))


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


# ---------------------------------------------------------------- signature


def _is_device(line: str) -> bool:
    return len(line) < 120 and bool(p.DEVICE.fullmatch(line)) and bool(p.DEVICE_WORD.search(line))


def _reads_as_sentence(line: str) -> bool:
    """Could a person have written this to us? Then it stays, signature or not."""
    if p.POSTSCRIPT.match(line) or "?" in line.replace("://", ""):
        return True
    if p.CONTACT.search(line):
        return False
    words = line.split()
    return len(words) >= 5 and bool(p.OWN_VOICE.search(line))


def _looks_like_name(line: str) -> bool:
    return (
        len(line.split()) <= 5
        and len(line) <= 50
        and not re.search(r"[\d@|]", line)
        and not p.ORGANISATION.search(line)
    )


def _without_disclaimers(lines: list[str]) -> list[str]:
    """Without paragraphs that no person wrote for this mail; the first third of the text is left alone."""
    out: list[str] = []
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and lines[end].strip():
            end += 1
        paragraph = lines[at:end]
        late = at > len(lines) // 3
        if not (late and paragraph and p.DISCLAIMER.match(paragraph[0][:MAX_LINE])) or any("?" in x for x in paragraph):
            out += paragraph
        out += lines[end : end + 1]
        at = end + 1
    return out


def strip_signature(lines: list[str]) -> list[str]:
    """Lines without device lines, disclaimers and the block below a closing; sentences and a PS stay."""
    lines = [line for line in lines if not _is_device(_squeeze(line))]
    lines = _without_disclaimers(lines)
    for at, line in enumerate(lines):
        if line.rstrip("\r") in ("-- ", "--", "-- \xa0") and at:
            rest = lines[at + 1 :]
            filled = [_squeeze(item) for item in rest if item.strip()]
            limit = _MAX_SIGNATURE if line.startswith("-- ") else 8
            if len(filled) <= limit:
                kept = _after_signature(rest)
                lines = lines[:at] + kept
                break
    closings = [at for at, line in enumerate(lines) if len(line) < 80 and p.CLOSING.fullmatch(line)]
    for at in reversed(closings):
        rest = lines[at + 1 :]
        if sum(1 for item in rest if item.strip()) > _MAX_SIGNATURE + 10:
            break
        first = _next_filled(lines, at + 1)
        name = [lines[first]] if first < len(lines) and _looks_like_name(_squeeze(lines[first])) else []
        tail = lines[first + 1 :] if name else rest
        lines = [*lines[: at + 1], *name, *_after_signature(tail)]
        break
    return lines


def _after_signature(lines: list[str]) -> list[str]:
    """What of the lines below a signature mark is still the sender's: from the first sentence on."""
    for at, line in enumerate(lines):
        squeezed = _squeeze(line)
        if squeezed and _reads_as_sentence(squeezed):
            return ["", *lines[at:]]
    return []


def _tidy(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()
