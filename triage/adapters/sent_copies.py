"""Unit of work: what people sent and has left. It joins the conversation and still needs its copy in the Sent folder; a
reply also answers its case and puts `\\Answered` on the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, func, select, update

from triage.adapters.store_cases import CasePart
from triage.adapters.tables import COPY_DUE, approvals, cases, ledger, messages, outbox
from triage.adapters.views import case_columns, view_of_sent
from triage.core.case import MOVES, CaseState, move
from triage.core.mail import LedgerOutcome, MessageKind
from triage.ports import SentCopy
from triage.row_ids import new_row_id

# Another form of a mail that was there already: nobody wrote again.
_IS_SECOND_COPY = exists().where(
    ledger.c.folder == messages.c.folder,
    ledger.c.uidvalidity == messages.c.uidvalidity,
    ledger.c.uid == messages.c.uid,
    ledger.c.outcome == LedgerOutcome.ATTACHED,
)


class SentMailPart(CasePart):
    def copies_due(self, folder: str, uidvalidity: int, *, limit: int) -> Sequence[SentCopy]:
        """Oldest first; one per mail, however many recipients it had."""
        rows = self._db.execute(
            select(
                outbox.c.id, outbox.c.kind, outbox.c.case_id, outbox.c.message_id_key, outbox.c.sent_at, outbox.c.raw
            )
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
                question_uids=tuple(questions) if row.kind == "reply" else (),
            )
        return list(copies.values())

    def copy_done(self, outbox_id: str, *, at: datetime) -> None:
        same_mail = select(outbox.c.message_id_key).where(outbox.c.id == outbox_id).scalar_subquery()
        self._db.execute(
            update(outbox)
            .where(outbox.c.message_id_key == same_mail, outbox.c.copied_at.is_(None))
            .values(copied_at=at)
        )

    def _answer(self, case_id: str, item_id: str, now: datetime) -> None:
        """The server accepted the reply for one recipient: the case is answered once the server took it for everyone it
        is addressed to (a copy to somebody else answers nothing).

        When the sender wrote after the approval, the reply does not answer that: the case stays open."""
        case = self.case(case_id, for_update=True)
        same_mail = select(outbox.c.message_id_key).where(outbox.c.id == item_id).scalar_subquery()
        siblings = self._db.execute(select(outbox).where(outbox.c.message_id_key == same_mail)).all()
        approved = select(func.max(approvals.c.at)).where(approvals.c.outbox_id.in_([row.id for row in siblings]))
        # not the moment the item was queued: that begins anew when a person sends it once more
        since = self._db.execute(approved).scalar() or min(row.created_at for row in siblings)
        newer = select(messages.c.id).where(
            messages.c.case_id == case_id,
            messages.c.direction == "in",
            messages.c.kind.not_in((MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT)),
            messages.c.received_at > since,
            ~_IS_SECOND_COPY,
        )
        if not all(row.state == "sent" or self._is_copy(row) for row in siblings):
            pass  # the reply waits for, or was refused for, somebody it is addressed to; that item tells staff
        elif self._db.execute(newer).first() is not None:
            self.audit("reply_kept_open", at=now, actor="system", case_id=case_id)
        elif case.state is CaseState.ANSWERED or CaseState.ANSWERED in MOVES[case.state]:
            answered = replace(
                case,
                state=move(case.state, CaseState.ANSWERED),
                waiting_for=None,
                paused_ends_left=None,
                answered_at=case.answered_at or now,
                ended_at=case.ended_at or now,
            )
            self._db.execute(
                update(cases).where(cases.c.id == case_id).values(**case_columns(answered), version=case.version + 1)
            )  # else: a person closed it meanwhile; it stays closed, the mail is in the conversation all the same

    def _join_conversation(self, case_id: str, item_id: str, now: datetime) -> None:
        sealed = self._db.execute(select(outbox.c.raw, outbox.c.message_id_key).where(outbox.c.id == item_id)).one()
        known = select(messages.c.id).where(
            messages.c.case_id == case_id,
            messages.c.direction == "out",
            messages.c.message_id_key == sealed.message_id_key,
        )
        if self._db.execute(known).first() is not None:  # another recipient of the same mail was first
            return
        raw = self._sealer.open_bytes(sealed.raw, outbox, item_id, "raw")
        row_id = new_row_id(now)
        self._add(
            messages,
            {
                "id": row_id,
                "direction": "out",
                "case_id": case_id,
                "kind": MessageKind.OWN,
                "internal_date": now,
                "received_at": now,
                "size": len(raw),
                "complete": True,
                "message_id_key": sealed.message_id_key,
                "view": self._sealer.seal_json(view_of_sent(raw), messages, row_id, "view"),
                "raw": self._sealer.seal_bytes(raw, messages, row_id, "raw"),
            },
        )

    def _is_copy(self, row: Row[Any]) -> bool:
        return bool(self._sealer.open_json(row.envelope, outbox, row.id, "envelope").get("copy", False))
