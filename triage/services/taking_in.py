"""Taking in one read mail: look up its thread, decide, write everything in one transaction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from triage.core.actions import (
    Acknowledge,
    Action,
    Alert,
    AppendToCase,
    AttachToCase,
    Ignore,
    OpenCase,
    PrepareDraft,
    ReturnToStaff,
    WithholdAcknowledgement,
    outcome_of,
)
from triage.core.assessment import Urgency
from triage.core.case import Case, CaseState, move, state_after_sender_wrote
from triage.core.conversation import subject_tokens, thread_ids
from triage.core.decide import Budget, Policy, Thread, decide
from triage.core.mail import EmailAddress, FetchedMail, LedgerOutcome, MessageKind, NoReplyReason, Screening
from triage.ports import Clock, NewMessage, Store, UnitOfWork
from triage.row_ids import new_row_id
from triage.services.alerts import Alerts
from triage.services.casework import BREAKER_FACT
from triage.services.letters import Letters
from triage.services.reading import Reading

_BACKLOG_AFTER = timedelta(minutes=15)
_THREADED_KINDS = frozenset({MessageKind.QUESTION, MessageKind.SECURE_MAIL_NOTICE, MessageKind.UNREADABLE})
_TRACE = re.compile(
    rb"^(?:received|delivered-to|return-path|x-original-to|envelope-to|x-[a-z0-9-]+|authentication-results"
    rb"|arc-[a-z-]+|dkim-signature|received-spf|status|x-status):",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of one mail, without personal data."""

    outcome: LedgerOutcome
    kind: MessageKind
    actions: tuple[Action, ...]
    reference: str | None
    laws: tuple[str, ...]
    urgency: str
    band: str
    danger: bool
    uid: int


def content_hash(raw: bytes) -> str:
    """SHA-256 of the bytes as stored."""
    return hashlib.sha256(raw).hexdigest()


def identity_key(raw: bytes) -> str:
    """Equal for two deliveries of one mail: the header without what servers add on the way, and the body.

    Two mails with one Message-ID but other content differ; a mail without Message-ID has a key as well."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = raw.partition(b"\n\n")
    digest = hashlib.sha256()
    for field in re.split(rb"\r?\n(?![ \t])", head):
        if not _TRACE.match(field):
            digest.update(field.strip() + b"\n")
    digest.update(b"\n" + body)
    return digest.hexdigest()


def _is_bounced_reply(uow: UnitOfWork, reading: Reading) -> bool:
    """A delivery report that tells of a failure of a reply that a person approved (RFC 3464 §2.3.3)."""
    if reading.screening.kind is not MessageKind.DELIVERY_REPORT:
        return False
    actions = reading.mail.report_actions
    failed = "failed" in actions if actions else True  # a report in free words tells of failures
    return failed and "reply" in uow.sent_kinds(thread_ids(reading.mail))


def _draft_is_free(uow: UnitOfWork, case_id: str) -> bool:
    """False while a person's text waits, or an approved one is on its way: a new mail never eats a draft."""
    latest = uow.latest_draft(case_id)
    if latest is None:
        return True
    if latest.outbox_id is None:
        return latest.created_by == "system"
    return uow.outbox_state(latest.outbox_id) not in ("due", "sending", "deferred")


