"""Settings: layers, mistyped keys named, secrets never shown, and everything documented."""

from __future__ import annotations

import pickle
import tomllib
from datetime import date
from pathlib import Path

import pytest

from triage.bootstrap import confirmed_zorgkantoren
from triage.errors import ConfigError
from triage.services.draft_text import Zorgkantoor
from triage.settings import ROOT, Settings, default_values, load_settings


@pytest.fixture(autouse=True)
def _own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIAGE_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_the_defaults_are_safe() -> None:
    settings = load_settings()
    assert settings.acknowledgements.mode == "shadow"
    assert settings.mailbox.security == "tls"
    assert settings.web.host == "127.0.0.1"
    assert settings.database_url == f"sqlite:///{ROOT / 'data' / 'triage.sqlite3'}"


def test_the_environment_beats_local_toml_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "local.toml").write_text('[mailbox]\nhost = "local.example"\nport = 143\n')
    monkeypatch.setenv("TRIAGE_MAILBOX__HOST", "environment.example")
    mailbox = load_settings().mailbox
    assert (mailbox.host, mailbox.port, mailbox.folder) == ("environment.example", 143, "INBOX")


def test_every_variable_of_the_product_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "TRIAGE_MAILBOX__HOST": "h", "TRIAGE_MAILBOX__PORT": "143", "TRIAGE_MAILBOX__USERNAME": "u",
        "TRIAGE_MAILBOX__PASSWORD": "p", "TRIAGE_MAILBOX__SECURITY": "none",
        "TRIAGE_MAILBOX__ADDRESSES": '["a@b.example"]',
        "TRIAGE_MAILBOX__FOLDER": "INBOX", "TRIAGE_MAILBOX__POLL_SECONDS": "5", "TRIAGE_MAILBOX__AUTHSERV_ID": "mx",
        "TRIAGE_SMTP__HOST": "h", "TRIAGE_SMTP__PORT": "25", "TRIAGE_SMTP__USERNAME": "u", "TRIAGE_SMTP__PASSWORD": "p",
        "TRIAGE_SMTP__SECURITY": "none", "TRIAGE_SMTP__FROM": "a@b.example", "TRIAGE_DATABASE__URL": "sqlite:///x",
        "TRIAGE_WEB__HOST": "127.0.0.1", "TRIAGE_WEB__PORT": "8081", "TRIAGE_ACKNOWLEDGEMENTS__MODE": "live",
        "TRIAGE_ACKNOWLEDGEMENTS__SINCE": "2026-12-01T09:00:00+01:00",
        "TRIAGE_ACKNOWLEDGEMENTS__PER_ADDRESS_PER_DAY": "3",
        "TRIAGE_ACKNOWLEDGEMENTS__PER_HOUR": "9", "TRIAGE_APPROVAL__UNDO_SECONDS": "0", "TRIAGE_SEAL__KEY": "k",
        "TRIAGE_DATA_DIR": "/tmp/x",
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.smtp.from_ == "a@b.example"
    assert settings.mailbox.addresses == ("a@b.example",)
    assert settings.acknowledgements.since is not None
    assert settings.acknowledgements.since.utcoffset() is not None


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TRIAGE_MAILBX__HOST", "x", "TRIAGE_MAILBOX__HOST"),
        ("TRIAGE_MAILBOX__HOSTT", "x", "TRIAGE_MAILBOX__HOST"),
        ("TRIAGE_NONSENSE", "x", "unknown environment variable TRIAGE_NONSENSE"),
        ("TRIAGE_MAILBOX__PORT", "abc", "mailbox.port"),
        ("TRIAGE_MAILBOX__SECURITY", "ssl", "mailbox.security"),
        ("TRIAGE_MAILBOX__ADDRESSES", "not json", "TRIAGE_MAILBOX__ADDRESSES"),
        ("TRIAGE_ACKNOWLEDGEMENTS__SINCE", "2026-12-01T09:00:00", "UTC offset"),
        ("TRIAGE_MAIL__DAY_ENDS", "half past five", "mail.day_ends"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mailbox]\nhosst = 'x'\n", "mailbox.hosst"),
        ("[mailbx]\nhost = 'x'\n", "mailbx"),
        ("[mailbox\n", "local.toml is not valid TOML"),
        ("[telephone]\nhours = ['ten to five']\n", "telephone.hours"),
    ],
)
def test_a_wrong_key_in_local_toml_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("section", "key", "listed"),
    [("alerts", "to", True), ("mailbox", "addresses", True), ("smtp", "from", False), ("smtp", "reverse_path", False)],
)
@pytest.mark.parametrize(
    "address",
    [
        "Toezicht <toezicht@loket.example>",
        "<toezicht@loket.example>",
        "toezicht@loket.example, balie@loket.example",
        "toezicht",
        "toezicht@",
        "@loket.example",
        "toezicht@loket..example",
        "tóézicht@loket.example",
        "toezicht@loket.example\\nBcc: x@y.example",
    ],
)
def test_an_address_that_no_mail_can_bear_is_refused_at_the_start(
    section: str, key: str, listed: bool, address: str, tmp_path: Path
) -> None:
    value = f'["{address}"]' if listed else f'"{address}"'
    (tmp_path / "local.toml").write_text(f"[{section}]\n{key} = {value}\n")
    with pytest.raises(ConfigError) as error:
        load_settings()
    said = str(error.value)
    assert f"setting {section}.{key}: give one bare address such as meldpunt@example.nl" in said
    assert "loket" not in said


