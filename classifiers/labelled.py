"""Labelled mails: reading them, turning one into what the product would judge, and keeping the splits apart.

Training and product must see the same text, so a labelled row becomes a real message first and goes through
the product's own parser (`judged`). The labels mean what the label guide says and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from triage.core.assess import judged_text
from triage.core.assessment import LAWS, Urgency
from triage.core.parse import parse_mail
from triage.errors import ConfigError

CORPUS = Path(__file__).parent / "corpus"
TRAIN = CORPUS / "train"
LOCK = CORPUS / "test" / "LOCK.json"
LOG = CORPUS / "test" / "LOG.md"
NEAR_DUPLICATE = 0.5  # Jaccard similarity of the sets of character 5-grams above which two texts are one
_RARE = 60  # a 5-gram in at most so many mails is rare
_RARE_SHARE = 0.1  # of the smaller mail's 5-grams, the share that two copies have in common among rare ones
_ROWS_AT_ONCE = 500
JUDGED_KINDS = frozenset({"question", "follow_up"})
"""Row kinds that the product classifies; thresholds are chosen on these, since machine mail is screened away."""


@dataclass(frozen=True, slots=True)
class LabelledMail:
    """One row of a labelled file. `author` and `scenario` are the groups no split may cut through."""

    id: str
    subject: str
    body: str
    laws: tuple[str, ...]
    urgency: Urgency
    kind: str
    danger: bool = False
    author: str = ""
    scenario: str = ""
    explicitness: str = ""
    language: str = "nl"
    sender_type: str = "other"
    topics: tuple[str, ...] = ()
    hard: bool = False

    @property
    def urgent(self) -> bool:
        return self.urgency is not Urgency.REGULAR

    @property
    def is_judged(self) -> bool:
        return self.kind in JUDGED_KINDS


def row_from(data: Mapping[str, Any], *, where: str) -> LabelledMail:
    """A row from its JSON object; unknown keys are ignored. `where` names file and line in the ConfigError."""
    try:
        laws = tuple(law for law in LAWS if law in {str(item).lower() for item in data["laws"]})
        unknown = {str(item).lower() for item in data["laws"]} - set(LAWS)
        if unknown:
            raise ValueError(f"unknown law {sorted(unknown)}")
        return LabelledMail(
            id=str(data.get("id", where)),
            subject=str(data["subject"] or ""),
            body=str(data["body"] or ""),
            laws=laws,
            urgency=Urgency(data["urgency"]),
            kind=str(data["kind"]),
            danger=bool(data.get("danger", False)),
            author=str(data.get("author", "")),
            scenario=str(data.get("scenario", "")),
            explicitness=str(data.get("explicitness", "")),
            language=str(data.get("language", "nl")),
            sender_type=str(data.get("sender_type", "other")),
            topics=tuple(str(code) for code in data.get("topics", ())),
            hard=bool(data.get("hard", False)),
        )
    except KeyError as exc:
        raise ConfigError(f"{where}: the key {exc} is missing") from exc
    except (TypeError, ValueError) as exc:
        allowed = f"laws are of {', '.join(LAWS)}; urgency is one of {', '.join(Urgency)}"
        raise ConfigError(f"{where}: {exc} ({allowed})") from exc


def load_file(path: Path) -> list[LabelledMail]:
    """All rows of one JSON Lines file, in order. Raises ConfigError with file and line."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path} cannot be read: {reason}") from exc
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            data = json.loads(line)
        except json.JSONDecodeError as exc:
            raise ConfigError(f"{where}: no JSON object ({exc.msg})") from exc
        if not isinstance(data, dict):
            raise ConfigError(f"{where}: no JSON object")
        rows.append(row_from(data, where=where))
    return rows


def load_corpus(directory: Path) -> list[LabelledMail]:
    """Every row of every `*.jsonl` file in the folder, files by name. Raises ConfigError when there is none."""
    rows = [row for path in sorted(directory.glob("*.jsonl")) for row in load_file(path)]
    if not rows:
        raise ConfigError(f"{directory}: no labelled mails (*.jsonl) found")
    return rows


def as_message(row: LabelledMail) -> bytes:
    """The smallest real message with this subject and body: what a sender's client would have sent."""
    message = EmailMessage()
    message["From"] = "Afzender <afzender@labelled.example>"
    message["To"] = "loket@labelled.example"
    message["Subject"] = " ".join(row.subject.split())
    message["Date"] = "Mon, 05 Jan 2026 09:00:00 +0100"
    message["Message-ID"] = f"<{hashlib.sha256(row.id.encode()).hexdigest()[:24]}@labelled.example>"
    message.set_content(row.body, charset="utf-8", cte="base64")
    return message.as_bytes()


def judged(row: LabelledMail) -> str:
    """The text the product would judge for this row: the one place where a row becomes text."""
    return judged_text(parse_mail(as_message(row)))


def corpus_hash(rows: Sequence[LabelledMail]) -> str:
    """SHA-256 over all rows, independent of file order."""
    return hashlib.sha256("".join(sorted(row_hash(row) for row in rows)).encode()).hexdigest()


def row_hash(row: LabelledMail) -> str:
    """SHA-256 of what a row says: texts and labels."""
    fields = [row.id, row.subject, row.body, row.laws, row.urgency, row.kind, row.danger, row.sender_type, row.topics]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()


def locked_rows(rows: Iterable[LabelledMail], lock: Path = LOCK) -> bool:
    """True when any of these rows belongs to the locked test, by content."""
    if not lock.exists():
        return False
    known = set(json.loads(lock.read_text(encoding="utf-8"))["rows"].values())
    return any(row_hash(row) in known for row in rows)


def near_duplicates(
    left: Sequence[LabelledMail], right: Sequence[LabelledMail], *, above: float = NEAR_DUPLICATE
) -> list[tuple[str, str, float]]:
    """(id, id, similarity) of pairs across both lists, by different authors, whose character 5-grams overlap more than
    `above`. Pairs are looked for by what they share of rare 5-grams, which copies of a text do.

    Texts under 5 characters have no 5-gram and are never reported.
    """
    if not left or not right:
        return []
    grams = CountVectorizer(analyzer="char", ngram_range=(5, 5), binary=True, dtype=np.float32)
    both = grams.fit_transform([f"{row.subject}\n{row.body}" for row in (*left, *right)]).tocsr()
    sizes = np.asarray(both.sum(axis=1)).ravel()
    rare = both[:, np.flatnonzero(np.asarray(both.sum(axis=0)).ravel() <= _RARE)].tocsr()
    known = rare[len(left) :].T.tocsc()
    found = []
    for start in range(0, len(left), _ROWS_AT_ONCE):
        shared = (rare[start : min(start + _ROWS_AT_ONCE, len(left))] @ known).tocoo()
        least = _RARE_SHARE * np.minimum(sizes[shared.row + start], sizes[shared.col + len(left)])
        for i, j in zip((shared.row + start)[shared.data >= least], shared.col[shared.data >= least], strict=True):
            if left[i].author and left[i].author == right[j].author:
                continue
            same = float(both[i].multiply(both[len(left) + j]).sum())
            similarity = same / max(float(sizes[i] + sizes[len(left) + j]) - same, 1.0)
            if similarity > above:
                found.append((left[i].id, right[j].id, similarity))
    return sorted(found)
