"""Opening and migrating: fresh, twice at once, with the wrong key, too new, too old, unreachable."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError, StatementError

from tests.integration.store.conftest import NOW
from tests.integration.store.making import Maker
from tests.servers.postgresql import PostgresqlServer
from triage.adapters import migrate
from triage.adapters.database import make_engine, parse_url
from triage.adapters.seal import Keyring
from triage.adapters.store import SqlStore, open_store
from triage.adapters.tables import HEAD, metadata
from triage.errors import ConfigError, StoreUnavailable

ROOT = Path(__file__).parents[3]


def test_the_scripts_make_the_tables_of_the_code(store: SqlStore) -> None:
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert ScriptDirectory.from_config(migrate.config()).get_heads() == [HEAD]


def test_check_constraints_of_the_scripts_are_those_of_the_code(database_url: str, keyring: Keyring) -> None:
    """Alembic does not compare them: the tables of the code are made beside those of the scripts."""
    open_store(database_url, keyring).close()
    engine = create_engine(parse_url(database_url))
    scripted = {table: _checks(inspect(engine), table) for table in metadata.tables}
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(text(f"DROP TABLE {table.name}"))
        metadata.create_all(connection)
    assert scripted == {table: _checks(inspect(engine), table) for table in metadata.tables}
    assert any(scripted.values())
    engine.dispose()


def _checks(inspector, table: str):  # type: ignore[no-untyped-def]
    return sorted((one["name"], one["sqltext"]) for one in inspector.get_check_constraints(table))


def test_there_is_a_way_back(database_url: str) -> None:
    migrate.upgrade(database_url)
    engine = make_engine(parse_url(database_url))
    settings = migrate.config()
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.downgrade(settings, "base")
    migrate.upgrade(database_url)
    migrate.upgrade(database_url)
    with engine.connect() as connection:
        assert migrate.version_of(connection) == HEAD
    engine.dispose()


def test_another_key_is_refused_and_nothing_is_written(store: SqlStore, database_url: str, keyring: Keyring) -> None:
    with pytest.raises(ConfigError, match=r"seal\.key") as caught:
        open_store(database_url, Keyring(bytes(32)))
    assert keyring.key_id in str(caught.value)
    open_store(database_url, keyring).close()


def test_a_newer_schema_is_refused(store: SqlStore, database_url: str, keyring: Keyring) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer"):
        open_store(database_url, keyring)
    with pytest.raises(ConfigError, match="newer"):
        migrate.upgrade(database_url)


@pytest.mark.postgresql
def test_postgresql_is_migrated_by_a_person(postgresql_server: PostgresqlServer, keyring: Keyring) -> None:
    with postgresql_server.database() as url:
        with pytest.raises(ConfigError, match=r"run\.py migrate"):
            open_store(url, keyring)
        migrate.upgrade(url)
        open_store(url, keyring).close()


START = """
import sys
from pathlib import Path
from triage.adapters import migrate
from triage.adapters.seal import Keyring
from triage.adapters.store import open_store
if sys.argv[1].startswith("postgresql"):
    migrate.upgrade(sys.argv[1])
store = open_store(sys.argv[1], Keyring.load(key=None, data_dir=Path(sys.argv[2])))
with store.begin() as uow:
    uow.set_fact("started", "yes")
store.close()
"""


def start(url: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", START, url, str(folder)], cwd=ROOT, stderr=subprocess.PIPE)


@pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_processes_that_start_at_once_all_succeed(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    def check(url: str) -> None:
        processes = [start(url, tmp_path) for _ in range(3)]
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors.decode()
        store = open_store(url, Keyring.load(key=None, data_dir=tmp_path))
        with store.begin() as uow:
            assert uow.fact("started") == "yes"
        store.close()

    if backend == "sqlite":
        check(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        with server.database() as url:
            check(url)


def test_a_start_that_was_killed_is_simply_repeated(tmp_path: Path, keyring: Keyring) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    for wait in (0.25, 0.35, 0.45):
        process = start(url, tmp_path)
        try:
            process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    keyring = Keyring.load(key=None, data_dir=tmp_path)
    store = open_store(url, keyring)
    with store.engine.connect() as connection:
        assert migrate.version_of(connection) == HEAD
    store.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "niets", ""])
def test_unusable_urls_are_named(url: str, keyring: Keyring) -> None:
    with pytest.raises(ConfigError, match="TRIAGE_DATABASE__URL"):
        open_store(url, keyring)


def test_an_unreachable_server_is_retryable_and_shows_no_password(keyring: Keyring) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        open_store("postgresql://jan:geheim@127.0.0.1:1/triage", keyring)
    assert "geheim" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path, keyring: Keyring) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"geen database" * 500)
    with pytest.raises(StoreUnavailable, match="damaged"):
        open_store(f"sqlite:///{tmp_path / 'x.sqlite3'}", keyring)


@pytest.fixture
def sqlite_store(tmp_path: Path, keyring: Keyring) -> SqlStore:
    return open_store(f"sqlite:///{tmp_path / 'data' / 'x.sqlite3'}", keyring)


def test_sqlite_is_safe_and_private(sqlite_store: SqlStore, tmp_path: Path) -> None:
    with sqlite_store.engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        }
    assert values == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 5000
    }  # fmt: skip
    for path in (tmp_path / "data").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    sqlite_store.close()


def test_a_locked_database_is_retryable(sqlite_store: SqlStore, tmp_path: Path) -> None:
    with sqlite_store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
        connection.rollback()
    other = sqlite3.connect(tmp_path / "data" / "x.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"), sqlite_store.begin():
        pass
    assert sqlite_store.queries.ledger().received == 0  # readers are not held up
    other.execute("ROLLBACK")
    other.close()
    with sqlite_store.begin() as uow:
        uow.set_fact("a", "b")
    sqlite_store.close()


def test_a_full_disk_is_retryable_and_undoes_the_transaction(sqlite_store: SqlStore) -> None:
    make = Maker(sqlite_store, NOW)
    case = make.case()
    with sqlite_store.engine.connect() as connection:  # the pool gives this connection to the next one who asks
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        connection.rollback()
    with pytest.raises(StoreUnavailable, match="full") as caught, sqlite_store.begin() as uow:
        uow.add_note(case.id, "Marker" * 10000, by="system", at=NOW)
    assert "Marker" not in str(caught.value)
    assert sqlite_store.queries.case_page(case.reference).notes == ()
    sqlite_store.close()


def test_naive_moments_are_refused(store: SqlStore) -> None:
    with pytest.raises((ValueError, StatementError), match="time zone"), store.begin() as uow:
        uow.audit("x", at=NOW.replace(tzinfo=None), actor="system")


def test_unknown_states_are_refused(store: SqlStore, make: Maker) -> None:
    make.case()
    for column in ("state", "band", "waiting_for", "kind"):
        change = text(f"UPDATE cases SET {column} = 'nooit'")  # noqa: S608 - own names
        with pytest.raises(IntegrityError), store.engine.begin() as connection:
            connection.execute(change)


def test_another_process_sees_what_was_committed(
    store: SqlStore, make: Maker, open_another: Callable[[], SqlStore]
) -> None:
    case = make.case()
    assert open_another().queries.case_page(case.reference).case == case
