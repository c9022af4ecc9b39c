"""The corpus mails most like a mail: what staff see beside the words, and how far a mail lies from what was learned.

Each corpus mail keeps its strongest word features only, so that a look-up costs microseconds and the file stays small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from classifiers.features import FloatArray, IntArray
from classifiers.labelled import LabelledMail
from triage.core.assessment import Neighbour

KEPT = 24  # word features per corpus mail
SHOWN = 3
_MOST_SUBJECT = 60  # characters


class Neighbours:
    """Postings: word feature → corpus mails that hold it, with weights; each mail's kept weights have length 1."""

    def __init__(self, data: Mapping[str, Any], features: int) -> None:
        """`data` as made by `neighbour_data`; `features`: the number of word features."""
        self._mails = data["mails"]
        weights = data["weights"].astype(np.float64)
        terms = data["terms"].astype(np.int64)
        mails = np.repeat(np.arange(len(data["counts"])), data["counts"])
        order = np.argsort(terms, kind="stable")
        self._weights, self._owners = weights[order], mails[order]
        self._starts = np.searchsorted(terms[order], np.arange(features + 1))

    def nearest(self, ids: IntArray, values: FloatArray) -> tuple[Neighbour, ...]:
        """The most alike corpus mails, best first. `ids` and `values`: the word features of a text, of length 1."""
        starts, ends = self._starts[ids], self._starts[ids + 1]
        sizes = ends - starts
        total = int(sizes.sum())
        if not total:
            return ()
        at = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(total)
        alike = np.bincount(
            self._owners[at], weights=self._weights[at] * np.repeat(values, sizes), minlength=len(self._mails)
        )
        best = np.argsort(-alike, kind="stable")[:SHOWN]
        return tuple(self._neighbour(int(i), float(alike[i])) for i in best if alike[i] > 0.0)

    def _neighbour(self, number: int, similarity: float) -> Neighbour:
        name, subject, laws, urgency = self._mails[number].split("\t")
        return Neighbour(name, subject, tuple(laws.split()), urgency, round(min(similarity, 1.0), 4))


def neighbour_data(matrix: Any, rows: Sequence[LabelledMail]) -> dict[str, Any]:
    """What the model file keeps. `matrix`: (rows, word features), sparse, rows of length 1. Judged rows only."""
    counts, terms, weights, mails = [], [], [], []
    for number, row in enumerate(rows):
        if not row.is_judged:
            continue
        start, end = matrix.indptr[number], matrix.indptr[number + 1]
        values, columns = matrix.data[start:end], matrix.indices[start:end]
        kept = np.sort(np.argsort(-values, kind="stable")[:KEPT])
        length = float(np.sqrt((values[kept] ** 2).sum())) or 1.0
        counts.append(len(kept))
        terms.append(columns[kept])
        weights.append(values[kept] / length)
        subject = " ".join((row.subject or row.body).split())[:_MOST_SUBJECT]
        mails.append("\t".join((row.id, subject, " ".join(row.laws), str(row.urgency))))
    return {
        "counts": np.array(counts, dtype=np.uint8),
        "terms": np.concatenate(terms).astype(np.uint16 if matrix.shape[1] < 65_536 else np.int32),
        "weights": np.concatenate(weights).astype(np.float16),
        "mails": np.array(mails),
    }
