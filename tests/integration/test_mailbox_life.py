"""What people and servers do to a mailbox beside us, at Dovecot: no mail lost, none taken in or answered twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration import harness
from tests.integration.harness import Harness, mail
from tests.servers.dovecot import DovecotServer
from triage.adapters.imap import ImapMailbox
from triage.core.mail import UidRef
from triage.settings import MailboxSettings

pytestmark = pytest.mark.dovecot


class Post:
    """A desk on a mailbox in Dovecot, with a colleague's mail program beside it."""

    def __init__(self, folder: Path, server: DovecotServer, settings: Callable[..., MailboxSettings]) -> None:
        self.server = server
        self.username, password = server.account()
        self._settings = settings(port=server.port, username=self.username, password=password)
        self.desk = Harness(folder)
        self.reconnect()
        self.colleague = server.client(self.username)
        self.colleague.select_folder("INBOX")

    def reconnect(self) -> None:
        self.desk.mailbox = ImapMailbox(self._settings)  # type: ignore[assignment]
        self.desk.wire()

    def deliver(self, *raws: bytes) -> None:
        for raw in raws:
            self.server.append(self.username, raw)
        self.colleague.noop()

    def all(self) -> list[int]:
        self.colleague.noop()
        found: list[int] = self.colleague.search(["ALL"])
        return found

    def go_on(self, rounds: int = 2) -> None:
        """Polls, the last one with a full comparison, and lets acknowledgements leave."""
        for _ in range(rounds):
            self.desk.poll()
            self.desk.relay_once()
        self.desk.intake._compare_next_time = True
        self.desk.poll()
        self.desk.relay_once()

    def expect(self, *, cases: int, receipts: int, **counts: int) -> None:
        summary = self.desk.summary()
        assert (summary["cases"], summary["unaccounted"]) == (cases, 0)
        assert {name: summary[name] for name in counts} == counts
        assert len(self.desk.sender.sent) == receipts
        assert len({raw.split(b"Message-ID: ")[1].split(b"\r\n")[0] for _, raw in self.desk.sender.sent}) == receipts

    def new_uidvalidity(self) -> None:
        """As after a restore of the mail server: the same mails under other UIDs."""
        self.desk.mailbox.close()
        self.colleague.logout()
        mails = self.server.folder / "mail" / self.username
        uidlist = mails / "dovecot-uidlist"
        head = uidlist.read_text().splitlines()[0].split()
        uidlist.write_text(" ".join([head[0], "V99", "N500", *head[3:]]) + "\n")
        for path in mails.glob("dovecot.index*"):
            path.unlink()
        self.colleague = self.server.client(self.username)
        assert self.colleague.select_folder("INBOX")[b"UIDVALIDITY"] == 99
        self.reconnect()

    def close(self) -> None:
        self.colleague.logout()
        self.desk.mailbox.close()
        self.desk.store.close()


@pytest.fixture
def post(
    tmp_path: Path, dovecot: DovecotServer, mailbox_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Post]:
    # Dovecot gives no mail a date in the future: here the desk's clock is the real one
    monkeypatch.setattr(harness, "START", datetime.now(UTC).replace(microsecond=0))
    made = Post(tmp_path, dovecot, mailbox_settings)
    yield made
    made.close()


WITHOUT_ID = b"From: vrager9@mensen.example\r\nSubject: Vraag\r\n\r\nWie helpt mij met de wmo en een traplift?\r\n"


@pytest.mark.protocol("I01")
def test_a_new_uidvalidity_finds_every_mail_again_without_a_second_case_or_acknowledgement(post: Post) -> None:
    bulk = mail(4, headers="List-Id: <nieuws.example>\r\nPrecedence: bulk\r\n", subject="Nieuwsbrief")
    post.deliver(mail(1), mail(2), WITHOUT_ID, mail(3, headers="Auto-Submitted: auto-replied\r\n"), bulk)
    post.go_on()
    before = post.desk.summary()
    sent = len(post.desk.sender.sent)
    assert sent == 3

    post.new_uidvalidity()
    post.deliver(mail(5))
    post.go_on()

    post.expect(cases=before["cases"] + 1, receipts=sent + 1, quarantined=0)
    again = next(one for one in post.desk.store.proof.folders() if one.uidvalidity == 99)
    assert (again.outcomes["case"], again.unaccounted) == (1, ())
    assert again.outcomes["attached"] + again.outcomes["ignored"] == 5


@pytest.mark.protocol("I01")
def test_a_mail_that_was_being_read_when_the_uids_changed_is_read_under_its_new_one(post: Post) -> None:
    post.deliver(mail(1, body="poison-pill"), mail(2))
    post.desk.poll()  # the first one failed and waits for its second try
    post.new_uidvalidity()
    post.go_on()
    # the bytes of the failed try are kept: nobody can know that they are those of the new UID
    post.expect(cases=1, receipts=1, quarantined=2)


