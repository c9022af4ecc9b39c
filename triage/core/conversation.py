"""Which case a message belongs to: known Message-IDs first, then the subject token (`product.md` section 3.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from triage.core.mail import ParsedMail

_TOKEN = re.compile(r"\[(JL-\d{4}-\d{5,7})-([A-Z0-9]{2})\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SubjectToken:
    """`[JL-2026-00042-K7]` as found in a subject; worth nothing until its check code is verified."""

    reference: str
    check_code: str


def subject_tokens(subject: str) -> tuple[SubjectToken, ...]:
    """All tokens of the subject, in order, without repeats."""
    found = (SubjectToken(match[1].upper(), match[2].upper()) for match in _TOKEN.finditer(subject))
    return tuple(dict.fromkeys(found))


def thread_ids(mail: ParsedMail) -> tuple[str, ...]:
    """Message-IDs this mail says it answers or reports on, nearest first. Its own id never counts."""
    nearest_first = (*mail.report_about, *mail.in_reply_to, *reversed(mail.references))
    return tuple(dict.fromkeys(item for item in nearest_first if item and item != mail.message_id))
