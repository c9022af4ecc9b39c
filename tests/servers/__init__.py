"""Real servers for the tests. One that is missing skips its tests, and fails them where all must be there."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skips the test, loudly; fails it when TRIAGE_TEST_REQUIRE_SERVERS=1 (continuous integration)."""
    text = f"not tested: {what} is missing"
    if os.environ.get("TRIAGE_TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(text)
    pytest.skip(text)
