from __future__ import annotations

import numpy as np
import pytest

from classifiers.labelled import LabelledMail
from classifiers.thresholds import (
    above_share,
    author_folds,
    danger_cut,
    for_recall,
    gated,
    interval,
    law_cut,
    law_gate,
    micro_f1,
    person_cut,
    platt,
    probability,
    rule_border,
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
    assert (hard[:100] >= low).mean() >= 0.98
    assert 0.10 < (hard[100:] >= low).mean() <= 0.35

    hopeless = np.concatenate([np.linspace(0.0, 1.0, 100), np.linspace(0.0, 1.0, 100)])
    low, high = urgency_cuts(hopeless, urgent)
    assert (hopeless[100:] >= low).mean() <= 0.35
    assert low <= high


def test_danger_never_alarms_on_more_than_one_in_twenty_five() -> None:
    scores = np.concatenate([np.linspace(0.0, 1.0, 20), np.linspace(0.0, 0.9, 200)])
    danger = np.array([True] * 20 + [False] * 200)
    cut = danger_cut(scores, danger)
    assert (scores[20:] >= cut).mean() <= 0.04
    assert (scores[:20] >= cut).any()


def test_a_law_cut_has_the_best_f1() -> None:
    wanted = np.array([True] * 40 + [False] * 60)
    assert 0.45 < law_cut(np.concatenate([np.linspace(0.5, 1.0, 40), np.linspace(0.0, 0.45, 60)]), wanted) < 0.5
    mixed = np.concatenate([np.linspace(0.0, 1.0, 40), np.linspace(0.0, 0.8, 60)])

    def f1(cut: float) -> float:
        chosen = mixed >= cut
        return 2 * float((chosen & wanted).sum()) / float(chosen.sum() + wanted.sum())

    assert f1(law_cut(mixed, wanted)) == max(f1(cut) for cut in np.linspace(0.0, 1.0, 500))
    assert law_cut(mixed, np.zeros(100, dtype=bool)) == 0.5


def test_the_gate_keeps_laws_off_mails_without_one_unless_too_many_would_lose_theirs() -> None:
    some = np.array([True] * 100 + [False] * 100)
    apart = np.concatenate([np.linspace(0.6, 1.0, 100), np.linspace(0.0, 0.65, 100)])
    gate = law_gate(apart, some)
    assert (apart[100:] >= gate).mean() <= 0.10 and (apart[:100] < gate).mean() <= 0.03
    alike = np.concatenate([np.linspace(0.0, 1.0, 100), np.linspace(0.0, 1.0, 100)])
    gate = law_gate(alike, some)
    assert (alike[:100] < gate).mean() <= 0.03


def test_under_the_gate_no_law_over_it_the_likeliest_at_least() -> None:
    chance = {law: np.array([0.9, 0.1, 0.9]) for law in LAWS} | {"some_law": np.array([0.1, 0.9, 0.9])}
    chance["wmo"] = np.array([0.9, 0.3, 0.2])
    named = gated(chance, dict.fromkeys(LAWS, 0.5), 0.5)
    assert [[law for law in LAWS if named[law][i]] for i in range(3)] == [[], ["wmo"], ["jeugdwet", "wlz", "zvw"]]


def test_the_border_of_support_rules_keeps_the_urgent_mails_with_a_hit() -> None:
    scores = np.concatenate([np.linspace(0.2, 1.0, 50), np.linspace(0.0, 0.5, 50)])
    urgent = np.array([True] * 50 + [False] * 50)
    hit = np.array([True, False] * 50)
    border = rule_border(scores, urgent, hit, 0.99)
    assert (scores[urgent & hit] >= border).all()
    assert (scores[~urgent & hit] < border).any()
    assert rule_border(scores, urgent, np.zeros(100, dtype=bool), 0.99) == 0.0


def test_a_person_is_hardly_ever_taken_for_a_machine() -> None:
    person = np.concatenate([np.linspace(0.3, 1.0, 2000), np.linspace(0.0, 0.6, 100)])
    is_person = np.array([True] * 2000 + [False] * 100)
    cut = person_cut(person, is_person)
    assert (person[is_person] < cut).mean() <= 0.001
    assert (person[~is_person] < cut).mean() > 0.4
    assert person_cut(np.linspace(0.9, 1.0, 50), np.ones(50, dtype=bool)) == 0.5


def test_platt_turns_scores_into_shares_that_are_so() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(size=(4000, 2))
    wanted = random.random(4000) < 1 / (1 + np.exp(-(2 * scores[:, 0] + 0.5 * scores[:, 1] - 1)))
    assert platt(scores, wanted) == pytest.approx((-1, 2, 0.5), abs=0.2)
    assert probability(scores, platt(scores, wanted)).mean() == pytest.approx(wanted.mean(), abs=0.01)
    assert len(platt(scores[:, :1], wanted)) == 2


def test_an_encoder_that_argues_against_its_head_is_not_heard() -> None:
    random = np.random.default_rng(4)
    scores = random.normal(size=(2000, 2))
    wanted = random.random(2000) < 1 / (1 + np.exp(-(2 * scores[:, 0] - scores[:, 1])))
    intercept, slope, second = platt(scores, wanted)
    assert second == 0.0
    assert (intercept, slope) == pytest.approx(platt(scores[:, :1], wanted))


def test_t_hi_leaves_room_for_the_rules_that_make_a_mail_urgent() -> None:
    urgent = np.array([True] * 100 + [False] * 100)
    scores = np.concatenate([np.linspace(0.3, 1.0, 100), np.linspace(0.0, 0.6, 100)])
    ruled = np.zeros(200, dtype=bool)
    ruled[100:102] = True  # two normal mails with a low score
    _, alone = urgency_cuts(scores, urgent)
    _, beside = urgency_cuts(scores, urgent, ruled, ruled)
    assert beside > alone
    assert ((scores >= beside) | ruled)[100:].mean() <= 0.03


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
