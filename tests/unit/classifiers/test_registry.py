from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn

from classifiers import pipeline, registry
from classifiers.features import normalise
from classifiers.labelled import LabelledMail, judged
from classifiers.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from classifiers.registry import HybridClassifier, load_classifier, rules_only
from triage.core.assessment import HEADS, LAWS
from triage.errors import ModelUnavailable


@pytest.fixture(scope="module")
def folder(small_model: pipeline.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    content = pipeline.dump(small_model)
    (path / MODEL_FILE).write_bytes(content)
    (path / MANIFEST_FILE).write_text(manifest_of(content).as_json(), encoding="utf-8")
    return path


def manifest_of(content: bytes) -> Manifest:
    return Manifest(
        model_id="jl-test",
        created="2026-01-05",
        versions={"scikit-learn": sklearn.__version__},
        corpus={"rows": 1},
        settings={},
        calibration={head: (2.0, -0.5) for head in HEADS},
        law_thresholds=dict.fromkeys(LAWS, 0.4),
        urgency_thresholds={"palliative": (0.2, 0.6), "transfer": (0.2, 0.6), "danger": (0.5, 0.5)},
        topic_floor=0.0,
        languages=("nl",),
        seed=1,
        model_sha256=hashlib.sha256(content).hexdigest(),
        model_bytes=len(content),
        scores={},
    )


@pytest.fixture(scope="module")
def classifier(folder: Path, rules_path: Path) -> HybridClassifier:
    return load_classifier(folder, rules_path=rules_path)


def test_probabilities_are_platt_of_the_pipeline_scores(
    classifier: HybridClassifier, small_model: pipeline.Model, few_rows: list[LabelledMail]
) -> None:
    texts = [judged(row) for row in few_rows[:30]]
    matrix = small_model.features.transform([normalise(text) for text in texts])
    verdicts = classifier.verdicts(texts)
    for head in HEADS:
        scores = small_model.heads[head].decision_function(matrix)
        expected = 1 / (1 + np.exp(-(2.0 * scores - 0.5)))
        assert [v.probabilities[head] for v in verdicts] == pytest.approx(expected.tolist(), abs=1e-5)
    assert [str(v.sender_type) for v in verdicts] == small_model.sender.predict(matrix).tolist()
    codes = list(small_model.topics)
    topics = np.column_stack([small_model.topics[code].decision_function(matrix) for code in codes])
    assert [v.topics[0] for v in verdicts] == [codes[i] for i in topics.argmax(axis=1)]
    assert all(1 <= len(v.topics) <= 3 for v in verdicts)


def test_one_by_one_is_the_same_as_together(classifier: HybridClassifier, few_rows: list[LabelledMail]) -> None:
    texts = [judged(row) for row in few_rows[:10]]
    assert [classifier.verdicts([text])[0] for text in texts] == list(classifier.verdicts(texts))


def test_evidence_is_given_for_fired_heads_only(classifier: HybridClassifier, few_rows: list[LabelledMail]) -> None:
    for verdict in classifier.verdicts([judged(row) for row in few_rows[:30]]):
        fired = {law for law in LAWS if verdict.probabilities[law] >= verdict.law_thresholds[law]}
        fired |= {h for h, (low, _) in verdict.urgency_thresholds.items() if verdict.probabilities[h] >= low}
        heads = {item.head for item in verdict.evidence if item.source != "rule"}
        assert heads <= fired
        assert {item.head for item in verdict.evidence if item.source == "sentence"} <= {"palliative", "transfer"}


@pytest.mark.parametrize("text", ["", "   ", "?", "\u0000\ud800", "x" * 100_000, "😀 " * 500])
def test_any_text_gets_a_verdict(classifier: HybridClassifier, text: str) -> None:
    (verdict,) = classifier.verdicts([text])
    assert set(verdict.probabilities) == set(HEADS)
    assert all(0.0 <= value <= 1.0 for value in verdict.probabilities.values())


def test_rules_stand_beside_the_model(classifier: HybridClassifier) -> None:
    firm, softened = classifier.verdicts(
        ["thuis\n\nHet zijn haar laatste dagen.", "rekening\n\nZij is overleden na haar laatste dagen."]
    )
    (hit,) = [item for item in firm.evidence if item.source == "rule"]
    assert (hit.rule_id, hit.head, hit.softened_by, hit.weight) == ("P1", "palliative", (), 1.0)
    assert [item.softened_by for item in softened.evidence if item.source == "rule"] == [("S1",)]


def test_the_id_changes_with_the_rules(folder: Path, rules_path: Path, tmp_path: Path) -> None:
    other = tmp_path / "rules.toml"
    other.write_text(rules_path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    one, two = load_classifier(folder, rules_path=rules_path), load_classifier(folder, rules_path=other)
    assert one.model_id.startswith("jl-test+rules-")
    assert one.model_id != two.model_id
    assert one.languages == frozenset({"nl"})


def test_without_a_model_there_are_no_borders(tmp_path: Path, rules_path: Path) -> None:
    said: list[str] = []
    classifier = load_classifier(tmp_path / "nowhere", rules_path=rules_path, progress=said.append)
    (verdict,) = classifier.verdicts(["x\n\nhaar laatste dagen"])
    assert (verdict.probabilities, verdict.law_thresholds, verdict.urgency_thresholds) == ({}, {}, {})
    assert [item.rule_id for item in verdict.evidence] == ["P1"]
    assert classifier.languages == frozenset()
    assert "possible" in said[0]
    assert rules_only(rules_path).model_id == classifier.model_id


def test_a_changed_file_is_refused_before_it_is_opened(
    folder: Path, rules_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (MODEL_FILE, MANIFEST_FILE):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    content = bytearray((tmp_path / MODEL_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / MODEL_FILE).write_bytes(content)
    monkeypatch.setattr(pipeline, "load", lambda _: pytest.fail("opened"))
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        load_classifier(tmp_path, rules_path=rules_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 99}'])
def test_a_damaged_manifest_is_one_clear_line(content: str, tmp_path: Path, rules_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_bytes(b"x")
    (tmp_path / MANIFEST_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="run train") as caught:
        load_classifier(tmp_path, rules_path=rules_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path, rules_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_bytes(b"no zip")
    (tmp_path / MANIFEST_FILE).write_text(manifest_of(b"no zip").as_json(), encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_classifier(tmp_path, rules_path=rules_path)


def test_a_model_of_another_minor_version_is_rebuilt_once(
    folder: Path, rules_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (folder / MODEL_FILE).read_bytes()
    old = replace(manifest_of(content), versions={"scikit-learn": "1.8.3"})
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / MODEL_FILE).write_bytes(content)
    (tmp_path / "old" / MANIFEST_FILE).write_text(old.as_json(), encoding="utf-8")
    trained: list[Path] = []

    def fake_train(corpus: Path, out: Path, **_: object) -> None:
        trained.append(out)
        out.mkdir(parents=True)
        (out / MODEL_FILE).write_bytes(content)
        (out / MANIFEST_FILE).write_text(manifest_of(content).as_json(), encoding="utf-8")

    monkeypatch.setattr("classifiers.train.train", fake_train)
    monkeypatch.setattr(registry, "CACHE", tmp_path / "cache")
    said: list[str] = []
    for _ in range(2):
        assert load_classifier(tmp_path / "old", rules_path=rules_path, progress=said.append).model_id.startswith(
            "jl-test"
        )
    assert len(trained) == 1
    assert "1.8.3" in said[0] and len(said) == 1
    assert [path.name.startswith("jl-test-sklearn-") for path in (tmp_path / "cache").iterdir()] == [True]


def test_a_model_file_holds_nothing_of_the_run_that_made_it(small_model: pipeline.Model) -> None:
    content = pipeline.dump(small_model)
    assert pipeline.dump(small_model) == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert re.findall(r"\d{9,}", archive.read("schema.json").decode()) == []  # memory addresses


class Doubler:
    name = "doubler"
    law_thresholds: Mapping[str, float] = dict.fromkeys(LAWS, 0.99)
    urgency_thresholds: Mapping[str, tuple[float, float]] = {"palliative": (0.0, 0.0)}

    def fuse(self, texts: Sequence[str], probabilities: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
        return [{head: 0.5 for head in item} for item in probabilities]


def test_a_second_judge_brings_its_own_borders(classifier: HybridClassifier, rules_path: Path) -> None:
    fused = HybridClassifier(classifier._model, registry.load_rules(rules_path), fusion=Doubler())
    (verdict,) = fused.verdicts(["vraag\n\nMijn moeder ligt thuis op bed en de zuster komt."])
    assert set(verdict.probabilities.values()) == {0.5}
    assert verdict.law_thresholds == Doubler.law_thresholds
    assert {item.head for item in verdict.evidence} == {"palliative"}
    assert fused.model_id.endswith("+doubler")
