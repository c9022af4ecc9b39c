"""The system's Chromium, driven by Playwright: one process per module, a fresh context (no cookies) per test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.servers import missing

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]


@pytest.fixture(scope="module")  # Playwright holds the event loop of this thread while it runs
def chromium() -> Iterator[Browser]:
    """A running Chromium; the tests are skipped (or fail where all must be there) without one."""
    path = shutil.which("chromium")
    if path is None:
        missing("Chromium (Debian package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
