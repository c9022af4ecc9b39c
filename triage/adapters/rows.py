"""What every part of the store needs: sealing for a row, JSON, upserts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, exc, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from triage.adapters.seal import Keyring
from triage.adapters.tables import audit

_T = TypeVar("_T")


@cache
def _insertion(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> tuple[str, list[tuple[str, Any]], bool]:
    """(SQL, (column, conversion) in the order of the parameters, whether they are passed by position)."""
    compiled = insert(table).inline().compile(dialect=dialect, column_keys=list(columns))
    order = compiled.positiontup if compiled.positional else list(columns)
    assert order is not None
    conversions = [(name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in order]
    return str(compiled), conversions, bool(compiled.positional)


def chunks(values: Sequence[_T], size: int = 500) -> Iterator[Sequence[_T]]:
    """Parts of a list that fit in one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def to_json(value: object) -> str:
    """Compact JSON; moments as ISO 8601, sets and tuples as lists."""
    return _encode(value)


def from_json(text: str) -> Any:
    return json.loads(text)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


def upsert(dialect: str, table: Table) -> Any:
    """An INSERT with `on_conflict_do_update` and `on_conflict_do_nothing`, which both databases have."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode


class Sealer:
    """Seals JSON and text for a row. Text of a hostile mail may hold lone surrogates: they survive."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def seal_text(self, text: str, table: Table, row_id: str, column: str) -> bytes:
        return self.keyring.seal(text.encode("utf-8", "surrogatepass"), where=f"{table.name}:{row_id}:{column}")

    def seal_json(self, value: object, table: Table, row_id: str, column: str) -> bytes:
        return self.seal_text(to_json(value), table, row_id, column)

    def seal_bytes(self, value: bytes, table: Table, row_id: str, column: str) -> bytes:
        return self.keyring.seal(value, where=f"{table.name}:{row_id}:{column}")

    def open_bytes(self, sealed: bytes | None, table: Table, row_id: str, column: str) -> bytes:
        """Empty for a value that never was or was erased. Raises SealError."""
        return b"" if sealed is None else self.keyring.open(sealed, where=f"{table.name}:{row_id}:{column}")

    def open_text(self, sealed: bytes | None, table: Table, row_id: str, column: str) -> str:
        return self.open_bytes(sealed, table, row_id, column).decode("utf-8", "surrogatepass")

    def open_json(self, sealed: bytes | None, table: Table, row_id: str, column: str) -> dict[str, Any]:
        text = self.open_text(sealed, table, row_id, column)
        value: dict[str, Any] = json.loads(text) if text else {}
        return value


class Unit:
    """The connection and keys of one transaction; the parts of the unit of work stand on it."""

    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        self._db = connection
        self._sealer = sealer
        self._keys = sealer.keyring
        self._dialect = connection.dialect.name
        self.erased = False  # sealed values were removed: the store empties the write-ahead log after the commit

    def _upsert(self, table: Table) -> Any:
        return upsert(self._dialect, table)

    def _add(self, table: Table, row: Mapping[str, Any]) -> None:
        """Inserts one row past SQLAlchemy's execution layer, which costs more than SQLite's insert itself: a mail
        writes about ten rows. Compiled once per table and set of columns, with the types' own conversions."""
        sql, conversions, by_position = _insertion(self._db.dialect, table, tuple(row))
        values = [row[name] if convert is None else convert(row[name]) for name, convert in conversions]
        names = (name for name, _ in conversions)
        dialect = self._db.dialect
        cursor = self._db.connection.cursor()
        try:
            cursor.execute(sql, values if by_position else dict(zip(names, values, strict=True)))
        except dialect.loaded_dbapi.Error as error:
            raise exc.DBAPIError.instance(
                sql, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect
            ) from None
        finally:
            cursor.close()

    def audit(
        self,
        action: str,
        *,
        at: datetime,
        actor: str,
        case_id: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        row = {"at": at, "actor": actor, "action": action, "case_id": case_id, "details": to_json(details or {})}
        self._add(audit, row)
