"""An acknowledgement that waited over midnight: what the server receives, once, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from tests.integration.harness import mail
from tests.integration.post import FIRST, Post, assert_well_formed, read, text_of
from tests.servers.smtpd import CLOSE, RecordingSmtp
from triage.core.assessment import Band
from triage.core.case import CaseState
from triage.core.workdays import AMSTERDAM
from triage.ports import AcknowledgementView
from triage.services.relay import LEASE_TTL
from triage.services.renewing import Renewing

# what is asked on Monday 23 November 2026, 09:00: answer by Thursday the 26th, take-up by Tuesday the 24th
URGENT = "Mijn vader komt morgen naar huis. palliative-marker Wie regelt de zorg voor de nacht?"


def down(server: RecordingSmtp) -> None:
    server.plan("CONNECT", "421 4.3.2 down for maintenance", times=99_999)


def waiting(post: Post, server: RecordingSmtp, raw: bytes, **later: float) -> bytes:
    """The first bytes of an acknowledgement that then waits for the server for this long."""
    down(server)
    post.receive(raw)
    post.relay_once()
    first = queued(post)
    server.forget_plans()
    post.later(**later)
    return first


def queued(post: Post) -> bytes:
    """The bytes in the outbox, as a node that claims them would get them."""
    with post.store.begin() as uow:
        (item,) = uow.claim_outbox(owner="reader", now=post.now + timedelta(hours=3), lease=timedelta(0), limit=5)
        uow.recover_outbox(owner="reader", now=post.now)
    return item.raw


def acknowledgement(post: Post) -> AcknowledgementView:
    view = post.store.queries.case_page(FIRST).acknowledgement
    assert view is not None
    return view


def test_an_urgent_acknowledgement_that_leaves_on_wednesday_names_no_tuesday(post: Post, server: RecordingSmtp) -> None:
    raw = mail(1, body=URGENT, headers="References: <a@mensen.example> <b@mensen.example>\r\n")
    first = waiting(post, server, raw, days=2)
    assert b"dinsdag 24 november" in first
    post.relay_once()
    (received,) = server.received
    text = text_of(received)
    assert "U krijgt uiterlijk op donderdag 26 november antwoord." in text
    assert "dinsdag" not in text and "in behandeling" not in text
    message = read(received)
    assert parsedate_to_datetime(message["Date"]) == post.now
    for name in ("Message-ID", "In-Reply-To", "References", "Subject", "To", "From"):
        assert f"{name}: ".encode() in first
        assert str(message[name]) in first.decode().replace("\r\n ", " "), name
    assert message["References"].split() == ["<a@mensen.example>", "<b@mensen.example>", "<vraag-1@mensen.example>"]
    assert_well_formed(received)
    for _ in range(3):
        post.later(days=1)
        post.relay_once()
    assert len(server.received) == 1 and acknowledgement(post).state == "sent"


def test_on_the_day_it_was_written_it_leaves_as_it_is(post: Post, server: RecordingSmtp) -> None:
    first = waiting(post, server, mail(1, body=URGENT), hours=14)
    assert post.now.astimezone(AMSTERDAM).date() == date(2026, 11, 23)
    post.relay_once()
    assert [one.raw for one in server.received] == [first]


def test_after_midnight_in_amsterdam_it_is_written_anew_though_the_day_in_utc_is_the_same(
    post: Post, server: RecordingSmtp
) -> None:
    post.now = datetime(2026, 11, 23, 22, 50, tzinfo=UTC)  # 23:50 in Amsterdam
    waiting(post, server, mail(1, body=URGENT), minutes=15)
    post.relay_once()
    assert parsedate_to_datetime(read(server.received[0])["Date"]) == post.now
    assert "uiterlijk op dinsdag 24 november in behandeling" in text_of(server.received[0])  # today: still to come


def test_a_promise_that_passed_while_the_server_was_down_is_not_made(post: Post, server: RecordingSmtp) -> None:
    waiting(post, server, mail(1), days=2)
    passed = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
    change(post, answer_due=passed)
    post.relay_once()
    text = text_of(server.received[0])
    assert "Wij hadden u uiterlijk op dinsdag 24 november antwoord willen geven." in text
    assert "U krijgt uiterlijk" not in text
    assert acknowledgement(post).promised_for is None


def test_the_day_of_the_present_calendar_is_named_and_kept(post: Post, server: RecordingSmtp) -> None:
    waiting(post, server, mail(1), days=1)
    moved = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
    change(post, answer_due=moved)
    post.relay_once()
    assert "U krijgt uiterlijk op vrijdag 27 november antwoord." in text_of(server.received[0])
    assert acknowledgement(post).promised_for == moved
    assert post.store.queries.case_page(FIRST).case.promised_for == moved


@pytest.mark.parametrize(
    ("body", "band", "due", "says"),
    [
        (URGENT, Band.URGENT, 27, "uiterlijk op vrijdag 27 november in behandeling"),
        (URGENT, Band.NORMAL, None, ""),  # a person lowered it
        ("Wie regelt de huishoudelijke hulp onder de wmo?", Band.URGENT, 27, ""),  # raised, and never promised
    ],
)
def test_take_up_is_promised_where_it_was_promised_and_still_holds(
    post: Post, server: RecordingSmtp, body: str, band: Band, due: int | None, says: str
) -> None:
    waiting(post, server, mail(1, body=body), days=1)
    change(post, band=band, take_up_due=datetime(2026, 11, due, 16, 0, tzinfo=UTC) if due else None)
    post.relay_once()
    text = text_of(server.received[0])
    assert (says in text) if says else ("in behandeling" not in text)


@pytest.mark.parametrize("language", ["en", "tr"])
def test_it_stays_in_the_language_it_was_written_in(post: Post, server: RecordingSmtp, language: str) -> None:
    bodies = {
        "en": "Good afternoon, who can help my mother with her care at home? We have been waiting for weeks now.",
        "tr": "İyi günler, annem için evde bakım nasıl alabilirim? Haftalardır belediyeden cevap bekliyoruz.",
    }
    first = waiting(post, server, mail(1, body=bodies[language]), days=1)
    post.relay_once()
    subject = read(server.received[0])["Subject"]
    assert f"Subject: {subject}".encode() in first.replace(b"\r\n ", b" ")
    assert ("Sorunuz" in text_of(server.received[0])) == (language == "tr")
    assert "Thank you for your message" in text_of(server.received[0])


@pytest.mark.parametrize("how", ["answered", "closed", "no_reply_needed"])
def test_a_case_that_ended_meanwhile_gets_no_receipt(post: Post, server: RecordingSmtp, how: str) -> None:
    waiting(post, server, mail(1), days=1)
    if how == "answered":
        post.approve()
        assert post.relay_once().states["deferred"] == 1  # the receipt waits for what becomes of the reply
        post.later(minutes=3)
    else:
        version = post.store.queries.case_page(FIRST).case.version
        end = post.casework.close if how == "closed" else post.casework.no_reply_needed
        end(FIRST, user=post.somebody(), version=version, reason="dubbel")
    report = post.relay_once()
    assert report.states["withheld"] == 1
    assert [one.reverse_path == "" for one in server.received] == ([False] if how == "answered" else [])
    view = acknowledgement(post)
    assert (view.state, view.reasons, view.promised_for) == ("withheld", ("already_answered",), None)
    assert post.rows("acknowledgement") == [] and post.summary()["pending"] == 0
    assert post.summary()["withheld"] == 1
    assert "acknowledgement_withheld" in [row.action for row in post.store.queries.case_page(FIRST).timeline]


def test_a_reply_that_is_refused_leaves_the_receipt_its_turn(post: Post, server: RecordingSmtp) -> None:
    waiting(post, server, mail(1), days=1)
    post.approve(to=("fout@mensen.example",))
    server.plan_for("fout@mensen.example", "550 5.1.1 no such user")
    post.relay_once()
    assert server.received == []
    post.later(minutes=3)
    post.relay_once()
    assert [one.forward_paths for one in server.received] == [("vrager1@mensen.example",)]


def test_on_the_same_day_an_ended_case_still_gets_its_receipt(post: Post, server: RecordingSmtp) -> None:
    waiting(post, server, mail(1), hours=1)
    version = post.store.queries.case_page(FIRST).case.version
    post.casework.close(FIRST, user=post.somebody(), version=version, reason="dubbel")
    post.relay_once()
    assert len(server.received) == 1


def test_what_a_person_sends_once_more_is_true_and_leaves(post: Post, server: RecordingSmtp) -> None:
    """An acknowledgement that was given up; the case may have ended: the person knows."""
    server.plan("RCPT", "550 5.1.1 no such user")
    post.receive(mail(1))
    post.relay_once()
    post.later(days=4)
    (row,) = post.rows("acknowledgement")
    post.casework.release_uncertain(row.id, user=post.somebody())
    post.relay_once()
    assert "Wij hadden u uiterlijk op donderdag 26 november" in text_of(server.received[0])


# ---------------------------------------------------------------- at most once


def test_an_unknown_outcome_after_a_renewal_is_not_tried_again(post: Post, server: RecordingSmtp) -> None:
    waiting(post, server, mail(1, body=URGENT), days=1)
    server.plan(".", CLOSE)
    for _ in range(4):
        post.relay_once()
        post.later(hours=20)
    assert len(server.commands("DATA")) == 1 and server.received == []
    assert [row.state for row in post.rows()] == ["uncertain"]


def test_a_process_that_dies_after_renewing_leaves_one_mail_to_send(post: Post, server: RecordingSmtp) -> None:
    first = waiting(post, server, mail(1, body=URGENT), days=1)
    with post.store.begin() as uow:
        (item,) = uow.claim_outbox(owner=post.owner, now=post.now, lease=LEASE_TTL, limit=5)
        renewed = post.renewing.renew(uow, item, post.now)
    assert renewed is not None and renewed.raw != first
    post.later(minutes=1)
    post.relay_once()
    assert server.received == []  # the dead one holds it
    post.later(minutes=15)
    post.relay_once()
    post.relay_once()
    assert [one.raw for one in server.received] == [renewed.raw]


def test_who_lost_the_lease_changes_and_withholds_nothing(post: Post, server: RecordingSmtp) -> None:
    first = waiting(post, server, mail(1, body=URGENT), days=1)
    with post.store.begin() as uow:
        (item,) = uow.claim_outbox(owner=post.owner, now=post.now, lease=LEASE_TTL, limit=5)
    post.later(minutes=16)
    with post.store.begin() as uow:
        uow.claim_outbox(owner="node-2", now=post.now, lease=LEASE_TTL, limit=5)
        assert post.renewing.renew(uow, item, post.now) == item
    with post.store.begin() as uow:
        uow.mark_sending([item.id], owner="node-2", now=post.now)
        late = Renewing(letters=post.letters, owner="node-2")  # also its holder, once DATA was begun
        assert late.renew(uow, item, post.now) == item
    change(post, state=CaseState.CLOSED, ended_at=post.now)
    with post.store.begin() as uow:
        assert late.renew(uow, item, post.now) == item
        assert post.renewing.renew(uow, item, post.now) == item
    assert acknowledgement(post).state == "sending"
    with post.store.begin() as uow:
        uow.record_delivery(item.id, owner="node-2", state="deferred", now=post.now, due_at=post.now)
    assert queued(post) == first


def change(post: Post, **fields: object) -> None:
    """What people, or a new calendar, made of the case."""
    with post.store.begin() as uow:
        case = uow.case(post.store.queries.case_page(FIRST).case.id)
        uow.save_case(replace(case, **fields))  # type: ignore[arg-type]
