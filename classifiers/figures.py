"""The figures of a model card, all from scores on authors the model had not seen.

Cuts chosen on some scores flatter themselves on the same scores, so every figure that depends on a cut uses the
cut that the *other* authors' scores gave ("nested"); the shipped cuts come from all of them.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from classifiers import pipeline
from classifiers.features import FloatArray
from classifiers.labelled import LabelledMail, judged
from classifiers.rules import RuleNet
from classifiers.thresholds import (
    BoolArray,
    RuleMarks,
    Task,
    Unseen,
    author_folds,
    calibrated,
    choose,
    for_recall,
    gated,
    interval,
    micro_f1,
    person_cut,
    probability,
    topic_choice,
    unseen_scores,
)
from triage.core.assessment import HEADS, LAWS

CURVE = (120, 240, 480, 960, 1920, 3840)
BINS = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "n-grams, logistic loss": {"loss": "logistic", "C": 5.0},
    "words only": {"char_weight": 0.0},
}
PROCESSES = 2
COMPARED_FOLDS = 5  # half the time of ten; the shipped settings stand in the table with both


def share(k: int, n: int) -> dict[str, Any]:
    """A counted share with its 95% interval."""
    lower, upper = interval(k, n)
    return {"k": k, "n": n, "share": round(k / n, 4) if n else None, "lower": round(lower, 4), "upper": round(upper, 4)}


def rule_marks(rows: Sequence[LabelledMail], rules: RuleNet, texts: Sequence[str] | None = None) -> RuleMarks:
    """The marks of the rows that are judged, in their order. `texts`: what is judged of each row, if it is known."""
    read = [judged(row) for row in rows] if texts is None else texts
    hits = [rules.hits(text) for row, text in zip(rows, read, strict=True) if row.is_judged]

    def mark(*, danger: bool, firm: bool, strong: bool) -> BoolArray:
        return np.array(
            [
                any(
                    (hit.head == "danger") is danger and not (firm and hit.softened_by) and not (strong and hit.support)
                    for hit in found
                )
                for found in hits
            ]
        )

    return RuleMarks(
        soft=mark(danger=False, firm=False, strong=False),
        strong_soft=mark(danger=False, firm=False, strong=True),
        strong_firm=mark(danger=False, firm=True, strong=True),
        danger=mark(danger=True, firm=True, strong=False),
        strong_danger=mark(danger=True, firm=True, strong=True),
    )


@dataclass(slots=True)
class Said:
    """What is said of each judged row: `short` (band urgent or possible), `high` (band urgent), `danger`."""

    short: BoolArray
    high: BoolArray
    danger: BoolArray

    @classmethod
    def nothing(cls, count: int) -> Said:
        return cls(*(np.zeros(count, dtype=bool) for _ in range(3)))


class Judged:
    """The judged rows with probabilities on unseen authors and, per row, what the cuts of the other authors say."""

    def __init__(
        self, rows: Sequence[LabelledMail], unseen: Unseen, marks: RuleMarks | None = None, *, fused: bool = False
    ) -> None:
        """`marks`: what the rules say of the judged rows; the lower border of urgency is chosen beside them.
        `fused`: with the encoder."""
        kept = np.array([row.is_judged for row in rows])
        self.marks = marks
        self.rows = [row for row in rows if row.is_judged]
        numbers = calibrated(unseen, rows, fused=fused)
        self.chance = {head: probability(unseen.scores(head, fused=fused)[kept], numbers[head]) for head in HEADS}
        self.wanted = pipeline.targets(self.rows)
        self.urgent = self.wanted["palliative"] | self.wanted["transfer"]
        self.urgency = np.maximum(self.chance["palliative"], self.chance["transfer"])
        self.authors = np.array([row.author for row in self.rows])
        self._nested()

    def _nested(self) -> None:
        """`model`, `rules` and `both`: what each of them says. `laws`: law → named."""
        count = len(self.rows)
        self.model, self.rules, self.both = Said.nothing(count), Said.nothing(count), Said.nothing(count)
        self.laws = {law: np.zeros(count, dtype=bool) for law in LAWS}
        for author in sorted(set(self.authors)):
            here = self.authors == author
            others = ~here if (~here).any() else here
            marks = self.marks.of(others) if self.marks else None
            cuts = choose(
                {head: value[others] for head, value in self.chance.items()},
                [row for row, other in zip(self.rows, others, strict=True) if other],
                marks,
            )
            low, high = cuts["urgency_thresholds"]["palliative"]
            likelier, danger = self.urgency[here], self.chance["danger"][here]
            self.model.short[here], self.model.high[here] = likelier >= low, likelier >= high
            self.model.danger[here] = danger >= cuts["urgency_thresholds"]["danger"][0]
            if self.marks:
                mine, border = self.marks.of(here), cuts["rule_borders"]
                self.rules.short[here], self.rules.high[here] = mine.soft, mine.strong_firm
                self.rules.danger[here] = mine.danger
                self.both.short[here] = self.model.short[here] | mine.raised(likelier, border["urgency"])
                self.both.high[here] = self.model.high[here] | mine.urgent(likelier, border["urgency"])
                self.both.danger[here] = self.model.danger[here] | mine.dangerous(danger, border["danger"])
            named = gated(
                {head: value[here] for head, value in self.chance.items()}, cuts["law_thresholds"], cuts["law_gate"]
            )
            for law in LAWS:
                self.laws[law][here] = named[law]
        if not self.marks:
            self.both = self.model

    def alarms(self, recall: float) -> float:
        """Share of normal mail at or above the cut that reaches this recall."""
        normals = self.urgency[~self.urgent]
        return float((normals >= for_recall(self.urgency[self.urgent], recall)).mean()) if len(normals) else 0.0


def urgency_figures(data: Judged, said: Said) -> dict[str, Any]:
    """Recall and false alarms of the short term, of the band urgent and of the danger flag, and recall per slice."""
    urgent, short, high = data.urgent, said.short, said.high
    told_apart = data.chance["palliative"] >= data.chance["transfer"]

    def recall(mask: BoolArray) -> dict[str, Any]:
        return share(int((short & mask).sum()), int(mask.sum()))

    level = np.array([row.explicitness for row in data.rows])
    hard = np.array([row.hard for row in data.rows])
    return {
        "short_term_recall": recall(urgent),
        "short_term_alarms": share(int((short & ~urgent).sum()), int((~urgent).sum())),
        "short_term_alarms_by_kind": {
            name: share(int((short & ~urgent & (hard == is_hard)).sum()), int((~urgent & (hard == is_hard)).sum()))
            for name, is_hard in (("look-alike", True), ("ordinary", False))
        },
        "urgent_band_recall": share(int((high & urgent).sum()), int(urgent.sum())),
        "urgent_band_alarms": share(int((high & ~urgent).sum()), int((~urgent).sum())),
        "by_head": {head: recall(data.wanted[head]) for head in ("palliative", "transfer")},
        "by_explicitness": {name: recall(urgent & (level == name)) for name in ("a", "b", "c")},
        "told_apart": share(int((told_apart == data.wanted["palliative"])[urgent].sum()), int(urgent.sum())),
        "danger": danger_figures(data, said.danger),
    }


def law_figures(data: Judged) -> dict[str, Any]:
    """Precision, recall and F1 per law at nested cuts and gate."""
    per_law = {}
    for law in LAWS:
        wanted, chosen = data.wanted[law], data.laws[law]
        hits = int((wanted & chosen).sum())
        precision = hits / max(int(chosen.sum()), 1)
        recall = hits / max(int(wanted.sum()), 1)
        per_law[law] = {
            "n": int(wanted.sum()),
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "f1": round(2 * precision * recall / max(precision + recall, 1e-12), 4),
            "average_precision": round(float(average_precision_score(wanted, data.chance[law])), 4)
            if wanted.any()
            else None,
        }
    exact = np.all([data.wanted[law] == data.laws[law] for law in LAWS], axis=0)
    none = ~np.any([data.wanted[law] for law in LAWS], axis=0)
    any_law = np.any([data.laws[law] for law in LAWS], axis=0)
    return {
        "per_law": per_law,
        "micro_f1": round(micro_f1(data.wanted, data.laws), 4),
        "exact": share(int(exact.sum()), len(exact)),
        "law_missed_at_gate": share(int((~none & ~any_law).sum()), int((~none).sum())),
        "false_law_on_none": share(int((none & any_law).sum()), int(none.sum())),
        "confusion": {
            wrong: {
                law: int((data.laws[wrong] & ~data.wanted[wrong] & data.wanted[law]).sum())
                for law in LAWS
                if law != wrong
            }
            for wrong in LAWS
        },
    }


def author_figures(data: Judged) -> dict[str, Any]:
    """What each author's mails score with a model and cuts made from the others."""
    found = {}
    for author in sorted(set(data.authors)):
        here = data.authors == author
        urgent, normal = here & data.urgent, here & ~data.urgent
        found[str(author)] = {
            "n": int(here.sum()),
            "recall": share(int((data.both.short & urgent).sum()), int(urgent.sum())),
            "alarms": share(int((data.both.short & normal).sum()), int(normal.sum())),
            "auc": _auc(data.urgent[here], data.urgency[here]),
            "law_micro_f1": round(
                micro_f1({law: data.wanted[law][here] for law in LAWS}, {law: data.laws[law][here] for law in LAWS}), 4
            ),
        }
    return found


