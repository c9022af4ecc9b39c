"""Reading for screens and reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from triage.core.assessment import Assessment, Band, SenderType, Urgency
from triage.core.case import Case, CaseState, LinkKind, LinkState, WaitingFor
from triage.core.gate import Correspondents, normalised
from triage.core.mail import MessageKind
from triage.core.promises import CaseEvent, Compared, Promise, compare
from triage.ports.knowledge import BlockFigures
from triage.ports.stored import DraftRevision, StaleReading


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One line of the Werkvoorraad."""

    reference: str
    subject: str
    contact: str
    state: CaseState
    waiting_for: WaitingFor | None
    laws: tuple[str, ...]
    laws_unclear: bool
    urgency: Urgency
    band: Band
    danger: bool
    topics: tuple[str, ...]
    arrived_at: datetime
    take_up_due: datetime | None
    answer_due: datetime
    taken_up_at: datetime | None
    assignee: str | None  # display name
    clock_state: str
    kind: MessageKind
    open_before: datetime | None = None  # of the first notice of secure mail that nobody opened yet


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """`which` "open" or "no_reply_needed" or "ended" or "all"; the rest narrow it. `mine` is a user id."""

    which: str = "open"
    law: str | None = None
    urgency: str | None = None
    state: str | None = None
    topic: str | None = None
    mine: str | None = None
    unassigned: bool = False
    clock: str | None = None  # due_today | at_risk | breached | urgent_not_taken_up | take_up_breached
    page: int = 1
    page_size: int = 25


@dataclass(frozen=True, slots=True)
class Supervision:
    """The numbers of Toezicht, now."""

    open: int
    due_today: int
    at_risk: int
    breached: int
    urgent_not_taken_up: int
    uncertain: int
    refused: int
    quarantined: int
    unaccounted: int


@dataclass(frozen=True, slots=True)
class MessageView:
    """A stored message for the screen: unsealed. `direction` is "in" or "out"."""

    id: str
    direction: str
    kind: MessageKind
    arrived_at: datetime
    subject: str
    from_name: str
    from_address: str
    sent_by: str  # Sender header when it differs from From, else ""
    originally_from: str  # who wrote a forwarded mail, as its forwarder shows it; else ""
    to: tuple[str, ...]
    reply_to: tuple[str, ...]
    text: str
    new_text: str
    html: str  # as sent: unsafe until cleaned
    attachments: tuple[tuple[str, str, int], ...]  # (filename, content type, bytes)
    defects: tuple[str, ...]
    complete: bool
    report: tuple[tuple[str, str, str], ...] = ()  # of a delivery report: (address or "", Delivery, status or "")
    originally_found: str = ""  # where that stood: "text" or "attached"
    from_client: bool = False  # ours, sent from somebody's mail program
    cc: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AcknowledgementView:
    """`state` is the outbox state, or "withheld"."""

    state: str
    reasons: tuple[str, ...]
    decided_at: datetime
    promised_for: datetime | None
    sent_at: datetime | None
    reply_code: int | None
    outbox_id: str | None
    promised_take_up: datetime | None = None
    began_at: datetime | None = None
    language: str = ""
    bounced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    id: str
    kind: str
    state: str
    reference: str | None
    created_at: datetime
    due_at: datetime
    attempts: int
    sent_at: datetime | None
    reply_code: int | None
    enhanced_status: str | None
    settled: bool = False  # a newer reply of the case left: what happened to this one asks for nothing any more
    recipient: str = ""  # only on a case's own page
    copy: bool = False  # the recipient stands in Cc; only on a case's own page


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    id: str
    uid: int
    size: int
    error: str
    at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class AuditRow:
    at: datetime
    actor: str  # display name, or "system"
    action: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class NoteRow:
    at: datetime
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class CaseLink:
    """Another case that may belong with this one. `names_it`: this case named the other one (conversation only); the
    named case hears of it only once it is accepted."""

    reference: str
    kind: LinkKind
    state: LinkState
    names_it: bool
    case_state: CaseState
    assignee: str | None  # display name
    decided_by: str  # display name, or "system"
    at: datetime


