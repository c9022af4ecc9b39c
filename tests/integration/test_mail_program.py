"""The whole way with real parts: Dovecot with Dutch folders, a mail program on a terminal, an SMTP server."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import US, Harness, mail
from tests.servers.dovecot import PASSWORD, DovecotServer
from tests.servers.mutt import Mutt
from tests.servers.smtpd import RecordingSmtp
from triage.adapters.imap import ImapMailbox
from triage.core.case import CaseState
from triage.core.draft_copy import MAIL_CLIENT
from triage.core.sla import ClockState, clock_state
from triage.ports import CasePage
from triage.settings import MailboxSettings

REF = "JL-2026-00001"
DRAFTS, SENT = "Concepten", "Verzonden items"
pytestmark = pytest.mark.dovecot


class Office:
    """The services on a real mailbox, and a colleague at it with a mail program."""

    def __init__(self, folder: Path, dovecot: DovecotServer, make: Callable[..., MailboxSettings]) -> None:
        self.folder, self.dovecot = folder, dovecot
        self.account, _ = dovecot.account()
        self.desk = Harness(folder)
        settings = make(port=dovecot.port, username=self.account, password=PASSWORD)
        self.desk.mailbox = ImapMailbox(settings)  # type: ignore[assignment]
        self.desk.wire()
        self.colleague: Any = dovecot.client(self.account)

    def take_in(self) -> None:
        self.dovecot.append(self.account, mail(1), self.desk.now)
        self.desk.poll()

    def page(self) -> CasePage:
        return self.desk.store.queries.case_page(REF)

    def mails(self, folder: str) -> list[Any]:
        self.colleague.select_folder(folder, readonly=True)
        told = self.colleague.fetch(self.colleague.search(), ["BODY.PEEK[]"])
        return [email.message_from_bytes(item[b"BODY[]"], policy=email.policy.default) for item in told.values()]

    def mutt(self, smtp: RecordingSmtp, editor: str, *start: str) -> Mutt:
        place = self.folder / "mutt"
        place.mkdir()
        return Mutt(
            place, imap=self.dovecot.port, smtp=smtp.port, user=self.account, password=PASSWORD, address=US,
            drafts=DRAFTS, sent=SENT, editor=editor, start=start,
        )  # fmt: skip

    def close(self) -> None:
        self.colleague.logout()
        self.desk.mailbox.close()
        self.desk.store.close()


@pytest.fixture(params=[True, False], ids=["special-use", "names-only"])
def office(
    request: pytest.FixtureRequest, tmp_path: Path, mailbox_settings: Callable[..., MailboxSettings]
) -> Iterator[Office]:
    with DovecotServer(sent=SENT, drafts=DRAFTS, marked=request.param) as dovecot:
        made = Office(tmp_path, dovecot, mailbox_settings)
        made.take_in()
        yield made
        made.close()


@pytest.fixture
def smtp() -> Iterator[RecordingSmtp]:
    with RecordingSmtp() as server:
        yield server


def answered_once(office: Office, smtp: RecordingSmtp, words: str) -> None:
    """What must hold once a person sent an answer from the mail program."""
    (received,) = smtp.received
    assert words.encode() in received.raw and received.forward_paths == ("vrager1@mensen.example",)
    office.desk.later(days=1)
    office.desk.poll()
    page = office.page()
    assert page.case.state is CaseState.ANSWERED and clock_state(page.case, office.desk.now) is ClockState.MET
    assert [message.from_client for message in page.messages] == [False, True]
    assert words in page.messages[-1].text
    assert office.mails(DRAFTS) == []
    assert len(office.mails(SENT)) == 1
    office.desk.poll()
    assert len(office.page().messages) == 2 and len(office.mails(SENT)) == 1


@pytest.mark.protocol("F26", "F29")
def test_the_draft_is_opened_changed_and_sent_from_the_mail_program(office: Office, smtp: RecordingSmtp) -> None:
    (ours,) = office.mails(DRAFTS)
    assert ours["X-Triage-Draft"] and ours["In-Reply-To"] == "<vraag-1@mensen.example>"
    with office.mutt(smtp, "sed -i 's/^Geachte.*/Dag mevrouw, zo zit het./' \"$1\"") as mutt:
        mutt.wait_for("Vraag over hulp")
        mutt.press("m")  # a draft waits: it is recalled
        mutt.wait_for("Security")
        mutt.press("y")
        mutt.wait_for("Mail sent")
    answered_once(office, smtp, "Dag mevrouw, zo zit het.")


@pytest.mark.protocol("F29")
def test_a_draft_that_is_saved_again_in_the_mail_program_is_the_next_revision(
    office: Office, smtp: RecordingSmtp
) -> None:
    with office.mutt(smtp, "sed -i 's/^Geachte.*/Beste mevrouw,/' \"$1\"") as mutt:
        mutt.wait_for("Vraag over hulp")
        mutt.press("m")
        mutt.wait_for("Security")
        mutt.press("P")
        mutt.wait_for("ostponed")
        mutt.press("q")
        mutt.wait_for("1 kept, 0 deleted")
    office.desk.poll()
    newest = office.page().drafts[0]
    assert (newest.revision, newest.created_by) == (2, MAIL_CLIENT)
    assert newest.content.body.startswith("Beste mevrouw,")
    assert newest.content.to == ("vrager1@mensen.example",)
    assert len(office.mails(DRAFTS)) == 1
    office.desk.poll()
    assert len(office.page().drafts) == 2 and len(office.mails(DRAFTS)) == 1


def test_a_reply_from_scratch_to_a_mail_in_the_inbox_answers_it(office: Office, smtp: RecordingSmtp) -> None:
    with office.mutt(smtp, 'echo "Kort gezegd: dat regelt de gemeente." > "$1"', "-e", "set recall=no") as mutt:
        mutt.wait_for("Vraag over hulp")
        mutt.press("r")
        mutt.wait_for("Security")
        mutt.press("y")
        mutt.wait_for("Mail sent")
    answered_once(office, smtp, "Kort gezegd: dat regelt de gemeente.")
