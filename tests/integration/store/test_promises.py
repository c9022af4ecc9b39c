"""The promise book in the store, and the move of an older database to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from alembic import command
from sqlalchemy import text

from tests.integration.store.conftest import NOW
from tests.integration.store.making import Maker
from tests.letter_cases import letters
from triage.adapters import migrate
from triage.adapters.database import parse_url
from triage.adapters.seal import Keyring
from triage.adapters.store import SqlStore, open_store
from triage.core.case import CaseState
from triage.core.sla import SlaRules
from triage.core.workdays import WorkCalendar, local_date
from triage.errors import ConflictError
from triage.ports import User
from triage.services.promising import Promising

AFTER = NOW + timedelta(minutes=20)


def corrected(store: SqlStore, make: Maker) -> tuple[Any, str, User]:
    """A case with a correction mail that waits to leave."""
    user = store.accounts.add(username="jansen", display_name="A. Jansen", role="medewerker", password_hash="x", at=NOW)
    case = make.case()
    item = make.queue(case.id, "correction")
    with store.begin() as uow:
        uow.add_promise(case, item, by=user.id, at=NOW)
    return case, item, user


def sent(store: SqlStore, item: str) -> None:
    with store.begin() as uow:
        uow.claim_outbox(owner="a", now=AFTER, lease=timedelta(minutes=5), limit=10)
        uow.mark_sending([item], owner="a", now=AFTER)
        assert uow.record_delivery(item, owner="a", state="sent", now=AFTER, reply_code=250)


def test_a_correction_joins_the_conversation_and_answers_nothing(store: SqlStore, make: Maker) -> None:
    case, item, _ = corrected(store, make)
    sent(store, item)
    page = store.queries.case_page(case.reference)
    assert (page.case.state, page.case.version, page.case.answered_at) == (CaseState.NEW, case.version, None)
    assert page.messages[-1].direction == "out"
    assert [row.action for row in page.timeline] == ["case_opened", "correction_sent"]
    (promise,) = page.promises
    assert (promise.told_by, promise.actor, promise.state) == ("correction", "A. Jansen", "sent")
    assert (promise.promised_for, promise.counting) == (case.answer_due, (NOW, 3))
    assert promise.began_at == case.arrived_at
    with store.begin() as uow:
        (copy,) = uow.copies_due("account/INBOX", 7, limit=10)
        assert (copy.outbox_id, copy.question_uids) == (item, ())  # the question is not answered
        assert uow.promise_of(item) == (case.id, case.answer_due)
        assert uow.promise_of("nothing") is None


def test_it_leaves_after_replies_and_before_acknowledgements(store: SqlStore, make: Maker) -> None:
    kinds = ("alert", "acknowledgement", "correction", "reply")
    case = make.case()
    for kind in kinds:
        make.queue(case.id, kind)
    with store.begin() as uow:
        claimed = uow.claim_outbox(owner="a", now=AFTER, lease=timedelta(minutes=5), limit=10)
    assert [item.kind for item in claimed] == list(reversed(kinds))


def test_a_promise_whose_mail_came_back_is_void_until_it_is_sent_again(store: SqlStore, make: Maker) -> None:
    case, item, _ = corrected(store, make)
    with store.begin() as uow:
        assert uow.hold_outbox(now=NOW) == [item]
        uow.promise_bounced(item, at=AFTER)
    assert store.queries.case_page(case.reference).promises[0].bounced
    with store.begin() as uow:
        assert uow.release_uncertain(item, now=AFTER)
    (promise,) = store.queries.case_page(case.reference).promises
    assert (promise.bounced, promise.state) == (False, "due")


def test_erasure_keeps_what_was_promised(store: SqlStore, make: Maker) -> None:
    case, item, user = corrected(store, make)
    sent(store, item)
    before = store.queries.case_page(case.reference).promises
    with store.begin() as uow:
        uow.erase_case(case.id, by=user.id, at=AFTER)
    assert store.queries.case_page(case.reference).promises == before


def test_verify_finds_a_correction_without_its_promise(store: SqlStore, make: Maker) -> None:
    _, item, _ = corrected(store, make)
    found = store.proof.contradictions()
    assert found["corrections_without_promise"] == found["promises_without_mail"] == (0, ())
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM promises"))
    assert store.proof.contradictions()["corrections_without_promise"] == (1, (item,))


def test_an_older_database_keeps_its_acknowledgements(database_url: str, keyring: Keyring) -> None:
    store = open_store(database_url, keyring)
    make = Maker(store, NOW)
    case, withheld = make.case(), make.case()
    mail, reply, correction = (make.queue(case.id, kind) for kind in ("acknowledgement", "reply", "correction"))
    with store.begin() as uow:
        uow.add_acknowledgement(case.id, at=NOW, outbox_id=mail, reasons=(), promised_for=case.answer_due)
        uow.add_acknowledgement(withheld.id, at=NOW, outbox_id=None, reasons=(), promised_for=None)
        uow.add_promise(case, correction, by="u", at=NOW)
        uow.audit("acknowledgement_bounced", at=AFTER, actor="system", case_id=case.id)
    store.close()
    engine = migrate._engine(parse_url(database_url))  # as a migration has it: foreign keys off
    settings = migrate.config()
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.downgrade(settings, "0004")
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(text("SELECT kind, rank FROM outbox ORDER BY kind"))] == [
            ("acknowledgement", 1),
            ("reply", 0),
        ]
    migrate.upgrade(database_url)
    store = open_store(database_url, keyring)
    (promise,) = store.queries.case_page(case.reference).promises
    assert (promise.promised_for, promise.promised_take_up, promise.bounced) == (case.answer_due, None, True)
    receipt = store.queries.case_page(case.reference).acknowledgement
    assert receipt is not None and (receipt.language, receipt.bounced_at) == ("nl", AFTER)
    assert store.queries.case_page(withheld.reference).promises == ()
    with store.begin() as uow:
        claimed = uow.claim_outbox(owner="a", now=AFTER, lease=timedelta(minutes=5), limit=10)
    assert [item.id for item in claimed] == [reply, mail]
    store.close()


def test_two_people_who_send_at_once_send_one_mail(
    store: SqlStore, make: Maker, open_another: Callable[[], SqlStore]
) -> None:
    case = make.case(case={"answer_due": NOW + timedelta(days=4)})
    receipt = make.queue(case.id, "acknowledgement")
    with store.begin() as uow:
        uow.add_acknowledgement(
            case.id, at=NOW, outbox_id=receipt, reasons=(), promised_for=NOW + timedelta(days=3), language="nl"
        )
    user = store.accounts.add(username="jansen", display_name="A. Jansen", role="medewerker", password_hash="x", at=NOW)
    nodes = [store, open_another()]
    together = threading.Barrier(len(nodes))

    def send(node: SqlStore) -> str:
        promising = Promising(
            store=node, queries=node.queries, letters=letters(), rules=SlaRules(WorkCalendar()), clock=lambda: AFTER
        )
        together.wait(10)
        try:
            promising.send_correction(
                case.reference, user=user, version=case.version, answer_day=local_date(case.answer_due)
            )
        except ConflictError:
            return "late"
        return "sent"

    with ThreadPoolExecutor(len(nodes)) as pool:
        assert sorted(pool.map(send, nodes)) == ["late", "sent"]
    page = store.queries.case_page(case.reference)
    assert [row.kind for row in page.outbox] == ["acknowledgement", "correction"]
    assert len(page.promises) == 2
