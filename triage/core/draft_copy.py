"""A draft in the Drafts folder: the mark by which we know our own, and what makes two of them the same text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from triage.core.case import Case
from triage.core.conversation import SubjectToken
from triage.core.mail import ParsedMail

HEADER = "X-Triage-Draft"
MAIL_CLIENT = "mail_client"
"""Who wrote what came from a mail program: it does not say which of our people that was."""

_MARK = re.compile(r"(JL-\d{4}-\d{5,7})-([A-Z0-9]{2}) (\d{1,6})")
_FORWARDED = re.compile(r"\s*(?:fwd?|doorst|doorgestuurd|wg)\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DraftMark:
    """Case and revision that a draft says to hold; worth nothing until the token's check code is verified."""

    token: SubjectToken
    revision: int


def mark_value(case: Case, revision: int) -> str:
    """What stands in our header: nothing about a person."""
    return f"{case.reference}-{case.check_code} {revision}"


def mark_of(mail: ParsedMail) -> DraftMark | None:
    """The mark of a draft; most mail programs lose it when they save."""
    for value in mail.header_values(HEADER)[:1]:
        if found := _MARK.fullmatch(value.strip()):
            return DraftMark(SubjectToken(found[1], found[2]), int(found[3]))
    return None


def letter_of(mail: ParsedMail) -> tuple[frozenset[str], frozenset[str], str, str]:
    """Equal for two drafts that say the same to the same people, however a mail program wrapped the lines."""
    return (
        frozenset(address.normalised for address in mail.to),
        frozenset(address.normalised for address in mail.cc),
        " ".join(mail.subject.split()),
        words_of(mail.text),
    )


def words_of(text: str) -> str:
    """The words of a text, for comparing: line ends and quoting of blanks left out."""
    return " ".join(text.split())


def is_forward(mail: ParsedMail) -> bool:
    """Whether the subject says that somebody passes a mail on."""
    return _FORWARDED.match(mail.subject) is not None
