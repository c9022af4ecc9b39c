"""A challenger beside the champion: both judge the locked test, the challenge set and the mails that were once missed.

Arrays in, figures out; only `compare_models` asks the models. Differences are challenger less champion, with intervals
from a paired bootstrap: both answer the same mails, so a resample keeps what is hard for both together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from classifiers.evaluate import BATCH, note_scoring, read_rows
from classifiers.evaluate import compare as report_of
from classifiers.features import FloatArray
from classifiers.feedback import Regression
from classifiers.judgement import Answers, ChallengeMail, challenge_figures, figures
from classifiers.labelled import LabelledMail
from classifiers.registry import HybridClassifier
from classifiers.thresholds import BoolArray
from triage.core.assessment import LAWS
from triage.services.reading import Reader

RESAMPLES = 2_000
SEED = 2026
REFUSED, BETTER, NO_WORSE, WORSE = "refused", "better", "no_worse", "worse"
MISSED_AGAIN, URGENT_FELL, DANGER_FELL = "regression_missed", "urgent_recall_fell", "danger_recall_fell"
"""Why a challenger is refused."""
MORE_IS_BETTER: Mapping[str, bool] = {
    "urgent_recall": True,
    "false_alarms": False,
    "law_micro_f1": True,
    "exact_sets": True,
}


@dataclass(frozen=True, slots=True)
class Side:
    """What one model said of the locked test, one element per mail that a person wrote: `short` (gets the short term),
    `laws` (law → named), and its figures."""

    short: BoolArray
    laws: Mapping[str, BoolArray]
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Truth:
    """The labels of the same mails."""

    urgent: BoolArray
    laws: Mapping[str, BoolArray]


@dataclass(frozen=True, slots=True)
class Difference:
    """Challenger less champion, with the 95% interval; each None when the test holds no mail to measure it on."""

    value: float | None
    lower: float | None
    upper: float | None

    def sign(self, *, more_is_better: bool) -> int:
        """1 when the whole interval is on the good side of zero, -1 on the bad side, 0 when it holds zero."""
        if self.lower is None or self.upper is None or self.lower <= 0.0 <= self.upper:
            return 0
        return 1 if (self.lower > 0.0) is more_is_better else -1


@dataclass(frozen=True, slots=True)
class Comparison:
    """`regression`: (how many mails once missed, those missed by the champion, by the challenger; cases).
    `discordant`: sets of laws right by the champion alone, by the challenger alone."""

    champion: str
    challenger: str
    at: str
    locked: Mapping[str, Mapping[str, Any]]
    differences: Mapping[str, Difference]
    discordant: tuple[int, int]
    mcnemar_p: float
    challenge: Mapping[str, Mapping[str, Any]]
    regression: tuple[int, tuple[str, ...], tuple[str, ...]]
    verdict: str
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        count, by_champion, by_challenger = self.regression
        return {
            "champion": self.champion,
            "challenger": self.challenger,
            "at": self.at,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "locked": {name: dict(found) for name, found in self.locked.items()},
            "differences": {
                name: {"difference": one.value, "lower": one.lower, "upper": one.upper}
                for name, one in self.differences.items()
            },
            "exact_sets": {"champion_alone": self.discordant[0], "challenger_alone": self.discordant[1]},
            "mcnemar_p": self.mcnemar_p,
            "challenge": {name: dict(found) for name, found in self.challenge.items()},
            "regression": {
                "n": count,
                "missed_by_champion": list(by_champion),
                "missed_by_challenger": list(by_challenger),
            },
        }


# ---------------------------------------------------------------- arithmetic


def differences(truth: Truth, champion: Side, challenger: Side, *, seed: int = SEED) -> dict[str, Difference]:
    """Figure (of MORE_IS_BETTER) → difference, from RESAMPLES paired resamples of the mails."""
    count = len(truth.urgent)
    if count == 0:
        return dict.fromkeys(MORE_IS_BETTER, Difference(None, None, None))
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    weights = np.vstack([np.ones((1, count)), drawn])  # the test itself first
    found = {}
    for name in MORE_IS_BETTER:
        with np.errstate(invalid="ignore"):
            apart = _figure(name, weights, truth, challenger) - _figure(name, weights, truth, champion)
        resampled = apart[1:][np.isfinite(apart[1:])]
        if not np.isfinite(apart[0]) or not len(resampled):
            found[name] = Difference(None, None, None)
            continue
        lower, upper = np.quantile(resampled, [0.025, 0.975])
        found[name] = Difference(round(float(apart[0]), 4), round(float(lower), 4), round(float(upper), 4))
    return found


def _figure(name: str, weights: FloatArray, truth: Truth, side: Side) -> FloatArray:
    """The figure for each row of weights (how often each mail counts); not a number where nothing is counted."""
    if name == "urgent_recall":
        return _share(weights, side.short, truth.urgent)
    if name == "false_alarms":
        return _share(weights, side.short, ~truth.urgent)
    if name == "exact_sets":
        return _share(weights, exact(truth, side), np.ones(weights.shape[1], dtype=bool))
    hits = sum(((truth.laws[law] & side.laws[law]).astype(float) for law in LAWS), np.zeros(weights.shape[1]))
    both = sum((truth.laws[law].astype(float) + side.laws[law] for law in LAWS), np.zeros(weights.shape[1]))
    return np.asarray(2 * (weights @ hits) / (weights @ both))


def _share(weights: FloatArray, hits: BoolArray, among: BoolArray) -> FloatArray:
    return np.asarray((weights @ (hits & among)) / (weights @ among))


def exact(truth: Truth, side: Side) -> BoolArray:
    """Per mail: the set of laws is right."""
    right: BoolArray = np.all([truth.laws[law] == side.laws[law] for law in LAWS], axis=0)
    return right


def mcnemar(first: BoolArray, second: BoolArray) -> tuple[tuple[int, int], float]:
    """((right by the first alone, by the second alone), exact two-sided p of McNemar's test). 1.0 when they agree."""
    alone = int((first & ~second).sum()), int((second & ~first).sum())
    return alone, float(binomtest(min(alone), sum(alone), 0.5).pvalue) if sum(alone) else 1.0


def verdict_of(
    champion: Mapping[str, Any],
    challenger: Mapping[str, Any],
    apart: Mapping[str, Difference],
    missed_again: Sequence[str],
) -> tuple[str, tuple[str, ...]]:
    """(verdict, why it is refused). Safety first and without a margin: one urgent mail less is one too many."""
    reasons = [MISSED_AGAIN] if missed_again else []
    if challenger["recall"]["k"] < champion["recall"]["k"]:
        reasons.append(URGENT_FELL)
    if challenger["danger_recall"]["k"] < champion["danger_recall"]["k"]:
        reasons.append(DANGER_FELL)
    if reasons:
        return REFUSED, tuple(reasons)
    signs = [one.sign(more_is_better=MORE_IS_BETTER[name]) for name, one in apart.items()]
    return (WORSE if min(signs, default=0) < 0 else BETTER if max(signs, default=0) > 0 else NO_WORSE), ()


# ---------------------------------------------------------------- asking the models


def compare_models(
    champion: HybridClassifier,
    challenger: HybridClassifier,
    *,
    locked: Sequence[LabelledMail],
    challenge: Sequence[ChallengeMail],
    regressions: Sequence[Regression],
    at: str,
    note: Callable[[str], None] = lambda line: None,
    progress: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Both models on the same mails. `note` gets one line of the log of the locked test for each scoring of it."""
    both = {"champion": champion, "challenger": challenger}
    sides, missed = {}, {}
    for name, model in both.items():
        readings = read_rows(locked, model)
        sides[name] = _side(Answers.of(locked, readings), figures(locked, readings))
        note(note_scoring(report_of(locked, readings), model.model_id, at))
        missed[name] = missed_by(model, regressions)
        progress(f"{name} {model.model_id} scored on {len(locked)} locked mails")
    truth = _truth([row for row in locked if row.is_judged])
    apart = differences(truth, sides["champion"], sides["challenger"])
    discordant, p = mcnemar(exact(truth, sides["champion"]), exact(truth, sides["challenger"]))
    verdict, reasons = verdict_of(sides["champion"].figures, sides["challenger"].figures, apart, missed["challenger"])
    return Comparison(
        champion=champion.model_id,
        challenger=challenger.model_id,
        at=at,
        locked={name: side.figures for name, side in sides.items()},
        differences=apart,
        discordant=discordant,
        mcnemar_p=round(p, 4),
        challenge={name: challenge_figures(challenge, model) for name, model in both.items()},
        regression=(len(regressions), missed["champion"], missed["challenger"]),
        verdict=verdict,
        reasons=reasons,
    )


def _side(answers: Answers, found: Mapping[str, Any]) -> Side:
    return Side(
        short=answers.hear(lambda item: item.band.short_term, unread=True),
        laws={law: answers.hear(lambda item, law=law: law in item.laws, unread=False) for law in LAWS},  # type: ignore[misc]
        figures=found,
    )


def _truth(rows: Sequence[LabelledMail]) -> Truth:
    return Truth(
        np.array([row.urgent for row in rows], dtype=bool),
        {law: np.array([law in row.laws for row in rows], dtype=bool) for law in LAWS},
    )


def missed_by(model: HybridClassifier, regressions: Sequence[Regression]) -> tuple[str, ...]:
    """Cases of the mails that this model would put in band normal."""
    reader = Reader(model, own_addresses=(), authserv_id="", model_languages=model.languages)
    judged = []
    for start in range(0, len(regressions), BATCH):
        part = regressions[start : start + BATCH]
        judged += reader.judge_again([(one.text, one.language, False) for one in part])
    return tuple(
        sorted(
            {
                one.case
                for one, said in zip(regressions, judged, strict=True)
                if said is not None and not said.band.short_term  # without a verdict a mail gets the short term
            }
        )
    )


# ---------------------------------------------------------------- for people


_VERDICTS = {
    REFUSED: "**Refused**: it may not be put in use.",
    BETTER: "**Better**: at least one figure rose beyond chance, none fell.",
    NO_WORSE: "**No worse**: no figure moved beyond chance.",
    WORSE: "**Worse**: at least one figure fell beyond chance.",
}
_REASONS = {
    MISSED_AGAIN: "an urgent mail that was missed before would be missed again",
    URGENT_FELL: "it finds fewer urgent mails of the locked test",
    DANGER_FELL: "it finds fewer danger mails of the locked test",
}
_FIGURES = (
    ("urgent mail that gets the short term", "recall"),
    ("the same, palliative", ("recall_by_head", "palliative")),
    ("the same, transfer", ("recall_by_head", "transfer")),
    ("normal mail that gets the short term", "alarms"),
    ("danger found", "danger_recall"),
    ("danger, false", "danger_alarms"),
    ("set of laws exactly right", "exact"),
    ("a law named where none applies", "false_law_on_none"),
)


def render(comparison: Comparison) -> str:
    """COMPARISON.md: the verdict first, then what it stands on. Of missed mails it holds the case references alone."""
    count, by_champion, by_challenger = comparison.regression
    champion, challenger = comparison.locked["champion"], comparison.locked["challenger"]
    lines = [
        f"# {comparison.challenger} beside {comparison.champion}",
        "",
        f"Made {comparison.at}. {_VERDICTS[comparison.verdict]}",
        *(f"- {_REASONS[reason]}" for reason in comparison.reasons),
        "",
        "## Locked test",
        "",
        "| figure | champion | challenger |",
        "|---|---|---|",
        *(f"| {name} | {_told(champion, path)} | {_told(challenger, path)} |" for name, path in _FIGURES),
        f"| law micro-F1 | {champion['law_micro_f1']:.3f} | {challenger['law_micro_f1']:.3f} |",
        "",
        "Challenger less champion; 95% interval from 2,000 paired resamples of the mails:",
        "",
        "| figure | difference | 95% interval |",
        "|---|---|---|",
        *(
            f"| {name.replace('_', ' ')} | not measured | |"
            if one.value is None
            else f"| {name.replace('_', ' ')} | {one.value:+.3f} | {one.lower:+.3f} to {one.upper:+.3f} |"
            for name, one in comparison.differences.items()
        ),
        "",
        f"Sets of laws right by the champion alone {comparison.discordant[0]}, by the challenger alone "
        f"{comparison.discordant[1]}; McNemar's exact p = {comparison.mcnemar_p:.3f}.",
        "",
        "## Challenge set",
        "",
        "| check | champion | challenger |",
        "|---|---|---|",
        *(
            f"| {name} | {one['k']}/{one['n']} | {comparison.challenge['challenger'][name]['k']}/{one['n']} |"
            for name, one in comparison.challenge["champion"].items()
        ),
        "",
        "## Mails that were missed before",
        "",
        f"{count} mails that staff found urgent after a model had called them normal.",
        f"- The champion would miss: {', '.join(by_champion) or 'none'}",
        f"- The challenger would miss: {', '.join(by_challenger) or 'none'}",
    ]
    return "\n".join(lines) + "\n"


def _told(found: Mapping[str, Any], path: str | tuple[str, ...]) -> str:
    value: Any = found
    for key in (path,) if isinstance(path, str) else path:
        value = value[key]
    return f"{value['k']}/{value['n']}" + ("" if value["share"] is None else f" = {value['share']:.3f}")
