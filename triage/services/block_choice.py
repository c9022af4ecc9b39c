"""Which answer blocks fit a question, best first, with the reasons that staff can see.

A mail is compared with invented questions and mails that each block answers (`questions.toml` and `mails.jsonl` in
`templates/knowledge`); the assessment says which laws, topics and urgency the answer must meet, and the facts that the
mail states rule out blocks that are about somebody else. A pure function of all three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from triage.core.assessment import LAWS, Assessment, Band, SenderType, Urgency
from triage.core.facts import FactRules, Facts, excluded

if TYPE_CHECKING:
    from triage.services.knowledge import Block

Scores = npt.NDArray[np.float64]

_READ_CHARACTERS = 2000  # a question stands in the first page; the rest costs time and says nothing new
_NEAREST = 5  # examples of a block that count; one alone may be like the mail by chance
_RIDGE = 0.4
_SEEN = 2  # examples that hold a term: those of one alone teach nothing and cost a third of the time
_SIDE_TOPIC = 0.5
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
_TOPICS_OF_TRANSFER = frozenset({"T06", "T13", "T14", "T15"})


@dataclass(frozen=True, slots=True)
class Weights:
    """What each thing counts for the chance that a block is needed: a logistic regression over blocks.

    `learned` and `likeness` have a spread of 1 over the blocks; `laws` lies in [-1, 1], `topic` is 1 for the main topic
    and 0.5 for another, `urgency` 1, 0 or -1. Fitted by `python -m tests.benchmark.drafts --weights` on the mails of
    `mails.jsonl`, those of each author scored by what the others taught."""

    learned: float
    likeness: float
    laws: float
    topic: float
    urgency: float
    base: float


WEIGHTS = Weights(learned=1.38, likeness=0.23, laws=1.4, topic=0.86, urgency=0.31, base=-7.39)


@dataclass(frozen=True, slots=True)
class Example:
    """A text and the blocks that answer it."""

    text: str
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A block and why it fits: "urgency:transfer", "topic:T24", "laws:wmo,zvw", "question" (it is like `nearest`, an
    invented question that the block answers). `misfit` says why not: a condition such as "wlz" with which the block is
    about somebody else, or "needs" (the mail says none of those that the block is for). `score` is the chance, in
    [0, 1], that the reply needs it."""

    block: Block
    score: float
    reasons: tuple[str, ...]
    nearest: str
    misfit: str = ""

    @property
    def fits(self) -> bool:
        """Whether nothing in the mail says that the block is about somebody else."""
        return not self.misfit


