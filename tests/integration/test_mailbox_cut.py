"""The connection to Dovecot breaks at every step of a poll, in both directions, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.desks import attach
from tests.integration.harness import Harness, mail
from tests.servers.dovecot import PASSWORD, DovecotServer
from tests.servers.scripted import CuttingProxy
from triage.adapters.imap import ImapMailbox
from triage.errors import MailboxUnavailable
from triage.settings import MailboxSettings

MAILS = [
    mail(1),
    mail(2, body="Wat regelt de wlz voor mijn vader?\r\n" * 400),  # a literal of several packets
    mail(3, body="Mijn man, zvw, palliative-marker, wie helpt ons thuis met de zorg?"),  # is flagged as well
    mail(4),
]
DONE = {"received": 4, "cases": 4, "quarantined": 0, "gone": 0, "unaccounted": 0, "acknowledged": 4, "pending": 0}
POLLS = 6


class Rounds:
    """One intake after the other through one proxy, each on a mailbox and a database of its own."""

    def __init__(self, dovecot: DovecotServer, settings: Callable[..., MailboxSettings], folder: Path) -> None:
        self._dovecot, self._settings, self._folder = dovecot, settings, folder
        self._empty = folder / "empty"
        self._empty.mkdir()
        Harness(self._empty).store.close()
        self._numbers = iter(range(10_000))
        self.drafts = 0

    def run(self, proxy: CuttingProxy, *, answers: int | None = None, sent: int | None = None) -> Harness:
        """Cuts once, after so many bytes; polls until all is in and each draft in its folder; returns the desk, its
        servers closed. `drafts` then says how many drafts stand in the folder."""
        account, _ = self._dovecot.account()
        client = self._dovecot.client(account)
        client.multiappend("INBOX", MAILS)
        client.logout()
        folder = self._folder / f"round-{next(self._numbers)}"
        shutil.copytree(self._empty, folder)
        desk = Harness(folder)
        moment = [0.0]
        settings = self._settings(port=proxy.port, username=account, password=PASSWORD)
        attach(desk, ImapMailbox(settings, monotonic=lambda: moment[0]))
        proxy.bytes_answered = proxy.bytes_sent = 0
        proxy.cut_after, proxy.cut_after_sent = answers, sent
        for _ in range(POLLS):
            try:
                desk.poll()
            except MailboxUnavailable:
                moment[0] += 400  # the back-off is over
                continue
            if desk.summary()["received"] == len(MAILS) and self._all_placed(desk):
                break
        desk.mailbox.close()
        asyncio.run(desk.relay.relay_once())
        client = self._dovecot.client(account)
        client.select_folder("Concepten", readonly=True)
        self.drafts = len(client.search())
        client.logout()
        return desk

    @staticmethod
    def _all_placed(desk: Harness) -> bool:
        with desk.store.begin() as uow:
            return not uow.draft_copies_due(limit=1)


@pytest.fixture
def rounds(
    dovecot: DovecotServer, mailbox_settings: Callable[..., MailboxSettings], tmp_path: Path
) -> Iterator[Rounds]:
    yield Rounds(dovecot, mailbox_settings, tmp_path)


def positions(total: int, count: int) -> list[int]:
    """Spread evenly, the very first and last bytes included."""
    return sorted({0, 1, total - 1, *(total * step // count for step in range(1, count))})


@pytest.mark.dovecot
@pytest.mark.slow
@pytest.mark.protocol("I11", "I12", "I22", "X16")
@pytest.mark.parametrize(("direction", "count"), [("answers", 44), ("sent", 28)])
def test_a_cut_at_any_byte_loses_and_doubles_nothing(
    rounds: Rounds, dovecot: DovecotServer, direction: str, count: int
) -> None:
    with CuttingProxy(dovecot.port) as proxy:
        undisturbed = rounds.run(proxy)
        assert {key: undisturbed.summary()[key] for key in DONE} == DONE
        undisturbed.store.close()
        total = proxy.bytes_answered if direction == "answers" else proxy.bytes_sent
        assert proxy.connections == 1
        wrong: dict[int, object] = {}
        uncut = []
        for position in positions(total, count):
            before = proxy.connections
            desk = rounds.run(proxy, **{direction: position})
            if proxy.connections == before + 1:
                uncut.append(position)
            recipients = sorted(envelope.forward_path for envelope, _ in desk.sender.sent)
            expected = sorted(f"vrager{number}@mensen.example" for number in (1, 2, 3, 4))
            found = {key: desk.summary()[key] for key in DONE}
            whole = all(
                len(desk.store.queries.raw_message(message.id)) in {len(raw) for raw in MAILS}
                for taken in desk.taken
                for message in desk.store.queries.case_page(taken.reference or "").messages
                if message.direction == "in"
            )
            if found != DONE or recipients != expected or not whole or rounds.drafts != len(MAILS):
                wrong[position] = (found, recipients, whole, rounds.drafts)
            desk.store.close()
    assert wrong == {}
    assert len(uncut) <= 3, uncut  # cuts in the goodbye at the end do not show