def _auc(wanted: BoolArray, scores: FloatArray) -> float | None:
    return round(float(roc_auc_score(wanted, scores)), 4) if 0 < wanted.sum() < len(wanted) else None


def calibration_figures(data: Judged) -> dict[str, Any]:
    """Brier score per head and a reliability table. Both of Platt's numbers were fitted on these scores."""
    return {
        "brier": {head: round(float(brier_score_loss(data.wanted[head], data.chance[head])), 4) for head in HEADS},
        "urgency": _reliability(data.urgency, data.urgent),
        "laws": _reliability(
            np.concatenate([data.chance[law] for law in LAWS]), np.concatenate([data.wanted[law] for law in LAWS])
        ),
    }


def _reliability(chance: FloatArray, wanted: BoolArray) -> list[dict[str, Any]]:
    table = []
    for low, high in itertools.pairwise(BINS):
        inside = (chance >= low) & ((chance < high) | (high == BINS[-1]))
        count = int(inside.sum())
        table.append(
            {
                "from": low,
                "to": high,
                "n": count,
                "predicted": round(float(chance[inside].mean()), 3) if count else None,
                "observed": round(float(wanted[inside].mean()), 3) if count else None,
            }
        )
    return table


def danger_figures(data: Judged, fired: BoolArray) -> dict[str, Any]:
    wanted = data.wanted["danger"]
    return {
        "recall": share(int((fired & wanted).sum()), int(wanted.sum())),
        "alarms": share(int((fired & ~wanted).sum()), int((~wanted).sum())),
    }


