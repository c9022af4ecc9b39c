"""Training: fit, choose the cuts on unseen authors, measure, and write model, manifest and card. Seeded.

On one machine the same corpus and seed give the same bytes. Nothing here looks at the locked test.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn
import skops

from classifiers import figures as measure
from classifiers import pipeline
from classifiers.card import write_card
from classifiers.features import normalise
from classifiers.labelled import LabelledMail, corpus_hash, judged, load_corpus
from classifiers.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from classifiers.registry import RULES, load_rules
from classifiers.thresholds import (
    Unseen,
    calibrated,
    danger_cut,
    law_cut,
    probability,
    topic_floor,
    unseen_scores,
    urgency_cuts,
)
from triage.core.assessment import HEADS, LAWS
from triage.errors import ConfigError

MIN_LANGUAGE_ROWS = 20
SEED = 2026


def train(
    corpus: Path,
    out: Path,
    *,
    seed: int = SEED,
    progress: Callable[[str], None] = lambda _: None,
    rules_path: Path = RULES,
    settings: pipeline.Settings | None = None,
    figures: bool = True,
) -> Manifest:
    """Trains on every `*.jsonl` in `corpus` and replaces the folder `out` as a whole.

    `figures` False skips what only the card needs (learning curve, bake-off): for a rebuild.
    Raises ConfigError when the corpus cannot be read or has fewer than two authors.
    """
    chosen = settings or pipeline.Settings()
    rows = load_corpus(corpus)
    if len({row.author for row in rows}) < 2:
        raise ConfigError(f"{corpus}: at least two authors are needed to choose cuts on unseen ones")
    docs = [normalise(judged(row)) for row in rows]
    progress(f"{len(rows)} labelled mails by {len({row.author for row in rows})} authors read")
    unseen = unseen_scores(docs, rows, chosen, seed=seed, progress=progress)
    rules = load_rules(rules_path) if rules_path.exists() else None
    marks = measure.rule_marks(rows, rules) if rules else None
    borders = _borders(rows, unseen, marks)
    model = pipeline.fit(docs, rows, chosen, seed=seed)
    content = pipeline.dump(model)
    progress(f"model fitted: {len(content) / 1e6:.2f} MB")
    scores = _scores(rows, unseen, borders["topic_floor"], marks)
    if figures:
        scores |= measure.comparisons(docs, rows, chosen, seed=seed, unseen=unseen, progress=progress)
    languages = Counter(row.language for row in rows)
    manifest = Manifest(
        model_id="",
        created=datetime.now(UTC).date().isoformat(),
        versions={
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
            "skops": skops.__version__,
        },
        corpus={"sha256": corpus_hash(rows)} | measure.counts(rows),
        settings=asdict(chosen) | {"heads": list(HEADS), "features": sum(len(v.vocabulary_) for v in _both(model))},
        languages=tuple(sorted(code for code, count in languages.items() if count >= MIN_LANGUAGE_ROWS)),
        seed=seed,
        model_sha256=hashlib.sha256(content).hexdigest(),
        model_bytes=len(content),
        scores=scores,
        rules_sha256=rules.sha256 if rules else "",
        **borders,
    )
    manifest = replace(manifest, model_id=_model_id(manifest))
    _write(out, manifest, content)
    progress(f"model {manifest.model_id} written to {out}")
    return manifest


def _both(model: pipeline.Model) -> tuple[Any, Any]:
    return model.word, model.char


def _borders(rows: Sequence[LabelledMail], unseen: Unseen, marks: measure.RuleMarks | None) -> dict[str, Any]:
    """Platt's numbers and the shipped cuts, from all scores on unseen authors."""
    pairs = calibrated(unseen.heads, rows)
    judged_rows = np.array([row.is_judged for row in rows])
    wanted = {head: value[judged_rows] for head, value in pipeline.targets(rows).items()}
    chance = {head: probability(unseen.heads[head][judged_rows], pairs[head]) for head in HEADS}
    urgent = wanted["palliative"] | wanted["transfer"]
    likelier = np.maximum(chance["palliative"], chance["transfer"])
    low_high = urgency_cuts(likelier, urgent, marks.soft if marks else None)
    danger = danger_cut(chance["danger"], wanted["danger"])
    codes, topic_scores = unseen.topics
    kept = [i for i, row in enumerate(rows) if row.is_judged and row.topics]
    topic_wanted = np.array([[code in rows[i].topics for code in codes] for i in kept], dtype=bool)
    floor = topic_floor(topic_scores[kept], topic_wanted) if len(codes) and kept else 0.0
    return {
        "calibration": pairs,
        "law_thresholds": {law: law_cut(chance[law], wanted[law]).cut for law in LAWS},
        # One cut for both heads: the band asks for either, and the alarms are counted on both together.
        "urgency_thresholds": {"palliative": low_high, "transfer": low_high, "danger": (danger, danger)},
        "topic_floor": floor,
    }


def _scores(
    rows: Sequence[LabelledMail], unseen: Unseen, floor: float, marks: measure.RuleMarks | None
) -> dict[str, Any]:
    data = measure.Judged(rows, unseen, marks)
    scores: dict[str, Any] = {
        "urgency": measure.urgency_figures(data, data.short, data.high),
        "trade_off": measure.trade_off(data),
        "laws": measure.law_figures(data),
        "danger": measure.danger_figures(data, data.danger),
        "authors": measure.author_figures(data),
        "calibration": measure.calibration_figures(data),
        "topics": measure.topic_figures(rows, unseen, floor),
        "sender": measure.sender_figures(rows, unseen),
    }
    if marks is not None:
        scores["rules_model_both"] = measure.rules_figures(data, marks)
    return scores


def _model_id(manifest: Manifest) -> str:
    """`jl-` and twelve digits of the hash of all that makes a verdict: file, borders, data, versions."""
    parts: Mapping[str, Any] = {
        "file": manifest.model_sha256,
        "calibration": manifest.calibration,
        "laws": manifest.law_thresholds,
        "urgency": manifest.urgency_thresholds,
        "topics": manifest.topic_floor,
        "corpus": manifest.corpus["sha256"],
        "settings": manifest.settings,
        "versions": manifest.versions,
        "seed": manifest.seed,
    }
    return "jl-" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _write(out: Path, manifest: Manifest, content: bytes) -> None:
    """Replaces `out` by a complete new folder: a reader sees the old model or the new one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=out.parent))
    work.chmod(0o755)
    try:
        (work / MODEL_FILE).write_bytes(content)
        (work / MANIFEST_FILE).write_text(manifest.as_json(), encoding="utf-8")
        write_card(work, manifest)
        old = out.with_name(f".old-{out.name}")
        shutil.rmtree(old, ignore_errors=True)
        if out.exists():
            out.rename(old)
        work.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
