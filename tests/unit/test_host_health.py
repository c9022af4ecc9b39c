"""Health: a job that runs seldom is not late because the mailbox alarm is short."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from triage.host import Host
from triage.ports import JobHealth

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def healthy(**minutes_ago: float) -> object:
    """Of jobs that last succeeded so long ago."""
    jobs = [JobHealth(name, NOW, NOW - timedelta(minutes=minutes), "", None) for name, minutes in minutes_ago.items()]
    mailbox = SimpleNamespace(alarm_minutes=15, idle=True, oauth=SimpleNamespace(grant=""))
    budget = SimpleNamespace(mode="live", per_hour=200, per_address_per_day=5)
    product: Any = SimpleNamespace(
        clock=lambda: NOW,
        settings=SimpleNamespace(mailbox=mailbox, acknowledgements=budget),
        store=SimpleNamespace(
            queries=SimpleNamespace(health=lambda: jobs),
            begin=lambda: nullcontext(SimpleNamespace(fact=lambda name: None, folder_beside=lambda use: None)),
            notices=SimpleNamespace(last=lambda name: None),
        ),
        mailbox=SimpleNamespace(can_wait=True),
    )
    return Host(product).health()["healthy"]


@pytest.mark.parametrize(
    ("minutes_ago", "expected"),
    [
        ({"poll": 1, "rescreen": 59, "audit_sample": 61}, True),
        ({"poll": 16, "rescreen": 1}, False),
        ({"poll": 1, "rescreen": 151}, False),
        ({"poll": 1, "audit_sample": 151}, False),
    ],
)
def test_each_job_is_late_by_its_own_measure(minutes_ago: dict[str, float], expected: bool) -> None:
    assert healthy(**minutes_ago) is expected
