"""Which words made a head fire: spans in the original text, with the share of the score each one holds.

A head's score is a sum of weight x value over features, so every word can be credited exactly: its own weight,
plus its share of each character n-gram it contains. The credits of all words and word pairs add up to the score.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifiers.features import Counted, FeatureSpace, FloatArray, Token
from classifiers.rules import RuleHit, sentences
from triage.core.assessment import Evidence, Span

TOP = 5
SENTENCE_CANDIDATES = 6  # removal is tried for the sentences with the most credit only: bounded time
URGENT_HEADS = ("palliative", "transfer")


@dataclass(frozen=True, slots=True)
class Credits:
    """Per fired head: `words[i, h]` credit of form i (all its occurrences), `pairs[j, h]` of word pair j."""

    words: FloatArray
    pairs: FloatArray
    pair_at: Sequence[int]  # token number of the pair's first word


def credits_of(counted: Counted, space: FeatureSpace, weights: FloatArray) -> Credits:
    """Splits each head's score over words and word pairs. `weights` is (len(counted.ids), heads)."""
    parts = counted.values[:, None] * weights
    forms = counted.forms
    words = np.zeros((len(forms), weights.shape[1]))
    lengths = np.array([len(ids) for ids in counted.gram_ids], dtype=np.int64)
    if lengths.sum():
        places = np.searchsorted(counted.ids, np.concatenate(counted.gram_ids))
        shares = (parts / counted.counts[:, None])[places]
        owner = np.repeat(np.arange(len(forms)), lengths)
        for column in range(words.shape[1]):
            words[:, column] = np.bincount(owner, weights=shares[:, column], minlength=len(forms))
    occurrences = dict.fromkeys(forms, 0)
    for token in counted.tokens:
        occurrences[token.form] += 1
    words *= np.array([occurrences[form] for form in forms], dtype=np.float64)[:, None]
    own = [space.words.get(form, -1) for form in forms]
    known = [i for i, feature in enumerate(own) if feature >= 0]
    words[known] += parts[np.searchsorted(counted.ids, [own[i] for i in known])]

    pair_at: dict[int, int] = {}
    for i in range(len(counted.tokens) - 1):
        feature = space.words.get(f"{counted.tokens[i].form} {counted.tokens[i + 1].form}")
        if feature is not None:
            pair_at.setdefault(feature, i)
    pairs = parts[np.searchsorted(counted.ids, list(pair_at))] if pair_at else np.zeros((0, weights.shape[1]))
    return Credits(words, pairs, list(pair_at.values()))


def word_evidence(head: str, column: int, credit: Credits, counted: Counted) -> list[Evidence]:
    """The five word n-grams with the most credit for a head, best first, spans not overlapping.
    A word that stands more than once is marked where it stands first."""
    first: dict[str, Token] = {}
    for token in counted.tokens:
        first.setdefault(token.form, token)
    words = [(float(weight), first[form]) for form, weight in zip(counted.forms, credit.words[:, column], strict=True)]
    best = [(weight, token.start, token.end) for weight, token in sorted(words, key=lambda item: -item[0])[: 2 * TOP]]
    for i, weight in zip(credit.pair_at, credit.pairs[:, column], strict=True):
        best.append((float(weight), counted.tokens[i].start, counted.tokens[i + 1].end))
    chosen: list[Evidence] = []
    for weight, start, end in sorted(best, key=lambda item: (-item[0], item[1])):
        if weight <= 0.0 or len(chosen) == TOP:
            break
        if all(end <= item.span.start or start >= item.span.end for item in chosen):
            chosen.append(Evidence(head, "model", Span(start, end), weight))
    return chosen


def sentence_evidence(
    head: str, column: int, credit: Credits, counted: Counted, space: FeatureSpace, weights: FloatArray, text: str
) -> list[Evidence]:
    """The sentence whose removal lowers the score most, with that drop as weight; none when no removal lowers it."""
    spans = sentences(text)
    if len(spans) < 2 or not counted.tokens:
        return []
    per_form = dict(zip(counted.forms, credit.words[:, column], strict=True))
    ends = np.array([end for _, end in spans])
    owners = np.searchsorted(ends, [token.start for token in counted.tokens], side="right")
    totals = np.bincount(owners, weights=[per_form[token.form] for token in counted.tokens], minlength=len(spans))
    weight = weights[:, column]
    score = float(counted.values @ weight)
    best, drop = -1, 0.0
    for sentence in np.argsort(-totals)[:SENTENCE_CANDIDATES]:
        inside = np.flatnonzero(owners == sentence)
        if len(inside) == 0:
            continue
        removed = space.count(counted.tokens[inside[0] : inside[-1] + 1])
        left = counted.counts.copy()
        left[np.searchsorted(counted.ids, removed.ids)] -= removed.counts
        lowered = score - float(space.weigh(counted.ids, left) @ weight)
        if lowered > drop:
            best, drop = int(sentence), lowered
    if best < 0:
        return []
    start, end = spans[best]
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return [Evidence(head, "sentence", Span(start, end), drop)]


def model_evidence(
    text: str, counted: Counted, space: FeatureSpace, weights: npt.NDArray[np.float32], fired: Mapping[str, int]
) -> list[Evidence]:
    """Words for every fired head and the decisive sentence for the urgent ones.
    `fired`: head → its column in `weights` (all features x heads)."""
    if not fired or len(counted.ids) == 0:
        return []
    columns = weights[counted.ids][:, list(fired.values())].astype(np.float64)
    credit = credits_of(counted, space, columns)
    found: list[Evidence] = []
    for column, head in enumerate(fired):
        found += word_evidence(head, column, credit, counted)
        if head in URGENT_HEADS:
            found += sentence_evidence(head, column, credit, counted, space, columns, text)
    return found


def rule_evidence(hits: Sequence[RuleHit], offsets: Sequence[int] | None) -> list[Evidence]:
    """Rule hits as evidence. `offsets` maps places in the NFC text back to the original (None: they are equal)."""
    found = []
    for hit in hits:
        start, end = (hit.start, hit.end) if offsets is None else (offsets[hit.start], offsets[hit.end])
        found.append(
            Evidence(hit.head, "rule", Span(start, end), 1.0, hit.rule_id, tuple(hit.softened_by), hit.support)
        )
    return found


def composed(text: str) -> tuple[str, Sequence[int] | None]:
    """(text in NFC, offsets): `offsets[i]` is the place in `text` of character i of the NFC text, and of its end."""
    if unicodedata.is_normalized("NFC", text):
        return text, None
    out: list[str] = []
    offsets: list[int] = []
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or not unicodedata.combining(text[i]):
            piece = unicodedata.normalize("NFC", text[start:i])
            out.append(piece)
            offsets.extend([start] * len(piece))
            start = i
    offsets.append(len(text))
    return "".join(out), offsets