def test_bare_addresses_are_taken_and_a_foreign_domain_is_written_for_the_envelope(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text(
        "[alerts]\nto = ['toezicht+triage@loket.example', ' balie@loket.example ']\n"
        "[smtp]\nfrom = 'meldpunt@zórg.example'\nreverse_path = ''\n[mailbox]\naddresses = []\n"
    )
    settings = load_settings()
    assert settings.alerts.to == ("toezicht+triage@loket.example", "balie@loket.example")
    assert settings.smtp.from_ == "meldpunt@xn--zrg-gna.example"
    assert (settings.smtp.reverse_path, settings.mailbox.addresses) == ("", ())


def test_one_address_where_a_list_is_meant_is_refused(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text("[alerts]\nto = 'toezicht@loket.example'\n")
    with pytest.raises(ConfigError, match=r"alerts\.to: give a list of bare addresses"):
        load_settings()


@pytest.mark.parametrize("section", ["alerts", "telephone"])
@pytest.mark.parametrize(
    "block", ["29:00-30:00", "17:00-08:00", "24:00-24:30", "10:00-10:00", "10:60-11:00", "9:00-10:00", "10:00"]
)
def test_hours_that_no_clock_knows_are_refused(section: str, block: str, tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text(f"[{section}]\nhours = ['08:30-12:00', '{block}']\n")
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert f'setting {section}.hours: give blocks such as "10:00-12:00"' in str(error.value)


def test_alerts_without_hours_are_refused(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text("[alerts]\nhours = []\n")
    with pytest.raises(ConfigError, match=r'alerts\.hours: give at least one block, such as "08:30-17:00"'):
        load_settings()


def test_forced_values_win_from_every_source_and_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "mailbox__password").write_text("geheim-1")
    (tmp_path / "local.toml").write_text("[mailbox]\nfolder = 'Echt'\n[web]\nport = 8099\n")
    monkeypatch.setenv("TRIAGE_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("TRIAGE_MAILBOX__HOST", "echt.example")
    monkeypatch.setenv("TRIAGE_DATABASE__URL", "postgresql+psycopg://echt.example/x")
    monkeypatch.setenv("TRIAGE_LOG__LEVEL", "error")
    forced = {
        "mailbox": {**default_values()["mailbox"], "host": "127.0.0.1", "password": "eigen"},
        "database": {"url": ""},
        "data_dir": str(tmp_path),
    }
    settings = load_settings({"log": {"level": "warning"}}, forced=forced)
    mailbox = settings.mailbox
    assert (mailbox.host, mailbox.folder, mailbox.password.get_secret_value()) == ("127.0.0.1", "INBOX", "eigen")
    assert settings.database_url == f"sqlite:///{tmp_path / 'triage.sqlite3'}"
    assert (settings.web.port, settings.log.level) == (8099, "error")
    assert type(settings) is Settings
    # it travels to the child that reads hostile mail
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes
    with pytest.raises(ConfigError, match=r"mailbox\.port"):
        load_settings(forced={"mailbox": {"port": 70_000}})
    monkeypatch.setenv("TRIAGE_MAILBX__HOST", "x")
    with pytest.raises(ConfigError, match="TRIAGE_MAILBX__HOST"):
        load_settings(forced=forced)


def test_secrets_come_from_a_folder_and_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "mailbox__password").write_text("geheim-1")
    monkeypatch.setenv("TRIAGE_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("TRIAGE_SMTP__PASSWORD", "geheim-2")
    settings = load_settings()
    assert settings.mailbox.password.get_secret_value() == "geheim-1"
    shown = repr(settings.shown()) + repr(settings)
    assert "geheim" not in shown


def test_a_password_in_a_wrong_place_is_not_echoed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_MAILBOX__PORT", "geheim-3")
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert "geheim" not in str(error.value)


def test_every_setting_of_the_code_stands_in_default_toml() -> None:
    documented = tomllib.loads((ROOT / "config" / "default.toml").read_text())
    in_file = {f"{k}.{n}" for k, v in documented.items() if isinstance(v, dict) for n in v} | {
        k for k, v in documented.items() if not isinstance(v, dict)
    }
    in_file = in_file - {"mailbox.oauth"} | {f"mailbox.oauth.{key}" for key in documented["mailbox"]["oauth"]}
    assert {key for key, _ in load_settings().shown()} == in_file


@pytest.mark.parametrize(
    ("local", "said"),
    [
        ('grant = "refresh_token"', "mailbox.oauth.client_id"),
        ('grant = "client_credentials"\nclient_id = "app"\ntenant = "gemeente.example"', "client_secret"),
        ('grant = "refresh_token"\nclient_id = "app"', "mailbox.oauth.tenant"),
        (
            'grant = "refresh_token"\nclient_id = "app"\ntoken_url = "http://token.example/x"\nscopes = ["a"]',
            "https://",
        ),
        ('grant = "refresh_token"\nclient_id = "app"\ntenant = "a/../b"', "directory's id"),
        ('tenat = "x"', "mailbox.oauth.tenat"),
    ],
)
def test_an_incomplete_oauth_section_is_named(tmp_path: Path, local: str, said: str) -> None:
    (tmp_path / "local.toml").write_text(f"[mailbox.oauth]\n{local}\n")
    with pytest.raises(ConfigError, match=said):
        load_settings()


def test_smtp_with_oauth_needs_the_tokens_of_the_mailbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_SMTP__OAUTH", "true")
    with pytest.raises(ConfigError, match=r"set mailbox\.oauth\.grant"):
        load_settings()


def test_oauth_from_the_environment_for_microsoft_365(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {
        "GRANT": "client_credentials",
        "TENANT": "gemeente.example",
        "CLIENT_ID": "app",
        "CLIENT_SECRET": "geheim-7",
    }.items():
        monkeypatch.setenv(f"TRIAGE_MAILBOX__OAUTH__{key}", value)
    settings = load_settings()
    oauth = settings.mailbox.oauth
    assert oauth.endpoint == "https://login.microsoftonline.com/gemeente.example/oauth2/v2.0/token"
    assert oauth.wanted_scopes == ("https://outlook.office365.com/.default",)
    shown = dict(settings.shown())
    assert shown["mailbox.oauth.client_secret"] == "(set)" and "geheim-7" not in str(shown)
    monkeypatch.setenv("TRIAGE_MAILBOX__OAUTH__CLIENTID", "x")
    with pytest.raises(ConfigError, match="did you mean TRIAGE_MAILBOX__OAUTH__CLIENT_ID"):
        load_settings()


ZORGKANTOOR = 'name = "Zorgkantoor Oost", telephone = "0800 000 00 00"'


def test_a_confirmed_zorgkantoor_reaches_the_letters(tmp_path: Path) -> None:
    assert dict(load_settings().zorgkantoren) == {}
    (tmp_path / "local.toml").write_text(f"[zorgkantoren]\nZK02 = {{ {ZORGKANTOOR}, confirmed_on = 2026-11-23 }}\n")
    settings = load_settings()
    assert settings.zorgkantoren["ZK02"].confirmed_on == date(2026, 11, 23)
    assert confirmed_zorgkantoren(settings) == {"ZK02": Zorgkantoor("Zorgkantoor Oost", "0800 000 00 00")}
    assert "Zorgkantoor Oost" in dict(settings.shown())["zorgkantoren.ZK02"]


@pytest.mark.parametrize(
    ("local", "said"),
    [
        (f"ZK02 = {{ {ZORGKANTOOR} }}", r"zorgkantoren\.ZK02\.confirmed_on"),
        (f'ZK02 = {{ {ZORGKANTOOR}, confirmed_on = "gisteren" }}', r"zorgkantoren\.ZK02\.confirmed_on"),
        (f"ZK02 = {{ {ZORGKANTOOR}, confirmed_on = 2026-11-23, fax = 1 }}", r"unknown setting zorgkantoren\.ZK02\.fax"),
        ('ZK02 = { name = "", telephone = "1", confirmed_on = 2026-11-23 }', r"zorgkantoren\.ZK02\.name"),
    ],
)
def test_an_incomplete_zorgkantoor_is_named(tmp_path: Path, local: str, said: str) -> None:
    (tmp_path / "local.toml").write_text(f"[zorgkantoren]\n{local}\n")
    with pytest.raises(ConfigError, match=said):
        load_settings()


def test_an_unknown_region_is_refused_with_the_codes(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text(f"[zorgkantoren]\nZK99 = {{ {ZORGKANTOOR}, confirmed_on = 2026-11-23 }}\n")
    with pytest.raises(ConfigError, match=r"zorgkantoren\.ZK99: no region has this code; known are ZK01, ZK02, .*ZK31"):
        confirmed_zorgkantoren(load_settings())


@pytest.mark.parametrize("days", [0, 4000])
def test_days_of_checking_have_bounds(tmp_path: Path, days: int) -> None:
    (tmp_path / "local.toml").write_text(f"[knowledge]\ncheck_days = {days}\n")
    with pytest.raises(ConfigError, match=r"knowledge\.check_days"):
        load_settings()
