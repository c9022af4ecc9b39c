"""What the store keeps, as values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from triage.core.case import Case
from triage.core.mail import LedgerOutcome, MessageKind, ParsedMail, UidRef
from triage.core.reports import DeliveryReport
from triage.ports.sending import Envelope

BY_PEOPLE = ("reply", "correction")
"""Sent by a person: they join the conversation, get a copy in the Sent folder, and staff hear how they fared."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    folder: str
    ref: UidRef
    attempts: int
    outcome: LedgerOutcome | None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class FolderMark:
    """What the ledger knows of a folder. `unaccounted` counts entries without an outcome."""

    uidvalidity: int
    highest_uid: int
    entries_present: int  # entries of this UIDVALIDITY not known as gone
    unaccounted: int
    last_full_compare: datetime | None


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """A stored message that another one refers to or repeats."""

    id: str
    case_id: str | None
    outcome: LedgerOutcome


@dataclass(frozen=True, slots=True)
class SameText:
    """A stored message that may be another form of a mail: the same text, or the same Message-ID."""

    case_id: str
    message_id: str
    internal_date: datetime
    recipients: frozenset[str]  # To and Cc, normalised
    senders: tuple[str, ...] = ()  # From, normalised
    reply_to: frozenset[str] = frozenset()  # normalised
    date: datetime | None = None  # as the author wrote it; None also for a message stored without it
    text: str = ""


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A mail to send. `raw` is complete, CRLF, with fixed Message-ID and Date."""

    id: str
    kind: str  # reply | correction | acknowledgement | alert
    case_id: str | None
    envelope: Envelope
    raw: bytes
    attempts: int
    created_at: datetime
    null_reverse_path_fallback: str = ""
    copy: bool = False  # the recipient stands in Cc: without this one the case counts as answered all the same


@dataclass(frozen=True, slots=True)
class SentCopy:
    """A mail that a person sent and that is not yet in the Sent folder; the UIDs are those of the questions it answers,
    none for a correction."""

    outbox_id: str
    raw: bytes
    sent_at: datetime
    question_uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SentLetter:
    """A mail of ours in a conversation; `to` normalised."""

    at: datetime
    to: frozenset[str]
    text: str


@dataclass(frozen=True, slots=True)
class SentMail:
    """A mail of ours that a report can speak of. `approved_by`: whoever released a reply and still has an account."""

    kind: str  # reply | correction | acknowledgement | alert
    case_id: str | None
    approved_by: str | None = None
    outbox_id: str = field(default="", compare=False)  # of one of its recipients


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A received message as it is to be stored."""

    id: str
    folder: str
    ref: UidRef
    internal_date: datetime
    received_at: datetime
    size: int
    raw: bytes
    complete: bool
    content_hash: str
    identity_key: str
    parsed: ParsedMail
    kind: MessageKind
    report: DeliveryReport | None = None  # of a delivery report: what it says


@dataclass(frozen=True, slots=True)
class DraftContent:
    """What an approval binds to. Addresses are `local@domain`; order matters.

    `blocks` are the ids of the answer blocks whose text a draft began with, best first. They say where a text comes
    from and are no part of what is approved."""

    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    body: str
    attachments: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Over recipients, subject, body and attachments, each told apart."""
        parts = [self.to, self.cc, self.subject, self.body, self.attachments]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class DraftRevision:
    case_id: str
    revision: int
    content: DraftContent
    content_hash: str
    created_by: str  # user id, "system", or "mail_client": somebody in a mail program
    created_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    outbox_id: str | None = None
    beside: bool = False  # kept, but never the one that holds: another was written at the same time


@dataclass(frozen=True, slots=True)
class DraftCopy:
    """A mail in the Drafts folder that holds this revision. `with_files`: and attachments that are nowhere else."""

    ref: UidRef
    revision: int
    with_files: bool = False


@dataclass(frozen=True, slots=True)
class FolderBeside:
    """What is remembered of Drafts or Sent. `mailbox` and `name` say of which folder; `name` "" while there is none.

    `uid` is the highest one that was looked at, `messages` how many there were then. `trouble`: the code of a
    FolderRefused, or `no_uidplus`; "" when all goes well."""

    mailbox: str
    name: str = ""
    uidvalidity: int = 0
    uid: int = 0
    messages: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ApprovedReply:
    """A reply that somebody approved and that nobody took back. `sent_at` None while it did not leave."""

    outbox_id: str
    revision: int
    approved_at: datetime
    state: str  # of its outbox item
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class User:
    id: str
    username: str
    display_name: str
    role: str  # medewerker | trainee | toezichthouder | beheerder
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class AcknowledgementCounts:
    """For the budgets: how many acknowledgements were queued, by the database's knowledge."""

    to_address_today: int
    last_hour: int
    breaker_tripped: bool


@dataclass(frozen=True, slots=True)
class WatchedCase:
    """An open case whose clock may have changed state since it was last looked at; `told`: (kind, term) → when."""

    case: Case
    told: Mapping[tuple[str, str], datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StaleReading:
    """The newest assessment of a mail, made by another model than the one that judges now, with what it judged."""

    assessment_id: str
    case_id: str
    message_id: str
    received_at: datetime
    judged_at: datetime
    judged_text: str
    language: str
    unreadable: bool
