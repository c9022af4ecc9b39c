"""The scikit-learn side: vectorizers and heads, their fit, and the file that holds them.

Seven independent binary heads instead of one multi-class model: none over its cut means none of the four laws.
All heads share one set of features, which is fitted once. With a sentence encoder each head has a twin over the
encoder's vectors; the two scores meet in the calibration (`thresholds.py`), never as one set of features.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import skops.io
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from classifiers.encoder import Vectors
from classifiers.features import CHAR_NGRAMS
from classifiers.labelled import LabelledMail
from classifiers.neighbours import neighbour_data
from triage.core.assessment import HEADS, LAWS, SOME_LAW

Known = Mapping[str, npt.NDArray[np.bool_]]
"""A head, or one of "topics", "sender_type" and "kind" → which rows have that label. What stands in it is known of some
rows only, what does not stand in it is known of all: a person who chose the laws of a mail said nothing of its urgency.
"""

MIN_TOPIC_ROWS = 5  # with fewer examples a topic or sender type is never proposed
TOPIC_TERMS = 5_000  # strongest features kept per topic: thirty-nine full heads would not fit in 5 MB
KIND_TERMS = 10_000  # and per sender type and kind
CASES_PER_TERM = 5  # a term of real mails only is a feature from so many cases on
MOST_REAL_TERMS = 5_000  # and at most so many, for the size of the file
PERSON = "person"
KINDS = (PERSON, "auto_reply", "bounce", "newsletter_or_spam")
"""What the kind head tells apart: a person's mail, and the labelled kinds that machines and mass mailers write."""
TRUSTED: tuple[str, ...] = ()
"""Types outside skops' own safe list that a model file may hold: none."""
_SCHEMA = "schema.json"  # skops' description of the objects in the archive


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of the bake-off; see the model card for what the others scored."""

    C: float = 1.0
    loss: str = "hinge"  # or logistic
    encoder_C: float = 3.0
    word_weight: float = 1.0
    char_weight: float = 1.0
    word_min_df: int = 2
    char_min_df: int = 2
    word_candidates: int = 80_000
    char_candidates: int = 150_000
    word_features: int = 28_000
    char_features: int = 50_000


@dataclass(frozen=True, slots=True)
class Model:
    """Fitted features and heads. `topics` and `sender` are one against the rest, `kinds` multinomial.

    `encoder_heads` are the twins of `heads` over sentence vectors; empty when trained without an encoder.
    `neighbours`: the corpus mails by their strongest words (`neighbours.py`)."""

    features: Any  # FeatureUnion of "word" and "char"
    heads: Mapping[str, Any]
    sender: Any
    topics: Mapping[str, Any]
    kinds: Any = None
    encoder_heads: Mapping[str, Any] = field(default_factory=dict)
    neighbours: Mapping[str, Any] = field(default_factory=dict)

    @property
    def word(self) -> Any:
        return dict(self.features.transformer_list)["word"]

    @property
    def char(self) -> Any:
        return dict(self.features.transformer_list)["char"]


def make_features(settings: Settings, terms: tuple[Sequence[str], Sequence[str]] | None = None) -> Any:
    """Unfitted features over normalised text (`features.normalise`): tokens between single spaces. `terms`: the only
    words and character n-grams there may be; without, the texts decide."""
    words, grams = terms or (None, None)
    word = TfidfVectorizer(
        lowercase=False,
        token_pattern=r"\S+",  # noqa: S106 - a pattern, no password
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=settings.word_min_df,
        max_features=settings.word_candidates,
        vocabulary=words,
    )
    char = TfidfVectorizer(
        lowercase=False,
        analyzer="char_wb",
        ngram_range=CHAR_NGRAMS,
        sublinear_tf=True,
        min_df=settings.char_min_df,
        max_features=settings.char_candidates,
        vocabulary=grams,
    )
    weights = {"word": settings.word_weight, "char": settings.char_weight}
    return FeatureUnion([("word", word), ("char", char)], n_jobs=1, transformer_weights=weights)


def targets(rows: Sequence[LabelledMail]) -> dict[str, npt.NDArray[np.bool_]]:
    """Head → yes or no per row, after the label guide."""
    wanted = {law: np.array([law in row.laws for row in rows]) for law in LAWS}
    wanted[SOME_LAW] = np.array([bool(row.laws) for row in rows])
    for head in ("palliative", "transfer"):
        wanted[head] = np.array([row.urgency == head for row in rows])
    wanted["danger"] = np.array([row.danger for row in rows])
    return {head: wanted[head] for head in HEADS}


def head(settings: Settings, seed: int) -> Any:
    """One unfitted binary head over n-grams. The hinge loss needs fewer alarms for the same recall than the logistic
    one on this corpus (model card, bake-off), and its scores get their probabilities from Platt's sigmoid anyway."""
    if settings.loss == "logistic":
        return LogisticRegression(C=settings.C, class_weight="balanced", solver="liblinear", random_state=seed)
    return LinearSVC(
        C=settings.C, loss="hinge", class_weight="balanced", dual=True, tol=1e-3, max_iter=5_000, random_state=seed
    )


