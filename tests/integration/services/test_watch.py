"""What staff hear of clocks, replies and the mailbox: each transition once, in service hours, as mail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from tests.integration.harness import START, Harness, mail
from tests.servers import postgresql
from tests.unit.cases import ams
from triage.adapters import migrate
from triage.adapters.store import open_store
from triage.core.sla import SlaRules
from triage.core.workdays import WorkCalendar
from triage.errors import DeliveryRefused
from triage.ports import TokenState
from triage.services.recount import Recount
from triage.services.watch import DeadlineWatch

BOSS = "toezicht@juisteloket.example"
FIRST, SECOND = "JL-2026-00001", "JL-2026-00002"
URGENT = "palliative-marker: mijn vader ligt op sterven, wie regelt zorg thuis onder de wlz?"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Harness]:
    """Monday 23 November 2026, 09:00."""
    desk = Harness(tmp_path, alert_to=(BOSS,))
    yield desk
    desk.store.close()


def ask(desk: Harness, *bodies: str) -> None:
    for number, body in enumerate(bodies, start=1):
        desk.mailbox.deliver(mail(number, body=body))
    desk.poll()


def alive(desk: Harness) -> None:
    """As the host notes after each run."""
    with desk.store.begin() as uow:
        for job in ("poll", "relay"):
            uow.job_ran(job, at=desk.now, ok=True)


def heard(desk: Harness, *, watches: int = 1) -> list[tuple[str, list[str]]]:
    """(subject without case, lines that name a case) of the alerts that leave now, sorted."""
    before = len(desk.sender.sent)
    for _ in range(watches):
        desk.watch.watch_once()
    desk.relay_once()
    found = []
    for envelope, raw in desk.sender.sent[before:]:
        if envelope.forward_path == BOSS:
            message = message_from_bytes(raw, policy=default)
            lines = [line[2:] for line in message.get_content().splitlines() if line.startswith("- ")]
            found.append((message["Subject"].removeprefix("Triage: ").partition(": JL")[0], lines))
    return sorted(found)


def at(desk: Harness, moment: datetime) -> Harness:
    desk.now = moment.astimezone(START.tzinfo)
    alive(desk)
    return desk


# ---------------------------------------------------------------- clocks


def test_what_comes_at_risk_at_night_is_one_mail_next_morning(desk: Harness) -> None:
    ask(desk, "wmo een", "wmo twee")
    assert heard(at(desk, ams(2026, 11, 24, 16, 59))) == []
    assert heard(at(desk, ams(2026, 11, 24, 23)), watches=3) == []
    assert heard(at(desk, ams(2026, 11, 25, 8, 29)), watches=3) == []
    morning = heard(at(desk, ams(2026, 11, 25, 8, 30)), watches=3)
    assert morning == [("Termijn komt in gevaar", [f"{FIRST} (antwoord)", f"{SECOND} (antwoord)"])]
    assert heard(at(desk, ams(2026, 11, 25, 8, 31)), watches=3) == []


@pytest.mark.parametrize("answered", [False, True])
def test_a_breach_on_friday_at_five_is_told_on_monday_unless_it_was_ended_meanwhile(
    desk: Harness, answered: bool
) -> None:
    at(desk, ams(2026, 11, 24, 9))  # due Friday 17:00
    ask(desk, "wmo")
    assert [subject for subject, _ in heard(at(desk, ams(2026, 11, 26, 9)))] == ["Termijn komt in gevaar"]
    assert heard(at(desk, ams(2026, 11, 27, 17, 1))) == []
    if answered:
        case = desk.store.queries.case_page(FIRST).case
        desk.casework.close(FIRST, user=desk.user(), version=case.version, reason="gebeld")
    assert heard(at(desk, ams(2026, 11, 28, 12))) == []
    expected = [] if answered else [("Termijn verstreken", [f"{FIRST} (antwoord)"])]
    assert heard(at(desk, ams(2026, 11, 30, 8, 30))) == expected


def test_on_a_holiday_nobody_is_told(desk: Harness) -> None:
    at(desk, ams(2026, 12, 22, 9))  # Tuesday: at risk from Wednesday 17:00, due Monday 28 December
    ask(desk, "wmo")
    assert heard(at(desk, ams(2026, 12, 25, 10))) == []
    assert heard(at(desk, ams(2026, 12, 26, 10))) == []
    assert [subject for subject, _ in heard(at(desk, ams(2026, 12, 28, 8, 30)))] == ["Termijn komt in gevaar"]


def test_the_take_up_clock_and_then_the_answer_clock_are_two_alerts(desk: Harness) -> None:
    ask(desk, URGENT)
    assert heard(at(desk, ams(2026, 11, 24, 8, 30))) == [("Termijn komt in gevaar", [f"{FIRST} (oppakken)"])]
    at(desk, ams(2026, 11, 24, 10))
    case = desk.store.queries.case_page(FIRST).case
    desk.casework.claim(FIRST, user=desk.user(), version=case.version)
    assert heard(at(desk, ams(2026, 11, 24, 11, 30))) == []
    assert heard(at(desk, ams(2026, 11, 25, 8, 30))) == [("Termijn komt in gevaar", [f"{FIRST} (antwoord)"])]
    assert heard(at(desk, ams(2026, 11, 25, 9)), watches=2) == []


def test_an_urgent_case_that_nobody_took_up_is_told_at_eleven_of_its_day(desk: Harness) -> None:
    ask(desk, URGENT)
    heard(at(desk, ams(2026, 11, 24, 8, 30)))
    assert heard(at(desk, ams(2026, 11, 24, 10, 59))) == []
    told = heard(at(desk, ams(2026, 11, 24, 11)), watches=2)
    assert told == [("Spoedvraag nog niet opgepakt", [f"{FIRST} (oppakken)"])]
    assert heard(at(desk, ams(2026, 11, 24, 16)), watches=2) == []
    assert heard(at(desk, ams(2026, 11, 25, 8, 30))) == [
        ("Termijn komt in gevaar", [f"{FIRST} (antwoord)"]), ("Termijn verstreken", [f"{FIRST} (oppakken)"]),
    ]  # fmt: skip


def recount(desk: Harness, *free: date) -> None:
    """Another calendar from the next start on."""
    for rules in (desk.rules, SlaRules(WorkCalendar(closing_days=dict.fromkeys(free, "sluitingsdag")))):
        store = desk.store
        Recount(store=store, queries=store.queries, rules=rules, clock=desk.clock, owner=desk.owner).recount_once()
    desk.rules = rules
    desk.wire()


def test_a_moved_term_is_told_again_only_after_the_case_was_on_time(desk: Harness) -> None:
    ask(desk, "wmo")
    assert len(heard(at(desk, ams(2026, 11, 25, 9)))) == 1
    recount(desk, date(2026, 11, 26))  # due a day later, at risk as before
    assert heard(at(desk, ams(2026, 11, 25, 10))) == []
    recount(desk, date(2026, 11, 24))  # at risk from tonight on
    assert heard(at(desk, ams(2026, 11, 25, 11))) == []
    assert heard(at(desk, ams(2026, 11, 26, 9)), watches=2) == [("Termijn komt in gevaar", [f"{FIRST} (antwoord)"])]
    assert heard(at(desk, ams(2026, 11, 27, 9))) == []


def test_a_restart_tells_nothing_again(desk: Harness) -> None:
    ask(desk, "wmo")
    assert len(heard(at(desk, ams(2026, 11, 25, 9)))) == 1
    desk.wire()
    assert heard(desk) == []
    assert [row.details for row in desk.store.queries.case_page(FIRST).timeline if row.action == "alert_raised"] == [
        {"alert": "at_risk"}
    ]


# ---------------------------------------------------------------- replies


def refuse_reply(desk: Harness) -> None:
    ask(desk, "wmo")
    desk.relay_once()
    draft = desk.store.queries.case_page(FIRST).drafts[0]
    desk.approval.approve(
        FIRST, user=desk.user(), revision=draft.revision, content_hash=draft.content_hash, seen_messages=1
    )
    desk.later(minutes=1)
    desk.sender.plan("data", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1"))
    desk.relay_once()


def test_a_refused_reply_waits_for_the_morning_and_is_told_once_also_when_its_term_moves(desk: Harness) -> None:
    desk.later(hours=9)
    refuse_reply(desk)
    assert heard(desk) == []
    told = [("Verzending geweigerd", [FIRST])]
    assert heard(at(desk, ams(2026, 11, 24, 8, 30)), watches=2) == told
    recount(desk, date(2026, 11, 26))
    assert heard(at(desk, ams(2026, 11, 24, 9))) == []


# ---------------------------------------------------------------- mailbox, relay, breaker


def test_each_silence_of_the_mailbox_is_told_once_at_any_hour(desk: Harness) -> None:
    at(desk, ams(2026, 11, 28, 3))  # a Saturday
    desk.later(minutes=14)
    assert heard(desk) == []
    desk.later(minutes=1)
    assert heard(desk, watches=2) == [("Mailbox niet bereikbaar", [])]
    desk.wire()
    desk.later(hours=5)
    assert heard(desk) == []
    alive(desk)
    assert heard(desk) == []
    desk.later(minutes=15)
    assert heard(desk, watches=2) == [("Mailbox niet bereikbaar", [])]


def test_a_silent_relay_is_told_in_service_hours(desk: Harness) -> None:
    at(desk, ams(2026, 11, 28, 3))
    with desk.store.begin() as uow:
        uow.job_ran("poll", at=ams(2026, 11, 30, 9), ok=True)
    desk.now = ams(2026, 11, 28, 12)
    assert heard(desk) == []
    desk.now = ams(2026, 11, 30, 8, 30)
    assert heard(desk, watches=2) == [("Er gaat geen mail weg", [])]


def test_the_breaker_waits_for_service_hours_and_danger_does_not(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=(BOSS,), policy_changes={"per_hour": 1})
    at(desk, ams(2026, 11, 24, 22))
    ask(desk, "wmo", "wmo", "danger-marker wmo")
    assert heard(desk) == [("Gevaar gemeld: direct bekijken", ["JL-2026-00003"])]
    assert ("Ontvangstbevestigingen gestopt", []) in heard(at(desk, ams(2026, 11, 25, 8, 30)))
    desk.store.close()


def test_danger_that_was_taken_away_and_is_seen_again_in_a_further_mail_is_told_again(desk: Harness) -> None:
    ask(desk, "danger-marker wmo")
    assert [subject for subject, _ in heard(desk)] == ["Gevaar gemeld: direct bekijken"]
    case = desk.store.queries.case_page(FIRST).case

    def further(number: int) -> None:
        subject = f"Nog iets {case.subject_token}"
        desk.mailbox.deliver(
            mail(number, subject=subject, body="danger-marker nu weer", sender="vrager1@mensen.example")
        )
        desk.poll()

    further(2)
    assert heard(desk) == []  # the flag is on, and staff were told
    version = desk.store.queries.case_page(FIRST).case.version
    desk.casework.corrections.correct_danger(
        FIRST, user=desk.user(), version=version, danger=False, reason="gebeld, alles is goed"
    )
    further(3)
    assert [lines for _, lines in heard(desk)] == [[FIRST]]


def test_a_sign_in_that_is_needed_is_told_once_per_refusal(desk: Harness) -> None:
    refused = [ams(2026, 11, 28, 2)]
    desk.watch = DeadlineWatch(
        store=desk.store, queries=desk.store.queries, alerts=desk.alerts, rules=desk.rules, clock=desk.clock,
        silent_after=timedelta(days=9), token_state=lambda: TokenState(refused_at=refused[0]),
    )  # fmt: skip
    at(desk, ams(2026, 11, 28, 3))
    assert heard(desk, watches=2) == [("Mailbox: opnieuw aanmelden nodig", [])]
    refused[0] += timedelta(hours=1)
    assert heard(desk, watches=2) == [("Mailbox: opnieuw aanmelden nodig", [])]


# ---------------------------------------------------------------- two nodes


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.PostgresqlServer]:
    with postgresql.running() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Harness]]:
    """Two nodes on one database."""

    def pair(url: str) -> Iterator[list[Harness]]:
        made = [
            Harness(tmp_path, owner=name, alert_to=(BOSS,), open_with=lambda _, keyring: open_store(url, keyring))
            for name in ("a", "b")
        ]
        yield made
        for node in made:
            node.store.close()

    if request.param == "sqlite":
        yield from pair(f"sqlite:///{tmp_path / 'triage.sqlite3'}")
        return
    with request.getfixturevalue("server").database() as url:
        migrate.upgrade(url)
        yield from pair(url)


def together(*runs: Callable[[], object]) -> None:
    """Each of them three times, all at once."""
    threads = [threading.Thread(target=lambda run=run: [run() for _ in range(3)]) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_watches_at_once_raise_one_alert_of_each_kind(nodes: list[Harness]) -> None:
    first, second = nodes
    at(first, ams(2026, 11, 20, 9))
    refuse_reply(first)
    ask(first, *(f"wmo {number}" for number in range(9)))
    first.now = second.now = ams(2026, 11, 30, 9)  # all late, the reply refused, mailbox and relay silent since days
    together(first.watch.watch_once, second.watch.watch_once)
    waiting = first.store.queries.outbox(states=("due",), kind="alert")
    assert len(waiting) == 4
    assert len(heard(first)) == 4
    assert heard(second) == []


def test_two_nodes_make_one_digest(nodes: list[Harness]) -> None:
    for node in nodes:
        at(node, ams(2026, 11, 23, 8, 31))
    together(*(node.digest.send_once for node in nodes))
    assert len(nodes[0].store.queries.outbox(states=("due",), kind="alert")) == 1
