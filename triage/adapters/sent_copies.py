"""Unit of work: replies that left and still need their copy in the Sent folder and `\\Answered` on the question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update

from triage.adapters.store_cases import CasePart
from triage.adapters.tables import COPY_DUE, ledger, outbox
from triage.ports import SentCopy


class SentCopyPart(CasePart):
    def copies_due(self, folder: str, uidvalidity: int, *, limit: int) -> Sequence[SentCopy]:
        """Oldest first; one per mail, however many recipients it had."""
        rows = self._db.execute(
            select(outbox.c.id, outbox.c.case_id, outbox.c.message_id_key, outbox.c.sent_at, outbox.c.raw)
            .where(COPY_DUE, outbox.c.raw.is_not(None))
            .order_by(outbox.c.sent_at, outbox.c.id)
            .limit(limit)
        ).all()
        copies: dict[str, SentCopy] = {}
        for row in rows:
            if row.message_id_key in copies:
                continue
            questions = self._db.execute(
                select(ledger.c.uid)
                .where(
                    ledger.c.case_id == row.case_id,
                    ledger.c.folder == folder,
                    ledger.c.uidvalidity == uidvalidity,
                    ledger.c.present,
                )
                .order_by(ledger.c.uid)
            ).scalars()
            copies[row.message_id_key] = SentCopy(
                outbox_id=row.id,
                raw=self._sealer.open_bytes(row.raw, outbox, row.id, "raw"),
                sent_at=row.sent_at,
                question_uids=tuple(questions),
            )
        return list(copies.values())

    def copy_done(self, outbox_id: str, *, at: datetime) -> None:
        same_mail = select(outbox.c.message_id_key).where(outbox.c.id == outbox_id).scalar_subquery()
        self._db.execute(
            update(outbox)
            .where(outbox.c.message_id_key == same_mail, outbox.c.copied_at.is_(None))
            .values(copied_at=at)
        )
