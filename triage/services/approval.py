"""Drafts and their approval: what was approved is what is sent (`product.md` section 3.10).

An approval binds to the hash of one revision. Saving makes a new revision and so voids it. After approval the
mail waits a short time in the outbox, in which the approval can be taken back. What the gate asks is ticked for one
revision too: a next one is asked about anew. With the approval is counted what it left of each answer block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from triage.core.case import CaseState, move
from triage.core.gate import Finding, Found, GateFindings, SecureChannel, findings
from triage.core.rights import Right, role_may
from triage.core.sla import SlaRules, is_paused, resume
from triage.core.workdays import local_date
from triage.errors import ConflictError, NotAllowed
from triage.ports import CasePage, Clock, DraftContent, DraftRevision, Queries, Store, User
from triage.row_ids import new_row_id
from triage.services.block_learning import blocks_used, machine_draft
from triage.services.case_acting import find
from triage.services.casework import taken_up
from triage.services.letters import Letters


class Approval:
    def __init__(
        self,
        *,
        store: Store,
        queries: Queries,
        letters: Letters,
        rules: SlaRules,
        clock: Clock,
        undo: timedelta,
        own_addresses: Sequence[str],
        organisation_name: str,
        secure_channel: SecureChannel = SecureChannel.ADVISE,
        check_within: timedelta = timedelta(days=365),
    ) -> None:
        self._store, self._queries, self._letters, self._rules = store, queries, letters, rules
        self._clock, self._undo, self._own_addresses = clock, undo, tuple(own_addresses)
        self._organisation_name, self._secure_channel = organisation_name, secure_channel
        self._check_within = check_within

    def save_draft(
        self,
        reference: str,
        *,
        user: User,
        base_revision: int,
        content: DraftContent,
        made_from: tuple[str, ...] | None = None,
    ) -> DraftRevision:
        """The next revision; takes back an approved one that still waits, and follows one that left. The blocks stay
        those of the text it began from, unless it was made anew from `made_from`; a letter after one that was sent
        begins empty, so it has none.

        Raises ConflictError when somebody saved a newer one than `base_revision`, or the approved one is on its way."""
        now = self._clock()
        with self._store.begin() as uow:
            case = uow.case(find(uow, reference), for_update=True)
            latest = uow.latest_draft(case.id)
            if latest is not None and latest.revision != base_revision:
                raise ConflictError("somebody else saved a newer text")
            blocks = latest.content.blocks if latest is not None else ()
            if latest is not None and latest.outbox_id is not None:
                if uow.cancel_outbox(latest.outbox_id):
                    uow.void_approval(case.id, latest.revision, by=user.id, at=now)
                else:
                    state = uow.outbox_state(latest.outbox_id)
                    if state in ("due", "sending", "deferred"):
                        raise ConflictError("this reply is already on its way")
                    blocks = () if state == "sent" else blocks
            content = replace(content, blocks=blocks if made_from is None else made_from)
            revision = uow.add_draft(case.id, content, by=user.id, at=now)
            changed = taken_up(case, now, self._rules)
            if changed != case:
                uow.save_case(changed)
            uow.audit("draft_saved", at=now, actor=user.id, case_id=case.id, details={"revision": revision.revision})
            return revision

    def findings_of(self, page: CasePage) -> tuple[Found, ...]:
        """What the gate finds in the newest revision of a case; empty without one."""
        return self._findings(page.drafts[0].content, page) if page.drafts else ()

    def _findings(self, content: DraftContent, page: CasePage) -> tuple[Found, ...]:
        return findings(
            recipients=(*content.to, *content.cc),
            subject=content.subject,
            body=content.body,
            own_addresses=self._own_addresses,
            correspondents=page.correspondents,
            stale=self._letters.knowledge.outdated(content.blocks, local_date(self._clock()), self._check_within),
            secure_channel=self._secure_channel,
        )

    def approve(
        self,
        reference: str,
        *,
        user: User,
        revision: int,
        content_hash: str,
        seen_messages: int,
        ticked: frozenset[Finding] = frozenset(),
    ) -> datetime:
        """Puts the reply in the outbox; returns when it leaves. `ticked`: the findings in this revision that the person
        looked at; those that block cannot be ticked away.

        Raises NotAllowed for a role that may not release, ConflictError when the text or the conversation is
        newer than what the person saw, GateFindings when the text may not leave."""
        if not role_may(user.role, Right.RELEASE):
            raise NotAllowed("this role may draft, not release")
        now = self._clock()
        with self._store.begin() as uow:
            case = uow.case(find(uow, reference), for_update=True)  # from here on no mail joins the case unseen
            page = self._queries.case_page(reference)
            if len([message for message in page.messages if message.direction == "in"]) > seen_messages:
                raise ConflictError("the sender wrote again")
            latest = uow.latest_draft(case.id)
            if latest is None or latest.revision != revision or latest.content_hash != content_hash:
                raise ConflictError("this is not the newest text")
            if latest.approved_at is not None:
                raise ConflictError("this text is already approved")
            if case.state in (CaseState.CLOSED, CaseState.NO_REPLY_NEEDED):
                raise NotAllowed("open the case again before you answer")
            content = latest.content
            found = self._findings(content, page)
            if refused := [one.finding for one in found if one.blocks or one.finding not in ticked]:
                raise GateFindings(refused)
            leaves = now + self._undo
            outbox_id = new_row_id(now)
            thread = self._queries.thread_ids(reference)
            letter = self._letters.reply(
                content,
                case=case,
                in_reply_to=thread[-1] if thread else None,
                references=thread,
                outbox_id=outbox_id,
                signature=f"{user.display_name}\n{self._organisation_name}",
                now=now,
            )
            ids = [outbox_id, *(new_row_id(now) for _ in letter.also_to)]
            for item in letter.as_items(ids, case.id, now):
                uow.add_outbox(item, due_at=leaves, message_id=letter.message_id)
            approval_id = uow.add_approval(
                case.id, revision, content_hash=content_hash, by=user.id, at=now, outbox_id=outbox_id
            )
            written = machine_draft(content, page.drafts)
            if written is not None:
                used = blocks_used(self._letters.knowledge, drafted=written.content, approved=content)
                uow.add_block_use(approval_id, case.id, used, drafted=written.revision, at=now)
            changed = taken_up(case, now, self._rules)
            if is_paused(changed):  # an answer ends the wait for the sender
                changed = replace(
                    resume(changed, now, self._rules), state=move(case.state, CaseState.IN_PROGRESS), waiting_for=None
                )
            if changed != case:
                uow.save_case(changed)
            details: dict[str, object] = {"revision": revision}
            if found:  # all of them ticked
                details["ticked"] = {one.finding: max(1, len(one.where)) for one in found}
            uow.audit("draft_approved", at=now, actor=user.id, case_id=case.id, details=details)
            return leaves

    def undo_approval(self, reference: str, *, user: User) -> None:
        """Takes the approval back while the mail still waits; ConflictError when it is on its way."""
        now = self._clock()
        with self._store.begin() as uow:
            case = uow.case(find(uow, reference), for_update=True)
            latest = uow.latest_draft(case.id)
            if latest is None or latest.outbox_id is None:
                raise ConflictError("there is no approval to take back")
            if not uow.cancel_outbox(latest.outbox_id):
                raise ConflictError("this reply is already on its way")
            uow.void_approval(case.id, latest.revision, by=user.id, at=now)
            uow.audit("approval_undone", at=now, actor=user.id, case_id=case.id, details={"revision": latest.revision})

    def reject_draft(self, reference: str, *, user: User, revision: int, reason: str) -> None:
        """A releaser sends the text back to its author, with a reason."""
        if not role_may(user.role, Right.RELEASE):
            raise NotAllowed("this role may draft, not release")
        if not reason.strip():
            raise NotAllowed("give the reason")
        now = self._clock()
        with self._store.begin() as uow:
            case = uow.case(find(uow, reference), for_update=True)
            latest = uow.latest_draft(case.id)
            if latest is None or latest.revision != revision:
                raise ConflictError("this is not the newest text")
            if latest.outbox_id is not None:
                raise ConflictError("this text is already approved; take the approval back first")
            uow.add_note(case.id, reason.strip(), by=user.id, at=now)
            changed = taken_up(case, now, self._rules)
            if changed != case:
                uow.save_case(changed)
            uow.audit("draft_rejected", at=now, actor=user.id, case_id=case.id, details={"revision": revision})
