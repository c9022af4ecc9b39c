from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from classifiers.evaluate import compare, evaluate, evaluate_file, write_lock
from classifiers.labelled import LabelledMail, row_from
from classifiers.registry import HybridClassifier, rules_only
from triage.core.assessment import Assessment, Band, Urgency
from triage.core.mail import MessageKind, ParsedMail, Screening
from triage.services.reading import Reading, Unread


def row(name: str, *, laws: tuple[str, ...] = (), urgency: str = "regular", kind: str = "question") -> LabelledMail:
    return LabelledMail(name, "Vraag", "Wie helpt mij?", laws, Urgency(urgency), kind)


def reading(band: Band, laws: tuple[str, ...] = (), kind: MessageKind = MessageKind.QUESTION) -> Reading:
    return Reading(ParsedMail(), Screening(kind), Assessment(band=band, laws=laws))


def test_the_report_counts_what_the_contract_says() -> None:
    rows = [
        row("1", laws=("zvw",), urgency="palliative"),
        row("2", urgency="transfer", laws=("wlz", "zvw")),
        row("3", urgency="palliative"),
        row("4", laws=("wmo",)),
        row("5"),
    ]
    readings: list[Reading | Unread] = [
        reading(Band.URGENT, ("zvw",)),
        reading(Band.POSSIBLE, ("zvw",)),
        reading(Band.NORMAL),
        reading(Band.POSSIBLE, ("wmo", "zvw")),
        Unread("ValueError"),
    ]
    report = compare(rows, readings).as_json()
    assert json.loads(json.dumps(report)) == report
    assert list(report) == ["n", "urgent_recall", "false_alarms", "laws", "exact", "kind", "missed"]
    assert report["n"] == 5
    assert report["urgent_recall"] == {"k": 2, "n": 3, "lower": pytest.approx(0.0943, abs=1e-4)}
    assert report["false_alarms"] == {"k": 2, "n": 2}
    assert report["laws"]["micro_f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert report["laws"]["per_law"]["zvw"] == {"n": 2, "precision": 0.6667, "recall": 1.0, "f1": 0.8}
    assert report["exact"] == pytest.approx(3 / 5)  # an unreadable mail names no law, which is right here
    assert report["kind"] == pytest.approx(4 / 5)
    assert report["missed"] == ["3"]


@pytest.mark.parametrize(
    ("labelled", "said", "right"),
    [
        ("question", MessageKind.FOLLOW_UP, True),
        ("follow_up", MessageKind.QUESTION, True),
        ("bounce", MessageKind.DELIVERY_REPORT, True),
        ("delivery_report", MessageKind.DELIVERY_REPORT, True),
        ("newsletter_or_spam", MessageKind.LIST_OR_BULK, True),
        ("newsletter_or_spam", MessageKind.UNSOLICITED, True),
        ("list_or_bulk", MessageKind.UNSOLICITED, False),
        ("auto_reply", MessageKind.AUTO_REPLY, True),
        ("auto_reply", MessageKind.QUESTION, False),
        ("bounce", MessageKind.QUESTION, False),
    ],
)
def test_kinds_that_count_as_equal(labelled: str, said: MessageKind, right: bool) -> None:
    assert compare([row("1", kind=labelled)], [reading(Band.NORMAL, kind=said)]).kind == float(right)


def test_no_rows_is_no_crash() -> None:
    report = compare([], []).as_json()
    assert (report["n"], report["urgent_recall"]) == (0, {"k": 0, "n": 0, "lower": 0.0})


@pytest.fixture
def classifier(rules_path: Path) -> HybridClassifier:
    return rules_only(rules_path)


def test_the_whole_path_is_run(classifier: HybridClassifier) -> None:
    report = evaluate([row("1", urgency="palliative"), row("2")], classifier)
    assert (report.recall, report.alarms) == ((1, 1), (1, 1))  # no model: every mail is `possible`


def test_each_scoring_of_the_locked_test_is_written_down(classifier: HybridClassifier, tmp_path: Path) -> None:
    data = {"id": "t-1", "subject": "Vraag", "body": "Hoe?", "laws": [], "urgency": "regular", "kind": "question"}
    locked, other = tmp_path / "t.jsonl", tmp_path / "own.jsonl"
    locked.write_text(json.dumps(data) + "\n", encoding="utf-8")
    other.write_text(json.dumps(data | {"body": "Waar?"}) + "\n", encoding="utf-8")
    lock, log = tmp_path / "LOCK.json", tmp_path / "LOG.md"
    write_lock([locked], lock)
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)

    def score(path: Path) -> None:
        evaluate_file(path, classifier, now=now, lock=lock, log=log, current=tmp_path / "no-model")

    score(other)
    assert not log.exists()
    score(locked)
    score(locked)
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("| 2026-03-04")]
    assert len(lines) == 2
    assert classifier.model_id in lines[0] and "| 1/1 |" in lines[0]


def test_row_from_needs_no_id() -> None:
    data = {"subject": "", "body": "x", "laws": [], "urgency": "regular", "kind": "question", "more": 1}
    assert row_from(data, where="f.jsonl line 7").id == "f.jsonl line 7"
