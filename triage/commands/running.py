"""`serve`, `poll`, `relay`, `migrate`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from triage import logs
from triage.bootstrap import Product, build, utc_now, web_address
from triage.commands.output import json_line, mail_line, say
from triage.host import Host
from triage.services.taking_in import TakenIn
from triage.settings import Settings, load_settings


def start(settings: Settings, *, quiet: bool = False) -> Product:
    """The product with a line on stderr for each mail it takes in (`quiet`: without)."""
    logs.configure(settings.log.level, settings.log.format)

    def tell(taken: TakenIn) -> None:
        if not quiet:
            say(mail_line(taken, utc_now))

    return build(settings, on_taken_in=tell)


def serve(settings: Settings | None = None, *, ready: Callable[[Product], None] = lambda product: None) -> None:
    """Runs until a signal ends it. Raises ConfigError before anything is started when something is not set."""
    product = start(settings or load_settings())
    try:
        host = Host(product)
        listener = host.listen()
        mode = product.settings.acknowledgements.mode
        say(f"{product.settings.organisation.name}: {web_address(product.settings)}  (mode: {mode}; Ctrl-C ends it)")
        asyncio.run(host.run(listener, ready=lambda: ready(product)))
    finally:
        product.close()


def poll(*, as_json: bool) -> int:
    """One poll; prints its counts. Retryable failures end with exit code 1."""
    product = start(load_settings(), quiet=as_json)
    try:
        report = product.intake.poll_once()
    finally:
        product.close()
    result = {"handled": report.handled, **dict(sorted(report.outcomes.items())), "failed": report.failed}
    result["unaccounted"] = report.unaccounted
    if as_json:
        json_line(result | ({"skipped": report.skipped} if report.skipped else {}))
    else:
        sys.stdout.write(", ".join(f"{key} {value}" for key, value in result.items()) + "\n")
    return 0


def relay(*, as_json: bool) -> int:
    """One relay cycle; prints its counts."""
    product = start(load_settings(), quiet=True)

    async def once() -> dict[str, int]:
        try:
            report = await product.relay.relay_once()
        finally:
            await product.sender.close()
        if report.unavailable:
            say(f"error: {report.unavailable}")
        return {"unavailable": int(bool(report.unavailable)), **report.states}

    try:
        states = asyncio.run(once())
    finally:
        product.close()
    unavailable = states.pop("unavailable")
    result = {state: states.get(state, 0) for state in ("sent", "deferred", "refused", "uncertain")}
    if as_json:
        json_line(result)
    else:
        sys.stdout.write(", ".join(f"{key} {value}" for key, value in result.items()) + "\n")
    return 1 if unavailable or result["refused"] or result["uncertain"] else 0


def migrate() -> None:
    """Upgrades the tables of the configured database."""
    from triage.adapters.migrate import upgrade
    from triage.bootstrap import prepare_data_dir

    settings = load_settings()
    prepare_data_dir(settings.data_dir)
    upgrade(settings.database_url)
    say("the database has this version's tables")