class BlockIndex:
    """The examples and texts of all blocks, ready to be compared with."""

    def __init__(
        self,
        blocks: Sequence[Block],
        questions: Mapping[str, Sequence[str]],
        mails: Sequence[Example],
        facts: FactRules,
    ) -> None:
        """`questions` maps ids of blocks to short questions, one of which is shown as the nearest."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # two seconds to import: only who drafts pays
        from sklearn.kernel_ridge import KernelRidge

        self._blocks = blocks
        asked = [Example(text, (block.id,)) for block in blocks for text in questions.get(block.id, ())]
        documents = [Example(_as_document(block), (block.id,)) for block in blocks]
        examples = [*asked, *documents, *mails]
        self._questions = [one.text for one in asked]
        number = {block.id: place for place, block in enumerate(blocks)}
        answers = np.zeros((len(examples), len(blocks)))
        for row, example in enumerate(examples):
            answers[row, [number[one] for one in example.blocks]] = 1.0
        self._rows = [np.flatnonzero(answers[:, place]) for place in range(len(blocks))]
        # one row of places a block; the last place of all holds nothing and is like nothing
        self._places = np.full((len(blocks), max(_NEAREST, *map(len, self._rows))), len(examples))
        for place, rows in enumerate(self._rows):
            self._places[place, : len(rows)] = rows
        texts = [
            *self._questions,
            *(one.text for one in documents),
            *(_with_facts(one.text, facts.read(one.text)) for one in mails),
        ]
        token = r"(?u)\b\w[\w-]+\b"  # noqa: S105
        words = TfidfVectorizer(sublinear_tf=True, min_df=_SEEN, token_pattern=token, ngram_range=(1, 2))
        letters = TfidfVectorizer(sublinear_tf=True, min_df=_SEEN, analyzer="char_wb", ngram_range=(4, 4))
        self._compared: list[tuple[Any, Any]] = [
            (vectorizer, vectorizer.fit_transform(texts).T.tocsr() / 2.0) for vectorizer in (words, letters)
        ]
        alike = sum((2.0 * matrix.T @ matrix).toarray() for _, matrix in self._compared)
        self._usual = answers.mean(axis=0)
        ridge = KernelRidge(alpha=_RIDGE, kernel="precomputed").fit(alike, answers - self._usual)
        self._taught: Scores = ridge.dual_coef_

    def suggest(self, assessment: Assessment, text: str, facts: Facts, *, most: int = _SUGGESTED) -> tuple[Choice, ...]:
        """The blocks that fit best, best first; those that are about somebody else come last. `facts`: those that the
        text states."""
        fits, lower = _Fit(assessment, facts), text.lower()
        parts, like = self._parts(fits, text, facts)
        chances = 1.0 / (1.0 + np.exp(-(parts @ _as_row(WEIGHTS) + WEIGHTS.base)))
        misfits = [excluded(block.needs, block.not_with, facts) for block in self._blocks]
        scores = [
            (bool(misfits[number]), -chance, block.id, number)
            for number, (block, chance) in enumerate(zip(self._blocks, chances.tolist(), strict=True))
            if not block.only_with or any(word in lower for word in block.only_with)
        ]
        return tuple(
            Choice(
                block=self._blocks[number],
                score=round(-chance, 4),
                reasons=fits.reasons(self._blocks[number]),
                nearest=self._nearest(number, like),
                misfit=misfits[number],
            )
            for _, chance, _, number in sorted(scores)[:most]
        )

    def features(self, assessment: Assessment, text: str, facts: Facts) -> Scores:
        """(blocks, 5): what `Weights` weighs of each block, in its order."""
        return self._parts(_Fit(assessment, facts), text, facts)[0]

    def _parts(self, fits: _Fit, text: str, facts: Facts) -> tuple[Scores, Scores]:
        """What is weighed, and how much the text is like each example."""
        read = [_with_facts(text, facts)]
        like = sum((vectorizer.transform(read) @ matrix).toarray().ravel() for vectorizer, matrix in self._compared)
        learned = like @ self._taught + self._usual
        of_places = np.append(like, 0.0)[self._places]
        likeness = np.partition(of_places, -_NEAREST, axis=1)[:, -_NEAREST:].mean(axis=1)
        parts = [_spread(learned), _spread(likeness), *np.array([fits.parts(block) for block in self._blocks]).T]
        return np.stack(parts, axis=1), like

    def _nearest(self, number: int, like: Scores) -> str:
        rows = [row for row in self._rows[number] if row < len(self._questions)]
        return self._questions[rows[int(np.argmax(like[rows]))]] if rows else ""


class _Fit:
    """How well blocks answer one assessment, likeness aside."""

    def __init__(self, assessment: Assessment, facts: Facts) -> None:
        self._assessment = assessment
        self._probabilities = {law: assessment.law_probabilities.get(law, 0.0) for law in LAWS}
        self._likeliest = max(self._probabilities.values())
        self._urgent = is_urgent_in_words(assessment, facts)

    def parts(self, block: Block) -> tuple[float, float, float]:
        """(laws, topic, urgency) as `Weights` says."""
        topic = self._topic(block)
        of_topic = (1.0 if topic == self._assessment.topics[0] else _SIDE_TOPIC) if topic else 0.0
        if self._urgent:
            return self._laws(block), of_topic, float(self._assessment.urgency in block.urgency)
        return self._laws(block), of_topic, 0.0 if "regular" in block.urgency else -1.0

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


def _with_facts(text: str, facts: Facts) -> str:
    """The text that is compared: what the mail states counts as words of its own."""
    said = (f"feit{name}{'ja' if holds else 'nee'}" for name, holds in facts.items())
    return f"{text[:_READ_CHARACTERS]} {' '.join(said)}"


def _spread(values: Scores) -> Scores:
    spread: Scores = (values - values.mean()) / (float(values.std()) or 1.0)
    return spread


def _as_row(weights: Weights) -> Scores:
    return np.array([weights.learned, weights.likeness, weights.laws, weights.topic, weights.urgency])


def _as_document(block: Block) -> str:
    parts = [*block.words, block.title]
    for name in ("kort", "waarom", "wie", "stappen"):
        parts += block.sections.get(name, ())
    return " ".join(parts)


def is_urgent_in_words(assessment: Assessment, facts: Facts) -> bool:
    """Whether a reply speaks of urgency; not when it was only feared.

    Band `possible` gives the short term to many who are not dying: to write to them of the last phase of life would
    be cruel. Unless the mail says that somebody is dying, or (for a transfer) the main topic says the same, their
    draft is that of an ordinary question.
    """
    if assessment.urgency is Urgency.REGULAR:
        return False
    if assessment.band is Band.URGENT:
        return True
    if assessment.urgency is Urgency.PALLIATIVE:
        return facts.get("dying", False)
    return assessment.band_reason in _REAL_REASONS and bool(set(assessment.topics[:1]) & _TOPICS_OF_TRANSFER)
