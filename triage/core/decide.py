"""One pure function from screening, assessment, thread and policy to actions. What it returns is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

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
)
from triage.core.assessment import BAND_ORDER, Assessment, Band
from triage.core.case import Case
from triage.core.mail import MessageKind, NoReplyReason, Screening
from triage.core.secure_mail import DEFAULT_DAYS
from triage.core.sla import SlaRules, follow_up_terms, terms_for


@dataclass(frozen=True)
class Policy:
    """What the organisation decided. `since` is set in live mode: only later arrivals are acknowledged."""

    sla: SlaRules
    mode: Literal["shadow", "live"] = "shadow"
    since: datetime | None = None
    per_address_per_day: int = 5
    per_hour: int = 200
    model_languages: frozenset[str] = field(default_factory=lambda: frozenset({"nl"}))
    notice_days: Mapping[str, int] = field(default_factory=lambda: DEFAULT_DAYS)  # see core/secure_mail.py


@dataclass(frozen=True, slots=True)
class Thread:
    """What the store knows of the conversation this message is in.

    `case`: a known Message-ID or a valid token of a known sender points to it.
    `copy_of`: the same mail was taken in before; (case id or None, its rule).
    `proposed_reference`: a valid token, but an unknown sender; a person decides.
    `bounced_reply`: this report says that a reply of the case did not arrive.
    `maybe_acknowledged`: the mail is new to the store, but it was handled before: an older database was put back.
    """

    case: Case | None = None
    copy_of: tuple[str | None, str] | None = None
    proposed_reference: str | None = None
    bounced_reply: bool = False
    maybe_acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Acknowledgements already queued: to this address in a day, and overall in the last hour."""

    to_address: int = 0
    last_hour: int = 0
    breaker_tripped: bool = False


_MACHINE_KINDS = frozenset({MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT})
_NO_REPLY_KINDS = frozenset({MessageKind.UNSOLICITED, MessageKind.LIST_OR_BULK})
_SIGNS = frozenset({"model", "rule", "softened_rule", "support_rule", "classifier_error"})


def decide(
    screening: Screening,
    assessment: Assessment,
    thread: Thread,
    budget: Budget,
    *,
    arrived: datetime,
    now: datetime,
    policy: Policy,
) -> tuple[Action, ...]:
    """What to do with one message, in order. Never empty; the first action places the message."""
    if thread.copy_of is not None:
        case_id, rule = thread.copy_of
        return (AttachToCase(case_id, "second_copy"),) if case_id else (Ignore(rule or "second_copy"),)
    if screening.kind is MessageKind.OWN:
        return (Ignore(screening.rule or "own_address"),)
    may_need_reply = screening.by_words and _stands_out(assessment)
    if screening.kind in _MACHINE_KINDS and not _is_kept(screening, thread, stands_out=may_need_reply):
        rule = screening.rule or str(screening.kind)
        if thread.case is None:
            return (Ignore(rule),)
        attach = AttachToCase(thread.case.id, rule)
        if not thread.bounced_reply:
            return (attach,)
        return attach, ReturnToStaff(terms_for(Band.NORMAL, arrived, policy.sla))

    actions: list[Action] = []
    if thread.case is not None:
        case = thread.case
        terms, reopened = follow_up_terms(case, assessment.band, arrived, policy.sla)
        actions.append(AppendToCase(case.id, terms, reopened, _raised(case.band, assessment.band)))
        if reopened:
            actions.append(PrepareDraft(assessment.laws, assessment.topics))
    else:
        is_quiet = screening.kind in _NO_REPLY_KINDS | _MACHINE_KINDS
        no_reply = screening.rule or str(screening.kind) if is_quiet and not may_need_reply else ""
        terms = terms_for(assessment.band, arrived, policy.sla)
        actions.append(OpenCase(screening.kind, terms, no_reply))
        reasons = screening.reasons or ((NoReplyReason.MACHINE_TEXT,) if is_quiet else ())
        reasons += _withheld_by_policy(budget, arrived, policy)
        if reasons:
            actions.append(WithholdAcknowledgement(reasons))
        else:
            promised = terms.take_up_due if assessment.band is Band.URGENT else None
            actions.append(
                Acknowledge(assessment.language, terms.answer_due, promised, maybe_sent=thread.maybe_acknowledged)
            )
        if not no_reply:
            actions.append(PrepareDraft(assessment.laws, assessment.topics))
    if assessment.danger:
        actions.append(Alert("danger"))
    return tuple(actions)


def _is_kept(screening: Screening, thread: Thread, *, stands_out: bool) -> bool:
    """A machine by its words alone: never ignored, and in a known case it counts as a message when it stands out."""
    if not screening.by_words:
        return False
    return thread.case is None or (stands_out and screening.kind is MessageKind.AUTO_REPLY)


def _stands_out(assessment: Assessment) -> bool:
    """Model or rules saw a sign of haste or danger, or failed on this text. A language that the model does not know
    is no sign: automatic replies come in every language."""
    return assessment.danger or (assessment.band is not Band.NORMAL and assessment.band_reason in _SIGNS)


def _raised(current: Band, new: Band) -> Band | None:
    return new if BAND_ORDER.index(new) > BAND_ORDER.index(current) else None


def _withheld_by_policy(budget: Budget, arrived: datetime, policy: Policy) -> tuple[NoReplyReason, ...]:
    reasons: list[NoReplyReason] = []
    if policy.mode == "shadow":
        reasons.append(NoReplyReason.SHADOW_MODE)
    elif policy.since is not None and arrived < policy.since:
        reasons.append(NoReplyReason.BEFORE_SINCE)
    if budget.to_address >= policy.per_address_per_day:
        reasons.append(NoReplyReason.BUDGET_ADDRESS)
    if budget.breaker_tripped or budget.last_hour >= policy.per_hour:
        reasons.append(NoReplyReason.BUDGET_HOUR)
    return tuple(reasons)
