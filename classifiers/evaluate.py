"""Scores the whole product path on a labelled file: message → parse → screen → judge → assess.

The locked test is scored with the same function; every scoring of it is written down beside it, so that nobody
can tune on it unseen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.card import write_card
from classifiers.labelled import LOCK, LOG, LabelledMail, as_message, load_file, locked_rows
from classifiers.manifest import MANIFEST_FILE, Manifest
from classifiers.registry import CURRENT, HybridClassifier
from classifiers.thresholds import interval, micro_f1
from triage.core.assessment import LAWS
from triage.core.mail import MessageKind
from triage.services.reading import Reader, Reading, Unread

BATCH = 50
ACCEPTED_KINDS: Mapping[str, frozenset[MessageKind]] = {
    "question": frozenset({MessageKind.QUESTION, MessageKind.FOLLOW_UP}),
    "follow_up": frozenset({MessageKind.QUESTION, MessageKind.FOLLOW_UP}),
    "bounce": frozenset({MessageKind.DELIVERY_REPORT}),
    "newsletter_or_spam": frozenset({MessageKind.LIST_OR_BULK, MessageKind.UNSOLICITED}),
}
"""Labelled kinds that stand for more than one of ours, or for one with another name."""
_LOG_HEAD = """# Scorings of the locked test

Every scoring is a line here. The first line of a model is its reported score; nothing may be tuned on these mails.

| date | model | n | urgent recall (short term) | 95% from | false alarms | law micro-F1 | exact laws | kind |
|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What the product said against the labels. Urgent = band `urgent` or `possible`.

    `recall` and `alarms` are (k, n); `exact` and `kind` are shares of all mails; `missed` are ids.
    """

    n: int
    recall: tuple[int, int]
    alarms: tuple[int, int]
    law_micro_f1: float
    per_law: Mapping[str, Mapping[str, float]]
    exact: float
    kind: float
    missed: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The object `evaluate --json` prints. `lower`: Clopper-Pearson, two-sided 95%."""
        return {
            "n": self.n,
            "urgent_recall": {"k": self.recall[0], "n": self.recall[1], "lower": round(interval(*self.recall)[0], 4)},
            "false_alarms": {"k": self.alarms[0], "n": self.alarms[1]},
            "laws": {"micro_f1": round(self.law_micro_f1, 4), "per_law": {k: dict(v) for k, v in self.per_law.items()}},
            "exact": round(self.exact, 4),
            "kind": round(self.kind, 4),
            "missed": list(self.missed),
        }


def evaluate(
    rows: Sequence[LabelledMail], classifier: HybridClassifier, *, progress: Callable[[str], None] = lambda _: None
) -> EvaluationReport:
    """Reads every row as the product would read its mail and compares with the labels."""
    return compare(rows, read_rows(rows, classifier, progress=progress))


def read_rows(
    rows: Sequence[LabelledMail], classifier: HybridClassifier, *, progress: Callable[[str], None] = lambda _: None
) -> list[Reading | Unread]:
    """What the product reads in each row's mail, in order."""
    reader = Reader(classifier, own_addresses=(), authserv_id="", model_languages=classifier.languages)
    readings: list[Reading | Unread] = []
    for start in range(0, len(rows), BATCH):
        readings += reader.read([as_message(row) for row in rows[start : start + BATCH]])
        progress(f"{len(readings)} of {len(rows)} mails read")
    return readings


def compare(rows: Sequence[LabelledMail], readings: Sequence[Reading | Unread]) -> EvaluationReport:
    """The report for these readings, one per row. A mail that could not be read counts as `possible`."""
    short = np.array([isinstance(item, Unread) or item.assessment.band.short_term for item in readings], dtype=bool)
    urgent = np.array([row.urgent for row in rows], dtype=bool)
    said = [() if isinstance(item, Unread) else item.assessment.laws for item in readings]
    wanted = {law: np.array([law in row.laws for row in rows], dtype=bool) for law in LAWS}
    chosen = {law: np.array([law in laws for laws in said], dtype=bool) for law in LAWS}
    return EvaluationReport(
        n=len(rows),
        recall=(int((short & urgent).sum()), int(urgent.sum())),
        alarms=(int((short & ~urgent).sum()), int((~urgent).sum())),
        law_micro_f1=micro_f1(wanted, chosen) if rows else 0.0,
        per_law={law: _law(wanted[law], chosen[law]) for law in LAWS},
        exact=_mean([set(row.laws) == set(laws) for row, laws in zip(rows, said, strict=True)]),
        kind=_mean([_kind_is_right(row, item) for row, item in zip(rows, readings, strict=True)]),
        missed=tuple(row.id for row, miss in zip(rows, urgent & ~short, strict=True) if miss),
    )


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0


def _law(wanted: Any, chosen: Any) -> dict[str, float]:
    hits = int((wanted & chosen).sum())
    precision, recall = hits / max(int(chosen.sum()), 1), hits / max(int(wanted.sum()), 1)
    f1 = 2 * hits / max(int(wanted.sum() + chosen.sum()), 1)
    return {
        "n": int(wanted.sum()),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(f1, 4),
    }


def _kind_is_right(row: LabelledMail, item: Reading | Unread) -> bool:
    kind = MessageKind.UNREADABLE if isinstance(item, Unread) else item.screening.kind
    return kind in ACCEPTED_KINDS.get(row.kind, frozenset()) or kind == row.kind


def evaluate_file(
    path: Path,
    classifier: HybridClassifier,
    *,
    now: datetime,
    progress: Callable[[str], None] = lambda _: None,
    lock: Path = LOCK,
    log: Path = LOG,
    current: Path = CURRENT,
) -> EvaluationReport:
    """The report for a labelled file. A scoring of locked mails is appended to their log, and the card renewed.

    Raises ConfigError when the file cannot be read as labelled mails.
    """
    rows = load_file(path)
    report = evaluate(rows, classifier, progress=progress)
    if locked_rows(rows, lock):
        append_scoring(log, note_scoring(report, classifier.model_id, now.date().isoformat()))
        if (current / MANIFEST_FILE).exists():
            write_card(current, Manifest.read(current / MANIFEST_FILE), log=log)
    return report


def note_scoring(report: EvaluationReport, model_id: str, day: str) -> str:
    """The line of the log for one scoring of the locked test. `day`: ISO 8601, a later part is left out."""
    (hits, urgent), (alarms, normal) = report.recall, report.alarms
    cells = (
        day[:10], model_id, report.n, f"{hits}/{urgent}", f"{interval(hits, urgent)[0]:.3f}",
        f"{alarms}/{normal}", f"{report.law_micro_f1:.3f}", f"{report.exact:.3f}", f"{report.kind:.3f}",
    )  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def append_scoring(log: Path, line: str) -> None:
    """Adds a line of `note_scoring`; makes the log when there is none."""
    if not log.exists():
        log.write_text(_LOG_HEAD, encoding="utf-8")
    with log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def write_lock(paths: Sequence[Path], lock: Path = LOCK) -> None:
    """Freezes labelled files: a content hash per row. A test fails when a row moves or is added."""
    from classifiers.labelled import row_hash

    hashes = {row.id: row_hash(row) for path in paths for row in load_file(path)}
    files = sorted(path.name for path in paths)
    lock.write_text(json.dumps({"files": files, "rows": hashes}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
