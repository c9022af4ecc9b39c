"""`user add | disable | reset`."""

from __future__ import annotations

import getpass
import re
import sys

from triage.bootstrap import open_product_store, utc_now
from triage.commands.output import say
from triage.core.rights import Role
from triage.errors import ConfigError, ConflictError, NotFound
from triage.ports import Accounts, Credentials
from triage.settings import load_settings
from triage.web.auth import SHORTEST_PASSWORD, password_hash

ROLES = tuple(Role)


def _new_password(password_stdin: bool) -> str:
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise ConfigError("the two passwords differ; nothing was changed")
    if len(password) < SHORTEST_PASSWORD:
        raise ConfigError(f"the password is too short: take at least {SHORTEST_PASSWORD} characters")
    return password


def _known(accounts: Accounts, username: str) -> Credentials:
    found = accounts.by_username(username)
    if found is None:
        raise NotFound(f"there is no account {username}")
    return found


def add(username: str, *, role: str, name: str, password_stdin: bool) -> None:
    """Makes an account; raises ConflictError when the name is taken."""
    if role not in ROLES:
        raise ConfigError(f"unknown role {role}: take one of {', '.join(ROLES)}")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,39}", username):
        raise ConfigError("a username is 2 to 40 of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit")
    store, _ = open_product_store(load_settings())
    try:
        if store.accounts.by_username(username) is not None:
            raise ConflictError(f"account {username} exists: use `user reset` to give it a new password")
        password = _new_password(password_stdin)
        store.accounts.add(
            username=username,
            display_name=name or username,
            role=role,
            password_hash=password_hash(password),
            at=utc_now(),
        )
    finally:
        store.close()
    say(f"account {username} made ({role})")


def disable(username: str) -> None:
    store, _ = open_product_store(load_settings())
    try:
        found = _known(store.accounts, username)
        store.accounts.set_disabled(found.user.id, True)
        store.accounts.delete_sessions_of(found.user.id)
    finally:
        store.close()
    say(f"account {username} disabled")


def reset(username: str, *, password_stdin: bool) -> None:
    store, _ = open_product_store(load_settings())
    try:
        found = _known(store.accounts, username)
        store.accounts.set_password(found.user.id, password_hash(_new_password(password_stdin)))
        store.accounts.set_totp(found.user.id, None)
        store.accounts.set_disabled(found.user.id, False)
        store.accounts.delete_sessions_of(found.user.id)
    finally:
        store.close()
    say(f"account {username} reset")
