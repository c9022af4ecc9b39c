"""`verify`: prints the proof that nothing was lost; exit 1 when something does not agree."""

from __future__ import annotations

import time
from datetime import timedelta

from triage import logs
from triage.adapters.imap import ImapMailbox
from triage.bootstrap import open_product_store, token_source, utc_now
from triage.commands.output import json_line, say, show
from triage.services.verify import Check, Verify
from triage.settings import load_settings

_LABELS = {True: "[ok]   ", False: "[wrong]", None: "[not compared]"}
_TELL_EVERY = 2.0


def verify(*, as_json: bool) -> int:
    """0 when all that could be compared agrees, 1 when something does not."""
    settings = load_settings()
    logs.configure(settings.log.level, settings.log.format)
    store, _ = open_product_store(settings)
    mailbox: ImapMailbox | None = None
    try:
        if settings.mailbox.host and settings.mailbox.username:
            mailbox = ImapMailbox(settings.mailbox, tokens=token_source(settings, store))
        checks = []
        for check in Verify(
            proof=store.proof,
            queries=store.queries,
            mailbox=mailbox,
            clock=utc_now,
            poll_every=timedelta(seconds=settings.mailbox.poll_seconds),
            progress=_Progress(),
            pause=time.sleep,
        ).checks():
            checks.append(check)
            _tell(check, as_json)
    finally:
        if mailbox is not None:
            mailbox.close()
        store.close()
    return _conclude(checks, as_json)


def _tell(check: Check, as_json: bool) -> None:
    if as_json:
        json_line(
            {
                "check": check.name,
                "agrees": check.agrees,
                "counts": dict(check.counts),
                "found": list(check.found),
                "words": check.words,
                "mend": check.mend,
            }
        )
        return
    show(f"{_LABELS[check.agrees]} {check.words}\n")
    if check.found:
        show(f"          which: {', '.join(check.found)}\n")
    if check.mend:
        show(f"          mend:  {check.mend}\n")


def _conclude(checks: list[Check], as_json: bool) -> int:
    wrong = [check.name for check in checks if check.agrees is False]
    open_ = [check.name for check in checks if check.agrees is None]
    unaccounted = sum(int(check.counts.get("unaccounted", 0)) for check in checks if check.name == "ledger")
    missing = sum(int(check.counts.get("not_in_ledger", 0)) for check in checks)
    if as_json:
        json_line(
            {
                "check": "verify",
                "agrees": not wrong,
                "unaccounted": unaccounted + missing,
                "wrong": wrong,
                "not_compared": open_,
            }
        )
        return 1 if wrong else 0
    part = " The mail server was not compared: run it again when it can be reached." if open_ else ""
    total = f"{unaccounted + missing} unaccounted."
    verdict = "Something does not agree; see above." if wrong else "Everything agrees."
    show(f"\n{total} {verdict}{part}\n")
    return 1 if wrong else 0


class _Progress:
    """A line on stderr now and then: a large store takes minutes."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, words: str) -> None:
        if time.monotonic() - self._last >= _TELL_EVERY:
            self._last = time.monotonic()
            say(words)
