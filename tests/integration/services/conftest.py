from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.harness import Harness
from tests.integration.office import Office
from tests.integration.post import Post
from tests.servers.smtpd import RecordingSmtp
from triage.settings import SmtpSettings


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Harness]:
    """The services in live mode on a fresh store, with mailbox and sender in memory."""
    harness = Harness(tmp_path)
    yield harness
    harness.store.close()


@pytest.fixture
def server() -> Iterator[RecordingSmtp]:
    with RecordingSmtp(dsn=True) as server:
        yield server


@pytest.fixture
def post(tmp_path: Path, server: RecordingSmtp) -> Iterator[Post]:
    desk = Post(tmp_path)
    desk.connect(server)
    yield desk
    desk.store.close()


@pytest.fixture
def office(tmp_path: Path, smtp_settings: Callable[..., SmtpSettings]) -> Iterator[Office]:
    with RecordingSmtp() as server:
        desk = Harness(tmp_path, policy_changes={"per_address_per_day": 3, "per_hour": 10})
        yield Office(desk, server, smtp_settings(port=server.port))
        desk.store.close()
