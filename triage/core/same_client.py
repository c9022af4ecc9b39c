"""May two mails of different senders be about one person? A scored comparison of what both tell, made when asked.

Hospital, general practitioner and family often write within a day about the same client. This only proposes: a person
decides. Nothing of what is compared here is kept: the texts are read, the score is told, and that is the end of it.
Compared are wording, places, institutions and names, ages, sex of the client, laws and urgency. One thing alone is
never enough, and an age or sex that contradicts outweighs much that agrees.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.core.common_words import COMMON_WORDS

WITHIN = timedelta(hours=24)
"""Arrivals further apart are not compared."""
ENOUGH = 6.0
"""The score from which two cases are proposed; measured in tests/unit/test_same_client.py."""
MOST_PROPOSALS = 3
_LOOKED_AT = 8_000  # characters of one mail
_STEM = 6  # letters: "revalidatie" and "revalideren" are one word here

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"(?:[.!?:;•*>\n]|^)[\s\"'“‘(-]*$")
_AGE = re.compile(
    r"(?<![\d,.€-])\(?(?P<age>1[01]\d|\d{1,2})"
    r"(?:\s?-?\s?(?:jarige?n?\b|jaar(?: oud)?\b|jr\b\.?|j\.)|\)|(?=\s?,\s?(?:man|vrouw)\b))",
    re.IGNORECASE,
)
_AGE_AFTER = re.compile(
    r"\b(?:is|wordt|word|leeftijd|vrouw|man|mw\.?|dhr\.?|mevrouw|moeder|vader|oma|opa|cl\.?)[\s:,(]{1,3}"
    r"(?:nu |bijna |al |van )?(?P<age>1[01]\d|[1-9]\d)\b"
    r"(?!\s?(?:dagen|weken|maanden|uur|uren|keer|x\b|euro|%|km|trap|kilo|kg|[.:/-]\d))",
    re.IGNORECASE,
)
_NO_AGE_BEFORE = re.compile(
    r"(?:sinds|al|na|afgelopen|ruim|over|voor|elke|ieder|per|meer dan|laatste|vorige?|komende?|getrouwd|duurt|nog|"
    r"binnen|om de)\s(?:de |het |een |bijna |ruim |zo'n |ongeveer )?$",
    re.IGNORECASE,
)
_NO_AGE_AFTER = re.compile(r"^\s?(?:geleden|lang|getrouwd|later|terug|ervaring|samen|in dienst|wacht)", re.IGNORECASE)
_BORN = re.compile(
    r"\b(?:geb(?:oren|\.)?|geboortedatum|geboortejaar)\b[^\n\d]{0,20}(?:\d{1,2}[-/. ](?:\d{1,2}|[a-z]{3,9})[-/. ])?"
    r"(?P<year>19\d\d|20[0-2]\d)\b",
    re.IGNORECASE,
)
_FEMALE = re.compile(
    r"\b(?:mevrouw|mevr|mw|mvr|moeder|mama|mam|ma|oma|echtgenote|vrouw|zus(?:je|ter)?|dochter(?:tje)?|tante|"
    r"schoonmoeder|buurvrouw|cliënte|client[ee]|patiënte|moeke|mem|weduwe|haar|zij)\b",
    re.IGNORECASE,
)
_MALE = re.compile(
    r"\b(?:meneer|dhr|de heer|vader|papa|pap|pa|opa|echtgenoot|man|broer(?:tje)?|zoon(?:tje)?|oom|schoonvader|buurman|"
    r"heit|weduwnaar|hem|hij)\b",
    re.IGNORECASE,
)
_TITLE = re.compile(
    r"\b(?:mevrouw|mevr\.?|mw\.?|mvr\.?|meneer|dhr\.?|de heer|familie|fam\.?|cliënt|patiënt)\s+"
    r"(?P<name>(?:[A-Z]\.\s?){0,4}(?:(?i:de|den|der|van|ter|ten|te|'t|el|al)\s+){0,3}[A-Z][\w'’-]{1,30})"
)
_PARTICLES = re.compile(r"^(?:(?:[A-Z]\.\s?)|(?:(?i:de|den|der|van|ter|ten|te|'t|el|al)\s+))+")


@dataclass(frozen=True, slots=True)
class Told:
    """What one case tells: subject and text of its first mail, and what we made of it. `sender` tells senders apart."""

    key: str
    text: str
    arrived: datetime
    sender: str
    laws: tuple[str, ...] = ()
    urgency: str = "regular"


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much two cases are alike; `reasons` are codes, strongest first: name, age, wording, urgency."""

    key: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Marks:
    names: frozenset[str]  # capitalised inside a sentence: places, institutions, people
    called: frozenset[str]  # surnames behind a title
    words: frozenset[str]


