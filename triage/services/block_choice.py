"""Which answer blocks fit a question, best first, with the reasons that staff can see.

A mail is compared with invented questions that each block answers (`templates/knowledge/questions.toml`) and with the
block's own text; the assessment says which laws, topics and urgency the answer must meet. A pure function of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from triage.core.assessment import LAWS, Assessment, Band, SenderType, Urgency

if TYPE_CHECKING:
    from triage.services.knowledge import Block

Scores = npt.NDArray[np.float64]

_READ_CHARACTERS = 2000  # a question stands in the first page; the rest costs time and says nothing new
_NEAREST = 5  # questions of a block that count; one alone may be like the mail by chance
_LAWS, _TOPICS, _URGENCY = 0.5, 1.0, 0.6  # weights beside the likeness, which has a spread of 1 over the blocks
_SIDE_TOPIC = 0.5
_OTHER_AUDIENCE = 0.3
_SUGGESTED = 10
PROFESSIONALS = frozenset(
    {
        SenderType.PROFESSIONAL,
        SenderType.GEMEENTE,
        SenderType.INSURER,
        SenderType.CIZ,
        SenderType.CLIENT_SUPPORTER,
    }
)
_REAL_REASONS = frozenset({"model", "rule", "softened_rule", "support_rule"})
_TOPICS_OF = {
    Urgency.PALLIATIVE: frozenset({"T16", "T17"}),
    Urgency.TRANSFER: frozenset({"T06", "T13", "T14", "T15"}),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A block and why it fits: "urgency:transfer", "topic:T24", "laws:wmo,zvw", "question" (it is like `nearest`, an
    invented question that the block answers). `likeness` is the mean cosine with its nearest questions."""

    block: Block
    score: float
    reasons: tuple[str, ...]
    likeness: float
    nearest: str


class BlockIndex:
    """The questions and texts of all blocks, ready to be compared with."""

    def __init__(self, blocks: Sequence[Block], questions: Mapping[str, Sequence[str]]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer  # two seconds to import: only who drafts pays

        self._blocks = blocks
        texts: list[str] = []
        of_block: list[int] = []
        for number, block in enumerate(blocks):
            mine = [*questions.get(block.id, ()), _as_document(block)]
            texts += mine
            of_block += [number] * len(mine)
        self._texts = texts
        self._rows = [np.flatnonzero(np.asarray(of_block) == number) for number in range(len(blocks))]
        longest = max(len(rows) for rows in self._rows)
        # one row of places a block; the last place of all holds nothing and is like nothing
        self._places = np.full((len(blocks), max(longest, _NEAREST)), len(texts))
        for number, rows in enumerate(self._rows):
            self._places[number, : len(rows)] = rows
        token = r"(?u)\b\w[\w-]+\b"  # noqa: S105
        words = TfidfVectorizer(sublinear_tf=True, token_pattern=token, ngram_range=(1, 2))
        letters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5))
        self._compared: list[tuple[Any, Any]] = [
            (vectorizer, vectorizer.fit_transform(texts).T.tocsr() / 2.0) for vectorizer in (words, letters)
        ]

    def suggest(self, assessment: Assessment, text: str, *, most: int = _SUGGESTED) -> tuple[Choice, ...]:
        """The best of the blocks that may be chosen, best first."""
        read = [text[:_READ_CHARACTERS]]
        like = sum((vectorizer.transform(read) @ matrix).toarray().ravel() for vectorizer, matrix in self._compared)
        of_places = np.append(like, 0.0)[self._places]
        likeness = np.partition(of_places, -_NEAREST, axis=1)[:, -_NEAREST:].mean(axis=1)
        heights = ((likeness - likeness.mean()) / (likeness.std() or 1.0)).tolist()
        lower, fits = text.lower(), _Fit(assessment)
        scores = [
            (height + fits.score(block), number)
            for number, (block, height) in enumerate(zip(self._blocks, heights, strict=True))
            if not block.only_with or any(word in lower for word in block.only_with)
        ]
        best = sorted(scores, key=lambda one: (-one[0], self._blocks[one[1]].id))[:most]
        return tuple(
            Choice(
                block=self._blocks[number],
                score=round(score, 4),
                reasons=fits.reasons(self._blocks[number]),
                likeness=round(float(likeness[number]), 4),
                nearest=self._nearest(number, like),
            )
            for score, number in best
        )

    def _nearest(self, number: int, like: Scores) -> str:
        rows = self._rows[number][:-1]  # the block's own document is no question
        return self._texts[rows[int(np.argmax(like[rows]))]] if len(rows) else ""


class _Fit:
    """How well blocks answer one assessment, likeness aside."""

    def __init__(self, assessment: Assessment) -> None:
        self._assessment = assessment
        self._probabilities = {law: assessment.law_probabilities.get(law, 0.0) for law in LAWS}
        self._likeliest = max(self._probabilities.values())
        self._urgent = bool(urgency_weight(assessment))
        self._audience = "professional" if assessment.sender_type in PROFESSIONALS else "citizen"

    def score(self, block: Block) -> float:
        score = _LAWS * self._laws(block)
        topic = self._topic(block)
        if topic:
            score += _TOPICS * (1.0 if topic == self._assessment.topics[0] else _SIDE_TOPIC)
        if self._urgent:
            score += _URGENCY * (self._assessment.urgency in block.urgency)
        elif "regular" not in block.urgency:
            score -= _URGENCY
        return score - _OTHER_AUDIENCE * (self._audience not in block.audience)

    def _laws(self, block: Block) -> float:
        """How far its laws are those of the question; a likelier law that it leaves out counts against it."""
        if not block.laws:
            return 0.5 - self._likeliest
        mine = [self._probabilities[law] for law in block.laws]
        return sum(mine) / len(mine) - 0.5 * max(0.0, self._likeliest - max(mine))

    def _topic(self, block: Block) -> str:
        return next((topic for topic in self._assessment.topics if topic in block.topics), "")

    def reasons(self, block: Block) -> tuple[str, ...]:
        shared = ",".join(law for law in self._assessment.laws if law in block.laws)
        topic = self._topic(block)
        found = [
            f"urgency:{self._assessment.urgency}" if self._urgent and self._assessment.urgency in block.urgency else "",
            f"topic:{topic}" if topic else "",
            f"laws:{shared}" if shared else "",
            "question",
        ]
        return tuple(filter(None, found))


def _as_document(block: Block) -> str:
    parts = [*block.words, block.title]
    for name in ("kort", "waarom", "wie", "stappen"):
        parts += block.sections.get(name, ())
    return " ".join(parts)


def urgency_weight(assessment: Assessment) -> float:
    """How much urgency counts in the words of a reply; 0 when it was only feared.

    Band `possible` gives the short term to many who are not dying: to write to them of the last phase of life would
    be cruel. Unless the main topic says the same, their draft is that of an ordinary question.
    """
    if assessment.urgency is Urgency.REGULAR:
        return 0.0
    if assessment.band is Band.URGENT:
        return 1.0
    agrees = bool(set(assessment.topics[:1]) & _TOPICS_OF[assessment.urgency])
    return 0.5 if agrees and assessment.band_reason in _REAL_REASONS else 0.0
