"""What people decide about two cases: one conversation or not, one client or not.

A machine only proposes. Accepting a conversation moves the messages of the case that named the other one and closes
it; each case keeps the acknowledgement it had. Two cases of one client stay two cases, with one person for both.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from triage.core.case import OPEN_STATES, Case, CaseState, LinkKind, LinkState, move
from triage.core.follow_up import after_message
from triage.core.sla import SlaRules, follow_up_terms, is_paused, resume
from triage.errors import ConflictError, NotAllowed, NotFound
from triage.ports import Clock, Store, UnitOfWork, User
from triage.services.threads import current_case

_ON_ITS_WAY = ("due", "sending", "deferred")


class Linking:
    """One act per method, one transaction each. The screens check the role (`triage.core.rights`)."""

    def __init__(self, *, store: Store, rules: SlaRules, clock: Clock) -> None:
        self._store, self._rules, self._clock = store, rules, clock

    def accept_link(self, reference: str, *, user: User, version: int, other: str) -> None:
        """The messages of `reference` go to the case it named; it is closed. The other case goes on as when its
        sender wrote. Raises ConflictError when it was decided already, or while a reply of this case is on its way."""
        now = self._clock()
        with self._store.begin() as uow:
            case, target = self._both(uow, reference, other, version)
            self._undecided(uow, case, target)
            target = self._taken_over(uow, case, target)
            latest = uow.latest_draft(case.id)
            if latest and latest.outbox_id and uow.outbox_state(latest.outbox_id) in _ON_ITS_WAY:
                raise ConflictError("a reply of this case is on its way")
            moved = uow.move_messages(case.id, target.id)
            terms, reopened = follow_up_terms(target, case.band, case.arrived_at, self._rules)
            uow.save_case(
                after_message(
                    target,
                    band=case.band,
                    urgency=case.urgency,
                    danger=case.danger,
                    laws=case.laws,
                    arrived=case.arrived_at,
                    terms=terms,
                    reopened=reopened,
                )
            )
            uow.save_case(self._emptied(case, now))
            uow.decide_link(case.id, target.id, LinkKind.CONVERSATION, LinkState.ACCEPTED, by=user.id, at=now)
            facts: dict[str, object] = {"messages": moved}
            uow.audit(
                "link_accepted", at=now, actor=user.id, case_id=case.id, details={"other": target.reference, **facts}
            )
            uow.audit(
                "messages_joined",
                at=now,
                actor=user.id,
                case_id=target.id,
                details={"other": case.reference, **facts, "reopened": reopened},
            )

    def refuse_link(self, reference: str, *, user: User, version: int, other: str) -> None:
        """The cases stay apart for good; the case that was named keeps no trace."""
        now = self._clock()
        with self._store.begin() as uow:
            case, target = self._both(uow, reference, other, version)
            self._undecided(uow, case, target)
            uow.decide_link(case.id, target.id, LinkKind.CONVERSATION, LinkState.REFUSED, by=user.id, at=now)
            uow.audit("link_refused", at=now, actor=user.id, case_id=case.id, details={"other": target.reference})

    def link_clients(self, reference: str, *, user: User, version: int, other: str) -> None:
        """Both cases are about one person: who has one of them gets both; when nobody has, the one who says so."""
        now = self._clock()
        with self._store.begin() as uow:
            case, target = self._both(uow, reference, other, version)
            handler = case.assignee or target.assignee or user.id
            for one, mate in ((case, target), (target, case)):
                if one.assignee is None and one.state in OPEN_STATES:
                    uow.save_case(replace(one, assignee=handler))
                uow.audit("clients_linked", at=now, actor=user.id, case_id=one.id, details={"other": mate.reference})
            uow.decide_link(case.id, target.id, LinkKind.SAME_CLIENT, LinkState.ACCEPTED, by=user.id, at=now)

    def part_clients(self, reference: str, *, user: User, version: int, other: str) -> None:
        """Not one person, or not to be handled together: never proposed again."""
        now = self._clock()
        with self._store.begin() as uow:
            case, target = self._both(uow, reference, other, version)
            uow.decide_link(case.id, target.id, LinkKind.SAME_CLIENT, LinkState.REFUSED, by=user.id, at=now)
            for one, mate in ((case, target), (target, case)):
                uow.audit("clients_parted", at=now, actor=user.id, case_id=one.id, details={"other": mate.reference})

    # ---------------------------------------------------------------- parts

    @staticmethod
    def _both(uow: UnitOfWork, reference: str, other: str, version: int) -> tuple[Case, Case]:
        """Both cases, locked in one order so that two people cannot hold each other up."""
        ids = [uow.case_by_reference(one) for one in (reference, other)]
        one, two = ids
        if one is None or two is None:
            raise NotFound("no such case")
        if one == two:
            raise NotAllowed("a case has no link to itself")
        found = {case_id: uow.case(case_id, for_update=True) for case_id in sorted((one, two))}
        if found[one].version != version:
            raise ConflictError("somebody else changed this case first")
        return found[one], found[two]

    @staticmethod
    def _undecided(uow: UnitOfWork, case: Case, target: Case) -> None:
        state = uow.link_state(case.id, target.id, LinkKind.CONVERSATION)
        if state is None:
            raise NotAllowed("nothing was proposed between these cases")
        if state is not LinkState.PROPOSED:
            raise ConflictError("this proposal was decided already")

    @staticmethod
    def _taken_over(uow: UnitOfWork, case: Case, target: Case) -> Case:
        """The case that took over the named one meanwhile, if any."""
        current = current_case(uow, target.id)
        if current == case.id:
            raise ConflictError("the named case was merged with this one")
        return target if current in (None, target.id) else uow.case(current, for_update=True)

    def _emptied(self, case: Case, now: datetime) -> Case:
        """The case whose messages left: closed, unless it had ended already."""
        if is_paused(case):
            case = resume(case, now, self._rules)
        if case.state not in OPEN_STATES:
            return case
        return replace(
            case,
            state=move(case.state, CaseState.CLOSED),
            waiting_for=None,
            paused_ends_left=None,
            taken_up_at=case.taken_up_at or now,
            ended_at=now,
        )
