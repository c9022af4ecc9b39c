"""What the services need from the outside world, named after the need. `bootstrap.py` says who fills which port.

Every port has a contract test that runs on each of its adapters. Ports are synchronous except `MailSender`.
"""

from __future__ import annotations

from triage.ports.accounts import Accounts, Credentials
from triage.ports.clock import Clock
from triage.ports.judgement import Classifier
from triage.ports.mailbox import FolderStatus, KeptTokens, Mailbox, TokenSource, TokenState, TokenStore
from triage.ports.proof import AcknowledgementFact, FolderLedger, LedgerFact, OutboxFacts, Proof, SealedFacts
from triage.ports.queries import (
    AcknowledgementView,
    AuditRow,
    CaseFilter,
    CaseLink,
    CasePage,
    CaseRow,
    FeedbackRow,
    GoLive,
    JobHealth,
    JudgedRow,
    LedgerSummary,
    MessageView,
    NoteRow,
    NoticeRow,
    OutboxRow,
    QuarantineRow,
    Queries,
    SameClient,
    Supervision,
)
from triage.ports.sending import Envelope, MailSender, MailSession, MarkFile, SendingMark
from triage.ports.store import Store, UnitOfWork
from triage.ports.stored import (
    AcknowledgementCounts,
    DraftContent,
    DraftRevision,
    FolderMark,
    KnownMessage,
    LedgerEntry,
    NewMessage,
    OutboxItem,
    SameText,
    SentCopy,
    SentMail,
    User,
    WatchedCase,
)

__all__ = [
    "Accounts",
    "AcknowledgementCounts",
    "AcknowledgementFact",
    "AcknowledgementView",
    "AuditRow",
    "CaseFilter",
    "CaseLink",
    "CasePage",
    "CaseRow",
    "Classifier",
    "Clock",
    "Credentials",
    "DraftContent",
    "DraftRevision",
    "Envelope",
    "FeedbackRow",
    "FolderLedger",
    "FolderMark",
    "FolderStatus",
    "GoLive",
    "JobHealth",
    "JudgedRow",
    "KeptTokens",
    "KnownMessage",
    "LedgerEntry",
    "LedgerFact",
    "LedgerSummary",
    "MailSender",
    "MailSession",
    "Mailbox",
    "MarkFile",
    "MessageView",
    "NewMessage",
    "NoteRow",
    "NoticeRow",
    "OutboxFacts",
    "OutboxItem",
    "OutboxRow",
    "Proof",
    "QuarantineRow",
    "Queries",
    "SameClient",
    "SameText",
    "SealedFacts",
    "SendingMark",
    "SentCopy",
    "SentMail",
    "Store",
    "Supervision",
    "TokenSource",
    "TokenState",
    "TokenStore",
    "UnitOfWork",
    "User",
    "WatchedCase",
]
