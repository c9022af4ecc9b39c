"""Login with OAuth2: on Dovecot with a token server of our own, and what a token server can do wrong."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.integration.conftest import NO_OAUTH
from tests.integration.desks import attach, question
from tests.integration.harness import START, US, Harness
from tests.servers.dovecot import DovecotServer
from tests.servers.scripted import LISTEN, CuttingProxy, ScriptedImap
from tests.servers.token_endpoint import TokenEndpoint
from triage.adapters.imap import ImapMailbox
from triage.adapters.oauth import OAuthTokens, identity_of
from triage.bootstrap import open_product_store, token_store
from triage.commands.checking import check
from triage.commands.signing_in import sign_in
from triage.errors import ConfigError, MailboxUnavailable, SignInNeeded, TokenUnavailable
from triage.ports import KeptTokens
from triage.services.watch import DeadlineWatch
from triage.settings import MailboxSettings, OAuthSettings, load_settings


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as server:
        yield server


@pytest.fixture(scope="module")
def introspection() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as server:
        yield server


@pytest.fixture(scope="module")
def oauth_dovecot(introspection: TokenEndpoint) -> Iterator[DovecotServer]:
    """Knows the tokens that `introspection` gave."""
    with DovecotServer(introspection_url=f"http://127.0.0.1:{introspection.port}/introspect") as server:
        yield server


def oauth(endpoint: TokenEndpoint, **changes: Any) -> OAuthSettings:
    values = NO_OAUTH | {
        "grant": "refresh_token", "token_url": endpoint.url, "client_id": "app", "client_secret": "app-geheim",
        "refresh_token": "eerste", "scopes": ("imap", "offline_access"),
    }  # fmt: skip
    return OAuthSettings(**values | changes)


class Login:
    """Tokens for one account, with the harness's store and clock and a monotonic clock that a test moves."""

    def __init__(self, desk: Harness, endpoint: TokenEndpoint, **changes: Any) -> None:
        self.desk, self.settings, self.moment = desk, oauth(endpoint, **changes), 0.0
        self.restart()

    def restart(self) -> None:
        store = self.desk.store.tokens(identity_of(self.settings, "loket"))
        self.store = store
        self.tokens = OAuthTokens(self.settings, store, clock=self.desk.clock, monotonic=lambda: self.moment)

    def mailbox(self, make: Callable[..., MailboxSettings], **changes: Any) -> ImapMailbox:
        settings = make(oauth=self.settings.model_dump(), password="", **changes)
        return ImapMailbox(settings, tokens=self.tokens, monotonic=lambda: self.moment)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path)
    yield harness
    harness.store.close()


@pytest.fixture
def login(desk: Harness, endpoint: TokenEndpoint) -> Login:
    return Login(desk, endpoint)


# ---------------------------------------------------------------- the mailbox


