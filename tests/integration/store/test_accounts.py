"""Accounts, used-up second factors, failed logins, sessions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.store.conftest import NOW
from triage.adapters.store import SqlStore
from triage.errors import ConflictError, NotFound
from triage.ports import User


def add(store: SqlStore, name: str = "Jan") -> User:
    return store.accounts.add(username=name, display_name="Jan Jansen", role="medewerker", password_hash="hash", at=NOW)


def test_an_account_is_found_by_name_without_case(store: SqlStore) -> None:
    user = add(store)
    assert user == User(user.id, "jan", "Jan Jansen", "medewerker")
    found = store.accounts.by_username(" JAN ")
    assert found is not None
    assert (found.user, found.password_hash, found.totp_secret, found.totp_last_step) == (user, "hash", None, 0)
    assert store.accounts.by_id(user.id) == user
    assert store.accounts.by_username("piet") is None
    assert store.accounts.by_id("0" * 32) is None
    with pytest.raises(ConflictError):
        add(store, "JAN")
    other = add(store, "anna")
    assert store.accounts.all() == [other, user]


def test_changes_reach_the_right_account(store: SqlStore) -> None:
    user, other = add(store), add(store, "anna")
    store.accounts.set_password(user.id, "new")
    store.accounts.set_disabled(user.id, True)
    found = store.accounts.by_username("jan")
    assert found is not None
    assert (found.password_hash, found.user.disabled) == ("new", True)
    assert store.accounts.by_id(other.id) == other
    with pytest.raises(NotFound):
        store.accounts.set_password("0" * 32, "new")


def test_a_totp_step_is_used_once(store: SqlStore) -> None:
    user = add(store)
    store.accounts.set_totp(user.id, "JBSWY3DPEHPK3PXP")
    found = store.accounts.by_username("jan")
    assert found is not None
    assert found.totp_secret == "JBSWY3DPEHPK3PXP"
    assert store.accounts.use_totp_step(user.id, 100)
    assert not store.accounts.use_totp_step(user.id, 100)
    assert not store.accounts.use_totp_step(user.id, 99)
    assert store.accounts.use_totp_step(user.id, 101)
    store.accounts.set_totp(user.id, None)
    found = store.accounts.by_username("jan")
    assert found is not None
    assert (found.totp_secret, found.totp_last_step) == (None, 0)


def test_failures_are_counted_per_key_and_time(store: SqlStore) -> None:
    for minutes in (0, 10, 20):
        store.accounts.note_failure("a", at=NOW + timedelta(minutes=minutes))
    store.accounts.note_failure("b", at=NOW)
    assert store.accounts.failures("a", since=NOW + timedelta(minutes=5)) == 2
    store.accounts.clear_failures("a")
    assert store.accounts.failures("a", since=NOW) == 0
    assert store.accounts.failures("b", since=NOW) == 1
    store.accounts.note_failure("c", at=NOW + timedelta(days=8))
    assert store.accounts.failures("b", since=NOW) == 0


def test_sessions_end_and_can_be_revoked(store: SqlStore) -> None:
    user, other = add(store), add(store, "anna")
    accounts, soon = store.accounts, NOW + timedelta(hours=1)
    accounts.save_session("one", b"1", expires_at=soon, user_id=None)
    accounts.save_session("one", b"2", expires_at=soon, user_id=user.id)
    accounts.save_session("two", b"3", expires_at=soon, user_id=user.id)
    accounts.save_session("three", b"4", expires_at=soon, user_id=other.id)
    assert accounts.load_session("one", now=NOW) == b"2"
    assert accounts.load_session("one", now=soon) is None
    assert accounts.load_session("nooit", now=NOW) is None
    accounts.delete_session("two")
    assert accounts.load_session("two", now=NOW) is None
    accounts.delete_sessions_of(user.id)
    assert accounts.load_session("one", now=NOW) is None
    assert accounts.load_session("three", now=NOW) == b"4"
