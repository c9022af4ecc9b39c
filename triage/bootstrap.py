"""The one place that says which adapter fills which port, from settings to a product that is ready to run."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from classifiers.registry import HybridClassifier
from triage.adapters.imap import ImapMailbox
from triage.adapters.isolation import ChildReader, ended_when_stuck
from triage.adapters.mark_file import SendingMarkFile
from triage.adapters.oauth import OAuthTokens, identity_of
from triage.adapters.seal import Keyring
from triage.adapters.smtp import SmtpSender
from triage.adapters.store import SqlStore, open_store
from triage.adapters.switchable import SwitchableClassifier
from triage.adapters.token_store import SqlTokenStore
from triage.core.decide import Policy
from triage.errors import ConfigError, StoreUnavailable
from triage.logs import get_logger
from triage.model_choice import classifier_for, models_for, running_model, switchable_classifier
from triage.ports import Clock, TokenState
from triage.services.acknowledgement import AcknowledgementTexts
from triage.services.alerts import Alerts
from triage.services.approval import Approval
from triage.services.audit_sample import AuditSample
from triage.services.casework import Casework
from triage.services.client_mail import ClientMail
from triage.services.digest import Digest
from triage.services.draft_folder import DraftFolder
from triage.services.draft_text import Zorgkantoor
from triage.services.intake import Intake
from triage.services.judgement_report import JudgementWatch
from triage.services.letters import Letters
from triage.services.models import Models
from triage.services.places import region_codes
from triage.services.promising import Promising
from triage.services.reading import Reader
from triage.services.recount import Recount
from triage.services.redraft import Redraft
from triage.services.relay import Relay
from triage.services.renewing import Renewing
from triage.services.rescreen import Rescreen
from triage.services.restored import RestoreGuard
from triage.services.sent_there import SentThere
from triage.services.suggesting import Suggesting
from triage.services.taking_in import TakenIn, TakingIn
from triage.services.watch import DeadlineWatch
from triage.settings import ROOT, Settings

TEMPLATES = ROOT / "templates"
LIVE_SINCE_FACT = "live_since"
_LEAST_FREE_BYTES = 50_000_000


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Product:
    """Everything that runs, wired. `close` releases the servers, the store and the lock."""

    settings: Settings
    keyring: Keyring
    store: SqlStore
    mailbox: ImapMailbox
    sender: SmtpSender
    reader: Reader
    classifier: SwitchableClassifier[HybridClassifier]
    models: Models
    letters: Letters
    client_mail: ClientMail
    intake: Intake
    relay: Relay
    watch: DeadlineWatch
    digest: Digest
    rescreen: Rescreen
    audit_sample: AuditSample
    judgement: JudgementWatch
    casework: Casework
    approval: Approval
    promising: Promising
    suggesting: Suggesting
    clock: Clock
    owner: str
    lone_reader: ChildReader
    lock: IO[str]

    def take_chosen_model(self) -> bool:
        """True when another model judges from now on, here and in the child that reads one mail by itself."""
        if not self.classifier.look_once():
            return False
        self.reader.model_languages = self.classifier.languages
        self.lone_reader.renew()
        return True

    def close(self) -> None:
        self.lone_reader.close()
        self.mailbox.close()
        self.store.close()
        self.lock.close()


def reader_for(settings: Settings, classifier: SwitchableClassifier[HybridClassifier] | None = None) -> Reader:
    """Reads mail with these settings; loads the model when none is given (in a child process)."""
    judge = classifier or classifier_for(settings)
    return Reader(
        judge,
        own_addresses=settings.own_addresses,
        authserv_id=settings.mailbox.authserv_id,
        model_languages=judge.languages,
    )


def confirmed_zorgkantoren(settings: Settings) -> dict[str, Zorgkantoor]:
    """Who executes the Wlz in which region, as confirmed. Raises ConfigError for a code that no region has."""
    known = region_codes()
    for code in settings.zorgkantoren:
        if code not in known:
            raise ConfigError(f"setting zorgkantoren.{code}: no region has this code; known are {', '.join(known)}")
    return {code: Zorgkantoor(told.name, told.telephone) for code, told in settings.zorgkantoren.items()}


def prepare_data_dir(data_dir: Path) -> None:
    """Makes the data folder, private to its owner. Raises ConfigError when it cannot be used."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = data_dir / f".probe-{uuid.uuid4().hex}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as exc:
        raise ConfigError(
            f"data_dir {data_dir} cannot be written ({exc.strerror}): "
            "make room, set its rights, or choose another folder"
        ) from None
    if shutil.disk_usage(data_dir).free < _LEAST_FREE_BYTES:
        raise ConfigError(f"the disk of data_dir {data_dir} is full: make at least 50 MB free")


def lock_data_dir(data_dir: Path) -> IO[str]:
    """Holds the data folder for this process; the kernel frees it when the process dies, however it dies."""
    handle = (data_dir / "running.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise ConfigError(
            f"another process works with data_dir {data_dir}: stop it first, or give this one a data_dir of its own"
        ) from None
    return handle


