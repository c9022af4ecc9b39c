"""What people do in their own mail program, seen from here: one look at Sent and Drafts (`product.md` 3.11).

Runs at the end of each poll, and once more before an approved reply leaves. Whatever goes wrong here is said on the
screens and tried again; it never stops the poll and never holds a reply back.
"""

from __future__ import annotations

from datetime import timedelta

from triage.errors import MailboxUnavailable
from triage.logs import get_logger
from triage.ports import Clock, Store
from triage.services.draft_folder import DraftFolder
from triage.services.sent_there import SentThere

LEASE = "folders_beside"
_LEASE_TTL = timedelta(seconds=120)


class ClientMail:
    """Held by the one job that holds the mailbox: the connection has one user at a time."""

    def __init__(self, *, sent: SentThere, drafts: DraftFolder | None, store: Store, clock: Clock, owner: str) -> None:
        """`drafts` None: the organisation wants no drafts in the mailbox."""
        self._sent, self._drafts, self._store, self._clock, self._owner = sent, drafts, store, clock, owner

    def look_once(self) -> None:
        """Sent first: an answer that left makes the draft superfluous. Raises StoreUnavailable."""
        with self._store.begin() as uow:
            if not uow.lease(LEASE, owner=self._owner, now=self._clock(), ttl=_LEASE_TTL):
                return  # another node looks at this moment
        try:
            self._sent.read_once()
            if self._drafts is not None:
                self._drafts.follow_once()
        except MailboxUnavailable as exc:
            get_logger().warning("folders_beside_not_read", hint=str(exc))
        finally:
            with self._store.begin() as uow:
                uow.release_lease(LEASE, owner=self._owner, now=self._clock())

    def reply_is_due(self) -> bool:
        """Whether an approved reply is about to leave: then one look is needed."""
        with self._store.begin() as uow:
            return uow.reply_is_due(now=self._clock())

    def look_before_release(self) -> None:
        """One look, when a reply is about to leave."""
        if self.reply_is_due():
            self.look_once()
