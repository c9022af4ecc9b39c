"""Unit of work: alerts, the deadline watch, and erasure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, insert, select, update

from triage.adapters.store_cases import CASE_COLUMNS, CasePart
from triage.adapters.tables import (
    alerts,
    approvals,
    assessments,
    case_links,
    cases,
    drafts,
    ledger,
    messages,
    notes,
    outbox,
    released_answers,
    secure_notices,
    thread_ids,
    tombstones,
)
from triage.adapters.views import PAUSED, case_from
from triage.core.case import CaseState, LinkKind, LinkState, WaitingFor
from triage.core.mail import LedgerOutcome
from triage.core.transitions import CLOCK_KINDS
from triage.errors import ConflictError
from triage.ports import WatchedCase
from triage.row_ids import new_row_id

_TOLD = alerts.alias("told")


class WatchPart(CasePart):
    def add_alert(self, kind: str, *, term: str, at: datetime, case_id: str | None = None) -> bool:
        statement = self._upsert(alerts).values(id=new_row_id(at), kind=kind, case_id=case_id or "", term=term, at=at)
        added = self._db.execute(
            statement.on_conflict_do_nothing(index_elements=["case_id", "kind", "term"]).returning(alerts.c.id)
        )
        return added.first() is not None

    def forget_alert(self, kind: str, *, term: str, case_id: str) -> None:
        """The row stays for the screens, under a term that no clock has."""
        of_clock = (alerts.c.case_id == case_id, alerts.c.kind == kind, alerts.c.term == term)
        self._db.execute(update(alerts).where(*of_clock).values(term=alerts.c.id))

    def watched_cases(self, *, now: datetime) -> Sequence[WatchedCase]:
        """The most pressing first; every node in the same order, so that two of them cannot lock each other out."""
        of_clock = (alerts.c.case_id == cases.c.id) & alerts.c.kind.in_(CLOCK_KINDS)
        watched = (
            cases.c.place < PAUSED,
            (cases.c.state != CaseState.WAITING) | (cases.c.waiting_for != WaitingFor.SENDER),
            (cases.c.at_risk_at <= now)
            | (cases.c.take_up_due.is_not(None) & cases.c.taken_up_at.is_(None))
            | exists().where(_TOLD.c.case_id == cases.c.id, _TOLD.c.kind.in_(CLOCK_KINDS)),
        )
        told: dict[str, dict[tuple[str, str], datetime]] = {}
        for row in self._db.execute(select(alerts).join(cases, of_clock).where(*watched)):
            told.setdefault(row.case_id, {})[row.kind, row.term] = row.at
        found = select(*CASE_COLUMNS).where(*watched).order_by(cases.c.place, cases.c.place_at, cases.c.reference)
        return [WatchedCase(case, told.get(case.id, {})) for case in map(case_from, self._db.execute(found))]

    # ---------------------------------------------------------------- erasure

    def erase_case(self, case_id: str, *, by: str, at: datetime) -> None:
        """Raises NotFound, and ConflictError while a mail of the case is being sent. Mail still due never leaves."""
        self.case(case_id, for_update=True)
        ids = [case_id]
        for one in ids:  # what a person joined to this case was its sender's as well, and what was joined to that
            ids += [other for other in self._joined_to(one) if other not in ids]
        items = outbox.c.case_id.in_(ids)
        if self._db.execute(select(exists().where(items, outbox.c.state == "sending"))).scalar():
            raise ConflictError("a mail of this case is being sent; erase it when that has ended")
        known = select(messages.c.identity_key, messages.c.id, messages.c.case_id, ledger.c.outcome).select_from(
            messages.join(
                ledger,
                (ledger.c.folder == messages.c.folder)
                & (ledger.c.uidvalidity == messages.c.uidvalidity)
                & (ledger.c.uid == messages.c.uid),
            )
        )
        stones = [
            {
                "identity_key": row.identity_key,
                "message_id": row.id,
                "case_id": row.case_id,
                "outcome": row.outcome or LedgerOutcome.ATTACHED,
                "erased_at": at,
            }
            for row in self._db.execute(known.where(messages.c.case_id.in_(ids)))
            if row.identity_key
        ]
        if stones:
            self._db.execute(insert(tombstones), stones)
        nothing = dict.fromkeys(
            ("identity_key", "content_key", "message_id_key", "from_key", "text_key", "view", "raw")
        )
        self._db.execute(update(messages).where(messages.c.case_id.in_(ids)).values(**nothing, erased_at=at))
        self._db.execute(update(cases).where(cases.c.id.in_(ids)).values(labels=None, contact_key=None, erased_at=at))
        for table, column in ((assessments, "evidence"), (drafts, "content"), (notes, "text")):
            self._db.execute(update(table).where(table.c.case_id.in_(ids)).values({column: None}))
        for one in ids:
            self.draft_copy_due(one)
        self._db.execute(update(approvals).where(approvals.c.case_id.in_(ids)).values(content_key=None))
        for table in (released_answers, thread_ids, secure_notices):
            self._db.execute(delete(table).where(table.c.case_id.in_(ids)))
        self._db.execute(
            update(outbox).where(items, outbox.c.state.in_(("due", "deferred"))).values(state="refused", owner=None)
        )
        self._db.execute(update(outbox).where(items).values(raw=None, envelope=None, to_key=None, message_id_key=None))
        self.audit("case_erased", at=at, actor=by, case_id=case_id)
        self.erased = True

    def _joined_to(self, case_id: str) -> Sequence[str]:
        joined = select(case_links.c.case_id).where(
            case_links.c.other_id == case_id,
            case_links.c.kind == LinkKind.CONVERSATION,
            case_links.c.state == LinkState.ACCEPTED,
        )
        return self._db.execute(joined).scalars().all()
