"""An in-memory helpdesk for the web tests: queries, accounts and acts over one dictionary of cases."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.testclient import TestClient

from triage.core.assessment import LAWS, Assessment, Band, Evidence, SenderType, Span, Urgency
from triage.core.case import OPEN_STATES, Case, CaseState, WaitingFor, move
from triage.core.drift import WeekReport
from triage.core.gate import Finding, Found, GateFindings, SecureChannel, findings
from triage.core.mail import MessageKind
from triage.core.promises import JudgedPromise, Promise, needs_correction
from triage.core.sla import SlaRules, clock_state, pause, resume, terms_for, with_band
from triage.core.workdays import WorkCalendar, local_date
from triage.errors import ConflictError, NotAllowed, NotFound
from triage.ports import (
    AcknowledgementSamples,
    AcknowledgementView,
    AlertRow,
    AuditRow,
    BlockFigures,
    BlockSuggestion,
    BlockView,
    CaseFilter,
    CasePage,
    CaseRow,
    CorrectionProposal,
    Credentials,
    DraftContent,
    DraftRevision,
    FoundLate,
    GoLive,
    JobHealth,
    LedgerSummary,
    MessageView,
    ModelOverview,
    NoteRow,
    OutboxRow,
    QuarantineRow,
    ReleasedAnswer,
    SameClient,
    SampleFigures,
    SimilarAnswer,
    Supervision,
    User,
)
from triage.settings import Organisation, WebSettings
from triage.web import auth
from triage.web.app import create_app, password_hash
from triage.web.desk import Alerting

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"
RULES = SlaRules(WorkCalendar())
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)  # a Tuesday, 10:30 in Amsterdam
PASSWORD = "goed-wachtwoord-1"

REAL_HASHER = auth._hasher
auth._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # the real one takes 64 MiB and 50 ms a login
auth._DUMMY = auth._hasher.hash("the password of nobody")
HASH = password_hash(PASSWORD)

ORGANISATION = Organisation(name="Juiste Loket", website="", privacy_url="", post_address="")
USERS = {
    role: User(f"u-{role}", role, name, role)
    for role, name in (
        ("medewerker", "Mira de Wit"),
        ("trainee", "Tom Smit"),
        ("toezichthouder", "Tess Bakker"),
        ("beheerder", "Bo Visser"),
    )
}


class FakeClock:
    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def message(number: int = 1, **changes: object) -> MessageView:
    text = "Goedemiddag,\n\nMijn moeder kreeg een afwijzing van het CIZ. Wat kunnen wij doen?\n\nGroet, Anna"
    base = MessageView(
        id=f"m-{number}",
        direction="in",
        kind=MessageKind.QUESTION,
        arrived_at=NOW - timedelta(hours=20),
        subject="Afwijzing Wlz voor mijn moeder",
        from_name="Anna Jansen",
        from_address="anna@post.example",
        sent_by="",
        originally_from="",
        to=("meldpunt@loket.example",),
        reply_to=(),
        text=text,
        new_text=text,
        html="",
        attachments=(("besluit.pdf", "application/pdf", 214_000),),
        defects=(),
        complete=True,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def assessment() -> Assessment:
    text = "Afwijzing Wlz voor mijn moeder\n\nMijn moeder kreeg een afwijzing van het CIZ. Wat kunnen wij doen?"
    at = text.index("CIZ")
    return Assessment(
        laws=("wlz",),
        law_probabilities={"jeugdwet": 0.01, "wmo": 0.31, "wlz": 0.91, "zvw": 0.08},
        runner_up="wmo",
        margin=0.6,
        urgency=Urgency.REGULAR,
        band=Band.NORMAL,
        urgency_probabilities={"palliative": 0.02, "transfer": 0.01},
        band_reason="model",
        sender_type=SenderType.CITIZEN,
        topics=("T01",),
        language="nl",
        evidence=(
            Evidence("wlz", "model", Span(at, at + 3), 2.1),
            Evidence("wlz", "model", Span(10, 13), 1.4),
            Evidence("wmo", "rule", Span(19, 25), 1.0, "wmo-moeder", ("ontkenning",)),
        ),
        judged_text=text,
        model="proef-1",
    )


def case_page(number: int = 1, **changes: object) -> CasePage:
    """A plain open case; `changes` of `Case` fields and of `CasePage` fields alike."""
    arrived = changes.pop("arrived_at", NOW - timedelta(hours=20))
    assert isinstance(arrived, datetime)
    band = changes.get("band", Band.NORMAL)
    assert isinstance(band, Band)
    terms = terms_for(band, arrived, RULES)
    case = Case(
        id=f"c-{number}",
        reference=f"JL-2026-{number:05d}",
        check_code="K7",
        state=CaseState.NEW,
        band=band,
        urgency=Urgency.REGULAR if band is Band.NORMAL else Urgency.PALLIATIVE,
        danger=False,
        laws=("wlz",),
        arrived_at=arrived,
        answer_due=terms.answer_due,
        take_up_due=terms.take_up_due,
        at_risk_at=terms.at_risk_at,
        counting=terms.counting,
        promised_for=terms.answer_due,
    )
    of_case = {name: value for name, value in changes.items() if name in Case.__dataclass_fields__}
    of_page = {name: value for name, value in changes.items() if name not in of_case}
    draft = DraftContent(
        ("anna@post.example",), (), f"Re: Afwijzing Wlz [{case.reference}-K7]", "Beste mevrouw Jansen,\n\nDank."
    )
    page = CasePage(
        case=replace(case, **of_case),  # type: ignore[arg-type]
        kind=MessageKind.QUESTION,
        channel="mail",
        backlog=False,
        no_reply_rule="",
        contact_name="Anna Jansen",
        contact_address="anna@post.example",
        assignee_name=None,
        messages=(message(),),
        assessment=assessment(),
        topics=("T01",),
        laws_unclear=False,
        acknowledgement=AcknowledgementView("sent", (), arrived, terms.answer_due, arrived, 250, f"o-ack-{number}"),
        drafts=(revision_of(case.id, 1, draft, "system"),),
        outbox=(),
        notes=(),
        timeline=(AuditRow(arrived, "system", "case_opened", {}),),
        promises=(Promise(arrived, "acknowledgement", "system", terms.answer_due, terms.take_up_due),),
    )
    return replace(page, **of_page)  # type: ignore[arg-type]


def revision_of(case_id: str, number: int, content: DraftContent, by: str) -> DraftRevision:
    digest = hashlib.sha256(repr(content).encode()).hexdigest()
    return DraftRevision(case_id, number, content, digest, by, NOW)


@dataclass
class Helpdesk:
    """Queries and CaseActs in one. `done` lists the acts that went through."""

    clock: FakeClock = field(default_factory=FakeClock)
    pages: dict[str, CasePage] = field(default_factory=dict)
    refusals: tuple[Finding, ...] = ()  # of the gate, whatever the text says
    secure_channel: SecureChannel = SecureChannel.ADVISE
    stale: tuple[str, ...] = ()
    done: list[tuple[str, str]] = field(default_factory=list)
    outbox_rows: list[OutboxRow] = field(default_factory=list)
    quarantine: list[QuarantineRow] = field(default_factory=list)
    withheld_rows: list[tuple[str, AcknowledgementView]] = field(default_factory=list)
    asked: list[CaseFilter] = field(default_factory=list)
    alike: dict[str, list[SameClient]] = field(default_factory=dict)
    last_hour: int = 0
    alert_rows: list[AlertRow] = field(default_factory=list)
    digest_at: datetime | None = None
    late: list[FoundLate] = field(default_factory=list)
    sample: SampleFigures = field(default_factory=lambda: SampleFigures(0, 0, 0))
    undo: timedelta = timedelta(seconds=20)
    block_rows: Sequence[BlockFigures] = ()
    similar: Sequence[SimilarAnswer] = ()
    compared: list[str] = field(default_factory=list)  # cases that released answers were compared with
    models: ModelOverview | None = None
    model_trouble: Exception | None = None
    weeks: Sequence[WeekReport] = ()
    judged: Sequence[JudgedPromise] = ()
    suggestions: Sequence[BlockSuggestion] = (
        BlockSuggestion(
            "toegang-wlz", "Toegang tot de Wlz", False, ("topic:T01", "laws:wlz", "question"),
            "Hoe vraag ik de Wlz aan?",
            ("Alleen <volwassenen> kunnen dat.",), ("recheck",), "Controleer het artikelnummer.",
            "de mail zegt: er is een Wlz-indicatie",
        ),
        BlockSuggestion("elv", "Eerstelijnsverblijf", False, (), "", (), (), ""),
    )  # fmt: skip
    dismissed: set[str] = field(default_factory=set)  # corrections that somebody found not needed

    def put(self, page: CasePage) -> CasePage:
        self.pages[page.case.reference] = page
        return page

    # ---------------------------------------------------------------- queries

    def worklist(self, wanted: CaseFilter, *, now: datetime) -> tuple[Sequence[CaseRow], int]:
        self.asked.append(wanted)
        found = [page for page in self.pages.values() if self._fits(page, wanted, now)]
        rank = {Band.URGENT: 0, Band.POSSIBLE: 1, Band.NORMAL: 2}
        found.sort(key=lambda page: (not page.case.danger, rank[page.case.band], page.case.answer_due))
        start = (wanted.page - 1) * wanted.page_size
        return [self._row(page, now) for page in found[start : start + wanted.page_size]], len(found)

    @staticmethod
    def _fits(page: CasePage, wanted: CaseFilter, now: datetime) -> bool:
        case = page.case
        lists = {
            "open": case.state in OPEN_STATES,
            "no_reply_needed": case.state is CaseState.NO_REPLY_NEEDED,
            "ended": case.state in (CaseState.ANSWERED, CaseState.CLOSED),
            "all": True,
        }
        return (
            lists[wanted.which]
            and wanted.law in (None, *case.laws)
            and wanted.urgency in (None, case.urgency)
            and wanted.state in (None, case.state)
            and wanted.topic in (None, *page.topics)
            and wanted.mine in (None, case.assignee)
            and not (wanted.unassigned and case.assignee)
            and not (wanted.clock == "breached" and clock_state(case, now) != "breached")
        )

    @staticmethod
    def _row(page: CasePage, now: datetime) -> CaseRow:
        case = page.case
        return CaseRow(
            reference=case.reference,
            subject=page.messages[0].subject,
            contact=page.contact_name,
            state=case.state,
            waiting_for=case.waiting_for,
            laws=case.laws,
            laws_unclear=page.laws_unclear,
            urgency=case.urgency,
            band=case.band,
            danger=case.danger,
            topics=page.topics,
            arrived_at=case.arrived_at,
            take_up_due=case.take_up_due,
            answer_due=case.answer_due,
            taken_up_at=case.taken_up_at,
            assignee=page.assignee_name,
            clock_state=str(clock_state(case, now)),
            kind=page.kind,
            open_before=min((one.open_before for one in page.notices if one.opened_at is None), default=None),
        )

    def supervision(self, *, now: datetime, today_ends: datetime) -> Supervision:
        cases = [page.case for page in self.pages.values() if page.case.state in OPEN_STATES]
        states = [clock_state(case, now) for case in cases]
        return Supervision(
            open=len(cases),
            due_today=sum(now <= case.answer_due <= today_ends for case in cases),
            at_risk=states.count("at_risk"),
            breached=states.count("breached"),
            urgent_not_taken_up=sum(case.band is Band.URGENT and case.taken_up_at is None for case in cases),
            uncertain=sum(row.state == "uncertain" for row in self.outbox_rows),
            refused=sum(row.state == "refused" for row in self.outbox_rows),
            quarantined=len(self.quarantine),
            unaccounted=0,
        )

    def case_page(self, reference: str) -> CasePage:
        if reference not in self.pages:
            raise NotFound("no such case")
        return self.pages[reference]

    def raw_message(self, message_id: str) -> bytes:
        return b"Subject: ruw\r\n\r\n<script>alert(1)</script>\r\n"

    def outbox(self, *, states: Sequence[str], kind: str | None = None, limit: int = 200) -> Sequence[OutboxRow]:
        return [row for row in self.outbox_rows if row.state in states and kind in (None, row.kind)][:limit]

    def held_by_shadow(self) -> int:
        return sum(view.reasons == ("shadow_mode",) for _, view in self.withheld())

    def quarantined(self) -> Sequence[QuarantineRow]:
        return self.quarantine

    def ledger(self) -> LedgerSummary:
        return LedgerSummary({"case": len(self.pages), "ignored": 3}, 0, len(self.pages) + 3)

    def withheld(self, *, limit: int = 200, offset: int = 0) -> Sequence[tuple[str, AcknowledgementView]]:
        return self.withheld_rows[offset : offset + limit]

    def withheld_count(self) -> int:
        return len(self.withheld_rows)

    def acknowledged_last_hour(self, *, now: datetime) -> int:
        return self.last_hour

    def go_live(self) -> GoLive:
        return GoLive(2, {"no_reply_address": 1})

    def same_client(self, reference: str) -> Sequence[SameClient]:
        return self.alike.get(reference, ())

    def found_late(self, since: datetime) -> Sequence[FoundLate]:
        return [row for row in self.late if row.at >= since]

    def audit_sample(self, since: datetime) -> SampleFigures:
        return self.sample

    def block_figures(self, begin: datetime, end: datetime) -> Sequence[BlockFigures]:
        return self.block_rows

    def last_alerts(self, *, limit: int) -> Sequence[AlertRow]:
        return self.alert_rows[:limit]

    def last_digest(self) -> datetime | None:
        return self.digest_at

    def health(self) -> Sequence[JobHealth]:
        return [
            JobHealth("poll", self.clock() - timedelta(seconds=12), self.clock() - timedelta(seconds=11), "", None),
            JobHealth("relay", self.clock(), None, "SenderUnavailable", self.clock()),
        ]

    def demo_summary(self) -> Mapping[str, int]:
        return {}

    # ---------------------------------------------------------------- acts

    def _change(self, act: str, reference: str, version: int | None, **changes: object) -> None:
        page = self.case_page(reference)
        if version is not None and version != page.case.version:
            raise ConflictError("stale")
        of_page = {
            name: changes.pop(name)
            for name in (
                "assignee_name",
                "notes",
                "drafts",
                "outbox",
                "promises",
                "sender_type",
                "topics",
                "sampled",
                "released",
            )
            if name in changes
        }
        case = replace(page.case, version=page.case.version + 1, **changes)  # type: ignore[arg-type]
        self.put(replace(page, case=case, **of_page))  # type: ignore[arg-type]
        self.done.append((act, reference))

    def claim(self, reference: str, *, user: User, version: int, take_over: bool = False) -> None:
        if self.case_page(reference).case.assignee not in (None, user.id) and not take_over:
            raise ConflictError("somebody else holds it")
        self._change(
            "claim",
            reference,
            version,
            assignee=user.id,
            assignee_name=user.display_name,
            state=CaseState.IN_PROGRESS,
            taken_up_at=self.clock(),
        )

    def release_claim(self, reference: str, *, user: User, version: int) -> None:
        self._change("release_claim", reference, version, assignee=None, assignee_name=None)

    def wait(self, reference: str, *, user: User, version: int, waiting_for: WaitingFor) -> None:
        case = self.case_page(reference).case
        left = pause(case, self.clock(), RULES).paused_ends_left if waiting_for is WaitingFor.SENDER else None
        self._change(
            "wait",
            reference,
            version,
            state=move(case.state, CaseState.WAITING),
            waiting_for=waiting_for,
            paused_ends_left=left,
        )

    def resume(self, reference: str, *, user: User, version: int) -> None:
        case = resume(self.case_page(reference).case, self.clock(), RULES)
        state = move(case.state, CaseState.IN_PROGRESS)
        self._change(
            "resume",
            reference,
            version,
            state=state,
            waiting_for=None,
            paused_ends_left=None,
            answer_due=case.answer_due,
        )

    def close(self, reference: str, *, user: User, version: int, reason: str) -> None:
        state = move(self.case_page(reference).case.state, CaseState.CLOSED)
        self._change("close", reference, version, state=state, ended_at=self.clock())
        self._note(reference, user, reason)

    def reopen(self, reference: str, *, user: User, version: int) -> None:
        state = move(self.case_page(reference).case.state, CaseState.IN_PROGRESS)
        self._change("reopen", reference, version, state=state, ended_at=None, answered_at=None)

    def no_reply_needed(self, reference: str, *, user: User, version: int, reason: str) -> None:
        state = move(self.case_page(reference).case.state, CaseState.NO_REPLY_NEEDED)
        self._change("no_reply_needed", reference, version, state=state, ended_at=self.clock())
        self._note(reference, user, reason)

    def correct_laws(self, reference: str, *, user: User, version: int, laws: tuple[str, ...]) -> None:
        assert set(laws) <= set(LAWS)
        self._change("correct_laws", reference, version, laws=laws)

    def correct_urgency(
        self, reference: str, *, user: User, version: int, urgency: Urgency, band: Band, reason: str
    ) -> None:
        case = with_band(self.case_page(reference).case, band, self.clock(), RULES)
        self._change(
            "correct_urgency",
            reference,
            version,
            urgency=urgency,
            band=band,
            take_up_due=case.take_up_due,
            at_risk_at=case.at_risk_at,
        )

    def confirm(self, reference: str, *, user: User, version: int) -> None:
        self._change("confirm", reference, version)

    def missed_urgent(self, reference: str, *, user: User, version: int, urgency: Urgency, reason: str) -> None:
        page = self.case_page(reference)
        if not page.machine_said_normal and not page.sampled:
            raise NotAllowed("not missed")
        case = with_band(self.case_page(reference).case, Band.URGENT, self.clock(), RULES)
        self._change(
            "missed_urgent", reference, version, urgency=urgency, band=Band.URGENT, take_up_due=case.take_up_due
        )

    def sample_is_normal(self, reference: str, *, user: User, version: int) -> None:
        if not self.case_page(reference).sampled:
            raise ConflictError("looked at")
        self._change("sample_is_normal", reference, version, sampled="")

    def correct_danger(self, reference: str, *, user: User, version: int, danger: bool, reason: str) -> None:
        self._change("correct_danger", reference, version, danger=danger)

    def correct_sender_type(self, reference: str, *, user: User, version: int, sender_type: SenderType) -> None:
        self._change("correct_sender_type", reference, version, sender_type=sender_type)

    def correct_topics(self, reference: str, *, user: User, version: int, topics: tuple[str, ...]) -> None:
        assert 1 <= len(topics) <= 3
        self._change("correct_topics", reference, version, topics=topics)

    def note(self, reference: str, *, user: User, text: str) -> None:
        self._note(reference, user, text)
        self.done.append(("note", reference))

    def _note(self, reference: str, user: User, text: str) -> None:
        page = self.case_page(reference)
        self.put(replace(page, notes=(*page.notes, NoteRow(self.clock(), user.display_name, text))))

    def accept_link(self, reference: str, *, user: User, version: int, other: str) -> None:
        self._change("accept_link", reference, version, state=CaseState.CLOSED)

    def refuse_link(self, reference: str, *, user: User, version: int, other: str) -> None:
        self._change("refuse_link", reference, version)

    def link_clients(self, reference: str, *, user: User, version: int, other: str) -> None:
        self._change("link_clients", reference, version)

    def part_clients(self, reference: str, *, user: User, version: int, other: str) -> None:
        self._change("part_clients", reference, version)

    def open_notice(self, reference: str, *, user: User, version: int, message_id: str, text: str) -> None:
        self._change("open_notice", reference, version)
        if text:
            self._note(reference, user, text)

    def save_draft(self, reference: str, *, user: User, base_revision: int, content: DraftContent) -> DraftRevision:
        page = self.case_page(reference)
        newest = page.drafts[0].revision if page.drafts else 0
        if newest != base_revision:
            raise ConflictError("a newer text")
        revision = revision_of(page.case.id, newest + 1, content, user.id)
        self._change("save_draft", reference, None, drafts=(revision, *page.drafts))
        return revision

    def findings_of(self, page: CasePage) -> tuple[Found, ...]:
        content = page.drafts[0].content
        return findings(
            recipients=(*content.to, *content.cc),
            subject=content.subject,
            body=content.body,
            own_addresses=("meldpunt@loket.example",),
            correspondents=page.correspondents,
            stale=self.stale,
            secure_channel=self.secure_channel,
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
        if user.role != "medewerker":
            raise NotAllowed("may not release")
        page = self.case_page(reference)
        newest = page.drafts[0]
        received = sum(one.direction == "in" for one in page.messages)
        if received > seen_messages or (newest.revision, newest.content_hash) != (revision, content_hash):
            raise ConflictError("stale")
        found = self.findings_of(page)
        refused = [*self.refusals, *(one.finding for one in found if one.blocks or one.finding not in ticked)]
        if refused:
            raise GateFindings(refused)
        leaves = self.clock() + self.undo
        outbox_id = f"o-reply-{reference}"
        approved = replace(newest, approved_by=user.id, approved_at=self.clock(), outbox_id=outbox_id)
        row = OutboxRow(outbox_id, "reply", "due", reference, self.clock(), leaves, 0, None, None, None)
        self._change("approve", reference, None, drafts=(approved, *page.drafts[1:]), outbox=(*page.outbox, row))
        return leaves

    def undo_approval(self, reference: str, *, user: User) -> None:
        page = self.case_page(reference)
        newest = page.drafts[0]
        row = next((one for one in page.outbox if one.id == newest.outbox_id), None)
        if row is None or row.state != "due":
            raise ConflictError("it has left")
        void = replace(newest, approved_by=None, approved_at=None, outbox_id=None)
        rest = tuple(one for one in page.outbox if one is not row)
        self._change("undo_approval", reference, None, drafts=(void, *page.drafts[1:]), outbox=rest)

    def release_answer(self, reference: str, *, user: User, version: int, revision: int) -> None:
        page = self.case_page(reference)
        if revision not in {draft.revision for draft in page.drafts}:
            raise ConflictError("not sent")
        released = ReleasedAnswer(revision, user.display_name, self.clock())
        self._change("release_answer", reference, version, released=released)

    def withdraw_answer(self, reference: str, *, user: User, version: int) -> None:
        if self.case_page(reference).released is None:
            raise ConflictError("no example")
        self._change("withdraw_answer", reference, version, released=None)

    def similar_answers(self, page: CasePage) -> Sequence[SimilarAnswer]:
        self.compared.append(page.case.reference)
        return self.similar

    def reject_draft(self, reference: str, *, user: User, revision: int, reason: str) -> None:
        if self.case_page(reference).drafts[0].revision != revision:
            raise ConflictError("a newer text")
        self._note(reference, user, reason)
        self.done.append(("reject_draft", reference))

    def suggested_blocks(self, page: CasePage) -> Sequence[BlockSuggestion]:
        used = page.drafts[0].content.blocks if page.drafts else ()
        return [replace(one, in_draft=one.id in used) for one in self.suggestions]

    def stated_facts(self, page: CasePage) -> Sequence[str]:
        return ["er is een Wlz-indicatie", "het gaat om <een> volwassene"] if page.drafts else []

    def compose_draft(
        self, reference: str, *, user: User, base_revision: int, blocks: Sequence[str], statements: Collection[str]
    ) -> DraftRevision:
        if not set(blocks) <= {one.id for one in self.suggestions}:
            raise NotFound("no such block")
        content = replace(
            self.case_page(reference).drafts[0].content,
            body=f"Blokken: {', '.join(blocks)}. {' '.join(statements)}",
            blocks=tuple(blocks),
        )
        return self.save_draft(reference, user=user, base_revision=base_revision, content=content)

    def proposed_correction(self, page: CasePage) -> CorrectionProposal | None:
        if not needs_correction(page.case, page.compared, self.clock()) or page.case.reference in self.dismissed:
            return None
        subject = f"Nieuwe datum voor uw antwoord {page.case.subject_token}"
        return CorrectionProposal(
            "anna@post.example", subject, "De datum <verandert>.", local_date(page.case.answer_due)
        )

    def _expect(self, reference: str, version: int, answer_day: date) -> CasePage:
        page = self.case_page(reference)
        found = self.proposed_correction(page)
        if found is None or page.case.version != version or found.answer_day != answer_day:
            raise ConflictError("another day")
        return page

    def send_correction(self, reference: str, *, user: User, version: int, answer_day: date) -> None:
        page = self._expect(reference, version, answer_day)
        counting = (page.case.counting.answer_from, page.case.counting.answer_days)
        told = Promise(
            self.clock(), "correction", user.display_name, page.case.answer_due, state="due", counting=counting
        )
        self._change("send_correction", reference, version, promises=(*page.promises, told))

    def dismiss_correction(self, reference: str, *, user: User, version: int, answer_day: date, reason: str) -> None:
        self._expect(reference, version, answer_day)
        self._change("dismiss_correction", reference, version)
        self._note(reference, user, reason)
        self.dismissed.add(reference)

    def release_uncertain(self, outbox_id: str, *, user: User) -> None:
        self.done.append(("release_uncertain", outbox_id))

    def release_quarantined(self, row_id: str, *, user: User) -> None:
        self.done.append(("release_quarantined", row_id))

    def release_breaker(self, *, user: User) -> None:
        self.done.append(("release_breaker", ""))

    def promote_model(self, model_id: str, *, user: User) -> None:
        if self.model_trouble is not None:
            raise self.model_trouble
        self.done.append(("promote_model", model_id))

    def roll_back_model(self, *, user: User) -> None:
        if self.model_trouble is not None:
            raise self.model_trouble
        self.done.append(("roll_back_model", user.id))


@dataclass
class FakeAccounts:
    credentials: dict[str, Credentials] = field(default_factory=dict)
    failed: list[tuple[str, datetime]] = field(default_factory=list)
    sessions: dict[str, tuple[bytes, datetime, str | None]] = field(default_factory=dict)

    def with_users(self) -> FakeAccounts:
        for user in USERS.values():
            self.credentials[user.username] = Credentials(user, HASH, None, 0)
        return self

    def add(self, *, username: str, display_name: str, role: str, password_hash: str, at: datetime) -> User:
        user = User(f"u-{username}", username, display_name, role)
        self.credentials[username] = Credentials(user, password_hash, None, 0)
        return user

    def by_username(self, username: str) -> Credentials | None:
        return self.credentials.get(username.casefold())

    def by_id(self, user_id: str) -> User | None:
        return next((one.user for one in self.credentials.values() if one.user.id == user_id), None)

    def all(self) -> Sequence[User]:
        return [one.user for one in self.credentials.values()]

    def _replace(self, user_id: str, **changes: object) -> None:
        for name, one in self.credentials.items():
            if one.user.id == user_id:
                self.credentials[name] = replace(one, **changes)  # type: ignore[arg-type]

    def set_password(self, user_id: str, password_hash: str) -> None:
        self._replace(user_id, password_hash=password_hash)

    def set_disabled(self, user_id: str, disabled: bool) -> None:
        user = self.by_id(user_id)
        assert user is not None
        self._replace(user_id, user=replace(user, disabled=disabled))

    def set_totp(self, user_id: str, secret: str | None) -> None:
        self._replace(user_id, totp_secret=secret, totp_last_step=0)

    def use_totp_step(self, user_id: str, step: int) -> bool:
        one = next(one for one in self.credentials.values() if one.user.id == user_id)
        if step <= one.totp_last_step:
            return False
        self._replace(user_id, totp_last_step=step)
        return True

    def note_failure(self, key: str, *, at: datetime) -> None:
        self.failed.append((key, at))

    def failures(self, key: str, *, since: datetime) -> int:
        return sum(known == key and at >= since for known, at in self.failed)

    def clear_failures(self, key: str) -> None:
        self.failed = [one for one in self.failed if one[0] != key]

    def load_session(self, session_id: str, *, now: datetime) -> bytes | None:
        found = self.sessions.get(session_id)
        return found[0] if found and found[1] > now else None

    def save_session(self, session_id: str, data: bytes, *, expires_at: datetime, user_id: str | None) -> None:
        self.sessions[session_id] = (data, expires_at, user_id)

    def delete_session(self, session_id: str) -> None:
        self.sessions.pop(session_id, None)

    def delete_sessions_of(self, user_id: str) -> None:
        self.sessions = {key: one for key, one in self.sessions.items() if one[2] != user_id}


@dataclass
class World:
    """The whole app over the fakes."""

    helpdesk: Helpdesk = field(default_factory=Helpdesk)
    accounts: FakeAccounts = field(default_factory=lambda: FakeAccounts().with_users())
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    public_url: str = ""
    mode: str = "live"
    require_totp: bool = False
    letters: AcknowledgementSamples | None = None
    report: dict[str, object] = field(default_factory=lambda: {"healthy": True, "breaker_tripped": False})
    alerting: Alerting = field(default_factory=lambda: Alerting("van 08:30 tot 17:00 uur", 2, True, False))

    blocks: Sequence[BlockView] = ()

    @property
    def clock(self) -> FakeClock:
        return self.helpdesk.clock

    @cached_property
    def app(self) -> Starlette:
        return create_app(
            queries=self.helpdesk,
            accounts=self.accounts,
            acts=self.helpdesk,
            settings=WebSettings(
                host="127.0.0.1",
                port=0,
                public_url=self.public_url,
                session_hours=9,
                login_failures=5,
                require_totp=self.require_totp,
            ),
            organisation=ORGANISATION,
            clock=self.clock,
            calendar_rules=RULES,
            session_secret=b"s" * 32,
            undo_seconds=20,
            secure_channel=self.helpdesk.secure_channel,
            mode=self.mode,
            health=lambda: self.report,
            templates=TEMPLATES,
            on_access=lambda user, reference, action: self.seen.append((user.id, reference, action)),
            models=lambda: self.helpdesk.models,
            judgement=lambda: self.helpdesk.weeks,
            letters=self.letters,
            promises=lambda: self.helpdesk.judged,
            alerting=self.alerting,
            blocks=self.blocks,
        )

    def browser(self) -> Browser:
        base = self.public_url or "http://localhost"
        return Browser(TestClient(self.app, base_url=base, follow_redirects=False))


def token_in(page: str) -> str:
    """The CSRF value of the page's last form."""
    marker = 'name="csrf" value="'
    start = page.rindex(marker) + len(marker)
    return page[start : page.index('"', start)]


