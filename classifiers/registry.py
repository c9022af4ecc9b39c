"""Loads a model by its manifest and answers as the `Classifier` port: the model beside the rule net.

A model file is opened only when its SHA-256 stands in the manifest, and with a fixed list of types. A model made
with another scikit-learn minor is never carried over: it is trained again from the corpus, once, into a cache.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import sklearn

from classifiers import pipeline
from classifiers.evidence import URGENT_HEADS, composed, model_evidence, rule_evidence
from classifiers.features import FeatureSpace, tokenise
from classifiers.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from classifiers.rules import RuleNet
from triage.core.assessment import LAWS, Evidence, SenderType, Verdict
from triage.errors import ModelUnavailable

CURRENT = Path(__file__).parent / "models" / "current"
RULES = Path(__file__).parent / "rules.toml"
CACHE = Path(__file__).parents[1] / ".venv-cache" / "models"
MAX_TOPICS = 3


class Fusion(Protocol):
    """A second judge (such as a sentence encoder) fused late with the n-gram heads.

    Late, because concatenated features lowered the laws. A fusion brings its own borders: those of the manifest
    belong to the n-gram probabilities alone.
    """

    name: str
    law_thresholds: Mapping[str, float]
    urgency_thresholds: Mapping[str, tuple[float, float]]

    def fuse(self, texts: Sequence[str], probabilities: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
        """New probabilities per text, same order, same heads."""


class LoadedModel:
    """A fitted model ready to serve: all heads as one matrix over one feature space."""

    def __init__(self, model: pipeline.Model, manifest: Manifest) -> None:
        self.manifest = manifest
        self.space = FeatureSpace.of(model.word, model.char)
        self.heads = list(model.heads)
        self.weights = _columns([model.heads[head].coef_[0] for head in self.heads], len(self.space))
        self._intercepts = np.array([float(model.heads[head].intercept_[0]) for head in self.heads])
        pairs = [manifest.calibration[head] for head in self.heads]
        self._slopes = np.array([slope for slope, _ in pairs])
        self._shifts = np.array([shift for _, shift in pairs])
        self._codes = list(model.topics)
        self._senders = [] if model.sender is None else [SenderType(name) for name in model.sender.classes_]
        extra = [model.topics[code].coef_[0] for code in self._codes]
        extra += [] if model.sender is None else list(model.sender.coef_)
        self._extra = _columns(extra, len(self.space))
        extra_intercepts = [float(model.topics[code].intercept_[0]) for code in self._codes]
        extra_intercepts += [] if model.sender is None else [float(value) for value in model.sender.intercept_]
        self._extra_intercepts = np.array(extra_intercepts)

    def verdict(self, text: str) -> tuple[dict[str, float], tuple[str, ...], SenderType, Callable[..., list[Evidence]]]:
        """(probability per head, topics, sender type, evidence by head → column) of one text."""
        counted = self.space.count(tokenise(text))
        values = counted.values.astype(np.float32)
        scores = values @ self.weights[counted.ids] + self._intercepts
        chances = 1.0 / (1.0 + np.exp(-(self._slopes * scores + self._shifts)))
        extra = values @ self._extra[counted.ids] + self._extra_intercepts
        topics = self._topics(extra[: len(self._codes)])
        sender = self._senders[int(np.argmax(extra[len(self._codes) :]))] if self._senders else SenderType.OTHER

        def explain(fired: Sequence[str]) -> list[Evidence]:
            columns = {head: self.heads.index(head) for head in fired if head in self.heads}
            return model_evidence(text, counted, self.space, self.weights, columns)

        return dict(zip(self.heads, chances.tolist(), strict=True)), topics, sender, explain

    def _topics(self, scores: npt.NDArray[np.float64]) -> tuple[str, ...]:
        best = np.argsort(-scores, kind="stable")[:MAX_TOPICS]
        floor = self.manifest.topic_floor
        return tuple(self._codes[i] for rank, i in enumerate(best) if rank == 0 or scores[i] >= floor)


def _columns(rows: Sequence[npt.NDArray[np.float32]], length: int) -> npt.NDArray[np.float32]:
    """Features x heads, contiguous by feature: one text touches few features and all heads."""
    if not rows:
        return np.zeros((length, 0), dtype=np.float32)
    return np.ascontiguousarray(np.stack(rows).T, dtype=np.float32)


class HybridClassifier:
    """The `Classifier` port. The rule net stands beside the model and only raises (see `core/assess.py`).

    Without a model the verdicts hold no probabilities and no borders, so that every mail is `possible`.
    """

    def __init__(self, model: LoadedModel | None, rules: RuleNet, *, fusion: Fusion | None = None) -> None:
        self._model = model
        self._rules = rules
        self._fusion = fusion
        parts = [model.manifest.model_id if model else "none", f"rules-{rules.sha256[:8]}"]
        self.model_id = "+".join([*parts, fusion.name] if fusion else parts)
        self.languages: frozenset[str] = frozenset(model.manifest.languages) if model else frozenset()

    @property
    def manifest(self) -> Manifest | None:
        return self._model.manifest if self._model else None

    def verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        """One verdict per text (subject, blank line, new text), same order."""
        if self._model is None:
            return [
                Verdict({}, {}, {}, evidence=tuple(self._rule_evidence(text)), model=self.model_id) for text in texts
            ]
        judged = [self._model.verdict(text) for text in texts]
        chances = [item[0] for item in judged]
        borders: Manifest | Fusion = self._model.manifest
        if self._fusion is not None:
            chances, borders = self._fusion.fuse(texts, chances), self._fusion
        laws, urgency = borders.law_thresholds, borders.urgency_thresholds
        verdicts = []
        for text, probabilities, (_, topics, sender, explain) in zip(texts, chances, judged, strict=True):
            evidence = explain(_fired(probabilities, laws, urgency)) + self._rule_evidence(text)
            verdicts.append(Verdict(probabilities, laws, urgency, tuple(evidence), topics, sender, model=self.model_id))
        return verdicts

    def _rule_evidence(self, text: str) -> list[Evidence]:
        nfc, offsets = composed(text)
        return rule_evidence(self._rules.hits(nfc), offsets)


def _fired(
    probabilities: Mapping[str, float], laws: Mapping[str, float], urgency: Mapping[str, tuple[float, float]]
) -> list[str]:
    """Laws over their cut, palliative, transfer and danger over their lower border."""
    heads = [law for law in LAWS if law in laws and probabilities.get(law, 0.0) >= laws[law]]
    for head in (*URGENT_HEADS, "danger"):
        if head in urgency and probabilities.get(head, 0.0) >= urgency[head][0]:
            heads.append(head)
    return heads


# ---------------------------------------------------------------- loading


def to_stderr(line: str) -> None:
    """Progress for people; stdout belongs to results."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def rules_only(rules_path: Path) -> HybridClassifier:
    """No model: rules still raise, everything else is `possible` until a person looks."""
    return HybridClassifier(None, load_rules(rules_path))


