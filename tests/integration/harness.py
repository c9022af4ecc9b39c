"""The services on a real SQLite store, with the outside world in memory; used by the tests of services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tests.fakes import FakeMailbox, FakeMailSender
from triage.adapters.seal import Keyring
from triage.adapters.store import SqlStore, open_store
from triage.bootstrap import TEMPLATES
from triage.core.assessment import LAWS, Verdict
from triage.core.decide import Policy
from triage.core.sla import SlaRules
from triage.core.workdays import WorkCalendar
from triage.ports import User
from triage.services.alerts import Alerts, next_service_moment
from triage.services.approval import Approval
from triage.services.audit_sample import AuditSample
from triage.services.casework import Casework
from triage.services.client_mail import ClientMail
from triage.services.digest import Digest
from triage.services.draft_folder import DraftFolder
from triage.services.intake import Intake, PollReport
from triage.services.letters import Letters
from triage.services.promising import Promising
from triage.services.reading import Reader, Reading, Unread
from triage.services.redraft import Redraft
from triage.services.relay import Relay, RelayReport
from triage.services.renewing import Renewing
from triage.services.rescreen import Rescreen
from triage.services.sent_there import SentThere
from triage.services.suggesting import Suggesting
from triage.services.taking_in import TakenIn, TakingIn
from triage.services.watch import DeadlineWatch
from triage.settings import Organisation, TelephoneSettings

US = "meldpunt@juisteloket.example"
HOURS = ("08:30-17:00",)
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # a Monday, 09:00 in Amsterdam


class MarkerClassifier:
    """Judges by words a test puts in its mail; `poison` makes it raise."""

    model_id = "test"
    languages = frozenset({"nl"})

    def verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        return [self._verdict(text) for text in texts]

    def _verdict(self, text: str) -> Verdict:
        if "classifier-breaks" in text:
            raise RuntimeError("no verdict")
        probabilities = {law: 0.9 if law in text else 0.05 for law in LAWS}
        for head in ("palliative", "transfer", "danger"):
            probabilities[head] = 0.95 if f"{head}-marker" in text else 0.01
        return Verdict(
            probabilities=probabilities,
            law_thresholds=dict.fromkeys(LAWS, 0.5),
            urgency_thresholds={head: (0.2, 0.6) for head in ("palliative", "transfer", "danger")},
            topics=("T24",),
            model="test",
        )


class PoisonReader(Reader):
    """A reader that a mail can make fail, as a fault of ours would."""

    def read(self, raws: Sequence[bytes]) -> list[Reading | Unread]:
        results = super().read(raws)
        return [
            Unread("ZeroDivisionError") if b"poison-pill" in raw else result
            for raw, result in zip(raws, results, strict=True)
        ]

    def read_alone(self, raw: bytes) -> Reading | Unread:
        return self.read([raw])[0]


@dataclass
class Harness:
    folder: Path
    mode: str = "live"
    alert_to: tuple[str, ...] = ()
    per_minute: int = 0
    policy_changes: dict[str, Any] = field(default_factory=dict)
    open_with: Callable[[str, Keyring], SqlStore] = open_store
    owner: str = "node-1"
    calendar: WorkCalendar = field(default_factory=WorkCalendar)
    save_drafts: bool = True

    def __post_init__(self) -> None:
        self.now = START
        self.keyring = Keyring.load(key=None, data_dir=self.folder)
        self.store = self.open_with(f"sqlite:///{self.folder / 'triage.sqlite3'}", self.keyring)
        self.mailbox = FakeMailbox(now=self.clock)
        self.sender = FakeMailSender()
        self.taken: list[TakenIn] = []
        self.rules = SlaRules(self.calendar)
        self.letters = Letters(
            templates=TEMPLATES,
            organisation=Organisation(
                name="Juiste Loket",
                website="https://www.juisteloket.example",
                privacy_url="https://www.juisteloket.example/privacy",
                post_address="Postbus 1, 3500 AA Utrecht",
            ),
            telephone=TelephoneSettings(number="030 789 78 78", hours=("10:00-12:00",)),
            smtp_from=US,
            reverse_path_fallback="bounces@juisteloket.example",
            calendar=self.rules.calendar,
            own_addresses=(US,),
        )
        self.alerts = Alerts(
            letters=self.letters,
            to=self.alert_to,
            hours=HOURS,
            calendar=self.rules.calendar,
            link="http://127.0.0.1:8080",
        )
        self.reader = PoisonReader(
            MarkerClassifier(), own_addresses=(US,), authserv_id="", model_languages=frozenset({"nl", "und"})
        )
        self.wire()

    def wire(self) -> None:
        """Services anew, as after a restart of the process on the same store."""
        usual = {
            "sla": self.rules,
            "mode": self.mode,
            "since": START - timedelta(days=1) if self.mode == "live" else None,
        }
        policy = Policy(**usual | self.policy_changes)
        self.taking_in = TakingIn(
            store=self.store, letters=self.letters, alerts=self.alerts, policy=policy, clock=self.clock
        )
        self.client_mail = ClientMail(
            sent=SentThere(
                mailbox=self.mailbox, store=self.store, rules=self.rules, clock=self.clock, own_addresses=(US,)
            ),
            drafts=DraftFolder(
                mailbox=self.mailbox,
                store=self.store,
                queries=self.store.queries,
                letters=self.letters,
                rules=self.rules,
                clock=self.clock,
                own_addresses=(US,),
                writing=self.mode == "live",
            )
            if self.save_drafts
            else None,
            store=self.store,
            clock=self.clock,
            owner=self.owner,
        )
        self.intake = Intake(
            mailbox=self.mailbox,
            store=self.store,
            reader=self.reader,
            lone_reader=self.reader,
            taking_in=self.taking_in,
            clock=self.clock,
            owner=self.owner,
            courtesy=self.mode == "live",
            save_sent=True,
            batch_size=10,
            on_taken_in=self.taken.append,
            look_beside=self.client_mail.look_once,
        )
        self.renewing = Renewing(letters=self.letters, owner=self.owner)
        self.relay = Relay(
            store=self.store,
            sender=self.sender,
            clock=self.clock,
            owner=self.owner,
            connections=2,
            acknowledge=self.mode == "live",
            renewing=self.renewing,
            per_minute=self.per_minute,
            look_first=partial(asyncio.to_thread, self.client_mail.look_before_release),
        )
        self.watch = DeadlineWatch(
            store=self.store,
            queries=self.store.queries,
            alerts=self.alerts,
            rules=self.rules,
            clock=self.clock,
            silent_after=timedelta(minutes=15),
        )
        self.digest = Digest(
            store=self.store,
            queries=self.store.queries,
            alerts=self.alerts,
            rules=self.rules,
            clock=self.clock,
            enabled=True,
            silent_after=timedelta(minutes=15),
        )
        redraft = Redraft(queries=self.store.queries, letters=self.letters)
        self.rescreen = Rescreen(
            store=self.store,
            queries=self.store.queries,
            reader=self.reader,
            rules=self.rules,
            alerts=self.alerts,
            redraft=redraft,
            clock=self.clock,
            owner=self.owner,
        )
        self.audit_sample = AuditSample(store=self.store, queries=self.store.queries, share=0.05, clock=self.clock)
        self.casework = Casework(
            store=self.store,
            queries=self.store.queries,
            rules=self.rules,
            clock=self.clock,
            redraft=redraft,
            alerts=self.alerts,
            judge=self.reader.judge,
        )
        self.promising = Promising(
            store=self.store, queries=self.store.queries, letters=self.letters, rules=self.rules, clock=self.clock
        )
        self.approval = Approval(
            store=self.store,
            queries=self.store.queries,
            letters=self.letters,
            rules=self.rules,
            clock=self.clock,
            undo=timedelta(seconds=20),
            own_addresses=(US,),
            organisation_name="Juiste Loket",
        )
        self.suggesting = Suggesting(
            queries=self.store.queries,
            letters=self.letters,
            redraft=redraft,
            approval=self.approval,
            clock=self.clock,
            check_within=timedelta(days=365),
        )

    def clock(self) -> datetime:
        return self.now

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def into_hours(self) -> None:
        """To the next moment at which the watch looks at clocks and replies."""
        self.now = next_service_moment(self.now, HOURS, self.rules.calendar)

    def user(self, role: str = "medewerker", name: str = "jansen") -> User:
        return self.store.accounts.add(
            username=name, display_name="A. Jansen", role=role, password_hash="x", at=self.now
        )

    def poll(self) -> PollReport:
        return self.intake.poll_once()

    def relay_once(self) -> RelayReport:
        return asyncio.run(self.relay.relay_once())

    def summary(self) -> dict[str, int]:
        return dict(self.store.queries.demo_summary())


def mail(
    number: int = 1,
    *,
    body: str = "Goedemiddag, wie regelt de huishoudelijke hulp onder de wmo voor mijn moeder?",
    subject: str = "Vraag over hulp",
    sender: str | None = None,
    headers: str = "",
) -> bytes:
    """A plain mail of a person, with its own Message-ID."""
    author = sender or f"Vrager Nummer <vrager{number}@mensen.example>"
    return (
        f"Message-ID: <vraag-{number}@mensen.example>\r\nDate: Mon, 23 Nov 2026 08:5{number % 10}:00 +0100\r\n"
        f"From: {author}\r\nTo: {US}\r\nSubject: {subject}\r\n{headers}"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    ).encode()
