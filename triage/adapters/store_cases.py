"""Unit of work, second part: messages and cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, update

from triage.adapters.rows import Sealer, Unit, chunks, from_json, to_json, upsert
from triage.adapters.tables import (
    acknowledgements,
    assessments,
    case_topics,
    cases,
    corrections,
    counters,
    decisions,
    drafts,
    ledger,
    messages,
    notes,
    outbox,
    thread_ids,
    tombstones,
)
from triage.adapters.views import (
    actions_json,
    case_columns,
    case_from,
    evidence_of,
    figures_of,
    view_of_mail,
)
from triage.core.actions import Action
from triage.core.assessment import Assessment
from triage.core.case import Case
from triage.core.conversation import text_identity
from triage.core.mail import EmailAddress, LedgerOutcome, MessageKind
from triage.core.workdays import local_date
from triage.errors import ConflictError, NotFound
from triage.ports import KnownMessage, NewMessage
from triage.row_ids import new_row_id

CASE_COLUMNS = (
    *(cases.c[name] for name in ("id", "reference", "check_code", "state", "waiting_for", "band", "urgency", "danger")),
    *(column for column in cases.c if column.name.startswith("law_")),
    *(cases.c[name] for name in ("arrived_at", "answer_due", "take_up_due", "at_risk_at", "taken_up_at")),
    *(cases.c[name] for name in ("answer_from", "answer_days", "take_up_from")),
    *(cases.c[name] for name in ("paused_ends_left", "answered_at", "ended_at", "assignee_id")),
    func.coalesce(  # the column holds a later promise only
        cases.c.promised_for,
        select(acknowledgements.c.promised_for).where(acknowledgements.c.case_id == cases.c.id).scalar_subquery(),
    ).label("promised_for"),
    cases.c.version,
)

# Statements of every mail: built once, their compiled form is found by identity.
_KNOWN = (
    select(messages.c.id, messages.c.case_id, ledger.c.outcome)
    .select_from(
        messages.outerjoin(
            ledger,
            (ledger.c.folder == messages.c.folder)
            & (ledger.c.uidvalidity == messages.c.uidvalidity)
            & (ledger.c.uid == messages.c.uid),
        )
    )
    .where(messages.c.identity_key == bindparam("key"))
    .union_all(
        select(tombstones.c.message_id, tombstones.c.case_id, tombstones.c.outcome).where(
            tombstones.c.identity_key == bindparam("key")
        )
    )
)
_CASE = select(*CASE_COLUMNS).where(cases.c.id == bindparam("case_id"))


@cache
def _next_number(dialect: str) -> Any:
    statement = upsert(dialect, counters)
    return statement.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1}).returning(
        counters.c.value
    )


class CasePart(Unit):
    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        super().__init__(connection, sealer)
        self._loaded: dict[str, Case] = {}
        self._opened_here: set[str] = set()  # cases of this transaction that surely have no draft yet

    # ---------------------------------------------------------------- looking up

    def message_by_identity(self, identity_key: str) -> KnownMessage | None:
        """Also of mail that was erased: its tombstone answers."""
        row = self._db.execute(_KNOWN, {"key": self._keys.lookup(identity_key)}).first()
        if row is None:
            return None
        outcome = LedgerOutcome(row.outcome) if row.outcome else LedgerOutcome.ATTACHED
        return KnownMessage(id=row.id, case_id=row.case_id, outcome=outcome)

    def cases_by_message_ids(self, message_ids: Sequence[str]) -> Sequence[str]:
        keys = list(dict.fromkeys(self._keys.lookup(one) for one in message_ids if one.strip("<> \t")))
        nearness = {key: place for place, key in enumerate(keys)}
        found: list[tuple[int, datetime, str]] = []
        for part in chunks(keys):
            received = select(
                messages.c.message_id_key.label("key"), messages.c.received_at.label("at"), messages.c.case_id
            ).where(messages.c.message_id_key.in_(part), messages.c.case_id.is_not(None))
            sent = select(outbox.c.message_id_key, outbox.c.created_at, outbox.c.case_id).where(
                outbox.c.message_id_key.in_(part), outbox.c.case_id.is_not(None)
            )
            further = select(thread_ids.c.message_id_key, thread_ids.c.at, thread_ids.c.case_id).where(
                thread_ids.c.message_id_key.in_(part)
            )
            rows = self._db.execute(received.union_all(sent, further))
            found += [(nearness[row.key], row.at, row.case_id) for row in rows]
        return list(dict.fromkeys(case_id for _, _, case_id in sorted(found)))

    def case_by_reference(self, reference: str) -> str | None:
        case_id: str | None = self._db.execute(
            select(cases.c.id).where(cases.c.reference == reference.upper())
        ).scalar()
        return case_id

    def address_key(self, address: str) -> str:
        """The same for every way of writing one address."""
        return self._keys.lookup("address:" + EmailAddress(address).normalised)

    def token_is_valid(self, reference: str, check_code: str) -> bool:
        return self._keys.check_code(reference) == check_code.upper()

    def next_reference(self, *, arrived: datetime) -> tuple[str, str]:
        year = local_date(arrived).year
        row = {"name": f"reference:{year}", "value": 1}
        number: int = self._db.execute(_next_number(self._dialect), row).scalar_one()
        reference = f"JL-{year}-{number:05d}"
        return reference, self._keys.check_code(reference)

    def case(self, case_id: str, *, for_update: bool = False) -> Case:
        statement = _CASE.with_for_update() if for_update else _CASE
        row = self._db.execute(statement, {"case_id": case_id}).first()
        if row is None:
            raise NotFound("no such case")
        found = self._loaded[case_id] = case_from(row)
        return found

    # ---------------------------------------------------------------- writing

    def add_message(self, message: NewMessage, *, case_id: str | None) -> None:
        """Raises ConflictError when a message of this identity is stored."""
        mail, seal = message.parsed, self._sealer
        sender = mail.from_address
        self._add(
            messages,
            {
                "id": message.id,
                "direction": "in",
                "case_id": case_id,
                "kind": message.kind,
                "folder": message.folder,
                "uidvalidity": message.ref.uidvalidity,
                "uid": message.ref.uid,
                "internal_date": message.internal_date,
                "received_at": message.received_at,
                "size": message.size,
                "complete": message.complete,
                "identity_key": self._keys.lookup(message.identity_key),
                "content_key": self._keys.lookup(message.content_hash),
                "message_id_key": self._keys.lookup(mail.message_id) if mail.message_id else None,
                "from_key": self.address_key(sender.address) if sender else None,
                "text_key": self._keys.lookup(identity) if (identity := text_identity(mail)) else None,
                "view": seal.seal_json(view_of_mail(mail, message.report), messages, message.id, "view"),
                "raw": seal.seal_bytes(message.raw, messages, message.id, "raw"),
            },
        )

    def add_case(
        self,
        case: Case,
        *,
        kind: MessageKind,
        assessment: Assessment,
        subject: str,
        contact_name: str,
        contact_address: str,
        no_reply_rule: str,
        backlog: bool,
        channel: str = "mail",
    ) -> None:
        labels = {"subject": subject, "name": contact_name, "address": contact_address}
        self._add(
            cases,
            {
                "id": case.id,
                **case_columns(case),
                "laws_unclear": assessment.laws_unclear,
                "sender_type": assessment.sender_type,
                "language": assessment.language,
                "topics": to_json(assessment.topics),
                "kind": kind,
                "channel": channel,
                "askers": 1,
                "backlog": backlog,
                "no_reply_rule": no_reply_rule,
                "promised_for": case.promised_for,
                "assignee_id": case.assignee,
                "version": case.version,
                "contact_key": self.address_key(contact_address) if contact_address else None,
                "labels": self._sealer.seal_json(labels, cases, case.id, "labels"),
            },
        )
        self._add_topics(case.id, assessment.topics)
        self._loaded[case.id] = case
        self._opened_here.add(case.id)

    def _add_topics(self, case_id: str, topics: Sequence[str]) -> None:
        if topics:
            rows = [{"topic": topic, "case_id": case_id} for topic in dict.fromkeys(topics)]
            self._db.execute(insert(case_topics), rows)

    def save_case(self, case: Case) -> None:
        """Assignee and promise are written only when they differ from what this transaction read: `set_assignee`
        and `add_acknowledgement` write them as well."""
        loaded = self._loaded.get(case.id)
        values = case_columns(case)
        if loaded is None or loaded.assignee != case.assignee:
            values["assignee_id"] = case.assignee
        if loaded is None or loaded.promised_for != case.promised_for:
            values["promised_for"] = case.promised_for
        changed = self._db.execute(
            update(cases)
            .where(cases.c.id == case.id, cases.c.version == case.version)
            .values(**values, version=case.version + 1)
        )
        if changed.rowcount != 1:
            if self._db.execute(select(exists().where(cases.c.id == case.id))).scalar():
                raise ConflictError("somebody else changed the case first")
            raise NotFound("no such case")
        if loaded is None or loaded.state is not case.state:
            self.draft_copy_due(case.id)

    def draft_copy_due(self, case_id: str) -> None:
        """One row says it for the case."""
        last = select(func.max(drafts.c.revision)).where(drafts.c.case_id == case_id).scalar_subquery()
        self._db.execute(
            update(drafts).where(drafts.c.case_id == case_id, drafts.c.revision == last).values(copy_due=True)
        )

    def set_assignee(self, case_id: str, user_id: str | None) -> None:
        self._db.execute(update(cases).where(cases.c.id == case_id).values(assignee_id=user_id))

    def add_assessment(self, message_id: str, case_id: str, assessment: Assessment, *, at: datetime) -> None:
        row_id = new_row_id(at)
        self._add(
            assessments,
            {
                "id": row_id,
                "message_id": message_id,
                "case_id": case_id,
                "at": at,
                "band": assessment.band,
                "urgency": assessment.urgency,
                "danger": assessment.danger,
                "model": assessment.model,
                "figures": to_json(figures_of(assessment)),
                "evidence": self._sealer.seal_json(evidence_of(assessment), assessments, row_id, "evidence"),
            },
        )

    def add_decision(
        self, message_id: str | None, case_id: str | None, actions: Sequence[Action], *, at: datetime
    ) -> None:
        self._add(
            decisions,
            {
                "id": new_row_id(at),
                "message_id": message_id,
                "case_id": case_id,
                "at": at,
                "actions": to_json(actions_json(actions)),
            },
        )

    def add_correction(
        self,
        case_id: str,
        message_id: str,
        *,
        by: str,
        at: datetime,
        field: str,
        before: Sequence[str],
        after: Sequence[str],
    ) -> None:
        """Keeps the correction; `topics` and `sender_type` also change the case, a correction of `laws` ends
        `laws_unclear` (the laws themselves are written by `save_case`)."""
        self._add(
            corrections,
            {
                "id": new_row_id(at),
                "case_id": case_id,
                "message_id": message_id,
                "actor": by,
                "at": at,
                "field": field,
                "before": to_json(before),
                "after": to_json(after),
            },
        )
        change = update(cases).where(cases.c.id == case_id)
        if field == "laws":
            self._db.execute(change.values(laws_unclear=False))
        elif field == "sender_type" and after:
            self._db.execute(change.values(sender_type=after[0]))
        elif field == "topics":
            self._replace_topics(case_id, after)

    def _replace_topics(self, case_id: str, topics: Sequence[str]) -> None:
        old = from_json(self._db.execute(select(cases.c.topics).where(cases.c.id == case_id)).scalar_one())
        self._db.execute(update(cases).where(cases.c.id == case_id).values(topics=to_json(topics)))
        self._db.execute(delete(case_topics).where(case_topics.c.case_id == case_id, case_topics.c.topic.in_(old)))
        self._add_topics(case_id, topics)

    def set_judgement(self, case_id: str, assessment: Assessment) -> None:
        """What the case takes over of a newer reading; laws and urgency are written by `save_case`."""
        self._db.execute(
            update(cases)
            .where(cases.c.id == case_id)
            .values(
                laws_unclear=assessment.laws_unclear,
                sender_type=assessment.sender_type,
                language=assessment.language,
            )
        )
        if assessment.topics:
            self._replace_topics(case_id, assessment.topics)

    def add_note(self, case_id: str, text: str, *, by: str, at: datetime) -> None:
        row_id = new_row_id(at)
        sealed = self._sealer.seal_text(text, notes, row_id, "text")
        self._add(notes, {"id": row_id, "case_id": case_id, "actor": by, "at": at, "text": sealed})