def kind_head(seed: int) -> Any:
    """Multinomial, since the border for machines stands on the probability of a person."""
    return LogisticRegression(C=3.0, class_weight="balanced", solver="lbfgs", random_state=seed, max_iter=300)


def encoder_head(C: float) -> Any:
    """One unfitted binary head over sentence vectors."""
    return LogisticRegression(C=C, class_weight="balanced", max_iter=500)


def known_topics(rows: Sequence[LabelledMail], least: int = MIN_TOPIC_ROWS) -> list[str]:
    counts = Counter(code for row in rows for code in row.topics)
    return sorted(code for code, count in counts.items() if count >= least)


def kind_of(row: LabelledMail) -> str:
    """The class of KINDS this row belongs to."""
    return row.kind if row.kind in KINDS else PERSON


def fit(
    docs: Sequence[str],
    rows: Sequence[LabelledMail],
    settings: Settings,
    *,
    seed: int,
    extras: bool = True,
    vectors: Vectors | None = None,
    known: Known | None = None,
    cases: Sequence[str] | None = None,
) -> Model:
    """Fits features and heads on normalised texts. `extras` False leaves sender, kinds and topics out; `vectors` are
    the encoder's, one row per text. Laws, urgency and danger are learned from persons' mail alone: the rest is
    screened away before it is judged. `known`: which labels each row has (all, when not given). `cases`: of a real mail
    its case, "" of a corpus mail; words of real mails are features only where `shared_terms` allows it."""
    features = make_features(settings, None if cases is None else shared_terms(docs, cases, settings))
    matrix = features.fit_transform(docs)
    if cases is not None:
        for _, vectorizer in features.transformer_list:
            vectorizer.vocabulary = None  # the fitted one is kept; the file would hold it twice
    people = np.array([kind_of(row) == PERSON for row in rows], dtype=bool)
    wanted: dict[str, Wanted] = {}
    for name, every in targets(rows).items():
        used = np.flatnonzero(people & is_known(known, name, len(rows)))
        if 0 < every[used].sum() < len(used):
            wanted[name] = used, every[used]
    heads = _fitted(matrix, wanted, settings, seed)
    if heads and _candidates_over(features, settings):
        features, matrix = _narrowed(features, matrix, heads, settings)
        heads = _fitted(matrix, wanted, settings, seed)
    heads = {name: _rounded(one) for name, one in heads.items()}
    twins = {}
    if vectors is not None:
        for name, (used, yes) in wanted.items():
            twins[name] = _rounded(encoder_head(settings.encoder_C).fit(vectors[used], yes))
    if not extras:
        return Model(features, heads, None, {}, None, twins)
    topics = {}
    kept = np.flatnonzero(is_known(known, "topics", len(rows))).tolist()
    for code in known_topics([rows[i] for i in kept]):
        held = np.array([code in rows[i].topics for i in kept])
        topics[code] = _rounded(head(settings, seed).fit(matrix[kept], held), keep=TOPIC_TERMS)
    kept = np.flatnonzero(people & is_known(known, "sender_type", len(rows))).tolist()
    sender = _classes(matrix[kept], [rows[i].sender_type for i in kept], head(settings, seed))
    kept = np.flatnonzero(is_known(known, "kind", len(rows))).tolist()
    kinds = _classes(matrix[kept], [kind_of(rows[i]) for i in kept], kind_head(seed))
    words = matrix[:, : len(dict(features.transformer_list)["word"].vocabulary_)].tocsr()
    if cases is not None:  # staff are shown corpus mails alone
        ours = np.flatnonzero([not case for case in cases]).tolist()
        words, rows = words[ours], [rows[i] for i in ours]
    return Model(features, heads, sender, topics, kinds, twins, neighbour_data(words, rows))


