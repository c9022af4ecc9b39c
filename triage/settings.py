"""Typed settings: the only reader of config/ and of TRIAGE_* variables.

Highest first: environment, secrets folder, config/local.toml, config/default.toml. Unknown keys are refused by
name, at every depth and in every source, because a setting that is silently ignored is a promise not kept. A value
that would only fail later, in the middle of a mail, is refused here as well.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from email.errors import HeaderParseError
from email.headerregistry import Address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from triage.core.compose import header_address
from triage.core.gate import SecureChannel
from triage.core.secure_mail import PROVIDERS
from triage.core.sla import SlaRules
from triage.core.workdays import WorkCalendar
from triage.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
_PREFIX = "TRIAGE_"
_SETTINGS_DIR_VARIABLES = frozenset({"TRIAGE_CONFIG_DIR", "TRIAGE_SECRETS_DIR"})
_OUTSIDE = re.compile(r"^TRIAGE_TEST_")  # read by the test suite only

_BLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d")

_TENANT = re.compile(r"[A-Za-z0-9.-]+")
_SAFE_URL = re.compile(r"https://[^/\s]|http://(?:127\.0\.0\.1|localhost|\[::1\])[:/]")

Security = Literal["tls", "starttls", "none"]


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


def _hours(value: Any) -> Any:
    blocks = value if isinstance(value, (list, tuple)) else [value]
    for block in blocks:
        if not isinstance(block, str) or not _BLOCK.fullmatch(block):
            raise ValueError('give blocks such as "10:00-12:00", from 00:00 to 23:59')
        begins, _, ends = block.partition("-")
        if begins >= ends:
            raise ValueError(
                'give blocks such as "10:00-12:00", with the earlier time first; two blocks for a night: '
                '"22:00-23:59" and "00:00-06:00"'
            )
    return tuple(blocks)


def _address(value: Any) -> str:
    """One bare address as headers and envelopes hold it (domain as A-label). A name beside it would fail at the
    first mail."""
    try:
        written = header_address(value) if isinstance(value, str) else ""
        if written.isascii():  # our own addresses go to any server: one without SMTPUTF8 takes ASCII only
            str(Address(addr_spec=written))
    except (ValueError, HeaderParseError, IndexError):
        written = ""
    if not written or not written.isascii():
        raise ValueError(
            "give one bare address such as meldpunt@example.nl, without a name, < >, a comma or letters with accents "
            "before the @"
        )
    return written


def _addresses(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise ValueError('give a list of bare addresses, such as ["meldpunt@example.nl"]')
    return tuple(_address(item) for item in value)


def _address_or_none(value: Any) -> Any:
    return value if value == "" else _address(value)


Hours = Annotated[tuple[str, ...], BeforeValidator(_hours)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
OptionalAddress = Annotated[str, BeforeValidator(_address_or_none)]
Moment = Annotated[datetime | None, BeforeValidator(_empty_is_none)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Organisation(_Section):
    name: str
    website: str
    privacy_url: str
    post_address: str


class OAuthSettings(_Section):
    """OAuth2 login (RFC 6749, 7628); `grant` "" means: log in with the password."""

    grant: Literal["", "client_credentials", "refresh_token"]
    tenant: str
    token_url: str
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr
    scopes: tuple[str, ...]
    ca_file: str

    @model_validator(mode="after")
    def _complete(self) -> OAuthSettings:
        if not self.grant:
            return self
        if not self.client_id:
            raise ValueError("set mailbox.oauth.client_id, the application's id")
        if self.grant == "client_credentials" and not self.client_secret.get_secret_value():
            raise ValueError("the grant client_credentials needs mailbox.oauth.client_secret")
        if not self.tenant and not self.token_url:
            raise ValueError("set mailbox.oauth.tenant (Microsoft 365) or mailbox.oauth.token_url")
        if self.token_url and not self.tenant and not self.scopes:
            raise ValueError("with mailbox.oauth.token_url, set mailbox.oauth.scopes as the provider names them")
        if self.tenant and not _TENANT.fullmatch(self.tenant):
            raise ValueError("mailbox.oauth.tenant is the directory's id or its domain name")
        if not _SAFE_URL.match(self.endpoint):
            raise ValueError("mailbox.oauth.token_url must begin with https://")
        return self

    @property
    def endpoint(self) -> str:
        """Where tokens are asked for."""
        return self.token_url or f"https://login.microsoftonline.com/{self.tenant}/oauth2/v2.0/token"

    @property
    def wanted_scopes(self) -> tuple[str, ...]:
        """The configured scopes, else those that Microsoft 365 wants for IMAP and SMTP with this grant."""
        if self.scopes:
            return self.scopes
        if self.grant == "client_credentials":
            return ("https://outlook.office365.com/.default",)
        outlook = "https://outlook.office.com"
        return (f"{outlook}/IMAP.AccessAsUser.All", f"{outlook}/SMTP.Send", "offline_access")


class MailboxSettings(_Section):
    host: str
    port: int = Field(ge=1, le=65535)
    username: str
    password: SecretStr
    security: Security
    ca_file: str
    addresses: Addresses
    folder: str = Field(min_length=1)
    drafts_folder: str
    save_drafts: bool
    sent_folder: str
    save_sent: bool
    poll_seconds: float = Field(ge=1, le=3600)
    authserv_id: str
    max_mail_bytes: int = Field(ge=10_000)
    batch_size: int = Field(ge=1, le=500)
    alarm_minutes: int = Field(ge=1)
    idle: bool
    idle_seconds: float = Field(ge=10, le=1700)  # a server may end IDLE after 30 minutes (RFC 2177 §3)
    timeout_seconds: float = Field(ge=1)
    oauth: OAuthSettings


class SmtpSettings(_Section):
    host: str
    port: int = Field(ge=1, le=65535)
    username: str
    password: SecretStr
    oauth: bool
    security: Security
    ca_file: str
    from_: OptionalAddress = Field(alias="from")
    reverse_path: OptionalAddress
    hostname: str
    connections: int = Field(ge=1, le=32)
    per_minute: int = Field(ge=0)
    timeout_seconds: float = Field(ge=1)
    relay_seconds: float = Field(ge=1)


class DatabaseSettings(_Section):
    url: SecretStr


class WebSettings(_Section):
    host: str
    port: int = Field(ge=0, le=65535)
    public_url: str
    session_hours: float = Field(gt=0)
    login_failures: int = Field(ge=1)
    require_totp: bool


class AcknowledgementSettings(_Section):
    mode: Literal["shadow", "live"]
    since: Moment
    per_address_per_day: int = Field(ge=0)
    per_hour: int = Field(ge=0)

    @field_validator("since")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("give a UTC offset, such as 2026-12-01T09:00:00+01:00")
        return value


class ApprovalSettings(_Section):
    undo_seconds: float = Field(ge=0, le=3600)
    secure_channel: SecureChannel


class MailSettings(_Section):
    day_ends: time
    at_risk_share: float = Field(ge=0, le=1)


class TelephoneSettings(_Section):
    number: str
    hours: Hours


class CalendarSettings(_Section):
    confirmed: bool
    good_friday_free: bool
    liberation_day: Literal["never", "lustrum", "always"]
    closing_days: Mapping[date, str] = Field(default_factory=dict)


class AlertSettings(_Section):
    to: Addresses
    hours: Hours
    digest: bool

    @field_validator("hours")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError(
                'give at least one block, such as "08:30-17:00": without hours no alert would ever come up'
            )
        return value


class SecureMailSettings(_Section):
    """How long the content of a notice can be opened when the notice does not say, per service."""

    days: Mapping[str, int]
    remind_days: int = Field(ge=0, le=60)

    @field_validator("days")
    @classmethod
    def _known(cls, value: Mapping[str, int]) -> Mapping[str, int]:
        unknown = sorted(set(value) - set(PROVIDERS))
        if unknown:
            raise ValueError(f"no such service: {', '.join(unknown)}; known are {', '.join(PROVIDERS)}")
        if "other" not in value or any(not 1 <= days <= 730 for days in value.values()):
            raise ValueError("give 1 to 730 days for each service, and for `other`")
        return dict(value)


class SealSettings(_Section):
    key: SecretStr


class ModelSettings(_Section):
    directory: Path
    encoder: Literal["auto", "off"]
    audit_share: float = Field(ge=0, le=1)


class LettersSettings(_Section):
    directory: Path


class KnowledgeSettings(_Section):
    check_days: int = Field(ge=1, le=3650)


class ZorgkantoorSettings(_Section):
    """Who executes the Wlz in a region and how to reach it, as the organisation confirmed it on a day."""

    name: str = Field(min_length=1)
    telephone: str = Field(min_length=1)
    confirmed_on: date


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"]
    format: Literal["lines", "json"]


class Settings(BaseSettings):
    """All settings, frozen. Use `load_settings()`; services receive only the values they need."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=False
    )

    data_dir: Path
    organisation: Organisation
    mailbox: MailboxSettings
    smtp: SmtpSettings
    database: DatabaseSettings
    web: WebSettings
    acknowledgements: AcknowledgementSettings
    approval: ApprovalSettings
    mail: MailSettings
    telephone: TelephoneSettings
    letters: LettersSettings
    knowledge: KnowledgeSettings
    zorgkantoren: Mapping[str, ZorgkantoorSettings]
    calendar: CalendarSettings
    alerts: AlertSettings
    secure_mail: SecureMailSettings
    seal: SealSettings
    model: ModelSettings
    log: LogSettings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        secrets_dir = os.environ.get("TRIAGE_SECRETS_DIR")
        if secrets_dir and not Path(secrets_dir).is_dir():
            raise ConfigError("TRIAGE_SECRETS_DIR names no folder: make it, or correct the variable")
        secrets: tuple[PydanticBaseSettingsSource, ...] = ()
        if secrets_dir:
            secrets = (
                NestedSecretsSettingsSource(
                    file_secret_settings,
                    secrets_dir=secrets_dir,
                    secrets_nested_delimiter="__",
                    secrets_prefix="",
                ),
            )
        # init_settings carries the merged TOML files: lowest, so that environment and secrets win
        return (env_settings, *secrets, init_settings)

    @model_validator(mode="after")
    def _smtp_has_tokens(self) -> Settings:
        if self.smtp.oauth and not self.mailbox.oauth.grant:
            raise ValueError("smtp.oauth takes its token from mailbox.oauth: set mailbox.oauth.grant and what it needs")
        return self

    @property
    def database_url(self) -> str:
        return self.database.url.get_secret_value() or f"sqlite:///{self.data_dir / 'triage.sqlite3'}"

    @property
    def own_texts(self) -> Path:
        """The folder with the organisation's own texts."""
        return ROOT / self.letters.directory

    @property
    def sla_rules(self) -> SlaRules:
        calendar = WorkCalendar(
            day_ends=self.mail.day_ends,
            good_friday_free=self.calendar.good_friday_free,
            liberation_day=self.calendar.liberation_day,
            closing_days=dict(self.calendar.closing_days),
        )
        return SlaRules(calendar, self.mail.at_risk_share)

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """Every address that is ours: the configured ones, the sender, and the login when it is an address."""
        login = (self.mailbox.username,) if "@" in self.mailbox.username else ()
        sender = (self.smtp.from_,) if self.smtp.from_ else ()
        return tuple(dict.fromkeys((*self.mailbox.addresses, *sender, *login)))

    def shown(self) -> list[tuple[str, str]]:
        """(key, value) of every setting in order, with secrets masked; for `check`."""
        rows: list[tuple[str, str]] = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Mapping):
                rows.extend((f"{name}.{key}", str(item)) for key, item in value.items())
                continue
            if not isinstance(value, _Section):
                rows.append((name, str(value)))
                continue
            rows.extend(_shown_section(name, value))
        return rows


