"""The outbox: at most once, whoever dies; what was not accepted is not answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.store.conftest import NOW
from tests.integration.store.making import Maker
from triage.adapters.store import SqlStore
from triage.core.case import CaseState
from triage.core.mail import NoReplyReason
from triage.errors import ConflictError, NotFound
from triage.ports import OutboxItem
from triage.row_ids import new_row_id

LEASE = timedelta(minutes=15)
AFTER = NOW + LEASE


def claim(store: SqlStore, owner: str = "a", now=NOW, limit: int = 50) -> list[OutboxItem]:  # type: ignore[no-untyped-def]
    with store.begin() as uow:
        return list(uow.claim_outbox(owner=owner, now=now, lease=LEASE, limit=limit))


def state_of(store: SqlStore, item_id: str) -> str:
    states = ["due", "sending", "sent", "deferred", "refused", "uncertain"]
    return next(row.state for row in store.queries.outbox(states=states) if row.id == item_id)


def test_a_claimed_item_is_complete_and_claimed_once(store: SqlStore, make: Maker) -> None:
    case = make.case()
    item = make.item(case.id)
    with store.begin() as uow:
        uow.add_outbox(item, due_at=NOW, message_id="<uit@example.org>")
    assert claim(store) == [replace(item, attempts=1)]
    assert claim(store, "b") == []
    assert claim(store, "b", AFTER) == [replace(item, attempts=2)]  # the first holder died before DATA


def test_replies_leave_before_acknowledgements_before_alerts(store: SqlStore, make: Maker) -> None:
    case = make.case()
    alert = make.queue(None, "alert", due_at=NOW - timedelta(hours=3))
    second = make.queue(case.id, "acknowledgement", due_at=NOW - timedelta(hours=1))
    first = make.queue(case.id, "acknowledgement", due_at=NOW - timedelta(hours=2))
    reply = make.queue(case.id, "reply")
    make.queue(case.id, "reply", due_at=NOW + timedelta(seconds=1))
    assert [item.id for item in claim(store, limit=2)] == [reply, first]
    assert [item.id for item in claim(store)] == [second, alert]


def test_message_ids_are_unique(store: SqlStore, make: Maker) -> None:
    with store.begin() as uow:
        uow.add_outbox(make.item(None, "alert"), due_at=NOW, message_id="<een@example.org>")
    with pytest.raises(ConflictError), store.begin() as uow:
        uow.add_outbox(make.item(None, "alert"), due_at=NOW, message_id="<een@example.org>")


def test_only_the_holder_of_a_running_lease_begins_to_send(store: SqlStore, make: Maker) -> None:
    one, two = make.queue(None, "alert", due_at=NOW - timedelta(minutes=1)), make.queue(None, "alert")
    claim(store, limit=1)
    with store.begin() as uow:
        assert uow.mark_sending([one, two], owner="b", now=NOW) == frozenset()
        assert uow.mark_sending([one, two], owner="a", now=AFTER) == frozenset()
        assert uow.mark_sending([one, two], owner="a", now=NOW) == {one}
        # its holder may begin again, after a refusal that makes certain that it was not sent
        assert uow.mark_sending([one], owner="a", now=NOW) == {one}
        assert uow.mark_sending([one], owner="b", now=NOW) == frozenset()


def test_sending_is_never_claimed_and_becomes_uncertain(store: SqlStore, make: Maker) -> None:
    case = make.case()
    item = make.queue(case.id)
    claim(store)
    with store.begin() as uow:
        uow.mark_sending([item], owner="a", now=NOW)
        assert uow.expire_sending(now=NOW) == []
    assert claim(store, "b", AFTER) == []
    with store.begin() as uow:
        assert uow.expire_sending(now=AFTER) == [item]
        assert uow.expire_sending(now=AFTER) == []
    assert claim(store, "b", AFTER) == []
    assert state_of(store, item) == "uncertain"
    with store.begin() as uow:  # the first holder comes back too late
        assert not uow.record_delivery(item, owner="a", state="sent", now=AFTER)
        assert uow.case(case.id).state is CaseState.NEW
        assert uow.release_uncertain(item, now=AFTER)
        assert not uow.release_uncertain(item, now=AFTER)
    (again,) = claim(store, "b", AFTER)
    assert again.raw == make.item(case.id).raw
    timeline = store.queries.case_page(case.reference).timeline
    assert [row.action for row in timeline] == ["case_opened", "reply_uncertain"]


def test_after_a_restart_the_same_owner_gives_back_what_it_held(store: SqlStore, make: Maker) -> None:
    one, two, three = (make.queue(None, "alert", due_at=NOW - timedelta(minutes=3 - i)) for i in range(3))
    claim(store, limit=2)
    claim(store, "b", limit=1)
    with store.begin() as uow:
        uow.mark_sending([one], owner="a", now=NOW)
        assert uow.recover_outbox(owner="a", now=NOW) == [one]
    assert [item.id for item in claim(store, "c")] == [two]
    assert state_of(store, one) == "uncertain"
    assert state_of(store, three) == "due"


def test_an_accepted_reply_answers_the_case(store: SqlStore, make: Maker) -> None:
    case = make.case()
    item = make.queue(case.id)
    claim(store)
    later = NOW + timedelta(seconds=5)
    with store.begin() as uow:
        assert not uow.record_delivery(item, owner="a", state="sent", now=later)  # nothing is sent before DATA
        uow.mark_sending([item], owner="a", now=NOW)
        assert uow.record_delivery(item, owner="a", state="sent", now=later, reply_code=250)
        assert not uow.record_delivery(item, owner="a", state="sent", now=later, reply_code=250)
    page = store.queries.case_page(case.reference)
    assert (page.case.state, page.case.answered_at, page.case.ended_at) == (CaseState.ANSWERED, later, later)
    assert page.case.version == case.version + 1
    assert [row.action for row in page.timeline] == ["case_opened", "reply_sent"]
    (row,) = page.outbox
    assert (row.state, row.sent_at, row.reply_code, row.reference) == ("sent", later, 250, case.reference)
    sent = page.messages[-1]
    assert (sent.direction, sent.subject, sent.to) == ("out", "Antwoord aan Marker", ("anna1@example.nl",))
    assert "hier is het antwoord" in sent.new_text
    assert store.queries.raw_message(sent.id) == make.item(case.id).raw
    assert store.queries.thread_ids(case.reference) == ["<vraag-1@example.nl>"]
    with store.begin() as uow:
        assert uow.cases_by_message_ids([f"<{item}@example.org>"]) == [case.id]
        assert uow.contact_keys(case.id) == {uow.address_key("anna1@example.nl")}


@pytest.mark.parametrize("state", [CaseState.CLOSED, CaseState.NO_REPLY_NEEDED])
def test_a_case_that_was_closed_meanwhile_stays_closed(store: SqlStore, make: Maker, state: CaseState) -> None:
    case = make.case()
    item = make.queue(case.id)
    claim(store)
    with store.begin() as uow:
        uow.save_case(replace(uow.case(case.id), state=state, ended_at=NOW))
        uow.mark_sending([item], owner="a", now=NOW)
        assert uow.record_delivery(item, owner="a", state="sent", now=NOW)
    page = store.queries.case_page(case.reference)
    assert page.case.state is state
    assert [message.direction for message in page.messages] == ["in", "out"]


@pytest.mark.parametrize("state", ["refused", "uncertain"])
def test_what_was_not_accepted_is_not_answered(store: SqlStore, make: Maker, state: str) -> None:
    case = make.case()
    item = make.queue(case.id)
    claim(store)
    with store.begin() as uow:
        uow.mark_sending([item], owner="a", now=NOW)
        assert uow.record_delivery(item, owner="a", state=state, now=NOW, reply_code=550, enhanced_status="5.1.1")
    page = store.queries.case_page(case.reference)
    assert page.case == case
    assert page.timeline[-1].action == f"reply_{state}"
    assert page.timeline[-1].details == {"outbox_id": item, "reply_code": 550, "enhanced_status": "5.1.1"}
    supervision = store.queries.supervision(now=NOW, today_ends=NOW)
    assert (supervision.refused, supervision.uncertain) == (int(state == "refused"), int(state == "uncertain"))


def test_a_deferred_item_waits_for_its_moment(store: SqlStore, make: Maker) -> None:
    item = make.queue(None, "alert")
    claim(store)
    again = NOW + timedelta(minutes=2)
    with store.begin() as uow:
        assert not uow.record_delivery(item, owner="b", state="deferred", now=NOW, due_at=again)
        assert uow.record_delivery(item, owner="a", state="deferred", now=NOW, due_at=again, reply_code=451)
        assert not uow.record_delivery(item, owner="a", state="refused", now=NOW)
    assert claim(store, now=NOW + timedelta(minutes=1)) == []
    assert [one.attempts for one in claim(store, now=again)] == [2]
    with store.begin() as uow:
        assert uow.record_delivery(item, owner="a", state="refused", now=again, reply_code=550)
        with pytest.raises(ValueError, match="no outcome"):
            uow.record_delivery(item, owner="a", state="due", now=again)


def test_an_item_can_be_taken_back_until_it_is_claimed(store: SqlStore, make: Maker) -> None:
    case = make.case()
    taken_back, claimed = make.queue(case.id), make.queue(case.id)
    with store.begin() as uow:
        assert uow.cancel_outbox(taken_back)
        assert not uow.cancel_outbox(taken_back)
    claim(store)
    with store.begin() as uow:
        assert not uow.cancel_outbox(claimed)


def test_budgets_count_what_was_queued(store: SqlStore, make: Maker) -> None:
    case = make.case()
    for minutes in (0, 30, 59, 60 * 23):
        make.queue(case.id, "acknowledgement", to="Jan@Example.nl", created_at=NOW - timedelta(minutes=minutes))
    make.queue(case.id, "acknowledgement", to="piet@example.nl", created_at=NOW)
    make.queue(case.id, "acknowledgement", to="jan@example.nl", created_at=NOW - timedelta(hours=24))
    make.queue(case.id, "reply", to="jan@example.nl")
    with store.begin() as uow:
        counts = uow.acknowledgement_counts("jan@EXAMPLE.nl", now=NOW)
        assert (counts.to_address_today, counts.last_hour, counts.breaker_tripped) == (4, 4, False)
        later = uow.acknowledgement_counts("jan@example.nl", now=NOW + timedelta(minutes=61))
        assert later.last_hour == 0
        uow.set_fact("breaker", NOW.isoformat())
        assert uow.acknowledgement_counts("jan@example.nl", now=NOW).breaker_tripped
        uow.set_fact("breaker", "")
        assert not uow.acknowledgement_counts("jan@example.nl", now=NOW).breaker_tripped


def test_many_relays_send_every_item_once(store: SqlStore, make: Maker, open_another: Callable[[], SqlStore]) -> None:
    queued = [make.queue(None, "alert") for _ in range(60)]
    claimed: list[str] = []
    largest: list[int] = []

    def work(own: SqlStore, owner: str) -> None:
        while items := claim(own, owner, limit=7):
            largest.append(len(items))
            with own.begin() as uow:
                marked = uow.mark_sending([item.id for item in items], owner=owner, now=NOW)
                claimed.extend(marked)
                for item_id in marked:
                    assert uow.record_delivery(item_id, owner=owner, state="sent", now=NOW)

    stores = [store, open_another(), open_another(), open_another()]
    threads = [threading.Thread(target=work, args=(own, f"relay-{i}")) for i, own in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(queued)
    assert max(largest) <= 7


# ---------------------------------------------------------------- acknowledgements written anew


def acknowledged(store: SqlStore, make: Maker) -> OutboxItem:
    """A queued acknowledgement with its row, claimed by node a."""
    case = make.case()
    item = make.item(case.id, "acknowledgement")
    with store.begin() as uow:
        uow.add_outbox(item, due_at=NOW, message_id="<uit@example.org>")
        uow.add_acknowledgement(case.id, at=NOW, outbox_id=item.id, reasons=(), promised_for=case.answer_due)
    (claimed,) = claim(store)
    return claimed


def test_newer_words_take_the_place_of_a_held_unsent_acknowledgement(store: SqlStore, make: Maker) -> None:
    item = acknowledged(store, make)
    promised = NOW + timedelta(days=9)
    promise: dict[str, Any] = {"promised_for": promised, "promised_take_up": NOW + timedelta(days=2), "began_at": NOW}
    with store.begin() as uow:
        decided = uow.decided_acknowledgement(item)
        case = uow.case(item.case_id or "")
        assert (decided.language, decided.promised_answer, decided.promised_take_up) == ("nl", case.answer_due, None)
        for owner, now in (("b", NOW), ("a", AFTER)):
            assert not uow.renew_acknowledgement(item.id, raw=b"x", **promise, owner=owner, now=now)
            reason = NoReplyReason.ALREADY_ANSWERED
            assert not uow.withhold_acknowledgement(item.id, reason, owner=owner, now=now)
        assert uow.renew_acknowledgement(item.id, raw=b"nieuw", **promise, owner="a", now=NOW)
    with store.begin() as uow:
        assert uow.case(item.case_id or "").promised_for == promised
    assert claim(store, "b", AFTER) == [replace(item, raw=b"nieuw", attempts=2)]


def test_once_sending_an_acknowledgement_is_neither_renewed_nor_withheld(store: SqlStore, make: Maker) -> None:
    item = acknowledged(store, make)
    with store.begin() as uow:
        uow.mark_sending([item.id], owner="a", now=NOW)
        promise: dict[str, Any] = {"promised_for": NOW, "promised_take_up": None, "began_at": NOW}
        assert not uow.renew_acknowledgement(item.id, raw=b"x", **promise, owner="a", now=NOW)
        assert not uow.withhold_acknowledgement(item.id, NoReplyReason.ALREADY_ANSWERED, owner="a", now=NOW)
    assert state_of(store, item.id) == "sending"


def test_a_withheld_acknowledgement_leaves_the_outbox_with_its_reason(store: SqlStore, make: Maker) -> None:
    item = acknowledged(store, make)
    with store.begin() as uow:
        assert uow.withhold_acknowledgement(item.id, NoReplyReason.ALREADY_ANSWERED, owner="a", now=NOW)
        assert uow.case(item.case_id or "").promised_for is None
    assert store.queries.outbox(states=["due", "deferred", "sending"]) == []
    ((_, view),) = store.queries.withheld()
    assert view.reasons == ("already_answered",)


def test_an_acknowledgement_without_its_decision_is_said(store: SqlStore, make: Maker) -> None:
    item = replace(acknowledged(store, make), id=new_row_id(NOW + timedelta(days=1)))
    with store.begin() as uow, pytest.raises(NotFound):
        uow.decided_acknowledgement(item)
