"""A challenger: a model of the corpus and of people's words on real mails, made beside the model in use.

It is written to a folder of its own outside the repository, with its comparison; nothing here puts it in use.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from classifiers.card import write_card
from classifiers.compare import Comparison, compare_models, render
from classifiers.encoder import SentenceEncoder
from classifiers.evaluate import append_scoring
from classifiers.feedback import FEWEST_ROWS, examples_from, regressions_from
from classifiers.judgement import load_challenge
from classifiers.labelled import CORPUS, LOCK, TRAIN, load_corpus
from classifiers.manifest import MANIFEST_FILE, Manifest
from classifiers.registry import RULES, HybridClassifier, load_classifier
from classifiers.train import SEED, train
from triage.errors import TriageError
from triage.ports import FeedbackRow

COMPARISON_FILE = "comparison.json"
COMPARISON_PAGE = "COMPARISON.md"
LOG_FILE = "LOCKED_TEST.md"
CHALLENGE = CORPUS / "challenge"


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """The mails that every comparison uses; `models` is the data folder's folder of models, whose log is used."""

    models: Path
    locked: Path = LOCK.parent
    challenge: Path = CHALLENGE


def make_challenger(
    rows: Sequence[FeedbackRow],
    champion: HybridClassifier,
    yardsticks: Yardsticks,
    *,
    now: datetime,
    corpus: Path = TRAIN,
    seed: int = SEED,
    progress: Callable[[str], None] = lambda _: None,
    use_encoder: bool = True,
    encoder: SentenceEncoder | None = None,
) -> tuple[Path, Comparison]:
    """(folder of the new model, how it compares with the champion). The same feedback makes the same model anew.

    Raises TriageError when there is too little feedback to learn from, ConfigError when the corpus cannot be read.
    """
    examples = examples_from(rows)
    if len(examples) < FEWEST_ROWS:
        raise TriageError(
            f"too little feedback: people chose or confirmed something in {len(examples)} mails, {FEWEST_ROWS} are "
            "needed; let staff confirm and correct more assessments on Zaak, then run this again"
        )
    yardsticks.models.mkdir(parents=True, exist_ok=True, mode=0o700)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=yardsticks.models))
    try:
        manifest = train(
            corpus,
            work / "model",
            seed=seed,
            progress=progress,
            figures=False,
            encoder=encoder if use_encoder else False,
            examples=examples,
        )
        comparison = compare_with(
            work / "model", rows, champion, yardsticks, now=now, progress=progress, use_encoder=use_encoder
        )
        target = yardsticks.models / manifest.model_id
        if target.exists():
            target.rename(work / "before")
        (work / "model").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target, comparison


def compare_with(
    directory: Path,
    rows: Sequence[FeedbackRow],
    champion: HybridClassifier,
    yardsticks: Yardsticks,
    *,
    now: datetime,
    progress: Callable[[str], None] = lambda _: None,
    use_encoder: bool = True,
) -> Comparison:
    """Compares the model in this folder with the champion, writes both files of the comparison beside it and renews its
    card. Every scoring of the locked test is noted in the log of the models' folder."""
    log = yardsticks.models / LOG_FILE
    comparison = compare_models(
        champion,
        load_classifier(directory, rules_path=RULES, use_encoder=use_encoder, progress=progress),
        locked=load_corpus(yardsticks.locked),
        challenge=load_challenge(yardsticks.challenge),
        regressions=regressions_from(rows),
        at=now.isoformat(timespec="seconds"),
        note=lambda line: append_scoring(log, line),
        progress=progress,
    )
    for name, text in (
        (COMPARISON_FILE, json.dumps(comparison.as_json(), ensure_ascii=False, indent=1) + "\n"),
        (COMPARISON_PAGE, render(comparison)),
    ):
        fresh = directory / f".{name}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(directory / name)
    write_card(directory, Manifest.read(directory / MANIFEST_FILE), log=log)
    return comparison
