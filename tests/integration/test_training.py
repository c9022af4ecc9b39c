"""Training as a whole, on a part of the corpus, and the model that is in the repository."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import time
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sklearn

from classifiers.feedback import examples_from
from classifiers.labelled import TRAIN, judged, load_corpus
from classifiers.manifest import CARD_FILE, MANIFEST_FILE, MODEL_FILE, Manifest
from classifiers.registry import CURRENT, RULES, load_classifier, rebuilt
from classifiers.train import train
from triage.core.assessment import HEADS, LAWS
from triage.errors import ConfigError, ModelUnavailable
from triage.ports import FeedbackRow

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty mails of each of three authors."""
    folder = tmp_path_factory.mktemp("corpus")
    for name in ("a1", "a2", "a3"):
        lines = (TRAIN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[::3]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_same_corpus_and_seed_give_the_same_bytes(small_corpus: Path, tmp_path: Path) -> None:
    said: list[str] = []
    one = train(small_corpus, tmp_path / "one", seed=7, progress=said.append)
    two = train(small_corpus, tmp_path / "two", seed=7)
    assert json.dumps(one.scores, sort_keys=True) == json.dumps(two.scores, sort_keys=True)
    assert (tmp_path / "one" / MODEL_FILE).read_bytes() == (tmp_path / "two" / MODEL_FILE).read_bytes()
    assert one.model_id == two.model_id
    assert len(said) >= 5

    assert one.corpus["rows"] == 120 and set(one.corpus["authors"]) == {"a1", "a2", "a3"}
    assert one.encoder is not None and one.fused is not None
    for borders, numbers in ((one.plain, 2), (one.fused, 3)):
        assert {len(values) for values in borders.calibration.values()} == {numbers}
        assert set(borders.calibration) == set(HEADS) and set(borders.law_thresholds) == set(LAWS)
        low, high = borders.urgency_thresholds["palliative"]
        assert 0.0 < low <= high <= 1.0
        assert borders.urgency_thresholds["transfer"] == (low, high)
    for variant in ("plain", "fused"):
        assert one.scores[variant]["urgency"]["both"]["short_term_alarms"]["n"] > 0
    written = Manifest.read(tmp_path / "one" / MANIFEST_FILE)
    assert written.model_id == one.model_id
    assert written.model_sha256 == hashlib.sha256((tmp_path / "one" / MODEL_FILE).read_bytes()).hexdigest()
    assert (tmp_path / "one" / CARD_FILE).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]  # no work folder left

    classifier = load_classifier(tmp_path / "one", rules_path=RULES)
    assert classifier.languages == frozenset({"nl"})
    texts = [judged(row) for row in load_corpus(small_corpus)[:5]]
    assert all(set(verdict.probabilities) == set(HEADS) for verdict in classifier.verdicts(texts))


