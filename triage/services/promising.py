"""The proposed correction: when another day holds than the sender was promised, a person sends a mail that says so.

The mail is written from the facts at the moment it is looked at, and once more when it is sent, inside the transaction
that holds the case: what a person read is what leaves, or nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from triage.core.case import Case
from triage.core.promises import Compared, Promise, needs_correction
from triage.core.rights import Right, role_may
from triage.core.sla import SlaRules
from triage.core.workdays import local_date
from triage.errors import ConflictError, NotAllowed
from triage.ports import CasePage, Clock, CorrectionProposal, Queries, Store, UnitOfWork, User
from triage.row_ids import new_row_id
from triage.services.case_acting import CaseActing
from triage.services.casework import taken_up
from triage.services.letters import Correction, Letters

DISMISSED = "correction_dismissed"
"""The audit row of "not needed"; its details name the day that held then."""


@dataclass(frozen=True, slots=True)
class _Proposed:
    page: CasePage
    compared: Compared
    correction: Correction


class Promising(CaseActing):
    """One act per method, one transaction each."""

    def __init__(self, *, store: Store, queries: Queries, letters: Letters, rules: SlaRules, clock: Clock) -> None:
        super().__init__(store=store, clock=clock)
        self._queries, self._letters, self._rules = queries, letters, rules

    def proposed_correction(self, page: CasePage) -> CorrectionProposal | None:
        """The mail that a person should send to the sender of this case, None when nothing needs to be said."""
        found = self._proposed(page, self._clock())
        if found is None:
            return None
        return CorrectionProposal(
            to=found.correction.to,
            subject=found.correction.subject,
            text=found.correction.text,
            answer_day=local_date(page.case.answer_due),
        )

    def send_correction(self, reference: str, *, user: User, version: int, answer_day: date) -> None:
        """Puts the correction in the outbox. It takes the case up, answers nothing, and the clock runs on.

        Raises NotAllowed for a role that may not release, ConflictError when the case or the day is not the one that
        the person saw, or when nothing needs to be said any more."""
        if not role_may(user.role, Right.RELEASE):
            raise NotAllowed("this role may see the correction, not send it")

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            found = self._expected(reference, case, answer_day, now)
            thread = self._queries.thread_ids(reference)
            outbox_id = new_row_id(now)
            letter = self._letters.correction_mail(
                found.correction,
                in_reply_to=thread[-1] if thread else None,
                references=thread,
                outbox_id=outbox_id,
                now=now,
            )
            uow.add_outbox(letter.as_item(outbox_id, case.id, now), due_at=now, message_id=letter.message_id)
            uow.add_promise(case, outbox_id, by=user.id, at=now)
            return replace(taken_up(case, now, self._rules), promised_for=case.answer_due)

        self._act(reference, user, version, "correction_approved", act, {"answer_day": answer_day.isoformat()})

    def dismiss_correction(self, reference: str, *, user: User, version: int, answer_day: date, reason: str) -> None:
        """The sender need not be told (was called, for example): not proposed again until another day holds."""
        if not role_may(user.role, Right.RELEASE):
            raise NotAllowed("this role may see the correction, not dismiss it")
        if not reason.strip():
            raise NotAllowed("give the reason")

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            self._expected(reference, case, answer_day, now)
            uow.add_note(case.id, reason.strip(), by=user.id, at=now)
            return taken_up(case, now, self._rules)

        self._act(reference, user, version, DISMISSED, act, {"answer_day": answer_day.isoformat()})

    # ---------------------------------------------------------------- parts

    def _expected(self, reference: str, case: Case, answer_day: date, now: datetime) -> _Proposed:
        """The proposal as it stands while this transaction holds the case."""
        found = self._proposed(self._queries.case_page(reference), now)
        if found is None or found.page.case.version != case.version or local_date(case.answer_due) != answer_day:
            raise ConflictError("another day holds now, or the sender was told already")
        return found

    def _proposed(self, page: CasePage, now: datetime) -> _Proposed | None:
        receipt = page.acknowledgement
        compared = page.compared
        if receipt is None or compared is None or not needs_correction(page.case, compared, now):
            return None
        day = local_date(page.case.answer_due)
        if _is_dismissed(page, day) or any(_can_be_sent_again(one, day) for one in page.promises):
            return None
        to = next((row.recipient for row in page.outbox if row.id == receipt.outbox_id), "")
        if not to:  # erased
            return None
        return _Proposed(
            page, compared, self._letters.correction(page.case, compared, to=to, language=receipt.language or "nl")
        )


def _is_dismissed(page: CasePage, day: date) -> bool:
    named = [row.details.get("answer_day") for row in page.timeline if row.action == DISMISSED]
    return named[-1:] == [day.isoformat()]


def _can_be_sent_again(promise: Promise, day: date) -> bool:
    """A refused correction of this very day: the same mail can be sent once more, another one is not needed."""
    if promise.told_by != "correction" or promise.promised_for is None or promise.bounced:
        return False
    return promise.state == "refused" and local_date(promise.promised_for) == day
