"""OAuth2 tokens and server notices at rest: sealed, shared by all nodes of one database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from triage.adapters.database import translated
from triage.adapters.rows import Sealer, upsert
from triage.adapters.tables import oauth_tokens, server_notices
from triage.ports import KeptTokens, TokenState

_LONGEST_NOTICE = 300


class SqlTokenStore:
    """The tokens of one login. `identity` tells it from others (grant, token server, client and account)."""

    def __init__(self, engine: Engine, sealer: Sealer, identity: str) -> None:
        self._engine, self._reader = engine, engine.execution_options(readonly=True)
        self._sealer = sealer
        self._name = sealer.keyring.lookup(f"oauth:{identity}")

    def load(self, *, first: str) -> KeptTokens:
        row = self._row()
        if row is None or not self._follows_from(row, first):
            return KeptTokens(refresh_token=first)
        return KeptTokens(
            refresh_token=self._open(row, "refresh_token"),
            access_token=self._open(row, "access_token"),
            refreshed_at=row.refreshed_at,
            expires_at=row.expires_at,
            refused_at=row.refused_at,
        )

    def save(self, *, first: str, refresh_token: str, access_token: str, at: datetime, expires_at: datetime) -> None:
        self._write(
            first,
            refresh_token,
            at,
            access_token=self._seal(access_token, "access_token"),
            refreshed_at=at,
            expires_at=expires_at,
            refused_at=None,
            refused_code="",
        )

    def refuse(self, *, first: str, refresh_token: str, code: str, at: datetime) -> None:
        self._write(first, refresh_token, at, access_token=None, expires_at=None, refused_at=at, refused_code=code)

    def sign_in(self, *, first: str, refresh_token: str, at: datetime) -> None:
        self._write(
            first,
            refresh_token,
            at,
            access_token=None,
            expires_at=None,
            refused_at=None,
            refused_code="",
            signed_in_at=at,
        )

    def state(self) -> TokenState:
        row = self._row()
        if row is None:
            return TokenState()
        return TokenState(row.signed_in_at, row.refreshed_at, row.refused_at, row.refused_code)

    # ---------------------------------------------------------------- ourselves

    def _row(self) -> Row[Any] | None:
        with translated(), self._reader.connect() as connection:
            return connection.execute(select(oauth_tokens).where(oauth_tokens.c.name == self._name)).first()

    def _follows_from(self, row: Row[Any], first: str) -> bool:
        return not first or row.origin_key == self._origin(first)

    def _origin(self, first: str) -> str:
        return self._sealer.keyring.lookup(f"oauth-origin:{first}")

    def _write(self, first: str, refresh_token: str, at: datetime, **values: Any) -> None:
        row = self._row()
        is_new = row is None or not self._follows_from(row, first)
        values |= {
            "refresh_token": self._seal(refresh_token, "refresh_token"),
            "origin_key": self._origin(first) if first or row is None else row.origin_key,
        }
        if is_new:
            values = {"signed_in_at": at} | values
        statement = upsert(self._engine.dialect.name, oauth_tokens).values(
            **{"name": self._name, "refused_code": "", **values}
        )
        with _writing(self._engine) as db:
            db.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    def _seal(self, token: str, column: str) -> bytes:
        return self._sealer.seal_text(token, oauth_tokens, self._name, column)

    def _open(self, row: Row[Any], column: str) -> str:
        return self._sealer.open_text(getattr(row, column), oauth_tokens, self._name, column)


class SqlServerNotices:
    """The last text each mail server wanted people to read. Sealed: it can name an account."""

    def __init__(self, engine: Engine, sealer: Sealer) -> None:
        self._engine, self._reader = engine, engine.execution_options(readonly=True)
        self._sealer = sealer

    def note(self, name: str, text: str, *, at: datetime) -> None:
        """`name` is `mailbox` or `smtp`; the text is cut to 300 characters."""
        values = {"text": self._sealer.seal_text(text[:_LONGEST_NOTICE], server_notices, name, "text"), "at": at}
        statement = upsert(self._engine.dialect.name, server_notices).values(name=name, **values)
        with _writing(self._engine) as db:
            db.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    def last(self, name: str) -> tuple[str, datetime] | None:
        """(text, when it was told)."""
        with translated(), self._reader.connect() as connection:
            row = connection.execute(select(server_notices).where(server_notices.c.name == name)).first()
        return None if row is None else (self._sealer.open_text(row.text, server_notices, name, "text"), row.at)


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with translated(), engine.begin() as connection:
        yield connection
