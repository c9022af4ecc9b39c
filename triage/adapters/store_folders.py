"""Unit of work: drafts in the mailbox, and answers that left from a mail program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import delete, exists, select, update

from triage.adapters.rows import from_json, to_json
from triage.adapters.sent_copies import SentMailPart, questions_of
from triage.adapters.store_drafts import DraftPart
from triage.adapters.tables import DRAFT_COPY_DUE, approvals, cases, draft_copies, drafts, facts, messages, outbox
from triage.adapters.views import view_of_mail
from triage.core.case import OPEN_STATES
from triage.core.mail import EmailAddress, FetchedMail, MessageKind, ParsedMail, UidRef
from triage.ports import ApprovedReply, DraftCopy, DraftRevision, FolderBeside, FolderUse, SentLetter
from triage.row_ids import new_row_id


class FolderPart(SentMailPart, DraftPart):
    # ---------------------------------------------------------------- drafts in the mailbox

    def draft_copies_due(self, *, limit: int) -> Sequence[str]:
        has_copy = exists().where(draft_copies.c.case_id == drafts.c.case_id)
        due = select(drafts.c.case_id, has_copy.label("has_copy")).where(DRAFT_COPY_DUE).distinct().subquery()
        return list(self._db.execute(select(due.c.case_id).order_by(due.c.has_copy.desc()).limit(limit)).scalars())

    def draft_copy_settled(self, case_id: str, *, holds: int | None) -> None:
        self._lock_case(case_id)
        now_holds = self.revision_for_folder(case_id)
        if (now_holds.revision if now_holds else None) == holds:
            self._db.execute(update(drafts).where(drafts.c.case_id == case_id, DRAFT_COPY_DUE).values(copy_due=False))

    def revision_for_folder(self, case_id: str) -> DraftRevision | None:
        if self.case(case_id).state not in OPEN_STATES or self.is_erased(case_id):
            return None
        latest = self.latest_draft(case_id)
        return latest if latest is not None and latest.approved_at is None else None

    def draft_copies(self, case_id: str) -> Sequence[DraftCopy]:
        rows = self._db.execute(
            select(draft_copies).where(draft_copies.c.case_id == case_id).order_by(draft_copies.c.uid)
        )
        return [DraftCopy(UidRef(row.uidvalidity, row.uid), row.revision, row.with_files) for row in rows]

    def all_draft_copies(self) -> frozenset[UidRef]:
        rows = self._db.execute(select(draft_copies.c.uidvalidity, draft_copies.c.uid))
        return frozenset(UidRef(row.uidvalidity, row.uid) for row in rows)

    def keep_draft_copy(self, case_id: str, copy: DraftCopy) -> None:
        values = {"revision": copy.revision, "with_files": copy.with_files}
        place = {"case_id": case_id, "uidvalidity": copy.ref.uidvalidity, "uid": copy.ref.uid}
        statement = self._upsert(draft_copies).values(**place, **values)
        self._db.execute(statement.on_conflict_do_update(index_elements=list(place), set_=values))

    def forget_draft_copies(self, refs: Sequence[UidRef]) -> None:
        for ref in refs:
            self._db.execute(
                delete(draft_copies).where(draft_copies.c.uidvalidity == ref.uidvalidity, draft_copies.c.uid == ref.uid)
            )

    def folder_beside(self, use: FolderUse) -> FolderBeside | None:
        kept: str | None = self._db.execute(select(facts.c.value).where(facts.c.name == fact_name(use))).scalar()
        return folder_from(kept)

    def keep_folder_beside(self, use: FolderUse, folder: FolderBeside) -> None:
        statement = self._upsert(facts).values(name=fact_name(use), value=to_json(asdict(folder)))
        self._db.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={"value": to_json(asdict(folder))})
        )

    def note_folder_trouble(self, use: FolderUse, trouble: str) -> None:
        kept = self.folder_beside(use)
        if kept is not None and kept.trouble != trouble:
            self.keep_folder_beside(use, replace(kept, trouble=trouble))

    # ---------------------------------------------------------------- answers from the mail program

    def is_known_sent(self, case_id: str, message_id: str) -> bool:
        known = select(messages.c.id).where(
            messages.c.case_id == case_id,
            messages.c.direction == "out",
            messages.c.message_id_key == self._keys.lookup(message_id),
        )
        return self._db.execute(known.limit(1)).first() is not None

    def sent_in(self, case_id: str) -> Sequence[SentLetter]:
        rows = self._db.execute(
            select(messages.c.id, messages.c.internal_date, messages.c.view).where(
                messages.c.case_id == case_id, messages.c.direction == "out", messages.c.view.is_not(None)
            )
        )
        found = []
        for row in rows:
            view = self._sealer.open_json(row.view, messages, row.id, "view")
            to = frozenset(EmailAddress(pair[1]).normalised for pair in view.get("to", ()))
            found.append(SentLetter(row.internal_date, to, view.get("text", "")))
        return found

    def add_sent_message(
        self, case_id: str, mail: FetchedMail, parsed: ParsedMail, *, identity_key: str, sent_at: datetime, at: datetime
    ) -> None:
        row_id = new_row_id(at)
        view = view_of_mail(parsed) | {"from_client": True}
        self._add(
            messages,
            {
                "id": row_id,
                "direction": "out",
                "case_id": case_id,
                "kind": MessageKind.OWN,
                "internal_date": sent_at,
                "received_at": at,
                "size": mail.size,
                "complete": mail.complete,
                "identity_key": self._keys.lookup(identity_key),
                "message_id_key": self._keys.lookup(parsed.message_id) if parsed.message_id else None,
                "view": self._sealer.seal_json(view, messages, row_id, "view"),
                "raw": self._sealer.seal_bytes(mail.raw, messages, row_id, "raw"),
            },
        )

    def asked_between(self, case_id: str, begin: datetime, end: datetime | None = None) -> bool:
        asked = questions_of(case_id).where(messages.c.internal_date > begin)
        if end is not None:
            asked = asked.where(messages.c.internal_date <= end)
        return self._db.execute(asked.limit(1)).first() is not None

    def approved_replies(self, case_id: str) -> Sequence[ApprovedReply]:
        rows = self._db.execute(
            select(approvals.c.revision, approvals.c.at, outbox.c.id, outbox.c.state, outbox.c.sent_at)
            .join(outbox, outbox.c.id == approvals.c.outbox_id)
            .where(approvals.c.case_id == case_id, approvals.c.voided_at.is_(None))
            .order_by(approvals.c.at)
        )
        return [ApprovedReply(row.id, row.revision, row.at, row.state, row.sent_at) for row in rows]

    def is_erased(self, case_id: str) -> bool:
        erased = select(exists().where(cases.c.id == case_id, cases.c.erased_at.is_not(None)))
        return bool(self._db.execute(erased).scalar())


def fact_name(use: FolderUse) -> str:
    """Under which name `facts` remembers the folder."""
    return f"folder_{use}"


def folder_from(kept: str | None) -> FolderBeside | None:
    return FolderBeside(**from_json(kept)) if kept else None
