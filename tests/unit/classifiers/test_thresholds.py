from __future__ import annotations

import numpy as np
import pytest

from classifiers.labelled import LabelledMail
from classifiers.thresholds import (
    above_share,
    author_folds,
    danger_cut,
    for_recall,
    interval,
    law_cut,
    micro_f1,
    platt,
    probability,
    topic_choice,
    urgency_cuts,
)
from triage.core.assessment import LAWS, Urgency


def mail(name: str, author: str, scenario: str) -> LabelledMail:
    return LabelledMail(name, "s", "b", (), Urgency.REGULAR, "question", author=author, scenario=scenario)


def test_folds_hold_out_whole_authors_and_never_split_a_scenario() -> None:
    rows = [mail(f"{a}{i}", a, f"scenario-{i % 7}" if i % 3 else f"own-{a}-{i}") for a in "pqr" for i in range(12)]
    held: list[int] = []
    for train, out in author_folds(rows):
        assert {rows[i].author for i in train}.isdisjoint({rows[i].author for i in out})
        assert {rows[i].scenario for i in train}.isdisjoint({rows[i].scenario for i in out})
        held += out.tolist()
    assert sorted(held) == list(range(len(rows)))


def test_many_authors_make_ten_folds() -> None:
    rows = [mail(str(i), f"author-{i:02}", f"s{i}") for i in range(23)]
    folds = list(author_folds(rows))
    assert len(folds) == 10
    assert sorted(i for _, out in folds for i in out) == list(range(23))


def test_a_cut_keeps_its_share_of_alarms_with_ties() -> None:
    normals = np.array([0.9, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    cut = above_share(normals, 0.3)
    assert (normals >= cut).mean() <= 0.3
    assert (normals >= above_share(normals, 0.4)).sum() == 4


def test_a_cut_reaches_its_recall() -> None:
    positives = np.linspace(0.01, 1.0, 100)
    assert (positives >= for_recall(positives, 0.99)).mean() == pytest.approx(0.99)
    assert (positives >= for_recall(positives, 1.0)).all()


def test_urgency_recall_wins_over_alarms_up_to_the_cap() -> None:
    urgent = np.array([True] * 100 + [False] * 100)
    easy = np.concatenate([np.full(100, 0.8), np.linspace(0.0, 0.5, 100)])
    low, high = urgency_cuts(easy, urgent)
    assert (easy[:100] >= low).all() and (easy[100:] >= low).mean() <= 0.10
    assert (easy[100:] >= high).mean() <= 0.03

    hard = np.concatenate([np.linspace(0.35, 1.0, 100), np.linspace(0.0, 0.5, 100)])
    low, _ = urgency_cuts(hard, urgent)
    assert (hard[:100] >= low).mean() >= 0.99
    assert 0.10 < (hard[100:] >= low).mean() <= 0.35

    hopeless = np.concatenate([np.linspace(0.0, 1.0, 100), np.linspace(0.0, 1.0, 100)])
    low, high = urgency_cuts(hopeless, urgent)
    assert (hopeless[100:] >= low).mean() <= 0.35
    assert low <= high


def test_danger_never_alarms_on_more_than_a_tenth() -> None:
    scores = np.concatenate([np.linspace(0.0, 1.0, 20), np.linspace(0.0, 0.9, 200)])
    danger = np.array([True] * 20 + [False] * 200)
    cut = danger_cut(scores, danger)
    assert (scores[20:] >= cut).mean() <= 0.10
    assert (scores[:20] >= cut).any()


def test_law_cut_takes_f2_only_where_precision_allows() -> None:
    wanted = np.array([True] * 40 + [False] * 60)
    apart = law_cut(np.concatenate([np.linspace(0.5, 1.0, 40), np.linspace(0.0, 0.45, 60)]), wanted)
    assert apart.rule == "f2"
    mixed = np.concatenate([np.linspace(0.0, 1.0, 40), np.linspace(0.0, 0.8, 60)])
    assert law_cut(mixed, wanted).rule == "f1"
    assert law_cut(mixed, np.zeros(100, dtype=bool)).rule == "none"


def test_platt_turns_scores_into_shares_that_are_so() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(size=4000)
    wanted = random.random(4000) < 1 / (1 + np.exp(-(2 * scores - 1)))
    slope, intercept = platt(scores, wanted)
    assert slope == pytest.approx(2, abs=0.2) and intercept == pytest.approx(-1, abs=0.2)
    chance = probability(scores, (slope, intercept))
    assert chance.mean() == pytest.approx(wanted.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("k", "n", "lower", "upper"),
    [
        (0, 0, 0.0, 1.0),
        (99, 100, 0.9455, 0.9997),
        (148, 150, 0.9527, 0.9984),
        (30, 30, 0.8843, 1.0),
        (0, 20, 0.0, 0.1684),
    ],
)
def test_interval_is_clopper_pearson(k: int, n: int, lower: float, upper: float) -> None:
    assert interval(k, n) == pytest.approx((lower, upper), abs=1e-4)


def test_one_topic_always_and_at_most_three() -> None:
    scores = np.array([[-5.0, -4.0, -9.0, -9.0], [1.0, 2.0, 3.0, 4.0]])
    assert topic_choice(scores, 0.0).tolist() == [[False, True, False, False], [False, True, True, True]]


def test_micro_f1_counts_over_all_laws() -> None:
    wanted = {law: np.array([True, False]) for law in LAWS}
    chosen = wanted | {"zvw": np.array([False, True])}
    assert micro_f1(wanted, chosen) == pytest.approx(2 * 3 / (4 + 4))