def node_name(data_dir: Path) -> str:
    """The owner of leases: stays the same over restarts of this data folder, so its own leases end at once."""
    path = data_dir / "node"
    if not path.exists():
        path.write_text(f"{os.uname().nodename[:20]}-{uuid.uuid4().hex[:8]}\n")
    return path.read_text().strip()


def open_product_store(settings: Settings) -> tuple[SqlStore, Keyring]:
    """Store and keys alone, for commands that need no mail server. Raises ConfigError."""
    prepare_data_dir(settings.data_dir)
    keyring = Keyring.load(key=settings.seal.key.get_secret_value() or None, data_dir=settings.data_dir)
    return open_store(settings.database_url, keyring), keyring


def acknowledgement_texts(settings: Settings) -> AcknowledgementTexts:
    """The texts of the acknowledgement alone, faults and all, for commands that need no mail server."""
    return AcknowledgementTexts(
        templates=TEMPLATES,
        own=settings.own_texts,
        organisation=settings.organisation,
        telephone=settings.telephone,
        calendar=settings.sla_rules.calendar,
    )


def build(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    on_taken_in: Callable[[TakenIn], None] = lambda taken: None,
) -> Product:
    """The product with these settings. Raises ConfigError that names what is missing and the mend."""
    require_mail_settings(settings)
    prepare_data_dir(settings.data_dir)
    lock = lock_data_dir(settings.data_dir)
    try:
        return _wire(settings, clock, on_taken_in, lock)
    except BaseException:
        lock.close()
        raise


def _wire(settings: Settings, clock: Clock, on_taken_in: Callable[[TakenIn], None], lock: IO[str]) -> Product:
    store, keyring = open_product_store(settings)
    owner = node_name(settings.data_dir)
    rules = settings.sla_rules
    live = settings.acknowledgements.mode == "live"
    with store.begin() as uow:
        lost = uow.recover_outbox(owner=owner, now=clock())
        since = settings.acknowledgements.since
        if live and since is None:
            remembered = uow.fact(LIVE_SINCE_FACT)
            # INTERNALDATE knows whole seconds: mail of this very second counts as arrived after the start
            since = datetime.fromisoformat(remembered) if remembered else clock().replace(microsecond=0)
            if not remembered:
                uow.set_fact(LIVE_SINCE_FACT, since.isoformat())
    if lost:
        get_logger().warning("outcome_unknown_after_stop", count=len(lost))
    Recount(store=store, queries=store.queries, rules=rules, clock=clock, owner=owner).recount_once()
    classifier = switchable_classifier(settings)
    get_logger().info("model_in_use", model=classifier.model_id)
    letters = Letters(
        templates=TEMPLATES,
        own_texts=settings.own_texts,
        organisation=settings.organisation,
        telephone=settings.telephone,
        smtp_from=settings.smtp.from_,
        reverse_path_fallback=settings.smtp.reverse_path,
        calendar=rules.calendar,
        own_addresses=settings.own_addresses,
        zorgkantoren=confirmed_zorgkantoren(settings),
    )
    alerts = Alerts(
        letters=letters,
        to=settings.alerts.to,
        hours=settings.alerts.hours,
        calendar=rules.calendar,
        link=web_address(settings),
    )
    policy = Policy(
        sla=rules,
        mode=settings.acknowledgements.mode,
        since=since if live else None,
        per_address_per_day=settings.acknowledgements.per_address_per_day,
        per_hour=settings.acknowledgements.per_hour,
        model_languages=classifier.languages,
        notice_days=settings.secure_mail.days,
    )
    guard = RestoreGuard(store=store, file=SendingMarkFile(settings.data_dir), clock=clock)
    maybe_sent_before = guard.look()
    tokens = token_source(settings, store, clock=clock)
    mailbox = ImapMailbox(settings.mailbox, tokens=tokens, on_notice=functools.partial(_keep_notice, store, clock))
    sender = SmtpSender(settings.smtp, tokens=tokens)
    lone_reader = ChildReader(functools.partial(reader_for, settings))
    reader = reader_for(settings, classifier)
    client_mail = ClientMail(
        sent=SentThere(mailbox=mailbox, store=store, rules=rules, clock=clock, own_addresses=settings.own_addresses),
        drafts=DraftFolder(
            mailbox=mailbox,
            store=store,
            queries=store.queries,
            letters=letters,
            rules=rules,
            clock=clock,
            own_addresses=settings.own_addresses,
            writing=live,
        )
        if settings.mailbox.save_drafts
        else None,
        store=store,
        clock=clock,
        owner=owner,
    )
    intake = Intake(
        mailbox=mailbox,
        store=store,
        reader=reader,
        lone_reader=lone_reader,
        taking_in=TakingIn(
            store=store,
            letters=letters,
            alerts=alerts,
            policy=policy,
            clock=clock,
            maybe_sent_before=maybe_sent_before,
        ),
        clock=clock,
        owner=owner,
        courtesy=live,
        save_sent=settings.mailbox.save_sent,
        batch_size=settings.mailbox.batch_size,
        on_taken_in=on_taken_in,
        watchdog=ended_when_stuck,
        look_beside=client_mail.look_once,
    )
    relay = Relay(
        store=store,
        sender=sender,
        clock=clock,
        owner=owner,
        connections=settings.smtp.connections,
        per_minute=settings.smtp.per_minute,
        acknowledge=live,
        renewing=Renewing(letters=letters, owner=owner),
        before_sending=guard.before_sending,
        look_first=functools.partial(asyncio.to_thread, client_mail.look_before_release),
    )
    watch = DeadlineWatch(
        store=store,
        queries=store.queries,
        alerts=alerts,
        rules=rules,
        clock=clock,
        silent_after=timedelta(minutes=settings.mailbox.alarm_minutes),
        remind_before=timedelta(days=settings.secure_mail.remind_days),
        token_state=token_store(settings, store).state if tokens is not None else TokenState,
    )
    digest = Digest(
        store=store,
        queries=store.queries,
        alerts=alerts,
        rules=rules,
        clock=clock,
        enabled=settings.alerts.digest and bool(settings.alerts.to),
        silent_after=timedelta(minutes=settings.mailbox.alarm_minutes),
        remind_before=timedelta(days=settings.secure_mail.remind_days),
    )
    redraft = Redraft(queries=store.queries, letters=letters)
    approval = Approval(
        store=store,
        queries=store.queries,
        letters=letters,
        rules=rules,
        clock=clock,
        undo=timedelta(seconds=settings.approval.undo_seconds),
        own_addresses=settings.own_addresses,
        organisation_name=settings.organisation.name,
        secure_channel=settings.approval.secure_channel,
        check_within=timedelta(days=settings.knowledge.check_days),
    )
    return Product(
        settings=settings,
        keyring=keyring,
        store=store,
        mailbox=mailbox,
        sender=sender,
        reader=reader,
        classifier=classifier,
        models=models_for(settings, store, lambda: running_model(classifier.model, classifier.fault), clock),
        letters=letters,
        client_mail=client_mail,
        intake=intake,
        relay=relay,
        watch=watch,
        digest=digest,
        rescreen=Rescreen(
            store=store,
            queries=store.queries,
            reader=reader,
            rules=rules,
            alerts=alerts,
            redraft=redraft,
            clock=clock,
            owner=owner,
        ),
        judgement=JudgementWatch(store=store, queries=store.queries, alerts=alerts, clock=clock),
        audit_sample=AuditSample(store=store, queries=store.queries, share=settings.model.audit_share, clock=clock),
        casework=Casework(
            store=store,
            queries=store.queries,
            rules=rules,
            clock=clock,
            redraft=redraft,
            alerts=alerts,
            judge=reader.judge,
        ),
        approval=approval,
        suggesting=Suggesting(
            queries=store.queries,
            letters=letters,
            redraft=redraft,
            approval=approval,
            clock=clock,
            check_within=timedelta(days=settings.knowledge.check_days),
        ),
        promising=Promising(store=store, queries=store.queries, letters=letters, rules=rules, clock=clock),
        clock=clock,
        owner=owner,
        lone_reader=lone_reader,
        lock=lock,
    )


