"""What people can do on the screens, as one port: the screens ask, `triage/services` does.

Every act names the person. Each raises NotFound for an unknown case or row, NotAllowed when role or state forbid
it and ConflictError when somebody else was first; then nothing has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Protocol

from triage.core.assessment import Band, SenderType, Urgency
from triage.core.case import WaitingFor
from triage.core.gate import Finding, Found
from triage.ports import (
    BlockSuggestion,
    CasePage,
    CorrectionProposal,
    DraftContent,
    DraftRevision,
    SimilarAnswer,
    User,
)


class CaseActs(Protocol):
    """Acts of people on a case. `version` is the one of the case that the person saw."""

    def claim(self, reference: str, *, user: User, version: int, take_over: bool = False) -> None:
        """ConflictError when somebody else holds the case, unless the person means to take it over."""

    def release_claim(self, reference: str, *, user: User, version: int) -> None: ...
    def wait(self, reference: str, *, user: User, version: int, waiting_for: WaitingFor) -> None: ...
    def resume(self, reference: str, *, user: User, version: int) -> None: ...
    def close(self, reference: str, *, user: User, version: int, reason: str) -> None:
        """`reason` is never empty."""

    def reopen(self, reference: str, *, user: User, version: int) -> None: ...
    def no_reply_needed(self, reference: str, *, user: User, version: int, reason: str) -> None: ...
    def correct_laws(self, reference: str, *, user: User, version: int, laws: tuple[str, ...]) -> None:
        """`laws` in the order of LAWS; empty means none of the four."""

    def correct_urgency(
        self, reference: str, *, user: User, version: int, urgency: Urgency, band: Band, reason: str
    ) -> None:
        """Lowering the band needs a reason; raising may leave it empty."""

    def confirm(self, reference: str, *, user: User, version: int) -> None:
        """Laws and urgency are right as they stand."""

    def missed_urgent(self, reference: str, *, user: User, version: int, urgency: Urgency, reason: str) -> None:
        """The machine called an urgent question normal; NotAllowed unless it did. `reason` may be empty."""

    def sample_is_normal(self, reference: str, *, user: User, version: int) -> None:
        """A case of the audit sample is not urgent."""

    def correct_danger(self, reference: str, *, user: User, version: int, danger: bool, reason: str) -> None:
        """`reason` is not empty when the flag is taken away."""

    def correct_sender_type(self, reference: str, *, user: User, version: int, sender_type: SenderType) -> None: ...
    def correct_topics(self, reference: str, *, user: User, version: int, topics: tuple[str, ...]) -> None:
        """One to three known codes, the weightiest first, without repeats."""

    def suggested_blocks(self, page: CasePage) -> Sequence[BlockSuggestion]:
        """Answer blocks for this case: those of the draft, those that fit, then the rest (without reasons)."""

    def stated_facts(self, page: CasePage) -> Sequence[str]:
        """What the question says of the person it is about, as far as answers turn on it, in Dutch."""

    def compose_draft(
        self, reference: str, *, user: User, base_revision: int, blocks: Sequence[str], statements: Collection[str]
    ) -> DraftRevision:
        """The next revision, written from these blocks and ticked statements. NotFound for an unknown block."""

    def note(self, reference: str, *, user: User, text: str) -> None: ...

    def open_notice(self, reference: str, *, user: User, version: int, message_id: str, text: str) -> None:
        """The content behind a notice of secure mail was opened; `text` may be empty, else it is kept and judged."""

    def accept_link(self, reference: str, *, user: User, version: int, other: str) -> None:
        """The messages of this case go to `other`, which it named; this case is closed. Cannot be taken back."""

    def refuse_link(self, reference: str, *, user: User, version: int, other: str) -> None:
        """This case stays apart from `other` for good."""

    def link_clients(self, reference: str, *, user: User, version: int, other: str) -> None:
        """Both cases are about one person; one handler gets both."""

    def part_clients(self, reference: str, *, user: User, version: int, other: str) -> None:
        """The cases are not about one person, or not any more; never proposed again."""

    def save_draft(self, reference: str, *, user: User, base_revision: int, content: DraftContent) -> DraftRevision:
        """The new revision. ConflictError when a newer one than `base_revision` exists (0: there is none yet)."""

    def findings_of(self, page: CasePage) -> tuple[Found, ...]:
        """What the gate finds in the newest draft of a case, to be shown and ticked before it is approved."""

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
        """When the mail leaves, aware UTC. `seen_messages` counts the received messages (direction "in") that the
        approver had on the screen; `ticked` are the findings in this revision that the approver looked at.
        ConflictError when the revision, its hash or that count is no longer the newest. GateFindings when the gate
        stops the text."""

    def undo_approval(self, reference: str, *, user: User) -> None:
        """ConflictError when the mail has left or is leaving."""

    def proposed_correction(self, page: CasePage) -> CorrectionProposal | None:
        """The mail that tells the sender of another day than was promised; None when nothing needs to be said."""

    def send_correction(self, reference: str, *, user: User, version: int, answer_day: date) -> None:
        """`answer_day` is the day that the proposal named. ConflictError also when that changed, or it was sent."""

    def dismiss_correction(self, reference: str, *, user: User, version: int, answer_day: date, reason: str) -> None:
        """Not proposed again until another day holds."""

    def release_answer(self, reference: str, *, user: User, version: int, revision: int) -> None:
        """Colleagues may read this sent reply as an example. ConflictError also when this revision was not sent."""

    def withdraw_answer(self, reference: str, *, user: User, version: int) -> None:
        """The reply of this case is no example any more."""

    def similar_answers(self, page: CasePage) -> Sequence[SimilarAnswer]:
        """At most three released replies of other cases that answer a question like this one, likeliest first."""

    def reject_draft(self, reference: str, *, user: User, revision: int, reason: str) -> None: ...
    def release_uncertain(self, outbox_id: str, *, user: User) -> None:
        """Sends an uncertain or refused mail once more, with the same Message-ID."""

    def release_quarantined(self, row_id: str, *, user: User) -> None:
        """The mail is tried again at the next poll."""

    def promote_model(self, model_id: str, *, user: User) -> None:
        """Puts a model made from feedback in use; NotAllowed when its comparison does not allow it, ConflictError when
        it is in use already, ModelUnavailable when it is damaged."""

    def roll_back_model(self, *, user: User) -> None:
        """The model that was in use before. ConflictError when there is none; ModelUnavailable when it is damaged."""

    def release_breaker(self, *, user: User) -> None:
        """Acknowledgements may leave again after the hourly budget stopped them."""
