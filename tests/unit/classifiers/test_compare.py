"""A challenger beside the champion: differences with intervals, McNemar's test, and what makes a challenger refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from classifiers.compare import (
    DANGER_FELL,
    MISSED_AGAIN,
    URGENT_FELL,
    Comparison,
    Difference,
    Side,
    Truth,
    compare_models,
    differences,
    mcnemar,
    missed_by,
    render,
    verdict_of,
)
from classifiers.feedback import Regression
from classifiers.judgement import ChallengeMail
from classifiers.labelled import LabelledMail
from triage.core.assessment import LAWS, SenderType, Urgency, Verdict

NONE = {law: np.zeros(400, dtype=bool) for law in LAWS}
TRUTH = Truth(np.arange(400) < 100, {**NONE, "wmo": np.arange(400) % 2 == 0})


def side(*, missed: int = 0, alarms: int = 30, wrong: int = 0) -> Side:
    """Misses the first urgent mails, alarms on the last normal ones, takes wmo for wlz in the first mails."""
    short = (np.arange(400) >= missed) & TRUTH.urgent | (np.arange(400) >= 400 - alarms)
    wmo = TRUTH.laws["wmo"] & (np.arange(400) >= wrong)
    return Side(short, {**NONE, "wmo": wmo, "wlz": TRUTH.laws["wmo"] & ~wmo}, {})


# ---------------------------------------------------------------- differences


def test_the_same_answers_differ_by_nothing() -> None:
    found = differences(TRUTH, side(), side())
    assert set(found) == {"urgent_recall", "false_alarms", "law_micro_f1", "exact_sets"}
    assert all((one.value, one.lower, one.upper) == (0.0, 0.0, 0.0) for one in found.values())


def test_a_difference_is_challenger_less_champion_within_its_interval() -> None:
    found = differences(TRUTH, side(wrong=80), side(missed=10, alarms=60))
    assert found["urgent_recall"].value == -0.1
    assert found["false_alarms"].value == 0.1
    assert found["exact_sets"].value == 0.1
    # of 200 mails with wmo 40 were wrong: 2 * 160 / (200 + 200) against 1
    assert found["law_micro_f1"].value == 0.2
    for one in found.values():
        assert one.lower is not None and one.value is not None and one.upper is not None
        assert one.lower < one.value < one.upper
        assert one.upper - one.lower < 0.15


def test_the_resamples_are_seeded() -> None:
    one, two = side(missed=3), side(alarms=50)
    assert differences(TRUTH, one, two) == differences(TRUTH, one, two)
    assert differences(TRUTH, one, two) != differences(TRUTH, one, two, seed=1)


def test_pairing_makes_the_interval_narrow() -> None:
    """Both miss the same mails: what the test happens to hold does not blur their difference."""
    found = differences(TRUTH, side(missed=40), side(missed=39))["urgent_recall"]
    assert found.lower is not None and found.upper is not None
    assert found.upper - found.lower < 0.05  # apart, each of them would be unsure by 0.19


def test_without_mails_nothing_is_measured() -> None:
    nothing = np.zeros(0, dtype=bool)
    empty = Side(nothing, dict.fromkeys(LAWS, nothing), {})
    found = differences(Truth(nothing, dict.fromkeys(LAWS, nothing)), empty, empty)
    assert set(found.values()) == {Difference(None, None, None)}
    calm = replace(TRUTH, urgent=np.zeros(400, dtype=bool))
    assert differences(calm, side(), side())["urgent_recall"] == Difference(None, None, None)


@pytest.mark.parametrize(("alone", "p"), [((0, 0), 1.0), ((0, 5), 0.0625), ((1, 8), 0.0390625), ((3, 3), 1.0)])
def test_mcnemar_is_the_exact_binomial_test(alone: tuple[int, int], p: float) -> None:
    first = np.array([True] * alone[0] + [False] * alone[1] + [True] * 20 + [False] * 4)
    second = np.array([False] * alone[0] + [True] * alone[1] + [True] * 20 + [False] * 4)
    assert mcnemar(first, second) == (alone, pytest.approx(p))


# ---------------------------------------------------------------- verdict


def counted(recall: int = 98, danger: int = 9) -> dict[str, object]:
    return {"recall": {"k": recall, "n": 100}, "danger_recall": {"k": danger, "n": 10}}


UP, DOWN, STILL = Difference(0.05, 0.01, 0.09), Difference(-0.05, -0.09, -0.01), Difference(0.01, -0.02, 0.04)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "no_worse"),
        ({"exact_sets": UP}, "better"),
        ({"false_alarms": DOWN}, "better"),
        ({"false_alarms": UP}, "worse"),
        ({"law_micro_f1": DOWN, "exact_sets": UP}, "worse"),
        ({"urgent_recall": Difference(None, None, None)}, "no_worse"),
        ({"urgent_recall": Difference(0.0, 0.0, 0.0)}, "no_worse"),
    ],
)
def test_the_verdict_follows_the_intervals(changes: dict[str, Difference], expected: str) -> None:
    apart = dict.fromkeys(("urgent_recall", "false_alarms", "law_micro_f1", "exact_sets"), STILL) | changes
    assert verdict_of(counted(), counted(), apart, ()) == (expected, ())


def test_one_urgent_mail_less_is_refused_however_good_the_rest() -> None:
    better = dict.fromkeys(("urgent_recall", "law_micro_f1", "exact_sets"), UP)
    assert verdict_of(counted(), counted(recall=97), better, ()) == ("refused", (URGENT_FELL,))
    assert verdict_of(counted(), counted(danger=8), better, ()) == ("refused", (DANGER_FELL,))
    assert verdict_of(counted(), counted(), better, ("JL-1",)) == ("refused", (MISSED_AGAIN,))
    assert verdict_of(counted(), counted(recall=99, danger=10), better, ())[0] == "better"


# ---------------------------------------------------------------- whole


class Words:
    """A model that finds urgent what holds one of its words, and names wmo otherwise."""

    has_encoder = False
    languages = frozenset({"nl"})

    def __init__(self, model_id: str, *words: str, judges: bool = True) -> None:
        self.model_id, self._words, self._judges = model_id, words, judges

    def verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        if not self._judges:
            return [Verdict({}, {}, {}) for _ in texts]
        return [self._verdict(text) for text in texts]

    def _verdict(self, text: str) -> Verdict:
        urgent = any(word in text for word in self._words)
        chances = {"palliative": 0.9 if urgent else 0.01, "transfer": 0.01, "danger": 0.01, "some_law": 0.9}
        return Verdict(
            chances | dict.fromkeys(LAWS, 0.01) | {"wmo": 0.9},
            dict.fromkeys(LAWS, 0.5),
            {head: (0.2, 0.6) for head in ("palliative", "transfer", "danger")},
            sender_type=SenderType.OTHER,
        )


def mail(number: int, body: str, *, urgent: bool = False) -> LabelledMail:
    return LabelledMail(
        f"t-{number}", "Vraag", body, ("wmo",), Urgency.PALLIATIVE if urgent else Urgency.REGULAR, "question"
    )


MISSED = Regression("JL-2026-00007", "Mijn vader Quispel is op.", "nl")


def compared(champion: Words, challenger: Words, lines: list[str] | None = None) -> Comparison:
    locked = [
        mail(1, "Zij is uitbehandeld.", urgent=True), mail(2, "Hij sterft thuis.", urgent=True),
        mail(3, "Wie betaalt de traplift?"), mail(4, "Kan ik een kopie krijgen?"),
    ]  # fmt: skip
    return compare_models(
        champion,  # type: ignore[arg-type]
        challenger,  # type: ignore[arg-type]
        locked=locked,
        challenge=[ChallengeMail(mail(5, "Zij sterft.", urgent=True), "MFT", "", "")],
        regressions=[MISSED],
        at="2026-11-24T09:30:00+00:00",
        note=(lines if lines is not None else []).append,
    )


def test_a_challenger_that_misses_what_was_missed_before_is_refused() -> None:
    lines: list[str] = []
    found = compared(Words("old", "uitbehandeld"), Words("new", "uitbehandeld", "sterft"), lines)
    assert (found.verdict, found.reasons) == ("refused", (MISSED_AGAIN,))
    assert found.regression == (1, (MISSED.case,), (MISSED.case,))
    assert [found.locked[name]["recall"]["k"] for name in ("champion", "challenger")] == [1, 2]
    assert [found.challenge[name]["MFT urgency"]["k"] for name in ("champion", "challenger")] == [0, 1]
    assert [line.split(" | ")[:4] for line in lines] == [
        ["| 2026-11-24", "old", "4", "1/2"], ["| 2026-11-24", "new", "4", "2/2"],
    ]  # fmt: skip


def test_a_challenger_that_finds_it_is_not_refused() -> None:
    found = compared(Words("old", "uitbehandeld"), Words("new", "uitbehandeld", "op."))
    assert found.verdict == "no_worse" and found.regression[2] == ()


def test_what_is_written_holds_no_word_of_a_mail() -> None:
    found = compared(Words("old", "uitbehandeld"), Words("new", "sterft"))
    page, data = render(found), json.dumps(found.as_json())
    assert json.loads(data)["differences"]["urgent_recall"]["difference"] == 0.0
    assert "**Refused**" in page and MISSED.case in page and "| MFT urgency | 0/1 | 1/1 |" in page
    for text in (page, data):
        assert "Quispel" not in text and "uitbehandeld" not in text


def test_a_mail_without_a_verdict_gets_the_short_term_and_counts_as_found() -> None:
    assert missed_by(Words("x", judges=False), [MISSED]) == ()  # type: ignore[arg-type]
    assert missed_by(Words("x"), [MISSED, MISSED]) == (MISSED.case,)  # type: ignore[arg-type]
    assert missed_by(Words("x"), [replace(MISSED, language="tr")]) == ()  # type: ignore[arg-type]
