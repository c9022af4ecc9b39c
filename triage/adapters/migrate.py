"""Brings the database to the schema of this code, with the scripts in `triage/migrations`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from triage.adapters.database import make_sqlite_file, parse_url, translated
from triage.adapters.tables import HEAD
from triage.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent.parent / "migrations"
_LOCK = 0x7472_6961_6765  # advisory lock of this product's migrations on PostgreSQL


def upgrade(url: str) -> None:
    """Runs the missing migrations in one transaction; does nothing at the head. May run in several processes at once.

    A killed run leaves nothing behind and is simply started again. Raises ConfigError when the schema is newer
    than this code, StoreUnavailable when the database cannot be used.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        make_sqlite_file(parsed)
    engine = _engine(parsed)
    try:
        with translated(), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            version = version_of(connection)
            if version == HEAD:
                return
            check_not_newer(version)
            _run(connection)
    finally:
        engine.dispose()


def version_of(connection: Connection) -> str | None:
    """The version the database is at; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


def check_not_newer(version: str | None) -> None:
    """Raises ConfigError when no script of this code is called `version`."""
    if version is None or version == HEAD:
        return
    from alembic.script import ScriptDirectory

    if version not in {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}:
        raise ConfigError(
            f"the database has schema {version}, which is newer than this program knows ({HEAD}): "
            "start the newer program, or restore the backup made before the upgrade"
        )


def config() -> Config:
    """Alembic's settings; there is no alembic.ini."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return settings


def _run(connection: Connection) -> None:
    from alembic import command  # 0.15 s to import: only when there is something to do

    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise ConfigError("the migration would leave rows without their parent; it was undone")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, poolclass=NullPool, hide_parameters=True)
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": 60})

    # Foreign keys off: a batch migration rebuilds tables. BEGIN IMMEDIATE lets two starting processes queue up.
    @event.listens_for(engine, "connect")
    def _prepare(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]
        connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[attr-defined]
        connection.execute("PRAGMA secure_delete=ON")  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
