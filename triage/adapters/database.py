"""The database engine for SQLite and PostgreSQL, and what its errors mean for the caller."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import URL, make_url

from triage.errors import ConfigError, ConflictError, StoreUnavailable

_CONNECTIONS = 44  # Starlette's 40 threads and the jobs beside them
_SQLITE_PRAGMAS = (
    "busy_timeout=5000",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    "temp_store=MEMORY",
    "cache_size=-8000",
    "mmap_size=268435456",
    "wal_autocheckpoint=4000",  # 16 MB: pages that every mail changes are written back once for many mails
)
_READ_ONLY = "25006"  # PostgreSQL: a standby, or set so by a person
# These say that one value or statement is wrong, not that the database is away: waiting mends nothing.
_FAULTS_OF_ONE_ROW = (sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)
_UNIQUE_VIOLATIONS = ("23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


def parse_url(url: str) -> URL:
    """The URL with the driver this product uses. Raises ConfigError for another database or a database in memory."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise ConfigError("TRIAGE_DATABASE__URL: not a database URL") from None
    backend = parsed.drivername.partition("+")[0]
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise ConfigError("TRIAGE_DATABASE__URL: SQLite needs a file, such as sqlite:////srv/triage/triage.sqlite3")
        return parsed.set(drivername="sqlite")
    raise ConfigError(f"TRIAGE_DATABASE__URL: {backend} is not supported; use sqlite or postgresql")


def make_engine(url: URL) -> Engine:
    """An engine whose transactions begin as the product needs them; nothing is connected yet."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_size=_CONNECTIONS,
            max_overflow=8,
            connect_args={"timeout": 5, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=_CONNECTIONS,
        max_overflow=8,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10},
    )
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def make_sqlite_file(url: URL) -> None:
    """Makes the database file readable for its owner only; SQLite gives its WAL the same mode.

    A file that exists is never opened here: closing any descriptor of it drops this process's POSIX locks, and with
    them SQLite's hold on the database."""
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise ConfigError(f"{path}: cannot make or open the database file ({error.strerror})") from error


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not where the driver guesses
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    until = time.monotonic() + 10
    while True:  # the switch to WAL does not wait for another process that is switching
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    # A writer that begins by reading cannot be upgraded when another wrote meanwhile: it asks for the lock at once.
    readonly = connection.get_execution_options().get("readonly")
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.execute("BEGIN" if readonly else "BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise exc.OperationalError("BEGIN", None, error) from None


def _prepare_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '10s'")
        cursor.execute("SET random_page_cost = 1.1")  # lists read in index order: no disk seeks to be afraid of
        cursor.execute("SET jit = off")  # compiling costs more than these queries take
    connection.commit()


@contextmanager
def translated() -> Iterator[None]:
    """Turns the database's errors into ours. Their texts can hold values of rows, so they are not passed on."""
    try:
        yield
    except exc.IntegrityError as error:
        if _code_of(error) in _UNIQUE_VIOLATIONS:
            raise ConflictError("the database already holds this row: somebody else was first") from None
        raise
    except (exc.OperationalError, exc.InterfaceError) as error:
        raise StoreUnavailable(_why(error)) from None
    except exc.TimeoutError:
        raise StoreUnavailable("all database connections are in use") from None
    except exc.DBAPIError as error:
        unwritable = _code_of(error) == _READ_ONLY
        away = isinstance(error.orig, sqlite3.DatabaseError) and not isinstance(error.orig, _FAULTS_OF_ONE_ROW)
        if unwritable or error.connection_invalidated or away:
            raise StoreUnavailable(_why(error)) from None
        raise


def _code_of(error: exc.DBAPIError) -> str:
    orig = error.orig
    return str(getattr(orig, "sqlite_errorname", None) or getattr(orig, "sqlstate", None) or "")


def _why(error: exc.DBAPIError) -> str:
    code = _code_of(error)
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or code == "55P03":
        return "the database stayed locked by another transaction"
    if code == _READ_ONLY:
        return "the database takes no changes at this moment (read-only); look at the database server"
    if code == "SQLITE_IOERR_WRITE":
        return "the database file cannot be written: the disk is full, or a limit on file sizes is reached"
    if code in ("SQLITE_FULL", "53100"):
        return "the disk with the database is full"
    if code.startswith("SQLITE_READONLY"):
        return "the database file cannot be written; check its owner and mode"
    if code.startswith("SQLITE_CANTOPEN"):
        return "the database file cannot be opened; check its folder"
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "the database file is damaged or not a database; restore a backup"
    if code.startswith("28"):
        return "the database refused the login; check TRIAGE_DATABASE__URL"
    if code == "3D000":
        return "the database of TRIAGE_DATABASE__URL does not exist on the server"
    if code == "40P01":
        return "the database broke off two transactions that waited for each other"
    return f"the database cannot be reached or used ({code or type(error.orig).__name__})"