@pytest.mark.dovecot
class TestOnDovecot:
    @pytest.mark.protocol("O01")
    def test_a_token_that_expires_in_a_session_costs_no_mail_and_doubles_none(
        self,
        desk: Harness,
        introspection: TokenEndpoint,
        oauth_dovecot: DovecotServer,
        mailbox_settings: Callable[..., MailboxSettings],
    ) -> None:
        account, _ = oauth_dovecot.account()
        introspection.user, introspection.refresh_tokens = account, {"eerste"}
        introspection.asked.clear()
        login = Login(desk, introspection)
        with CuttingProxy(oauth_dovecot.port) as proxy:
            attach(desk, login.mailbox(mailbox_settings, port=proxy.port, username=account))
            question(oauth_dovecot, account, 1)
            assert desk.poll().outcomes["case"] == 1
            introspection.expire_access_tokens()  # the mail server ends the session with it, as Microsoft 365 does
            login.moment += 3000
            proxy.cut()
            question(oauth_dovecot, account, 2)
            with pytest.raises(MailboxUnavailable, match="connection lost"):
                desk.poll()
            assert desk.poll().outcomes["case"] == 1
            desk.mailbox.close()
        desk.relay_once()
        assert [form["refresh_token"] for form in introspection.asked] == ["eerste", "volgende-1"]
        assert desk.summary() | {"drafts": 2} == {
            "received": 2, "cases": 2, "follow_ups": 0, "attached": 0, "ignored": 0, "quarantined": 0, "gone": 0,
            "unaccounted": 0, "urgent": desk.summary()["urgent"], "acknowledged": 2, "withheld": 0, "pending": 0,
            "drafts": 2,
        }  # fmt: skip

    def test_client_credentials(
        self,
        desk: Harness,
        introspection: TokenEndpoint,
        oauth_dovecot: DovecotServer,
        mailbox_settings: Callable[..., MailboxSettings],
    ) -> None:
        introspection.user, _ = oauth_dovecot.account()
        introspection.asked.clear()
        login = Login(desk, introspection, grant="client_credentials", refresh_token="", scopes=("alles",))
        mailbox = login.mailbox(mailbox_settings, port=oauth_dovecot.port, username=introspection.user)
        assert mailbox.status().messages == 0
        mailbox.close()
        assert mailbox.status().messages == 0  # the token is still valid: nobody was asked for another
        mailbox.close()
        assert introspection.asked == [
            {"grant_type": "client_credentials", "client_id": "app", "client_secret": "app-geheim", "scope": "alles"}
        ]

    @pytest.mark.protocol("O02")
    def test_a_revoked_sign_in_is_told_once_and_polling_resumes_after_a_new_one(
        self,
        desk: Harness,
        introspection: TokenEndpoint,
        oauth_dovecot: DovecotServer,
        mailbox_settings: Callable[..., MailboxSettings],
    ) -> None:
        account, _ = oauth_dovecot.account()
        introspection.user = account
        introspection.revoke()
        introspection.asked.clear()
        desk.alert_to = ("toezicht@juisteloket.example",)
        desk.alerts._to = desk.alert_to
        login = Login(desk, introspection)
        watch = DeadlineWatch(
            store=desk.store, queries=desk.store.queries, alerts=desk.alerts, rules=desk.rules, clock=desk.clock,
            silent_after=timedelta(days=1), token_state=login.store.state,
        )  # fmt: skip
        attach(desk, login.mailbox(mailbox_settings, port=oauth_dovecot.port, username=account))
        question(oauth_dovecot, account, 1)
        for _ in range(4):
            with pytest.raises(MailboxUnavailable, match=r"run\.py sign-in") as told:
                desk.poll()
            assert "kpn" not in str(told.value)
            watch.watch_once()
            desk.later(minutes=1)
        assert len(introspection.asked) == 1  # it stopped trying
        desk.relay_once()
        assert [b"opnieuw aanmelden" in raw for _, raw in desk.sender.sent] == [True]

        introspection.refresh_tokens.add("nieuw")
        login.store.sign_in(first="eerste", refresh_token="nieuw", at=desk.clock())
        assert desk.poll().outcomes["case"] == 1  # the same process goes on
        watch.watch_once()
        desk.relay_once()
        assert len(desk.sender.sent) == 2 and desk.summary()["unaccounted"] == 0
        desk.mailbox.close()


