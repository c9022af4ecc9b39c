"""Answers that people sent from their own mail program: found in the Sent folder, linked, counted (`product.md` 3.11).

The first look at a folder begins with what comes after it. Of a mail only its header is read until it is known to
belong to a case. Nothing is written to the folder, so this runs in shadow mode as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from triage.core.case import answered
from triage.core.draft_copy import MAIL_CLIENT, words_of
from triage.core.mail import FetchedMail, ParsedMail, without_plus
from triage.core.parse import parse_mail
from triage.core.sla import SlaRules, is_paused, resume
from triage.errors import Retryable
from triage.logs import get_logger
from triage.ports import ApprovedReply, Clock, FolderBeside, FolderUse, FoundFolder, Mailbox, Store, UnitOfWork
from triage.services.casework import taken_up
from triage.services.client_threads import case_of, reaches_sender
from triage.services.taking_in import identity_key

_BATCH = 50
_MOST_PER_LOOK = 500
_READ_AGAIN = 200  # after another UIDVALIDITY: what we know already is left out by its Message-ID
_ONE_SENDING = timedelta(hours=1)
_TWICE_WITHIN = timedelta(hours=24)
_ON_THE_WAY = frozenset({"due", "deferred", "sending", "sent", "uncertain"})


class SentThere:
    """Reads the Sent folder. Held by the one job that holds the mailbox."""

    def __init__(
        self, *, mailbox: Mailbox, store: Store, rules: SlaRules, clock: Clock, own_addresses: Sequence[str]
    ) -> None:
        self._mailbox, self._store, self._rules, self._clock = mailbox, store, rules, clock
        self._own = frozenset(without_plus(address) for address in own_addresses)

    def read_once(self) -> int:
        """How many mails were linked to a case. Safe to repeat; raises MailboxUnavailable or StoreUnavailable."""
        found = self._mailbox.find_beside(FolderUse.SENT)
        with self._store.begin() as uow:
            kept = uow.folder_beside(FolderUse.SENT)
        if found is None:
            self._keep(replace(kept or FolderBeside(self._mailbox.name), name=""))
            return 0
        folder, uids = self._to_read(found, kept)
        linked = 0
        for start in range(0, len(uids), _BATCH):
            batch = uids[start : start + _BATCH]
            linked += self._read(batch)
            folder = replace(folder, uid=max(folder.uid, batch[-1]))
            self._keep(folder)
        if len(uids) < _MOST_PER_LOOK:  # the last ones may have been expunged since
            folder = replace(folder, uid=max(folder.uid, found.status.uidnext - 1))
        if folder != kept:
            self._keep(folder)
        return linked

    def _to_read(self, found: FoundFolder, kept: FolderBeside | None) -> tuple[FolderBeside, Sequence[int]]:
        """What to remember of the folder, and the UIDs not looked at yet."""
        status, last = found.status, found.status.uidnext - 1
        now = FolderBeside(
            self._mailbox.name,
            found.name,
            status.uidvalidity,
            uid=kept.uid if kept else last,
            messages=status.messages,
            trouble=kept.trouble if kept else "",
        )
        if kept is None or kept.mailbox != now.mailbox:
            return replace(now, uid=last), ()
        if not kept.uidvalidity:  # there was none when we looked before: all in it is new
            return replace(now, uid=0), self._mailbox.uids_beside(FolderUse.SENT)[:_MOST_PER_LOOK]
        if kept.name != found.name:
            return replace(now, uid=last), ()
        if kept.uidvalidity != status.uidvalidity:
            above = max(0, last - _READ_AGAIN)
            return replace(now, uid=above), self._mailbox.uids_beside(FolderUse.SENT, above=above)
        if last <= kept.uid:
            return now, ()
        return now, self._mailbox.uids_beside(FolderUse.SENT, above=kept.uid)[:_MOST_PER_LOOK]

    def _read(self, uids: Sequence[int]) -> int:
        wanted: list[int] = []
        heads = self._mailbox.headers_beside(FolderUse.SENT, uids)
        with self._store.begin() as uow:
            for uid, head in heads.items():
                mail = parse_mail(head)
                if self._is_of_a_person(uow, mail) and case_of(uow, mail) is not None:
                    wanted.append(uid)
        linked = 0
        for fetched in self._mailbox.fetch_beside(FolderUse.SENT, wanted) if wanted else ():
            try:
                linked += self._link(fetched)
            except Retryable:
                raise
            except Exception as exc:  # one mail that cannot be linked must not hide those behind it
                get_logger().error("sent_mail_not_linked", uid=fetched.ref.uid, exc_info=exc)
        return linked

    def _is_of_a_person(self, uow: UnitOfWork, mail: ParsedMail) -> bool:
        """From one of our addresses, by no machine, and not a copy of what the relay sent."""
        if not any(without_plus(one.address) in self._own for one in mail.from_addresses):
            return False
        if any(value.strip().lower() != "no" for value in mail.header_values("auto-submitted")):
            return False
        return mail.message_id is None or not uow.sent_mails([mail.message_id])

    def _link(self, fetched: FetchedMail) -> bool:
        mail, now = parse_mail(fetched.raw), self._clock()
        key = "sent:" + identity_key(fetched.raw, fetched.internal_date)
        sent_at = min(fetched.internal_date, now)
        with self._store.begin() as uow:
            case_id = case_of(uow, mail)
            if case_id is None:
                return False
            case = uow.case(case_id, for_update=True)
            if uow.message_by_identity(key) is not None:
                return False
            if mail.message_id and uow.is_known_sent(case_id, mail.message_id):
                return False
            if self._is_our_own(uow, case_id, mail, sent_at):
                return False
            uow.add_sent_message(case_id, fetched, mail, identity_key=key, sent_at=sent_at, at=now)
            reached = reaches_sender(uow, case_id, mail, self._own)
            uow.audit(
                "sent_from_client" if reached else "sent_to_colleague", at=now, actor=MAIL_CLIENT, case_id=case_id
            )
            if not reached:
                return True
            self._settle_replies(uow, case_id, sent_at, now)
            if is_paused(case):  # the time it waited for the sender is not held against it
                case = resume(case, sent_at, self._rules)
            done = answered(taken_up(case, sent_at, self._rules), sent_at)
            if uow.asked_between(case_id, sent_at):
                uow.audit("reply_kept_open", at=now, actor="system", case_id=case_id)
            elif done is not None:
                uow.save_case(done)
            uow.draft_copy_due(case_id)
        return True

    @staticmethod
    def _is_our_own(uow: UnitOfWork, case_id: str, mail: ParsedMail, sent_at: datetime) -> bool:
        """A copy of what is in the conversation, under another Message-ID: some servers give theirs a new one."""
        to = frozenset(one.normalised for one in mail.to)
        return any(
            abs(sent_at - sent.at) <= _ONE_SENDING and sent.to == to and words_of(sent.text) == words_of(mail.text)
            for sent in uow.sent_in(case_id)
        )

    def _settle_replies(self, uow: UnitOfWork, case_id: str, sent_at: datetime, now: datetime) -> None:
        """An approved reply that still waits does not leave any more; one that left as well is said to people."""
        for reply in uow.approved_replies(case_id):
            if reply.state in ("due", "deferred") and uow.cancel_outbox(reply.outbox_id):
                uow.void_approval(case_id, reply.revision, by=MAIL_CLIENT, at=now)
                details = {"revision": reply.revision}
                uow.audit("reply_overtaken", at=now, actor="system", case_id=case_id, details=details)
            elif reply.state in _ON_THE_WAY and self._same_question(uow, case_id, reply, sent_at):
                uow.audit("answered_twice", at=now, actor="system", case_id=case_id, details={"state": reply.state})

    @staticmethod
    def _same_question(uow: UnitOfWork, case_id: str, reply: ApprovedReply, sent_at: datetime) -> bool:
        left = reply.sent_at or reply.approved_at
        first, last = sorted((left, sent_at))
        return last - first <= _TWICE_WITHIN and not uow.asked_between(case_id, first, last)

    def _keep(self, folder: FolderBeside) -> None:
        with self._store.begin() as uow:
            uow.keep_folder_beside(FolderUse.SENT, folder)