def topic_figures(rows: Sequence[LabelledMail], unseen: Unseen, floor: float) -> dict[str, Any]:
    codes, scores = unseen.topics
    kept = [i for i, row in enumerate(rows) if row.is_judged and row.topics]
    scores = scores[kept]
    wanted = np.array([[code in rows[i].topics for code in codes] for i in kept], dtype=bool).reshape(scores.shape)
    best = scores.argmax(axis=1) if scores.shape[1] else np.zeros(0, dtype=int)
    chosen = topic_choice(scores, floor)
    hits = int((chosen & wanted).sum())
    return {
        "codes": list(codes),
        "main_topic_right": share(
            sum(codes[j] == rows[i].topics[0] for i, j in zip(kept, best, strict=True)), len(kept)
        ),
        "named_first_is_one_of": share(
            sum(codes[j] in rows[i].topics for i, j in zip(kept, best, strict=True)), len(kept)
        ),
        "micro_f1": round(2 * hits / max(int(chosen.sum() + wanted.sum()), 1), 4),
    }


def sender_figures(rows: Sequence[LabelledMail], unseen: Unseen) -> dict[str, Any]:
    kept = [i for i, row in enumerate(rows) if row.is_judged]
    per_type = {}
    for name, count in sorted(Counter(rows[i].sender_type for i in kept).items()):
        right = sum(rows[i].sender_type == name == unseen.sender[i] for i in kept)
        per_type[name] = {"n": count, "recall": round(right / count, 3)}
    return {
        "accuracy": share(sum(rows[i].sender_type == unseen.sender[i] for i in kept), len(kept)),
        "per_type": per_type,
    }


def kind_figures(rows: Sequence[LabelledMail], unseen: Unseen) -> dict[str, Any]:
    """Machine and mass mail by the text alone, with the border that the other authors' mails gave."""
    person = unseen.kinds[:, pipeline.KINDS.index(pipeline.PERSON)]
    is_person = np.array([pipeline.kind_of(row) == pipeline.PERSON for row in rows])
    authors = np.array([row.author for row in rows])
    machine = np.zeros(len(rows), dtype=bool)
    for author in sorted(set(authors)):
        here = authors == author
        others = ~here if (~here).any() else here
        machine[here] = person[here] < person_cut(person[others], is_person[others])
    return {
        "machines_found": share(int((machine & ~is_person).sum()), int((~is_person).sum())),
        "persons_held": share(int((machine & is_person).sum()), int(is_person.sum())),
    }


