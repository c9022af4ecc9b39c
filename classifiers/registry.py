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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn

from classifiers import pipeline
from classifiers.encoder import SentenceEncoder, Vectors, load_encoder
from classifiers.evidence import URGENT_HEADS, composed, model_evidence, rule_evidence
from classifiers.features import Counted, FeatureSpace, tokenise
from classifiers.manifest import MANIFEST_FILE, MODEL_FILE, Borders, Manifest
from classifiers.neighbours import Neighbours
from classifiers.rules import STRONG_SHARE, RuleNet
from triage.core.assessment import LAWS, Evidence, Neighbour, SenderType, Verdict
from triage.errors import ModelUnavailable
from triage.logs import get_logger

CURRENT = Path(__file__).parent / "models" / "current"
RULES = Path(__file__).parent / "rules.toml"
CACHE = Path(__file__).parents[1] / ".venv-cache" / "models"
MAX_TOPICS = 3


class LoadedModel:
    """A fitted model ready to serve: all heads as one matrix over one feature space."""

    def __init__(self, model: pipeline.Model, manifest: Manifest) -> None:
        self.manifest = manifest
        self.space = FeatureSpace.of(model.word, model.char)
        self.neighbours = Neighbours(model.neighbours, len(self.space.words)) if model.neighbours else None
        self.heads = list(model.heads)
        self.weights = _columns([model.heads[head].coef_[0] for head in self.heads], len(self.space))
        self._intercepts = np.array([float(model.heads[head].intercept_[0]) for head in self.heads])
        self._plain = _Platt(manifest.plain, self.heads, columns=1)
        self._fused = None if manifest.fused is None else _Platt(manifest.fused, self.heads, columns=2)
        twins = [model.encoder_heads.get(head) for head in self.heads]
        if self._fused is not None and all(twin is not None for twin in twins):
            self._twins = np.stack([twin.coef_[0] for twin in twins if twin is not None]).T
            self._twin_intercepts = np.array([float(twin.intercept_[0]) for twin in twins if twin is not None])
        self._codes = list(model.topics)
        sender, sender_rows, sender_intercepts = _classes(model.sender)
        self._senders = [SenderType(name) for name in sender]
        self._kinds, kind_rows, kind_intercepts = _classes(model.kinds)
        extra = [model.topics[code].coef_[0] for code in self._codes] + sender_rows + kind_rows
        self._extra = _columns(extra, len(self.space))
        intercepts = [float(model.topics[code].intercept_[0]) for code in self._codes]
        self._extra_intercepts = np.array(intercepts + sender_intercepts + kind_intercepts)

    def borders(self, *, fused: bool) -> Borders:
        return self.manifest.fused if fused and self.manifest.fused is not None else self.manifest.plain

    def verdict(self, text: str, vector: Vectors | None = None) -> Judged:
        """What the model says of one text; `vector`: its sentence vectors, for the fused heads."""
        counted = self.space.count(tokenise(text))
        values = counted.values.astype(np.float32)
        scores = values @ self.weights[counted.ids] + self._intercepts
        if vector is None or self._fused is None:
            chances = self._plain.chances(scores[:, None])
        else:
            twins = vector @ self._twins + self._twin_intercepts
            chances = self._fused.chances(np.column_stack([scores, twins]))
        extra = values @ self._extra[counted.ids] + self._extra_intercepts
        topics, senders, kinds = np.split(extra, np.cumsum([len(self._codes), len(self._senders)]))
        return Judged(
            probabilities=dict(zip(self.heads, chances.tolist(), strict=True)),
            topics=self._topics(topics),
            sender=self._senders[int(np.argmax(senders))] if self._senders else SenderType.OTHER,
            machine_kind=self._machine_kind(kinds),
            counted=counted,
        )

    def explain(self, text: str, judged: Judged, fired: Sequence[str]) -> list[Evidence]:
        """The words (and for urgency the sentence) that made these heads fire, by the n-grams."""
        columns = {head: self.heads.index(head) for head in fired if head in self.heads}
        return model_evidence(text, judged.counted, self.space, self.weights, columns)

    def alike(self, judged: Judged) -> tuple[Neighbour, ...]:
        """Corpus mails most like this one."""
        if self.neighbours is None:
            return ()
        border = int(np.searchsorted(judged.counted.ids, len(self.space.words)))
        return self.neighbours.nearest(judged.counted.ids[:border], judged.counted.values[:border])

    def unknown_words(self, judged: Judged) -> float | None:
        tokens = judged.counted.tokens
        if not tokens:
            return None
        return round(sum(token.form not in self.space.words for token in tokens) / len(tokens), 4)

    def _topics(self, scores: npt.NDArray[np.float64]) -> tuple[str, ...]:
        best = np.argsort(-scores, kind="stable")[:MAX_TOPICS]
        floor = self.manifest.topic_floor
        return tuple(self._codes[i] for rank, i in enumerate(best) if rank == 0 or scores[i] >= floor)

    def _machine_kind(self, scores: npt.NDArray[np.float64]) -> str:
        """The likeliest kind of machine or mass mail where a person is unlikely enough, else ""."""
        if pipeline.PERSON not in self._kinds:
            return ""
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        person = self._kinds.index(pipeline.PERSON)
        if chances[person] >= self.manifest.person_border:
            return ""
        return self._kinds[int(np.argmax(np.where(np.arange(len(chances)) == person, -1.0, chances)))]


