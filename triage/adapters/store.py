"""The Store on SQLite or PostgreSQL: opening it, its transactions, and the unit of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, case, exc, select, update

from triage.adapters import migrate
from triage.adapters.accounts import SqlAccounts
from triage.adapters.database import make_engine, make_sqlite_file, parse_url, translated
from triage.adapters.outbox import OutboxPart
from triage.adapters.proof import SqlProof
from triage.adapters.queries import SqlQueries
from triage.adapters.rows import Sealer
from triage.adapters.seal import Keyring
from triage.adapters.store_folders import FolderPart
from triage.adapters.store_learning import LearningPart
from triage.adapters.store_ledger import LedgerPart
from triage.adapters.store_links import LinkPart
from triage.adapters.store_watch import WatchPart
from triage.adapters.tables import HEAD, facts, jobs, leases, seal_keys
from triage.adapters.token_store import SqlServerNotices, SqlTokenStore
from triage.errors import ConfigError, SealError

_CHECK_TEXT = b"triage"


class SqlUnitOfWork(LedgerPart, OutboxPart, FolderPart, LinkPart, LearningPart, WatchPart):
    """One transaction. Not for use by two threads."""

    def lease(self, name: str, *, owner: str, now: datetime, ttl: timedelta) -> bool:
        """`epoch` in the table grows whenever the holder changes."""
        held = self._db.execute(
            update(leases)
            .where(leases.c.name == name, (leases.c.owner == owner) | (leases.c.leased_until <= now))
            .values(
                owner=owner,
                leased_until=now + ttl,
                epoch=case((leases.c.owner == owner, leases.c.epoch), else_=leases.c.epoch + 1),
            )
        )
        if held.rowcount == 1:
            return True
        first = self._upsert(leases).values(name=name, owner=owner, leased_until=now + ttl, epoch=1)
        made = self._db.execute(first.on_conflict_do_nothing(index_elements=["name"]).returning(leases.c.name))
        return made.first() is not None

    def release_lease(self, name: str, *, owner: str, now: datetime) -> None:
        self._db.execute(update(leases).where(leases.c.name == name, leases.c.owner == owner).values(leased_until=now))

    def job_ran(self, name: str, *, at: datetime, ok: bool, error: str = "") -> None:
        """`error` is a class name or a text without personal data; the last one stays visible after a success."""
        values: dict[str, object] = {"last_started": at}
        values |= {"last_succeeded": at} if ok else {"last_error": error, "last_error_at": at}
        statement = self._upsert(jobs).values(**{"name": name, "last_error": "", **values})
        self._db.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    def fact(self, name: str) -> str | None:
        value: str | None = self._db.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
        return value

    def set_fact(self, name: str, value: str) -> None:
        statement = self._upsert(facts).values(name=name, value=value)
        self._db.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


class SqlStore:
    """A Store with its read side and accounts. Made by `open_store`; may be shared by threads."""

    def __init__(self, engine: Engine, keyring: Keyring) -> None:
        self.engine = engine
        self._sealer = Sealer(keyring)
        self._log_holds_erased = False
        self.queries = SqlQueries(engine, self._sealer)
        self.accounts = SqlAccounts(engine, self._sealer)
        self.proof = SqlProof(engine, self._sealer)
        self.notices = SqlServerNotices(engine, self._sealer)

    def tokens(self, identity: str) -> SqlTokenStore:
        """The OAuth2 tokens of one login."""
        return SqlTokenStore(self.engine, self._sealer, identity)

    @contextmanager
    def begin(self) -> Iterator[SqlUnitOfWork]:
        with translated():
            with self.engine.begin() as connection:
                unit = SqlUnitOfWork(connection, self._sealer)
                yield unit
            if unit.erased or self._log_holds_erased:
                self._empty_log()

    def _empty_log(self) -> None:
        """SQLite keeps old pages in its write-ahead log: after an erasure they are written back and cut off.

        A reader can hold the log for a moment; then the next transaction, or closing, does it."""
        if self.engine.dialect.name != "sqlite":
            return
        raw = self.engine.raw_connection()
        try:
            busy = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            raw.close()
        self._log_holds_erased = bool(busy)

    def close(self) -> None:
        if self._log_holds_erased:
            with translated():
                self._empty_log()
        self.engine.dispose()


def open_store(url: str, keyring: Keyring) -> SqlStore:
    """The store at `url` (sqlite:///file or postgresql://…), at the schema of this code.

    SQLite is migrated here; for PostgreSQL a person runs `python3 run.py migrate`. Raises ConfigError for another
    schema, for another key than the rows were sealed with, or for a URL that cannot be used; StoreUnavailable when
    the database cannot be reached.
    """
    parsed = parse_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite:
        make_sqlite_file(parsed)
    engine = make_engine(parsed)
    try:
        with translated():
            with engine.execution_options(readonly=True).connect() as connection:
                version = migrate.version_of(connection)
            migrate.check_not_newer(version)
            if version != HEAD:
                if not is_sqlite:
                    raise ConfigError(
                        f"the database is at schema {version or 'none'}, this program needs {HEAD}: "
                        "make a backup, then run: python3 run.py migrate"
                    )
                migrate.upgrade(url)
            with engine.begin() as connection:
                _check_key(connection, keyring)
    except BaseException:
        engine.dispose()
        raise
    return SqlStore(engine, keyring)


def _check_key(connection: Connection, keyring: Keyring) -> None:
    """The key of this program must be the one the rows were written with; an empty database remembers it."""
    where = f"seal_keys:{keyring.key_id}:check_value"
    known = {row.key_id: row.check_value for row in connection.execute(select(seal_keys))}
    if not known:
        try:
            with connection.begin_nested():
                connection.execute(
                    seal_keys.insert(),
                    {
                        "key_id": keyring.key_id,
                        "check_value": keyring.seal(_CHECK_TEXT, where=where),
                        "created_at": datetime.now(UTC),
                    },
                )
        except exc.IntegrityError:  # another process with the same key was first
            return
        return
    try:
        if keyring.open(known[keyring.key_id], where=where) == _CHECK_TEXT:
            return
    except (KeyError, SealError):
        pass  # told below, with what to do
    raise ConfigError(
        f"the database was sealed with key {' and '.join(sorted(known))}, but this program has key {keyring.key_id}: "
        "put the right seal.key back in data_dir (or set TRIAGE_SEAL__KEY); without it nothing can be read"
    )
