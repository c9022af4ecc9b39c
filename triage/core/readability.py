"""How easily a text for citizens reads: its sentences, and the bars for language level B1 (`domain.md` section 10).

A text is read line by line, as it stands in a letter: a heading, a list item or an address is not glued to the sentence
before it. A line that begins with a small letter goes on with the one above.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MOST_WORDS = 25
"""The longest sentence that may stand in a text for citizens."""
MOST_MEAN_WORDS = 12.0
"""The mean length of its sentences, in words."""

_MARK = re.compile(r"^(?:## |- |> )")
_ONE_WORD = re.compile(r"https?://\S+|\b0\d{1,3}[- ]\d[\d ]{2,}\d\b")  # a link, a telephone number
_END = re.compile(r"(?<=[.!?:])[\"'”’)]*\s+(?=[\"'“‘(]*[A-ZÀ-Þ0-9])|(?<=:)\s+")


@dataclass(frozen=True, slots=True)
class Readability:
    """The figures of a text; `too_long` are its sentences above the bar, the longest first."""

    sentences: int
    longest: int
    mean: float
    too_long: tuple[str, ...]

    @property
    def is_b1(self) -> bool:
        return not self.too_long and self.mean <= MOST_MEAN_WORDS


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, headings and list items among them. A point inside a link, a number, a time or
    an abbreviation ends none; a colon before a space does."""
    units: list[str] = []
    goes_on = False
    for line in text.splitlines():
        words = line.strip()
        marked = _MARK.match(words)
        if not words:
            goes_on = False
        elif goes_on and not marked and words[0].islower() and not words.startswith("http"):
            units[-1] += f" {words}"
        else:
            units.append(_MARK.sub("", words))
            goes_on = not words.startswith("## ")
    return [part for unit in units for part in _END.split(unit) if part and any(map(str.isalnum, part))]


def words_in(sentence: str) -> int:
    """How many words a reader meets; a link or a telephone number is one."""
    return len(_ONE_WORD.sub("x", sentence).split())


def readability(found: Sequence[str]) -> Readability:
    """The figures of these sentences."""
    lengths = {sentence: words_in(sentence) for sentence in found}
    counts = [lengths[sentence] for sentence in found]
    return Readability(
        sentences=len(counts),
        longest=max(counts, default=0),
        mean=statistics.fmean(counts) if counts else 0.0,
        too_long=tuple(sorted((one for one in lengths if lengths[one] > MOST_WORDS), key=lambda one: -lengths[one])),
    )
