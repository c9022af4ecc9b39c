"""What Zaak shows of replies as examples: the sent reply that may become one, and released ones that are like this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triage.core.case import OPEN_STATES, CaseState
from triage.core.reuse import as_example, names_left
from triage.core.rights import Right
from triage.ports import CasePage, SimilarAnswer
from triage.web.desk import Visit
from triage.web.forms import Incomplete
from triage.web.words import word


@dataclass(frozen=True, slots=True)
class Example:
    """A sent reply as colleagues would read it; `names`: words of the sender's name that still stand in it."""

    revision: int
    text: str
    names: tuple[str, ...]


def example_of(page: CasePage) -> Example | None:
    """The newest sent reply of an answered case; None when there is none, or when it is an example already."""
    if page.case.state not in (CaseState.ANSWERED, CaseState.CLOSED):
        return None
    sent = {row.id for row in page.outbox if row.kind == "reply" and row.state == "sent"}
    reply = next((draft for draft in page.drafts if draft.outbox_id in sent), None)
    if reply is None or (page.released is not None and page.released.revision == reply.revision):
        return None
    text = as_example(reply.content.body)
    if not text:
        return None
    return Example(reply.revision, text, names_left(text, name=page.contact_name, address=page.contact_address))


def similar_answers(visit: Visit, page: CasePage) -> Sequence[SimilarAnswer]:
    """Only for who may draft, while the case is open: they are compared anew at each view."""
    if not visit.may(Right.DRAFT) or page.case.state not in OPEN_STATES:
        return ()
    return visit.desk.acts.similar_answers(page)


def why_similar(answer: SimilarAnswer) -> str:
    """'dezelfde wet (Wlz), hetzelfde onderwerp (Hulpmiddelen), 4 woorden gelijk'."""
    said = []
    if answer.laws:
        said.append(f"dezelfde wet ({', '.join(word(law, 'law') for law in answer.laws)})")
    if answer.topics:
        said.append(f"hetzelfde onderwerp ({'; '.join(word(topic, 'topic') for topic in answer.topics)})")
    if answer.words:
        said.append("1 woord gelijk" if answer.words == 1 else f"{answer.words} woorden gelijk")
    return ", ".join(said)


# ---------------------------------------------------------------- acts


def release_answer(visit: Visit, reference: str) -> None:
    """Raises Incomplete unless the person says that the text points to nobody."""
    version, revision = visit.form.number("versie"), visit.form.number("antwoord")
    if visit.form.line("niemand", longest=10) != "ja":
        raise Incomplete
    visit.desk.acts.release_answer(reference, user=visit.user, version=version, revision=revision)


def withdraw_answer(visit: Visit, reference: str) -> None:
    visit.desk.acts.withdraw_answer(reference, user=visit.user, version=visit.form.number("versie"))
