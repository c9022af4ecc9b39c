"""Accounts, login failures and sessions. Every call is a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, func, insert, select, update

from triage.adapters.database import translated
from triage.adapters.rows import Sealer
from triage.adapters.tables import login_failures, sessions, users
from triage.errors import NotFound
from triage.ports import Credentials, User
from triage.row_ids import new_row_id

_FORGET_FAILURES = timedelta(days=7)


def _user(row: Row[Any]) -> User:
    return User(row.id, row.username, row.display_name, row.role, row.disabled)


def _folded(username: str) -> str:
    return username.strip().casefold()


class SqlAccounts:
    def __init__(self, engine: Engine, sealer: Sealer) -> None:
        self._engine, self._reader = engine, engine.execution_options(readonly=True)
        self._sealer = sealer

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with translated(), self._engine.begin() as connection:
            yield connection

    def _first(self, statement: Select[Any]) -> Row[Any] | None:
        with translated(), self._reader.connect() as connection:
            return connection.execute(statement).first()

    def add(self, *, username: str, display_name: str, role: str, password_hash: str, at: datetime) -> User:
        """Names are compared without case."""
        user = User(new_row_id(at), _folded(username), display_name, role)
        with self._writing() as db:
            db.execute(
                insert(users),
                {
                    "id": user.id,
                    "username": user.username,
                    "display_name": display_name,
                    "role": role,
                    "password_hash": password_hash,
                    "totp_last_step": 0,
                    "disabled": False,
                    "created_at": at,
                },
            )
        return user

    def by_username(self, username: str) -> Credentials | None:
        row = self._first(select(users).where(users.c.username == _folded(username)))
        if row is None:
            return None
        secret = self._sealer.open_text(row.totp_secret, users, row.id, "totp_secret")
        return Credentials(_user(row), row.password_hash, secret or None, row.totp_last_step)

    def by_id(self, user_id: str) -> User | None:
        row = self._first(select(users).where(users.c.id == user_id))
        return None if row is None else _user(row)

    def all(self) -> Sequence[User]:
        """By user name."""
        with translated(), self._reader.connect() as connection:
            return [_user(row) for row in connection.execute(select(users).order_by(users.c.username))]

    def set_password(self, user_id: str, password_hash: str) -> None:
        self._change(user_id, password_hash=password_hash)

    def set_disabled(self, user_id: str, disabled: bool) -> None:
        self._change(user_id, disabled=disabled)

    def set_totp(self, user_id: str, secret: str | None) -> None:
        """A new secret starts without used steps."""
        sealed = None if secret is None else self._sealer.seal_text(secret, users, user_id, "totp_secret")
        self._change(user_id, totp_secret=sealed, totp_last_step=0)

    def _change(self, user_id: str, **values: object) -> None:
        with self._writing() as db:
            if db.execute(update(users).where(users.c.id == user_id).values(**values)).rowcount != 1:
                raise NotFound("no such user")

    def use_totp_step(self, user_id: str, step: int) -> bool:
        later = update(users).where(users.c.id == user_id, users.c.totp_last_step < step)
        with self._writing() as db:
            return db.execute(later.values(totp_last_step=step)).rowcount == 1

    # ---------------------------------------------------------------- failed logins

    def note_failure(self, key: str, *, at: datetime) -> None:
        """Failures older than a week are forgotten on the way."""
        with self._writing() as db:
            db.execute(insert(login_failures), {"id": new_row_id(at), "key": key, "at": at})
            db.execute(delete(login_failures).where(login_failures.c.at < at - _FORGET_FAILURES))

    def failures(self, key: str, *, since: datetime) -> int:
        counted = select(func.count()).select_from(login_failures)
        row = self._first(counted.where(login_failures.c.key == key, login_failures.c.at >= since))
        return 0 if row is None else int(row[0])

    def clear_failures(self, key: str) -> None:
        with self._writing() as db:
            db.execute(delete(login_failures).where(login_failures.c.key == key))

    # ---------------------------------------------------------------- sessions

    def _session_key(self, session_id: str) -> str:
        """The database never holds what a browser sends: a stolen copy opens no session."""
        return self._sealer.keyring.lookup("session:" + session_id)

    def load_session(self, session_id: str, *, now: datetime) -> bytes | None:
        key = self._session_key(session_id)
        row = self._first(select(sessions.c.data).where(sessions.c.session_key == key, sessions.c.expires_at > now))
        return None if row is None else self._sealer.open_bytes(row.data, sessions, key, "data")

    def save_session(self, session_id: str, data: bytes, *, expires_at: datetime, user_id: str | None) -> None:
        """Writes or replaces; sessions that ended a week before this one will are removed on the way."""
        key = self._session_key(session_id)
        values = {
            "data": self._sealer.seal_bytes(data, sessions, key, "data"),
            "expires_at": expires_at,
            "user_id": user_id,
        }
        with self._writing() as db:
            if db.execute(update(sessions).where(sessions.c.session_key == key).values(**values)).rowcount == 0:
                db.execute(insert(sessions), {"session_key": key, **values})
                db.execute(delete(sessions).where(sessions.c.expires_at < expires_at - timedelta(days=7)))

    def delete_session(self, session_id: str) -> None:
        with self._writing() as db:
            db.execute(delete(sessions).where(sessions.c.session_key == self._session_key(session_id)))

    def delete_sessions_of(self, user_id: str) -> None:
        with self._writing() as db:
            db.execute(delete(sessions).where(sessions.c.user_id == user_id))
