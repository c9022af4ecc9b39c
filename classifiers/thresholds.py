"""Out-of-fold scores and what is chosen from them: Platt's numbers and the cut of every head.

A fold holds out whole authors, and no scenario stands on both sides: a model learns its author, so only scores on
unseen authors say what a cut will do (Geva 2019, D19-1107).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from classifiers import pipeline
from classifiers.features import FloatArray
from classifiers.labelled import LabelledMail
from triage.core.assessment import HEADS, LAWS

BoolArray = npt.NDArray[np.bool_]
MAX_FOLDS = 10

URGENT_ALARMS = 0.03  # t_hi: at most this share of out-of-fold normals above
LOW_RECALL = 0.99  # t_lo: wanted recall on unseen authors
LOW_ALARMS = 0.10  # t_lo: wanted share of normals above
LOW_ALARMS_CAP = 0.35  # beyond this the short list would no longer be short
DANGER_ALARMS = 0.10  # the danger flag alerts at once: more false alarms would teach people to ignore it
LAW_RECALL = 0.90
LAW_PRECISION = 0.80
"""Where F2 would take less precision, the cut of the best F1 is taken. With 0.75 the sets of laws were worse: on unseen
authors a micro-F1 of 0.83 instead of 0.86, and a law named on 0.42 of the mails without any."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Scores of every row by a model that saw neither its author nor its scenario.

    `heads`: head → decision scores. `sender`: predicted sender type. `topics`: (codes, score matrix).
    """

    heads: Mapping[str, FloatArray]
    sender: npt.NDArray[Any]
    topics: tuple[Sequence[str], FloatArray]


def author_folds(rows: Sequence[LabelledMail]) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """(training, held-out) row numbers. One author held out at a time; many authors are spread over ten folds.
    Training rows that share a scenario with a held-out row are left out."""
    authors = sorted({row.author for row in rows})
    folds: list[set[str]] = [set(authors[i::MAX_FOLDS]) for i in range(min(MAX_FOLDS, len(authors)))]
    for held in folds:
        out = [i for i, row in enumerate(rows) if row.author in held]
        scenarios = {rows[i].scenario for i in out} - {""}
        kept = [i for i, row in enumerate(rows) if row.author not in held and row.scenario not in scenarios]
        yield np.array(kept), np.array(out)


def unseen_scores(
    docs: Sequence[str],
    rows: Sequence[LabelledMail],
    settings: pipeline.Settings,
    *,
    seed: int,
    extras: bool = True,
    size: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Unseen:
    """Out-of-fold scores. `size` trains each fold on a seeded sample of that many mails (learning curve)."""
    heads = {name: np.full(len(rows), np.nan) for name in HEADS}
    sender = np.full(len(rows), "other", dtype=object)
    codes = pipeline.known_topics(rows)
    topics = np.full((len(rows), len(codes)), -10.0)
    random = np.random.default_rng(seed)
    for train, out in author_folds(rows):
        if size is not None:
            train = np.sort(random.permutation(train)[:size])
        model = pipeline.fit([docs[i] for i in train], [rows[i] for i in train], settings, seed=seed, extras=extras)
        matrix = model.features.transform([docs[i] for i in out])
        for name in HEADS:
            # A head without examples in the training part knows nothing: the lowest score, below every cut.
            heads[name][out] = model.heads[name].decision_function(matrix) if name in model.heads else -10.0
        if model.sender is not None:
            sender[out] = model.sender.predict(matrix)
        for j, code in enumerate(codes):
            if code in model.topics:
                topics[out, j] = model.topics[code].decision_function(matrix)
        progress(f"unseen authors: {len(out)} mails scored by a model of {len(train)}")
    return Unseen(heads, sender, (codes, topics))


# ---------------------------------------------------------------- probabilities


def platt(scores: FloatArray, wanted: BoolArray) -> tuple[float, float]:
    """(slope, intercept) of the sigmoid that turns scores into probabilities (Platt 1999); slope is positive."""
    if not 0 < wanted.sum() < len(wanted):
        return 1.0, -4.0  # nothing to fit on: an unlikely head
    fitted = LogisticRegression(C=1e4, solver="lbfgs").fit(scores[:, None], wanted)
    return max(float(fitted.coef_[0, 0]), 1e-3), float(fitted.intercept_[0])


def probability(scores: FloatArray, pair: tuple[float, float]) -> FloatArray:
    slope, intercept = pair
    return np.asarray(1.0 / (1.0 + np.exp(-(slope * scores + intercept))), dtype=np.float64)


def calibrated(unseen: Mapping[str, FloatArray], rows: Sequence[LabelledMail]) -> dict[str, tuple[float, float]]:
    """Head → Platt's numbers, from the out-of-fold scores of mails the product would judge."""
    judged = np.array([row.is_judged for row in rows])
    return {head: platt(unseen[head][judged], wanted[judged]) for head, wanted in pipeline.targets(rows).items()}