@dataclass(frozen=True, slots=True)
class Judged:
    """One text's scores and its features, which evidence needs."""

    probabilities: dict[str, float]
    topics: tuple[str, ...]
    sender: SenderType
    machine_kind: str
    counted: Counted


class _Platt:
    """The sigmoids of all heads as arrays."""

    def __init__(self, borders: Borders, heads: Sequence[str], *, columns: int) -> None:
        numbers = np.array([borders.calibration[head] for head in heads]).reshape(len(heads), columns + 1)
        self._shifts, self._slopes = numbers[:, 0], numbers[:, 1:]

    def chances(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(heads,) probabilities from (heads, columns) scores."""
        return np.asarray(1.0 / (1.0 + np.exp(-((scores * self._slopes).sum(axis=1) + self._shifts))))


def _classes(fitted: Any) -> tuple[list[str], list[npt.NDArray[np.float32]], list[float]]:
    """(class names, weights per class, intercepts) of a multinomial model; of two classes it keeps one row."""
    if fitted is None:
        return [], [], []
    rows, intercepts = list(fitted.coef_), [float(value) for value in fitted.intercept_]
    if len(rows) == 1:
        rows, intercepts = [np.zeros_like(rows[0]), rows[0]], [0.0, intercepts[0]]
    return [str(name) for name in fitted.classes_], rows, intercepts


def _columns(rows: Sequence[npt.NDArray[np.float32]], length: int) -> npt.NDArray[np.float32]:
    """Features x heads, contiguous by feature: one text touches few features and all heads."""
    if not rows:
        return np.zeros((length, 0), dtype=np.float32)
    return np.ascontiguousarray(np.stack(rows).T, dtype=np.float32)


class HybridClassifier:
    """The `Classifier` port. The rule net stands beside the model and only raises (see `core/assess.py`).

    Without a model the verdicts hold no probabilities and no borders, so that every mail is `possible`.
    """

    def __init__(self, model: LoadedModel | None, rules: RuleNet, *, encoder: SentenceEncoder | None = None) -> None:
        """`encoder`: used when the model was trained with the same one; otherwise n-grams judge alone."""
        self._model = model
        self._rules = rules
        fits = model is not None and encoder is not None and model.manifest.encoder == encoder.name
        self._encoder = encoder if fits else None
        self._plain_id = f"{model.manifest.model_id if model else 'none'}+rules-{rules.sha256[:8]}"
        self.model_id = f"{self._plain_id}+encoder" if fits else self._plain_id
        self.languages: frozenset[str] = frozenset(model.manifest.languages) if model else frozenset()

    @property
    def manifest(self) -> Manifest | None:
        return self._model.manifest if self._model else None

    @property
    def has_encoder(self) -> bool:
        return self._encoder is not None

    def verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        """One verdict per text (subject, blank line, new text), same order."""
        model = self._model
        if model is None:
            return [
                Verdict({}, {}, {}, evidence=tuple(self._rule_evidence(text, None, {})), model=self.model_id)
                for text in texts
            ]
        vectors = self._vectors(texts)
        return [self._verdict(model, text, None if vectors is None else vectors[i]) for i, text in enumerate(texts)]

    def _vectors(self, texts: Sequence[str]) -> Vectors | None:
        """None without an encoder, and when it fails: the n-grams then judge alone, under their own model id, so that
        re-screening comes back to these mails."""
        if self._encoder is None:
            return None
        try:
            return self._encoder.vectors(texts)
        except Exception as exc:  # a package of others, on text of strangers
            get_logger().error("encoder_failed", count=len(texts), exc_info=exc)
            return None

    def _verdict(self, model: LoadedModel, text: str, vector: Vectors | None) -> Verdict:
        judged = model.verdict(text, vector)
        borders = model.borders(fused=vector is not None)
        laws, urgency, chances = borders.law_thresholds, borders.urgency_thresholds, judged.probabilities
        evidence = model.explain(text, judged, _fired(chances, laws, urgency))
        evidence += self._rule_evidence(text, chances, borders.rule_borders)
        return Verdict(
            probabilities=chances,
            law_thresholds=laws,
            urgency_thresholds=urgency,
            evidence=tuple(evidence),
            topics=judged.topics,
            sender_type=judged.sender,
            law_gate=borders.law_gate,
            machine_kind=judged.machine_kind,
            neighbours=model.alike(judged),
            unknown_words=model.unknown_words(judged),
            model=self._plain_id if vector is None else self.model_id,
        )

    def _rule_evidence(
        self, text: str, chances: Mapping[str, float] | None, borders: Mapping[str, float]
    ) -> list[Evidence]:
        """Hits that count. Where the model rules the head out, those of support rules do not, the others count as no
        more than support, and far below that nothing counts."""
        nfc, offsets = composed(text)
        hits = self._rules.hits(nfc)
        if chances is not None:
            chance = {
                "danger": chances.get("danger", 1.0),
                "urgency": max(chances.get(head, 1.0) for head in URGENT_HEADS),
            }
            counted = []
            for hit in hits:
                about = "danger" if hit.head == "danger" else "urgency"
                if chance[about] >= borders[about]:
                    counted.append(hit)
                elif not hit.support and chance[about] >= borders[about] * STRONG_SHARE:
                    counted.append(replace(hit, support=True))
            hits = tuple(counted)
        return rule_evidence(hits, offsets)


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
    directory: Path = CURRENT,
    *,
    rules_path: Path = RULES,
    use_encoder: bool = True,
    progress: Callable[[str], None] = to_stderr,
) -> HybridClassifier:
    """The classifier of this model folder; rules alone when there is no model. The sentence encoder is used when it
    is installed and the model was trained with it, unless `use_encoder` is False.

    Raises ModelUnavailable when the files are there but must not be used: wrong hash, damaged manifest.
    """
    if not (directory / MANIFEST_FILE).exists() or not (directory / MODEL_FILE).exists():
        progress(f"no model in {directory}: every mail is 'possible' until train has run")
        return rules_only(rules_path)
    manifest = Manifest.read(directory / MANIFEST_FILE)
    content = checked(directory, manifest)
    if _minor(manifest.versions.get("scikit-learn", "")) != _minor(sklearn.__version__):
        if manifest.corpus.get("feedback"):  # the corpus alone would make another model under its name
            raise ModelUnavailable(
                f"{directory}: made with another scikit-learn; make it anew with train --with-feedback"
            )
        directory = rebuilt(manifest, progress=progress)
        manifest = Manifest.read(directory / MANIFEST_FILE)
        content = checked(directory, manifest)
    try:
        model = pipeline.load(content)
        encoder = load_encoder() if use_encoder and manifest.encoder else None
        return HybridClassifier(LoadedModel(model, manifest), load_rules(rules_path), encoder=encoder)
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