def _keep_notice(store: SqlStore, clock: Clock, text: str) -> None:
    """What the mail server wants people to read, for Beheer. Not being able to keep it must not stop the mail."""
    try:
        store.notices.note("mailbox", text, at=clock())
    except StoreUnavailable as exc:
        get_logger().warning("notice_not_kept", exc_info=exc)


def token_store(settings: Settings, store: SqlStore) -> SqlTokenStore:
    """Where the OAuth2 tokens of this mailbox's login are kept."""
    return store.tokens(identity_of(settings.mailbox.oauth, settings.mailbox.username))


def token_source(settings: Settings, store: SqlStore, *, clock: Clock = utc_now) -> OAuthTokens | None:
    """Access tokens for the mail servers; None when the login goes by password."""
    if not settings.mailbox.oauth.grant:
        return None
    return OAuthTokens(settings.mailbox.oauth, token_store(settings, store), clock=clock)


def require_mail_settings(settings: Settings) -> None:
    """Raises ConfigError naming every mail setting that must be given before mail can be handled."""
    missing = [
        name
        for name, value in (
            ("mailbox.host", settings.mailbox.host),
            ("mailbox.username", settings.mailbox.username),
            ("smtp.host", settings.smtp.host),
            ("smtp.from", settings.smtp.from_),
        )
        if not value
    ]
    if missing:
        names = ", ".join(f"{name} (TRIAGE_{name.upper().replace('.', '__')})" for name in missing)
        raise ConfigError(f"not set: {names}; put them in config/local.toml or the environment")
    if "@" not in settings.smtp.from_:
        raise ConfigError("smtp.from (TRIAGE_SMTP__FROM) is no address: give one such as meldpunt@example.nl")


def web_address(settings: Settings) -> str:
    """Where people open the web app."""
    return settings.web.public_url or f"http://{settings.web.host}:{settings.web.port}"
