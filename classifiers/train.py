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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy
import sklearn
import skops
from threadpoolctl import threadpool_limits

from classifiers import figures as measure
from classifiers import pipeline
from classifiers.card import write_card
from classifiers.encoder import SentenceEncoder, Vectors, encoder_problem, load_encoder
from classifiers.features import normalise
from classifiers.feedback import Example, known_labels
from classifiers.feedback import counts as feedback_counts
from classifiers.labelled import LabelledMail, corpus_hash, judged, load_corpus
from classifiers.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from classifiers.registry import RULES, load_rules
from classifiers.thresholds import (
    RuleMarks,
    Task,
    Unseen,
    borders,
    person_cut,
    topic_floor,
    unseen_scores,
)
from triage.core.assessment import HEADS
from triage.errors import ConfigError

MIN_LANGUAGE_ROWS = 20
SEED = 2026
PROCESSES = 2


@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator]
def train(
    corpus: Path,
    out: Path,
    *,
    seed: int = SEED,
    progress: Callable[[str], None] = lambda _: None,
    rules_path: Path = RULES,
    settings: pipeline.Settings | None = None,
    figures: bool = True,
    encoder: SentenceEncoder | Literal[False] | None = None,
    examples: Sequence[Example] = (),
) -> Manifest:
    """Trains on every `*.jsonl` in `corpus` and replaces the folder `out` as a whole.

    `figures` False skips what only the card needs (learning curve, bake-off): for a rebuild. `encoder`: the one that
    is installed when not given; False for none. `examples`: real mails with people's labels, which the model learns
    beside the corpus; the figures of its card are measured on the corpus alone.
    Raises ConfigError when the corpus cannot be read or has fewer than two authors.
    """
    chosen = settings or pipeline.Settings()
    rows = load_corpus(corpus)
    if len({row.author for row in rows}) < 2:
        raise ConfigError(f"{corpus}: at least two authors are needed to choose cuts on unseen ones")
    texts = [judged(row) for row in rows]
    progress(f"{len(rows)} labelled mails by {len({row.author for row in rows})} authors read")
    corpus_rows, known, cases = rows, None, None
    if examples:
        known = known_labels(len(rows), examples)
        cases = [*([""] * len(rows)), *(one.case for one in examples)]
        rows, texts = [*rows, *(one.row for one in examples)], [*texts, *(one.text for one in examples)]
        progress(f"{len(examples)} mails with people's labels beside them")
    judge = load_encoder() if encoder is None else encoder or None
    vectors = None
    if judge is None:
        progress(f"no sentence encoder ({encoder_problem() or 'switched off'}): n-grams alone")
    else:
        vectors = _vectors(judge, texts)
        progress(f"sentence vectors made by {judge.name}")
    task = Task([normalise(text) for text in texts], rows, chosen, seed, vectors=vectors, known=known, cases=cases)
    unseen = unseen_scores(task, processes=PROCESSES, progress=progress)
    rules = load_rules(rules_path) if rules_path.exists() else None
    marks = measure.rule_marks(rows, rules, texts) if rules else None
    model = pipeline.fit(task.docs, rows, chosen, seed=seed, vectors=vectors, known=known, cases=cases)
    content = pipeline.dump(model)
    progress(f"model fitted: {len(content) / 1e6:.2f} MB")
    floor = _topic_floor(rows, unseen)
    ours = unseen.first(len(corpus_rows))
    our_marks = marks.of(np.arange(len(marks.soft)) < sum(row.is_judged for row in corpus_rows)) if marks else None
    scores = _scores(corpus_rows, ours, floor, our_marks)
    if figures:
        scores |= measure.comparisons(task, unseen, progress=progress)
    languages = Counter(row.language for row in corpus_rows)
    corpus_counts = {"sha256": corpus_hash(corpus_rows)} | measure.counts(corpus_rows)
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
        corpus=corpus_counts | ({"feedback": feedback_counts(examples)} if examples else {}),
        settings=asdict(chosen) | {"heads": list(HEADS), "features": sum(len(v.vocabulary_) for v in _both(model))},
        plain=borders(rows, unseen, marks, fused=False, known=known),
        fused=None if judge is None else borders(rows, unseen, marks, fused=True, known=known),
        person_border=_person_border(corpus_rows, ours),
        topic_floor=floor,
        languages=tuple(sorted(code for code, count in languages.items() if count >= MIN_LANGUAGE_ROWS)),
        seed=seed,
        model_sha256=hashlib.sha256(content).hexdigest(),
        model_bytes=len(content),
        scores=scores,
        rules_sha256=rules.sha256 if rules else "",
        encoder=None if judge is None else judge.name,
    )
    manifest = replace(manifest, model_id=_model_id(manifest))
    _write(out, manifest, content)
    progress(f"model {manifest.model_id} written to {out}")
    return manifest


def _vectors(encoder: SentenceEncoder, texts: Sequence[str]) -> Vectors:
    """The texts' vectors, made by two threads: the encoder's work is in numpy, which lets the other run."""
    half = len(texts) // 2
    with ThreadPoolExecutor(PROCESSES) as pool:
        parts = list(pool.map(encoder.vectors, (texts[:half], texts[half:])))
    return np.concatenate(parts)


def _both(model: pipeline.Model) -> tuple[Any, Any]:
    return model.word, model.char


def _topic_floor(rows: Sequence[LabelledMail], unseen: Unseen) -> float:
    codes, scores = unseen.topics
    kept = [i for i, row in enumerate(rows) if row.is_judged and row.topics]
    wanted = np.array([[code in rows[i].topics for code in codes] for i in kept], dtype=bool)
    return topic_floor(scores[kept], wanted) if len(codes) and kept else 0.0


def _person_border(rows: Sequence[LabelledMail], unseen: Unseen) -> float:
    person = unseen.kinds[:, pipeline.KINDS.index(pipeline.PERSON)]
    return person_cut(person, np.array([pipeline.kind_of(row) == pipeline.PERSON for row in rows]))


def _scores(rows: Sequence[LabelledMail], unseen: Unseen, floor: float, marks: RuleMarks | None) -> dict[str, Any]:
    """The figures of the card, without encoder (`plain`) and with it (`fused`), and those that both share."""
    scores: dict[str, Any] = {
        "topics": measure.topic_figures(rows, unseen, floor),
        "sender": measure.sender_figures(rows, unseen),
        "kinds": measure.kind_figures(rows, unseen),
    }
    for name in ("plain", "fused") if unseen.encoder else ("plain",):
        data = measure.Judged(rows, unseen, marks, fused=name == "fused")
        scores[name] = {
            "urgency": {
                how: measure.urgency_figures(data, said)
                for how, said in (("rules", data.rules), ("model", data.model), ("both", data.both))
            },
            "trade_off": measure.trade_off(data),
            "precision_recall": measure.precision_recall(data),
            "laws": measure.law_figures(data),
            "authors": measure.author_figures(data),
            "calibration": measure.calibration_figures(data),
        }
    return scores


def _model_id(manifest: Manifest) -> str:
    """`jl-` and twelve digits of the hash of all that makes a verdict: file, borders, data, versions."""
    parts: Mapping[str, Any] = {
        "file": manifest.model_sha256,
        "plain": asdict(manifest.plain),
        "fused": None if manifest.fused is None else asdict(manifest.fused),
        "encoder": manifest.encoder,
        "person": manifest.person_border,
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
