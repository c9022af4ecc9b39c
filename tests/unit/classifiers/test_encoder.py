"""The sentence encoder: which pieces it reads, and that it is used only when it is the one that was measured."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from classifiers import encoder
from classifiers.encoder import HEAD_CHARS, MAX_SENTENCE, TAIL_CHARS, encoded_pieces, load_encoder


def test_sentences_with_a_letter_are_read_in_order() -> None:
    text = "Vraag over opa\n\nHij ligt in bed. 12345.\nWie komt er morgen?"
    assert encoded_pieces(text) == ["Vraag over opa", "Hij ligt in bed.", "Wie komt er morgen?"]
    assert encoded_pieces("12 34") == []
    assert encoded_pieces("a\ud800b")  # half a character, as broken mail has it


def test_of_a_long_text_begin_and_end_are_read() -> None:
    text = "Begin. " + "Midden van het verhaal. " * 1000 + "De vraag aan het eind."
    pieces = encoded_pieces(text)
    assert pieces[0] == "Begin." and pieces[-1] == "De vraag aan het eind."
    assert sum(len(piece) for piece in pieces) <= HEAD_CHARS + TAIL_CHARS
    assert max(len(piece) for piece in encoded_pieces("woord " * 5000)) <= MAX_SENTENCE


def test_vectors_are_of_unit_length_the_same_each_time_and_near_for_near_texts() -> None:
    judge = load_encoder()
    assert judge is not None
    texts = [
        "Mijn huisarts komt vandaag.",
        "De dokter komt vanmiddag langs.",
        "De factuur van de traplift klopt niet.",
        "",
    ]
    vectors = judge.vectors(texts)
    assert vectors.shape == (4, 1024)
    assert np.linalg.norm(vectors[:3, :512], axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert not vectors[3].any()
    near, far = vectors[0, :512] @ vectors[1, :512], vectors[0, :512] @ vectors[2, :512]
    assert near > far + 0.2
    assert (judge.vectors(list(reversed(texts)))[::-1] == vectors).all()  # one by one, whatever stands beside it


class Package:
    def __init__(self, folder: Path, version: str) -> None:
        self.folder, self.version = folder, version

    def locate_file(self, name: str) -> Path:
        return self.folder / name


@pytest.mark.parametrize(
    ("version", "content", "problem"),
    [("0.2.1", b"weights", None), ("0.3.0", b"weights", "0.3.0 is installed"), ("0.2.1", b"other", "is not the file")],
)
def test_only_the_measured_version_and_files_are_used(
    version: str, content: bytes, problem: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.npz").write_bytes(content)
    monkeypatch.setattr(encoder, "WEIGHTS", {"weights.npz": hashlib.sha256(b"weights").hexdigest()})
    monkeypatch.setattr(encoder, "distribution", lambda name: Package(tmp_path, version))
    said = encoder.encoder_problem()
    assert said is None if problem is None else problem in str(said)


def test_without_the_package_there_is_no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Package:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(encoder, "distribution", missing)
    assert "not installed" in str(encoder.encoder_problem())
    load_encoder.cache_clear()
    try:
        assert load_encoder() is None
    finally:
        load_encoder.cache_clear()
