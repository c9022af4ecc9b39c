from __future__ import annotations

import itertools

import numpy as np

from classifiers import pipeline
from classifiers.evidence import composed, credits_of, model_evidence, rule_evidence
from classifiers.features import FeatureSpace, tokenise
from classifiers.labelled import LabelledMail, judged
from classifiers.rules import RuleHit

HEADS = ("palliative", "transfer", "zvw")


def weights_of(model: pipeline.Model) -> np.ndarray:
    return np.stack([model.heads[head].coef_[0] for head in HEADS], axis=1)


def test_credits_of_words_and_pairs_add_up_to_the_score(
    small_model: pipeline.Model, space: FeatureSpace, few_rows: list[LabelledMail]
) -> None:
    weights = weights_of(small_model).astype(np.float64)
    for row in few_rows[:20]:
        counted = space.count(tokenise(judged(row)))
        credit = credits_of(counted, space, weights[counted.ids])
        score = counted.values @ weights[counted.ids]
        assert np.abs(credit.words.sum(axis=0) + credit.pairs.sum(axis=0) - score).max() < 1e-9


def test_evidence_points_at_whole_words_of_the_text(
    small_model: pipeline.Model, space: FeatureSpace, few_rows: list[LabelledMail]
) -> None:
    text = judged(next(row for row in few_rows if row.urgency == "palliative"))
    counted = space.count(tokenise(text))
    found = model_evidence(text, counted, space, weights_of(small_model), {"palliative": 0, "zvw": 2})
    starts = {token.start for token in counted.tokens}
    ends = {token.end for token in counted.tokens}
    for head in ("palliative", "zvw"):
        words = [item for item in found if item.head == head and item.source == "model"]
        assert 1 <= len(words) <= 5
        assert [item.weight for item in words] == sorted((item.weight for item in words), reverse=True)
        assert all(item.weight > 0 and item.span.start in starts and item.span.end in ends for item in words)
        spans = sorted((item.span.start, item.span.end) for item in words)
        assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
    assert [item.head for item in found if item.source == "sentence"] == ["palliative"]


def test_the_decisive_sentence_is_the_one_whose_removal_lowers_the_score_most(
    small_model: pipeline.Model, space: FeatureSpace
) -> None:
    text = (
        "vraag\n\nGoedemiddag. Mijn zoon fietst graag naar school. "
        "De dokter zegt dat mijn moeder gaat sterven en zij ligt thuis op bed. Ik hoor het graag."
    )
    weights = weights_of(small_model)
    counted = space.count(tokenise(text))
    sentence = [
        item for item in model_evidence(text, counted, space, weights, {"palliative": 0}) if item.source == "sentence"
    ]
    assert len(sentence) == 1
    span = sentence[0].span
    assert text[span.start : span.end] == "De dokter zegt dat mijn moeder gaat sterven en zij ligt thuis op bed."
    without = space.count(tokenise(text[: span.start] + " # " + text[span.end :]))
    column = weights[:, 0].astype(np.float64)
    drop = float(counted.values @ column[counted.ids] - without.values @ column[without.ids])
    assert abs(drop - sentence[0].weight) < 0.15  # equal but for the word pairs across the borders


def test_no_words_no_evidence(small_model: pipeline.Model, space: FeatureSpace) -> None:
    assert model_evidence("", space.count([]), space, weights_of(small_model), {"palliative": 0}) == []


def test_rule_hits_in_composed_text_point_into_the_text_as_it_came() -> None:
    text = "Cafe\u0301 e\u0301e\u0301n: laatste dagen"
    nfc, offsets = composed(text)
    start = nfc.index("laatste")
    (item,) = rule_evidence([RuleHit("P1", "palliative", start, len(nfc), ("S1",))], offsets)
    assert text[item.span.start : item.span.end] == "laatste dagen"
    assert (item.source, item.weight, item.rule_id, item.softened_by) == ("rule", 1.0, "P1", ("S1",))


def test_text_in_nfc_is_not_copied() -> None:
    assert composed("één") == ("één", None)
