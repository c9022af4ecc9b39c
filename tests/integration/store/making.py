"""Makes rows for the store's tests the way intake does."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from triage.adapters.store import SqlStore
from triage.core.actions import Acknowledge, OpenCase
from triage.core.assessment import Assessment, Band, Evidence, Span, Urgency
from triage.core.case import Case, CaseState, Counting
from triage.core.mail import Attachment, EmailAddress, LedgerOutcome, MessageKind, ParsedMail, UidRef
from triage.core.sla import terms_now
from triage.ports import DraftContent, Envelope, NewMessage, OutboxItem, UnitOfWork
from triage.row_ids import new_row_id

FOLDER = "account/INBOX"


class Maker:
    """Numbers what it makes: mail 1 is `<vraag-1@example.nl>` from anna1@example.nl with UID 1."""

    def __init__(self, store: SqlStore, now: datetime) -> None:
        self.store, self.now = store, now
        self.made = 0

    def mail(self, number: int, **changes: Any) -> ParsedMail:
        text = f"Mijn moeder heeft zorg nodig, zij heet Marker{number}."
        mail = ParsedMail(
            message_id=f"<vraag-{number}@example.nl>",
            subject=f"Vraag van Marker{number}",
            from_addresses=(EmailAddress(f"Anna{number}@Example.NL", f"Anna Marker{number}"),),
            to=(EmailAddress("loket@example.org"),),
            text=text,
            new_text=text,
            html=f"<p>{text}</p>",
            attachments=(Attachment(f"brief-Marker{number}.pdf", "application/pdf", 1234),),
            defects=("no_date",),
        )
        return replace(mail, **changes)

    def message(self, number: int, mail: ParsedMail, **changes: Any) -> NewMessage:
        raw = f"Subject: {mail.subject}\r\n\r\n{mail.text}\r\n".encode("utf-8", "replace")
        digest = hashlib.sha256(raw + str(number).encode()).hexdigest()
        message = NewMessage(
            id=new_row_id(self.now),
            folder=FOLDER,
            ref=UidRef(7, number),
            internal_date=self.now,
            received_at=self.now,
            size=len(raw),
            raw=raw,
            complete=True,
            content_hash=digest,
            identity_key=f"id-{number}",
            parsed=mail,
            kind=MessageKind.QUESTION,
        )
        return replace(message, **changes)

    def assessment(self, mail: ParsedMail, **changes: Any) -> Assessment:
        assessment = Assessment(
            laws=("wlz",),
            law_probabilities={"wlz": 0.9, "wmo": 0.2},
            runner_up="wmo",
            margin=0.7,
            urgency=Urgency.REGULAR,
            band=Band.NORMAL,
            urgency_probabilities={"palliative": 0.01, "transfer": 0.02},
            band_reason="model",
            topics=("indicatie", "verblijf"),
            language="nl",
            evidence=(
                Evidence("wlz", "model", Span(0, 5), 0.4),
                Evidence("wlz", "rule", Span(6, 9), 1.0, "r1", ("s",)),
            ),
            judged_text=f"{mail.subject}\n\n{mail.new_text}",
            model="test-1",
        )
        return replace(assessment, **changes)

    def open_in(
        self,
        uow: UnitOfWork,
        *,
        mail: ParsedMail | None = None,
        assessment: dict[str, Any] | None = None,
        case: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Case:
        """A case with its first message, assessment and ledger entry."""
        self.made += 1
        number = self.made
        mail = mail or self.mail(number)
        judged = self.assessment(mail, **(assessment or {}))
        uow.note_seen(FOLDER, [UidRef(7, number)], at=self.now)
        reference, check_code = uow.next_reference(arrived=self.now)
        opened = Case(
            id=new_row_id(self.now),
            reference=reference,
            check_code=check_code,
            state=CaseState.NEW,
            band=judged.band,
            urgency=judged.urgency,
            danger=judged.danger,
            laws=judged.laws,
            arrived_at=self.now,
            answer_due=self.now + timedelta(days=3),
            take_up_due=self.now + timedelta(days=1) if judged.band.short_term else None,
            at_risk_at=self.now + timedelta(days=2),
            counting=Counting(self.now, 3, self.now if judged.band.short_term else None),
        )
        opened = replace(opened, **(case or {}))
        sender = mail.from_addresses[0]
        uow.add_case(
            opened,
            kind=changes.get("kind", MessageKind.QUESTION),
            assessment=judged,
            subject=mail.subject,
            contact_name=sender.display_name,
            contact_address=sender.address,
            no_reply_rule="",
            backlog=False,
        )
        message = self.message(number, mail, **changes)
        uow.add_message(message, case_id=opened.id)
        uow.add_assessment(message.id, opened.id, judged, at=self.now)
        terms = terms_now(opened)
        uow.add_decision(
            message.id,
            opened.id,
            (OpenCase(MessageKind.QUESTION, terms), Acknowledge("nl", opened.answer_due, None)),
            at=self.now,
        )
        uow.audit("case_opened", at=self.now, actor="system", case_id=opened.id, details={"uid": number})
        uow.record_outcome(
            FOLDER, message.ref, LedgerOutcome.CASE, at=self.now, message_id=message.id, case_id=opened.id
        )
        return opened

    def case(self, **changes: Any) -> Case:
        with self.store.begin() as uow:
            return self.open_in(uow, **changes)

    def item(
        self, case_id: str | None, kind: str = "reply", *, to: str = "anna1@example.nl", **changes: Any
    ) -> OutboxItem:
        raw = (
            f"From: Loket <loket@example.org>\r\nTo: {to}\r\nSubject: Antwoord aan Marker\r\n"
            f"Date: {format_datetime(self.now)}\r\nMessage-ID: <uit@example.org>\r\nMIME-Version: 1.0\r\n"
            'Content-Type: text/plain; charset="utf-8"\r\n\r\nGeachte Marker, hier is het antwoord.\r\n'
        ).encode()
        item = OutboxItem(new_row_id(self.now), kind, case_id, Envelope("", to), raw, 0, self.now, "bounce@example.org")
        return replace(item, **changes)

    def queue(self, case_id: str | None, kind: str = "reply", *, due_at: datetime | None = None, **changes: Any) -> str:
        item = self.item(case_id, kind, **changes)
        with self.store.begin() as uow:
            uow.add_outbox(item, due_at=due_at or self.now, message_id=f"<{item.id}@example.org>")
        return item.id

    def draft(self, case_id: str, body: str = "Geachte Marker") -> Any:
        content = DraftContent(("anna1@example.nl",), (), "Uw vraag", body)
        with self.store.begin() as uow:
            return uow.add_draft(case_id, content, by="system", at=self.now)