@pytest.mark.protocol("I07")
def test_mail_moved_away_by_a_person_and_back_is_the_same_mail(post: Post) -> None:
    post.deliver(mail(1), mail(2))
    post.go_on()
    post.colleague.create_folder("Afgehandeld")
    post.colleague.move([1], "Afgehandeld")
    post.go_on()
    post.expect(cases=2, receipts=2)
    post.colleague.select_folder("Afgehandeld")
    post.colleague.move(post.colleague.search(["ALL"]), "INBOX")
    post.colleague.select_folder("INBOX")
    assert post.all() == [2, 3]  # it came back under a new UID
    post.go_on()
    post.expect(cases=2, receipts=2, attached=1)


@pytest.mark.protocol("I07")
def test_mail_moved_away_before_it_was_read_and_brought_back_is_taken_in_once(post: Post) -> None:
    post.deliver(mail(1), mail(2))
    fetch = post.desk.mailbox.fetch

    def moved_meanwhile(uids: Any) -> Any:
        post.desk.mailbox.fetch = fetch  # type: ignore[method-assign]
        post.colleague.create_folder("Later")
        post.colleague.move([1], "Later")
        return fetch(uids)

    post.desk.mailbox.fetch = moved_meanwhile  # type: ignore[method-assign]
    post.go_on()
    post.expect(cases=1, receipts=1, gone=1)
    post.colleague.select_folder("Later")
    post.colleague.move(post.colleague.search(["ALL"]), "INBOX")
    post.colleague.select_folder("INBOX")
    post.go_on()
    post.expect(cases=2, receipts=2, gone=1)


@pytest.mark.protocol("X14")
@pytest.mark.parametrize("target", ["Kopie", "INBOX"])
def test_a_copy_whose_original_is_not_yet_removed_is_no_new_mail(post: Post, target: str) -> None:
    """A mail program without MOVE copies first and removes later; it may die in between."""
    post.deliver(mail(1))
    post.go_on()
    if target != "INBOX":
        post.colleague.create_folder(target)
    post.colleague.copy([1], target)
    post.go_on()
    post.expect(cases=1, receipts=1, attached=int(target == "INBOX"))
    post.colleague.delete_messages([1])
    post.colleague.expunge()
    post.go_on()
    post.expect(cases=1, receipts=1, attached=int(target == "INBOX"))


@pytest.mark.protocol("I10")
def test_mail_that_a_colleague_read_in_outlook_is_taken_in(post: Post) -> None:
    post.deliver(mail(1), mail(2))
    post.colleague.add_flags([1, 2], [b"\\Seen"])
    post.go_on()
    post.expect(cases=2, receipts=2)


def test_mail_removed_after_it_became_a_case_changes_nothing(post: Post) -> None:
    post.deliver(*(mail(number) for number in range(1, 5)))
    post.go_on()
    post.colleague.delete_messages([1, 3])
    post.colleague.expunge()
    post.deliver(mail(5))
    post.go_on()
    post.expect(cases=5, receipts=5, gone=0)


def test_an_erased_case_is_not_taken_in_again_from_the_mailbox(post: Post) -> None:
    post.deliver(mail(1), mail(2))
    post.go_on()
    page = post.desk.store.queries.case_page("JL-2026-00001")
    with post.desk.store.begin() as uow:
        uow.erase_case(page.case.id, by="system", at=post.desk.now)
    post.new_uidvalidity()
    post.go_on()
    post.expect(cases=2, receipts=2, attached=2)
    assert post.desk.store.queries.case_page("JL-2026-00001").messages[0].text == ""


def test_a_mail_that_the_server_hides_for_a_while_keeps_its_outcome(post: Post) -> None:
    post.deliver(mail(1), mail(2))
    post.go_on()
    with post.desk.store.begin() as uow:  # as a comparison with a server that did not list it would have left it
        first = min(uow.known_uids(post.desk.mailbox.name, _uidvalidity(post)))
        uow.mark_absent(post.desk.mailbox.name, [UidRef(_uidvalidity(post), first)], at=post.desk.now)
    post.go_on()
    post.expect(cases=2, receipts=2, attached=0, quarantined=0)
    assert post.desk.store.proof.folders()[0].present == 2


def _uidvalidity(post: Post) -> int:
    return post.desk.mailbox.status().uidvalidity


def test_a_mail_that_arrives_late_with_an_old_date_has_its_place(post: Post) -> None:
    """The cursor is the UID, never a date: a clock that was set back loses nothing."""
    post.deliver(mail(1))
    post.go_on()
    post.server.append(post.username, mail(2), datetime.now(UTC) - timedelta(days=400))
    post.desk.now -= timedelta(hours=2)
    post.go_on()
    assert post.desk.summary()["cases"] == 2
