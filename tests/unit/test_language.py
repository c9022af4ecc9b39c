"""The language of a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triage.core.language import detect_language

CORPUS = Path(__file__).parent.parent.parent / "classifiers" / "corpus" / "train"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Goedemorgen, mijn moeder krijgt minder hulp van de gemeente. Mag dat zomaar?", "nl"),
        ("Us mem leit thús yn Bitgum op bêd, sy wurdt net mear better. Kin dat fia de gemeente?", "fy"),
        ("Who pays for adapting our bathroom? My wife can no longer climb the stairs.", "en"),
        ("Guten Tag, wer bezahlt die Pflege für meine Mutter in den Niederlanden?", "de"),
        ("Annemin evde bakımı azaltıldı, buna itiraz edebilir miyiz?", "tr"),
        ("Dzień dobry, kto płaci za opiekę domową dla mojej mamy?", "pl"),
        ("Хто оплачує домашній догляд для моєї мами після лікарні?", "uk"),
        ("من يدفع تكاليف الرعاية المنزلية لوالدتي المريضة؟", "ar"),
        ("", "und"),
        ("ok, tot ma", "und"),
        ("1234567890 1234567890 1234567890 !!!", "und"),
    ],
)
def test_language(text: str, code: str) -> None:
    assert detect_language(text) == code


def test_quoted_lines_and_links_do_not_count() -> None:
    assert detect_language("> This is an English quote of some length\nhttps://x.example/english/words\nDank") == "und"


def test_accuracy_on_the_training_corpus() -> None:
    rows = [json.loads(line) for path in sorted(CORPUS.glob("*.jsonl")) for line in path.open(encoding="utf-8")]
    judged = [(row["language"], detect_language(row["body"])) for row in rows]
    decided = [(wanted, found) for wanted, found in judged if found != "und"]
    assert len(decided) >= 0.98 * len(judged)
    assert sum(wanted == found for wanted, found in decided) >= 0.99 * len(decided)
