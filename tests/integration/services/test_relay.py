"""The relay: at most once, and every outcome ends where a person sees it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.integration.harness import START, Harness, mail
from triage.core.gate import Finding
from triage.errors import (
    DeliveryDeferred,
    DeliveryRefused,
    DeliveryUncertain,
    SenderUnavailable,
    StoreUnavailable,
)
from triage.ports import Envelope
from triage.services.relay import LEASE_TTL, next_attempt


def with_questions(desk: Harness, count: int = 1) -> None:
    for number in range(1, count + 1):
        desk.mailbox.deliver(mail(number))
        desk.later(seconds=1)
        desk.poll()


def states(desk: Harness) -> list[str]:
    rows = desk.store.queries.outbox(states=("due", "sending", "sent", "deferred", "refused", "uncertain"))
    return sorted(row.state for row in rows)


def test_a_4yz_waits_and_goes_later_once_with_the_same_message_id(desk: Harness) -> None:
    with_questions(desk)
    desk.sender.plan("prepare", DeliveryDeferred("later", reply_code=451, enhanced_status="4.7.1"))
    desk.relay_once()
    assert states(desk) == ["deferred"]
    desk.relay_once()
    assert desk.sender.sent == []
    desk.later(minutes=5)
    desk.relay_once()
    desk.later(days=1)
    desk.relay_once()
    assert states(desk) == ["sent"]
    assert len(desk.sender.sent) == 1


@pytest.mark.parametrize("step", ["prepare", "data"])
def test_a_5yz_stops_and_staff_see_it(desk: Harness, step: str) -> None:
    with_questions(desk)
    desk.sender.plan(step, DeliveryRefused("no such user", reply_code=550, enhanced_status="5.1.1"))
    desk.relay_once()
    desk.later(days=2)
    desk.relay_once()
    assert states(desk) == ["refused"]
    (row,) = desk.store.queries.outbox(states=("refused",))
    assert (row.reply_code, row.enhanced_status) == (550, "5.1.1")
    assert desk.summary()["pending"] == 1


def test_an_unknown_outcome_is_uncertain_and_never_repeated_by_itself(desk: Harness) -> None:
    with_questions(desk)
    desk.sender.plan("data", DeliveryUncertain("no reply after DATA"))
    desk.relay_once()
    for _ in range(3):
        desk.later(days=1)
        desk.relay_once()
    assert states(desk) == ["uncertain"]
    assert desk.sender.sent == []


def test_a_person_sends_an_uncertain_mail_again_with_the_same_message_id(desk: Harness) -> None:
    with_questions(desk)
    seen: list[bytes] = []
    desk.sender.on_data = lambda envelope, raw: seen.append(raw)
    desk.sender.plan("data", DeliveryUncertain("no reply after DATA"))
    desk.relay_once()
    (row,) = desk.store.queries.outbox(states=("uncertain",))
    desk.casework.release_uncertain(row.id, user=desk.user())
    desk.relay_once()
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert states(desk) == ["sent"]


def test_a_server_that_is_down_costs_no_attempts_and_the_queue_keeps_its_order(desk: Harness) -> None:
    with_questions(desk, 5)
    desk.relay._connections = 1
    for _ in range(4):
        desk.sender.plan("session", SenderUnavailable("SMTP server: connection refused"), times=2)
        assert desk.relay_once().unavailable
        desk.sender._planned.clear()
        desk.later(minutes=10)
    report = desk.relay_once()
    assert report.states["sent"] == 5
    assert [envelope.forward_path for envelope, _ in desk.sender.sent] == [
        f"vrager{number}@mensen.example" for number in range(1, 6)
    ]


def test_a_server_that_refuses_the_null_reverse_path_gets_the_configured_one(desk: Harness) -> None:
    with_questions(desk)
    desk.sender.refuses_null_reverse_path = True
    desk.relay_once()
    assert [envelope.reverse_path for envelope, _ in desk.sender.sent] == ["bounces@juisteloket.example"]


def test_a_process_that_dies_in_data_leaves_uncertain_and_one_that_dies_before_does_not(desk: Harness) -> None:
    with_questions(desk, 2)
    with desk.store.begin() as uow:
        items = uow.claim_outbox(owner="node-1", now=desk.now, lease=LEASE_TTL, limit=10)
        uow.mark_sending([items[0].id], owner="node-1", now=desk.now)
    with desk.store.begin() as uow:  # what the next start of the same node does
        assert uow.recover_outbox(owner="node-1", now=desk.now) == [items[0].id]
    desk.relay_once()
    assert states(desk) == ["sent", "uncertain"]


def test_another_nodes_lease_is_respected_until_it_ends(desk: Harness) -> None:
    with_questions(desk)
    with desk.store.begin() as uow:
        uow.claim_outbox(owner="node-2", now=desk.now, lease=LEASE_TTL, limit=10)
    desk.relay_once()
    assert desk.sender.sent == []
    desk.later(minutes=16)
    desk.relay_once()
    assert len(desk.sender.sent) == 1


def test_a_worker_that_lost_its_lease_does_not_send(desk: Harness) -> None:
    with_questions(desk)
    original = desk.sender.session

    def slow_session():
        with desk.store.begin() as uow:  # meanwhile the lease ran out and another node took the item
            desk.later(minutes=20)
            uow.claim_outbox(owner="node-2", now=desk.now, lease=LEASE_TTL, limit=10)
        return original()

    desk.sender.session = slow_session  # type: ignore[method-assign]
    desk.relay_once()
    assert desk.sender.sent == []


def test_acknowledgements_switched_off_do_not_leave(desk: Harness) -> None:
    with_questions(desk)
    desk.mode = "shadow"
    desk.wire()
    desk.relay_once()
    assert desk.sender.sent == []


def test_one_failing_item_does_not_hold_up_the_others(desk: Harness) -> None:
    with_questions(desk, 4)
    refusal = DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1")
    desk.sender.plan("prepare", refusal, forward_path="vrager2@mensen.example")
    desk.sender.plan("data", DeliveryUncertain("gone"), forward_path="vrager3@mensen.example")
    desk.relay_once()
    assert states(desk) == ["refused", "sent", "sent", "uncertain"]


@pytest.mark.protocol("S01")
def test_pauses_grow_and_end() -> None:
    pauses = [next_attempt(attempt, START, START) for attempt in range(1, 12)]
    assert all(pause is not None for pause in pauses)
    delays = [pause - START for pause in pauses if pause is not None]
    assert delays[0] == timedelta(minutes=2)
    assert delays == sorted(delays)
    assert delays[-1] == timedelta(hours=2)
    assert next_attempt(3, START, START + timedelta(days=3)) is None


@pytest.mark.protocol("F05")
def test_the_envelope_of_a_reply_is_ours_and_never_null(desk: Harness) -> None:
    with_questions(desk)
    desk.relay_once()
    user = desk.user()
    page = desk.store.queries.case_page("JL-2026-00001")
    draft = page.drafts[0]
    leaves = desk.approval.approve(
        "JL-2026-00001", user=user, revision=draft.revision, content_hash=draft.content_hash, seen_messages=1
    )
    asyncio.run(desk.relay.relay_once())
    assert len(desk.sender.sent) == 1  # the undo time is not over
    desk.now = leaves
    desk.relay_once()
    envelope, raw = desk.sender.sent[1]
    assert envelope == replace(Envelope("", "vrager1@mensen.example"), reverse_path="meldpunt@juisteloket.example")
    assert b"Auto-Submitted" not in raw
    assert b"In-Reply-To: <vraag-1@mensen.example>" in raw
    page = desk.store.queries.case_page("JL-2026-00001")
    assert page.case.state == "answered"
    assert page.case.answered_at == leaves


@pytest.mark.protocol("S21")
def test_a_reply_that_left_is_copied_to_sent_once_and_its_question_is_marked_answered(desk: Harness) -> None:
    with_questions(desk)
    draft = desk.store.queries.case_page("JL-2026-00001").drafts[0]
    content = replace(draft.content, to=("a@mensen.example", "b@mensen.example"))
    saved = desk.approval.save_draft("JL-2026-00001", user=desk.user(), base_revision=draft.revision, content=content)
    desk.approval.approve(
        "JL-2026-00001",
        user=desk.user(name="bakker"),
        revision=saved.revision,
        content_hash=saved.content_hash,
        seen_messages=1,
        ticked=frozenset({Finding.UNKNOWN_RECIPIENT}),
    )
    desk.later(minutes=1)
    desk.relay_once()
    desk.mailbox.fail("append_sent")
    desk.mailbox.deliver(mail(2))
    assert desk.poll().outcomes["case"] == 1  # a full Sent folder does not stop the mail that comes in
    assert desk.mailbox.sent == []
    desk.poll()
    desk.poll()
    assert len(desk.mailbox.sent) == 1
    assert "\\Answered" in desk.mailbox.flags(1)
    page = desk.store.queries.case_page("JL-2026-00001")
    assert [message.direction for message in page.messages] == ["in", "out"]


def test_too_many_acknowledgements_trip_the_breaker_until_a_person_releases_it(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("toezicht@juisteloket.example",), policy_changes={"per_hour": 3})
    with_questions(desk, 6)
    desk.relay_once()
    alerts = [raw for envelope, raw in desk.sender.sent if envelope.forward_path.startswith("toezicht")]
    assert len(alerts) == 1
    assert len(desk.sender.sent) == 4
    desk.later(hours=3)
    desk.mailbox.deliver(mail(7))
    desk.poll()
    assert desk.store.queries.case_page("JL-2026-00007").acknowledgement.state == "withheld"  # type: ignore[union-attr]
    desk.casework.release_breaker(user=desk.user("beheerder"))
    desk.mailbox.deliver(mail(8))
    desk.poll()
    assert desk.store.queries.case_page("JL-2026-00008").acknowledgement.state == "due"  # type: ignore[union-attr]
    desk.store.close()


def test_a_mail_the_server_took_is_never_sent_again_when_its_outcome_cannot_be_written(
    desk: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_questions(desk)
    original = desk.relay._record

    async def disk_full(item, report, state, **more):
        if state == "sent":
            raise StoreUnavailable("the disk is full")
        await original(item, report, state, **more)

    monkeypatch.setattr(desk.relay, "_record", disk_full)
    desk.relay_once()
    monkeypatch.undo()
    for _ in range(4):
        desk.later(minutes=20)
        desk.relay_once()
    assert len(desk.sender.sent) == 1
    assert states(desk) == ["uncertain"]


def test_an_odd_error_in_data_is_uncertain_not_tried_again(desk: Harness) -> None:
    with_questions(desk)
    desk.sender.plan("data", RuntimeError("a library broke"))  # type: ignore[arg-type]
    desk.relay_once()
    desk.later(minutes=20)
    desk.relay_once()
    desk.relay_once()
    assert (states(desk), desk.sender.sent) == (["uncertain"], [])


def approve_first(desk: Harness) -> None:
    draft = desk.store.queries.case_page("JL-2026-00001").drafts[0]
    desk.approval.approve(
        "JL-2026-00001",
        user=desk.user(),
        revision=draft.revision,
        content_hash=draft.content_hash,
        seen_messages=1,
    )


def test_a_reply_that_leaves_late_does_not_hide_what_the_sender_wrote_meanwhile(desk: Harness) -> None:
    with_questions(desk)
    desk.relay_once()
    approve_first(desk)
    desk.later(minutes=1)
    desk.sender.plan("prepare", DeliveryDeferred("later", reply_code=450))
    desk.relay_once()
    token = desk.store.queries.case_page("JL-2026-00001").case.subject_token
    desk.mailbox.deliver(
        mail(2, subject=f"Spoed {token}", sender="vrager1@mensen.example", body="palliative-marker, hij gaat achteruit")
    )
    desk.poll()
    desk.later(minutes=10)
    desk.relay_once()
    page = desk.store.queries.case_page("JL-2026-00001")
    assert [message.direction for message in page.messages] == ["in", "in", "out"]
    assert page.case.state in ("new", "in_progress")
    assert page.case.band == "urgent"
    assert page.case.taken_up_at is None


def test_a_null_reverse_path_refused_at_any_step_gets_the_configured_one(desk: Harness) -> None:
    for step in ("prepare", "data"):
        desk.sender.plan(step, DeliveryRefused("sender refused", reply_code=550, enhanced_status="5.7.1"))
        with_questions(desk, 1)
        desk.mailbox.deliver(mail(7 if step == "data" else 8))
        desk.poll()
        desk.relay_once()
    assert states(desk) == ["sent", "sent", "sent"]
    assert [envelope.reverse_path for envelope, _ in desk.sender.sent].count("bounces@juisteloket.example") == 2


def test_a_server_that_is_down_costs_no_attempts_and_an_approval_can_still_be_taken_back(desk: Harness) -> None:
    with_questions(desk)
    desk.relay_once()
    approve_first(desk)
    for _ in range(6):
        desk.later(minutes=10)
        desk.sender.plan("session", SenderUnavailable("SMTP server: connection refused"))
        assert desk.relay_once().unavailable
    assert desk.relay_once().unavailable  # also while it pauses: the health page must not say all is well
    (row,) = desk.store.queries.outbox(states=("due", "deferred"))
    assert row.attempts == 0
    desk.approval.undo_approval("JL-2026-00001", user=desk.user(name="bakker"))


def test_an_acknowledgement_that_waited_for_days_is_stopped_and_shown(desk: Harness) -> None:
    with_questions(desk)
    desk.later(days=14)
    desk.relay_once()
    assert (states(desk), desk.sender.sent) == (["refused"], [])


def test_staff_hear_of_a_reply_that_was_refused_once(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("toezicht@juisteloket.example",))
    with_questions(desk)
    desk.relay_once()
    approve_first(desk)
    desk.later(minutes=1)
    desk.sender.plan("data", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1"))
    desk.relay_once()
    desk.watch.watch_once()
    desk.watch.watch_once()
    desk.relay_once()
    alerts = [raw for envelope, raw in desk.sender.sent if envelope.forward_path.startswith("toezicht")]
    assert len(alerts) == 1
    assert b"JL-2026-00001" in alerts[0]
    desk.store.close()


def test_a_bounce_of_a_reply_brings_the_case_back_and_a_bounce_of_a_receipt_does_not(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("toezicht@juisteloket.example",))
    with_questions(desk)
    desk.relay_once()
    receipt = message_from_bytes(desk.sender.sent[0][1])["Message-ID"]
    desk.mailbox.deliver(bounce(receipt, 1))
    approve_first(desk)
    desk.later(minutes=1)
    desk.relay_once()
    desk.poll()
    assert desk.store.queries.case_page("JL-2026-00001").case.state == "answered"
    (reply,) = [raw for _, raw in desk.sender.sent if b"auto-replied" not in raw]
    desk.mailbox.deliver(bounce(message_from_bytes(reply)["Message-ID"], 2))
    assert dict(desk.poll().outcomes) == {"attached": 1}
    page = desk.store.queries.case_page("JL-2026-00001")
    assert (page.case.state, page.case.answered_at) == ("in_progress", None)
    desk.relay_once()
    assert any(envelope.forward_path.startswith("toezicht") for envelope, _ in desk.sender.sent)
    desk.store.close()


def bounce(about: str, number: int) -> bytes:
    return (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.mensen.example\r\nTo: meldpunt@juisteloket.example\r\n"
        f"Message-ID: <bounce-{number}@mx.mensen.example>\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nNo such user.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.mensen.example\r\n\r\nFinal-Recipient: rfc822; vrager1@mensen.example\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {about}\r\nSubject: x\r\n\r\n--b--\r\n"
    ).encode()
