"""The draft in the mailbox's Drafts folder: put there, followed when people edit it, replaced, taken away.

The folder is read before it is written to, so that an edit is never overwritten. A mail program saves an edited draft
as a new mail and often drops our mark: what counts is the text. One that says what a revision of the case says is that
revision, whoever put it there; another text is a new revision by somebody in a mail program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from triage.core.case import OPEN_STATES, Case
from triage.core.draft_copy import MAIL_CLIENT, is_forward, letter_of
from triage.core.mail import FetchedMail, ParsedMail, UidRef, without_plus
from triage.core.parse import parse_mail
from triage.core.sla import SlaRules
from triage.errors import FolderRefused, Retryable
from triage.logs import get_logger
from triage.ports import (
    Clock,
    DraftContent,
    DraftCopy,
    DraftRevision,
    FolderBeside,
    FolderUse,
    Mailbox,
    Queries,
    Store,
    UnitOfWork,
)
from triage.services.casework import taken_up
from triage.services.client_threads import case_of, reaches_sender, valid_mark
from triage.services.letters import Letters

_MOST_READ = 100
_MOST_AT_FIRST = 500
_MOST_PLACED = 20
_MACHINE_OR_CLIENT = frozenset({"system", MAIL_CLIENT})


class DraftFolder:
    """Reads and writes the Drafts folder. Held by the one job that holds the mailbox."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        store: Store,
        queries: Queries,
        letters: Letters,
        rules: SlaRules,
        clock: Clock,
        own_addresses: Sequence[str],
        writing: bool,
    ) -> None:
        """`writing` False (shadow mode): the folder is read and nothing is put into it or taken from it."""
        self._mailbox, self._store, self._queries, self._letters = mailbox, store, queries, letters
        self._rules, self._clock, self._writing = rules, clock, writing
        self._own = frozenset(without_plus(address) for address in own_addresses)

    def follow_once(self) -> None:
        """Reads what changed, then brings the copies up to date. Safe to repeat; raises MailboxUnavailable."""
        self._read()
        if self._writing:
            self._bring_up_to_date()

    # ---------------------------------------------------------------- reading

    def _read(self) -> None:
        found = self._mailbox.find_beside(FolderUse.DRAFTS)
        with self._store.begin() as uow:
            kept = uow.folder_beside(FolderUse.DRAFTS) or FolderBeside(self._mailbox.name)
            known = uow.all_draft_copies()
        if found is None:
            with self._store.begin() as uow:
                uow.forget_draft_copies(sorted(known, key=lambda ref: ref.uid))
                uow.keep_folder_beside(FolderUse.DRAFTS, replace(kept, name="", uid=0, messages=0))
            return
        status = found.status
        place = (self._mailbox.name, found.name, status.uidvalidity)
        is_new = (kept.mailbox, kept.name, kept.uidvalidity) != place
        if not is_new and (kept.uid, kept.messages) == (status.uidnext - 1, status.messages):
            return
        uids = self._mailbox.uids_beside(FolderUse.DRAFTS)
        fresh = [uid for uid in uids if is_new or uid > kept.uid]
        unread = fresh[-_MOST_AT_FIRST:] if is_new else fresh[:_MOST_READ]
        self._follow([uid for uid in unread if UidRef(status.uidvalidity, uid) not in known])
        all_read = is_new or len(unread) == len(fresh)
        folder = FolderBeside(
            *place,
            uid=status.uidnext - 1 if all_read else unread[-1],
            messages=status.messages if all_read else -1,
            trouble=kept.trouble,
        )
        there = {UidRef(status.uidvalidity, uid) for uid in uids}
        with self._store.begin() as uow:  # after the new ones: an edit replaces the copy it was made from
            uow.forget_draft_copies([ref for ref in known if ref not in there])
            uow.keep_folder_beside(FolderUse.DRAFTS, folder)

    def _follow(self, uids: Sequence[int]) -> None:
        if not uids:
            return
        heads = self._mailbox.headers_beside(FolderUse.DRAFTS, uids)
        with self._store.begin() as uow:
            wanted = [uid for uid, head in heads.items() if case_of(uow, parse_mail(head)) is not None]
        for fetched in self._mailbox.fetch_beside(FolderUse.DRAFTS, wanted) if wanted else ():
            try:
                self._follow_draft(fetched)
            except Retryable:
                raise
            except Exception as exc:  # one draft that cannot be read must not hide the others; it stays in the folder
                get_logger().error("draft_not_followed", uid=fetched.ref.uid, exc_info=exc)

    def _follow_draft(self, fetched: FetchedMail) -> None:
        mail, now = parse_mail(fetched.raw), self._clock()
        with_files = bool(mail.attachments) or not fetched.complete
        with self._store.begin() as uow:
            case_id = case_of(uow, mail)
            if case_id is None:
                return
            case = uow.case(case_id, for_update=True)
            revisions = uow.drafts(case_id)
            same = next((one for one in revisions if letter_of(mail) == self._letter_of(one, case)), None)
            if same is not None:
                uow.keep_draft_copy(case_id, DraftCopy(fetched.ref, same.revision, with_files))
                uow.draft_copy_due(case_id)
                return
            is_ours = valid_mark(uow, mail) is not None
            is_reply = is_ours or (reaches_sender(uow, case_id, mail, self._own) and not is_forward(mail))
            if case.state not in OPEN_STATES or not is_reply:
                return  # a next mail after the answer, or one to a colleague: theirs alone
            revision = self._keep_edit(uow, case, mail, fetched.internal_date, now)
            uow.keep_draft_copy(case_id, DraftCopy(fetched.ref, revision.revision, with_files))
            details = {"revision": revision.revision, "attachments": len(mail.attachments)}
            uow.audit("draft_edited_in_client", at=now, actor=MAIL_CLIENT, case_id=case_id, details=details)
            changed = taken_up(case, max(case.arrived_at, min(fetched.internal_date, now)), self._rules)
            if changed != case:
                uow.save_case(changed)

    def _letter_of(self, revision: DraftRevision, case: Case) -> object:
        """As our own copy of it reads back, so that what the way there changes is no difference."""
        raw, _ = self._copy_of(revision, case, (), self._clock())
        return letter_of(parse_mail(raw))

    def _keep_edit(
        self, uow: UnitOfWork, case: Case, mail: ParsedMail, written_at: datetime, now: datetime
    ) -> DraftRevision:
        """The text as a revision: the one that holds, unless the browser's text is newer or on its way already."""
        latest = uow.latest_draft(case.id)
        content = DraftContent(
            to=tuple(one.address for one in mail.to),
            cc=tuple(one.address for one in mail.cc),
            subject=mail.subject,
            body=mail.text,
            attachments=latest.content.attachments if latest else (),
        )
        if latest is None:
            return uow.add_draft(case.id, content, by=MAIL_CLIENT, at=now)
        mark = valid_mark(uow, mail)
        held = [copy.revision for copy in uow.draft_copies(case.id)]
        began_from = mark.revision if mark else max(held, default=0)
        parted = latest.created_by not in _MACHINE_OR_CLIENT and began_from != latest.revision
        holds = not parted or written_at >= latest.created_at.replace(microsecond=0)
        if holds and latest.outbox_id is not None:
            if uow.cancel_outbox(latest.outbox_id):
                uow.void_approval(case.id, latest.revision, by=MAIL_CLIENT, at=now)
            elif uow.outbox_state(latest.outbox_id) in ("due", "sending", "deferred"):
                holds, parted = False, True
        revision = uow.add_draft(case.id, content, by=MAIL_CLIENT, at=now, beside=not holds)
        if parted:
            newest = revision if holds else latest
            details = {"revision": revision.revision, "holds": newest.revision}
            uow.audit("draft_edited_twice", at=now, actor="system", case_id=case.id, details=details)
        return revision

    # ---------------------------------------------------------------- writing

    def _bring_up_to_date(self) -> None:
        with self._store.begin() as uow:
            due = uow.draft_copies_due(limit=_MOST_PLACED)
        trouble = ""
        for case_id in due:
            try:
                trouble = self._place(case_id) or trouble
            except FolderRefused as exc:  # the next case may only have something to take away
                trouble = exc.code
                get_logger().warning("draft_not_kept", case_id=case_id, reason=exc.code, hint=str(exc))
            except Retryable:
                raise
            except Exception as exc:  # one case must not keep the others from their copy
                get_logger().error("draft_not_placed", case_id=case_id, exc_info=exc)
        if due:
            with self._store.begin() as uow:
                uow.note_folder_trouble(FolderUse.DRAFTS, trouble)

    def _place(self, case_id: str) -> str:
        """One case's copies: the text that holds once, no other. The code of what could not be done, else ""."""
        now = self._clock()
        with self._store.begin() as uow:
            case = uow.case(case_id)
            wanted = uow.revision_for_folder(case_id)
            copies = uow.draft_copies(case_id)
        keep = next((copy for copy in copies if wanted and copy.revision == wanted.revision), None)
        old = [copy.ref for copy in copies if copy is not keep and not copy.with_files]
        expunged = True
        if old:  # first: an old text must not be sent, whatever becomes of the new one
            expunged = self._mailbox.remove_drafts(old)
            with self._store.begin() as uow:
                uow.forget_draft_copies(old)
        if wanted is not None and keep is None:
            raw, message_id = self._copy_of(wanted, case, self._queries.thread_ids(case.reference), now)
            ref = self._mailbox.append_draft(raw, at=now)
            with self._store.begin() as uow:
                uow.add_thread_id(case_id, message_id, at=now)
                if ref is not None:
                    uow.keep_draft_copy(case_id, DraftCopy(ref, wanted.revision))
        with self._store.begin() as uow:
            uow.draft_copy_settled(case_id, holds=wanted.revision if wanted else None)
        return "" if expunged else "no_uidplus"

    def _copy_of(self, revision: DraftRevision, case: Case, thread: Sequence[str], now: datetime) -> tuple[bytes, str]:
        return self._letters.draft_copy(revision.content, case=case, revision=revision.revision, thread=thread, now=now)
