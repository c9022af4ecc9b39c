"""Real mail servers for the integration tests: one Dovecot per run, a fresh account per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.dovecot import DovecotServer
from tests.servers.embedded import EmbeddedThread
from triage.settings import MailboxSettings, SmtpSettings

NO_OAUTH: dict[str, Any] = {
    "grant": "", "tenant": "", "token_url": "", "client_id": "", "client_secret": "", "refresh_token": "",
    "scopes": (), "ca_file": "",
}  # fmt: skip


@pytest.fixture(scope="session")
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        yield server


@pytest.fixture(scope="session")
def dovecot_tls() -> Iterator[DovecotServer]:
    with DovecotServer(tls=True) as server:
        yield server


@pytest.fixture
def embedded() -> Iterator[EmbeddedThread]:
    with EmbeddedThread() as servers:
        yield servers


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from tests.servers.certificates import make_certificate

    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def mailbox_settings() -> Callable[..., MailboxSettings]:
    def make(**changes: Any) -> MailboxSettings:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": 143,
            "username": "loket",
            "password": "geheim",
            "security": "none",
            "ca_file": "",
            "addresses": (),
            "folder": "INBOX",
            "drafts_folder": "Drafts",
            "save_drafts": True,
            "sent_folder": "Sent",
            "save_sent": True,
            "poll_seconds": 30,
            "authserv_id": "",
            "max_mail_bytes": 10_000_000,
            "batch_size": 50,
            "alarm_minutes": 15,
            "idle": True,
            "idle_seconds": 540,
            "timeout_seconds": 20,
            "oauth": NO_OAUTH,
        }
        return MailboxSettings(**values | changes)

    return make


@pytest.fixture
def smtp_settings() -> Callable[..., SmtpSettings]:
    def make(**changes: Any) -> SmtpSettings:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": 25,
            "username": "",
            "password": "",
            "oauth": False,
            "security": "none",
            "ca_file": "",
            "from": "meldpunt@juisteloket.example",
            "reverse_path": "",
            "hostname": "triage.test.example",
            "connections": 2,
            "per_minute": 0,
            "timeout_seconds": 5,
            "relay_seconds": 5,
        }
        return SmtpSettings(**values | changes)

    return make
