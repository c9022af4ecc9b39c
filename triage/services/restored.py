"""An older database put back: nothing that may have left since is sent a second time (`product.md` section 10).

Before each batch of mail leaves, the number of the batch is committed in the database and then written to a file
beside it. A database that knows a smaller number than the file is older than what this node has sent: what waits in
its outbox may have left already, and becomes `uncertain`, so that a person decides. Mail in the mailbox that such a
database does not know, though it arrived before the last batch left, is taken in with an `uncertain` acknowledgement
for the same reason. Mail that carries our own keyword `$Triaged` and is not known needs no file to be doubted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from triage.logs import get_logger
from triage.ports import Clock, MarkFile, SendingMark, Store

SENT_FACT = "sending_count"
DOUBT_FACT = "maybe_sent_before"
_CLOCKS_DIFFER = timedelta(minutes=5)  # the mail server's clock, which dates the arrivals, and ours


class RestoreGuard:
    """One per process."""

    def __init__(self, *, store: Store, file: MarkFile, clock: Clock) -> None:
        self._store, self._file, self._clock = store, file, clock

    def look(self) -> datetime | None:
        """At a start, before anything is sent. Returns the moment before which an unknown mail may have been
        acknowledged already; None when the database was never replaced by an older one."""
        mark = self._file.read()
        with self._store.begin() as uow:
            doubted = uow.fact(DOUBT_FACT)
            until = datetime.fromisoformat(doubted) if doubted else None
            if mark is None or mark.count <= int(uow.fact(SENT_FACT) or 0):
                return until
            until = max(mark.at + _CLOCKS_DIFFER, until or mark.at)
            held = uow.hold_outbox(now=self._clock())
            uow.set_fact(SENT_FACT, str(mark.count))
            uow.set_fact(DOUBT_FACT, until.isoformat())
            uow.audit("older_database_found", at=self._clock(), actor="system", details={"held": len(held)})
        get_logger().error(
            "older_database_found",
            count=len(held),
            hint="this database is older than the last mail sent: what waited is now uncertain, see Beheer",
        )
        return until

    def before_sending(self) -> None:
        """Call before a batch leaves. Raises StoreUnavailable: then nothing may be sent."""
        with self._store.begin() as uow:
            count = int(uow.fact(SENT_FACT) or 0) + 1
            uow.set_fact(SENT_FACT, str(count))
        self._file.write(SendingMark(count, self._clock()))