def _shown_section(name: str, section: _Section) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, field in type(section).model_fields.items():
        item = getattr(section, key)
        if isinstance(item, _Section):
            rows.extend(_shown_section(f"{name}.{key}", item))
            continue
        if isinstance(item, SecretStr):
            item = "(set)" if item.get_secret_value() else ""
        rows.append((f"{name}.{field.alias or key}", str(item)))
    return rows


def load_settings(overrides: Mapping[str, Any] | None = None, *, forced: Mapping[str, Any] | None = None) -> Settings:
    """Reads and checks all settings. `overrides` replace TOML values; the environment and the secrets folder still
    win. `forced` wins from every source (the demo's own servers) and is checked like any other value.

    Raises ConfigError that names the key, its place and the mend."""
    folder = Path(os.environ.get("TRIAGE_CONFIG_DIR", ROOT / "config"))
    merged = default_values()
    local = folder / "local.toml"
    if local.exists():
        merged = _merge(merged, _read_toml(local))
    merged = _merge(merged, overrides or {})
    _refuse_unknown_variables(merged)
    try:
        settings = _built(merged, forced or {})
    except ValidationError as exc:
        raise ConfigError(_in_words(exc)) from None
    except ValueError:
        raise ConfigError(_variable_without_json(merged)) from None
    if not settings.data_dir.is_absolute():
        settings = settings.model_copy(update={"data_dir": ROOT / settings.data_dir})
    return settings


