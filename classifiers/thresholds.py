"""Out-of-fold scores and what is chosen from them: Platt's numbers and the cut of every head.

A fold holds out whole authors, and no scenario stands on both sides: a model learns its author, so only scores on
unseen authors say what a cut will do (Geva 2019, D19-1107). With a sentence encoder there are two scores a head, which
meet here (late fusion); the borders for n-grams alone are chosen as well, for when the encoder is not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from classifiers import pipeline
from classifiers.encoder import Vectors
from classifiers.features import FloatArray
from classifiers.labelled import LabelledMail
from classifiers.manifest import Borders
from classifiers.rules import STRONG_SHARE
from triage.core.assessment import HEADS, LAWS, SOME_LAW

BoolArray = npt.NDArray[np.bool_]
MAX_FOLDS = 10

URGENT_ALARMS = 0.03  # t_hi: at most this share of out-of-fold normals above
LOW_RECALL = 0.98  # t_lo: recall on unseen authors that wins over alarms
LOW_ALARMS = 0.10  # t_lo: share of ordinary normal mail above; what is left under it is spent on more recall
LOW_ALARMS_CAP = 0.35  # beyond this the short list would no longer be short
RULE_RECALL = {"urgency": 0.997, "danger": 0.97}
"""Of the wanted mails that a rule hits, the share that is over the rules' border. Danger alerts at once and has five
false hits a true one, so it asks more of the model; more recall came of a lower cut than of more hits."""
DANGER_ALARMS = 0.04  # the danger flag alerts at once: more false alarms would teach people to ignore it
FALSE_LAW = 0.10  # wanted share of mails without any law on which one is named
MISSED_LAW = 0.03  # most of the mails with a law that may lose it for that
PERSON_HELD = 0.001  # of persons' mail, the share that the kind head may take for a machine's


@dataclass(frozen=True, slots=True)
class RuleMarks:
    """What the rules say, per judged row: any hit for urgency (`soft`), one of the rules that are not mere support
    (`strong_soft`), the same without softener (`strong_firm`, the band urgent); danger (without softener), and
    the same of strong rules."""

    soft: BoolArray
    strong_soft: BoolArray
    strong_firm: BoolArray
    danger: BoolArray
    strong_danger: BoolArray

    def of(self, mask: BoolArray) -> RuleMarks:
        """The marks of some rows."""
        return RuleMarks(*(getattr(self, item.name)[mask] for item in fields(self)))

    def raised(self, likelier: FloatArray, border: float) -> BoolArray:
        """Raised to the short term, given the model's probabilities and the border for support rules."""
        return (self.strong_soft & (likelier >= border * STRONG_SHARE)) | (self.soft & (likelier >= border))

    def urgent(self, likelier: FloatArray, border: float) -> BoolArray:
        """Put in the band urgent."""
        return self.strong_firm & (likelier >= border)

    def dangerous(self, chance: FloatArray, border: float) -> BoolArray:
        return (self.strong_danger & (chance >= border * STRONG_SHARE)) | (self.danger & (chance >= border))


@dataclass(frozen=True, slots=True)
class Unseen:
    """Scores of every row by a model that saw neither its author nor its scenario.

    `heads`: head → decision scores; `encoder`: the same of its twin, empty without an encoder. `sender`: predicted
    sender type. `topics`: (codes, score matrix). `kinds`: scores, one column per class of `pipeline.KINDS`.
    """

    heads: Mapping[str, FloatArray]
    encoder: Mapping[str, FloatArray]
    sender: npt.NDArray[Any]
    topics: tuple[Sequence[str], FloatArray]
    kinds: FloatArray

    def scores(self, head: str, *, fused: bool) -> FloatArray:
        """(rows, 1 or 2): the head's n-gram score and, when fused, its encoder score."""
        columns = [self.heads[head], *([self.encoder[head]] if fused else [])]
        return np.column_stack(columns)

    def first(self, count: int) -> Unseen:
        """The scores of the first rows alone."""
        return Unseen(
            {head: scores[:count] for head, scores in self.heads.items()},
            {head: scores[:count] for head, scores in self.encoder.items()},
            self.sender[:count],
            (self.topics[0], self.topics[1][:count]),
            self.kinds[:count],
        )


