"""All acts of people in one object, as the screens ask for them."""

from __future__ import annotations

from triage.errors import NotAllowed
from triage.ports import User
from triage.services.approval import Approval
from triage.services.casework import Casework
from triage.services.models import Models
from triage.services.promising import Promising
from triage.services.suggesting import Suggesting


class StaffActs:
    """All that people do, together; every act names its user."""

    def __init__(
        self,
        casework: Casework,
        approval: Approval,
        promising: Promising,
        suggesting: Suggesting,
        models: Models | None = None,
    ) -> None:
        self.claim = casework.claim
        self.release_claim = casework.release_claim
        self.wait = casework.wait
        self.resume = casework.resume
        self.close = casework.close
        self.reopen = casework.reopen
        self.no_reply_needed = casework.no_reply_needed
        self.confirm = casework.corrections.confirm
        self.correct_laws = casework.corrections.correct_laws
        self.correct_urgency = casework.corrections.correct_urgency
        self.missed_urgent = casework.corrections.missed_urgent
        self.sample_is_normal = casework.corrections.sample_is_normal
        self.correct_danger = casework.corrections.correct_danger
        self.correct_sender_type = casework.corrections.correct_sender_type
        self.correct_topics = casework.corrections.correct_topics
        self.note = casework.note
        self.open_notice = casework.open_notice
        self.accept_link = casework.linking.accept_link
        self.refuse_link = casework.linking.refuse_link
        self.link_clients = casework.linking.link_clients
        self.part_clients = casework.linking.part_clients
        self.release_answer = casework.reuse.release_answer
        self.withdraw_answer = casework.reuse.withdraw_answer
        self.similar_answers = casework.reuse.similar_answers
        self.release_uncertain = casework.release_uncertain
        self.release_quarantined = casework.release_quarantined
        self.release_breaker = casework.release_breaker
        self._models = models
        self.save_draft = approval.save_draft
        self.approve = approval.approve
        self.findings_of = approval.findings_of
        self.undo_approval = approval.undo_approval
        self.reject_draft = approval.reject_draft
        self.suggested_blocks = suggesting.suggested_blocks
        self.stated_facts = suggesting.stated_facts
        self.compose_draft = suggesting.compose_draft
        self.proposed_correction = promising.proposed_correction
        self.send_correction = promising.send_correction
        self.dismiss_correction = promising.dismiss_correction

    def promote_model(self, model_id: str, *, user: User) -> None:
        self._chooses().promote(model_id, user=user)

    def roll_back_model(self, *, user: User) -> None:
        self._chooses().roll_back(user=user)

    def _chooses(self) -> Models:
        if self._models is None:
            raise NotAllowed("no model is chosen here")
        return self._models