def is_known(known: Known | None, name: str, count: int) -> npt.NDArray[np.bool_]:
    """Which of `count` rows have the label `name`."""
    return np.ones(count, dtype=bool) if known is None or name not in known else known[name]


def shared_terms(docs: Sequence[str], cases: Sequence[str], settings: Settings) -> tuple[list[str], list[str]]:
    """The words and the character n-grams that a model made from real mail too may hold: those that the corpus alone
    gives, and those that stand in real mails of at least CASES_PER_TERM cases. So no name of one person, and no word
    that only one family writes, gets into the model file."""
    made = make_features(settings)
    ours = [doc for doc, case in zip(docs, cases, strict=True) if not case]
    real = [(doc, case) for doc, case in zip(docs, cases, strict=True) if case]
    found = []
    for _, vectorizer in made.transformer_list:
        terms = set(vectorizer.fit(ours).vocabulary_)
        analyse = vectorizer.build_analyzer()
        of_case: dict[str, set[str]] = {}
        for doc, case in real:
            of_case.setdefault(case, set()).update(analyse(doc))
        counts = Counter(term for seen in of_case.values() for term in seen if term not in terms)
        often = sorted((-count, term) for term, count in counts.items() if count >= CASES_PER_TERM)
        found.append(sorted(terms | {term for _, term in often[:MOST_REAL_TERMS]}))
    return found[0], found[1]


Wanted = tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]
"""The rows that have a label, and the label of each."""


def _fitted(matrix: Any, wanted: Mapping[str, Wanted], settings: Settings, seed: int) -> dict[str, Any]:
    return {name: head(settings, seed).fit(matrix[rows], yes) for name, (rows, yes) in wanted.items()}


def _sizes(features: Any, settings: Settings) -> list[tuple[str, int, int]]:
    """(block, terms it has, terms it may keep), in the order of the matrix."""
    most = {"word": settings.word_features, "char": settings.char_features}
    return [(name, len(block.vocabulary_), most[name]) for name, block in features.transformer_list]


def _candidates_over(features: Any, settings: Settings) -> bool:
    return any(count > most for _, count, most in _sizes(features, settings))


def _narrowed(features: Any, matrix: Any, heads: Mapping[str, Any], settings: Settings) -> tuple[Any, Any]:
    """Features and matrix with only the terms that weigh most in some head, each block's rows of length 1 again.
    As good as all candidates together, in a third of the file; the most frequent terms were less good."""
    strongest = np.max([np.abs(one.coef_[0]) for one in heads.values()], axis=0)
    narrow, parts, start = make_features(settings), [], 0
    for (name, count, most), (_, old), (_, new) in zip(
        _sizes(features, settings), features.transformer_list, narrow.transformer_list, strict=True
    ):
        kept = np.sort(np.argsort(-strongest[start : start + count], kind="stable")[:most])
        terms = old.get_feature_names_out()[kept]
        new.vocabulary = {term: i for i, term in enumerate(terms.tolist())}
        new.idf_ = old.idf_[kept]  # also makes vocabulary_ of vocabulary
        new.vocabulary = None
        parts.append(normalize(matrix[:, start + kept]) * features.transformer_weights[name])
        start += count
    return narrow, sparse.hstack(parts).tocsr()


