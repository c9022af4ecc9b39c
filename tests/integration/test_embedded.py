"""The demo's own servers: what our SMTP server accepts can be read where the recipient would read it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.servers.embedded import EmbeddedThread
from triage.adapters.imap import ImapMailbox
from triage.adapters.smtp import SmtpSender
from triage.demo.samples import load, sample_paths
from triage.errors import MailboxUnavailable
from triage.logs import get_logger
from triage.ports import Envelope
from triage.settings import MailboxSettings, SmtpSettings

RAW = b"From: meldpunt@juisteloket.example\r\nSubject: Uw vraag\r\n\r\nDag\r\n"


def test_every_sample_comes_back_byte_for_byte(
    embedded: EmbeddedThread, mailbox_settings: Callable[..., MailboxSettings]
) -> None:
    at = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)
    for path in sample_paths():
        embedded.deliver(load(path), at)
    servers = embedded.servers
    mailbox = ImapMailbox(
        mailbox_settings(port=embedded.imap_port, username=servers.address, password=servers.password)
    )
    fetched = list(mailbox.fetch(mailbox.uids()))
    mailbox.close()
    assert len(fetched) >= 50
    assert [item.raw for item in fetched] == [load(path) for path in sample_paths()]
    assert {item.internal_date for item in fetched} == {at}


def test_a_wrong_password_of_a_login_that_is_an_address_can_be_logged_as_a_hint(
    embedded: EmbeddedThread,
    mailbox_settings: Callable[..., MailboxSettings],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "@" in embedded.servers.address
    mailbox = ImapMailbox(
        mailbox_settings(port=embedded.imap_port, username=embedded.servers.address, password="verkeerd")
    )
    with pytest.raises(MailboxUnavailable) as refused:
        mailbox.status()
    with pytest.raises(MailboxUnavailable) as waiting:
        mailbox.status()
    for text in (str(refused.value), str(waiting.value)):
        assert "@" not in text and "verkeerd" not in text
        assert f"127.0.0.1:{embedded.imap_port}" in text
        assert "mailbox.username" in text and "TRIAGE_MAILBOX__PASSWORD" in text
    get_logger().error("poll_failed", error="MailboxUnavailable", hint=str(refused.value))
    logged = capsys.readouterr().err
    assert "TRIAGE_MAILBOX__PASSWORD" in logged and "(refused)" not in logged


def test_a_folder_named_after_an_address_is_not_named_in_the_error(
    embedded: EmbeddedThread, mailbox_settings: Callable[..., MailboxSettings]
) -> None:
    servers = embedded.servers
    mailbox = ImapMailbox(
        mailbox_settings(
            port=embedded.imap_port,
            username=servers.address,
            password=servers.password,
            folder="Gedeeld/balie@loket.example",
        )
    )
    with pytest.raises(MailboxUnavailable) as missing:
        mailbox.status()
    mailbox.close()
    assert "@" not in str(missing.value)
    assert "there is no folder (named after an address); set mailbox.folder to one of" in str(missing.value)
    assert '"INBOX"' in str(missing.value)


def test_a_citizen_reads_what_was_sent(
    embedded: EmbeddedThread,
    mailbox_settings: Callable[..., MailboxSettings],
    smtp_settings: Callable[..., SmtpSettings],
) -> None:
    async def send() -> None:
        sender = SmtpSender(smtp_settings(port=embedded.smtp_port))
        for address in ("ria@kpn.example", "Jan@kpn.example", "ria@kpn.example"):
            async with sender.session() as session:
                await session.prepare(Envelope("", address))
                await session.data(RAW)
        await sender.close()

    asyncio.run(send())
    first = embedded.received()[0]
    assert (first.reverse_path, first.forward_paths, first.raw) == (
        "",
        ("ria@kpn.example",),
        RAW,
    )
    assert len(embedded.received()) == 3 and embedded.servers.mailbox_count() == 2
    citizen = ImapMailbox(
        mailbox_settings(port=embedded.imap_port, username="ria@kpn.example", password=embedded.servers.password)
    )
    mails = list(citizen.fetch(citizen.uids()))
    citizen.close()
    assert [item.raw for item in mails] == [b"Return-Path: <>\r\n" + RAW] * 2