def summary(data: Judged) -> dict[str, Any]:
    """The few figures by which settings and corpus sizes are compared: the model alone."""
    return {
        "urgent_auc": _auc(data.urgent, data.urgency),
        "alarms_at_95": round(data.alarms(0.95), 4),
        "alarms_at_98": round(data.alarms(0.98), 4),
        "alarms_at_99": round(data.alarms(0.99), 4),
        "law_micro_f1": round(micro_f1(data.wanted, data.laws), 4),
        "law_exact": round(float(np.all([data.wanted[law] == data.laws[law] for law in LAWS], axis=0).mean()), 4),
        "danger_ap": round(float(average_precision_score(data.wanted["danger"], data.chance["danger"])), 4)
        if data.wanted["danger"].any()
        else None,
    }


def trade_off(data: Judged) -> list[dict[str, float]]:
    """Alarms needed for each recall: the curve people choose a cut on."""
    return [
        {"recall": recall, "alarms": round(data.alarms(recall), 4)}
        for recall in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0)
    ]


def precision_recall(data: Judged) -> dict[str, list[dict[str, float]]]:
    """Head → (recall, precision) at twenty cuts, urgency being the likelier of its two heads."""
    curves = {}
    for head in (*LAWS, "urgency", "danger"):
        wanted = data.urgent if head == "urgency" else data.wanted[head]
        scores = data.urgency if head == "urgency" else data.chance[head]
        if not wanted.any():
            continue
        points = []
        for recall in np.linspace(0.05, 1.0, 20):
            chosen = scores >= for_recall(scores[wanted], float(recall))
            points.append({"recall": round(float(recall), 2), "precision": round(float(wanted[chosen].mean()), 4)})
        curves[head] = points
    return curves


def comparisons(task: Task, unseen: Unseen, *, progress: Callable[[str], None]) -> dict[str, Any]:
    """`learning_curve`: the same figures with fewer training mails per fold, the last size that fits being what there
    is; `bake_off`: other settings on the same folds, and the encoder alone and beside the n-grams. `unseen`: the
    scores of the settings themselves. Two at a time, each in a process of its own: none depends on another."""
    rows = task.rows
    largest = min(len(train) for train, _ in author_folds(rows, COMPARED_FOLDS))
    sizes = [size for size in CURVE if size < largest] + [largest]
    small = replace(task, extras=False, vectors=None, folds=COMPARED_FOLDS)
    jobs = [(f"learning curve: {size} mails a fold", replace(small, size=size)) for size in sizes]
    jobs += [
        (f"bake-off: {name}", replace(small, settings=replace(task.settings, **change)))
        for name, change in VARIANTS.items()
    ]
    found = []
    with ProcessPoolExecutor(max_workers=PROCESSES, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_compare, job) for _, job in jobs]
        for (name, _), result in zip(jobs, running, strict=True):
            found.append(result.result())
            progress(f"{name} done")
    bake_off = {"n-grams (five folds)": found[len(sizes) - 1]} | dict(zip(VARIANTS, found[len(sizes) :], strict=True))
    bake_off["n-grams, as shipped (ten folds)"] = summary(Judged(rows, unseen))
    if unseen.encoder:
        alone = replace(unseen, heads=unseen.encoder)
        bake_off |= {
            "sentence encoder alone (ten folds)": summary(Judged(rows, alone)),
            "n-grams and encoder, as shipped (ten folds)": summary(Judged(rows, unseen, fused=True)),
        }
    return {
        "learning_curve": [{"mails": size} | point for size, point in zip(sizes, found, strict=False)],
        "bake_off": bake_off,
    }


def _compare(task: Task) -> dict[str, Any]:
    return summary(Judged(task.rows, unseen_scores(task)))


def counts(rows: Sequence[LabelledMail]) -> dict[str, Any]:
    """What the corpus holds."""
    return {
        "rows": len(rows),
        "judged": sum(row.is_judged for row in rows),
        "authors": dict(sorted(Counter(row.author for row in rows).items())),
        "languages": dict(sorted(Counter(row.language for row in rows).items())),
        "urgency": dict(sorted(Counter(str(row.urgency) for row in rows).items())),
        "laws": dict(sorted(Counter(law for row in rows for law in row.laws).items())),
        "no_law": sum(not row.laws for row in rows),
        "several_laws": sum(len(row.laws) > 1 for row in rows),
        "danger": sum(row.danger for row in rows),
        "hard": sum(row.hard for row in rows),
        "explicitness_of_urgent": dict(sorted(Counter(row.explicitness for row in rows if row.urgent).items())),
        "kinds": dict(sorted(Counter(row.kind for row in rows).items())),
        "sender_types": dict(sorted(Counter(row.sender_type for row in rows).items())),
        "topics": dict(sorted(Counter(code for row in rows for code in row.topics).items())),
    }
