"""What people said of real mails, as training examples beside the corpus.

Only a field that a person chose is a label; of everything else of that mail nothing is known, and the heads for it do
not learn from it. The texts are those of real people: they stay in memory and are written nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifiers.labelled import LabelledMail
from classifiers.pipeline import Known
from triage.core.assessment import HEADS, LAWS, SOME_LAW, Band, Urgency
from triage.ports import FeedbackRow

FEWEST_ROWS = 20
_HEADS_OF: Mapping[str, tuple[str, ...]] = {
    "laws": (*LAWS, SOME_LAW),
    "urgency": ("palliative", "transfer"),
    "danger": ("danger",),
}
"""Field (of `core.labels`) → heads that learn it; the other fields have one label of their own name."""
LABELS: tuple[str, ...] = (*HEADS, "sender_type", "topics", "kind")


@dataclass(frozen=True, slots=True)
class Example:
    """A real mail with the labels that people gave it. `row` holds no text; its author is the case, so that the folds
    never cut through one. `known`: those of LABELS that are known."""

    row: LabelledMail
    text: str
    case: str
    known: frozenset[str]
    fields: frozenset[str]  # that people chose, for the counts


def examples_from(rows: Sequence[FeedbackRow]) -> list[Example]:
    """The usable ones, in order: with text, and with at least one label."""
    found = (_example(row) for row in rows if row.judged_text.strip())
    return [one for one in found if one.known]


def _example(row: FeedbackRow) -> Example:
    said = row.labels
    if row.spam_or_machine:  # never judged: what it would be about nobody asked
        return _made(row, "newsletter_or_spam", frozenset({"kind"}), frozenset())
    fields = frozenset(said) - ({"urgency"} if _is_doubt(row) else frozenset())
    known = frozenset(label for field in fields for label in _HEADS_OF.get(field, (field,)))
    return _made(row, "question", known & frozenset(LABELS), fields)


def _is_doubt(row: FeedbackRow) -> bool:
    """Band `possible` says that a person saw no reason to decide: no label. A mail that was missed is decided."""
    return not row.missed_urgent and Band.POSSIBLE in row.labels.get("urgency", ())


def _made(row: FeedbackRow, kind: str, known: frozenset[str], fields: frozenset[str]) -> Example:
    said = {field: row.labels[field] for field in fields}
    return Example(
        LabelledMail(
            id=row.message_id,
            subject="",
            body="",
            laws=tuple(said.get("laws", ())),
            urgency=Urgency(said["urgency"][0]) if "urgency" in said else Urgency.REGULAR,
            kind=kind,
            danger=said.get("danger") == ("yes",),
            author=f"case {row.reference}",
            language=row.language,
            sender_type=said["sender_type"][0] if "sender_type" in said else "other",
            topics=tuple(said.get("topics", ())),
        ),
        row.judged_text,
        row.reference,
        known,
        fields,
    )


def known_labels(corpus: int, examples: Sequence[Example]) -> Known:
    """Label → which rows have it, for the corpus rows (which have all) and then the examples."""
    return {
        label: np.concatenate([np.ones(corpus, dtype=bool), np.array([label in one.known for one in examples], bool)])
        for label in LABELS
    }


def counts(examples: Sequence[Example]) -> dict[str, Any]:
    """What the manifest tells of them: numbers only."""
    return {
        "rows": len(examples),
        "cases": len({one.case for one in examples}),
        "fields": dict(sorted(Counter(field for one in examples for field in one.fields).items())),
        "urgent": sum(one.row.urgent for one in examples),
        "spam_or_machine": sum("kind" in one.known for one in examples),
    }


@dataclass(frozen=True, slots=True)
class Regression:
    """An urgent mail that a model once put in band normal: every later model must give it the short term."""

    case: str
    text: str
    language: str


def regressions_from(rows: Sequence[FeedbackRow]) -> list[Regression]:
    """Without those of which the last word is that they are regular after all."""
    return [
        Regression(row.reference, row.judged_text, row.language)
        for row in rows
        if row.missed_urgent and row.judged_text.strip() and row.labels.get("urgency", ("",))[0] != Urgency.REGULAR
    ]
