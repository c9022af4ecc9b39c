"""Every test here runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.store.making import Maker
from tests.servers import postgresql
from triage.adapters import migrate
from triage.adapters.seal import Keyring
from triage.adapters.store import SqlStore, open_store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.PostgresqlServer]:
    with postgresql.running() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database; on PostgreSQL with the schema, as after `run.py migrate`."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'triage.sqlite3'}"
        return
    server: postgresql.PostgresqlServer = request.getfixturevalue("postgresql_server")
    with server.database() as url:
        migrate.upgrade(url)
        yield url


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.load(key=None, data_dir=tmp_path / "keys")


@pytest.fixture
def open_another(database_url: str, keyring: Keyring) -> Iterator[Callable[[], SqlStore]]:
    """Opens the same database once more, as a second process would."""
    opened: list[SqlStore] = []

    def open_it() -> SqlStore:
        opened.append(open_store(database_url, keyring))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(open_another: Callable[[], SqlStore]) -> SqlStore:
    return open_another()


@pytest.fixture
def make(store: SqlStore) -> Maker:
    return Maker(store, NOW)