class Browser:
    """A TestClient that behaves like a browser: it logs in by the form and sends the token of the page it saw."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.csrf = ""

    def login(self, who: str, password: str = PASSWORD, code: str = "") -> Browser:
        answer = self.try_login(who, password, code)
        assert answer.status_code == 303, answer.text
        self.csrf = token_in(self.client.get("/werkvoorraad").text)
        return self

    def try_login(self, who: str, password: str = PASSWORD, code: str = ""):  # type: ignore[no-untyped-def]
        form = self.client.get("/inloggen").text
        fields = {"csrf": token_in(form), "naam": who, "wachtwoord": password, "code": code, "naar": "/"}
        return self.client.post("/inloggen", data=fields)

    def get(self, path: str, **headers: str):  # type: ignore[no-untyped-def]
        return self.client.get(path, headers=headers)

    def post(self, path: str, headers: Mapping[str, str] | None = None, **fields: object):  # type: ignore[no-untyped-def]
        values = {name: str(value) for name, value in fields.items()}
        return self.client.post(path, data={"csrf": self.csrf, **values}, headers=dict(headers or {}))

    def post_list(self, path: str, fields: Mapping[str, object]):  # type: ignore[no-untyped-def]
        """As `post`, for a form with several boxes of one name."""
        return self.client.post(path, data={"csrf": self.csrf, **fields})
