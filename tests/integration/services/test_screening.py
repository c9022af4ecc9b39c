"""Who gets an acknowledgement, from the mailbox to the SMTP server."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes

import pytest

from tests.integration.harness import START, US, Harness, mail
from tests.integration.office import ASKER, Office, page
from tests.screening_cases import MAILS
from triage.core.case import CaseState
from triage.core.mail import MessageKind
from triage.errors import SenderUnavailable
from triage.web.cases import shown_messages


def reasons(desk: Harness) -> list[tuple[str, ...]]:
    return [view.reasons for _, view in desk.store.queries.withheld()]


# ---------------------------------------------------------------- who gets one


@pytest.mark.protocol("A01", "A30", "A31")
def test_a_person_gets_one_acknowledgement_at_the_from_address(office: Office) -> None:
    many = ", ".join(f"n{number}@elders.example" for number in range(200))
    office.desk.mailbox.deliver(mail(1, headers=f"Reply-To: {many}\r\n"))
    office.desk.poll()
    ((to, _),) = office.send()
    assert to == (ASKER,)
    assert len(page(office.desk).drafts[0].content.to) > 1  # the draft shows the list; a person decides
    assert office.send() == []


@pytest.mark.protocol("A27")
def test_we_never_write_to_ourselves(office: Office) -> None:
    office.desk.mailbox.deliver(mail(1, headers=f"Reply-To: {US}\r\n"))
    office.desk.poll()
    assert [to for to, _ in office.send()] == [(ASKER,)]


@pytest.mark.protocol("A28", "A29")
@pytest.mark.parametrize(
    "to", ["MELDPUNT@JuisteLoket.Example", "meldpunt+wmo@juisteloket.example", "lijst@elders.example"]
)
def test_in_whatever_field_we_stand_the_sender_hears(office: Office, to: str) -> None:
    raw = mail(1).replace(f"To: {US}".encode(), f"To: {to}\r\nCc: Jan <jan@elders.example>".encode())
    office.desk.mailbox.deliver(raw)
    office.desk.poll()
    assert [got for got, _ in office.send()] == [(ASKER,)]


@pytest.mark.protocol("A18", "A19", "D14", "D15", "D16", "D17", "D18", "D19", "D20", "D21", "A36", "A37", "A38")
@pytest.mark.parametrize(
    ("name", "shown_as", "answered"),
    [
        ("auto-reply-dutch", MessageKind.AUTO_REPLY, False),
        ("auto-reply-unmarked", MessageKind.QUESTION, False),
        ("read-receipt", None, False),
        ("feedback-report", None, False),
        ("dmarc-report", None, False),
        ("challenge", MessageKind.AUTO_REPLY, False),
        ("newsletter", MessageKind.LIST_OR_BULK, False),
        ("calendar-reply", MessageKind.QUESTION, False),
        ("calendar-cancel", MessageKind.QUESTION, True),
        ("receipt-asked", MessageKind.QUESTION, True),
        ("person-on-bounce", MessageKind.QUESTION, True),
        ("person-attaches-bounce", MessageKind.QUESTION, True),
        ("person-forwards-report", MessageKind.QUESTION, True),
        ("person-answers-auto-reply", MessageKind.QUESTION, True),
        ("two-from", MessageKind.QUESTION, False),
        ("no-from", MessageKind.QUESTION, False),
        ("rubbish", MessageKind.UNREADABLE, False),
    ],
)
def test_machines_hear_nothing_and_people_lose_nothing(
    office: Office, name: str, shown_as: MessageKind | None, answered: bool
) -> None:
    """`shown_as` None: kept, accounted for, and not a case. A machine by its words alone is a quiet case."""
    office.desk.mailbox.deliver((MAILS / f"{name}.eml").read_bytes())
    office.desk.poll()
    assert bool(office.send()) is answered
    summary = office.desk.summary()
    assert (summary["received"], summary["unaccounted"], summary["quarantined"]) == (1, 0, 0)
    assert summary["cases"] == (shown_as is not None)
    if shown_as is not None:
        assert page(office.desk).kind is shown_as
        quiet = shown_as in (MessageKind.AUTO_REPLY, MessageKind.LIST_OR_BULK)
        assert (page(office.desk).case.state is CaseState.NO_REPLY_NEEDED) is quiet


@pytest.mark.protocol("D20")
def test_an_invitation_is_named_and_its_text_shown(office: Office) -> None:
    office.desk.mailbox.deliver((MAILS / "calendar-cancel.eml").read_bytes())
    office.desk.poll()
    (shown,) = page(office.desk).messages
    assert "calendar" in shown.defects
    assert "Ik ben ziek" in shown.text
    assert all(b"text/calendar" not in raw for _, raw in office.send())


@pytest.mark.protocol("A20")
def test_a_reply_in_a_case_gets_no_second_acknowledgement(office: Office) -> None:
    office.desk.mailbox.deliver(mail(1))
    office.desk.poll()
    ((_, receipt),) = office.send()
    ours = message_from_bytes(receipt)["Message-ID"]
    for number in (2, 3):
        office.desk.later(minutes=5)
        office.desk.mailbox.deliver(mail(number, sender=ASKER, headers=f"In-Reply-To: {ours}\r\n"))
        office.desk.poll()
    assert office.send() == []
    assert office.desk.summary()["follow_ups"] == 2


# ---------------------------------------------------------------- budgets and breaker


@pytest.mark.protocol("A21", "A22")
def test_fifty_mails_of_one_address_get_the_set_number_and_all_are_cases(office: Office) -> None:
    for number in range(1, 51):
        office.desk.mailbox.deliver(mail(number, sender="vaak@mensen.example"))
        office.desk.later(seconds=12)
    office.desk.poll()
    assert [to for to, _ in office.send()] == [("vaak@mensen.example",)] * 3
    assert office.desk.summary()["cases"] == 50
    assert reasons(office.desk) == [("budget_address",)] * 47  # what staff see
    office.desk.later(days=1, minutes=1)
    office.desk.mailbox.deliver(mail(60, sender="vaak@mensen.example"))
    office.desk.poll()
    assert len(office.send()) == 1  # a day later the sender hears again


@pytest.mark.protocol("A23")
def test_a_flood_from_forged_addresses_stops_at_the_ceiling_until_a_person_releases_it(office: Office) -> None:
    office.desk.alert_to = ("beheer@juisteloket.example",)
    office.desk.__post_init__()
    for number in range(1, 41):
        office.desk.mailbox.deliver(mail(number, sender=f"verzonnen{number}@elders.example"))
    office.desk.poll()
    sent = office.send()
    to_senders = [to for to, _ in sent if "elders.example" in to[0]]
    assert len(to_senders) == 10
    assert [to for to, _ in sent if "elders.example" not in to[0]] == [("beheer@juisteloket.example",)]
    assert office.desk.summary()["cases"] == 40
    office.desk.later(hours=3)  # the hour is over, yet nothing leaves by itself
    office.desk.mailbox.deliver(mail(50))
    office.desk.poll()
    assert [to for to, _ in office.send()] == []
    office.desk.casework.release_breaker(user=office.desk.user("beheerder"))
    office.desk.mailbox.deliver(mail(51))
    office.desk.poll()
    assert [to for to, _ in office.send()] == [("vrager51@mensen.example",)]


@pytest.mark.protocol("A24")
@pytest.mark.parametrize("threads", [True, False], ids=["with In-Reply-To", "without any link"])
def test_two_answering_machines_do_not_keep_each_other_busy(office: Office, threads: bool) -> None:
    """The other side answers every acknowledgement, and nothing in its mails tells that it is a machine."""
    office.desk.mailbox.deliver(mail(1, sender="robot@elders.example"))
    for turn in range(2, 30):
        office.desk.poll()
        for _, receipt in office.send():
            ours = message_from_bytes(receipt)["Message-ID"]
            answer = mail(
                turn,
                sender="robot@elders.example",
                subject="Dank voor uw bericht",
                body="Dank u wel. Wij gaan er mee aan de slag.",
                headers=f"In-Reply-To: {ours}\r\n" if threads else "",
            )
            office.desk.mailbox.deliver(answer)
        office.desk.later(minutes=1)
    assert len(office.server.received) == (1 if threads else 3)
    assert office.desk.summary()["unaccounted"] == 0


# ---------------------------------------------------------------- when


@pytest.mark.protocol("A40", "A41")
def test_mail_from_before_the_start_is_a_case_without_acknowledgement(office: Office) -> None:
    """Age is the server's arrival, whatever the mail itself says of its date."""
    for number in range(1, 101):
        office.desk.mailbox.deliver(mail(number), at=START - timedelta(days=40))
    future = mail(200).replace(b"Mon, 23 Nov 2026", b"Fri, 01 Jan 2049")
    office.desk.mailbox.deliver(future, at=START - timedelta(days=40))
    past = mail(201).replace(b"Mon, 23 Nov 2026", b"Thu, 05 Mar 2009")
    office.desk.mailbox.deliver(past)
    office.desk.poll()
    assert [to for to, _ in office.send()] == [("vrager201@mensen.example",)]
    assert office.desk.summary()["cases"] == 102
    assert set(reasons(office.desk)) == {("before_since",)}
    assert page(office.desk, 102).case.arrived_at == START


