from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import Harness


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Harness]:
    """The services in live mode on a fresh store, with mailbox and sender in memory."""
    harness = Harness(tmp_path)
    yield harness
    harness.store.close()
