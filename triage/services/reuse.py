"""Sent replies that staff released as an example, and which of them are like a question.

No copy of a text is kept: what is shown is read from the sealed revision at the moment it is asked for, and so is gone
with its case, or as soon as somebody takes it back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triage.core.case import Case, CaseState
from triage.core.reuse import as_example
from triage.core.rights import Right, role_may
from triage.errors import ConflictError, NotAllowed
from triage.ports import CasePage, Clock, Queries, ReleasedQuestion, SimilarAnswer, Store, UnitOfWork, User
from triage.services.case_acting import CaseActing

MOST_COMPARED = 500
MOST_READ = 120  # of those: opening and reading all of them would take longer than the rest of the page
MOST_SHOWN = 3
_READ_CHARACTERS = 4000  # a question stands in the first page
_LEAST_COSINE, _LEAST_WORDS = 0.12, 3  # of a question on another topic
_FOR_TOPIC, _FOR_LAW = 0.2, 0.1
_WORD = re.compile(r"(?u)\b[^\W\d_][\w-]{3,}\b")
_SAYS_NOTHING = frozenset(
    (
        "alle alleen alles alvast andere antwoord bedankt beetje beste daar daarom daarvoor dear deze doen doet "
        "door echt eens eerst from geachte geef geeft geen goed goede goedemiddag goedemorgen graag groet groeten "
        "haar hartelijke have hebben hebt heeft heel help hier hierbij hoor horen hulp iemand iets jullie "
        "kunnen kunt maar maken meer mevrouw mijn moet moeten mogen naar niet niets nodig omdat onze over please "
        "regards staat that this toch tussen veel vele voor vooral vraag vragen vriendelijke waar waarom "
        "wanneer want waren weet welke werd weten what willen wilt with worden wordt would your zegt zelf "
        "zijn zoals zodat zonder zorg zouden"
    ).split()
)
"""Words that stand in mails whatever they are about."""


@dataclass(frozen=True, slots=True)
class _Alike:
    question: ReleasedQuestion
    score: float
    laws: tuple[str, ...]
    topics: tuple[str, ...]
    words: int


class Reuse(CaseActing):
    """One act per method, one transaction each."""

    def __init__(self, *, store: Store, queries: Queries, clock: Clock) -> None:
        super().__init__(store=store, clock=clock)
        self._queries = queries

    def release_answer(self, reference: str, *, user: User, version: int, revision: int) -> None:
        """Colleagues may read this sent reply from now on, in the place of an earlier one of this case.

        Raises NotAllowed for a role that may not release or a case that is not answered, ConflictError when the case
        is not the one that the person saw or this revision was not sent."""
        _require_releaser(user)

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            if case.state not in (CaseState.ANSWERED, CaseState.CLOSED):
                raise NotAllowed("only the reply of an answered case can be an example")
            if not uow.release_answer(case.id, revision, by=user.id, at=now):
                raise ConflictError("this reply was not sent, or its text was erased")
            return case

        self._act(reference, user, version, "answer_released", act, {"revision": revision})

    def withdraw_answer(self, reference: str, *, user: User, version: int) -> None:
        """Nobody is shown this reply any more. ConflictError when it was taken back already."""
        _require_releaser(user)

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            if not uow.withdraw_answer(case.id):
                raise ConflictError("this reply is no example any more")
            return case

        self._act(reference, user, version, "answer_withdrawn", act)

    def similar_answers(self, page: CasePage) -> Sequence[SimilarAnswer]:
        """At most MOST_SHOWN released replies of other cases whose question is like that of this case, likeliest first.

        Of the newest MOST_COMPARED the questions of MOST_READ are read: those on the same topic first, then those under
        the same law, then the newest."""
        ours = _telling(page.assessment.judged_text if page.assessment is not None else "")
        if not ours:
            return ()
        newest = self._queries.released_questions(limit=MOST_COMPARED)
        others = [one for one in newest if one.reference != page.case.reference]
        nearest = sorted(
            others, key=lambda one: (not _shared(page.topics, one.topics), not _shared(page.case.laws, one.laws))
        )
        asked = self._queries.released_asked([one.reference for one in nearest[:MOST_READ]]) if nearest else {}
        released = [one for one in nearest if asked.get(one.reference)]
        theirs = [_telling(asked[one.reference]) for one in released]
        compared = zip(released, theirs, _likeness(ours, theirs), strict=True)
        ranked = sorted(
            (
                alike
                for question, words, cosine in compared
                if (alike := _alike(page, question, len(ours & words), cosine)) is not None
            ),
            key=lambda one: (-one.score, one.question.reference),
        )[:MOST_SHOWN]
        texts = self._queries.released_texts([one.question.reference for one in ranked]) if ranked else {}
        return tuple(
            SimilarAnswer(
                reference=one.question.reference,
                answered_at=one.question.approved_at,
                text=as_example(texts[one.question.reference]),
                laws=one.laws,
                topics=one.topics,
                words=one.words,
            )
            for one in ranked
            if texts.get(one.question.reference, "").strip()
        )


def _require_releaser(user: User) -> None:
    if not role_may(user.role, Right.RELEASE):
        raise NotAllowed("this role may not say which replies are an example")


def _alike(page: CasePage, question: ReleasedQuestion, words: int, cosine: float) -> _Alike | None:
    """None when the questions have too little in common: a law alone is shared by hundreds."""
    laws, topics = _shared(page.case.laws, question.laws), _shared(page.topics, question.topics)
    if not topics and (cosine < _LEAST_COSINE or words < _LEAST_WORDS):
        return None
    score = cosine + (_FOR_TOPIC if topics else 0.0) + (_FOR_LAW if laws else 0.0)
    return _Alike(question, score, laws, topics, words)


def _shared(ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in ours if one in theirs)


def _telling(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text[:_READ_CHARACTERS].lower())) - _SAYS_NOTHING


def _likeness(ours: frozenset[str], theirs: Sequence[frozenset[str]]) -> list[float]:
    """Cosine of TF-IDF with each of theirs, each word counted once; in [0, 1]."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # two seconds to import: only who asks pays

    if not ours or not any(theirs):
        return [0.0] * len(theirs)
    matrix = TfidfVectorizer(analyzer=sorted).fit_transform([ours, *theirs])
    likeness: list[float] = (matrix[1:] @ matrix[0].T).toarray().ravel().tolist()
    return likeness
