"""The line a mail program writes above what it quotes: "Op di 3 mrt. 2026 om 10:12 schreef Jan <jan@…>:".

People write lines that look like it ("Op 3 maart schreef de wethouder:"), and cutting below those loses their
question. So a line counts only with what programs write: an address, or date, time, verb and nothing but a name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import quotequail

from triage.core import quote_patterns as p

MAX_LINE = 1_000  # characters of a line that are looked at
MAX_INTRO = 400  # characters of an attribution over all its lines
_WRAPPED = 4  # lines that programs wrap an attribution over, at most
_ODD_SPACES = dict.fromkeys(map(ord, "\xa0\u202f\u2007\u2009\u3000"), " ") | dict.fromkeys(
    map(ord, "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u2060\ufeff"), None
)
_IN_MARKS = re.compile(r"\"[^\"]{0,120}\"|<[^<>]{0,200}>|\[[^\[\]]{0,200}\]|\([^()]{0,120}\)|\S{1,80}@\S{1,120}")
_WORD = re.compile(r"[^\s,;:\"<>()\[\]]+")

Strength = Literal["certain", "likely", "marked", "weak"]


_ENDINGS = frozenset(":：>*_-=\u2013\u2014")  # an attribution ends with one of these, or with its verb
_ORDER: tuple[Strength, ...] = ("certain", "likely", "marked", "weak")


def squeeze(line: str) -> str:
    """A line for comparing: at most 1,000 characters, odd spaces made plain, invisible characters gone."""
    line = line[:MAX_LINE]
    return line.strip() if line.isascii() else line.translate(_ODD_SPACES).strip()


def next_filled(lines: Sequence[str], at: int, reach: int = 4) -> int:
    """The first line at or after `at` with text, at most `reach` further; else that limit."""
    stop = min(len(lines), at + reach)
    while at < stop and not squeeze(lines[at]):
        at += 1
    return at


def _as_written(text: str) -> str:
    if "&" in text:
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    return text.strip(" \t*_-=\u2010\u2011\u2012\u2013\u2014\u2015")


def _sounds_human(text: str) -> bool:
    """Words outside names and addresses that only a sentence has."""
    if p.HUMAN_PHRASE.search(text) and not p.BRACKETED.search(text):
        return True
    start = p.INTRO_START.match(text)
    text = text[start.end() :] if start else text
    words = _WORD.findall(_IN_MARKS.sub(" ", text))
    if not words:
        return False
    return words[0].lower() in p.HUMAN or any(word in p.HUMAN for word in words)


def _is_name(text: str) -> bool:
    """Is this, left over between date and verb, somebody's name and not "de wethouder"?"""
    if p.BRACKETED.search(text) or p.ADDRESS.search(text):
        return True
    text = text.strip(" ,;:.-")
    if p.ARTICLE_START.match(text) and not text[:1].isupper():
        return False
    words = _WORD.findall(text.replace('"', " "))
    if not 1 <= len(words) <= 9 or not any(word[:1].isupper() for word in words):
        return len(words) == 1 and len(words[0]) > 1 and words[0] not in p.HUMAN and not words[0].isdigit()
    return all(not word[:1].islower() or word in p.PARTICLES or "." in word for word in words)


def strength(text: str) -> Strength | None:
    """How surely one joined text is a program's attribution; None: it is not.

    "certain": all below may go; "likely": only with quote marks below it, or in an answer; "marked": only with
    quote marks below it; "weak": only with both.
    """
    text = _as_written(text)
    if p.QUOTING.fullmatch(text):
        return "marked"
    if not 8 <= len(text) <= MAX_INTRO or not p.INTRO_END.search(text[-220:]):
        return None
    if _sounds_human(text):
        return None
    yeared = p.YEARED.search(text)
    bare = text[: yeared.start()] + " " + text[yeared.end() :] if yeared else text
    day = None if yeared else p.DAY.search(bare)
    clock, verb = p.CLOCK.search(bare), p.VERB.search(text)
    address, bracketed = p.ADDRESS.search(text), p.BRACKETED.search(text)
    dated = bool(yeared or day)
    begins = p.INTRO_START.match(text)
    if address and verb and clock and dated:
        return "certain"
    if address and verb and (clock or dated) and begins:
        return "certain"
    if bracketed and not verb and yeared and (begins or yeared.start() < 12) and text.endswith((":", "：")):
        return ("certain" if clock else "likely") if _only_name(text, yeared) else None
    if begins and yeared and bracketed and text.endswith(">"):
        return "marked"
    if address and verb and address.start() == 0 and text.count(" ") <= 2:  # "jan@… schreef:"
        return "likely"
    if bracketed and verb and text.count(" ") <= 8:
        return "certain" if text.endswith(":") and bracketed.end() < verb.start() else "likely"
    if not verb:
        return "weak" if bracketed and dated and begins else None
    if not begins and not re.search(r"\b(?:schreef|wrote|schrieb|a [ée]crit)\s(?:op|on|am|le)\b", text, re.IGNORECASE):
        words = text.split()
        return "weak" if len(words) <= 6 and words[0][:1].isupper() and not p.ARTICLE_START.match(text) else None
    rest = p.VERB.sub(" ", bare)
    opening = p.INTRO_START.match(rest)
    rest = rest[opening.end() :] if opening else rest
    rest = p.DAY.sub(" ", p.CLOCK.sub(" ", rest), count=1)
    rest = re.sub(rf"(?i)\b{p.WEEKDAY}\b\.?", " ", p.CONNECTING.sub(" ", rest), count=2)
    rest = re.sub(r"(?<!\w)[:\d]{1,4}(?!\w)|\(\s*\)", " ", rest)
    rest = " ".join(rest.split()).strip(" ,;:.-")
    if not _is_name(rest):
        return None
    if rest.islower():  # "jan", or a word for somebody
        return "marked" if dated and clock else None
    if dated and clock:
        return "certain" if yeared and _programmed(text, yeared[0]) else "likely"
    return "likely" if yeared else "weak" if dated else None


