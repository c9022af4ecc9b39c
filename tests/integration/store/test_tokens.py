"""OAuth2 tokens and server notices at rest, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import text

from tests.integration.store.conftest import NOW
from triage.adapters.store import SqlStore
from triage.ports import KeptTokens, TokenState

LATER = NOW + timedelta(hours=1)


def test_what_was_saved_comes_back_in_another_process_and_is_sealed(
    store: SqlStore, open_another: Callable[[], SqlStore]
) -> None:
    tokens = store.tokens("microsoft|app")
    assert tokens.load(first="r0") == KeptTokens(refresh_token="r0") and tokens.state() == TokenState()
    tokens.save(first="r0", refresh_token="r1-geheim", access_token="a1-geheim", at=NOW, expires_at=LATER)
    again = open_another().tokens("microsoft|app")
    assert again.load(first="r0") == KeptTokens("r1-geheim", "a1-geheim", NOW, LATER, None)
    with store.engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM oauth_tokens"))
    assert b"geheim" not in b"".join(bytes(value) for value in row if isinstance(value, (bytes, memoryview)))
    assert "microsoft" not in str(row) and "r0" not in [str(value) for value in row]


def test_another_refresh_token_in_the_settings_replaces_the_kept_one(store: SqlStore) -> None:
    tokens = store.tokens("x")
    tokens.save(first="r0", refresh_token="r1", access_token="a1", at=NOW, expires_at=LATER)
    assert tokens.load(first="r9") == KeptTokens(refresh_token="r9")
    assert tokens.load(first="").refresh_token == "r1"  # taken out of the settings: what was kept stays
    tokens.save(first="r9", refresh_token="r10", access_token="a10", at=LATER, expires_at=LATER)
    assert tokens.load(first="r9").refresh_token == "r10"
    assert tokens.state().signed_in_at == LATER  # a new sign-in, so its age begins anew
    assert store.tokens("y").load(first="r0") == KeptTokens(refresh_token="r0")


def test_a_refusal_stays_until_somebody_signs_in(store: SqlStore) -> None:
    tokens = store.tokens("x")
    tokens.save(first="r0", refresh_token="r1", access_token="a1", at=NOW, expires_at=LATER)
    tokens.refuse(first="r0", refresh_token="r1", code="invalid_grant", at=LATER)
    kept = tokens.load(first="r0")
    assert (kept.refused_at, kept.access_token) == (LATER, "")
    assert tokens.state() == TokenState(NOW, NOW, LATER, "invalid_grant")
    tokens.sign_in(first="r0", refresh_token="r2", at=LATER)
    kept = tokens.load(first="r0")
    assert (kept.refresh_token, kept.refused_at) == ("r2", None)
    assert tokens.state() == TokenState(LATER, NOW, None, "")


def test_the_last_notice_of_a_server_is_kept(store: SqlStore) -> None:
    assert store.notices.last("mailbox") is None
    store.notices.note("mailbox", "Mailbox is almost full", at=NOW)
    store.notices.note("mailbox", "x" * 1000, at=LATER)
    assert store.notices.last("mailbox") == ("x" * 300, LATER)
    assert store.notices.last("smtp") is None
