"""Which case a mail of our own people belongs to, and whether it answers it.

Only they write into Drafts and Sent, so that an id or a token suffices.
"""

from __future__ import annotations

from triage.core.conversation import subject_tokens, thread_ids
from triage.core.draft_copy import DraftMark, mark_of
from triage.core.mail import EmailAddress, ParsedMail, without_plus
from triage.ports import UnitOfWork
from triage.services.threads import current_case

_MOST_IDS = 200


def valid_mark(uow: UnitOfWork, mail: ParsedMail) -> DraftMark | None:
    """The mark of our own draft, when its check code is right."""
    mark = mark_of(mail)
    if mark is None or not uow.token_is_valid(mark.token.reference, mark.token.check_code):
        return None
    return mark


def case_of(uow: UnitOfWork, mail: ParsedMail) -> str | None:
    """The case, by our mark, our Message-ID, the mails it answers, or the token in its subject; None when it belongs to
    none, or to one that was erased."""
    named: list[str | None] = []
    if (mark := valid_mark(uow, mail)) is not None:
        named.append(uow.case_by_reference(mark.token.reference))
    ids = ((mail.message_id,) if mail.message_id else ()) + thread_ids(mail)
    named += uow.cases_by_message_ids(ids[:_MOST_IDS])
    for token in subject_tokens(mail.subject):
        if uow.token_is_valid(token.reference, token.check_code):
            named.append(uow.case_by_reference(token.reference))
    found = next((current_case(uow, one) for one in named if one is not None), None)
    return None if found is None or uow.is_erased(found) else found


def reaches_sender(uow: UnitOfWork, case_id: str, mail: ParsedMail, own: frozenset[str]) -> bool:
    """Whether somebody of the case stands in To. A mail to a colleague about the case answers nothing, with or without
    a copy to the sender. `own` are our addresses as `without_plus` gives them."""
    latest = uow.latest_draft(case_id)
    meant = {EmailAddress(one).normalised for one in latest.content.to} if latest else set()
    others = [one for one in mail.to if without_plus(one.address) not in own]
    return any(one.normalised in meant or uow.is_participant(case_id, one.address) for one in others)
