"""What staff leave of an answer block: which of its sentences, as the machine wrote them, stand in the approved text.

A sentence is there or it is not; nothing is said of how it was changed. What the machine or a person must change around
a sentence does not count: white space, the number of a step, the mark of a footnote, a mark between [[ ]].
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from triage.core.readability import sentences

_NUMBER = re.compile(r"^[ \t]*(?:\d{1,2}\.|[-*•])[ \t]+", re.MULTILINE)
_MARKS = re.compile(r"\[\[[^\[\]\n]{0,300}\]\]|\[\d{1,2}(?:-\d{1,2})?\]")


@dataclass(frozen=True, slots=True)
class BlockUse:
    """How many sentences of a block stood in a machine's draft, and how many of those in the approved text."""

    sentences: int
    kept: int


def block_use(block: Iterable[str], *, drafted: str, approved: str) -> BlockUse:
    """`block` holds the texts of its sections; what of them did not stand in the draft does not count."""
    there = {one: None for text in block for sentence in sentences(text) if (one := _flat(sentence))}
    before, after = _flat(drafted), _flat(approved)
    written = [sentence for sentence in there if _holds(before, sentence)]
    return BlockUse(len(written), sum(_holds(after, sentence) for sentence in written))


def _flat(text: str) -> str:
    return " ".join(_MARKS.sub(" ", _NUMBER.sub("", text)).split())


def _holds(flat: str, sentence: str) -> bool:
    """As whole words: a text that was wrapped anew holds its sentences, one that goes on in the sentence does not."""
    return re.search(rf"(?<!\S){re.escape(sentence)}(?!\S)", flat) is not None