def with_calendar_of(settings: Settings, path: Path) -> Settings:
    """The settings with what this TOML file says under [mail] and [calendar], such as a local.toml that is not in use
    yet. Its closing days stand for the whole list. Raises ConfigError that names the key and the mend."""
    told = _read_toml(path)
    unknown = sorted(set(told) - set(Settings.model_fields))
    if unknown:
        raise ConfigError(f"{path.name}: unknown setting {unknown[0]}; see config/default.toml for the keys")
    changed: dict[str, Any] = {}
    for name, kind in (("mail", MailSettings), ("calendar", CalendarSettings)):
        section = told.get(name, {})
        if not isinstance(section, Mapping):
            raise ConfigError(f"{path.name}: {name} is a section: write [{name}] and its keys below it")
        try:
            changed[name] = kind.model_validate({**getattr(settings, name).model_dump(), **section})
        except ValidationError as exc:
            raise ConfigError(f"{path.name}: {_in_words(exc, name)}") from None
    return settings.model_copy(update=changed)


def default_values() -> dict[str, Any]:
    """What config/default.toml says, unchecked."""
    return _read_toml(ROOT / "config" / "default.toml")


def _built(merged: Mapping[str, Any], forced: Mapping[str, Any]) -> Settings:
    if not forced:
        return Settings(**merged)

    class Forced(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            usual = super().settings_customise_sources(settings_cls, *sources, **named)
            return (InitSettingsSource(settings_cls, dict(forced)), *usual)

    # handed on as the plain class: a class made in a function cannot travel to a child process
    return Settings.model_construct(**dict(Forced(**merged)))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path.name} is not valid TOML: {exc}") from None
    except OSError as exc:
        raise ConfigError(f"{path.name} cannot be read: {exc.strerror}") from None


