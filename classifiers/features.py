"""From text to numbers: tokens with their place in the text, and the TF-IDF values scikit-learn would give.

Training uses scikit-learn's vectorizers (`pipeline.py`). Serving counts the same features with a memory of the
n-grams of known words: a fifth of the time, and it keeps which word a feature came from, which evidence needs.
A test holds the two equal.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CHAR_NGRAMS = (2, 5)
HEAD_CHARS, TAIL_CHARS = 30_000, 10_000  # of a longer text only its begin and end are judged: bounded time
_MONTHS = (
    "januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|december"
    "|jan|feb|mrt|apr|jun|jul|aug|sept?|okt|nov|dec"
)
# Group names are the tokens that stand for what they match; a bare word is the last group. Numbers, dates and
# addresses identify people and say nothing that carries over to the next mail.
_ADDRESS = r"(?P<xadres>[^\s@<>()]{1,64}@[^\s@<>()]{1,255})|"
_REST = rf"""(?P<xweb>(?:https?://|www\.)\S+)
    |(?P<xdatum>\b\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:\d{{4}}|\d{{2}})\b|\b\d{{1,2}}[ ](?:{_MONTHS})\b(?:[ ]\d{{4}}\b)?)
    |(?P<xpostcode>\b\d{{4}}[ ]?[A-Z]{{2}}\b)
    |(?P<xtelefoon>(?:\+31|\b0)[\d ()-]{{8,12}}\d\b)
    |(?P<xgetal>\b\d+(?:[.,:]\d+)*\b)
    |(?P<word>[\w\u0300-\u036f]+)"""
_TOKEN = re.compile(_REST, re.IGNORECASE | re.VERBOSE)
_TOKEN_OR_ADDRESS = re.compile(_ADDRESS + _REST, re.IGNORECASE | re.VERBOSE)  # twice as slow: only where an @ stands


class Token(NamedTuple):
    """A normalised word or mask with its half-open character range in the text it came from."""

    form: str
    start: int
    end: int


def tokenise(text: str) -> list[Token]:
    """Words in NFC and lower case; numbers, addresses, telephones, postcodes, dates as mask tokens (`xgetal`)."""
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        cut = len(text) - TAIL_CHARS
        return [*_tokens(text, 0, HEAD_CHARS), *_tokens(text, cut, len(text))]
    return _tokens(text, 0, len(text))


def _tokens(text: str, start: int, end: int) -> list[Token]:
    tokens = []
    pattern = _TOKEN_OR_ADDRESS if "@" in text else _TOKEN
    for match in pattern.finditer(text, start, end):
        kind = match.lastgroup
        form = kind if kind and kind != "word" else match.group().lower()
        if not form.isascii():
            form = unicodedata.normalize("NFC", form)
        tokens.append(Token(form, match.start(), match.end()))
    return tokens


def normalise(text: str) -> str:
    """The tokens joined by single spaces: what the vectorizers are fitted on."""
    return " ".join(token.form for token in tokenise(text))


def char_wb(form: str) -> list[str]:
    """Character n-grams of one word between spaces, as scikit-learn's `char_wb` analyzer makes them."""
    padded = f" {form} "
    grams = []
    for n in range(CHAR_NGRAMS[0], CHAR_NGRAMS[1] + 1):
        if n >= len(padded):  # a short word counts once, whole
            grams.append(padded)
            break
        grams.extend(padded[i : i + n] for i in range(len(padded) - n + 1))
    return grams


@dataclass(frozen=True, slots=True)
class Counted:
    """One text as features. `ids` ascend and are unique; `values` are TF-IDF, each block of unit length.

    `forms` are the distinct words with an id list each: `gram_ids[i]` their character n-grams.
    """

    tokens: Sequence[Token]
    ids: IntArray
    counts: IntArray
    values: FloatArray
    forms: Sequence[str]
    gram_ids: Sequence[IntArray]


class FeatureSpace:
    """Word 1-2-grams (ids from 0) and then char_wb 2-5-grams of one fitted pair of vectorizers."""

    def __init__(self, words: Mapping[str, int], grams: Mapping[str, int], idf: FloatArray) -> None:
        self.words = words
        self._grams = grams
        self._idf = idf
        self._known: dict[str, IntArray] = {}

    @classmethod
    def of(cls, word: Any, char: Any) -> FeatureSpace:
        """From two fitted `TfidfVectorizer`s."""
        idf = np.concatenate([word.idf_, char.idf_]).astype(np.float64)
        return cls(word.vocabulary_, char.vocabulary_, idf)

    def __len__(self) -> int:
        return len(self._idf)

    def gram_ids(self, form: str) -> IntArray:
        """Ids of the word's character n-grams that are features, with repeats."""
        known = self._known.get(form)
        if known is None:
            offset, grams = len(self.words), self._grams
            found = [grams[gram] + offset for gram in char_wb(form) if gram in grams]
            known = np.array(found, dtype=np.int64)
            if form in self.words:  # only words of the corpus are remembered: no names, bounded memory
                self._known[form] = known
        return known

    def count(self, tokens: Sequence[Token]) -> Counted:
        """TF-IDF values of a tokenised text: (1 + ln count) x idf, each block scaled to length 1."""
        words = self.words
        sequence = [token.form for token in tokens]
        pairs = itertools.pairwise(sequence)
        found = [words[term] for term in sequence if term in words]
        found += [words[term] for term in (f"{a} {b}" for a, b in pairs) if term in words]
        forms = list(dict.fromkeys(sequence))
        gram_ids = {form: self.gram_ids(form) for form in forms}
        parts = [np.array(found, dtype=np.int64), *(gram_ids[form] for form in sequence)]
        ids, counts = np.unique(np.concatenate(parts), return_counts=True)
        return Counted(tokens, ids, counts, self.weigh(ids, counts), forms, [gram_ids[form] for form in forms])

    def weigh(self, ids: IntArray, counts: npt.NDArray[Any]) -> FloatArray:
        """TF-IDF values of these counts (zeros stay zero)."""
        values = np.where(counts > 0, 1.0 + np.log(np.maximum(counts, 1)), 0.0) * self._idf[ids]
        border = int(np.searchsorted(ids, len(self.words)))
        for block in (values[:border], values[border:]):
            length = float(np.sqrt(block @ block))
            if length:
                block /= length
        return values
