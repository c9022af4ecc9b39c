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
from triage.core.case import Case, CaseState
from triage.core.decide import Budget, Policy, Thread, decide
from triage.core.follow_up import after_message
from triage.core.mail import EmailAddress, FetchedMail, LedgerOutcome, MessageKind, NoReplyReason, Screening
from triage.core.promises import promised_by
from triage.core.reports import delivery_report
from triage.core.secure_mail import notice_of, term_of
from triage.ports import Clock, NewMessage, Store, UnitOfWork
from triage.row_ids import new_row_id
from triage.services.alerts import Alerts
from triage.services.bounces import Returned, find_returned, note_report, return_to_staff, tell_of_complaint
from triage.services.casework import BREAKER_FACT
from triage.services.letters import Letters
from triage.services.reading import Reading
from triage.services.threads import thread_of

_BACKLOG_AFTER = timedelta(minutes=15)
# a notice of secure mail keeps its kind: its content must still be opened
_FOLLOWING_KINDS = frozenset({MessageKind.QUESTION, MessageKind.UNREADABLE, MessageKind.LIST_OR_BULK})
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_NAMES_ITSELF = re.compile(rb"(?:message-id|date)[ \t]*:\s*\S", re.IGNORECASE)
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


def identity_key(raw: bytes, arrived: datetime) -> str:
    """Equal for two deliveries of one mail: the header without what servers add on the way, and the body.

    Two mails with one Message-ID but other content differ; a mail without Message-ID has a key as well. One that has
    neither Message-ID nor Date says nothing of when it was written: the same words may be asked again, so the moment
    of arrival (which a move or a new UIDVALIDITY keeps) belongs to its identity."""
    end = _HEAD_END.search(raw)
    head, body_at = (raw[: end.start()], end.end()) if end else (raw, len(raw))
    digest = hashlib.sha256()
    named = False
    for field in re.split(rb"\r?\n(?![ \t])", head):
        if not _TRACE.match(field):
            digest.update(field.strip() + b"\n")
            named = named or bool(_NAMES_ITSELF.match(field))
    digest.update(b"\n" if named else arrived.isoformat().encode() + b"\n")
    digest.update(memoryview(raw)[body_at:])  # a large body is not copied
    return digest.hexdigest()


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

    def __init__(
        self,
        *,
        store: Store,
        letters: Letters,
        alerts: Alerts,
        policy: Policy,
        clock: Clock,
        maybe_sent_before: datetime | None = None,
    ) -> None:
        """`maybe_sent_before`: mail that arrived before it and is unknown may have been acknowledged already
        (see `triage.services.restored`)."""
        self._store, self._letters, self._alerts = store, letters, alerts
        self._policy, self._clock = policy, clock
        self._maybe_sent_before = maybe_sent_before

    def take_in(self, folder: str, fetched: FetchedMail, reading: Reading) -> TakenIn:
        """Message, case, assessment, clocks, acknowledgement, draft, audit and ledger outcome: all or nothing."""
        now = self._clock()
        # what the server would not give has no identity but its place
        place = f"{folder}:{fetched.ref.uidvalidity}:{fetched.ref.uid}".encode()
        key = identity_key(fetched.raw if fetched.raw.strip() else place, fetched.internal_date)
        is_report = reading.screening.kind is MessageKind.DELIVERY_REPORT
        report = delivery_report(reading.mail) if is_report else None
        with self._store.begin() as uow:
            screening = reading.screening
            thread = thread_of(uow, reading.mail, screening, key, arrived=fetched.internal_date)
            returned = None
            if report is not None and thread.copy_of is None:
                returned = find_returned(uow, report)
                thread = self._thread_of_report(uow, returned)
                if returned.case_id is None:
                    screening = replace(screening, rule=returned.ignored_as)
            if thread.case is not None and screening.kind in _FOLLOWING_KINDS:
                screening = replace(screening, kind=MessageKind.FOLLOW_UP)
            if thread.case is None and self._was_handled_before(fetched):
                thread = replace(thread, maybe_acknowledged=True)
            if fetched.answered:  # a receipt after a person's answer only confuses
                screening = replace(screening, reasons=(*screening.reasons, NoReplyReason.ALREADY_ANSWERED))
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
                report=report,
            )
            reference = self._write(uow, message, reading, screening, thread, returned, actions, now)
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

    @staticmethod
    def _thread_of_report(uow: UnitOfWork, returned: Returned) -> Thread:
        if returned.case_id is None:
            return Thread()
        return Thread(case=uow.case(returned.case_id, for_update=True), bounced_reply=returned.reply_failed)

    def _was_handled_before(self, fetched: FetchedMail) -> bool:
        """Unknown here, but a receipt may have left all the same: an older database was put back."""
        before = self._maybe_sent_before
        return fetched.triaged or (before is not None and fetched.internal_date < before)

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
        returned: Returned | None,
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
                # the very same mail is stored already; another form of it is kept too: it may hold more
                if action.rule != "second_copy" or uow.message_by_identity(message.identity_key) is None:
                    uow.add_message(message, case_id=case.id if case else None)
                    stored = True
                if case is not None and returned is not None:
                    note_report(uow, case, returned, now)
                if screening.rule == "feedback_report":
                    tell_of_complaint(uow, self._alerts, now)
            elif isinstance(action, OpenCase):
                case = self._open_case(uow, message, reading, action, now)
                if screening.rule == "feedback_report":
                    tell_of_complaint(uow, self._alerts, now)
                uow.add_message(message, case_id=case.id)
                stored = True
                uow.add_assessment(message.id, case.id, reading.assessment, at=now)
                details = None
                if thread.proposed_reference and (named := uow.case_by_reference(thread.proposed_reference)):
                    details = {"proposed_link": thread.proposed_reference}
                    uow.propose_link(case.id, named, at=now)
                uow.audit("case_opened", at=now, actor="system", case_id=case.id, details=details)
                self._note_secure_mail(uow, case, message)
            elif isinstance(action, AppendToCase) and thread.case is not None:
                case = self._append(uow, thread.case, message, reading, action, now)
                stored = True
            elif isinstance(action, Acknowledge) and case is not None:
                case = self._acknowledge(uow, case, message, reading, action, now)
            elif isinstance(action, WithholdAcknowledgement) and case is not None:
                uow.add_acknowledgement(case.id, at=now, outbox_id=None, reasons=action.reasons, promised_for=None)
                if NoReplyReason.BUDGET_HOUR in action.reasons:
                    self._trip_breaker(uow, now)
            elif isinstance(action, ReturnToStaff) and case is not None and returned is not None:
                case = return_to_staff(
                    uow, self._alerts, case, returned, action, arrived=message.internal_date, now=now
                )
            elif isinstance(action, PrepareDraft) and case is not None and _draft_is_free(uow, case.id):
                content = self._letters.draft(reading.mail, reading.assessment, case)
                uow.add_draft(case.id, content, by="system", at=now)
            elif isinstance(action, Alert) and case is not None:  # danger: the only one a decision raises
                was_on = thread.case is not None and thread.case.danger
                self._alerts.raise_danger(uow, case=case, was_on=was_on, now=now)
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

    def _note_secure_mail(self, uow: UnitOfWork, case: Case, message: NewMessage) -> None:
        """Before when a notice must be opened: the watch reminds, the screens show it."""
        if message.kind is not MessageKind.SECURE_MAIL_NOTICE:
            return
        provider = notice_of(message.parsed) or "other"
        until, named = term_of(message.parsed, provider, arrived=message.internal_date, days=self._policy.notice_days)
        uow.add_secure_notice(message.id, case.id, provider=provider, open_before=until, named=named)

    def _trip_breaker(self, uow: UnitOfWork, now: datetime) -> None:
        """Too many acknowledgements in an hour: none leaves any more until a person releases the breaker."""
        if uow.fact(BREAKER_FACT):
            return
        uow.set_fact(BREAKER_FACT, now.isoformat())
        uow.audit("breaker_tripped", at=now, actor="system")
        self._alerts.raise_alarm(uow, "breaker", term=now.isoformat(), now=now)

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
            counting=action.terms.counting,
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
        changed = after_message(
            case,
            band=assessment.band,
            urgency=assessment.urgency,
            danger=assessment.danger,
            laws=assessment.laws,
            arrived=message.internal_date,
            terms=action.terms,
            reopened=action.reopened,
        )
        uow.add_message(message, case_id=case.id)
        uow.add_assessment(message.id, case.id, assessment, at=now)
        if action.reopened:  # the case goes on with the question of this mail
            uow.set_judgement(case.id, assessment)
        uow.save_case(changed)
        self._note_secure_mail(uow, case, message)
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
        state = "uncertain" if action.maybe_sent else "due"
        uow.add_outbox(letter.as_item(outbox_id, case.id, now), due_at=now, message_id=letter.message_id, state=state)
        if action.maybe_sent:
            uow.audit("acknowledgement_doubtful", at=now, actor="system", case_id=case.id)
        promised_for, promised_take_up = promised_by(action, now)
        uow.add_acknowledgement(
            case.id,
            at=now,
            outbox_id=outbox_id,
            reasons=(),
            promised_for=promised_for,
            promised_take_up=promised_take_up,
            began_at=case.arrived_at,
            language=action.language,
        )
        return replace(case, promised_for=promised_for)
