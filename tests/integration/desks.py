"""The whole intake of the harness on a real mailbox, and how a mailbox in Dovecot is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.integration.harness import Harness, mail
from tests.servers.dovecot import DovecotServer
from triage.adapters.imap import ImapMailbox
from triage.settings import MailboxSettings

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def attach(desk: Harness, mailbox: ImapMailbox) -> Harness:
    """The harness reads this mailbox from now on. Its clock is the machine's: no server keeps a mail of tomorrow."""
    desk.mailbox = mailbox  # type: ignore[assignment]
    desk.now = datetime.now(UTC)
    desk.wire()
    desk.taking_in._policy = replace(desk.taking_in._policy, since=_LONG_AGO)
    return desk


def question(dovecot: DovecotServer, account: str, number: int, **changes: Any) -> None:
    """A mail of a person arrives."""
    dovecot.append(account, mail(number, **changes))


def dovecot_mailbox(
    dovecot: DovecotServer, make: Callable[..., MailboxSettings], **changes: Any
) -> tuple[ImapMailbox, str]:
    """(mailbox of an account that no other test uses, its name)."""
    account, password = dovecot.account()
    values = {"port": dovecot.port, "username": account, "password": password} | changes
    return ImapMailbox(make(**values)), account


def answered_all(desk: Harness, count: int) -> None:
    """So many cases, each acknowledged once, and nothing else."""
    desk.relay_once()
    summary = desk.summary()
    assert (summary["cases"], summary["acknowledged"], summary["unaccounted"]) == (count, count, 0)
    assert len({envelope.forward_path for envelope, _ in desk.sender.sent}) == len(desk.sender.sent) == count
