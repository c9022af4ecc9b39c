"""Intake: the ledger first, one transaction per mail, nothing lost (`product.md` sections 3.1 and 3.2).

Before a batch is processed its UIDs are in the ledger with attempts + 1. A mail whose first attempt did not end
(it failed, or the worker died with it) is tried once more, alone and in a child process; when it fails there too
it is quarantined with its bytes, and the next one goes on. The bytes are kept from the first failure on, so that a
mail that leaves the folder meanwhile is tried all the same. A worker killed from outside quarantines nothing. A mail
on which the server breaks off each time is quarantined without bytes, so that it does not stop those behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from triage.core.mail import TRIAGED, FetchedMail, UidRef
from triage.errors import FolderRefused, MailboxUnavailable, Retryable, StoreUnavailable
from triage.logs import get_logger
from triage.ports import Clock, FolderMark, FolderStatus, FolderUse, Mailbox, Store
from triage.services.reading import Reader, Reading, Unread
from triage.services.taking_in import TakenIn, TakingIn

FLAGGED = "\\Flagged"
ANSWERED = "\\Answered"
LEASE = "intake"
_LEASE_TTL = timedelta(seconds=120)
_FULL_COMPARE_EVERY = timedelta(hours=1)
_COURTESY_BATCH = 200
_READ_BYTES = 8_000_000  # mails of a batch that are held at once; a single larger one comes by itself
_TRIES = 2  # a mail that failed, or killed its reader, this many times is quarantined


def _by_bytes(mails: Iterable[FetchedMail]) -> Iterator[list[FetchedMail]]:
    """The mails in groups, so that a batch of large ones is never held whole."""
    group: list[FetchedMail] = []
    held = 0
    for mail in mails:
        if group and held + len(mail.raw) > _READ_BYTES:
            yield group
            group, held = [], 0
        group.append(mail)
        held += len(mail.raw)
    if group:
        yield group


class LoneReader(Protocol):
    """Reads one message where it can do no harm: in a child process with a time limit."""

    def read_alone(self, raw: bytes) -> Reading | Unread: ...


@dataclass(slots=True)
class PollReport:
    """What one poll did: counts per ledger outcome, what is left, and a line per mail for the terminal."""

    outcomes: Counter[str] = field(default_factory=Counter)
    unaccounted: int = 0
    skipped: str = ""  # why nothing was done ("another node polls"), else ""
    failed: int = 0  # mails whose first attempt failed; the next poll tries them alone

    @property
    def handled(self) -> int:
        return sum(self.outcomes.values())


class Intake:
    """One mailbox folder, read by one job at a time."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        store: Store,
        reader: Reader,
        lone_reader: LoneReader,
        taking_in: TakingIn,
        clock: Clock,
        owner: str,
        courtesy: bool,
        save_sent: bool,
        batch_size: int,
        on_taken_in: Callable[[TakenIn], None] = lambda taken: None,
        watchdog: Callable[[], AbstractContextManager[None]] = nullcontext,
        look_beside: Callable[[], None] = lambda: None,
    ) -> None:
        """`watchdog` surrounds the reading of a batch, and ends the process when that never comes back. `look_beside`
        follows Drafts and Sent once what came in is taken in."""
        self._mailbox, self._store = mailbox, store
        self._reader, self._lone_reader, self._taking_in = reader, lone_reader, taking_in
        self._clock, self._owner = clock, owner
        self._courtesy, self._save_sent, self._batch_size = courtesy, save_sent, batch_size
        self._on_taken_in, self._watchdog, self._look_beside = on_taken_in, watchdog, look_beside
        self._compare_next_time = True  # after a start and after a reconnect
        self.stopping = False  # set by the host: end after the mail at hand

    def poll_once(self) -> PollReport:
        """Takes in everything that is new. Safe to repeat at any moment.

        Raises MailboxUnavailable or StoreUnavailable after undoing the attempts of untouched mail."""
        report = PollReport()
        if not self._hold_lease():
            report.skipped = "another node polls"
            return report
        try:
            status = self._mailbox.status()
            fresh, unfinished = self._find_work(status)
            for start in range(0, len(fresh), self._batch_size):
                if self.stopping or not self._hold_lease():
                    break
                self._take_batch(
                    [UidRef(status.uidvalidity, uid) for uid in fresh[start : start + self._batch_size]], report
                )
            for uid in unfinished:
                if self.stopping or not self._hold_lease():
                    break
                self._take_alone(UidRef(status.uidvalidity, uid), report)
            self._do_courtesy(status.uidvalidity)
            self._keep_copies(status.uidvalidity)
            if not self.stopping:
                self._follow_beside()
            with self._store.begin() as uow:
                report.unaccounted = uow.folder_mark(self._mailbox.name, status.uidvalidity).unaccounted
        except MailboxUnavailable:
            self._compare_next_time = True
            with self._store.begin() as uow:  # another node may have more luck
                uow.release_lease(LEASE, owner=self._owner, now=self._clock())
            raise
        return report

    def _hold_lease(self) -> bool:
        with self._store.begin() as uow:
            return uow.lease(LEASE, owner=self._owner, now=self._clock(), ttl=_LEASE_TTL)

    # ---------------------------------------------------------------- finding work

    def _find_work(self, status: FolderStatus) -> tuple[list[int], list[int]]:
        """(UIDs never tried, UIDs tried once without an end), both ascending."""
        name, now = self._mailbox.name, self._clock()
        with self._store.begin() as uow:
            mark = uow.folder_mark(name, status.uidvalidity)
            unfinished = [entry.ref.uid for entry in uow.unfinished(name, status.uidvalidity)]
        fresh = list(self._mailbox.uids_above(mark.highest_uid)) if status.uidnext > mark.highest_uid + 1 else []
        if self._must_compare(mark, status, len(fresh), now):
            on_server = set(self._mailbox.uids())
            with self._store.begin() as uow:
                known = uow.known_uids(name, status.uidvalidity)
                vanished = [UidRef(status.uidvalidity, uid) for uid in sorted(known - on_server)]
                missing = [UidRef(status.uidvalidity, uid) for uid in unfinished if uid not in on_server]
                kept = {ref.uid for ref in missing if uow.kept_mail(name, ref) is not None}
                uow.mark_gone(name, [ref for ref in missing if ref.uid not in kept], at=now)
                uow.mark_absent(name, vanished, at=now)
                uow.retire_unfinished(name, uidvalidity=status.uidvalidity, at=now)
                uow.compared(name, status.uidvalidity, at=now)
            fresh = sorted(on_server - known)
            unfinished = [uid for uid in unfinished if uid in on_server or uid in kept]
            self._compare_next_time = False
        return fresh, unfinished

    def _must_compare(self, mark: FolderMark, status: FolderStatus, fresh: int, now: datetime) -> bool:
        overdue = mark.last_full_compare is None or now - mark.last_full_compare >= _FULL_COMPARE_EVERY
        return self._compare_next_time or overdue or mark.entries_present + fresh != status.messages

    # ---------------------------------------------------------------- taking in

    def _take_batch(self, refs: Sequence[UidRef], report: PollReport) -> None:
        name = self._mailbox.name
        with self._store.begin() as uow:
            without_outcome = uow.note_seen(name, refs, at=self._clock())
        refs = [ref for ref in refs if ref.uid in without_outcome]
        untouched = {ref.uid: ref for ref in refs}
        try:
            came: set[int] = set()
            for mails in _by_bytes(self._mailbox.fetch([ref.uid for ref in refs])):
                with self._watchdog():
                    readings = self._reader.read([mail.raw for mail in mails])
                for mail, reading in zip(mails, readings, strict=True):
                    self._apply(mail, reading, report, last_try=False)
                    came.add(mail.ref.uid)
                    untouched.pop(mail.ref.uid, None)
            self._note_gone(refs, came, report, last_try=False)
        except Retryable:
            self._forgive(list(untouched.values()))
            raise

    def _take_alone(self, ref: UidRef, report: PollReport) -> None:
        """One mail by itself; the last try when an earlier one counted."""
        name = self._mailbox.name
        with self._store.begin() as uow:
            attempts = uow.note_seen(name, [ref], at=self._clock())
        if ref.uid not in attempts:  # another node was first
            return
        last_try = attempts[ref.uid] >= _TRIES
        try:
            fetched = self._fetch_alone(ref, report, last_try=last_try)
            for mail in fetched:
                self._apply(mail, self._lone_reader.read_alone(mail.raw), report, last_try=last_try)
        except Retryable:
            self._forgive([ref])
            raise

    def _fetch_alone(self, ref: UidRef, report: PollReport, *, last_try: bool) -> list[FetchedMail]:
        """The mail from the server, or from the bytes kept when it failed, when the server has it no more.

        When the connection breaks on this mail and the server answers again, the fault is the mail's: its attempt
        counts, and after the last one it is quarantined without bytes."""
        name = self._mailbox.name
        try:
            fetched = list(self._mailbox.fetch([ref.uid]))
        except StoreUnavailable:
            raise
        except Exception as exc:  # the connection broke, or the answer on this mail was beyond the client
            self._mailbox.status()  # raises as well when it is the server that is down
            self._not_fetched(ref, report, error=type(exc).__name__, last_try=last_try)
            return []
        if not fetched:
            with self._store.begin() as uow:
                kept = uow.kept_mail(name, ref)
            if kept is not None:
                return [kept]
        self._note_gone([ref], {mail.ref.uid for mail in fetched}, report, last_try=last_try)
        return fetched

    def _not_fetched(self, ref: UidRef, report: PollReport, *, error: str, last_try: bool) -> None:
        get_logger().warning("mail_not_fetched", uid=ref.uid, error=error)
        if not last_try:
            report.failed += 1
            return
        with self._store.begin() as uow:
            kept = uow.kept_mail(self._mailbox.name, ref)  # an earlier try had it
            uow.quarantine(
                self._mailbox.name,
                ref,
                raw=kept.raw if kept else None,
                size=kept.size if kept else 0,
                error="FetchBroken",
                at=self._clock(),
                internal_date=kept.internal_date if kept else None,
            )
        report.outcomes["quarantined"] += 1

    def _apply(self, mail: FetchedMail, reading: Reading | Unread, report: PollReport, *, last_try: bool) -> None:
        error = ""
        if isinstance(reading, Unread):
            error = reading.error
        else:
            try:
                taken = self._taking_in.take_in(self._mailbox.name, mail, reading)
            except Retryable:
                raise
            except Exception as exc:
                get_logger().error("mail_not_taken_in", uid=mail.ref.uid, exc_info=exc)
                error = type(exc).__name__
            else:
                report.outcomes[taken.outcome] += 1
                self._tell(taken)
                return
        if not last_try:
            with self._store.begin() as uow:  # somebody may move it away before the next try
                uow.keep_mail(self._mailbox.name, mail, error=error, at=self._clock())
            report.failed += 1
            get_logger().warning("mail_set_aside", uid=mail.ref.uid, error=error)
            return
        with self._store.begin() as uow:
            uow.quarantine(
                self._mailbox.name,
                mail.ref,
                raw=mail.raw,
                size=mail.size,
                error=error,
                at=self._clock(),
                internal_date=mail.internal_date,
            )
        report.outcomes["quarantined"] += 1
        get_logger().error("mail_quarantined", uid=mail.ref.uid, error=error)

    def _tell(self, taken: TakenIn) -> None:
        """A line on the terminal is no part of the intake: a closed terminal must not stop it."""
        try:
            self._on_taken_in(taken)
        except OSError as exc:
            self._on_taken_in = lambda taken: None
            get_logger().warning("terminal_closed", error=type(exc).__name__)

    def _note_gone(self, refs: Sequence[UidRef], came: Collection[int], report: PollReport, *, last_try: bool) -> None:
        """What the server no longer gave was expunged before it could be fetched; if it still lists it, it was not."""
        missing = [ref for ref in refs if ref.uid not in came]
        if not missing:
            return
        listed = set(self._mailbox.uids_above(min(ref.uid for ref in missing) - 1))
        for ref in missing:
            if ref.uid in listed:
                self._not_fetched(ref, report, error="NotGiven", last_try=last_try)
        gone = [ref for ref in missing if ref.uid not in listed]
        if gone:
            with self._store.begin() as uow:
                uow.mark_gone(self._mailbox.name, gone, at=self._clock())
            report.outcomes["gone"] += len(gone)

    def _forgive(self, refs: Sequence[UidRef]) -> None:
        try:
            with self._store.begin() as uow:
                uow.forgive_attempts(self._mailbox.name, refs)
        except Retryable as exc:  # the store is down as well: these mails are only read alone next time
            get_logger().warning("attempts_not_forgiven", count=len(refs), exc_info=exc)

    # ---------------------------------------------------------------- courtesy

    def _do_courtesy(self, uidvalidity: int) -> None:
        """`$Triaged` on what is finished, `\\Flagged` on urgent mail: for people who look at the mailbox."""
        if not self._courtesy:
            return
        name = self._mailbox.name
        while True:
            with self._store.begin() as uow:
                due = uow.courtesy_due(name, uidvalidity, limit=_COURTESY_BATCH)
            if not due:
                return
            self._mailbox.mark([uid for uid, _ in due], keywords=[TRIAGED])
            urgent = [uid for uid, is_urgent in due if is_urgent]
            if urgent:
                self._mailbox.mark(urgent, flags=[FLAGGED])
            with self._store.begin() as uow:
                uow.courtesy_done(name, uidvalidity, [uid for uid, _ in due])

    def _follow_beside(self) -> None:
        try:
            self._look_beside()
        except Retryable:
            raise
        except Exception as exc:  # the loop edge: the mail that came in is safe
            get_logger().error("folders_beside_failed", exc_info=exc)

    def _keep_copies(self, uidvalidity: int) -> None:
        """Replies that left: a copy in the Sent folder, `\\Answered` on their question. A failure is retried alone."""
        if not self._courtesy:
            return
        name = self._mailbox.name
        with self._store.begin() as uow:
            copies = uow.copies_due(name, uidvalidity, limit=_COURTESY_BATCH)
        trouble = ""
        for copy in copies:
            try:
                if self._save_sent:
                    self._mailbox.append_sent(copy.raw, at=copy.sent_at)
                if copy.question_uids:
                    self._mailbox.mark(copy.question_uids, flags=[ANSWERED])
            except MailboxUnavailable as exc:  # a full Sent folder must not stop the mail that comes in
                get_logger().warning("sent_copy_not_kept", outbox_id=copy.outbox_id, exc_info=exc)
                trouble = exc.code if isinstance(exc, FolderRefused) else trouble
                continue
            with self._store.begin() as uow:
                uow.copy_done(copy.outbox_id, at=self._clock())
        if copies:
            with self._store.begin() as uow:
                uow.note_folder_trouble(FolderUse.SENT, trouble)
