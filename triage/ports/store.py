"""Writing: one unit of work is one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from triage.core.actions import Acknowledge, Action
from triage.core.assessment import Assessment
from triage.core.block_use import BlockUse
from triage.core.case import Case, LinkKind, LinkState
from triage.core.mail import FetchedMail, LedgerOutcome, MessageKind, NoReplyReason, ParsedMail, UidRef
from triage.ports.mailbox import FolderUse
from triage.ports.stored import (
    AcknowledgementCounts,
    ApprovedReply,
    DraftContent,
    DraftCopy,
    DraftRevision,
    FolderBeside,
    FolderMark,
    KnownMessage,
    LedgerEntry,
    NewMessage,
    OutboxItem,
    SameText,
    SentCopy,
    SentLetter,
    SentMail,
    WatchedCase,
)


class UnitOfWork(Protocol):
    """One transaction. Commit on leaving the `with` block, roll back on an exception."""

    # ledger
    def folder_mark(self, folder: str, uidvalidity: int) -> FolderMark: ...
    def note_seen(self, folder: str, refs: Sequence[UidRef], *, at: datetime) -> Mapping[int, int]:
        """Ledger rows for these UIDs (made when new), attempts + 1; returns uid → attempts now, for those that have
        no outcome yet."""

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
        """Case ids that received or sent one of these Message-IDs (as `<id@host>`), in the order of the ids, for one
        id the oldest first; no repeats."""

    def messages_of_text(self, text_identity: str) -> Sequence[SameText]:
        """Received messages with this `core.conversation.text_identity`, oldest first, that have a case."""

    def messages_of_id(self, message_id: str) -> Sequence[SameText]:
        """Received messages with this Message-ID (as `<id@host>`), oldest first, that have a case."""

    def case_by_reference(self, reference: str) -> str | None: ...
    def contact_keys(self, case_id: str) -> frozenset[str]:
        """HMACs of the addresses that wrote in this case; compare with `address_key`."""

    def is_participant(self, case_id: str, address: str) -> bool:
        """Wrote in this case, was copied or named as reply address by who did, or got our reply."""

    def writes_for_others(self, case_id: str, address: str) -> bool:
        """This address wrote in this case, and each time one other reply address was named: a web form does so for its
        visitors, and says nothing of who writes next."""

    def add_thread_id(self, case_id: str, message_id: str, *, at: datetime) -> None:
        """A further Message-ID that belongs to this case."""

    # links between cases
    def propose_link(self, case_id: str, other_id: str, *, at: datetime) -> None:
        """`case_id` names the conversation of `other_id`; what was decided before stays."""

    def decide_link(
        self, case_id: str, other_id: str, kind: LinkKind, state: LinkState, *, by: str, at: datetime
    ) -> None:
        """What a person decided. The order of two cases of one client does not matter."""

    def link_state(self, case_id: str, other_id: str, kind: LinkKind) -> LinkState | None: ...
    def cases_beside(self, case_id: str) -> Sequence[str]:
        """Cases that named this one and were not merged with it."""

    def merged_into(self, case_id: str) -> str | None:
        """The case that took over the messages of this one."""

    def move_messages(self, case_id: str, to: str) -> int:
        """Messages, their assessments, notices, notes and ledger entries go to another case; how many messages."""

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
    def newest_assessments(self, case_id: str) -> frozenset[str]:
        """Ids of the newest assessment of each message of a case."""

    def people_decided(self, case_id: str) -> Mapping[str, datetime]:
        """Field (of `core.labels.FIELDS`) → when a person last corrected or confirmed it, in this case or in one that
        was joined to it."""

    # audit sample
    def cases_called_normal(self, begin: datetime, end: datetime) -> Sequence[str]:
        """Ids of cases that arrived in [begin, end), were judged by a model and never put in another band than normal,
        by machine or person; in their order. Without erased ones."""

    def draw_sample(self, week: str, case_ids: Sequence[str], *, population: int, at: datetime) -> bool:
        """False when this week was drawn before; then nothing is written."""

    def look_at_sample(self, case_id: str, *, by: str, at: datetime, found_urgent: bool) -> bool:
        """A person looked at a sampled case; False when nobody has to."""

    def add_decision(
        self, message_id: str | None, case_id: str | None, actions: Sequence[Action], *, at: datetime
    ) -> None:
        """`message_id` None: a second copy, which is not stored again."""

    # notices of secure mail
    def add_secure_notice(
        self, message_id: str, case_id: str, *, provider: str, open_before: datetime, named: bool
    ) -> None: ...
    def open_secure_notice(self, case_id: str, message_id: str, *, by: str, at: datetime) -> bool:
        """A person opened it: no reminder any more. False when it was opened before or is not of this case."""

    def notices_to_remind(self, *, before: datetime) -> Sequence[tuple[str, str]]:
        """(message id, case reference) of unopened notices that end before this moment and had no reminder."""

    def notice_reminded(self, message_id: str, *, at: datetime) -> None: ...

    def acknowledgement_counts(self, address: str, *, now: datetime) -> AcknowledgementCounts: ...
    def add_acknowledgement(
        self,
        case_id: str,
        *,
        at: datetime,
        outbox_id: str | None,
        reasons: Sequence[NoReplyReason],
        promised_for: datetime | None,
        promised_take_up: datetime | None = None,
        began_at: datetime | None = None,
        language: str | None = None,
        message_ids: Sequence[str] = (),
    ) -> None:
        """One row per case, ever: with `outbox_id` it was queued, else withheld for `reasons`. `began_at` is the
        arrival that started the term it promises."""

    def add_promise(self, case: Case, outbox_id: str, *, by: str, at: datetime) -> None:
        """A correction mail names the answer day that holds for the case now."""

    def promise_of(self, outbox_id: str) -> tuple[str, datetime] | None:
        """(case id, promised moment) of a correction mail."""

    def promise_bounced(self, outbox_id: str, *, at: datetime) -> None:
        """The mail that named a day came back; nothing happens for a mail that promised nothing."""

    def add_draft(
        self, case_id: str, content: DraftContent, *, by: str, at: datetime, beside: bool = False
    ) -> DraftRevision:
        """The next revision; drops nothing, voids an earlier approval by being newer. `beside`: kept for people to
        see; the one that held goes on holding. Of the machine's drafts it is counted which blocks stood in them."""

    def latest_draft(self, case_id: str) -> DraftRevision | None:
        """The revision that holds."""

    def drafts(self, case_id: str) -> Sequence[DraftRevision]:
        """All revisions: first the one that holds, then the others, newest first."""

    # drafts in the mailbox
    def draft_copy_due(self, case_id: str) -> None:
        """What stands of this case in the Drafts folder must be looked at. New revisions, approvals, and moves of the
        case say so by themselves."""

    def draft_copies_due(self, *, limit: int) -> Sequence[str]:
        """Ids of such cases, those first that have a copy there: an old text must not be sent."""

    def draft_copy_settled(self, case_id: str, *, holds: int | None) -> None:
        """The folder is as it must be while revision `holds` (None: no draft) belongs there; when another one does by
        now, the case stays due."""

    def revision_for_folder(self, case_id: str) -> DraftRevision | None:
        """The revision whose copy belongs in the Drafts folder: the one that holds, while the case is open and nobody
        approved it."""

    def draft_copies(self, case_id: str) -> Sequence[DraftCopy]: ...
    def all_draft_copies(self) -> frozenset[UidRef]: ...
    def keep_draft_copy(self, case_id: str, copy: DraftCopy) -> None: ...
    def forget_draft_copies(self, refs: Sequence[UidRef]) -> None: ...
    def folder_beside(self, use: FolderUse) -> FolderBeside | None: ...
    def keep_folder_beside(self, use: FolderUse, folder: FolderBeside) -> None: ...
    def note_folder_trouble(self, use: FolderUse, trouble: str) -> None:
        """Why nothing could be written to it, "" when it went well again; of a folder that was looked at."""

    # answers from the mail program
    def is_known_sent(self, case_id: str, message_id: str) -> bool:
        """A mail of ours with this Message-ID is in the conversation already."""

    def sent_in(self, case_id: str) -> Sequence[SentLetter]:
        """What we sent in this case."""

    def add_sent_message(
        self, case_id: str, mail: FetchedMail, parsed: ParsedMail, *, identity_key: str, sent_at: datetime, at: datetime
    ) -> None:
        """A mail that somebody sent from a mail program joins the conversation. Raises ConflictError when one of this
        identity is stored."""

    def asked_between(self, case_id: str, begin: datetime, end: datetime | None = None) -> bool:
        """Whether somebody else wrote in this case, by the server's moments, after `begin` and not after `end`."""

    def approved_replies(self, case_id: str) -> Sequence[ApprovedReply]: ...
    def is_erased(self, case_id: str) -> bool: ...
    def add_approval(
        self, case_id: str, revision: int, *, content_hash: str, by: str, at: datetime, outbox_id: str
    ) -> str:
        """The id of the approval."""

    def add_block_use(
        self, approval_id: str, case_id: str, used: Mapping[str, BlockUse], *, drafted: int, at: datetime
    ) -> None:
        """Block id → what staff left of it in this approved text, which began from the machine's revision `drafted`."""

    def release_answer(self, case_id: str, revision: int, *, by: str, at: datetime) -> bool:
        """The approved text of this revision may serve as an example, in the place of an earlier one of the case. False
        when it was not sent, or its case was erased."""

    def withdraw_answer(self, case_id: str) -> bool:
        """No text of this case is an example any more; False when none was."""

    def void_approval(self, case_id: str, revision: int, *, by: str, at: datetime) -> None: ...
    def add_outbox(self, item: OutboxItem, *, due_at: datetime, message_id: str, state: str = "due") -> None:
        """`message_id` is the mail's own Message-ID header, so that a reply to it finds the case. State "uncertain":
        it may have left already, a person decides."""

    def cancel_outbox(self, outbox_id: str) -> bool:
        """Removes the mail of this item, for all its recipients, while every one is `due` or `deferred` and nobody
        holds it; False when it is too late, and then nothing is removed."""

    def outbox_state(self, outbox_id: str) -> str | None: ...
    def copies_due(self, folder: str, uidvalidity: int, *, limit: int) -> Sequence[SentCopy]:
        """Replies and corrections that left and have no copy in the Sent folder yet, oldest first."""

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
    def set_judgement(self, case_id: str, assessment: Assessment) -> None:
        """Topics, sender type, language and doubt of a newer reading; laws and urgency go by `save_case`."""

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

    def add_alert(self, kind: str, *, term: str, at: datetime, case_id: str | None = None) -> bool:
        """Records a transition once per (kind, case, term); False when it was already there. `term`, at most 40
        characters, tells it from others of its kind: a clock (see `core.transitions`), a mail, a moment, a day."""

    def forget_alert(self, kind: str, *, term: str, case_id: str) -> None:
        """What was recorded of this term may be recorded anew. That it was told stays on record."""

    def watched_cases(self, *, now: datetime) -> Sequence[WatchedCase]:
        """Open cases that are not paused and are at risk or late, wait to be taken up, or of whose clocks something
        was told."""

    # outbox (relay)
    def reply_is_due(self, *, now: datetime) -> bool:
        """Whether a reply waits to be claimed."""

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
        its case (answered_at = now) when it is so for everyone in To. False when the lease was lost."""

    def expire_sending(self, *, now: datetime) -> Sequence[str]:
        """Items `sending` whose lease ran out become `uncertain`; returns their ids."""

    def recover_outbox(self, *, owner: str, now: datetime) -> Sequence[str]:
        """When this owner certainly sends nothing: its items `sending` become `uncertain` at once (their ids are
        returned), its leases on other items end, and their untried attempts do not count."""

    def hold_outbox(self, *, now: datetime) -> Sequence[str]:
        """All but alerts that waits becomes `uncertain`: the database is older than what was sent."""

    def withhold_queued(self, reason: NoReplyReason, *, owner: str, at: datetime) -> int:
        """Acknowledgements that wait and that no other node holds are withheld for good; how many."""

    def decided_acknowledgement(self, item: OutboxItem) -> Acknowledge:
        """The decision that a queued acknowledgement was written for. Raises NotFound."""

    def renew_acknowledgement(
        self,
        item_id: str,
        *,
        raw: bytes,
        promised_for: datetime | None,
        promised_take_up: datetime | None,
        began_at: datetime,
        owner: str,
        now: datetime,
    ) -> bool:
        """Puts newer words, and what they promise, in the place of those of an acknowledgement that certainly did not
        leave. False when it is not leased to `owner` or may be on its way; then nothing changes."""

    def withhold_acknowledgement(self, item_id: str, reason: NoReplyReason, *, owner: str, now: datetime) -> bool:
        """One that certainly did not leave is withheld for good. False under the same conditions."""

    def mend_waits(self, *, now: datetime, longest: timedelta, lease: timedelta) -> None:
        """After the clock was set back: all but alerts that would wait for more than `longest` comes up soon, and so do
        leases that would last longer."""

    def release_uncertain(self, item_id: str, *, now: datetime) -> bool:
        """uncertain or refused → due again with the same Message-ID, by a person's wish."""

    # operation
    def release_quarantined(self, row_id: str, *, now: datetime) -> bool:
        """The ledger entry loses its outcome and its attempts but one, so that the next poll tries it alone again;
        the bytes stay until it has another outcome. False when it is not in quarantine."""

    def keep_mail(self, folder: str, mail: FetchedMail, *, error: str, at: datetime) -> None:
        """The bytes of a mail that failed and is tried again, sealed; it has no outcome yet. They stay until it has
        one, so that a mail that meanwhile leaves the folder is not lost. `error` is a class name, no text."""

    def kept_mail(self, folder: str, ref: UidRef) -> FetchedMail | None:
        """A mail that failed, or is quarantined, from its kept bytes, for when the server does not have it any more."""

    def retire_unfinished(self, folder: str, *, uidvalidity: int, at: datetime) -> None:
        """Unfinished entries of another UIDVALIDITY become `gone`: their mails come back under new UIDs."""

    def sent_mails(self, message_ids: Sequence[str]) -> Sequence[SentMail]:
        """Mails of ours that have one of these Message-IDs, in the order of the ids."""

    def last_sent(self, case_id: str) -> SentMail | None:
        """What went out last in this case: what a person sent, else the acknowledgement."""

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