def _only_name(text: str, yeared: re.Match[str] | None) -> bool:
    """Is there nothing in a line without a verb but date, time, name and address?"""
    if not yeared:
        return False
    rest = _IN_MARKS.sub(" ", text[: yeared.start()] + " " + text[yeared.end() :])
    rest = re.sub(rf"(?i)\b{p.WEEKDAY}\b", " ", p.CONNECTING.sub(" ", p.CLOCK.sub(" ", rest)))
    return all(not word[:1].islower() or word in p.PARTICLES for word in _WORD.findall(rest))


def _programmed(text: str, date: str) -> bool:
    """A date in a form people do not write in a sentence: figures only, a short weekday or month, or seconds."""
    head = text[:40]
    return bool(
        re.fullmatch(r"[\d\-./ ]+", date)
        or re.match(r"(?i)(?:op|on|am|le) [a-z]{2,4}[.,]{1,2} |op (?:ma|di|wo|do|vr|za|zo) |le [a-z]{3}\. ", head)
        or re.search(r"\d:\d{2}:\d{2}|\b[AP]M\b", text)
        or re.search(
            r"(?i)\b(?:jan|feb|mrt|apr|jun|jul|aug|sep|sept|okt|oct|nov|dec|dez|mar|janv|f[ée]vr|juil|d[ée]c)\b", date
        )
    )


def _opens(line: str) -> bool:
    """Does it start as attributions do, with a preposition or weekday and then a date?"""
    start = p.INTRO_START.match(line)
    return bool(start and start.end())


def _may_begin(line: str) -> bool:
    if not line or line[0] == ">":
        return False
    return (
        bool(p.INTRO_START.match(line))
        or "@" in line
        or bool(p.VERB.search(line))
        or (line[0].isupper() and line.endswith("<"))
    )


def attribution(lines: Sequence[str], at: int) -> tuple[int, Strength] | None:
    """How many lines from `at` form an attribution, and how surely; None when they do not."""
    if not _may_begin(squeeze(lines[at])):
        return None
    joined = ""
    best: tuple[int, Strength] | None = None
    for count, line in enumerate(lines[at : at + _WRAPPED], start=1):
        piece = squeeze(line)
        if not piece or piece[0] == ">" or (joined and _opens(piece)):
            break
        joined = f"{joined}{piece}" if joined.endswith(("<", "@")) else f"{joined} {piece}".strip()
        if len(joined) > MAX_INTRO:
            break
        if count == 1 and not _opens(piece) and inside_line(piece):
            return None
        if piece[-1] not in _ENDINGS and not p.VERB_END.search(piece[-20:]) and (count > 1 or "  " not in piece):
            continue
        how = strength(joined)
        more = p.INTRO_AND_MORE.match(joined) if how is None and _opens(joined) else None
        if more and strength(more[1]) == "certain":
            return count, "certain"
        if how is None and len(joined) <= 300 and joined.endswith(":") and _library_knows(joined):
            how = "likely"
        if how == "certain":
            return count, how
        if how and (best is None or _ORDER.index(how) < _ORDER.index(best[1])):
            best = count, how  # the verb, or the address, may stand on the line below
    return best


def _library_knows(text: str) -> bool:
    """quotequail's opinion, for a program's line in a language of its own; needs an address or date and time."""
    if not (p.ADDRESS.search(text) and p.CLOCK.search(text)) or _sounds_human(text):
        return False
    parts = quotequail.quote(text, quote_intro_line=True)
    return len(parts) == 2 and not parts[0][1]


def inside_line(line: str) -> int:
    """Where in a line an attribution begins behind the sender's words ("Ja. On Wed, … bob@… wrote:"); 0: nowhere."""
    if not p.INTRO_END.search(line[-220:]) or "@" not in line:
        return 0
    for found in p.INTRO_INSIDE.finditer(line, 1):
        before = line[found.start() - 1]
        if not before.isalnum() and strength(line[found.start() :]) == "certain":
            return found.start()
    return 0
