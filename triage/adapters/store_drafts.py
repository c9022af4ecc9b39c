"""Unit of work: draft revisions and their approval, what was kept of their blocks, and which replies are an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from triage.adapters.rows import Sealer
from triage.adapters.store_cases import CasePart
from triage.adapters.tables import approvals, block_use, cases, drafted_blocks, drafts, outbox, released_answers
from triage.adapters.views import content_from, content_json
from triage.core.block_use import BlockUse
from triage.errors import ConflictError
from triage.ports import DraftContent, DraftRevision
from triage.row_ids import new_row_id

_LAST_REVISION = select(func.max(drafts.c.revision)).where(drafts.c.case_id == bindparam("case_id"))


def draft_row_id(case_id: str, revision: int) -> str:
    """What a revision is sealed for."""
    return f"{case_id}.{revision}"


class DraftPart(CasePart):
    def add_draft(
        self, case_id: str, content: DraftContent, *, by: str, at: datetime, beside: bool = False
    ) -> DraftRevision:
        self._lock_case(case_id)
        revision = 1
        if case_id not in self._opened_here:
            revision += self._db.execute(_LAST_REVISION, {"case_id": case_id}).scalar() or 0
        self._opened_here.discard(case_id)
        sealed = self._sealer.seal_json(content_json(content), drafts, draft_row_id(case_id, revision), "content")
        self._add(
            drafts,
            {
                "case_id": case_id,
                "revision": revision,
                "actor": by,
                "at": at,
                "content": sealed,
                "beside": beside,
                "copy_due": True,
            },
        )
        if by == "system" and content.blocks:
            rows = [{"case_id": case_id, "block_id": name, "at": at} for name in dict.fromkeys(content.blocks)]
            self._db.execute(self._upsert(drafted_blocks).on_conflict_do_nothing(), rows)
        return DraftRevision(case_id, revision, content, content.sha256, by, at, beside=beside)

    def latest_draft(self, case_id: str) -> DraftRevision | None:
        found = draft_revisions(self._db, self._sealer, case_id, only_latest=True)
        return found[0] if found else None

    def drafts(self, case_id: str) -> Sequence[DraftRevision]:
        return draft_revisions(self._db, self._sealer, case_id)

    def add_approval(
        self, case_id: str, revision: int, *, content_hash: str, by: str, at: datetime, outbox_id: str
    ) -> str:
        """Raises ConflictError unless `revision` is the newest, holds this content and is not approved yet."""
        self._lock_case(case_id)
        latest = self.latest_draft(case_id)
        if latest is None or latest.revision != revision or latest.content_hash != content_hash:
            raise ConflictError("the draft was changed after it was read")
        if latest.approved_by is not None:
            raise ConflictError("the draft was approved already")
        approval_id = new_row_id(at)
        self._add(
            approvals,
            {
                "id": approval_id,
                "case_id": case_id,
                "revision": revision,
                "content_key": self._keys.lookup(content_hash),
                "actor": by,
                "at": at,
                "outbox_id": outbox_id,
            },
        )
        self.draft_copy_due(case_id)
        return approval_id

    def add_block_use(
        self, approval_id: str, case_id: str, used: Mapping[str, BlockUse], *, drafted: int, at: datetime
    ) -> None:
        whose = {"approval_id": approval_id, "case_id": case_id, "drafted": drafted, "at": at}
        rows = [{**whose, "block_id": name, "sentences": use.sentences, "kept": use.kept} for name, use in used.items()]
        if rows:
            self._db.execute(insert(block_use), rows)

    def release_answer(self, case_id: str, revision: int, *, by: str, at: datetime) -> bool:
        approval_id = self._db.execute(
            select(approvals.c.id)
            .join(outbox, outbox.c.id == approvals.c.outbox_id)
            .join(drafts, (drafts.c.case_id == approvals.c.case_id) & (drafts.c.revision == approvals.c.revision))
            .join(cases, cases.c.id == approvals.c.case_id)
            .where(
                approvals.c.case_id == case_id,
                cases.c.erased_at.is_(None),
                approvals.c.revision == revision,
                approvals.c.voided_at.is_(None),
                outbox.c.state == "sent",
                drafts.c.content.is_not(None),
            )
        ).scalar()
        if approval_id is None:
            return False
        values = {"approval_id": approval_id, "actor": by, "at": at}
        statement = self._upsert(released_answers).values(case_id=case_id, **values)
        self._db.execute(statement.on_conflict_do_update(index_elements=["case_id"], set_=values))
        return True

    def withdraw_answer(self, case_id: str) -> bool:
        return self._db.execute(delete(released_answers).where(released_answers.c.case_id == case_id)).rowcount == 1

    def void_approval(self, case_id: str, revision: int, *, by: str, at: datetime) -> None:
        self._db.execute(
            update(approvals)
            .where(approvals.c.case_id == case_id, approvals.c.revision == revision, approvals.c.voided_at.is_(None))
            .values(voided_by=by, voided_at=at)
        )
        self.draft_copy_due(case_id)

    def _lock_case(self, case_id: str) -> None:
        """Two people cannot write revisions of one draft at once; SQLite has one writer anyway."""
        if self._dialect == "postgresql":
            self._db.execute(select(cases.c.id).where(cases.c.id == case_id).with_for_update())


def draft_revisions(
    connection: Connection, sealer: Sealer, case_id: str, *, only_latest: bool = False
) -> list[DraftRevision]:
    """Revisions of a case's draft with their approval that was not voided: first the one that holds, then the others,
    newest first."""
    approved = (approvals.c.case_id == drafts.c.case_id) & (approvals.c.revision == drafts.c.revision)
    statement = (
        select(
            drafts, approvals.c.actor.label("approved_by"), approvals.c.at.label("approved_at"), approvals.c.outbox_id
        )
        .select_from(drafts.outerjoin(approvals, approved & approvals.c.voided_at.is_(None)))
        .where(drafts.c.case_id == case_id)
        .order_by(drafts.c.beside, drafts.c.revision.desc())
    )
    revisions = []
    for row in connection.execute(statement.where(~drafts.c.beside).limit(1) if only_latest else statement):
        content = content_from(sealer.open_json(row.content, drafts, draft_row_id(case_id, row.revision), "content"))
        revisions.append(
            DraftRevision(
                case_id=row.case_id,
                revision=row.revision,
                content=content,
                content_hash=content.sha256,
                created_by=row.actor,
                created_at=row.at,
                approved_by=row.approved_by,
                approved_at=row.approved_at,
                outbox_id=row.outbox_id,
                beside=row.beside,
            )
        )
    return [*revisions[:1], *sorted(revisions[1:], key=lambda one: -one.revision)]