def author_folds(
    rows: Sequence[LabelledMail], most: int = MAX_FOLDS
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """(training, held-out) row numbers. One author held out at a time; many authors are spread over `most` folds.
    Training rows that share a scenario with a held-out row are left out."""
    authors = sorted({row.author for row in rows})
    folds: list[set[str]] = [set(authors[i::most]) for i in range(min(most, len(authors)))]
    for held in folds:
        out = [i for i, row in enumerate(rows) if row.author in held]
        scenarios = {rows[i].scenario for i in out} - {""}
        kept = [i for i, row in enumerate(rows) if row.author not in held and row.scenario not in scenarios]
        yield np.array(kept), np.array(out)


@dataclass(frozen=True, slots=True)
class Task:
    """What a fold needs; goes to a process of its own. `size` trains on a seeded sample of that many mails."""

    docs: Sequence[str]
    rows: Sequence[LabelledMail]
    settings: pipeline.Settings
    seed: int
    extras: bool = True
    vectors: Vectors | None = None
    size: int | None = None
    folds: int = MAX_FOLDS
    known: pipeline.Known | None = None
    cases: Sequence[str] | None = None


def unseen_scores(task: Task, *, processes: int = 1, progress: Callable[[str], None] = lambda _: None) -> Unseen:
    """Out-of-fold scores. The same scores whatever the number of processes."""
    rows, count = task.rows, len(task.rows)
    heads = {name: np.full(count, np.nan) for name in HEADS}
    encoder = {name: np.full(count, np.nan) for name in HEADS} if task.vectors is not None else {}
    sender = np.full(count, "other", dtype=object)
    codes = pipeline.known_topics(rows)
    topics = np.full((count, len(codes)), -10.0)
    kinds = np.zeros((count, len(pipeline.KINDS)))
    random = np.random.default_rng(task.seed)
    folds = []
    for train, out in author_folds(rows, task.folds):
        if task.size is not None:
            train = np.sort(random.permutation(train)[: task.size])
        folds.append((train, out))
    for (train, out), scored in zip(folds, _each(task, folds, processes), strict=True):
        for name in HEADS:
            heads[name][out] = scored.heads[name]
            if encoder:
                encoder[name][out] = scored.encoder[name]
        if task.extras:
            sender[out], kinds[out] = scored.sender, scored.kinds
            for j, code in enumerate(scored.topics[0]):
                topics[out, codes.index(code)] = scored.topics[1][:, j]
        progress(f"unseen authors: {len(out)} mails scored by a model of {len(train)}")
    return Unseen(heads, encoder, sender, (codes, topics), kinds)


Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


def _each(task: Task, folds: Sequence[Fold], processes: int) -> Iterator[Unseen]:
    if processes < 2:
        yield from (_scored(task, fold) for fold in folds)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_keep, initargs=(task,)) as pool:
        yield from pool.map(_scored_kept, folds)


_task: Task | None = None


def _keep(task: Task) -> None:
    global _task
    _task = task


def _scored_kept(fold: Fold) -> Unseen:
    assert _task is not None
    scored: Unseen = _scored(_task, fold)
    return scored


@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator]
def _scored(task: Task, fold: Fold) -> Unseen:
    """The held-out rows' scores by a model of the training rows."""
    train, out = fold
    model = pipeline.fit(
        [task.docs[i] for i in train],
        [task.rows[i] for i in train],
        task.settings,
        seed=task.seed,
        extras=task.extras,
        vectors=None if task.vectors is None else task.vectors[train],
        known=None if task.known is None else {name: mask[train] for name, mask in task.known.items()},
        cases=None if task.cases is None else [task.cases[i] for i in train],
    )
    matrix = model.features.transform([task.docs[i] for i in out])
    # A head without examples in the training part knows nothing: the lowest score, below every cut.
    nothing = np.full(len(out), -10.0)
    heads = {n: model.heads[n].decision_function(matrix) if n in model.heads else nothing for n in HEADS}
    encoder = {}
    if task.vectors is not None:
        held, twins = task.vectors[out], model.encoder_heads
        encoder = {n: twins[n].decision_function(held) if n in twins else nothing for n in HEADS}
    codes = list(model.topics)
    topics = np.zeros((len(out), 0))
    if codes:
        topics = np.column_stack([model.topics[code].decision_function(matrix) for code in codes])
    sender = np.full(len(out), "other", dtype=object) if model.sender is None else model.sender.predict(matrix)
    return Unseen(heads, encoder, sender, (codes, topics), kind_scores(model, matrix))


def kind_scores(model: pipeline.Model, matrix: Any) -> FloatArray:
    """(rows, classes of KINDS): probabilities; a person's for certain where the model knows no other class."""
    scores = np.zeros((matrix.shape[0], len(pipeline.KINDS)))
    if model.kinds is None:
        scores[:, pipeline.KINDS.index(pipeline.PERSON)] = 1.0
        return scores
    scores[:, [pipeline.KINDS.index(name) for name in model.kinds.classes_]] = model.kinds.predict_proba(matrix)
    return scores


