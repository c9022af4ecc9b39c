from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn

from classifiers import pipeline, registry
from classifiers.encoder import Vectors
from classifiers.features import normalise
from classifiers.labelled import LabelledMail, judged
from classifiers.manifest import MANIFEST_FILE, MODEL_FILE, Borders, Manifest
from classifiers.registry import HybridClassifier, load_classifier, rules_only
from tests.unit.classifiers.conftest import RULES
from triage.core.assessment import HEADS, LAWS
from triage.errors import ModelUnavailable

PLAIN = Borders(
    calibration={head: (-0.5, 2.0) for head in HEADS},
    law_thresholds=dict.fromkeys(LAWS, 0.4),
    law_gate=0.3,
    urgency_thresholds={"palliative": (0.2, 0.6), "transfer": (0.2, 0.6), "danger": (0.5, 0.5)},
    rule_borders={"urgency": 0.1, "danger": 0.1},
)
FUSED = replace(
    PLAIN,
    calibration={head: (-0.5, 1.0, 3.0) for head in HEADS},
    law_thresholds=dict.fromkeys(LAWS, 0.45),
    rule_borders={"urgency": 0.99, "danger": 0.99},
)


class Vowels:
    """An encoder of two numbers a text."""

    name = "vowels-1"

    def vectors(self, texts: Sequence[str]) -> Vectors:
        rows = [[text.count("e") / (len(text) + 1), text.count("a") / (len(text) + 1)] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), 2)