def load_rules(path: Path) -> RuleNet:
    """Raises ModelUnavailable when the rules file is missing or damaged."""
    try:
        return RuleNet.load(path)
    except (OSError, ValueError) as exc:
        raise ModelUnavailable(f"{path}: rules cannot be read ({exc})") from exc


def load_classifier(
    directory: Path = CURRENT, *, rules_path: Path = RULES, progress: Callable[[str], None] = to_stderr
) -> HybridClassifier:
    """The classifier of this model folder; rules alone when there is no model.

    Raises ModelUnavailable when the files are there but must not be used: wrong hash, damaged manifest.
    """
    if not (directory / MANIFEST_FILE).exists() or not (directory / MODEL_FILE).exists():
        progress(f"no model in {directory}: every mail is 'possible' until train has run")
        return rules_only(rules_path)
    manifest = Manifest.read(directory / MANIFEST_FILE)
    content = checked(directory, manifest)
    if _minor(manifest.versions.get("scikit-learn", "")) != _minor(sklearn.__version__):
        directory = rebuilt(manifest, progress=progress)
        manifest = Manifest.read(directory / MANIFEST_FILE)
        content = checked(directory, manifest)
    try:
        model = pipeline.load(content)
        return HybridClassifier(LoadedModel(model, manifest), load_rules(rules_path))
    except ModelUnavailable:
        raise
    except Exception as exc:  # skops and scikit-learn raise many types on a file they do not understand
        raise ModelUnavailable(f"{directory / MODEL_FILE}: cannot be loaded ({type(exc).__name__}); run train") from exc


def checked(directory: Path, manifest: Manifest) -> bytes:
    """The bytes of the model file. Raises ModelUnavailable unless their SHA-256 is the manifest's."""
    path = directory / MODEL_FILE
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ModelUnavailable(f"{path}: cannot be read ({type(exc).__name__})") from exc
    if hashlib.sha256(content).hexdigest() != manifest.model_sha256:
        raise ModelUnavailable(f"{path}: SHA-256 is not the one in {MANIFEST_FILE}; restore the file or run train")
    return content


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])


def rebuilt(manifest: Manifest, *, cache: Path | None = None, progress: Callable[[str], None] = to_stderr) -> Path:
    """The folder of the same model trained with the scikit-learn that is installed; made once, then found."""
    from classifiers.labelled import TRAIN
    from classifiers.train import train

    root = cache or CACHE
    target = root / f"{manifest.model_id}-sklearn-{'.'.join(_minor(sklearn.__version__))}"
    if (target / MANIFEST_FILE).exists() and (target / MODEL_FILE).exists():
        return target
    made_with = manifest.versions.get("scikit-learn", "?")
    progress(f"model {manifest.model_id} was made with scikit-learn {made_with}, not {sklearn.__version__}: rebuilding")
    root.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="rebuild-", dir=root))
    try:
        train(TRAIN, work / "model", seed=manifest.seed, progress=progress, figures=False)
        try:
            (work / "model").rename(target)
        except OSError:
            if not (target / MANIFEST_FILE).exists():  # another process may have been first
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target