@pytest.mark.protocol("A42")
def test_an_acknowledgement_that_waited_for_the_server_leaves_once(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    for _ in range(5):
        desk.sender.plan("session", SenderUnavailable("SMTP server: connection refused"))
        desk.relay_once()
        desk.later(hours=1)
    for _ in range(3):
        desk.relay_once()
        desk.later(minutes=30)
    assert [envelope.forward_path for envelope, _ in desk.sender.sent] == [ASKER]


@pytest.mark.protocol("A43")
def test_switched_off_means_that_nothing_in_flight_leaves(office: Office) -> None:
    office.desk.mailbox.deliver(mail(1))
    office.desk.poll()
    office.desk.mode = "shadow"
    assert office.send() == []
    office.desk.later(days=3)
    assert office.send() == []


# ---------------------------------------------------------------- a person behind the words of a machine


def quiet_or_open(office: Office, subject: str, body: str) -> CaseState:
    office.desk.mailbox.deliver(mail(1, subject=subject, body=body))
    office.desk.poll()
    assert office.send() == []
    return page(office.desk).case.state


def test_a_machine_by_its_words_alone_is_a_quiet_case_with_its_rule(office: Office) -> None:
    body = "Ik ben afwezig tot maandag. Bij spoed belt u mijn collega."
    assert quiet_or_open(office, "Afwezig", body) is CaseState.NO_REPLY_NEEDED
    assert page(office.desk).no_reply_rule == "auto_reply_subject"
    assert office.desk.summary()["ignored"] == 0


def test_danger_behind_the_words_of_a_machine_is_an_open_case_at_once(office: Office) -> None:
    body = "Ik ben afwezig tot maandag. danger-marker"
    assert quiet_or_open(office, "Afwezig", body) is CaseState.NEW
    assert page(office.desk).case.danger


def test_the_only_message_of_a_case_is_shown_unfolded_whatever_its_kind(office: Office) -> None:
    quiet_or_open(office, "Afwezig", "Ik ben afwezig tot maandag. Bij spoed belt u mijn collega.")
    assert [shown.folded_whole for shown in shown_messages(page(office.desk).messages)] == [False]
