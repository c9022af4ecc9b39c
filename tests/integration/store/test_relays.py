"""Several relays on one database, SQLite and PostgreSQL: every item once, whichever node dies."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.fakes import FakeMailSender
from tests.integration.store.conftest import NOW
from tests.integration.store.making import Maker
from tests.letter_cases import letters
from triage.adapters.store import SqlStore
from triage.ports import Envelope
from triage.services.relay import LEASE_TTL, Relay
from triage.services.renewing import Renewing


def relay_on(store: SqlStore, sender: FakeMailSender, owner: str) -> Relay:
    return Relay(
        store=store,
        sender=sender,
        clock=lambda: NOW,
        owner=owner,
        connections=3,
        acknowledge=True,
        renewing=Renewing(letters=letters(), owner=owner),
    )


def test_three_nodes_at_once_send_every_item_once(
    store: SqlStore, make: Maker, open_another: Callable[[], SqlStore]
) -> None:
    case = make.case()
    for number in range(90):
        make.queue(case.id, ("reply", "acknowledgement", "alert")[number % 3], to=f"mens{number}@example.nl")
    sender = FakeMailSender()
    relays = [relay_on(open_another(), sender, f"node-{number}") for number in range(3)]
    gate = threading.Barrier(len(relays))

    def work(relay: Relay) -> None:
        gate.wait()
        for _ in range(3):
            asyncio.run(relay.relay_once())

    threads = [threading.Thread(target=work, args=(relay,)) for relay in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(envelope.forward_path for envelope, _ in sender.sent) == {
        f"mens{number}@example.nl": 1 for number in range(90)
    }
    assert {row.state for row in store.queries.outbox(states=("due", "sending", "sent", "uncertain", "refused"))} == {
        "sent"
    }


@pytest.mark.parametrize("handed_over", [False, True])
def test_what_a_dead_node_held_is_sent_by_another_or_shown_as_uncertain(
    store: SqlStore, make: Maker, handed_over: bool
) -> None:
    item = make.queue(make.case().id, due_at=NOW - 2 * LEASE_TTL)
    with store.begin() as uow:
        assert len(uow.claim_outbox(owner="dead", now=NOW - LEASE_TTL, lease=LEASE_TTL, limit=5)) == 1
        assert not uow.claim_outbox(owner="node-1", now=NOW - timedelta(seconds=1), lease=LEASE_TTL, limit=5)
        if handed_over:
            assert uow.mark_sending([item], owner="dead", now=NOW - LEASE_TTL) == {item}
    sender = FakeMailSender()
    for _ in range(2):
        asyncio.run(relay_on(store, sender, "node-1").relay_once())
    assert [envelope for envelope, _ in sender.sent] == ([] if handed_over else [Envelope("", "anna1@example.nl")])
    (row,) = store.queries.outbox(states=("due", "sending", "sent", "uncertain"))
    assert row.state == ("uncertain" if handed_over else "sent")


def test_a_reply_to_two_is_answered_when_both_nodes_wrote_down_their_recipient(
    store: SqlStore, make: Maker, open_another: Callable[[], SqlStore]
) -> None:
    case = make.case()
    items = [make.item(case.id, to=f"mens{number}@example.nl") for number in range(2)]
    with store.begin() as uow:
        for item in items:
            uow.add_outbox(item, due_at=NOW, message_id="<een@example.org>")
    stores = [open_another(), open_another()]
    for number, one in enumerate(stores):
        with one.begin() as uow:
            (held,) = uow.claim_outbox(owner=f"node-{number}", now=NOW, lease=LEASE_TTL, limit=1)
            uow.mark_sending([held.id], owner=f"node-{number}", now=NOW)
            items[number] = held
    gate = threading.Barrier(2)

    def record(number: int) -> None:
        gate.wait()
        with stores[number].begin() as uow:
            assert uow.record_delivery(items[number].id, owner=f"node-{number}", state="sent", now=NOW)

    threads = [threading.Thread(target=record, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page = store.queries.case_page(case.reference)
    assert page.case.state == "answered"
    assert [message.direction for message in page.messages] == ["in", "out"]
