"""The product as commands on a mailbox in Dovecot and a recording SMTP server; and what it left behind there."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import Any

import psycopg

from tests.integration.harness import US
from tests.servers.dovecot import DovecotServer
from tests.servers.killable import Killable, Running
from tests.servers.smtpd import RecordingSmtp


@dataclass
class Site:
    """One installation. `commands` run the real command line; nothing else writes its database."""

    folder: Path
    dovecot: DovecotServer
    smtp: RecordingSmtp
    commands: Killable
    changes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.username, password = self.dovecot.account()
        self.data = self.folder / "data"
        self.environment = {
            "TRIAGE_CONFIG_DIR": str(self.folder), "TRIAGE_DATA_DIR": str(self.data),
            "TRIAGE_MAILBOX__HOST": self.dovecot.host, "TRIAGE_MAILBOX__PORT": str(self.dovecot.port),
            "TRIAGE_MAILBOX__USERNAME": self.username, "TRIAGE_MAILBOX__PASSWORD": password,
            "TRIAGE_MAILBOX__SECURITY": "none", "TRIAGE_MAILBOX__POLL_SECONDS": "1",
            "TRIAGE_SMTP__HOST": "127.0.0.1", "TRIAGE_SMTP__PORT": str(self.smtp.port),
            "TRIAGE_SMTP__SECURITY": "none", "TRIAGE_SMTP__FROM": US, "TRIAGE_SMTP__TIMEOUT_SECONDS": "10",
            "TRIAGE_ACKNOWLEDGEMENTS__MODE": "live",
            "TRIAGE_ACKNOWLEDGEMENTS__SINCE": "2020-01-01T00:00:00+00:00",
            **self.changes,
        }  # fmt: skip

    # ---------------------------------------------------------------- acting

    def deliver(self, *raws: bytes) -> None:
        for raw in raws:
            self.dovecot.append(self.username, raw)

    def run(self, *arguments: str, **how: Any) -> Running:
        return self.commands.run(arguments, self.environment, **how)

    def poll(self, **how: Any) -> Running:
        return self.run("poll", "--json", **how)

    def relay(self, **how: Any) -> Running:
        return self.run("relay", "--json", **how)

    def settle(self, rounds: int = 2) -> None:
        """Polls and relays, as the next minute would bring them."""
        for _ in range(rounds):
            polled, relayed = self.poll(), self.relay()
            assert polled.code == 0, polled.told
            assert relayed.code in (0, 1), relayed.told

    # ---------------------------------------------------------------- looking

    @property
    def database(self) -> Path:
        url = self.environment.get("TRIAGE_DATABASE__URL", "")
        return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else self.data / "triage.sqlite3"

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        url = self.environment.get("TRIAGE_DATABASE__URL", "")
        if url.startswith("postgresql"):
            with psycopg.connect(url) as server:
                return list(server.execute(statement.encode()).fetchall())
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return list(connection.execute(statement).fetchall())

    def write(self, statement: str) -> None:
        """What only time would do: ends leases."""
        url = self.environment.get("TRIAGE_DATABASE__URL", "")
        if url.startswith("postgresql"):
            with psycopg.connect(url) as server:
                server.execute(statement.encode())
            return
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.execute(statement)
            connection.commit()

    def end_leases(self) -> None:
        """As if a quarter of an hour had gone by."""
        on_server = self.environment.get("TRIAGE_DATABASE__URL", "").startswith("postgresql")
        long_ago = "'2020-01-01 00:00:00+00'" if on_server else "1"  # microseconds since 1970
        self.write(f"UPDATE leases SET leased_until = {long_ago}")  # noqa: S608 - own names
        self.write(f"UPDATE outbox SET leased_until = {long_ago} WHERE leased_until IS NOT NULL")  # noqa: S608

    def count(self, table: str, where: str = "1=1") -> int:
        return int(self.rows(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])  # noqa: S608 - own names

    def receipts(self) -> Counter[str]:
        """Acknowledgements that the SMTP server took, by the Message-ID they answer."""
        found = (message_from_bytes(mail.raw) for mail in self.smtp.received)
        return Counter(str(mail["In-Reply-To"]) for mail in found if mail["Auto-Submitted"] == "auto-replied")

    def receipt_states(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT state FROM outbox WHERE kind = 'acknowledgement' ORDER BY id")]

    def outcomes(self) -> Counter[str | None]:
        return Counter(row[0] for row in self.rows("SELECT outcome FROM ledger"))

    def keywords(self) -> dict[int, set[str]]:
        client = self.dovecot.client(self.username)
        client.select_folder("INBOX", readonly=True)
        told = client.fetch(client.search(["ALL"]), ["FLAGS"])
        client.logout()
        return {uid: {flag.decode() for flag in item[b"FLAGS"]} for uid, item in told.items()}

    def verified(self) -> None:
        proof = self.run("verify")
        assert proof.code == 0, proof.printed + proof.told


@contextlib.contextmanager
def new_site(folder: Path, dovecot: DovecotServer, commands: Killable, **changes: str) -> Iterator[Site]:
    with RecordingSmtp() as smtp:
        yield Site(folder, dovecot, smtp, commands, changes)
