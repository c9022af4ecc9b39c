"""What `decide` returns: one frozen value per thing to do. Stored as JSON so that "why?" can be answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from triage.core.assessment import Band
from triage.core.case import Counting
from triage.core.mail import LedgerOutcome, MessageKind, NoReplyReason


@dataclass(frozen=True, slots=True)
class Terms:
    """Both terms of a case, aware UTC; `take_up_due` only for bands urgent and possible."""

    answer_due: datetime
    take_up_due: datetime | None
    at_risk_at: datetime
    counting: Counting


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A new case. `no_reply_rule` set: it opens in state no_reply_needed (unsolicited, list or bulk, a
    machine by its words alone)."""

    kind: MessageKind
    terms: Terms
    no_reply_rule: str = ""


@dataclass(frozen=True, slots=True)
class AppendToCase:
    """A follow-up: the message joins the case; `terms` are what hold from now on; `reopened` tells a new term began."""

    case_id: str
    terms: Terms
    reopened: bool = False
    raised_to: Band | None = None


@dataclass(frozen=True, slots=True)
class AttachToCase:
    """A report, auto-reply or second copy joins the case without touching its clock."""

    case_id: str
    rule: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """The ledger says by which rule; the bytes stay in the mailbox."""

    rule: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """One acknowledgement. `promised_take_up` only in band urgent. `maybe_sent`: it may have left before, in a time
    the database does not know; a person decides."""

    language: str
    promised_answer: datetime
    promised_take_up: datetime | None
    maybe_sent: bool = False


@dataclass(frozen=True, slots=True)
class WithholdAcknowledgement:
    reasons: tuple[NoReplyReason, ...]


@dataclass(frozen=True, slots=True)
class PrepareDraft:
    laws: tuple[str, ...]
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReturnToStaff:
    """An approved reply bounced: an answered case is open again, with `terms` from the report on."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class Alert:
    """Tell staff at once: "danger"."""

    kind: str


Action = (
    OpenCase
    | AppendToCase
    | AttachToCase
    | Ignore
    | Acknowledge
    | WithholdAcknowledgement
    | PrepareDraft
    | ReturnToStaff
    | Alert
)


def outcome_of(actions: tuple[Action, ...]) -> LedgerOutcome:
    """The ledger outcome that a tuple of actions stands for (`product.md` section 2)."""
    for action in actions:
        if isinstance(action, OpenCase):
            return LedgerOutcome.CASE
        if isinstance(action, AppendToCase):
            return LedgerOutcome.FOLLOW_UP
        if isinstance(action, AttachToCase):
            return LedgerOutcome.ATTACHED
        if isinstance(action, Ignore):
            return LedgerOutcome.IGNORED
    raise ValueError("a decision must place the message")
