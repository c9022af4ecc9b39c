"""Training examples from people's words: only what they chose counts, and no single person's word becomes a feature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from classifiers import pipeline
from classifiers.feedback import counts, examples_from, known_labels, regressions_from
from classifiers.labelled import LabelledMail
from classifiers.thresholds import Task, calibrated, choose, law_cut, unseen_scores
from triage.core.assessment import HEADS, LAWS, SOME_LAW
from triage.ports import FeedbackRow

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def said(number: int = 1, text: str = "Wie betaalt de thuiszorg?", **changes: object) -> FeedbackRow:
    row = FeedbackRow(f"m{number}", f"JL-2026-{number:05d}", text, "nl", {"laws": ("wmo",)}, AT, False, False)
    return replace(row, **changes)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what counts as a label


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({"labels": {"laws": ()}}, {*LAWS, SOME_LAW}),
        ({"labels": {"urgency": ("palliative", "urgent")}}, {"palliative", "transfer"}),
        ({"labels": {"urgency": ("regular", "normal")}}, {"palliative", "transfer"}),
        ({"labels": {"danger": ("no",), "topics": ("T24",)}}, {"danger", "topics"}),
        ({"labels": {"sender_type": ("gemeente",)}}, {"sender_type"}),
        ({"labels": {"laws": ("wmo",)}, "spam_or_machine": True}, {"kind"}),
    ],
)
def test_only_what_a_person_chose_is_known(changes: dict[str, object], known: set[str]) -> None:
    (one,) = examples_from([said(**changes)])
    assert one.known == known


def test_the_labels_are_the_last_values_that_people_chose() -> None:
    labels = {
        "laws": ("wmo", "zvw"), "urgency": ("transfer", "urgent"), "danger": ("yes",), "sender_type": ("ciz",),
        "topics": ("T15", "T13"),
    }  # fmt: skip
    (one,) = examples_from([said(7, labels=labels)])
    row = one.row
    assert (row.laws, str(row.urgency), row.danger) == (("wmo", "zvw"), "transfer", True)
    assert (row.sender_type, row.topics, row.kind) == ("ciz", ("T15", "T13"), "question")
    assert (row.author, row.subject, row.body) == ("case JL-2026-00007", "", "")  # the text stands in the example alone


def test_possible_is_a_doubt_and_no_label_unless_it_was_missed() -> None:
    doubt = said(labels={"urgency": ("palliative", "possible")})
    assert examples_from([doubt]) == []
    (missed,) = examples_from([replace(doubt, missed_urgent=True)])
    assert missed.known == {"palliative", "transfer"}


def test_a_mail_without_text_is_no_example() -> None:
    assert examples_from([said(text=" \n")]) == []


def test_the_counts_hold_numbers_only() -> None:
    found = counts(examples_from([said(1), said(2, spam_or_machine=True), said(3, labels={"danger": ("no",)})]))
    assert found == {"rows": 3, "cases": 3, "fields": {"danger": 1, "laws": 1}, "urgent": 0, "spam_or_machine": 1}


def test_a_missed_mail_is_a_regression_case_until_people_say_it_is_regular() -> None:
    missed = said(1, labels={"urgency": ("palliative", "urgent")}, missed_urgent=True)
    taken_back = said(2, labels={"urgency": ("regular", "normal")}, missed_urgent=True)
    assert [one.case for one in regressions_from([missed, taken_back, said(3)])] == ["JL-2026-00001"]


# ---------------------------------------------------------------- masks


def test_a_head_learns_from_the_rows_that_have_its_label_alone(
    few_rows: list[LabelledMail], few_docs: list[str]
) -> None:
    """Wrong laws on the rows whose laws are not known change nothing in the law heads."""
    settings = pipeline.Settings()
    of_laws = np.arange(len(few_rows)) % 3 != 0
    known = {law: of_laws for law in (*LAWS, SOME_LAW)}
    wrong = [
        row if has else replace(row, laws=() if row.laws else ("wmo",))
        for row, has in zip(few_rows, of_laws, strict=True)
    ]
    right, masked, unmasked = (
        pipeline.fit(few_docs, rows, settings, seed=1, extras=False, known=mask)
        for rows, mask in ((few_rows, known), (wrong, known), (wrong, None))
    )
    for law in LAWS:
        assert np.array_equal(right.heads[law].coef_, masked.heads[law].coef_)
        assert not np.array_equal(right.heads[law].coef_, unmasked.heads[law].coef_)
    for head in ("palliative", "danger"):  # known of all
        assert np.array_equal(masked.heads[head].coef_, unmasked.heads[head].coef_)


def test_unknown_topics_sender_and_kind_are_not_taken_for_no(few_rows: list[LabelledMail], few_docs: list[str]) -> None:
    settings = pipeline.Settings()
    last = np.arange(len(few_rows)) < len(few_rows) - 20
    known = dict.fromkeys(("topics", "sender_type", "kind"), last)
    wrong = [
        row if has else replace(row, topics=(), sender_type="ciz") for row, has in zip(few_rows, last, strict=True)
    ]
    right, masked = (pipeline.fit(few_docs, rows, settings, seed=1, known=known) for rows in (few_rows, wrong))
    assert list(right.topics) == list(masked.topics) and right.topics
    for code in right.topics:
        assert np.array_equal(right.topics[code].coef_, masked.topics[code].coef_)
    assert np.array_equal(right.sender.coef_, masked.sender.coef_)


def test_cuts_and_calibration_come_from_the_rows_that_have_the_label(
    few_rows: list[LabelledMail], few_docs: list[str]
) -> None:
    unseen = unseen_scores(Task(few_docs, few_rows, pipeline.Settings(), 1, extras=False, folds=2))
    judged = np.array([row.is_judged for row in few_rows])
    has = np.arange(len(few_rows)) % 2 == 0
    known = {head: has for head in HEADS}
    half = [row for row, one in zip(few_rows, has, strict=True) if one]
    chance = {head: 1 / (1 + np.exp(-unseen.heads[head][judged])) for head in HEADS}
    rows = [row for row in few_rows if row.is_judged]
    of_judged = {head: has[judged] for head in HEADS}
    masked = choose(chance, rows, None, of_judged)
    alone = choose({h: v[has[judged]] for h, v in chance.items()}, [r for r in half if r.is_judged], None)
    assert masked == alone
    assert masked != choose(chance, rows, None)
    assert masked["law_thresholds"]["wmo"] == law_cut(
        chance["wmo"][has[judged]], pipeline.targets(rows)["wmo"][has[judged]]
    )
    assert calibrated(unseen, few_rows, fused=False, known=known) != calibrated(unseen, few_rows, fused=False)


def test_what_is_known_of_the_corpus_is_all() -> None:
    masks = known_labels(2, examples_from([said(1), said(2, labels={"danger": ("no",)})]))
    assert masks["wmo"].tolist() == [True, True, True, False]
    assert masks["danger"].tolist() == [True, True, False, True]
    assert masks["kind"].tolist() == [True, True, False, False]


# ---------------------------------------------------------------- features


def terms(real: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    ours = ["de thuiszorg komt", "de thuiszorg stopt", "quispelaar belt de gemeente"]
    docs, cases = [*ours, *(text for text, _ in real)], [*([""] * len(ours)), *(case for _, case in real)]
    return pipeline.shared_terms(docs, cases, pipeline.Settings())


def test_a_word_of_real_mail_needs_five_cases() -> None:
    four = [(f"zonnebloem {i}", f"JL-{i}") for i in range(4)]
    words, grams = terms(four)
    assert "zonnebloem" not in words and "zonne" not in grams
    words, grams = terms([*four, ("zonnebloem", "JL-5")])
    assert "zonnebloem" in words and "zonne" in grams


def test_many_mails_of_one_case_are_one_case() -> None:
    words, grams = terms([("zonnebloem", "JL-1")] * 30)
    assert "zonnebloem" not in words and "zonne" not in grams


def test_a_word_that_is_rare_in_the_corpus_is_not_let_in_by_one_real_mail() -> None:
    words, _ = terms([("mevrouw quispelaar", "JL-1")])
    assert "quispelaar" not in words
    assert "thuiszorg" in words
