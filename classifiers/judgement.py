"""The figures of `docs/judgement.md` and of a comparison of models: what the whole product says against the labels.

Each figure is a count with its size, so that its interval can be told. A mail that could not be read is `possible`.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.evaluate import read_rows
from classifiers.figures import share
from classifiers.labelled import LabelledMail, load_file
from classifiers.registry import HybridClassifier
from classifiers.rules import RuleNet
from classifiers.thresholds import BoolArray, micro_f1
from triage.core.assessment import LAWS, Assessment, Band
from triage.services.reading import Reading, Unread


@dataclass(frozen=True, slots=True)
class Answers:
    """What was said of each mail that a person wrote, as arrays; `rows` are those mails."""

    rows: Sequence[LabelledMail]
    said: Sequence[Assessment | None]  # None: could not be read

    @classmethod
    def of(cls, rows: Sequence[LabelledMail], readings: Sequence[Reading | Unread]) -> Answers:
        kept = [(row, item) for row, item in zip(rows, readings, strict=True) if row.is_judged]
        return cls(
            [row for row, _ in kept], [None if isinstance(item, Unread) else item.assessment for _, item in kept]
        )

    def mark(self, question: Callable[[LabelledMail], bool]) -> BoolArray:
        return np.array([question(row) for row in self.rows], dtype=bool)

    def hear(self, question: Callable[[Assessment], bool], *, unread: bool) -> BoolArray:
        return np.array([unread if item is None else question(item) for item in self.said], dtype=bool)


def figures(rows: Sequence[LabelledMail], readings: Sequence[Reading | Unread]) -> dict[str, Any]:
    """All figures of the issue's bars. Machine and mass mail counts for nothing here but in `evaluate`'s kind."""
    answers = Answers.of(rows, readings)
    mark, hear = answers.mark, answers.hear
    urgent, hard, danger = mark(lambda row: row.urgent), mark(lambda row: row.hard), mark(lambda row: row.danger)
    short = hear(lambda item: item.band.short_term, unread=True)
    high = hear(lambda item: item.band is Band.URGENT, unread=False)
    flagged = hear(lambda item: item.danger, unread=False)
    kinds = [str(row.urgency) for row in answers.rows]
    said = ["" if item is None else str(item.urgency) for item in answers.said]
    apart = np.array([kind == one for kind, one in zip(kinds, said, strict=True)], dtype=bool)
    wanted = {law: mark(lambda row, law=law: law in row.laws) for law in LAWS}  # type: ignore[misc]
    chosen = {law: hear(lambda item, law=law: law in item.laws, unread=False) for law in LAWS}  # type: ignore[misc]
    none = ~np.any(list(wanted.values()), axis=0)
    named = np.any(list(chosen.values()), axis=0)
    exact = np.all([wanted[law] == chosen[law] for law in LAWS], axis=0)

    def of(hits: BoolArray, among: BoolArray) -> dict[str, Any]:
        return share(int((hits & among).sum()), int(among.sum()))

    return {
        "recall": of(short, urgent),
        "recall_by_head": {
            head: of(short, mark(lambda row, head=head: row.urgency == head))  # type: ignore[misc]
            for head in ("palliative", "transfer")
        },
        "recall_by_level": {
            level: of(short, urgent & mark(lambda row, level=level: row.explicitness == level))  # type: ignore[misc]
            for level in ("a", "b", "c")
        },
        "alarms": of(short, ~urgent),
        "alarms_ordinary": of(short, ~urgent & ~hard),
        "alarms_hard": of(short, ~urgent & hard),
        "urgent_band_recall": of(high, urgent),
        "urgent_band_alarms": of(high, ~urgent),
        "told_apart": of(apart, urgent & short),
        "danger_recall": of(flagged, danger),
        "danger_alarms": of(flagged, ~danger),
        "law_micro_f1": round(micro_f1(wanted, chosen), 4) if answers.rows else 0.0,
        "law_f1": {law: _f1(wanted[law], chosen[law]) for law in LAWS},
        "exact": of(exact, np.ones(len(exact), dtype=bool)),
        "false_law_on_none": of(named, none),
        "missed_urgent": [row.id for row, miss in zip(answers.rows, urgent & ~short, strict=True) if miss],
        "missed_danger": [row.id for row, miss in zip(answers.rows, danger & ~flagged, strict=True) if miss],
    }


def _f1(wanted: BoolArray, chosen: BoolArray) -> float:
    return round(2 * float((wanted & chosen).sum()) / max(float(wanted.sum() + chosen.sum()), 1.0), 4)


def rules_alone(readings: Sequence[Reading | Unread], rules: RuleNet) -> list[Reading | Unread]:
    """The same readings as if only the rules had spoken, with no model to rule a cue out: for the comparison, not for
    use."""

    def only(assessment: Assessment) -> Assessment:
        hits = rules.hits(unicodedata.normalize("NFC", assessment.judged_text))
        urgent = [item for item in hits if item.head != "danger"]
        firm = [item for item in urgent if not item.softened_by and not item.support]
        band = Band.URGENT if firm else Band.POSSIBLE if urgent else Band.NORMAL
        return replace(
            assessment, band=band, danger=any(item.head == "danger" and not item.softened_by for item in hits), laws=()
        )

    return [item if isinstance(item, Unread) else replace(item, assessment=only(item.assessment)) for item in readings]


# ---------------------------------------------------------------- the challenge set


@dataclass(frozen=True, slots=True)
class ChallengeMail:
    """A row of the challenge set. `test`: MFT (one fact, one label), INV (a change that must change nothing) or DIR (a
    change that must change a label); `pair`: the mail it was made from, "" for a base mail."""

    row: LabelledMail
    test: str
    pair: str
    change: str


def load_challenge(directory: Path) -> list[ChallengeMail]:
    """The challenge mails in the folder, files by name. Raises ConfigError when a file cannot be read."""
    found = []
    for path in sorted(directory.glob("*.jsonl")):
        for row, data in zip(load_file(path), json_rows(path), strict=True):
            found.append(ChallengeMail(row, data.get("test", ""), data.get("pair", ""), data.get("change", "")))
    return found


def json_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def challenge_figures(mails: Sequence[ChallengeMail], classifier: HybridClassifier) -> dict[str, Any]:
    """Per test: how often the product did what it must, and which mails it got wrong.

    MFT: urgency (short term or not), danger and the set of laws are as labelled. INV: short term, danger and laws are
    as for the base mail. DIR: short term and danger are as labelled after the change.
    """
    readings = read_rows([mail.row for mail in mails], classifier)
    said: Mapping[str, Assessment] = {
        mail.row.id: item.assessment for mail, item in zip(mails, readings, strict=True) if not isinstance(item, Unread)
    }
    right: dict[str, list[bool]] = {name: [] for name in CHALLENGE_CHECKS}
    wrong: dict[str, list[str]] = {name: [] for name in CHALLENGE_CHECKS}

    def note(name: str, mail: ChallengeMail, passed: bool) -> None:
        right[name].append(passed)
        if not passed:
            wrong[name].append(mail.row.id)

    for mail in mails:
        mine, row = said[mail.row.id], mail.row
        if mail.test == "MFT":
            note("MFT urgency", mail, mine.band.short_term or not row.urgent)
            note("MFT calm stays calm", mail, row.urgent or not mine.band.short_term)
            note("MFT danger", mail, mine.danger == row.danger)
            note("MFT laws", mail, set(mine.laws) == set(row.laws))
        elif mail.pair and mail.test == "INV":
            base = said[mail.pair]
            note("INV urgency", mail, mine.band.short_term == base.band.short_term)
            note("INV danger", mail, mine.danger == base.danger)
            note("INV laws", mail, set(mine.laws) == set(base.laws))
        elif mail.pair and mail.test == "DIR":
            note("DIR raised", mail, mine.band.short_term or not row.urgent)
            note("DIR lowered", mail, row.urgent or not mine.band.short_term)
            note("DIR danger", mail, mine.danger == row.danger)
    return {
        name: share(sum(results), len(results)) | {"wrong": wrong[name]} for name, results in right.items() if results
    }


CHALLENGE_CHECKS = (
    "MFT urgency", "MFT calm stays calm", "MFT danger", "MFT laws", "INV urgency", "INV danger", "INV laws",
    "DIR raised", "DIR lowered", "DIR danger",
)  # fmt: skip


# ---------------------------------------------------------------- agreement


def kappa(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """Cohen's kappa of two labellers of one yes-or-no label; None when neither ever says yes."""
    n = len(first)
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    yes = (sum(first) / n) * (sum(second) / n)
    chance = yes + (1 - sum(first) / n) * (1 - sum(second) / n)
    return None if chance == 1.0 else round((agreed - chance) / (1 - chance), 3)