# ---------------------------------------------------------------- cuts


def above_share(normals: FloatArray, share: float) -> float:
    """The lowest cut with at most this share of `normals` at or above it."""
    if len(normals) == 0:
        return 0.5
    ordered = np.sort(normals)[::-1]
    allowed = math.floor(share * len(normals) + 1e-9)
    if allowed >= len(ordered):
        return float(ordered[-1])
    return float(np.nextafter(ordered[allowed], 1.0))


def for_recall(positives: FloatArray, recall: float) -> float:
    """The highest cut with at least this share of `positives` at or above it."""
    if len(positives) == 0:
        return 0.5
    ordered = np.sort(positives)[::-1]
    return float(ordered[max(0, math.ceil(recall * len(ordered) - 1e-9) - 1)])


def urgency_cuts(scores: FloatArray, urgent: BoolArray, ruled: BoolArray | None = None) -> tuple[float, float]:
    """(t_lo, t_hi) on the likelier of both urgency heads; recall wins over alarms up to the cap.

    `ruled` marks the mails that a rule raises whatever the model says: what the short term must find and may cost is
    counted on rules and model together, as staff get it. The border of the band urgent is the model's own.
    """
    raised = scores if ruled is None else np.where(ruled, np.inf, scores)
    normals, positives = raised[~urgent], raised[urgent]
    high = above_share(scores[~urgent], URGENT_ALARMS)
    wanted = for_recall(positives, LOW_RECALL)
    low = min(wanted, above_share(normals, LOW_ALARMS))  # room left under the alarms is spent on recall
    low = max(low, above_share(normals, LOW_ALARMS_CAP))
    return min(low, high), high


def danger_cut(scores: FloatArray, danger: BoolArray) -> float:
    """One cut: recall as wanted if the allowed alarms permit, else what they permit."""
    return max(for_recall(scores[danger], LOW_RECALL), above_share(scores[~danger], DANGER_ALARMS))


@dataclass(frozen=True, slots=True)
class LawCut:
    """`rule` is "f2" (max F2 with the floor on recall) or "f1" (F2 would cost too much precision)."""

    cut: float
    rule: str


def law_cut(scores: FloatArray, wanted: BoolArray) -> LawCut:
    """Max F2 with recall of at least 0.90, unless precision falls under LAW_PRECISION there: then max F1."""
    if not wanted.any():
        return LawCut(0.5, "none")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(wanted[order])
    precision = hits / np.arange(1, len(order) + 1)
    recall = hits / wanted.sum()
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    f2 = 5 * precision * recall / np.maximum(4 * precision + recall, 1e-12)
    best = int(np.argmax(np.where(recall >= LAW_RECALL, f2, -1.0)))
    rule = "f2"
    if precision[best] < LAW_PRECISION:
        best, rule = int(np.argmax(f1)), "f1"
    return LawCut(_between(scores[order], best), rule)


def _between(descending: FloatArray, last: int) -> float:
    """A cut halfway between the last score taken and the next: no favour to one mail of the sample."""
    if last + 1 >= len(descending):
        return float(descending[last])
    return float((descending[last] + descending[last + 1]) / 2)


def topic_floor(scores: FloatArray, wanted: BoolArray) -> float:
    """The score from which a second and third topic are named too: the best F1 over all of them."""
    best, floor = -1.0, 0.0
    for candidate in np.quantile(scores, np.linspace(0.5, 0.995, 60)):
        value = _set_f1(topic_choice(scores, float(candidate)), wanted)
        if value > best:
            best, floor = value, float(candidate)
    return floor


def topic_choice(scores: FloatArray, floor: float) -> BoolArray:
    """Per row the best topic always, the second and third when they reach the floor."""
    chosen = np.zeros(scores.shape, dtype=bool)
    if scores.shape[1] == 0:
        return chosen
    order = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    for rank in range(order.shape[1]):
        column = order[:, rank]
        chosen[np.arange(len(scores)), column] = (scores[np.arange(len(scores)), column] >= floor) | (rank == 0)
    return chosen


def _set_f1(chosen: BoolArray, wanted: BoolArray) -> float:
    hits = float((chosen & wanted).sum())
    return 2 * hits / max(float(chosen.sum() + wanted.sum()), 1.0)


# ---------------------------------------------------------------- figures


def interval(k: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson, two-sided 95%. (0, 1) when nothing was counted."""
    if n == 0:
        return 0.0, 1.0
    lower = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
    upper = 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))
    return lower, upper


def micro_f1(wanted: Mapping[str, BoolArray], chosen: Mapping[str, BoolArray]) -> float:
    stacked = [np.column_stack([part[law] for law in LAWS]) for part in (wanted, chosen)]
    return float(f1_score(stacked[0], stacked[1], average="micro", zero_division=0.0))