def _marks(told: Told) -> _Marks:
    text = told.text[:_LOOKED_AT]
    names: set[str] = set()
    words: set[str] = set()
    for match in _WORD.finditer(text):
        word = match[0]
        low = word.lower()
        if low in COMMON_WORDS or len(low) < 2:
            continue
        if (
            word[0].isupper()
            and not word.isupper()
            and not _SENTENCE_END.search(text[max(0, match.start() - 6) : match.start()])
        ):
            names.add(low)
        elif word.isupper() and 2 <= len(word) <= 5:
            words.add(low)  # an abbreviation of an illness or a ward
        elif len(low) >= 5 and low[:_STEM] not in _COMMON_STEMS:
            words.add(low[:_STEM])
    called = {_PARTICLES.sub("", match["name"]).lower() for match in _TITLE.finditer(text)} - COMMON_WORDS
    return _Marks(frozenset(names | called), frozenset(called), frozenset(words))


_COMMON_STEMS = frozenset(word[:_STEM] for word in COMMON_WORDS if len(word) >= _STEM)


def _ages(told: Told) -> frozenset[int]:
    text = told.text[:_LOOKED_AT]
    found = set()
    for pattern in (_AGE, _AGE_AFTER):
        for match in pattern.finditer(text):
            before, after = text[max(0, match.start() - 24) : match.start()], text[match.end() : match.end() + 14]
            if not _NO_AGE_BEFORE.search(before) and not _NO_AGE_AFTER.match(after):
                found.add(int(match["age"]))
    found |= {told.arrived.year - int(match["year"]) for match in _BORN.finditer(text)}
    return frozenset(age for age in found if 0 < age <= 112)


def _sex(told: Told) -> str:
    """That of the client, when the text leaves no doubt: three times as many words for one as for the other."""
    text = told.text[:_LOOKED_AT]
    female, male = len(_FEMALE.findall(text)), len(_MALE.findall(text))
    if female >= 2 and female >= 3 * male:
        return "f"
    return "m" if male >= 2 and male >= 3 * female else ""


def _compare(one: Told, other: Told, ours: _Marks, theirs: _Marks, rare: Callable[[str], float]) -> Likeness:
    shared = [rare(name) for name in ours.names & theirs.names]
    named = 2.0 * sum(shared)
    named += 1.5 * len(ours.called & theirs.called)
    worded = sum(0.6 * rare(word) for word in ours.words & theirs.words)
    if named < 1.0 and worded < 1.2:  # then an age alone is left, which many people share
        return Likeness(other.key, 0.0, ())
    parts = {
        "name": min(named, 6.0),
        "age": _age_score(_ages(one), _ages(other)),
        "wording": min(worded, 4.0),
        "urgency": _urgency_score(one, other),
    }
    # a town, a hospital and a surname together are more than one thing
    kinds = sum((named >= 1.0, sum(shared) >= 2.5, parts["age"] >= 1.5, worded >= 1.2))
    score = sum(parts.values())
    sexes = {_sex(one), _sex(other)} - {""}
    if len(sexes) == 2:
        score -= 4.0
    if ours.called and theirs.called and not ours.called & theirs.called:
        score -= 3.0  # both call the client by a name, and not by the same
    reasons = tuple(name for name, value in sorted(parts.items(), key=lambda item: -item[1]) if value >= 0.5)
    return Likeness(other.key, score if kinds >= 2 else 0.0, reasons)


def _age_score(ours: frozenset[int], theirs: frozenset[int]) -> float:
    if not ours or not theirs:
        return 0.0
    nearest = min(abs(one - other) for one in ours for other in theirs)
    if nearest == 0:
        return 2.5
    return 1.5 if nearest == 1 else 0.0 if nearest <= 3 else -4.0


def _urgency_score(one: Told, other: Told) -> float:
    score = 0.0
    if one.laws and other.laws:
        score += 0.5 if set(one.laws) & set(other.laws) else -1.0
    if one.urgency == other.urgency != "regular":
        score += 0.5
    return score


def proposals(one: Told, others: Sequence[Told]) -> tuple[Likeness, ...]:
    """The cases that may be about the same person as `one`, likeliest first, at most three. Cases of the same sender
    and those that came more than a day apart are left out."""
    near = [
        told
        for told in others
        if told.key != one.key and told.sender != one.sender and abs(told.arrived - one.arrived) <= WITHIN
    ]
    if not near or not one.text.strip():
        return ()
    marks: Mapping[str, _Marks] = {told.key: _marks(told) for told in (one, *near)}
    seen = Counter(sign for each in marks.values() for sign in each.names | each.words)

    def rare(sign: str) -> float:
        """1 when only two cases of the day hold it, less the more do."""
        return 1.0 / max(1, seen[sign] - 1)

    found = [_compare(one, told, marks[one.key], marks[told.key], rare) for told in near]
    good = sorted((each for each in found if each.score >= ENOUGH), key=lambda each: (-each.score, each.key))
    return tuple(good[:MOST_PROPOSALS])
