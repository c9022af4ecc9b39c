"""The staff screens in a real browser, over the real services and a real SQLite store."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page

from tests.integration.harness import START, Harness, mail
from tests.integration.services.test_models import A as GOOD
from tests.integration.services.test_models import B as BAD
from tests.integration.services.test_models import lay, models_of
from tests.servers.chromium import chromium
from tests.unit.test_drift import CHANGES, reports, usual
from triage.adapters.model_folder import ModelFolder
from triage.bootstrap import TEMPLATES
from triage.services.block_learning import block_views
from triage.services.relay import RelayReport
from triage.services.sla_report import MonthOfPromises
from triage.services.staff_acts import StaffActs
from triage.settings import Organisation, WebSettings
from triage.web.app import create_app, password_hash
from triage.web.desk import Alerting

__all__ = ["chromium"]

PASSWORD = "een-lang-wachtwoord"
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HOSTILE = (
    b"Message-ID: <html-1@mensen.example>\r\nDate: Mon, 23 Nov 2026 08:55:00 +0100\r\n"
    b"From: Piet <piet@mensen.example>\r\nTo: meldpunt@juisteloket.example\r\n"
    b"Subject: <script>window.kwaad=1</script>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<html><body><script>window.kwaad = 1</script><img src=x onerror='window.kwaad = 1'>"
    b"<p>Wie betaalt een scootmobiel onder de wmo?</p></body></html>\r\n"
)
PALLIATIVE = "Mijn vader is uitbehandeld en komt naar huis. palliative-marker Wie regelt zvw of wlz zorg voor de nacht?"


@dataclass
class Loket:
    """The helpdesk of one test and the browser pages that look at it."""

    harness: Harness
    address: str
    browser: Browser
    errors: list[str] = field(default_factory=list)

    def page(self, width: int = 1280, *, javascript: bool = True) -> Page:
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=javascript, base_url=self.address
        )
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)
        page.set_default_timeout(10_000)
        return page

    def login(self, role: str, width: int = 1280, *, javascript: bool = True) -> Page:
        page = self.page(width, javascript=javascript)
        page.goto("/inloggen")
        page.get_by_label("Gebruikersnaam").fill(role)
        page.get_by_label("Wachtwoord").fill(PASSWORD)
        page.get_by_role("button", name="Inloggen").click()
        page.wait_for_url(lambda address: "/inloggen" not in address)
        return page

    def relay(self) -> RelayReport:
        """One turn of the relay, on a thread of its own: this one runs the browser's event loop."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self.harness.relay_once).result(timeout=30)


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA, with everything that can be folded open."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(AXE)
    found = page.evaluate(
        "async (rules) => (await axe.run(document, { runOnly: rules })).violations"
        ".map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).slice(0, 3).join(' | ')}`)",
        RULES,
    )
    return list(found)


@pytest.fixture
def loket(tmp_path: Path, chromium: Browser) -> Iterator[Loket]:
    """Four mails taken in and acknowledged, one of them urgent, one hostile; one in quarantine; four accounts."""
    harness = Harness(tmp_path)
    for number, body in enumerate(("", PALLIATIVE, "Mag ik van jeugdwet naar wmo? Ik word bijna 18."), start=1):
        made = mail(number, body=body, subject=f"Vraag {number}") if body else mail(number)
        harness.mailbox.deliver(made, START)
    harness.mailbox.deliver(HOSTILE, START)
    harness.mailbox.deliver(mail(9, body="poison-pill"), START)
    for _ in range(4):
        harness.poll()
    for role, name in (
        ("medewerker", "Mira de Wit"),
        ("trainee", "Tom Smit"),
        ("toezichthouder", "Tess Bakker"),
        ("beheerder", "Bo Visser"),
    ):
        harness.store.accounts.add(
            username=role, display_name=name, role=role, password_hash=password_hash(PASSWORD), at=harness.now
        )
    shelf = ModelFolder(harness.folder)
    lay(shelf, GOOD)
    lay(shelf, BAD, verdict="refused", age=30)
    chooser = models_of(harness, shelf)
    weeks = reports([CHANGES["possible"](usual(seed=1)), CHANGES["possible"](usual(seed=2))])[-8:]
    app = create_app(
        queries=harness.store.queries,
        accounts=harness.store.accounts,
        acts=StaffActs(harness.casework, harness.approval, harness.promising, harness.suggesting, chooser),
        settings=WebSettings(
            host="127.0.0.1", port=0, public_url="", session_hours=9, login_failures=5, require_totp=False
        ),
        organisation=Organisation(name="Juiste Loket", website="", privacy_url="", post_address=""),
        clock=harness.clock,
        calendar_rules=harness.rules,
        session_secret=harness.keyring.session_key,
        undo_seconds=20,
        mode="live",
        health=lambda: {"healthy": True, "breaker_tripped": False},
        templates=TEMPLATES,
        models=chooser.overview,
        judgement=lambda: weeks,
        letters=harness.letters.acknowledgements,
        promises=MonthOfPromises(queries=harness.store.queries, clock=harness.clock, calendar=harness.rules.calendar),
        alerting=Alerting(hours="van 08:30 tot 17:00 uur", addresses=1, digest=True, calendar_confirmed=False),
        blocks=block_views(harness.letters.knowledge),
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    made_loket = Loket(harness, f"http://127.0.0.1:{listener.getsockname()[1]}", chromium)
    yield made_loket
    for context in chromium.contexts:
        context.close()
    server.should_exit = True
    thread.join(timeout=10)
    harness.store.close()
