"""Finding the conversation of a mail in the store: who quotes an id or a token is not yet who may join.

An id of a known mail and a valid token name a case. Its participants join it; anybody else opens a case of their own
with a proposed link, and the case that was named keeps no trace of the try. What a person decided of such a link holds
for later mail too: accepted, it goes to the case that took the messages over; refused, it stays with its sender's own.
Of a mail with one other reply address, such as a web form sends for its visitors, that address must be known as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.core.case import Case
from triage.core.conversation import (
    answers_go_to,
    much_alike,
    named_references,
    subject_tokens,
    text_identity,
    thread_ids,
)
from triage.core.decide import Thread
from triage.core.mail import MessageKind, NoReplyReason, ParsedMail, Screening
from triage.ports import SameText, UnitOfWork

_ONE_SENDING = timedelta(hours=1)  # one text to two of our addresses, under two Message-IDs
_MOST_MERGES = 10
_MOST_CASES = 20  # named by one mail: a conversation has one, an attack many
_MACHINES = frozenset({MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT})


@dataclass(frozen=True, slots=True)
class _Author:
    """Who wrote: the From, and the one other address that wants the answer ("" when there is none)."""

    address: str
    on_behalf_of: str = ""

    def is_known_in(self, uow: UnitOfWork, case_id: str) -> bool:
        if not uow.is_participant(case_id, self.address):
            return False
        if self.on_behalf_of:
            return uow.is_participant(case_id, self.on_behalf_of)
        return not uow.writes_for_others(case_id, self.address)


def thread_of(uow: UnitOfWork, mail: ParsedMail, screening: Screening, key: str, *, arrived: datetime) -> Thread:
    """What the store knows of this mail's conversation. `key` is its identity, `arrived` the server's moment."""
    known = uow.message_by_identity(key)
    if known is not None:
        return Thread(copy_of=(current_case(uow, known.case_id), "second_copy"))
    if screening.kind is MessageKind.OWN:
        return Thread()
    machine = screening.kind in _MACHINES
    # two notices of one portal differ in what lies behind their link: neither may hide the other
    may_be_copy = not machine and screening.kind is not MessageKind.SECURE_MAIL_NOTICE
    if may_be_copy and (copied := _in_another_form(uow, mail, arrived)):
        return Thread(copy_of=(current_case(uow, copied), "second_copy"))
    sender = mail.from_address
    proven = sender is not None and NoReplyReason.AUTHENTICATION_FAILED not in screening.reasons
    behalf = answers_go_to(mail)
    author = _Author(sender.address, behalf.address if behalf else "") if sender is not None and proven else None
    named: list[str] = []
    for case_id in uow.cases_by_message_ids(thread_ids(mail))[:_MOST_CASES]:
        joined = _place_for(uow, case_id, author)
        if joined is None and machine:  # a report comes from the server, not from the person
            joined = current_case(uow, case_id)
        if joined is not None:
            return Thread(case=_locked(uow, joined))
        named.append(case_id)
    for token in subject_tokens(mail.subject):
        if not uow.token_is_valid(token.reference, token.check_code):
            continue
        by_token = uow.case_by_reference(token.reference)
        if by_token is None:
            continue
        joined = _place_for(uow, by_token, author)
        if joined is not None:
            return Thread(case=_locked(uow, joined))
        named.append(by_token)
    if not named and author is not None:
        named = _typed_by_participant(uow, mail, author)
    if not named or machine:
        return Thread()
    return Thread(proposed_reference=uow.case(current_case(uow, named[0]) or named[0]).reference)


def _place_for(uow: UnitOfWork, case_id: str, author: _Author | None) -> str | None:
    """The case this author's mail joins when it names `case_id`; None when nothing there knows the author."""
    current = current_case(uow, case_id)
    if current is None or author is None:
        return None
    if author.is_known_in(uow, current):
        return current
    # a stranger's own case beside it: proposed and not yet decided, or kept apart for good
    beside = (one for one in uow.cases_beside(current) if author.is_known_in(uow, one))
    return next(beside, None)


def _locked(uow: UnitOfWork, case_id: str) -> Case:
    """The case, locked; when a person merged it while we waited for the lock, the one that took it over."""
    case = uow.case(case_id, for_update=True)
    current = current_case(uow, case_id)
    return case if current in (None, case_id) else uow.case(current, for_update=True)


def current_case(uow: UnitOfWork, case_id: str | None) -> str | None:
    """The case that took over the messages of this one, else the case itself."""
    for _ in range(_MOST_MERGES):
        further = uow.merged_into(case_id) if case_id else None
        if further is None:
            break
        case_id = further
    return case_id


def _in_another_form(uow: UnitOfWork, mail: ParsedMail, arrived: datetime) -> str | None:
    """The case of the same mail that reached us in other bytes: with a tag, banner or footer added on the way, recoded,
    or at another address of ours under a second Message-ID. The same text twice to one address is two mails: somebody
    asks again."""
    copied = _tagged_on_the_way(uow, mail)
    identity = text_identity(mail)
    if copied is not None or identity is None:
        return copied
    to = {address.normalised for address in (*mail.to, *mail.cc)}
    alike = uow.messages_of_text(identity)
    for other in alike:
        if mail.message_id and other.message_id == mail.message_id and other.date == mail.date:
            return other.case_id
    forms: dict[str, list[SameText]] = {}  # of each Message-ID, within the hour
    for number, other in enumerate(alike):
        if abs(arrived - other.internal_date) <= _ONE_SENDING:
            forms.setdefault(other.message_id or str(number), []).append(other)
    elsewhere = [any(one.recipients and not to & one.recipients for one in group) for group in forms.values()]
    # what only came to these same addresses before, was asked there before: this one asks again
    if to and elsewhere and all(elsewhere):
        return next(iter(forms.values()))[0].case_id
    return None


def _tagged_on_the_way(uow: UnitOfWork, mail: ParsedMail) -> str | None:
    """Message-ID, author, reply address and moment of writing are those of a stored mail, and so are most words.

    A form with one Message-ID for all its mails differs in the moment or the reply address."""
    sender = mail.from_address
    if not mail.message_id or mail.date is None or sender is None:
        return None
    replies = frozenset(one.normalised for one in mail.reply_to)
    return _first_case(
        other
        for other in uow.messages_of_id(mail.message_id)
        if other.date == mail.date
        and other.senders == (sender.normalised,)
        and other.reply_to == replies
        and much_alike(other.text, mail.text)
    )


def _first_case(found: Iterable[SameText]) -> str | None:
    return next((one.case_id for one in found), None)


def _typed_by_participant(uow: UnitOfWork, mail: ParsedMail, author: _Author) -> list[str]:
    """Cases named without their check code, by somebody who is known there: worth a person's look, no more."""
    found = (uow.case_by_reference(reference) for reference in named_references(mail.subject))
    return [case_id for case_id in found if case_id is not None and author.is_known_in(uow, case_id)]