class TestScripted:
    SELECT: ClassVar[list[str]] = ["* 1 EXISTS", "* FLAGS ()", "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 12] ok"]
    CHALLENGE = "+ eyJzdGF0dXMiOiI0MDEifQ=="  # {"status":"401"}

    @pytest.mark.protocol("O03", "O04")
    def test_a_challenge_gets_an_empty_response_and_a_fresh_token_is_not_asked_for_again(
        self, login: Login, endpoint: TokenEndpoint, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        answers = {
            "CAPABILITY": ["* CAPABILITY IMAP4rev1 AUTH=XOAUTH2"],
            "AUTHENTICATE": ["+ ", LISTEN, self.CHALLENGE, LISTEN, "NO [AUTHENTICATIONFAILED] of ria@kpn.example"],
        }
        with ScriptedImap(answers) as server:
            mailbox = login.mailbox(mailbox_settings, port=server.port, username="loket")
            with pytest.raises(MailboxUnavailable, match=r"refused the OAuth2 token") as told:
                mailbox.status()
            assert "[AUTHENTICATIONFAILED]" in str(told.value)
            assert "kpn" not in str(told.value) and "toegang" not in str(told.value)
            assert server.heard[-3:] == [
                "AUTHENTICATE XOAUTH2",
                "dXNlcj1sb2tldAFhdXRoPUJlYXJlciB0b2VnYW5nLTEBAQ==",  # user=loket^Aauth=Bearer toegang-1^A^A
                "",
            ]
            for _ in range(5):
                with pytest.raises(MailboxUnavailable, match="next try in"):
                    mailbox.status()
            assert server.connections == 1 and len(endpoint.asked) == 1

    @pytest.mark.protocol("O01")
    def test_an_old_token_is_renewed_once(
        self, login: Login, endpoint: TokenEndpoint, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        login.tokens.access_token()
        login.restart()  # another process: the token is from the store, nobody knows its age at the server
        refused = ["+ ", LISTEN, self.CHALLENGE, LISTEN, "NO [AUTHENTICATIONFAILED] expired"]
        answers: dict[str, Any] = {
            "CAPABILITY": ["* CAPABILITY IMAP4rev1 AUTH=OAUTHBEARER"],
            "AUTHENTICATE": (refused, ["+ ", LISTEN]),
            "SELECT": self.SELECT,
        }
        with ScriptedImap(answers) as server:
            mailbox = login.mailbox(mailbox_settings, port=server.port, username="loket")
            assert mailbox.status().messages == 1
            # n,a=loket,^Aauth=Bearer toegang-2^A^A (RFC 7628 §3.1)
            assert "bixhPWxva2V0LAFhdXRoPUJlYXJlciB0b2VnYW5nLTIBAQ==" in server.heard
        assert len(endpoint.asked) == 2

    def test_a_server_without_oauth_is_named(
        self, login: Login, endpoint: TokenEndpoint, mailbox_settings: Callable[..., MailboxSettings]
    ) -> None:
        with ScriptedImap({}) as server, pytest.raises(MailboxUnavailable, match="offers no login with an OAuth2"):
            login.mailbox(mailbox_settings, port=server.port).status()
        assert not endpoint.asked


# ---------------------------------------------------------------- the token server


class TestTokens:
    def test_a_token_is_kept_until_shortly_before_it_expires(self, login: Login, endpoint: TokenEndpoint) -> None:
        assert login.tokens.access_token() == "toegang-1"
        login.desk.later(minutes=54)
        assert login.tokens.access_token() == "toegang-1"
        login.restart()
        assert login.tokens.access_token() == "toegang-1"
        login.desk.later(minutes=2)
        assert login.tokens.access_token() == "toegang-2"
        assert endpoint.asked[0]["scope"] == "imap offline_access"

    @pytest.mark.protocol("O02")
    def test_a_rotated_refresh_token_survives_a_restart_for_years(self, login: Login, endpoint: TokenEndpoint) -> None:
        for _ in range(5):
            login.tokens.access_token()
            login.desk.later(days=89)
            login.restart()
        assert [form["refresh_token"] for form in endpoint.asked] == ["eerste", *(f"volgende-{n}" for n in range(1, 5))]
        state = login.store.state()
        assert state.signed_in_at == START and state.refreshed_at == START + timedelta(days=4 * 89)
        assert b"volgende-5" not in (login.desk.folder / "triage.sqlite3").read_bytes()

    def test_another_node_that_renewed_first_is_followed(self, login: Login, endpoint: TokenEndpoint) -> None:
        login.tokens.access_token()
        login.desk.later(hours=2)
        endpoint.revoke()  # the other node used volgende-1: it is worth nothing now
        kept = login.store.load

        def other_node_was_first(*, first: str) -> KeptTokens:
            before = kept(first=first)
            now = login.desk.clock()
            login.store.save(
                first=first, refresh_token="ander", access_token="ook", at=now, expires_at=now + timedelta(hours=1)
            )
            login.store.load = kept  # type: ignore[method-assign]
            return before

        login.store.load = other_node_was_first  # type: ignore[method-assign]
        assert login.tokens.access_token() == "ook"
        assert login.store.state().refused_at is None

    @pytest.mark.parametrize(
        ("status", "body", "said"),
        [
            (503, {}, "answered with status 503"),
            (200, b"<html>Welkom", "not as a token server"),
            (200, {"token_type": "Bearer"}, "gave no access token"),
            (200, {"access_token": 7}, "gave no access token"),
            (302, {}, "answered with status 302"),
            (400, {"error": "ria@kpn.example wil niet"}, "answered with status 400"),
            (400, b"[" * 200_000, "answered with status 400"),
            (401, {"error": "invalid_client", "error_description": "AADSTS7000222: x@y.example"}, "AADSTS7000222"),
        ],
    )
    def test_a_failing_token_server_is_tried_again_later(
        self, login: Login, endpoint: TokenEndpoint, status: int, body: object, said: str
    ) -> None:
        for _ in range(4):
            endpoint.plan(status, body, headers={"Location": "http://127.0.0.1:9/elders"})
        for _ in range(6):
            with pytest.raises(TokenUnavailable) as told:
                login.tokens.access_token()
            assert not isinstance(told.value, SignInNeeded)
            assert said in str(told.value) and "@" not in str(told.value)
        assert len(endpoint.asked) <= 2  # the pause grows
        endpoint.planned.clear()
        login.moment += 3600
        assert login.tokens.access_token() == "toegang-1"

    def test_retry_after_is_obeyed(self, login: Login, endpoint: TokenEndpoint) -> None:
        endpoint.plan(429, {"error": "temporarily_unavailable"}, headers={"Retry-After": "120"})
        for moment in (0.0, 60.0, 119.0):
            login.moment = moment
            with pytest.raises(TokenUnavailable):
                login.tokens.access_token()
        assert len(endpoint.asked) == 1
        login.moment = 121.0
        assert login.tokens.access_token() == "toegang-1"

    def test_nobody_there(self, login: Login, endpoint: TokenEndpoint) -> None:
        login.settings = oauth(endpoint, token_url="http://127.0.0.1:9/token")
        login.restart()
        with pytest.raises(TokenUnavailable, match=r"cannot be reached .*mailbox\.oauth\.token_url"):
            login.tokens.access_token()

    def test_no_refresh_token_yet(self, login: Login, endpoint: TokenEndpoint) -> None:
        login.settings = oauth(endpoint, refresh_token="")
        login.restart()
        with pytest.raises(SignInNeeded, match=r"run\.py sign-in"):
            login.tokens.access_token()

    def test_certificates_are_checked(self, desk: Harness, certificate: tuple[Path, Path]) -> None:
        with TokenEndpoint(certificate=certificate) as secure:
            with pytest.raises(TokenUnavailable, match=r"certificate that is not trusted.*mailbox\.oauth\.ca_file"):
                Login(desk, secure).tokens.access_token()
            assert not secure.asked
            assert Login(desk, secure, ca_file=str(certificate[0])).tokens.access_token() == "toegang-1"


# ---------------------------------------------------------------- commands


@pytest.fixture
def configured(tmp_path: Path, endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def configure(**more: str) -> None:
        values = {
            "CONFIG_DIR": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), "MAILBOX__HOST": "127.0.0.1",
            "MAILBOX__SECURITY": "none", "MAILBOX__USERNAME": "loket", "MAILBOX__OAUTH__GRANT": "refresh_token",
            "MAILBOX__OAUTH__TOKEN_URL": endpoint.url, "MAILBOX__OAUTH__CLIENT_ID": "app",
            "MAILBOX__OAUTH__SCOPES": '["imap"]', "SMTP__FROM": US, **more,
        }  # fmt: skip
        for name, value in values.items():
            monkeypatch.setenv(f"TRIAGE_{name}", value)

    return configure


def kept_token() -> str:
    settings = load_settings()
    store, _ = open_product_store(settings)
    try:
        return token_store(settings, store).load(first="").refresh_token
    finally:
        store.close()


class TestSignIn:
    def test_from_stdin(self, configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
        configured()
        monkeypatch.setattr(sys, "stdin", io.StringIO("van-de-beheerder\n"))
        assert sign_in(token_stdin=True) == 0
        assert kept_token() == "van-de-beheerder"

    def test_nothing_on_stdin_and_another_grant_are_refused(
        self, configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configured()
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        with pytest.raises(ConfigError, match="nothing was changed"):
            sign_in(token_stdin=True)
        configured(MAILBOX__OAUTH__GRANT="")
        with pytest.raises(ConfigError, match=r"mailbox\.oauth\.grant"):
            sign_in(token_stdin=True)

    def test_by_a_code_in_a_browser(
        self, configured: Callable[..., None], endpoint: TokenEndpoint, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configured()
        endpoint.signed_in_after = 3
        waits: list[float] = []
        assert sign_in(token_stdin=False, sleep=waits.append) == 0
        shown = capsys.readouterr().err
        assert "https://login.example/device" in shown and "ABCD-EFGH" in shown and "volgende" not in shown
        assert len(waits) == 4 and kept_token() == "volgende-1"

    @pytest.mark.dovecot
    def test_check_shows_the_age_of_the_token(
        self,
        configured: Callable[..., None],
        introspection: TokenEndpoint,
        oauth_dovecot: DovecotServer,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        introspection.user, _ = oauth_dovecot.account()
        introspection.refresh_tokens = {"eerste"}
        configured(
            MAILBOX__PORT=str(oauth_dovecot.port), MAILBOX__USERNAME=introspection.user,
            MAILBOX__OAUTH__TOKEN_URL=introspection.url, MAILBOX__OAUTH__REFRESH_TOKEN="eerste",
        )  # fmt: skip
        check()
        shown = capsys.readouterr().out
        assert "signed in: " in shown and "(0 days ago)" in shown
        assert "mailbox.oauth.refresh_token" in shown and "eerste" not in shown
