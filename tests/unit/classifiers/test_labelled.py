from __future__ import annotations

import json
from pathlib import Path

import pytest

from classifiers.labelled import (
    LOCK,
    TRAIN,
    as_message,
    judged,
    load_corpus,
    load_file,
    locked_rows,
    near_duplicates,
    row_from,
    row_hash,
)
from triage.core.assessment import LAWS, Urgency
from triage.core.parse import parse_mail
from triage.errors import ConfigError

ROW = {
    "id": "x-1",
    "subject": "Vraag",
    "body": "Hoe lang duurt het?",
    "laws": ["zvw"],
    "urgency": "regular",
    "kind": "question",
}


def test_a_row_needs_only_texts_and_labels_and_ignores_other_keys() -> None:
    row = row_from(ROW | {"mood": "sad"}, where="f line 1")
    assert (row.laws, row.urgency, row.urgent, row.is_judged) == (("zvw",), Urgency.REGULAR, False, True)


@pytest.mark.parametrize(
    "broken",
    [
        {key: value for key, value in ROW.items() if key != "laws"},
        ROW | {"urgency": "spoed"},
        ROW | {"laws": ["awbz"]},
        ROW | {"laws": 3},
    ],
)
def test_a_bad_row_names_file_and_line(broken: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n\n" + json.dumps(broken) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rows\.jsonl line 3"):
        load_file(path)


@pytest.mark.parametrize("content", ["{", "[1]", '"x"'])
def test_no_json_object_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="no JSON object"):
        load_file(path)


def test_an_empty_folder_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no labelled mails"):
        load_corpus(tmp_path)


def test_a_row_becomes_a_real_message_with_the_same_words() -> None:
    row = row_from(ROW | {"subject": "Één vraag\r\nBcc: x@y.example", "body": "Cliënt ‘thuis’ — 中"}, where="f")
    mail = parse_mail(as_message(row))
    assert mail.subject == "Één vraag Bcc: x@y.example"
    assert mail.text.strip() == "Cliënt ‘thuis’ — 中"
    assert mail.header_values("bcc") == ()
    assert judged(row) == "Één vraag Bcc: x@y.example\n\nCliënt ‘thuis’ — 中"


def test_training_sees_no_quoted_history() -> None:
    body = "Klopt dat?\n\nOp ma 5 jan 2026 om 10:00 schreef Jan <jan@a.example>:\n> ze is terminaal\n"
    row = row_from(ROW | {"body": body}, where="f")
    assert "terminaal" not in judged(row)


def test_every_corpus_row_is_well_formed() -> None:
    rows = load_corpus(TRAIN)
    assert len(rows) >= 600 and len({row.id for row in rows}) == len(rows)
    assert all(row.author and row.scenario and row.explicitness in {"a", "b", "c"} for row in rows)
    assert all(tuple(sorted(row.laws, key=LAWS.index)) == row.laws for row in rows)
    assert all(judged(row).strip() for row in rows)


def test_the_locked_test_has_not_moved() -> None:
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    found = {row.id: row_hash(row) for name in lock["files"] for row in load_file(LOCK.parent / name)}
    assert found == lock["rows"]
    assert sorted(path.name for path in LOCK.parent.glob("*.jsonl")) == lock["files"]


def test_no_mail_stands_on_both_sides() -> None:
    train = load_corpus(TRAIN)
    test = [row for path in sorted(LOCK.parent.glob("*.jsonl")) for row in load_file(path)]
    assert near_duplicates(train, test) == []
    assert {row.author for row in train}.isdisjoint({row.author for row in test})


def test_no_mail_is_written_twice_by_two_authors() -> None:
    rows = load_corpus(TRAIN)
    assert near_duplicates(rows, rows) == []


def test_a_near_duplicate_is_found_and_a_stranger_is_not() -> None:
    one = row_from(
        ROW | {"id": "1", "body": "Mijn vader wacht al drie weken op een plek in het verpleeghuis."}, where="f"
    )
    two = row_from(
        ROW | {"id": "2", "body": "Mijn vader wacht al vier weken op een plek in het verpleeghuis!"}, where="f"
    )
    three = row_from(ROW | {"id": "3", "subject": "Pgb", "body": "Wie betaalt de huur?"}, where="f")
    assert [(a, b) for a, b, _ in near_duplicates([one], [two, three])] == [("1", "2")]


def test_locked_rows_are_known_by_content(tmp_path: Path) -> None:
    row = row_from(ROW, where="f")
    lock = tmp_path / "LOCK.json"
    assert not locked_rows([row], lock)
    lock.write_text(json.dumps({"files": [], "rows": {"other-id": row_hash(row)}}), encoding="utf-8")
    assert locked_rows([row], lock)
    assert not locked_rows([row_from(ROW | {"body": "Iets anders"}, where="f")], lock)
