"""What the services need from the outside world, named after the need. `bootstrap.py` says who fills which port.

Every port has a contract test that runs on each of its adapters. Ports are synchronous except `MailSender`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from triage.core.actions import Action
from triage.core.assessment import Assessment, Band, Urgency, Verdict
from triage.core.case import Case, CaseState, WaitingFor
from triage.core.mail import FetchedMail, LedgerOutcome, MessageKind, NoReplyReason, ParsedMail, UidRef

Clock = Callable[[], datetime]
"""Gives the current moment, aware UTC."""


# ---------------------------------------------------------------- mailbox


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """What the server says of the folder (RFC 9051 §6.3.11)."""

    uidvalidity: int
    uidnext: int
    messages: int


class Mailbox(Protocol):
    """One IMAP folder on a held connection. Never sets `\\Seen`, never moves or deletes.

    Every call raises MailboxUnavailable when the connection is lost (the next call reconnects) and is
    safe to repeat. Not thread-safe: one job holds it at a time.
    """

    name: str
    """Identifies account and folder in the ledger; holds no personal data of senders."""

    def status(self) -> FolderStatus:
        """Current UIDVALIDITY, UIDNEXT and MESSAGES; refreshes the view of the folder."""

    def uids(self) -> Sequence[int]:
        """All UIDs in the folder, ascending (for the full comparison)."""

    def uids_above(self, uid: int) -> Sequence[int]:
        """UIDs greater than `uid`, ascending. Never the last old one (RFC 9051 §6.4.9)."""

    def fetch(self, uids: Sequence[int]) -> Iterator[FetchedMail]:
        """The mails of these UIDs, as far as they still exist; sizes are asked first, mails above the
        configured limit come as headers and text part with `complete=False`. Bounded memory: batches by bytes."""

    def mark(self, uids: Sequence[int], *, keywords: Sequence[str] = (), flags: Sequence[str] = ()) -> None:
        """Adds keywords and system flags in one STORE per call; UIDs that are gone are no error.
        Keywords the server cannot keep (PERMANENTFLAGS without `\\*`) are left out."""

    def append_sent(self, raw: bytes, *, at: datetime) -> None:
        """Puts a copy of a sent reply in the Sent folder (SPECIAL-USE, configured name as fall-back)."""

    def close(self) -> None:
        """Logs out; never raises."""


# ---------------------------------------------------------------- sending


@dataclass(frozen=True, slots=True)
class Envelope:
    """RFC 5321 §3.3: `reverse_path` "" is the null one."""

    reverse_path: str
    forward_path: str


class MailSession(Protocol):
    async def prepare(self, envelope: Envelope, *, raw: bytes = b"") -> None:
        """MAIL and RCPT; with `raw` the server is told its size and that it holds 8-bit text.
        Raises DeliveryDeferred or DeliveryRefused: certainly not sent."""

    async def data(self, raw: bytes) -> None:
        """DATA to the final reply; returns when the server accepted. Raises DeliveryDeferred (4yz),
        DeliveryRefused (5yz) or DeliveryUncertain (no reply). Only after `prepare` succeeded."""


class MailSender(Protocol):
    def session(self) -> AbstractAsyncContextManager[MailSession]:
        """A connection from a small pool. Raises SenderUnavailable when none can be had."""

    async def close(self) -> None: ...


# ---------------------------------------------------------------- judgement


class Classifier(Protocol):
    model_id: str

    def verdicts(self, texts: Sequence[str]) -> Sequence[Verdict]:
        """One verdict per text (subject, blank line, new text), same order. Pure; may raise anything."""


# ---------------------------------------------------------------- store


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
class OutboxItem:
    """A mail to send. `raw` is complete, CRLF, with fixed Message-ID and Date."""

    id: str
    kind: str  # acknowledgement | reply | alert
    case_id: str | None
    envelope: Envelope
    raw: bytes
    attempts: int
    created_at: datetime
    null_reverse_path_fallback: str = ""


@dataclass(frozen=True, slots=True)
class SentCopy:
    """A reply that left and is not yet in the Sent folder; the UIDs are those of the questions it answers."""

    outbox_id: str
    raw: bytes
    sent_at: datetime
    question_uids: tuple[int, ...]


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


@dataclass(frozen=True, slots=True)
class DraftContent:
    """What an approval binds to. Addresses are `local@domain`; order matters."""

    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    body: str
    attachments: tuple[str, ...] = ()

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
    created_by: str  # user id, or "system"
    created_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    outbox_id: str | None = None


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
    """An open case whose clock may have changed state since it was last looked at."""

    case: Case
    alerted: frozenset[str] = field(default_factory=frozenset)


class UnitOfWork(Protocol):
    """One transaction. Commit on leaving the `with` block, roll back on an exception."""

    # ledger
    def folder_mark(self, folder: str, uidvalidity: int) -> FolderMark: ...
    def note_seen(self, folder: str, refs: Sequence[UidRef], *, at: datetime) -> Mapping[int, int]:
        """Ledger rows for these UIDs (made when new), attempts + 1; returns uid → attempts now."""

    def forgive_attempts(self, folder: str, refs: Sequence[UidRef]) -> None:
        """Takes the attempt back: the server went away, the mail did nothing wrong."""

    def unfinished(self, folder: str, uidvalidity: int) -> Sequence[LedgerEntry]: ...
    def known_uids(self, folder: str, uidvalidity: int) -> frozenset[int]: ...
    def mark_gone(self, folder: str, refs: Sequence[UidRef], *, at: datetime) -> None:
        """Expunged before it could be fetched: outcome `gone`; entries that have an outcome keep it."""

    def mark_absent(self, folder: str, refs: Sequence[UidRef], *, at: datetime) -> None:
        """No longer in the folder, though it has its outcome: keeps the comparison true."""

    def compared(self, folder: str, uidvalidity: int, *, at: datetime) -> None: ...
    def record_outcome(
        self,
        folder: str,
        ref: UidRef,
        outcome: LedgerOutcome,
        *,
        at: datetime,
        rule: str = "",
        message_id: str | None = None,
        case_id: str | None = None,
    ) -> None: ...
    def quarantine(
        self,
        folder: str,
        ref: UidRef,
        *,
        raw: bytes | None,
        size: int,
        error: str,
        at: datetime,
        internal_date: datetime | None,
    ) -> None:
        """Sets the outcome `quarantined` and keeps the bytes sealed. `error` is a class name, no text."""

    def courtesy_due(self, folder: str, uidvalidity: int, *, limit: int) -> Sequence[tuple[int, bool]]:
        """(uid, urgent) of finished entries whose `$Triaged` keyword is not yet set."""

    def courtesy_done(self, folder: str, uidvalidity: int, uids: Sequence[int]) -> None: ...

    # messages and cases
    def message_by_identity(self, identity_key: str) -> KnownMessage | None: ...
    def cases_by_message_ids(self, message_ids: Sequence[str]) -> Sequence[str]:
        """Case ids that received or sent one of these Message-IDs (as `<id@host>`), oldest first, no repeats."""

    def case_by_reference(self, reference: str) -> str | None: ...
    def contact_keys(self, case_id: str) -> frozenset[str]:
        """HMACs of the addresses that wrote in this case; compare with `address_key`."""

    def address_key(self, address: str) -> str: ...
    def token_is_valid(self, reference: str, check_code: str) -> bool: ...
    def next_reference(self, *, arrived: datetime) -> tuple[str, str]:
        """(reference, check code); the number is unique within its year (Europe/Amsterdam)."""

    def case(self, case_id: str, *, for_update: bool = False) -> Case:
        """Raises NotFound."""

    def add_message(self, message: NewMessage, *, case_id: str | None) -> None: ...
    def add_case(
        self,
        case: Case,
        *,
        kind: MessageKind,
        assessment: Assessment,
        subject: str,
        contact_name: str,
        contact_address: str,
        no_reply_rule: str,
        backlog: bool,
        channel: str = "mail",
    ) -> None:
        """`backlog`: taken in after an outage, the term was already running."""

    def save_case(self, case: Case) -> None:
        """Writes every field; raises ConflictError unless `case.version` is the stored one, which then grows by one."""

    def add_assessment(self, message_id: str, case_id: str, assessment: Assessment, *, at: datetime) -> None: ...
    def add_decision(
        self, message_id: str | None, case_id: str | None, actions: Sequence[Action], *, at: datetime
    ) -> None:
        """`message_id` None: a second copy, which is not stored again."""

    def acknowledgement_counts(self, address: str, *, now: datetime) -> AcknowledgementCounts: ...
    def add_acknowledgement(
        self,
        case_id: str,
        *,
        at: datetime,
        outbox_id: str | None,
        reasons: Sequence[NoReplyReason],
        promised_for: datetime | None,
        message_ids: Sequence[str] = (),
    ) -> None:
        """One row per case, ever: with `outbox_id` it was queued, else withheld for `reasons`."""

    def add_draft(self, case_id: str, content: DraftContent, *, by: str, at: datetime) -> DraftRevision:
        """The next revision; drops nothing, voids an earlier approval by being newer."""

    def latest_draft(self, case_id: str) -> DraftRevision | None: ...
    def add_approval(
        self, case_id: str, revision: int, *, content_hash: str, by: str, at: datetime, outbox_id: str
    ) -> None: ...
    def void_approval(self, case_id: str, revision: int, *, by: str, at: datetime) -> None: ...
    def add_outbox(self, item: OutboxItem, *, due_at: datetime, message_id: str) -> None:
        """`message_id` is the mail's own Message-ID header, so that a reply to it finds the case."""

    def cancel_outbox(self, outbox_id: str) -> bool:
        """Removes the mail of this item, for all its recipients, while every one is `due` or `deferred` and nobody
        holds it; False when it is too late, and then nothing is removed."""

    def outbox_state(self, outbox_id: str) -> str | None: ...
    def copies_due(self, folder: str, uidvalidity: int, *, limit: int) -> Sequence[SentCopy]:
        """Replies that left and have no copy in the Sent folder yet, oldest first."""

    def copy_done(self, outbox_id: str, *, at: datetime) -> None: ...

    def set_assignee(self, case_id: str, user_id: str | None) -> None: ...
    def add_correction(
        self,
        case_id: str,
        message_id: str,
        *,
        by: str,
        at: datetime,
        field: str,
        before: Sequence[str],
        after: Sequence[str],
    ) -> None: ...
    def add_note(self, case_id: str, text: str, *, by: str, at: datetime) -> None: ...
    def audit(
        self,
        action: str,
        *,
        at: datetime,
        actor: str,
        case_id: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        """`actor` is a user id or "system". `details` hold codes, ids and counts only, no personal data."""

    def add_alert(self, kind: str, *, case_id: str | None, at: datetime) -> bool:
        """Records an alert once per (kind, case, running term); False when it was already there."""

    def watched_cases(self, *, now: datetime) -> Sequence[WatchedCase]: ...

    # outbox (relay)
    def claim_outbox(self, *, owner: str, now: datetime, lease: timedelta, limit: int) -> Sequence[OutboxItem]: ...
    def mark_sending(
        self, item_ids: Sequence[str], *, owner: str, now: datetime, lease: timedelta | None = None
    ) -> frozenset[str]:
        """due → sending for items still leased to `owner`; returns those that are. `lease` begins anew."""

    def record_delivery(
        self,
        item_id: str,
        *,
        owner: str,
        state: str,
        now: datetime,
        due_at: datetime | None = None,
        reply_code: int | None = None,
        enhanced_status: str | None = None,
    ) -> bool:
        """Outcome sent | deferred | refused | uncertain, only while leased to `owner`. `sent` of a reply answers
        its case (answered_at = now). False when the lease was lost."""

    def expire_sending(self, *, now: datetime) -> Sequence[str]:
        """Items `sending` whose lease ran out become `uncertain`; returns their ids."""

    def recover_outbox(self, *, owner: str, now: datetime) -> Sequence[str]:
        """When this owner certainly sends nothing: its items `sending` become `uncertain` at once (their ids are
        returned), its leases on other items end, and their untried attempts do not count."""

    def release_uncertain(self, item_id: str, *, now: datetime) -> bool:
        """uncertain or refused → due again with the same Message-ID, by a person's wish."""

    # operation
    def release_quarantined(self, row_id: str, *, now: datetime) -> bool:
        """The ledger entry loses its outcome and its attempts but one, so that the next poll tries it alone again;
        the bytes stay until it has another outcome. False when it is not in quarantine."""

    def kept_mail(self, folder: str, ref: UidRef) -> FetchedMail | None:
        """A quarantined mail from its kept bytes, for when the server does not have it any more."""

    def retire_unfinished(self, folder: str, *, uidvalidity: int, at: datetime) -> None:
        """Unfinished entries of another UIDVALIDITY become `gone`: their mails come back under new UIDs."""

    def sent_kinds(self, message_ids: Sequence[str]) -> frozenset[str]:
        """Kinds of our own mails (acknowledgement, reply, alert) that have one of these Message-IDs."""

    def release_lease(self, name: str, *, owner: str, now: datetime) -> None: ...
    def forget_hourly_count(self) -> None:
        """The hourly budget of acknowledgements starts anew: a person released the breaker."""

    def lease(self, name: str, *, owner: str, now: datetime, ttl: timedelta) -> bool:
        """True when this owner holds (or takes over) the named lease."""

    def job_ran(self, name: str, *, at: datetime, ok: bool, error: str = "") -> None: ...
    def fact(self, name: str) -> str | None:
        """A small remembered value, such as `live_since`."""

    def set_fact(self, name: str, value: str) -> None: ...
    def erase_case(self, case_id: str, *, by: str, at: datetime) -> None:
        """Removes every sealed value of the case and its messages; counted figures and a tombstone stay."""


class Store(Protocol):
    def begin(self) -> AbstractContextManager[UnitOfWork]:
        """Raises StoreUnavailable when the database cannot be reached or written."""

    def close(self) -> None: ...


# ---------------------------------------------------------------- read side (screens, reports)


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One line of the Werkvoorraad."""

    reference: str
    subject: str
    contact: str
    state: CaseState
    waiting_for: WaitingFor | None
    laws: tuple[str, ...]
    laws_unclear: bool
    urgency: Urgency
    band: Band
    danger: bool
    topics: tuple[str, ...]
    arrived_at: datetime
    take_up_due: datetime | None
    answer_due: datetime
    taken_up_at: datetime | None
    assignee: str | None  # display name
    clock_state: str
    kind: MessageKind


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """`which` "open" or "no_reply_needed" or "ended" or "all"; the rest narrow it. `mine` is a user id."""

    which: str = "open"
    law: str | None = None
    urgency: str | None = None
    state: str | None = None
    topic: str | None = None
    mine: str | None = None
    unassigned: bool = False
    clock: str | None = None  # due_today | at_risk | breached | urgent_not_taken_up | take_up_breached
    page: int = 1
    page_size: int = 25


@dataclass(frozen=True, slots=True)
class Supervision:
    """The numbers of Toezicht, now."""

    open: int
    due_today: int
    at_risk: int
    breached: int
    urgent_not_taken_up: int
    uncertain: int
    refused: int
    quarantined: int
    unaccounted: int


@dataclass(frozen=True, slots=True)
class MessageView:
    """A stored message for the screen: unsealed. `direction` is "in" or "out"."""

    id: str
    direction: str
    kind: MessageKind
    arrived_at: datetime
    subject: str
    from_name: str
    from_address: str
    sent_by: str  # Sender header when it differs from From, else ""
    originally_from: str  # of a forwarded mail, else ""
    to: tuple[str, ...]
    reply_to: tuple[str, ...]
    text: str
    new_text: str
    html: str  # as sent: unsafe until cleaned
    attachments: tuple[tuple[str, str, int], ...]  # (filename, content type, bytes)
    defects: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class AcknowledgementView:
    """`state` is the outbox state, or "withheld"."""

    state: str
    reasons: tuple[str, ...]
    decided_at: datetime
    promised_for: datetime | None
    sent_at: datetime | None
    reply_code: int | None
    outbox_id: str | None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    id: str
    kind: str
    state: str
    reference: str | None
    created_at: datetime
    due_at: datetime
    attempts: int
    sent_at: datetime | None
    reply_code: int | None
    enhanced_status: str | None


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    id: str
    uid: int
    size: int
    error: str
    at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class AuditRow:
    at: datetime
    actor: str  # display name, or "system"
    action: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class NoteRow:
    at: datetime
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class CasePage:
    """Everything Zaak shows. `messages` oldest first, `drafts` newest revision first."""

    case: Case
    kind: MessageKind
    channel: str
    backlog: bool
    no_reply_rule: str
    contact_name: str
    contact_address: str
    assignee_name: str | None
    messages: tuple[MessageView, ...]
    assessment: Assessment | None  # the newest one, as the machine made it
    topics: tuple[str, ...]
    laws_unclear: bool
    acknowledgement: AcknowledgementView | None
    drafts: tuple[DraftRevision, ...]
    outbox: tuple[OutboxRow, ...]
    notes: tuple[NoteRow, ...]
    timeline: tuple[AuditRow, ...]


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """Counts per outcome over all folders; `unaccounted` = entries without one."""

    outcomes: Mapping[str, int]
    unaccounted: int
    received: int


@dataclass(frozen=True, slots=True)
class JobHealth:
    name: str
    last_started: datetime | None
    last_succeeded: datetime | None
    last_error: str
    last_error_at: datetime | None


class Queries(Protocol):
    """Read-only views; never take a write lock."""

    def worklist(self, wanted: CaseFilter, *, now: datetime) -> tuple[Sequence[CaseRow], int]:
        """One page, urgent and dangerous on top, then by due time; and the total number."""

    def supervision(self, *, now: datetime, today_ends: datetime) -> Supervision: ...
    def case_page(self, reference: str) -> CasePage:
        """Raises NotFound."""

    def raw_message(self, message_id: str) -> bytes: ...
    def thread_ids(self, reference: str) -> Sequence[str]:
        """Well-formed Message-IDs of the mails received in a case, oldest first, for References."""

    def outbox(self, *, states: Sequence[str], limit: int = 200) -> Sequence[OutboxRow]: ...
    def quarantined(self) -> Sequence[QuarantineRow]: ...
    def ledger(self) -> LedgerSummary: ...
    def withheld(self, *, limit: int = 200) -> Sequence[tuple[str, AcknowledgementView]]:
        """(reference, view) of acknowledgements withheld, newest first."""

    def health(self) -> Sequence[JobHealth]: ...
    def demo_summary(self) -> Mapping[str, int]:
        """The counts of `demo --once --json` (`product.md` section 9)."""


# ---------------------------------------------------------------- accounts


@dataclass(frozen=True, slots=True)
class Credentials:
    user: User
    password_hash: str
    totp_secret: str | None  # base32; None while the second factor is not set up
    totp_last_step: int  # a TOTP step is used once


class Accounts(Protocol):
    def add(self, *, username: str, display_name: str, role: str, password_hash: str, at: datetime) -> User:
        """Raises ConflictError when the name is taken."""

    def by_username(self, username: str) -> Credentials | None: ...
    def by_id(self, user_id: str) -> User | None: ...
    def all(self) -> Sequence[User]: ...
    def set_password(self, user_id: str, password_hash: str) -> None: ...
    def set_disabled(self, user_id: str, disabled: bool) -> None: ...
    def set_totp(self, user_id: str, secret: str | None) -> None: ...
    def use_totp_step(self, user_id: str, step: int) -> bool:
        """True once per step; False when this or a later step was used before."""

    def note_failure(self, key: str, *, at: datetime) -> None:
        """`key` is an HMAC of username or client address."""

    def failures(self, key: str, *, since: datetime) -> int: ...
    def clear_failures(self, key: str) -> None: ...
    def load_session(self, session_id: str, *, now: datetime) -> bytes | None: ...
    def save_session(self, session_id: str, data: bytes, *, expires_at: datetime, user_id: str | None) -> None: ...
    def delete_session(self, session_id: str) -> None: ...
    def delete_sessions_of(self, user_id: str) -> None: ...