# ---------------------------------------------------------------- probabilities


def platt(scores: FloatArray, wanted: BoolArray) -> tuple[float, ...]:
    """(intercept, a slope per column) of the sigmoid that turns scores into one probability (Platt 1999).
    Slopes are not negative: a head never argues against itself."""
    if not 0 < wanted.sum() < len(wanted):
        return (-4.0, 1.0, *([0.0] * (scores.shape[1] - 1)))  # nothing to fit on: an unlikely head
    fitted = LogisticRegression(C=1e4, solver="lbfgs").fit(scores, wanted)
    first, *others = (float(slope) for slope in fitted.coef_[0])
    if others and min(others) < 0.0:  # the encoder knows nothing here: the n-grams alone
        return (*platt(scores[:, :1], wanted), *([0.0] * len(others)))
    return (float(fitted.intercept_[0]), max(first, 1e-3), *others)


def probability(scores: FloatArray, numbers: Sequence[float]) -> FloatArray:
    """One probability per row of (rows, columns)."""
    intercept, *slopes = numbers
    return np.asarray(1.0 / (1.0 + np.exp(-(scores @ np.array(slopes) + intercept))), dtype=np.float64)


def calibrated(
    unseen: Unseen, rows: Sequence[LabelledMail], *, fused: bool, known: pipeline.Known | None = None
) -> dict[str, tuple[float, ...]]:
    """Head → Platt's numbers, from the out-of-fold scores of mails the product would judge and that have the label."""
    judged = np.array([row.is_judged for row in rows])
    found = {}
    for head, wanted in pipeline.targets(rows).items():
        used = judged & pipeline.is_known(known, head, len(rows))
        found[head] = platt(unseen.scores(head, fused=fused)[used], wanted[used])
    return found


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


def rule_border(scores: FloatArray, wanted: BoolArray, hit: BoolArray, recall: float) -> float:
    """The probability under which the model rules a cue out: a support rule's hit then counts for nothing, another
    rule's makes a mail possible instead of urgent, and counts for nothing only under a quarter of it.

    A word that many mails hold ("hospice") is a cue only where the model does not say otherwise. The border keeps
    `recall` of the wanted mails with a hit: a rule still only raises, it lowers what is asked of the model.
    """
    both = scores[wanted & hit]
    return for_recall(both, recall) if len(both) else 0.0


def urgency_cuts(
    scores: FloatArray,
    urgent: BoolArray,
    ruled: BoolArray | None = None,
    ruled_urgent: BoolArray | None = None,
    ordinary: BoolArray | None = None,
) -> tuple[float, float]:
    """(t_lo, t_hi) on the likelier of both urgency heads; recall wins over alarms up to the cap.

    `ruled` marks the mails that a rule raises to the short term, `ruled_urgent` those that it puts in the band urgent:
    what a band must find and may cost is counted on rules and model together, as staff get it. `ordinary` marks the
    mails that are no look-alikes: what t_lo may cost is counted on those, since the corpus holds far more look-alikes
    than a mailbox does.
    """
    raised = scores if ruled is None else np.where(ruled, np.inf, scores)
    normals, positives = raised[~urgent if ordinary is None else ~urgent & ordinary], raised[urgent]
    firm = scores if ruled_urgent is None else np.where(ruled_urgent, np.inf, scores)
    high = min(above_share(firm[~urgent], URGENT_ALARMS), 1.0)
    wanted = for_recall(positives, LOW_RECALL)
    low = min(wanted, above_share(normals, LOW_ALARMS))  # room left under the alarms is spent on recall
    low = max(low, above_share(normals, LOW_ALARMS_CAP))
    return min(low, high, 1.0), min(high, 1.0)


def danger_cut(scores: FloatArray, danger: BoolArray, ruled: BoolArray | None = None) -> float:
    """One cut: recall as wanted if the allowed alarms permit, else what they permit. `ruled` as for `urgency_cuts`."""
    raised = scores if ruled is None else np.where(ruled, np.inf, scores)
    return min(max(for_recall(raised[danger], LOW_RECALL), above_share(raised[~danger], DANGER_ALARMS)), 1.0)