@pytest.mark.slow
def test_training_again_replaces_the_model_as_a_whole(small_corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    out.mkdir()
    (out / "leftover").write_text("old", encoding="utf-8")
    without = train(small_corpus, out, seed=1, figures=False, encoder=False)
    assert without.encoder is None and without.fused is None
    assert not (out / "leftover").exists()
    assert Manifest.read(out / MANIFEST_FILE).seed == 1
    assert "## Learning curve" not in (out / CARD_FILE).read_text(encoding="utf-8")


def test_one_author_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "a1.jsonl").write_text(
        "\n".join((TRAIN / "a1.jsonl").read_text(encoding="utf-8").splitlines()[:5]), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="two authors"):
        train(tmp_path, tmp_path / "out", seed=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_another_minor_version_is_rebuilt_from_the_corpus(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifiers.labelled.TRAIN", small_corpus)
    manifest = train(small_corpus, tmp_path / "model", seed=3, figures=False)
    old = replace(manifest, versions={**manifest.versions, "scikit-learn": "1.8.0"})
    target = rebuilt(old, cache=tmp_path / "cache", progress=lambda _: None)
    again = Manifest.read(target / MANIFEST_FILE)
    assert again.versions["scikit-learn"] == sklearn.__version__
    assert again.model_sha256 == manifest.model_sha256  # same corpus, same seed, same machine
    assert rebuilt(old, cache=tmp_path / "cache", progress=lambda _: pytest.fail("built twice")) == target


# ---------------------------------------------------------------- the model in the repository


@pytest.fixture(scope="module")
def shipped() -> Manifest:
    return Manifest.read(CURRENT / MANIFEST_FILE)


def test_the_shipped_model_is_small_and_of_this_corpus(shipped: Manifest) -> None:
    size = sum((CURRENT / name).stat().st_size for name in (MODEL_FILE, MANIFEST_FILE))
    assert size <= 5 * MIB
    from classifiers.labelled import corpus_hash

    assert shipped.corpus["sha256"] == corpus_hash(load_corpus(TRAIN)), "the corpus changed: run train"


def test_the_shipped_model_loads_fast_and_judges_fast() -> None:
    """CPU time, with room for a slow machine: the bars themselves are measured by `make judgement`."""
    for use_encoder, load_seconds, mail_seconds in ((False, 2.0, 0.006), (True, 4.0, 0.03)):
        start = time.process_time()
        classifier = load_classifier(CURRENT, rules_path=RULES, use_encoder=use_encoder)
        assert time.process_time() - start < load_seconds
        assert classifier.has_encoder is use_encoder
        texts = [judged(row) for row in load_corpus(TRAIN)[:200]]
        classifier.verdicts(texts)
        start = time.process_time()
        for i in range(0, 200, 50):
            classifier.verdicts(texts[i : i + 50])
        assert (time.process_time() - start) / 200 < mail_seconds


def test_the_shipped_cuts_hold_their_promises_on_unseen_authors(shipped: Manifest) -> None:
    """With the encoder and without it."""
    for variant in ("plain", "fused"):
        figures = shipped.scores[variant]
        urgency, laws = figures["urgency"]["both"], figures["laws"]
        assert urgency["short_term_recall"]["share"] >= 0.98
        assert urgency["short_term_alarms_by_kind"]["ordinary"]["share"] <= 0.11
        assert urgency["short_term_alarms_by_kind"]["look-alike"]["share"] <= 0.25
        assert urgency["urgent_band_alarms"]["share"] <= 0.04
        assert urgency["told_apart"]["share"] >= 0.95
        assert urgency["danger"]["alarms"]["share"] <= 0.05
        assert laws["micro_f1"] >= 0.86 and laws["exact"]["share"] >= 0.75
        assert laws["false_law_on_none"]["share"] <= 0.13


# ---------------------------------------------------------------- from feedback


@pytest.mark.slow
def test_a_model_from_feedback_holds_no_word_of_a_single_person(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mail has a name of its own; one word stands in all of them. The work folder is looked at as well."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("TMPDIR", str(work))
    monkeypatch.setattr(tempfile, "tempdir", None)
    names = [f"Qux{letter}elaarsma" for letter in "bcdfghjklmnprstvwxz"] + ["Zyxwoude", "Wixhuizen"]
    rows = [
        FeedbackRow(
            message_id=f"m{number}",
            reference=f"JL-2026-{number:05d}",
            judged_text=f"{name}\n\nMijn man {name} ligt op de zwaluwkamer. Wie betaalt de wijkverpleging? {name}",
            language="nl",
            labels={"laws": ("zvw",), "urgency": ("palliative", "urgent")} if number % 2 else {"laws": ("zvw",)},
            at=datetime(2026, 11, 24, 9, tzinfo=UTC),
            missed_urgent=False,
            spam_or_machine=False,
        )
        for number, name in enumerate(names)
    ]
    out = tmp_path / "model"
    manifest = train(small_corpus, out, seed=7, figures=False, examples=examples_from(rows))
    assert manifest.corpus["feedback"] == {
        "rows": 21, "cases": 21, "fields": {"laws": 21, "urgency": 10}, "urgent": 10, "spam_or_machine": 0,
    }  # fmt: skip
    assert manifest.corpus["rows"] == 120 and set(manifest.corpus["authors"]) == {"a1", "a2", "a3"}
    assert set(manifest.scores["plain"]["authors"]) == {"a1", "a2", "a3"}

    written = b"".join(path.read_bytes() for path in out.iterdir())
    with zipfile.ZipFile(out / MODEL_FILE) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            written += content
            if name.endswith(".npy"):
                array = np.load(io.BytesIO(content), allow_pickle=False)
                written += "\n".join(array.ravel().tolist()).encode() if array.dtype.kind == "U" else b""
    assert b"zwaluwkamer" in written  # in mails of many cases: the search can find what is there
    assert b"a1-001" in written
    for name in names:
        assert name.lower().encode() not in written.lower(), name
    assert b"JL-2026" not in written
    assert b"quxbel" not in written.lower() and b"zyx" not in written.lower()  # nor pieces of them
    assert not list(work.iterdir())

    card = (out / CARD_FILE).read_text(encoding="utf-8")
    assert "21 real mails of 21 cases" in card
    classifier = load_classifier(out, rules_path=RULES)
    (verdict,) = classifier.verdicts([rows[0].judged_text])
    assert verdict.neighbours and all(item.id.startswith("a") for item in verdict.neighbours)
    old = replace(manifest, versions={**manifest.versions, "scikit-learn": "1.8.0"})
    (out / MANIFEST_FILE).write_text(old.as_json(), encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="--with-feedback"):  # never replaced by one of the corpus alone
        load_classifier(out, rules_path=RULES)