@dataclass(frozen=True, slots=True)
class SameClient:
    """A case of another sender that may be about the same person; `reasons`: name, age, wording, urgency."""

    reference: str
    subject: str
    contact_name: str
    contact_address: str
    arrived_at: datetime
    state: CaseState
    assignee: str | None  # display name
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoLive:
    """What `live` would have done so far, from what was decided: for an organisation that still runs in shadow."""

    addresses: int  # different askers that would have got an acknowledgement
    withheld_anyway: Mapping[str, int]  # reason → count, of those that live would have withheld too


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice of secure mail. `named`: the notice itself says until when; else it is the configured time."""

    message_id: str
    provider: str
    open_before: datetime
    named: bool
    opened_at: datetime | None
    opened_by: str | None  # display name


@dataclass(frozen=True, slots=True)
class FoundLate:
    """An urgent question that the machine first put in band normal. `how`: missed_urgent (a person found it) or
    found_late (a newer model did)."""

    at: datetime
    reference: str
    how: str
    urgency: str
    model: str  # that missed it, or that found it


@dataclass(frozen=True, slots=True)
class SampledCase:
    """A case of the audit sample that nobody looked at yet."""

    reference: str
    week: str
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class SampleFigures:
    """The audit sample of some weeks: cases drawn, looked at, found urgent; and what waits for a look, oldest first."""

    drawn: int
    looked_at: int
    found_urgent: int
    open: tuple[SampledCase, ...] = ()


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """What a person said of a field of the assessment (`core.labels`); `before` equal to `after`: confirmed."""

    at: datetime
    actor: str  # display name
    message_id: str
    field: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DraftCopyView:
    """Where the draft stands in the mailbox. `here`: the revision that holds is in `folder`; `trouble` says why a copy
    that is due is not (code of a FolderRefused), "" when it only was not its turn yet."""

    folder: str
    here: bool
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ReleasedAnswer:
    """The sent reply of a case that colleagues may read as an example: its draft revision, who said so and when."""

    revision: int
    released_by: str  # display name
    released_at: datetime


@dataclass(frozen=True, slots=True)
class ReleasedQuestion:
    """A released reply by what holds for its case."""

    reference: str
    approved_at: datetime
    laws: tuple[str, ...]
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SimilarAnswer:
    """A released reply beside a draft, and why: laws and topics in common, and how many words the questions share."""

    reference: str
    answered_at: datetime
    text: str  # without salutation and signature, BSNs masked
    laws: tuple[str, ...]
    topics: tuple[str, ...]
    words: int


@dataclass(frozen=True, slots=True)
class CasePage:
    """Everything Zaak shows. `messages` oldest first, `drafts` the one that holds first, then the newest."""

    case: Case
    kind: MessageKind
    channel: str
    backlog: bool
    no_reply_rule: str
    contact_name: str
    contact_address: str
    assignee_name: str | None
    messages: tuple[MessageView, ...]
    assessment: Assessment | None  # the newest one, as the machine made it
    topics: tuple[str, ...]
    laws_unclear: bool
    acknowledgement: AcknowledgementView | None
    drafts: tuple[DraftRevision, ...]
    outbox: tuple[OutboxRow, ...]
    notes: tuple[NoteRow, ...]
    timeline: tuple[AuditRow, ...]
    links: tuple[CaseLink, ...] = ()
    notices: tuple[NoticeRow, ...] = ()
    sender_type: SenderType = SenderType.OTHER  # as it holds for the case, by machine or person, as `topics`
    judged_message: str = ""  # the message that `assessment` is about
    corrections: tuple[CorrectionRow, ...] = ()  # oldest first, of this case and of those joined to it
    promises: tuple[Promise, ...] = ()  # oldest first; the actor by display name
    sampled: str = ""  # the week of whose audit sample it is, while nobody looked
    draft_copy: DraftCopyView | None = None  # None: drafts are not put in the mailbox, or there is none
    released: ReleasedAnswer | None = None

    @property
    def machine_said_normal(self) -> bool:
        """The machine's newest reading put this case in band normal, and nothing raised it: who finds it urgent finds
        what the machine missed."""
        return self.assessment is not None and Band.NORMAL == self.assessment.band == self.case.band

    @property
    def correspondents(self) -> Correspondents:
        """Whose addresses stand in this conversation. A delivery report speaks for a machine and counts for nobody."""
        received = [
            one for one in self.messages if one.direction == "in" and one.kind is not MessageKind.DELIVERY_REPORT
        ]
        sent = [one for one in self.messages if one.direction == "out"]
        return Correspondents(
            writers=normalised(
                (self.contact_address, *(address for one in received for address in (one.from_address, *one.reply_to)))
            ),
            copied=normalised(address for one in received for address in (*one.to, *one.cc)),
            ours=normalised(address for one in sent for address in (*one.to, *one.cc)),
        )

    @property
    def compared(self) -> Compared | None:
        """The last promise that the sender knows of, beside what holds now."""
        received = ((one.arrived_at, one.kind) for one in self.messages if one.direction == "in")
        return compare(self.case, self.promises, received)


@dataclass(frozen=True, slots=True)
class CorrectionProposal:
    """A mail that tells the sender of another day, exactly as it will leave when a person sends it."""

    to: str
    subject: str
    text: str
    answer_day: date  # in Amsterdam


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """Counts per outcome over all folders; `unaccounted` = entries without one."""

    outcomes: Mapping[str, int]
    unaccounted: int
    received: int


@dataclass(frozen=True, slots=True)
class JobHealth:
    name: str
    last_started: datetime | None
    last_succeeded: datetime | None
    last_error: str
    last_error_at: datetime | None


@dataclass(frozen=True, slots=True)
class AlertRow:
    """Something staff were told; `reference` None when it is about no case."""

    at: datetime
    kind: str
    reference: str | None


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """A received message with what people said of it: a training example. `labels` holds only the fields a person
    chose, each with the last value (`core.labels` says how values are written)."""

    message_id: str
    reference: str  # of the case it stands in now
    judged_text: str  # BSNs masked
    language: str
    labels: Mapping[str, tuple[str, ...]]
    at: datetime  # of the last judgement
    missed_urgent: bool
    spam_or_machine: bool  # set aside by its kind, and nobody opened it


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """The newest machine assessment of a received message, in codes and figures: what drift is measured on."""

    at: datetime
    reference: str
    model: str  # "" when no model judged it
    band: Band
    urgency: Urgency
    danger: bool
    laws: tuple[str, ...]
    laws_unclear: bool
    topics: tuple[str, ...]
    sender_type: SenderType
    language: str
    unknown_words: float | None
    nearest: float | None
    overridden: frozenset[str]  # of core.labels.FIELDS: a person's last value is another one than the machine's


@dataclass(frozen=True, slots=True)
class SlaFact:
    """What `report sla` needs of a case. `arrived_at`: of its first mail. `set_aside`: a rule found that it needs no
    reply, and nobody opened it."""

    case: Case
    arrived_at: datetime
    channel: str
    backlog: bool
    set_aside: bool
    promises: tuple[Promise, ...]  # oldest first; the actor is a user id, or "system"
    events: tuple[CaseEvent, ...]  # oldest first


class Queries(Protocol):
    """Read-only views; never take a write lock."""

    def worklist(self, wanted: CaseFilter, *, now: datetime) -> tuple[Sequence[CaseRow], int]:
        """One page, urgent and dangerous on top, then by due time; and the total number."""

    def supervision(self, *, now: datetime, today_ends: datetime) -> Supervision: ...
    def case_page(self, reference: str) -> CasePage:
        """Raises NotFound."""

    def raw_message(self, message_id: str) -> bytes: ...
    def thread_ids(self, reference: str) -> Sequence[str]:
        """Well-formed Message-IDs of what people wrote in a case, oldest first, for References."""

    def outbox(self, *, states: Sequence[str], kind: str | None = None, limit: int = 200) -> Sequence[OutboxRow]: ...
    def quarantined(self) -> Sequence[QuarantineRow]: ...
    def ledger(self) -> LedgerSummary: ...
    def withheld(self, *, limit: int = 200, offset: int = 0) -> Sequence[tuple[str, AcknowledgementView]]:
        """(reference, view) of acknowledgements withheld, newest first; `offset` skips as many."""

    def withheld_count(self) -> int: ...
    def acknowledged_last_hour(self, *, now: datetime) -> int:
        """What counts for the hourly budget: acknowledgements queued in the last hour."""

    def go_live(self) -> GoLive: ...
    def same_client(self, reference: str) -> Sequence[SameClient]:
        """Cases of other senders, within a day, that may be about the same person, likeliest first; without those a
        person decided about. Compared when asked, kept nowhere. Raises NotFound."""

    def held_by_shadow(self) -> int:
        """Acknowledgements that only shadow mode held back: in live mode they would have left."""

    def feedback(self) -> Sequence[FeedbackRow]:
        """Messages of which a person corrected or confirmed something, by the moment of the last judgement. Without
        erased messages and without wrappers of secure mail, which hold no question; of joined cases under the case
        where the message stands now."""

    def judged_between(self, begin: datetime, end: datetime) -> Sequence[JudgedRow]:
        """Newest assessments made in [begin, end), oldest first; also of messages that were erased since."""

    def stale_cases(self, model_id: str) -> Sequence[str]:
        """Ids of the open cases with a mail whose newest assessment another model made, most pressing first."""

    def stale_readings(self, model_id: str, case_ids: Sequence[str]) -> Sequence[StaleReading]:
        """Those assessments of these open cases, the mails of a case oldest first; without what is never judged
        (wrappers of secure mail, mail that was set aside by its kind)."""

    def found_late(self, since: datetime) -> Sequence[FoundLate]:
        """Newest first; a case may stand here twice."""

    def sample_is_drawn(self, week: str) -> bool: ...
    def audit_sample(self, since: datetime) -> SampleFigures:
        """Of the weeks drawn since then; `open` of all weeks, without cases that were erased."""

    def sample_by_week(self, since: datetime) -> Mapping[str, tuple[int, int]]:
        """Week → (looked at, found urgent) of the audit samples drawn since then."""

    def open_cases(self) -> Iterator[Case]:
        """In the order of arrival; read as it is gone through."""

    def ended_cases(self, begin: datetime | None, end: datetime | None) -> Iterator[Case]:
        """Answered or closed, arrived in [begin, end); None is without limit. In the order of arrival; read as it is
        gone through."""

    def sla_facts(
        self, begin: datetime | None, end: datetime | None, *, after: str = "", limit: int = 200
    ) -> Sequence[SlaFact]:
        """Cases whose first mail arrived in [begin, end), by id, which is about the order of opening; a page at a time,
        `after` the id of the last case of the page before."""

    def notices_ending(self, *, after: datetime, before: datetime) -> Sequence[str]:
        """References of open cases with a notice of secure mail that nobody opened and that ends in (after, before],
        the first to end first."""

    def block_figures(self, begin: datetime, end: datetime) -> Sequence[BlockFigures]:
        """Of the blocks that stood in a draft, or in a reply that left, of [begin, end), by id. Of the approvals of one
        machine's draft only the last one whose reply left counts."""

    def released_questions(self, *, limit: int) -> Sequence[ReleasedQuestion]:
        """Of the replies released last, newest first; without cases that were erased."""

    def released_asked(self, references: Sequence[str]) -> Mapping[str, str]:
        """Reference → what its released reply answered: the last text judged before its approval."""

    def released_texts(self, references: Sequence[str]) -> Mapping[str, str]:
        """Reference → text of its released reply, as it was approved; without those taken back or erased meanwhile."""

    def last_alerts(self, *, limit: int) -> Sequence[AlertRow]:
        """Newest first, without digests."""

    def last_digest(self) -> datetime | None: ...
    def health(self) -> Sequence[JobHealth]: ...
    def demo_summary(self) -> Mapping[str, int]:
        """The counts of `demo --once --json` (`product.md` section 9)."""
