"""Which gemeente a sender names, and its zorgkantoor region. A name that can mean two places is never guessed.

The tables stand in `triage/data/places`, with their sources, year and licence.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent.parent / "data" / "places"

_READ_CHARACTERS = 20_000
_LONGEST_NAME = 5  # words
# "gemeente" makes any name a place; else only where somebody lives counts, not where they were, go or know someone
_GEMEENTE = re.compile(r"\bgem(?:eente|\.)\s+(?:of\s+)?|\bmunicipality\s+(?:of\s+)?\(?", re.IGNORECASE)
_LIVES = re.compile(
    r"\b(?:woon(?:t|d|achtig|plaats)?|wonen|woonde|huren|lives?|lived|living)\b(?:(?!\b(?:wo[on]|lives?\b))[^.!?\n]){0,60}"
    r"|\b(?:hier|thuis|bij ons|van ons|at home(?: with us)?|with us|(?:wij|we)(?=\s+in\s[^.!?\n]{1,30}\swonen))\s+in\s"
    r"[^.!?\n]{1,40}"
    r"|\b(?:mijn|onze?|m'n|me|my|our|a|een)\s+(?:schoon)?(?:moeder|vader|oma|opa|tante|oom|cli[eë]nte?|echtpaar|mother|father|aunt|"
    r"uncle|client)\s+in\s[^.!?\n]{1,40}"
    r"|\b(?:wijkteam|jeugdteam|sociaal team|wmo[- ]?loket)\s(?:in\s)?[^.!?\n]{1,40}",
    re.IGNORECASE,
)
_IN = re.compile(r"\b(?:in|te|op|at|on|wijkteam|jeugdteam|team|loket)\s+|:\s+", re.IGNORECASE)
# said beside where somebody lives: a second place makes doubt, never a gemeente
_ALSO = re.compile(r"\b(?:ik|wij|we|hij|zij|ze|he|she)\s+(?:zelf\s+)?(?:in|te|op)\s+", re.IGNORECASE)
# "A. Jansen, Zutphen", "A. Jansen te Zutphen", "Dave uit Helmond" or the name alone, as the last line
_SIGNED = re.compile(r"(?:,\s+|\s[-–]\s+|\b(?:te|uit|from)\s+|^\s*)(?=[^,\n]+\s*\Z)", re.MULTILINE | re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_][\w'’.()-]*|'[st]-?[^\W\d_][\w-]*", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Gemeente:
    """A gemeente and the region of the zorgkantoor that works there."""

    code: str
    name: str
    region_code: str
    region: str


@dataclass(frozen=True, slots=True)
class Found:
    """`gemeente` when the text names one and no other, and `place` by which name; `doubtful` are names in it that can
    mean several places."""

    gemeente: Gemeente | None = None
    place: str = ""  # in the table's spelling
    doubtful: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Name:
    place: str  # as the table spells it
    gemeenten: frozenset[str]  # codes
    of_this_name: frozenset[str]  # those that are called so themselves
    marks: frozenset[str]  # homonym, word, abroad, province

    @property
    def one(self) -> str | None:
        """The code, when the name alone says which gemeente."""
        return next(iter(self.gemeenten)) if len(self.gemeenten) == 1 and not self.marks else None

    def as_written(self, written: str) -> str | None:
        """The code, when the name is also a common word ("Goes", "Een") but has a capital here."""
        return next(iter(self.gemeenten)) if self.marks == {"word"} and written[:1].isupper() else None


def find_place(text: str) -> Found:
    """Names behind "gemeente" decide; without those, the place where somebody lives, as long as no other gemeente is
    named so. Two of them decide nothing.

    A common word or a province counts only behind "gemeente"; a homonym is doubtful unless it is a gemeente's name."""
    text = text[:_READ_CHARACTERS].rstrip()
    doubtful: dict[str, None] = {}
    named: dict[str, str] = {}
    for written, name in _names_behind(_GEMEENTE, text):
        code = next(iter(name.of_this_name)) if len(name.of_this_name) == 1 else name.one
        if code:
            named[code] = name.place
        else:
            doubtful[written] = None
    if named or doubtful:
        return _found(named, doubtful)
    for cue in (_LIVES, _SIGNED):
        for written, name in _names_behind(cue, text):
            if (code := name.one or name.as_written(written)) is not None:
                named.setdefault(code, name.place)
            elif "homonym" in name.marks and cue is _LIVES:
                doubtful[written] = None
    others = {name.one or name.place: name.place for _, name in _names_behind(_ALSO, text)} if named else {}
    return _found({**named, **others}, doubtful)


def region_codes() -> tuple[str, ...]:
    """The codes of all zorgkantoor regions, in order."""
    return tuple(sorted({gemeente.region_code for gemeente in _gemeenten().values()}))


def _found(named: dict[str, str], doubtful: dict[str, None]) -> Found:
    if len(named) == 1 and not doubtful:
        ((code, place),) = named.items()
        return Found(_gemeenten()[code], place)
    return Found(doubtful=() if named else tuple(doubtful))


def _names_behind(cue: re.Pattern[str], text: str) -> Iterator[tuple[str, _Name]]:
    """The first name within each match of `_LIVES`, else the name at its end: as written, with what is known of it."""
    for match in cue.finditer(text):
        ends = (
            [match.end()]
            if cue is not _LIVES
            else [one.end() for one in _IN.finditer(text, match.start(), match.end())]
        )
        found = next((name for end in ends if (name := _name_at(text, end)) is not None), None)
        if found is not None and (cue is not _SIGNED or text.endswith(found[0])):
            yield found


def _name_at(text: str, start: int) -> tuple[str, _Name] | None:
    """The longest known name that begins here."""
    words: list[re.Match[str]] = []
    at = start
    while len(words) < _LONGEST_NAME and (word := _WORD.match(text, at)):
        words.append(word)
        at = word.end()
        if at >= len(text) or text[at] not in " -":
            break
        at += 1
    for count in range(len(words), 0, -1):
        written = text[words[0].start() : words[count - 1].end()].rstrip(".'’")
        if (name := _names().get(_plain(written))) is not None:
            return written, name
    return None


def _plain(name: str) -> str:
    """Without accents, case and punctuation: how names are compared."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z]+", " ", folded).strip()


def same_name(place: str, gemeente: Gemeente) -> bool:
    """Whether the place is the gemeente's namesake: "Bergen (NH.)" is called Bergen."""
    return _plain(place) == _plain(gemeente.name.partition(" (")[0])


@cache
def _gemeenten() -> dict[str, Gemeente]:
    return {
        row["gemeente_code"]: Gemeente(
            row["gemeente_code"], row["gemeente"], row["zorgkantoorregio_code"], row["zorgkantoorregio"]
        )
        for row in _rows("gemeente_zorgkantoor.csv")
    }


@cache
def _names() -> dict[str, _Name]:
    found: dict[str, _Name] = {}
    for row in _rows("woonplaats_gemeente.csv"):
        key, code = _plain(row["plaats"]), row["gemeente_code"]
        before = found.get(key, _Name(row["plaats"], frozenset(), frozenset(), frozenset()))
        itself = {code} if _plain(row["gemeente"].partition(" (")[0]) == key else set()
        marks = {"homonym" if mark == "ambiguous" else mark for mark in row["ambiguous"].split("+") if mark}
        found[key] = _Name(before.place, before.gemeenten | {code}, before.of_this_name | itself, before.marks | marks)
    return found


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
