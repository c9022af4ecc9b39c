"""Odd mails on their way from a real mailbox to a case, and what their senders get back from a real SMTP server."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.benchmark.hostile_mails import hostile_mail
from tests.integration.desks import attach, dovecot_mailbox
from tests.integration.harness import US, MarkerClassifier, mail
from tests.integration.post import Post
from tests.servers.dovecot import DovecotServer
from tests.servers.smtpd import RecordingSmtp
from triage.core.assessment import Verdict
from triage.ports import MessageView
from triage.settings import MailboxSettings

MAILS = Path(__file__).parents[2] / "data" / "mail"
PROMISE = timedelta(days=10)  # no term of three working days ends later than this

pytestmark = pytest.mark.dovecot


class Desk(Post):
    """The services between Dovecot and a real SMTP server."""

    account = ""
    dovecot: DovecotServer

    def put(self, raw: bytes, at: datetime | None = None) -> None:
        """A mail arrives in the mailbox."""
        self.dovecot.append(self.account, raw, at)

    def take_in(self) -> None:
        """Polls until the mailbox is done and sends what is due."""
        while self.poll().handled:
            pass
        self.relay_once()

    def case(self, number: int) -> MessageView:
        """The first message of a case, as Zaak gets it."""
        return self.store.queries.case_page(f"JL-2026-{number:05d}").messages[0]


@pytest.fixture
def desk(
    tmp_path: Path, dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings], server: RecordingSmtp
) -> Iterator[Desk]:
    desk = Desk(tmp_path, policy_changes={"per_address_per_day": 1_000, "per_hour": 1_000})
    mailbox, desk.account = dovecot_mailbox(dovecot, mailbox_settings, max_mail_bytes=60_000_000)
    desk.dovecot = dovecot
    desk.connect(server)
    attach(desk, mailbox)
    yield desk
    mailbox.close()
    desk.store.close()


@pytest.mark.protocol("H05", "H06", "E13", "A38")
def test_every_odd_mail_ends_somewhere_and_no_answer_is_bent(desk: Desk) -> None:
    fixtures = [path.read_bytes() for path in sorted(MAILS.glob("*.eml"))]
    fixtures = [raw for raw in fixtures if raw and b"\0" not in raw]  # IMAP's APPEND refuses those two
    client = desk.dovecot.client(desk.account)
    for raw in fixtures:
        client.append("INBOX", raw)
    client.logout()
    desk.take_in()
    summary = desk.summary()
    assert summary["received"] == len(fixtures)
    assert (summary["unaccounted"], summary["quarantined"], summary["pending"]) == (0, 0, 0)
    assert summary["acknowledged"] == len(desk.server.received) > 20
    for received in desk.server.received:
        answer = email.message_from_bytes(received.raw, policy=email.policy.default)
        (path,) = received.forward_paths
        assert answer["to"] == path
        assert path.endswith((".example", ".nl"))
        assert path not in ("x@y.example", "u@y.example", "z@y.example")
        assert received.reverse_path == ""
        assert not {"bcc", "cc", "reply-to"} & {name.lower() for name in answer}


@pytest.mark.protocol("H01")
def test_two_different_mails_with_one_message_id_are_two_cases(desk: Desk) -> None:
    other = "Heel iets anders: mijn zoon van 9 heeft begeleiding nodig, wie betaalt dat?"
    desk.put(mail(1, body="Wie regelt de hulp in huis voor mijn moeder, is dat de wmo?"))
    desk.put(mail(1, body=other, sender="b@mensen.example"))
    desk.take_in()
    assert [desk.case(number).from_address for number in (1, 2)] == ["vrager1@mensen.example", "b@mensen.example"]
    answered = sorted(one.forward_paths[0] for one in desk.server.received)
    assert answered == ["b@mensen.example", "vrager1@mensen.example"]


@pytest.mark.protocol("H02")
def test_one_mail_delivered_twice_is_one_case_and_one_receipt(desk: Desk) -> None:
    first = b"Delivered-To: a@juisteloket.example\r\n" + mail(1)
    desk.put(first)
    desk.put(b"Delivered-To: b@juisteloket.example\r\n" + mail(1))
    desk.take_in()
    desk.put(first)
    desk.take_in()
    summary = desk.summary()
    assert (summary["cases"], summary["attached"], summary["unaccounted"]) == (1, 2, 0)
    assert len(desk.server.received) == 1


def with_field(number: int, name: str, line: str) -> bytes:
    """A question in which the field `name` reads `line`; left out when that is empty."""
    sender = f"v{number}@mensen.example"
    raw = mail(number, sender=sender, body=f"Vraag {number} over de wmo en hulp in huis, graag uw antwoord.")
    lines = raw.split(b"\r\n")
    at = next(i for i, item in enumerate(lines) if item.lower().startswith(name.encode() + b":"))
    return b"\r\n".join([*lines[:at], *([line.encode()] if line else []), *lines[at + 1 :]])


@pytest.mark.protocol("H03")
def test_mail_without_a_usable_message_id_is_a_case_like_any_other(desk: Desk) -> None:
    fields = ("", "Message-ID:", "Message-ID: <>", "Message-ID: id@x.example", "Message-ID: <a b>")
    for number, field in enumerate(fields):
        desk.put(with_field(number, "message-id", field))
    desk.take_in()
    assert desk.summary()["cases"] == 5
    assert len(desk.server.received) == 5
    for received in desk.server.received:
        assert email.message_from_bytes(received.raw)["in-reply-to"] is None
    desk.take_in()
    assert desk.summary()["cases"] == 5


@pytest.mark.protocol("H04")
def test_whatever_the_date_says_the_clock_starts_at_arrival(desk: Desk) -> None:
    dates = (
        "",
        "Date: gisteren",
        "Date: Mon, 1 Jan 1900 00:00:00 +0000",
        "Date: 16 Nov 20262026202620262026 10:00:00 +0100",
        "Date: Fri, 31 Dec 9999 23:59:59 -9999",
        "Date: Mon, 16 Nov 2026 99:99:99 +0100",
    )
    arrived = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=7)
    for number, date in enumerate(dates):
        desk.put(with_field(number, "date", date), arrived)
    desk.take_in()
    assert len(desk.server.received) == len(dates)
    for number in range(1, len(dates) + 1):
        case = desk.store.queries.case_page(f"JL-2026-{number:05d}").case
        assert case.arrived_at == arrived
        assert arrived < case.answer_due < arrived + PROMISE


class CountingClassifier(MarkerClassifier):
    texts: tuple[str, ...] = ()

    def verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        self.texts += tuple(texts)
        return super().verdicts(texts)


@pytest.mark.protocol("M01")
@pytest.mark.parametrize("body", ["", " \r\n\t\r\n\xa0 "])
def test_an_empty_mail_is_a_case_with_the_short_term_and_a_receipt(desk: Desk, body: str) -> None:
    classifier = CountingClassifier()
    desk.reader.classifier = classifier
    desk.put(mail(1, body=body, subject=""))
    desk.take_in()
    page = desk.store.queries.case_page("JL-2026-00001")
    assert page.assessment is not None
    assert (page.assessment.band_reason, page.case.take_up_due is not None) == ("empty_text", True)
    assert not any(text.strip() for text in classifier.texts)
    assert [one.forward_paths for one in desk.server.received] == [("vrager1@mensen.example",)]


ODD = (
    ("smime-opaque", "Ondertekende vraag: wie coördineert de zorg?", "signature_unchecked", "brief.pdf"),
    ("smime-encrypted", "", "encrypted", "smime.p7m"),
    ("winmail-text", "Kan de wijkverpleging per direct starten?", "tnef", "indicatie coördinatie.docx"),
    ("winmail-cut", "Kan de wijkverpleging per direct starten?", "bad_tnef", "winmail.dat"),
    ("program-attached", "Zie de rekening.", "program_attached", "rekening.pdf.exe"),
    ("multipart-base64", "De tekst staat in de codering.", "bad_boundary", "brief.pdf"),
    ("attached-text-only", "Wie betaalt de hulp in huis", "content_only_in_attachment", "vraag.txt"),
    ("filename-path", "", None, "_con.pdf"),
)


@pytest.mark.protocol("M07", "M12", "M13", "M17", "M20", "E10")
def test_staff_see_the_text_the_files_and_what_was_odd(desk: Desk) -> None:
    for name, *_ in ODD:
        desk.put((MAILS / f"{name}.eml").read_bytes())
    desk.take_in()
    for number, (name, text, defect, attachment) in enumerate(ODD, 1):
        message = desk.case(number)
        assert text in message.text, name
        assert defect is None or defect in message.defects, name
        assert attachment in [filename for filename, _, _ in message.attachments], name
    assert len(desk.server.received) == len(ODD)


@pytest.mark.protocol("M15")
def test_an_attachment_of_26_mb_is_a_case_and_so_is_the_next_mail(desk: Desk) -> None:
    desk.put(hostile_mail("attachment 26 MB in base64"))
    desk.put(mail(2))
    desk.take_in()
    assert desk.case(1).attachments == (("brief.pdf", "application/pdf", 19_000_000),)
    assert "Mijn moeder krijgt minder hulp" in desk.case(1).text
    assert desk.case(2).from_address == "vrager2@mensen.example"
    assert desk.summary()["unaccounted"] == 0
    assert US not in [path for one in desk.server.received for path in one.forward_paths]