def law_gate(scores: FloatArray, some: BoolArray) -> float:
    """The cut under which a mail has no law at all, whatever the laws' own heads say: at most FALSE_LAW of the mails
    without a law over it, as long as at most MISSED_LAW of the others fall under it."""
    return min(above_share(scores[~some], FALSE_LAW), for_recall(scores[some], 1 - MISSED_LAW))


def gated(chance: Mapping[str, FloatArray], cuts: Mapping[str, float], gate: float) -> dict[str, BoolArray]:
    """Law → named, per row: none under the gate; else every law over its cut, or the best one when none is."""
    ratio = np.column_stack([chance[law] / max(cuts[law], 1e-9) for law in LAWS])
    chosen = ratio >= 1.0
    best = np.zeros_like(chosen)
    best[np.arange(len(ratio)), ratio.argmax(axis=1)] = True
    named: BoolArray = np.where(chosen.any(axis=1, keepdims=True), chosen, best)
    named &= (chance[SOME_LAW] >= gate)[:, None]
    return {law: named[:, i] for i, law in enumerate(LAWS)}


def person_cut(person: FloatArray, is_person: BoolArray) -> float:
    """The probability of a person under which a mail is a machine's: at most PERSON_HELD of persons' mail is under it,
    and never more than even odds."""
    if not is_person.any():
        return 0.0
    ordered = np.sort(person[is_person])
    return min(float(ordered[math.floor(PERSON_HELD * len(ordered))]) * 0.999, 0.5)


def law_cut(scores: FloatArray, wanted: BoolArray) -> float:
    """The cut of the best F1. (The best F2 with a floor on recall named too many laws: on unseen authors it took three
    points of the exact sets.)"""
    if not wanted.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(wanted[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + wanted.sum())
    return _between(scores[order], int(np.argmax(f1)))


def borders(
    rows: Sequence[LabelledMail],
    unseen: Unseen,
    marks: RuleMarks | None,
    *,
    fused: bool,
    known: pipeline.Known | None = None,
) -> Borders:
    """Platt's numbers and all cuts from these scores, for n-grams alone or with the encoder."""
    numbers = calibrated(unseen, rows, fused=fused, known=known)
    kept = np.array([row.is_judged for row in rows])
    chance = {head: probability(unseen.scores(head, fused=fused)[kept], numbers[head]) for head in HEADS}
    of_kept = None if known is None else {name: mask[kept] for name, mask in known.items()}
    return Borders(calibration=numbers, **choose(chance, [row for row in rows if row.is_judged], marks, of_kept))


def choose(
    chance: Mapping[str, FloatArray],
    rows: Sequence[LabelledMail],
    marks: RuleMarks | None,
    known: pipeline.Known | None = None,
) -> dict[str, Any]:
    """All cuts (the fields of Borders but the calibration) from probabilities on unseen authors of judged rows, each
    from the rows that have its label."""
    every = pipeline.targets(rows)
    has = {head: pipeline.is_known(known, head, len(rows)) for head in HEADS}
    wanted = {head: every[head][has[head]] for head in HEADS}
    chance = {head: chance[head] if known is None else chance[head][has[head]] for head in HEADS}
    urgent = wanted["palliative"] | wanted["transfer"]
    likelier = np.maximum(chance["palliative"], chance["transfer"])
    borders = {"urgency": 0.0, "danger": 0.0}
    raised = firm = dangerous = None
    if marks:
        of_urgency, of_danger = marks.of(has["palliative"]), marks.of(has["danger"])
        borders["urgency"] = rule_border(likelier, urgent, of_urgency.soft, RULE_RECALL["urgency"])
        borders["danger"] = rule_border(chance["danger"], wanted["danger"], of_danger.danger, RULE_RECALL["danger"])
        raised = of_urgency.raised(likelier, borders["urgency"])
        firm = of_urgency.urgent(likelier, borders["urgency"])
        dangerous = of_danger.dangerous(chance["danger"], borders["danger"])
    ordinary = np.array([not row.hard for row in rows], dtype=bool)[has["palliative"]]
    low_high = urgency_cuts(likelier, urgent, raised, firm, ordinary)
    danger = danger_cut(chance["danger"], wanted["danger"], dangerous)
    return {
        "law_thresholds": {law: law_cut(chance[law], wanted[law]) for law in LAWS},
        "law_gate": law_gate(chance[SOME_LAW], wanted[SOME_LAW]),
        # One cut for both heads: the band asks for either, and the alarms are counted on both together.
        "urgency_thresholds": {"palliative": low_high, "transfer": low_high, "danger": (danger, danger)},
        "rule_borders": borders,
    }


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
