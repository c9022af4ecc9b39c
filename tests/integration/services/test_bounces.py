"""What a delivery report does: on its case, in the timeline, for whoever approved the reply."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_bytes
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.integration.harness import START, US, Harness, mail
from tests.integration.office import ASKER, REF, Office, page
from tests.screening_cases import MAILS
from triage.core.case import CaseState, WaitingFor
from triage.core.mail import MessageKind
from triage.ports import AuditRow
from triage.web.cases import audit_words


def answered_case(office: Office, *, also_to: Sequence[str] = ()) -> str:
    """A case whose reply left; its Message-ID."""
    desk = office.desk
    desk.mailbox.deliver(mail(1))
    desk.poll()
    office.send()
    user = desk.user()
    draft = page(desk).drafts[0]
    if also_to:
        content = draft.content
        changed = type(content)((*content.to, *also_to), (), content.subject, content.body)
        draft = desk.approval.save_draft(REF, user=user, base_revision=draft.revision, content=changed)
    desk.approval.approve(REF, user=user, revision=draft.revision, content_hash=draft.content_hash, seen_messages=1)
    desk.later(minutes=1)
    sent = office.send()
    assert page(desk).case.state is CaseState.ANSWERED
    return str(message_from_bytes(sent[0][1])["Message-ID"])


def report(about: str, *recipients: tuple[str, str, str], number: int = 1) -> bytes:
    groups = "".join(
        f"\r\nFinal-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {status}\r\n"
        for address, action, status in recipients
    )
    return (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.mensen.example\r\nTo: meldpunt@juisteloket.example\r\n"
        f"Message-ID: <bounce-{number}@mx.mensen.example>\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.mensen.example\r\n{groups}\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {about}\r\nSubject: x\r\n\r\n--b--\r\n"
    ).encode()


def told(desk: Harness, action: str) -> list[str]:
    """What the timeline of the case says of an action."""
    return [audit_words(row) for row in page(desk).timeline if row.action == action]


@pytest.mark.protocol("D07", "D08", "D12")
def test_a_reply_that_bounced_takes_the_case_back_to_who_approved_it(office: Office) -> None:
    ours = answered_case(office, also_to=("b.bos@mensen.example",))
    desk = office.desk
    case = page(desk).case
    desk.casework.close(REF, user=desk.user(name="smit"), version=case.version, reason="klaar")
    desk.later(hours=1)
    results = ((ASKER, "failed", "5.1.1"), ("b.bos@mensen.example", "delayed", "4.4.1"))
    desk.mailbox.deliver(report(ours, *results))
    assert dict(desk.poll().outcomes) == {"attached": 1}
    now = page(desk)
    assert (now.case.state, now.case.answered_at) == (CaseState.IN_PROGRESS, None)
    assert now.assignee_name == "A. Jansen"
    assert now.case.answer_due > case.answered_at  # type: ignore[operator]
    (shown,) = [message for message in now.messages if message.kind is MessageKind.DELIVERY_REPORT]
    assert shown.report == (
        (ASKER, "failed_permanent", "5.1.1"),
        ("b.bos@mensen.example", "delayed", "4.4.1"),
    )
    (line,) = told(desk, "reply_bounced")
    assert line == (
        "ontvanger 1: niet bezorgd; opnieuw proberen helpt niet (code 5.1.1) · "
        "ontvanger 2: nog niet bezorgd; de mailserver probeert het nog (code 4.4.1)"
    )
    assert "@" not in line  # no addresses in the audit log
    assert office.send() == []


@pytest.mark.protocol("D05", "D06")
@pytest.mark.parametrize(
    ("action", "status", "line"),
    [
        ("delayed", "4.4.1", "reply_delayed"),
        ("delivered", "2.1.5", "reply_arrived"),
        ("relayed", "2.1.5", "reply_arrived"),
    ],
)
def test_a_delay_or_a_success_is_only_noted(office: Office, action: str, status: str, line: str) -> None:
    office.desk.mailbox.deliver(report(answered_case(office), (ASKER, action, status)))
    office.desk.poll()
    assert page(office.desk).case.state is CaseState.ANSWERED
    assert len(told(office.desk, line)) == 1
    assert not [row for row in page(office.desk).timeline if row.action == "alert_raised"]


@pytest.mark.protocol("D11")
def test_a_bounce_of_the_acknowledgement_marks_it_and_is_never_answered(office: Office) -> None:
    office.desk.mailbox.deliver(mail(1))
    office.desk.poll()
    ((_, receipt),) = office.send()
    for number in range(1, 4):
        office.desk.mailbox.deliver(
            report(message_from_bytes(receipt)["Message-ID"], (ASKER, "failed", "5.1.1"), number=number)
        )
        office.desk.poll()
    now = page(office.desk)
    assert now.case.state is CaseState.NEW
    assert now.acknowledgement is not None and now.acknowledgement.bounced_at == office.desk.now
    assert now.compared is None  # the sender was promised nothing
    assert told(office.desk, "acknowledgement_bounced")[0] == "niet bezorgd; opnieuw proberen helpt niet (code 5.1.1)"
    assert office.send() == []
    assert office.desk.summary()["attached"] == 3


@pytest.mark.protocol("D13")
def test_backscatter_reopens_nothing(office: Office) -> None:
    answered_case(office)
    office.desk.mailbox.deliver(report("<reclame@elders.example>", ("x@elders.example", "failed", "5.1.1")))
    office.desk.mailbox.deliver(report("<vraag-1@mensen.example>", (ASKER, "failed", "5.1.1"), number=2))
    assert dict(office.desk.poll().outcomes) == {"ignored": 2}
    assert page(office.desk).case.state is CaseState.ANSWERED
    with office.desk.store.engine.connect() as db:
        rules = db.execute(text("SELECT rule FROM ledger WHERE outcome = 'ignored'")).scalars().all()
    assert rules == ["backscatter", "backscatter"]
    assert office.send() == []


@pytest.mark.protocol("D09", "D12")
def test_a_relay_that_gave_our_mail_another_id_is_known_by_the_token(office: Office) -> None:
    answered_case(office)
    token = page(office.desk).case.subject_token

    def bounce(number: int, recipient: str, subject_token: str = token) -> bytes:
        words = f"Your message could not be delivered to\r\n{recipient}\r\n550 5.1.1 user unknown\r\n"
        return mail(
            number,
            sender="MAILER-DAEMON@relay.example",
            subject="failure notice",
            body=f"{words}Subject: Uw vraag {subject_token}",
        )

    office.desk.mailbox.deliver(bounce(7, "x@elders.example"))
    assert dict(office.desk.poll().outcomes) == {"attached": 1}
    assert page(office.desk).case.state is CaseState.ANSWERED  # about somebody we never wrote to
    office.desk.mailbox.deliver(bounce(8, ASKER, "[JL-2026-00001-ZZ]"))
    assert dict(office.desk.poll().outcomes) == {"ignored": 1}  # a guessed token
    office.desk.mailbox.deliver(bounce(9, ASKER))
    office.desk.poll()
    assert page(office.desk).case.state is CaseState.IN_PROGRESS


def test_a_case_that_waits_for_the_sender_does_not_wait_for_a_mail_that_never_came(office: Office) -> None:
    ours = answered_case(office)
    desk = office.desk
    user = desk.user(name="smit")
    desk.casework.reopen(REF, user=user, version=page(desk).case.version)
    desk.casework.wait(REF, user=user, version=page(desk).case.version, waiting_for=WaitingFor.SENDER)
    assert page(desk).case.paused_ends_left is not None
    desk.mailbox.deliver(report(ours, (ASKER, "failed", "5.1.1")))
    desk.poll()
    case = page(desk).case
    assert (case.state, case.waiting_for, case.paused_ends_left) == (CaseState.IN_PROGRESS, None, None)


@pytest.mark.protocol("D14")
def test_a_read_receipt_is_put_on_its_case(office: Office) -> None:
    ours = answered_case(office)
    kind = "multipart/report; report-type=disposition-notification"
    receipt = (
        f"From: Vrager <{ASKER}>\r\nTo: {US}\r\nSubject: Gelezen: Uw vraag\r\nMessage-ID: <g@mensen.example>\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: {kind}; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nGelezen.\r\n"
        "--b\r\nContent-Type: message/disposition-notification\r\n\r\n"
        f"Final-Recipient: rfc822; {ASKER}\r\nOriginal-Message-ID: {ours}\r\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--b--\r\n"
    ).encode()
    office.desk.mailbox.deliver(receipt)
    assert dict(office.desk.poll().outcomes) == {"attached": 1}
    now = page(office.desk)
    assert now.case.state is CaseState.ANSWERED
    assert MessageKind.AUTO_REPLY in {message.kind for message in now.messages}
    assert office.send() == []


@pytest.mark.protocol("D16")
def test_the_administrator_hears_of_a_complaint_once_a_day(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("beheer@juisteloket.example",))
    for number in range(3):
        raw = (MAILS / "feedback-report.eml").read_bytes().replace(b"Subject:", f"Subject: {number}".encode(), 1)
        desk.mailbox.deliver(raw)
    desk.poll()
    desk.relay_once()
    assert [envelope.forward_path for envelope, _ in desk.sender.sent] == ["beheer@juisteloket.example"]
    assert desk.summary()["ignored"] == 3
    desk.store.close()


def test_words_for_every_result() -> None:
    row = AuditRow(START, "system", "reply_bounced", {"recipients": ["failed_temporary 4.4.7"]})
    assert audit_words(row) == "niet bezorgd door een tijdelijk probleem; probeer het later nog eens (code 4.4.7)"
