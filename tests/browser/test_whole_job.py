"""The whole job on real parts: Dovecot, an SMTP server, `serve` as a process, Chromium."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.harness import US, mail
from tests.integration.test_command_line import free_port
from tests.servers.chromium import chromium
from tests.servers.dovecot import DovecotServer
from tests.servers.smtpd import RecordingSmtp
from triage.settings import ROOT

__all__ = ["chromium"]
pytestmark = [pytest.mark.chromium, pytest.mark.dovecot]

PASSWORD = "een heel lang wachtwoord"
URGENT = (
    "Mijn man is uitbehandeld en wil thuis sterven. Hij heeft nog een paar weken. Wie regelt nachtzorg, en valt dat "
    "onder de zorgverzekering?"
)


def test_from_mailbox_to_threaded_answer(tmp_path: Path, chromium: Browser) -> None:
    with DovecotServer() as dovecot, RecordingSmtp() as smtp:
        username, password = dovecot.account()
        for number in range(1, 20):
            dovecot.append(username, mail(number), datetime.now(UTC))
        dovecot.append(username, mail(20, body=URGENT, subject="nachtzorg"), datetime.now(UTC))
        port = free_port()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TRIAGE_")} | {
            "TRIAGE_CONFIG_DIR": str(tmp_path), "TRIAGE_DATA_DIR": str(tmp_path / "data"),
            "TRIAGE_MAILBOX__HOST": "127.0.0.1", "TRIAGE_MAILBOX__PORT": str(dovecot.port),
            "TRIAGE_MAILBOX__USERNAME": username, "TRIAGE_MAILBOX__PASSWORD": password,
            "TRIAGE_MAILBOX__SECURITY": "none", "TRIAGE_MAILBOX__POLL_SECONDS": "1",
            "TRIAGE_SMTP__HOST": "127.0.0.1", "TRIAGE_SMTP__PORT": str(smtp.port), "TRIAGE_SMTP__SECURITY": "none",
            "TRIAGE_SMTP__FROM": US, "TRIAGE_ACKNOWLEDGEMENTS__MODE": "live",
            "TRIAGE_ACKNOWLEDGEMENTS__SINCE": "2026-01-01T00:00:00Z", "TRIAGE_APPROVAL__UNDO_SECONDS": "1",
            "TRIAGE_WEB__PORT": str(port),
        }  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "triage", "user", "add", "jansen", "--name", "A. Jansen", "--password-stdin"],
            input=PASSWORD.encode(), env=environment, cwd=ROOT, check=True, timeout=60,
        )  # fmt: skip
        process = subprocess.Popen([sys.executable, "-m", "triage", "serve"], env=environment, cwd=ROOT)
        try:
            until(lambda: len(smtp.received) == 20)
            page = chromium.new_context(base_url=f"http://127.0.0.1:{port}").new_page()
            page.goto("/inloggen")
            page.get_by_label("Gebruikersnaam").fill("jansen")
            page.get_by_label("Wachtwoord").fill(PASSWORD)
            page.get_by_role("button", name="Inloggen").click()
            first = page.locator("tr.regel").first
            expect(first).to_contain_text("Dringend")
            expect(first).to_contain_text("nachtzorg")
            first.get_by_role("link").click()
            page.get_by_label("Tekst", exact=True).fill("Geachte mevrouw,\n\nBel de huisarts.\n\n[[handtekening]]")
            page.get_by_role("button", name="Goedkeuren en versturen").click()
            expect(page.locator(".antwoord")).to_contain_text("Goedgekeurd door A. Jansen")
            until(lambda: len(smtp.received) == 21)
            reply = message_from_bytes(smtp.received[-1].raw)
            assert reply["In-Reply-To"] == "<vraag-20@mensen.example>"
            assert reply["Auto-Submitted"] is None
            assert "Bel de huisarts." in reply.get_payload(decode=True).decode()
            # The server has the reply a moment before the product has noted that it left.
            until(lambda: "Verstuurd" in (page.reload() and page.locator(".antwoord").inner_text()))
            with dovecot.client(username) as client:
                until(lambda: answered(client) == 1)
                flags = client.get_flags(client.search())
                assert all(b"$Triaged" in kept for kept in flags.values())
                assert not any(b"\\Seen" in kept for kept in flags.values())
                assert sum(b"\\Flagged" in kept for kept in flags.values()) >= 1
                client.select_folder("Verzonden", readonly=True)
                assert len(client.search()) == 1
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0


def answered(client) -> int:
    client.select_folder("INBOX", readonly=True)
    return len(client.search("ANSWERED"))


def until(what, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)