class TakingIn:
    """The write side of intake; one instance per process."""

    def __init__(self, *, store: Store, letters: Letters, alerts: Alerts, policy: Policy, clock: Clock) -> None:
        self._store, self._letters, self._alerts = store, letters, alerts
        self._policy, self._clock = policy, clock

    def take_in(self, folder: str, fetched: FetchedMail, reading: Reading) -> TakenIn:
        """Message, case, assessment, clocks, acknowledgement, draft, audit and ledger outcome: all or nothing."""
        now = self._clock()
        # what the server would not give has no identity but its place
        place = f"{folder}:{fetched.ref.uidvalidity}:{fetched.ref.uid}".encode()
        key = identity_key(fetched.raw if fetched.raw.strip() else place)
        with self._store.begin() as uow:
            thread = self._thread(uow, reading, key)
            screening = reading.screening
            if thread.case is not None and screening.kind in _THREADED_KINDS | {MessageKind.LIST_OR_BULK}:
                screening = replace(screening, kind=MessageKind.FOLLOW_UP)
            actions = decide(
                screening,
                reading.assessment,
                thread,
                self._budget(uow, reading.mail.from_address, now),
                arrived=fetched.internal_date,
                now=now,
                policy=self._policy,
            )
            message = NewMessage(
                id=new_row_id(now),
                folder=folder,
                ref=fetched.ref,
                internal_date=fetched.internal_date,
                received_at=now,
                size=fetched.size,
                raw=fetched.raw,
                complete=fetched.complete,
                content_hash=content_hash(fetched.raw),
                identity_key=key,
                parsed=reading.mail,
                kind=screening.kind,
            )
            reference = self._write(uow, message, reading, screening, thread, actions, now)
            outcome = outcome_of(actions)
        return TakenIn(
            outcome=outcome,
            kind=screening.kind,
            actions=actions,
            reference=reference,
            laws=reading.assessment.laws,
            urgency=reading.assessment.urgency,
            band=reading.assessment.band,
            danger=reading.assessment.danger,
            uid=fetched.ref.uid,
        )

    # ---------------------------------------------------------------- reading the store

    def _thread(self, uow: UnitOfWork, reading: Reading, key: str) -> Thread:
        known = uow.message_by_identity(key)
        if known is not None:
            return Thread(copy_of=(known.case_id, "second_copy"))
        mail = reading.mail
        for case_id in uow.cases_by_message_ids(thread_ids(mail)):
            return Thread(case=uow.case(case_id, for_update=True), bounced_reply=_is_bounced_reply(uow, reading))
        for token in subject_tokens(mail.subject):
            if not uow.token_is_valid(token.reference, token.check_code):
                continue
            named = uow.case_by_reference(token.reference)
            if named is None:
                continue
            sender = mail.from_address
            if sender is not None and uow.address_key(sender.normalised) in uow.contact_keys(named):
                return Thread(case=uow.case(named, for_update=True))
            return Thread(proposed_reference=token.reference)
        return Thread()

    def _budget(self, uow: UnitOfWork, sender: EmailAddress | None, now: datetime) -> Budget:
        if sender is None:
            return Budget()
        counts = uow.acknowledgement_counts(sender.normalised, now=now)
        return Budget(counts.to_address_today, counts.last_hour, counts.breaker_tripped)

    # ---------------------------------------------------------------- writing

    def _write(
        self,
        uow: UnitOfWork,
        message: NewMessage,
        reading: Reading,
        screening: Screening,
        thread: Thread,
        actions: Sequence[Action],
        now: datetime,
    ) -> str | None:
        """Carries out the actions in order; returns the reference of the case, if there is one."""
        case: Case | None = None
        rule = screening.rule
        stored = False
        for action in actions:
            if isinstance(action, Ignore | AttachToCase):
                rule = action.rule
                if isinstance(action, AttachToCase):
                    case = uow.case(action.case_id)
                if action.rule != "second_copy":
                    uow.add_message(message, case_id=case.id if case else None)
                    stored = True
            elif isinstance(action, OpenCase):
                case = self._open_case(uow, message, reading, action, now)
                uow.add_message(message, case_id=case.id)
                stored = True
                uow.add_assessment(message.id, case.id, reading.assessment, at=now)
                details = {"proposed_link": thread.proposed_reference} if thread.proposed_reference else None
                uow.audit("case_opened", at=now, actor="system", case_id=case.id, details=details)
            elif isinstance(action, AppendToCase) and thread.case is not None:
                case = self._append(uow, thread.case, message, reading, action, now)
                stored = True
            elif isinstance(action, Acknowledge) and case is not None:
                case = self._acknowledge(uow, case, message, reading, action, now)
            elif isinstance(action, WithholdAcknowledgement) and case is not None:
                uow.add_acknowledgement(case.id, at=now, outbox_id=None, reasons=action.reasons, promised_for=None)
                if NoReplyReason.BUDGET_HOUR in action.reasons:
                    self._trip_breaker(uow, now)
            elif isinstance(action, ReturnToStaff) and case is not None:
                case = self._return_to_staff(uow, case, message, action, now)
            elif isinstance(action, PrepareDraft) and case is not None and _draft_is_free(uow, case.id):
                content = self._letters.draft(reading.mail, reading.assessment, case)
                uow.add_draft(case.id, content, by="system", at=now)
            elif isinstance(action, Alert) and case is not None:
                self._alerts.raise_alert(uow, action.kind, case=case, now=now)
        uow.add_decision(message.id if stored else None, case.id if case else None, actions, at=now)
        uow.record_outcome(
            message.folder,
            message.ref,
            outcome_of(tuple(actions)),
            at=now,
            rule=rule,
            message_id=message.id if stored else None,
            case_id=case.id if case else None,
        )
        return case.reference if case else None

    def _return_to_staff(
        self, uow: UnitOfWork, case: Case, message: NewMessage, action: ReturnToStaff, now: datetime
    ) -> Case:
        """The reply did not arrive: the case goes back to who approved it, with a term from the report on."""
        if case.state is CaseState.ANSWERED:
            changed = replace(
                case,
                state=move(case.state, CaseState.IN_PROGRESS),
                arrived_at=message.internal_date,
                answer_due=action.terms.answer_due,
                take_up_due=None,
                at_risk_at=action.terms.at_risk_at,
                answered_at=None,
                ended_at=None,
            )
            uow.save_case(changed)
        uow.audit("reply_bounced", at=now, actor="system", case_id=case.id)
        case = uow.case(case.id)
        self._alerts.raise_alert(uow, "refused", case=case, now=now)
        return case

    def _trip_breaker(self, uow: UnitOfWork, now: datetime) -> None:
        """Too many acknowledgements in an hour: none leaves any more until a person releases the breaker."""
        if uow.fact(BREAKER_FACT):
            return
        uow.set_fact(BREAKER_FACT, now.isoformat())
        uow.audit("breaker_tripped", at=now, actor="system")
        self._alerts.send(uow, "breaker", references=[], now=now)

    def _open_case(
        self, uow: UnitOfWork, message: NewMessage, reading: Reading, action: OpenCase, now: datetime
    ) -> Case:
        assessment = reading.assessment
        reference, check_code = uow.next_reference(arrived=message.internal_date)
        sender = reading.mail.from_address or (reading.mail.from_addresses or (None,))[0]
        case = Case(
            id=new_row_id(now),
            reference=reference,
            check_code=check_code,
            state=CaseState.NO_REPLY_NEEDED if action.no_reply_rule else CaseState.NEW,
            band=assessment.band,
            urgency=assessment.urgency,
            danger=assessment.danger,
            laws=assessment.laws,
            arrived_at=message.internal_date,
            answer_due=action.terms.answer_due,
            take_up_due=action.terms.take_up_due,
            at_risk_at=action.terms.at_risk_at,
            ended_at=now if action.no_reply_rule else None,
        )
        uow.add_case(
            case,
            kind=message.kind,
            assessment=assessment,
            subject=reading.mail.subject,
            contact_name=sender.display_name if sender else "",
            contact_address=sender.address if sender else "",
            no_reply_rule=action.no_reply_rule,
            backlog=now - message.internal_date > _BACKLOG_AFTER,
        )
        return case

    def _append(
        self, uow: UnitOfWork, case: Case, message: NewMessage, reading: Reading, action: AppendToCase, now: datetime
    ) -> Case:
        assessment = reading.assessment
        raised = action.raised_to is not None
        # a case that becomes more urgent, or begins anew, must be taken up again by a person
        taken_up_at = None if action.reopened or raised else case.taken_up_at
        changed = replace(
            case,
            state=state_after_sender_wrote(case.state, taken_up=case.taken_up_at is not None),
            waiting_for=None,
            paused_ends_left=None,
            band=action.raised_to or case.band,
            urgency=assessment.urgency if raised and assessment.urgency is not Urgency.REGULAR else case.urgency,
            danger=case.danger or assessment.danger,
            arrived_at=message.internal_date if action.reopened else case.arrived_at,
            answer_due=action.terms.answer_due,
            take_up_due=action.terms.take_up_due,
            at_risk_at=action.terms.at_risk_at,
            taken_up_at=taken_up_at,
            answered_at=None,
            ended_at=None,
        )
        uow.add_message(message, case_id=case.id)
        uow.add_assessment(message.id, case.id, assessment, at=now)
        uow.save_case(changed)
        uow.audit(
            "follow_up_received",
            at=now,
            actor="system",
            case_id=case.id,
            details={"reopened": action.reopened, "raised_to": str(action.raised_to or "")},
        )
        return uow.case(case.id)

    def _acknowledge(
        self, uow: UnitOfWork, case: Case, message: NewMessage, reading: Reading, action: Acknowledge, now: datetime
    ) -> Case:
        try:
            letter = self._letters.acknowledgement(
                reading.mail, case, action, identity_key=message.identity_key, now=now
            )
        except ValueError:  # an address no mail can be sent to: the question stays a case
            reasons = (NoReplyReason.NO_VALID_FROM,)
            uow.add_acknowledgement(case.id, at=now, outbox_id=None, reasons=reasons, promised_for=None)
            return case
        outbox_id = new_row_id(now)
        uow.add_outbox(letter.as_item(outbox_id, case.id, now), due_at=now, message_id=letter.message_id)
        uow.add_acknowledgement(case.id, at=now, outbox_id=outbox_id, reasons=(), promised_for=action.promised_answer)
        return replace(case, promised_for=action.promised_answer)