def _merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _refuse_unknown_variables(merged: Mapping[str, Any]) -> None:
    known = _SETTINGS_DIR_VARIABLES | _variable_names(merged, _PREFIX)
    for variable in sorted(os.environ):
        if variable.upper().startswith(_PREFIX) and variable.upper() not in known and not _OUTSIDE.match(variable):
            near = difflib.get_close_matches(variable.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; see config/default.toml for the keys"
            raise ConfigError(f"unknown environment variable {variable}{hint}")


def _variable_names(values: Mapping[str, Any], prefix: str) -> set[str]:
    names = set()
    for key, value in values.items():
        names.add(f"{prefix}{key}".upper())
        if isinstance(value, Mapping):
            names |= _variable_names(value, f"{prefix}{key}__")
    return names


def _in_words(exc: ValidationError, section: str = "") -> str:
    lines = []
    for error in exc.errors(include_input=False, include_url=False):
        place = ".".join(filter(None, (section, *(str(part) for part in error["loc"]))))
        if error["type"] == "extra_forbidden":
            lines.append(f"unknown setting {place}; see config/default.toml for the keys")
        else:
            lines.append(f"setting {place}: {error['msg'].removeprefix('Value error, ')}")
    return "; ".join(lines)


def _variable_without_json(merged: Mapping[str, Any]) -> str:
    """Names the variable that should hold a JSON list or object and does not."""
    for section, values in merged.items():
        for key, value in values.items() if isinstance(values, Mapping) else ():
            variable = f"{_PREFIX}{section}__{key}".upper()
            if isinstance(value, list | Mapping) and variable in os.environ:
                try:
                    json.loads(os.environ[variable])
                except ValueError:
                    return f'{variable} is not JSON: write a list like ["a@example.nl"]'
    return "an environment variable that should hold JSON does not"
