"""What people do with a case: claim, wait, resume, close, note. Each act names who did it.

A claim, an edit, a note and a hand-over take the case up; the machine never does. Every act that changes a case
carries the version the person saw: when somebody else was first it raises ConflictError and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from triage.core.assessment import BAND_ORDER, Assessment, Urgency
from triage.core.case import OPEN_STATES, Case, CaseState, WaitingFor, move
from triage.core.promises import may_promise
from triage.core.sla import SlaRules, after_take_up, is_paused, on_terms, pause, resume, terms_for, with_band
from triage.errors import ConflictError, NotAllowed, NotFound
from triage.ports import Clock, Queries, Store, UnitOfWork, User
from triage.services.alerts import Alerts
from triage.services.case_acting import CaseActing, find
from triage.services.corrections import Corrections
from triage.services.linking import Linking
from triage.services.redraft import Redraft
from triage.services.reuse import Reuse

BREAKER_FACT = "breaker"


def taken_up(case: Case, now: datetime, rules: SlaRules) -> Case:
    """The case as it is once a person took it up; unchanged when somebody did already."""
    if case.taken_up_at is not None:
        return case
    state = CaseState.IN_PROGRESS if case.state is CaseState.NEW else case.state
    return replace(case, taken_up_at=now, state=state, at_risk_at=after_take_up(case, rules))


class Casework(CaseActing):
    """One act per method, one transaction each. The screens check the role (`triage.core.rights`)."""

    def __init__(
        self,
        *,
        store: Store,
        queries: Queries,
        rules: SlaRules,
        clock: Clock,
        redraft: Redraft,
        alerts: Alerts,
        judge: Callable[[str], Assessment] | None = None,
    ) -> None:
        """`judge` reads a text that a person pasted; without it the text is only kept."""
        super().__init__(store=store, clock=clock)
        self._queries, self._rules = queries, rules
        self._redraft, self._alerts, self._judge = redraft, alerts, judge
        self.reuse = Reuse(store=store, queries=queries, clock=clock)
        self.linking = Linking(store=store, rules=rules, clock=clock)
        self.corrections = Corrections(
            store=store, queries=queries, rules=rules, clock=clock, redraft=redraft, alerts=alerts
        )

    def claim(self, reference: str, *, user: User, version: int, take_over: bool = False) -> None:
        """Raises ConflictError when somebody else holds the case, unless the person means to take it over."""

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            if case.state not in OPEN_STATES:
                raise NotAllowed("only an open case can be claimed")
            if case.assignee not in (None, user.id) and not take_over:
                raise ConflictError("somebody else holds this case")
            return replace(taken_up(case, now, self._rules), assignee=user.id)

        self._act(reference, user, version, "claimed", act)

    def release_claim(self, reference: str, *, user: User, version: int) -> None:
        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            return replace(case, assignee=None)

        self._act(reference, user, version, "claim_released", act)

    def wait(self, reference: str, *, user: User, version: int, waiting_for: WaitingFor) -> None:
        """Waiting for the sender pauses the answer clock; for a body or the expert team it runs on."""

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            if is_paused(case):
                case = resume(case, now, self._rules)
            case = taken_up(case, now, self._rules)
            case = replace(case, state=move(case.state, CaseState.WAITING), waiting_for=waiting_for)
            return pause(case, now, self._rules) if waiting_for is WaitingFor.SENDER else case

        self._act(reference, user, version, "waiting", act, {"waiting_for": str(waiting_for)})

    def resume(self, reference: str, *, user: User, version: int) -> None:
        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            if case.state is not CaseState.WAITING:
                raise NotAllowed("this case is not waiting")
            if is_paused(case):
                case = resume(case, now, self._rules)
            return replace(case, state=move(case.state, CaseState.IN_PROGRESS), waiting_for=None)

        self._act(reference, user, version, "resumed", act)

    def close(self, reference: str, *, user: User, version: int, reason: str) -> None:
        self._end(reference, user, version, CaseState.CLOSED, "closed", reason)

    def no_reply_needed(self, reference: str, *, user: User, version: int, reason: str) -> None:
        self._end(reference, user, version, CaseState.NO_REPLY_NEEDED, "no_reply_needed", reason)

    def reopen(self, reference: str, *, user: User, version: int) -> None:
        """A person opens an ended case again: a new term begins now."""

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            if case.state in OPEN_STATES:
                raise NotAllowed("this case is open")
            return taken_up(
                replace(
                    on_terms(case, terms_for(case.band, now, self._rules)),
                    state=move(case.state, CaseState.IN_PROGRESS),
                    arrived_at=now,
                    taken_up_at=None,
                    answered_at=None,
                    ended_at=None,
                ),
                now,
                self._rules,
            )

        self._act(reference, user, version, "reopened", act)

    def note(self, reference: str, *, user: User, text: str) -> None:
        if not text.strip():
            raise NotAllowed("an empty note is not kept")
        now = self._clock()
        with self._store.begin() as uow:
            case = uow.case(find(uow, reference), for_update=True)
            uow.add_note(case.id, text.strip(), by=user.id, at=now)
            self._save_if_changed(uow, case, taken_up(case, now, self._rules))
            uow.audit("noted", at=now, actor=user.id, case_id=case.id)

    def open_notice(self, reference: str, *, user: User, version: int, message_id: str, text: str) -> None:
        """Somebody opened the content behind a notice of secure mail: no reminder any more. A pasted text is kept as a
        note and judged; it can only raise the urgency, which stays possible until a person lowers it."""
        text = text.strip()

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            opened = uow.open_secure_notice(case.id, message_id, by=user.id, at=now)
            if not opened:
                notices = self._queries.case_page(reference).notices
                if message_id not in {notice.message_id for notice in notices}:
                    raise NotFound("this case has no such notice")
                if not text:
                    raise ConflictError("somebody else opened it")
            changed = taken_up(case, now, self._rules)
            if not text:
                return changed
            uow.add_note(case.id, text, by=user.id, at=now)
            if self._judge is None:
                return changed
            judged = self._judge(text)
            uow.add_assessment(message_id, case.id, judged, at=now)
            uow.set_judgement(case.id, judged)
            raises = BAND_ORDER.index(judged.band) > BAND_ORDER.index(changed.band)
            if raises:
                changed = with_band(changed, judged.band, now, self._rules)
            changed = replace(
                changed,
                urgency=judged.urgency if raises and judged.urgency is not Urgency.REGULAR else changed.urgency,
                danger=changed.danger or judged.danger,
                laws=changed.laws or judged.laws,
            )
            self._redraft.after_correction(uow, changed, now=now, assessment=judged)
            if judged.danger:
                self._alerts.raise_danger(uow, case=changed, was_on=case.danger, now=now)
            return changed

        self._act(reference, user, version, "notice_opened", act, {"text": bool(text)})

    # ---------------------------------------------------------------- operation

    def release_uncertain(self, outbox_id: str, *, user: User) -> None:
        """Sends an uncertain or refused item again, with the same Message-ID, because a person wants it."""
        now = self._clock()
        with self._store.begin() as uow:
            self._check_promise(uow, outbox_id, now)
            if not uow.release_uncertain(outbox_id, now=now):
                raise ConflictError("this mail is no longer uncertain or refused")
            uow.audit("uncertain_released", at=now, actor=user.id, details={"outbox_id": outbox_id})

    @staticmethod
    def _check_promise(uow: UnitOfWork, outbox_id: str, now: datetime) -> None:
        """A correction may leave again only while the day it names holds."""
        promised = uow.promise_of(outbox_id)
        if promised is None:
            return
        case_id, moment = promised
        case = uow.case(case_id, for_update=True)
        if not may_promise(case, moment, now):
            raise ConflictError("the day that this mail names does not hold any more")

    def release_quarantined(self, row_id: str, *, user: User) -> None:
        now = self._clock()
        with self._store.begin() as uow:
            if not uow.release_quarantined(row_id, now=now):
                raise ConflictError("this mail is no longer in quarantine")
            uow.audit("quarantine_released", at=now, actor=user.id, details={"quarantine_id": row_id})

    def release_breaker(self, *, user: User) -> None:
        now = self._clock()
        with self._store.begin() as uow:
            uow.set_fact(BREAKER_FACT, "")
            uow.forget_hourly_count()
            uow.audit("breaker_released", at=now, actor=user.id)

    # ---------------------------------------------------------------- shared

    def _end(self, reference: str, user: User, version: int, to: CaseState, action: str, reason: str) -> None:
        if not reason.strip():
            raise NotAllowed("give the reason")

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            uow.add_note(case.id, reason.strip(), by=user.id, at=now)
            if is_paused(case):  # the time it waited for the sender is not held against it
                case = resume(case, now, self._rules)
            return replace(
                taken_up(case, now, self._rules),
                state=move(case.state, to),
                waiting_for=None,
                paused_ends_left=None,
                ended_at=now,
            )

        self._act(reference, user, version, action, act)
