"""The figures that say how well the product judges: each counted by hand here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from classifiers.judgement import figures, kappa, rules_alone
from classifiers.labelled import LabelledMail
from classifiers.rules import RuleNet
from triage.core.assessment import Assessment, Band, Urgency
from triage.core.mail import MessageKind, ParsedMail, Screening
from triage.services.reading import Reading, Unread


def row(
    name: str, laws: tuple[str, ...] = ("zvw",), urgency: Urgency = Urgency.REGULAR, **more: object
) -> LabelledMail:
    return LabelledMail(name, "s", "b", laws, urgency, "question", **more)  # type: ignore[arg-type]


def said(band: Band, urgency: Urgency, laws: tuple[str, ...] = ("zvw",), *, danger: bool = False) -> Reading:
    assessment = Assessment(laws=laws, band=band, urgency=urgency, danger=danger)
    return Reading(ParsedMail(), Screening(MessageKind.QUESTION), assessment)


P, T, R = Urgency.PALLIATIVE, Urgency.TRANSFER, Urgency.REGULAR
ROWS = [
    row("found", urgency=P, explicitness="c"),
    row("mixed-up", urgency=P, explicitness="a"),
    row("missed", urgency=T, explicitness="c"),
    row("calm"),
    row("alarm", laws=()),
    row("look-alike", laws=("wmo", "wlz"), hard=True, danger=True),
    replace(row("machine"), kind="auto_reply"),
]
READINGS = [
    said(Band.URGENT, P),
    said(Band.POSSIBLE, T),
    said(Band.NORMAL, R),
    said(Band.NORMAL, R, ("zvw", "wmo")),
    said(Band.POSSIBLE, T, ()),
    said(Band.URGENT, P, ("wmo", "wlz"), danger=False),
    said(Band.URGENT, P, danger=True),
]


def test_every_figure_counts_persons_mail_as_staff_get_it() -> None:
    found = figures(ROWS, READINGS)

    def count(name: str) -> tuple[int, int]:
        return found[name]["k"], found[name]["n"]

    assert count("recall") == (2, 3) and found["missed_urgent"] == ["missed"]
    assert (found["recall_by_level"]["c"]["k"], found["recall_by_level"]["c"]["n"]) == (1, 2)
    assert (found["recall_by_head"]["palliative"]["k"], found["recall_by_head"]["palliative"]["n"]) == (2, 2)
    assert count("alarms") == (2, 3) and count("alarms_ordinary") == (1, 2) and count("alarms_hard") == (1, 1)
    assert count("urgent_band_recall") == (1, 3) and count("urgent_band_alarms") == (1, 3)
    assert count("told_apart") == (1, 2)
    assert count("danger_recall") == (0, 1) and found["missed_danger"] == ["look-alike"]
    assert count("danger_alarms") == (0, 5)
    assert count("exact") == (5, 6) and count("false_law_on_none") == (0, 1)
    assert found["law_f1"] == {"jeugdwet": 0.0, "wmo": round(2 / 3, 4), "wlz": 1.0, "zvw": 1.0}


def test_a_mail_that_could_not_be_read_gets_the_short_term() -> None:
    found = figures(ROWS[:3], [READINGS[0], READINGS[1], Unread("ValueError")])
    assert found["recall"]["k"] == 3


def test_rules_alone_hear_only_rules(rules_path: Path) -> None:
    def of(text: str) -> Reading:
        reading = said(Band.NORMAL, R, danger=True)
        return replace(reading, assessment=replace(reading.assessment, judged_text=text))

    heard = rules_alone(
        [of("Het zijn haar laatste dagen."), of("De laatste dagen, zij is overleden."), of("Wie betaalt dit?")],
        RuleNet.load(rules_path),
    )
    assert [item.assessment.band for item in heard if isinstance(item, Reading)] == [
        Band.URGENT,
        Band.POSSIBLE,
        Band.NORMAL,
    ]
    assert not any(item.assessment.danger for item in heard if isinstance(item, Reading))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([True, True, False, False], [True, True, False, False], 1.0),
        ([True, True, False, False], [True, False, True, False], 0.0),
        ([True] * 4, [True] * 4, None),
    ],
)
def test_kappa(first: list[bool], second: list[bool], expected: float | None) -> None:
    assert kappa(first, second) == expected
