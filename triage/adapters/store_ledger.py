"""Unit of work, first part: the ledger of UIDs, quarantine, courtesy flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, case, delete, exists, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from triage.adapters.rows import Unit, chunks
from triage.adapters.tables import COURTESY_DUE, cases, folders, ledger, quarantine
from triage.core.assessment import Band
from triage.core.mail import FetchedMail, LedgerOutcome, UidRef
from triage.errors import ConflictError
from triage.ports import FolderMark, LedgerEntry
from triage.row_ids import new_row_id

_NOT_FINAL = frozenset({None, LedgerOutcome.QUARANTINED, LedgerOutcome.GONE})

_ROW = (
    (ledger.c.folder == bindparam("k_folder"))
    & (ledger.c.uidvalidity == bindparam("k_uidvalidity"))
    & (ledger.c.uid == bindparam("k_uid"))
)
_FINISH = update(ledger).where(_ROW, ledger.c.outcome.is_(None))


def _in_folder(folder: str, uidvalidity: int) -> ColumnElement[bool]:
    return (ledger.c.folder == folder) & (ledger.c.uidvalidity == uidvalidity)


def _by_uidvalidity(refs: Sequence[UidRef]) -> Mapping[int, list[int]]:
    grouped: dict[int, list[int]] = {}
    for ref in refs:
        grouped.setdefault(ref.uidvalidity, []).append(ref.uid)
    return grouped


class LedgerPart(Unit):
    def folder_mark(self, folder: str, uidvalidity: int) -> FolderMark:
        here = _in_folder(folder, uidvalidity)
        known = self._db.execute(
            select(folders.c.entries_present, folders.c.last_full_compare).where(
                folders.c.folder == folder, folders.c.uidvalidity == uidvalidity
            )
        ).first()
        highest = self._db.execute(select(func.max(ledger.c.uid)).where(here)).scalar()
        unaccounted = self._db.execute(
            select(func.count()).select_from(ledger).where(here, ledger.c.outcome.is_(None))
        ).scalar_one()
        return FolderMark(
            uidvalidity=uidvalidity,
            highest_uid=highest or 0,
            entries_present=known.entries_present if known else 0,
            unaccounted=unaccounted,
            last_full_compare=known.last_full_compare if known else None,
        )

    def note_seen(self, folder: str, refs: Sequence[UidRef], *, at: datetime) -> Mapping[int, int]:
        """What came back with its outcome (the server hid it for a while) is present again, and left out."""
        attempts: dict[int, int] = {}
        for uidvalidity, uids in _by_uidvalidity(refs).items():
            came = 0
            for part in chunks(sorted(set(uids))):
                here = _in_folder(folder, uidvalidity) & ledger.c.uid.in_(part)
                known = {
                    row.uid: row
                    for row in self._db.execute(
                        select(ledger.c.uid, ledger.c.attempts, ledger.c.present, ledger.c.outcome).where(here)
                    )
                }
                if known:
                    # a UID that was gone and is back needs an outcome again
                    open_ = ledger.c.outcome.is_(None) | (ledger.c.outcome == LedgerOutcome.GONE)
                    self._db.execute(update(ledger).where(here).values(present=True))
                    self._db.execute(
                        update(ledger)
                        .where(here, open_)
                        .values(attempts=ledger.c.attempts + 1, outcome=None, rule="", finished_at=None)
                    )
                new = [uid for uid in part if uid not in known]
                if new:
                    self._db.execute(
                        insert(ledger),
                        [
                            {
                                "folder": folder,
                                "uidvalidity": uidvalidity,
                                "uid": uid,
                                "attempts": 1,
                                "rule": "",
                                "seen_at": at,
                                "present": True,
                                "courtesy_done": False,
                            }
                            for uid in new
                        ],
                    )
                attempts.update(
                    {uid: row.attempts + 1 for uid, row in known.items() if row.outcome in (None, LedgerOutcome.GONE)}
                )
                attempts.update(dict.fromkeys(new, 1))
                came += len(new) + sum(not row.present for row in known.values())
            self._count_present(folder, uidvalidity, came)
        return attempts

    def forgive_attempts(self, folder: str, refs: Sequence[UidRef]) -> None:
        for uidvalidity, uids in _by_uidvalidity(refs).items():
            for part in chunks(uids):
                self._db.execute(
                    update(ledger)
                    .where(_in_folder(folder, uidvalidity), ledger.c.uid.in_(part), ledger.c.attempts > 0)
                    .values(attempts=ledger.c.attempts - 1)
                )

    def unfinished(self, folder: str, uidvalidity: int) -> Sequence[LedgerEntry]:
        """Entries without an outcome, by UID."""
        rows = self._db.execute(
            select(ledger.c.uid, ledger.c.attempts).where(_in_folder(folder, uidvalidity), ledger.c.outcome.is_(None))
        )  # sorted here: asked to sort, SQLite takes the primary key and reads the whole folder
        found = sorted((row.uid, row.attempts) for row in rows)
        return [LedgerEntry(folder, UidRef(uidvalidity, uid), attempts, None) for uid, attempts in found]

    def known_uids(self, folder: str, uidvalidity: int) -> frozenset[int]:
        """UIDs in the ledger that are not known to have left the folder."""
        rows = self._db.execute(select(ledger.c.uid).where(_in_folder(folder, uidvalidity), ledger.c.present.is_(True)))
        return frozenset(rows.scalars())

    def mark_gone(self, folder: str, refs: Sequence[UidRef], *, at: datetime) -> None:
        for uidvalidity, uids in _by_uidvalidity(refs).items():
            for part in chunks(uids):
                self._db.execute(
                    update(ledger)
                    .where(_in_folder(folder, uidvalidity), ledger.c.uid.in_(part), ledger.c.outcome.is_(None))
                    .values(outcome=LedgerOutcome.GONE, finished_at=at)
                )
        self.mark_absent(folder, refs, at=at)

    def mark_absent(self, folder: str, refs: Sequence[UidRef], *, at: datetime) -> None:
        for uidvalidity, uids in _by_uidvalidity(refs).items():
            left = 0
            for part in chunks(uids):
                left += self._db.execute(
                    update(ledger)
                    .where(_in_folder(folder, uidvalidity), ledger.c.uid.in_(part), ledger.c.present.is_(True))
                    .values(present=False)
                ).rowcount
            self._count_present(folder, uidvalidity, -left)

    def _count_present(self, folder: str, uidvalidity: int, change: int) -> None:
        if not change:
            return
        statement = self._upsert(folders).values(folder=folder, uidvalidity=uidvalidity, entries_present=change)
        self._db.execute(
            statement.on_conflict_do_update(
                index_elements=["folder", "uidvalidity"],
                set_={"entries_present": folders.c.entries_present + statement.excluded.entries_present},
            )
        )

    def compared(self, folder: str, uidvalidity: int, *, at: datetime) -> None:
        """Counts the entries anew as well: a sum that went wrong must not stay so."""
        present = self._db.execute(
            select(func.count()).select_from(ledger).where(_in_folder(folder, uidvalidity), ledger.c.present.is_(True))
        ).scalar_one()
        now = {"entries_present": present, "last_full_compare": at}
        statement = self._upsert(folders).values(folder=folder, uidvalidity=uidvalidity, **now)
        self._db.execute(statement.on_conflict_do_update(index_elements=["folder", "uidvalidity"], set_=now))

    def record_outcome(
        self,
        folder: str,
        ref: UidRef,
        outcome: LedgerOutcome,
        *,
        at: datetime,
        rule: str = "",
        message_id: str | None = None,
        case_id: str | None = None,
    ) -> None:
        """Raises ConflictError when this UID already has a final outcome: it was taken in by somebody else."""
        row = {"k_folder": folder, "k_uidvalidity": ref.uidvalidity, "k_uid": ref.uid}
        values = {
            "outcome": outcome,
            "rule": rule,
            "finished_at": at,
            "message_id": message_id,
            "case_id": case_id,
        }
        if self._db.execute(_FINISH, {**row, **values}).rowcount == 1:
            if outcome != LedgerOutcome.QUARANTINED:
                self._leave_quarantine(folder, ref)
            return
        before = self._db.execute(select(ledger.c.outcome).where(_ROW), row).first()
        if before is None:
            self.note_seen(folder, [ref], at=at)
        elif before.outcome not in _NOT_FINAL:
            raise ConflictError(f"UID {ref.uid} already has the outcome {before.outcome}")
        elif before.outcome == LedgerOutcome.QUARANTINED:
            self._leave_quarantine(folder, ref)
        self._db.execute(update(ledger).where(_ROW).values(**values), row)

    def quarantine(
        self,
        folder: str,
        ref: UidRef,
        *,
        raw: bytes | None,
        size: int,
        error: str,
        at: datetime,
        internal_date: datetime | None,
    ) -> None:
        self.record_outcome(folder, ref, LedgerOutcome.QUARANTINED, at=at, rule=error[:64])
        self._keep(folder, ref, raw=raw, size=size, error=error, at=at, internal_date=internal_date)

    def keep_mail(self, folder: str, mail: FetchedMail, *, error: str, at: datetime) -> None:
        self._keep(folder, mail.ref, raw=mail.raw, size=mail.size, error=error, at=at, internal_date=mail.internal_date)

    def _keep(
        self,
        folder: str,
        ref: UidRef,
        *,
        raw: bytes | None,
        size: int,
        error: str,
        at: datetime,
        internal_date: datetime | None,
    ) -> None:
        self._leave_quarantine(folder, ref)
        row_id = new_row_id(at)
        self._add(
            quarantine,
            {
                "id": row_id,
                "folder": folder,
                "uidvalidity": ref.uidvalidity,
                "uid": ref.uid,
                "size": size,
                "error": error[:120],
                "at": at,
                "internal_date": internal_date,
                "raw": None if raw is None else self._sealer.seal_bytes(raw, quarantine, row_id, "raw"),
            },
        )

    def release_quarantined(self, row_id: str, *, now: datetime) -> bool:
        row = self._db.execute(
            select(quarantine.c.folder, quarantine.c.uidvalidity, quarantine.c.uid).where(quarantine.c.id == row_id)
        ).first()
        if row is None:
            return False
        again = update(ledger).where(
            _in_folder(row.folder, row.uidvalidity),
            ledger.c.uid == row.uid,
            ledger.c.outcome == LedgerOutcome.QUARANTINED,
        )
        released = self._db.execute(again.values(outcome=None, rule="", finished_at=None, attempts=1))
        return released.rowcount == 1

    def kept_mail(self, folder: str, ref: UidRef) -> FetchedMail | None:
        row = self._db.execute(
            select(quarantine).where(
                quarantine.c.folder == folder,
                quarantine.c.uidvalidity == ref.uidvalidity,
                quarantine.c.uid == ref.uid,
                quarantine.c.raw.is_not(None),
            )
        ).first()
        if row is None:
            return None
        raw = self._sealer.open_bytes(row.raw, quarantine, row.id, "raw")
        return FetchedMail(ref, row.internal_date or row.at, row.size, raw, complete=len(raw) >= row.size)

    def retire_unfinished(self, folder: str, *, uidvalidity: int, at: datetime) -> None:
        """Whose bytes were kept is quarantined: it may have left the folder, and then these are all there is."""
        left = (ledger.c.outcome.is_(None), ledger.c.folder == folder, ledger.c.uidvalidity != uidvalidity)
        kept = exists().where(
            quarantine.c.folder == ledger.c.folder,
            quarantine.c.uidvalidity == ledger.c.uidvalidity,
            quarantine.c.uid == ledger.c.uid,
            quarantine.c.raw.is_not(None),
        )
        self._db.execute(
            update(ledger)
            .where(*left, kept)
            .values(outcome=LedgerOutcome.QUARANTINED, rule="uidvalidity_changed", finished_at=at, present=False)
        )
        self._db.execute(
            update(ledger)
            .where(*left)
            .values(outcome=LedgerOutcome.GONE, rule="uidvalidity_changed", finished_at=at, present=False)
        )

    def _leave_quarantine(self, folder: str, ref: UidRef) -> None:
        self._db.execute(
            delete(quarantine).where(
                quarantine.c.folder == folder,
                quarantine.c.uidvalidity == ref.uidvalidity,
                quarantine.c.uid == ref.uid,
            )
        )

    def courtesy_due(self, folder: str, uidvalidity: int, *, limit: int) -> Sequence[tuple[int, bool]]:
        """By UID, any `limit` that are due. Urgent: its case is of band urgent or possible, or in danger."""
        due = self._db.execute(
            select(ledger.c.uid).where(_in_folder(folder, uidvalidity), COURTESY_DUE).limit(limit)
        ).scalars()
        urgent = ledger.c.outcome.in_((LedgerOutcome.CASE, LedgerOutcome.FOLLOW_UP)) & (
            (cases.c.band != Band.NORMAL) | cases.c.danger
        )
        found: list[tuple[int, bool]] = []
        for part in chunks(sorted(due)):
            rows = self._db.execute(
                select(ledger.c.uid, case((urgent, 1), else_=0).label("urgent"))
                .select_from(ledger.outerjoin(cases, cases.c.id == ledger.c.case_id))
                .where(_in_folder(folder, uidvalidity), ledger.c.uid.in_(part))
                .order_by(ledger.c.uid)
            )
            found += [(row.uid, bool(row.urgent)) for row in rows]
        return found

    def courtesy_done(self, folder: str, uidvalidity: int, uids: Sequence[int]) -> None:
        for part in chunks(uids):
            self._db.execute(
                update(ledger).where(_in_folder(folder, uidvalidity), ledger.c.uid.in_(part)).values(courtesy_done=True)
            )
