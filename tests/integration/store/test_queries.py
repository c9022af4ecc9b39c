"""Lists and numbers: the order, every filter, and that a number equals the list behind it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.store.conftest import NOW
from tests.integration.store.making import FOLDER, Maker
from triage.adapters.store import SqlStore
from triage.core.assessment import LAWS, Band, Urgency
from triage.core.case import OPEN_STATES, Case, CaseState, WaitingFor
from triage.core.mail import LedgerOutcome, MessageKind, NoReplyReason, UidRef
from triage.core.sla import clock_state
from triage.ports import CaseFilter

TODAY_ENDS = NOW.replace(hour=23, minute=0, second=0)  # midnight in Amsterdam


def references(store: SqlStore, **wanted: Any) -> list[str]:
    rows, total = store.queries.worklist(CaseFilter(page_size=1000, **wanted), now=NOW)
    assert total == len(rows)
    return [row.reference for row in rows]


def many(store: SqlStore, make: Maker, number: int) -> list[Case]:
    """Cases in every state, with times on both sides of NOW; the same ones in every run."""
    chance = random.Random(7)
    user = store.accounts.add(username="jan", display_name="Jan", role="medewerker", password_hash="x", at=NOW)

    def moment() -> Any:
        return NOW + timedelta(hours=chance.randint(-60, 60))

    made = []
    with store.begin() as uow:
        for _ in range(number):
            state = chance.choice(list(CaseState))
            band = chance.choice(list(Band))
            waiting = chance.choice(list(WaitingFor)) if state is CaseState.WAITING else None
            case: dict[str, Any] = {
                "state": state,
                "waiting_for": waiting,
                "paused_ends_left": chance.choice([0, 1, 2]) if waiting is WaitingFor.SENDER else None,
                "answer_due": moment(),
                "take_up_due": moment() if band.short_term else None,
                "at_risk_at": moment(),
                "taken_up_at": chance.choice([None, moment()]),
                "answered_at": moment() if state is CaseState.ANSWERED else None,
                "ended_at": None if state in OPEN_STATES else chance.choice([None, moment()]),
                "assignee": chance.choice([None, user.id]),
            }
            assessment = {
                "band": band,
                "danger": chance.random() < 0.1,
                "urgency": chance.choice(list(Urgency)),
                "laws": tuple(law for law in LAWS if chance.random() < 0.4),
                "topics": tuple(chance.sample(["indicatie", "verblijf", "pgb"], chance.randint(0, 2))),
            }
            made.append(make.open_in(uow, case=case, assessment=assessment))
    return made


def test_the_clock_of_a_row_is_that_of_the_core(store: SqlStore, make: Maker) -> None:
    made = {case.reference: case for case in many(store, make, 150)}
    for minutes in (0, 45 * 60, -45 * 60):
        now = NOW + timedelta(minutes=minutes)
        rows, total = store.queries.worklist(CaseFilter(which="all", page_size=1000), now=now)
        assert total == len(made)
        assert {row.reference: row.clock_state for row in rows} == {
            reference: clock_state(case, now).value for reference, case in made.items()
        }


def test_filters_narrow_to_what_they_name(store: SqlStore, make: Maker) -> None:
    made = many(store, make, 120)
    rows, _ = store.queries.worklist(CaseFilter(which="all", page_size=1000), now=NOW)
    topics = {row.reference: row.topics for row in rows}

    def expect(test: Any, **wanted: Any) -> None:
        assert sorted(references(store, **wanted)) == sorted(case.reference for case in made if test(case)), wanted

    expect(lambda c: c.state in OPEN_STATES, which="open")
    expect(lambda c: c.state in (CaseState.ANSWERED, CaseState.CLOSED), which="ended")
    expect(lambda c: c.state is CaseState.NO_REPLY_NEEDED, which="no_reply_needed")
    expect(lambda c: True, which="all")
    for law in LAWS:
        expect(lambda c, law=law: law in c.laws and c.state in OPEN_STATES, law=law)
    expect(lambda c: False, law="onbekend")
    expect(lambda c: c.urgency is Urgency.TRANSFER, which="all", urgency="transfer")
    expect(lambda c: c.state is CaseState.WAITING, state="waiting")
    expect(lambda c: "pgb" in topics[c.reference], which="all", topic="pgb")
    user = store.accounts.all()[0].id
    expect(lambda c: c.assignee == user and c.state in OPEN_STATES, mine=user)
    expect(lambda c: c.assignee is None and c.state in OPEN_STATES, unassigned=True)
    expect(lambda c: c.state in OPEN_STATES and clock_state(c, NOW) == "breached", clock="breached")
    expect(lambda c: c.state in OPEN_STATES and clock_state(c, NOW) == "at_risk", clock="at_risk")
    with pytest.raises(KeyError):
        references(store, clock="nooit")


def test_every_number_equals_its_list(store: SqlStore, make: Maker) -> None:
    many(store, make, 120)
    numbers = store.queries.supervision(now=NOW, today_ends=TODAY_ENDS)
    assert numbers.open == len(references(store))
    assert min(numbers.due_today, numbers.at_risk, numbers.breached, numbers.urgent_not_taken_up) > 0
    for name in ("due_today", "at_risk", "breached", "urgent_not_taken_up"):
        assert getattr(numbers, name) == len(references(store, clock=name)), name
    late = set(references(store, clock="take_up_breached"))
    assert late
    assert late <= set(references(store, clock="urgent_not_taken_up")) & set(references(store, clock="breached"))


def test_pages_follow_each_other_without_gap(store: SqlStore, make: Maker) -> None:
    many(store, make, 53)
    for which in ("all", "open"):
        whole = references(store, which=which)
        pages: list[str] = []
        for page in range(1, 12):
            rows, total = store.queries.worklist(CaseFilter(which=which, page=page, page_size=7), now=NOW)
            assert total == len(whole)
            pages += [row.reference for row in rows]
        assert pages == whole
    assert store.queries.worklist(CaseFilter(page=99), now=NOW)[0] == []


def test_danger_first_then_take_up_then_answer_then_paused(store: SqlStore, make: Maker) -> None:
    def case(**changes: Any) -> str:
        return make.case(
            assessment={"band": Band.POSSIBLE if "take_up_due" in changes else Band.NORMAL},
            case={"answer_due": NOW + timedelta(days=3), **changes},
        ).reference

    paused = case(state=CaseState.WAITING, waiting_for=WaitingFor.SENDER, paused_ends_left=1, answer_due=NOW)
    body = case(state=CaseState.WAITING, waiting_for=WaitingFor.BODY, answer_due=NOW + timedelta(days=1))
    taken_up = case(take_up_due=NOW, taken_up_at=NOW, answer_due=NOW + timedelta(days=2))
    later = case(take_up_due=NOW + timedelta(days=2))
    sooner = case(take_up_due=NOW + timedelta(days=1))
    plain = case()
    danger = case(danger=True)
    assert references(store) == [danger, sooner, later, body, taken_up, plain, paused]


def test_a_row_shows_names_and_codes(store: SqlStore, make: Maker) -> None:
    user = store.accounts.add(username="jan", display_name="Jan", role="medewerker", password_hash="x", at=NOW)
    case = make.case(case={"assignee": user.id})
    (row,), _ = store.queries.worklist(CaseFilter(), now=NOW)
    assert (row.reference, row.subject, row.contact) == (case.reference, "Vraag van Marker1", "Anna Marker1")
    assert (row.laws, row.topics, row.assignee) == (("wlz",), ("indicatie", "verblijf"), "Jan")
    assert (row.state, row.kind, row.clock_state) == (CaseState.NEW, MessageKind.QUESTION, "on_time")
    assert (row.arrived_at, row.answer_due, row.take_up_due) == (NOW, case.answer_due, None)


def test_saving_moves_a_case_in_the_list(store: SqlStore, make: Maker) -> None:
    first, second = make.case(), make.case(case={"answer_due": NOW + timedelta(days=9)})
    assert references(store) == [first.reference, second.reference]
    with store.begin() as uow:
        uow.save_case(replace(uow.case(second.id), danger=True))
    assert references(store) == [second.reference, first.reference]
    with store.begin() as uow:
        uow.save_case(replace(uow.case(second.id), state=CaseState.CLOSED, ended_at=NOW))
    assert references(store) == [first.reference]
    assert references(store, which="all") == [first.reference, second.reference]


def test_the_summary_adds_up(store: SqlStore, make: Maker) -> None:
    sent, due, uncertain, withheld = (make.case(assessment={"band": band}) for band in (*Band, Band.NORMAL))
    for case in (sent, due, uncertain):
        item = make.queue(case.id, "acknowledgement")
        with store.begin() as uow:
            uow.add_acknowledgement(case.id, at=NOW, outbox_id=item, reasons=(), promised_for=case.answer_due)
            if case is due:
                continue
            uow.claim_outbox(owner="a", now=NOW, lease=timedelta(minutes=1), limit=1)
            uow.mark_sending([item], owner="a", now=NOW)
            assert (
                uow.record_delivery(item, owner="a", state="sent" if case is sent else "uncertain", now=NOW)
                or case is uncertain
            )
    with store.begin() as uow:
        uow.add_acknowledgement(
            withheld.id, at=NOW, outbox_id=None, reasons=[NoReplyReason.AUTO_SUBMITTED], promised_for=None
        )
        for uid, outcome in enumerate(LedgerOutcome, start=100):
            uow.note_seen(FOLDER, [UidRef(7, uid)], at=NOW)
            if outcome is LedgerOutcome.QUARANTINED:
                uow.quarantine(FOLDER, UidRef(7, uid), raw=b"x", size=1, error="X", at=NOW, internal_date=NOW)
            elif outcome is LedgerOutcome.GONE:
                uow.mark_gone(FOLDER, [UidRef(7, uid)], at=NOW)
            elif outcome is not LedgerOutcome.CASE:
                uow.record_outcome(FOLDER, UidRef(7, uid), outcome, at=NOW)
    make.draft(sent.id)
    make.draft(sent.id, "Nog eens")
    summary = store.queries.demo_summary()
    assert summary == {
        "received": 9, "cases": 4, "follow_ups": 1, "attached": 1, "ignored": 1, "quarantined": 1, "gone": 1,
        "unaccounted": 1, "urgent": 2, "acknowledged": 1, "withheld": 1, "pending": 2, "drafts": 1,
    }  # fmt: skip
    view = store.queries.case_page(sent.reference).acknowledgement
    assert view is not None
    assert (view.state, view.promised_for, view.sent_at) == ("sent", sent.answer_due, NOW)


def test_open_and_ended_cases_are_read_in_the_order_of_arrival(store: SqlStore, make: Maker) -> None:
    made = sorted(many(store, make, 60), key=lambda case: (case.arrived_at, case.id))
    assert [case.id for case in store.queries.open_cases()] == [case.id for case in made if case.state in OPEN_STATES]
    ended = [case for case in made if case.state in (CaseState.ANSWERED, CaseState.CLOSED)]
    assert [case.id for case in store.queries.ended_cases(None, None)] == [case.id for case in ended]
    assert (
        next(iter(list(store.queries.open_cases()))).counting
        == next(one for one in made if one.state in OPEN_STATES).counting
    )
    assert list(store.queries.ended_cases(NOW + timedelta(days=1), None)) == []
    assert list(store.queries.ended_cases(None, made[0].arrived_at)) == []