def _classes(matrix: Any, names: Sequence[str], unfitted: Any) -> Any:
    """One score per class, the highest wins; classes with too few rows are left out. None for a single class."""
    counts = Counter(names)
    kept = [i for i, name in enumerate(names) if counts[name] >= MIN_TOPIC_ROWS]
    if len({names[i] for i in kept}) < 2:
        return None
    return _rounded(unfitted.fit(matrix[kept], [names[i] for i in kept]), keep=KIND_TERMS)


def _rounded(fitted: Any, keep: int | None = None) -> Any:
    """The same head with half-precision weights in float32: the zeros compress to half the file size.
    The scores move by less than a thousandth; `keep` also drops all but the strongest weights."""
    coefficients = fitted.coef_
    if keep is not None and coefficients.shape[1] > keep:
        least = np.sort(np.abs(coefficients), axis=1)[:, -keep][:, None]
        coefficients = np.where(np.abs(coefficients) >= least, coefficients, 0.0)
    fitted.coef_ = coefficients.astype(np.float16).astype(np.float32)
    return fitted


# ---------------------------------------------------------------- the file


def dump(model: Model) -> bytes:
    """The model as a skops file. The vocabularies go in as arrays of terms: as dictionaries they would be most
    of the file (4 MB for 25,000 terms) and take two seconds to load."""
    terms = {}
    for name, vectorizer in (("word", model.word), ("char", model.char)):
        vectorizer.__dict__.pop("_stop_words_id", None)  # a memory address of scikit-learn's, different in every run
        terms[name] = np.array(sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__))
    vocabularies = (model.word.vocabulary_, model.char.vocabulary_)
    try:
        model.word.vocabulary_, model.char.vocabulary_ = {}, {}
        content = {
            "features": model.features,
            "terms": terms,
            "heads": dict(model.heads),
            "sender": model.sender,
            "topics": dict(model.topics),
            "kinds": model.kinds,
            "encoder_heads": dict(model.encoder_heads),
            "neighbours": dict(model.neighbours),
        }
        plain = skops.io.dumps(content, compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    finally:
        model.word.vocabulary_, model.char.vocabulary_ = vocabularies
    return _same_bytes(plain)


def _same_bytes(archive: bytes) -> bytes:
    """The archive without clock times and memory addresses, so that one training gives one file.
    skops names objects and array files after their address; here they are numbered as they occur."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        schema = json.loads(source.read(_SCHEMA))
        numbers: dict[str, int] = {}
        files: dict[str, str] = {}
        _number(schema, numbers, files)
        contents = {_SCHEMA: json.dumps(schema, sort_keys=True).encode()}
        contents |= {files[name]: source.read(name) for name in source.namelist() if name != _SCHEMA}
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content, compresslevel=9)
    return out.getvalue()


def _number(node: Any, numbers: dict[str, int], files: dict[str, str]) -> None:
    """Replaces addresses in place, in the order of the document."""
    if isinstance(node, list):
        for item in node:
            _number(item, numbers, files)
    elif isinstance(node, dict):
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(str(node["__id__"]), len(numbers) + 1)
        if isinstance(node.get("file"), str):
            name, _, suffix = node["file"].partition(".")
            node["file"] = files.setdefault(node["file"], f"{numbers.setdefault(name, len(numbers) + 1)}.{suffix}")
        for value in node.values():
            _number(value, numbers, files)


def load(content: bytes) -> Model:
    """The model in these bytes. Only for bytes whose SHA-256 stands in a manifest of ours."""
    data = skops.io.loads(content, trusted=list(TRUSTED))
    model = Model(
        data["features"],
        data["heads"],
        data["sender"],
        data["topics"],
        data["kinds"],
        data["encoder_heads"],
        data["neighbours"],
    )
    for name, vectorizer in (("word", model.word), ("char", model.char)):
        vectorizer.vocabulary_ = {term: i for i, term in enumerate(data["terms"][name].tolist())}
    return model