@pytest.fixture(scope="module")
def folder(small_model: pipeline.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    content = pipeline.dump(small_model)
    (path / MODEL_FILE).write_bytes(content)
    (path / MANIFEST_FILE).write_text(manifest_of(content).as_json(), encoding="utf-8")
    return path


def manifest_of(content: bytes, *, fused: bool = False) -> Manifest:
    return Manifest(
        model_id="jl-test",
        created="2026-01-05",
        versions={"scikit-learn": sklearn.__version__},
        corpus={"rows": 1},
        settings={},
        plain=PLAIN,
        fused=FUSED if fused else None,
        encoder=Vowels.name if fused else None,
        person_border=0.5,
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


@pytest.fixture(scope="module")
def fused_folder(few_rows: list[LabelledMail], few_docs: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    vectors = Vowels().vectors([judged(row) for row in few_rows])
    content = pipeline.dump(pipeline.fit(few_docs, few_rows, pipeline.Settings(), seed=1, vectors=vectors))
    path = tmp_path_factory.mktemp("fused")
    (path / MODEL_FILE).write_bytes(content)
    (path / MANIFEST_FILE).write_text(manifest_of(content, fused=True).as_json(), encoding="utf-8")
    return path


def fused_classifier(
    folder: Path, rules_path: Path, encoder: Vowels | None, *, urgency_border: float | None = None
) -> HybridClassifier:
    manifest = Manifest.read(folder / MANIFEST_FILE)
    if urgency_border is not None and manifest.fused is not None:
        borders = replace(manifest.fused, rule_borders={"urgency": urgency_border, "danger": 0.0})
        manifest = replace(manifest, fused=borders)
    model = registry.LoadedModel(pipeline.load((folder / MODEL_FILE).read_bytes()), manifest)
    return HybridClassifier(model, registry.load_rules(rules_path), encoder=encoder)


def test_both_scores_of_a_head_meet_in_one_sigmoid(
    fused_folder: Path, rules_path: Path, few_rows: list[LabelledMail]
) -> None:
    texts = [judged(row) for row in few_rows[:20]]
    model = pipeline.load((fused_folder / MODEL_FILE).read_bytes())
    matrix, vectors = model.features.transform([normalise(text) for text in texts]), Vowels().vectors(texts)
    verdicts = fused_classifier(fused_folder, rules_path, Vowels()).verdicts(texts)
    for head in HEADS:
        scores = model.heads[head].decision_function(matrix) + 3.0 * model.encoder_heads[head].decision_function(
            vectors
        )
        expected = 1 / (1 + np.exp(-(scores - 0.5)))
        assert [verdict.probabilities[head] for verdict in verdicts] == pytest.approx(expected.tolist(), abs=1e-4)
    assert verdicts[0].law_thresholds == FUSED.law_thresholds


def test_without_its_encoder_a_model_judges_by_n_grams_with_their_own_borders(
    fused_folder: Path, rules_path: Path
) -> None:
    text = "vraag\n\nMijn moeder ligt thuis op bed en de zuster komt."
    with_it = fused_classifier(fused_folder, rules_path, Vowels())
    other = Vowels()
    other.name = "vowels-2"
    for without in (None, other):
        alone = fused_classifier(fused_folder, rules_path, without)
        (verdict,) = alone.verdicts([text])
        assert verdict.law_thresholds == PLAIN.law_thresholds
        assert verdict.probabilities != with_it.verdicts([text])[0].probabilities
        assert with_it.model_id == alone.model_id + "+encoder"
    assert load_classifier(fused_folder, rules_path=rules_path, use_encoder=False).has_encoder is False


def test_an_encoder_that_fails_leaves_the_n_grams_to_judge(fused_folder: Path, rules_path: Path) -> None:
    class Broken(Vowels):
        def vectors(self, texts: Sequence[str]) -> Vectors:
            raise MemoryError

    text = "vraag\n\nMijn moeder ligt thuis op bed en de zuster komt."
    broken = fused_classifier(fused_folder, rules_path, Broken())
    (verdict,) = broken.verdicts([text])
    assert verdict == fused_classifier(fused_folder, rules_path, None).verdicts([text])[0]
    assert verdict.model != broken.model_id  # re-screening will look at it again


def test_where_the_model_rules_a_cue_out_a_support_rule_is_silent_and_another_gives_support(
    fused_folder: Path, rules_path: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES.replace('head = "palliative"', 'head = "palliative"\nsupport = true'), encoding="utf-8")
    text = "vraag\n\nHet zijn haar laatste dagen."
    supported = fused_classifier(fused_folder, rules, None).verdicts([text])[0]
    assert [item.rule_id for item in supported.evidence if item.source == "rule"] == ["P1"]
    assert all(item.support for item in supported.evidence if item.source == "rule")
    ruled_out = fused_classifier(fused_folder, rules, Vowels()).verdicts([text])[0]  # its border is 0.99
    assert [item for item in ruled_out.evidence if item.source == "rule"] == []
    (firm,) = fused_classifier(fused_folder, rules_path, Vowels()).verdicts([text])
    assert [(item.rule_id, item.support) for item in firm.evidence if item.source == "rule"] == [("P1", True)]
    sure = fused_classifier(fused_folder, rules_path, Vowels(), urgency_border=5.0)  # a quarter of it is over 1
    assert [item for item in sure.verdicts([text])[0].evidence if item.source == "rule"] == []
    without_model = rules_only(rules).verdicts([text])[0]
    assert [item.rule_id for item in without_model.evidence] == ["P1"]


def test_neighbours_are_the_mails_with_the_same_words(
    classifier: HybridClassifier, few_rows: list[LabelledMail]
) -> None:
    people = [row for row in few_rows if row.is_judged and len(row.body) > 200][:10]
    for row, verdict in zip(people, classifier.verdicts([judged(row) for row in people]), strict=True):
        first, *others = verdict.neighbours
        assert (first.id, first.laws, first.urgency) == (row.id, row.laws, str(row.urgency))
        assert first.similarity > 0.4  # of its own strongest words; the rest of the mail has weight too
        assert all(0.0 < item.similarity <= first.similarity for item in others)
    assert classifier.verdicts(["qqq zzz"])[0].neighbours == ()


def test_the_share_of_unknown_words(classifier: HybridClassifier) -> None:
    shares = [
        verdict.unknown_words for verdict in classifier.verdicts(["mijn moeder qwxz vbnk", "mijn moeder", "", "qwxz"])
    ]
    assert shares == [0.5, 0.0, None, 1.0]
