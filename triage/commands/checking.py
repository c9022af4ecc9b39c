"""`check`: tells a new operator what applies, what is wrong and how to mend it. Changes nothing but the data folder."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from datetime import date

from classifiers.encoder import encoder_problem
from triage.adapters.store import SqlStore
from triage.bootstrap import (
    acknowledgement_texts,
    confirmed_zorgkantoren,
    open_product_store,
    require_mail_settings,
    token_source,
    token_store,
    utc_now,
)
from triage.core.workdays import GOOD_FRIDAY, LIBERATION_DAY, local_date
from triage.errors import TriageError
from triage.model_choice import switchable_classifier
from triage.services.wording import ENGLISH_MONTHS
from triage.settings import Settings, load_settings

Probe = Callable[[Settings], Iterable[str]]


def check() -> int:
    """Prints settings and the result of each try; exit 1 when one failed."""
    settings = load_settings()
    out = sys.stdout.write
    out("Settings that apply (passwords and keys masked)\n")
    for key, value in settings.shown():
        out(f"  {key:<40} {value}\n")
    out("\nTried\n")
    failed = False
    for name, probe in PROBES:
        try:
            facts = list(probe(settings))
        except TriageError as exc:
            out(f"  [wrong] {name}: {exc}\n")
            failed = True
        else:
            out(f"  [ok]    {name}: {'; '.join(facts)}\n")
    for remark in remarks(settings, local_date(utc_now())):
        out(f"  [look]  {remark}\n")
    out("\nSomething is wrong; see above.\n" if failed else "\nAll well.\n")
    return 1 if failed else 0


def _settings(settings: Settings) -> Iterable[str]:
    confirmed_zorgkantoren(settings)
    require_mail_settings(settings)
    yield "all that is needed is set"


def _database(settings: Settings) -> Iterable[str]:
    store, _ = open_product_store(settings)
    try:
        ledger = store.queries.ledger()
        held = store.queries.held_by_shadow() if settings.acknowledgements.mode == "shadow" else 0
    finally:
        store.close()
    kind = "SQLite" if settings.database_url.startswith("sqlite") else "PostgreSQL"
    yield f"{kind}, tables of this version"
    yield f"{ledger.received} mails received, {ledger.unaccounted} unaccounted"
    if held:
        yield (
            f"shadow mode held back {held} acknowledgements that would have left; "
            "see to whom with: python3 run.py report ledger"
        )


def _mailbox(settings: Settings) -> Iterable[str]:
    from triage.adapters.imap import ImapMailbox

    if not settings.mailbox.host:
        raise TriageError("mailbox.host is not set (TRIAGE_MAILBOX__HOST)")
    store, _ = open_product_store(settings)
    told: list[str] = []
    mailbox = ImapMailbox(settings.mailbox, tokens=token_source(settings, store), on_notice=told.append)
    try:
        yield from (f"{fact}: {value}" for fact, value in mailbox.probe())
        yield from (f"the server says: {text}" for text in told)
        yield from _tokens(settings, store)
    finally:
        mailbox.close()
        store.close()


def _tokens(settings: Settings, store: SqlStore) -> Iterable[str]:
    if not settings.mailbox.oauth.grant:
        return
    state, now = token_store(settings, store).state(), utc_now()
    for what, moment in (("signed in", state.signed_in_at), ("token renewed", state.refreshed_at)):
        if moment is not None:
            yield f"{what}: {moment:%Y-%m-%d %H:%M} UTC ({max(0, (now - moment).days)} days ago)"


def _smtp(settings: Settings) -> Iterable[str]:
    from triage.adapters.smtp import SmtpSender

    if not settings.smtp.host:
        raise TriageError("smtp.host is not set (TRIAGE_SMTP__HOST)")

    async def probe() -> list[str]:
        store, _ = open_product_store(settings)
        sender = SmtpSender(settings.smtp, tokens=token_source(settings, store))
        try:
            return [f"{fact}: {value}" for fact, value in await sender.probe()]
        finally:
            await sender.close()
            store.close()

    return asyncio.run(probe())


def _model(settings: Settings) -> Iterable[str]:
    chosen = switchable_classifier(settings)
    if chosen.fault:
        raise TriageError(f"the chosen model cannot be used, {chosen.model_id} judges instead: {chosen.fault}")
    classifier = chosen.model
    if not classifier.languages:
        raise TriageError(
            "no usable model: every mail gets the short term; run `python3 run.py train` or check model.directory"
        )
    yield f"model {classifier.model_id}, languages {', '.join(sorted(classifier.languages))}"
    if settings.model.encoder == "auto" and (problem := encoder_problem()):
        yield f"the n-grams judge alone: {problem}"


def _letters(settings: Settings) -> Iterable[str]:
    texts = acknowledgement_texts(settings)
    texts.require_sound()
    yield f"your own {', '.join(texts.own_files)}" if texts.own_files else "the product's own texts"


PROBES: tuple[tuple[str, Probe], ...] = (
    ("settings", _settings),
    ("database", _database),
    ("mailbox (IMAP)", _mailbox),
    ("sending (SMTP)", _smtp),
    ("model", _model),
    ("acknowledgement", _letters),
)


def _calendar_remark(settings: Settings, today: date) -> str:
    """The three choices as they stand, with the next days that hang on them, and the mend."""
    calendar, chosen = settings.sla_rules.calendar, settings.calendar
    days = calendar.next_choices(today)

    def told(name: str, in_dutch: str, key: str) -> str:
        day = days[in_dutch]
        counts = "counts as a working day" if calendar.is_working_day(day) else "is a closed day"
        return f"{name} {_english(day)} ({in_dutch}) {counts} by {key}"

    ahead = sorted(day for day in chosen.closing_days if day > today)
    closing = ", ".join(map(_english, ahead[:3])) + (f" and {len(ahead) - 3} more" if len(ahead) > 3 else "")
    return (
        "calendar.confirmed is false: "
        + told("Good Friday", GOOD_FRIDAY, f"calendar.good_friday_free = {str(chosen.good_friday_free).lower()}")
        + "; "
        + told("Liberation Day", LIBERATION_DAY, f'calendar.liberation_day = "{chosen.liberation_day}"')
        + f"; days to come in [calendar.closing_days]: {closing or 'none'}. Confirm these three choices with the "
        "organisation, then set calendar.confirmed = true"
    )


def _english(day: date) -> str:
    return f"{day.day} {ENGLISH_MONTHS[day.month - 1]} {day.year}"


def remarks(settings: Settings, today: date) -> list[str]:
    """What is not wrong but wants a person's decision."""
    found = []
    if not settings.calendar.confirmed:
        found.append(_calendar_remark(settings, today))
    if settings.organisation.privacy_url == settings.organisation.website:
        found.append(
            "organisation.privacy_url is the start page: set it to the page with your privacy statement, since every "
            "mail points to it"
        )
    if settings.acknowledgements.mode == "shadow":
        found.append(
            "acknowledgements.mode is shadow: everything is computed and shown, no acknowledgement leaves; "
            "set it to live when the shadow run looks right"
        )
    if not settings.mailbox.addresses:
        found.append(
            "mailbox.addresses is empty: name all our own addresses, so that mail from ourselves is never answered"
        )
    if not settings.alerts.to:
        found.append(
            "alerts.to is empty, so alerts are only on the screens: set alerts.to to the addresses of your team"
        )
    if not settings.mailbox.authserv_id:
        found.append("mailbox.authserv_id is empty: forged senders (failed DMARC) cannot be recognised")
    for name, security, host in (
        ("mailbox", settings.mailbox.security, settings.mailbox.host),
        ("smtp", settings.smtp.security, settings.smtp.host),
    ):
        if security == "none" and host not in ("127.0.0.1", "::1", "localhost"):
            found.append(f"{name}.security is none: passwords and mail travel in clear; use tls or starttls")
    return found
