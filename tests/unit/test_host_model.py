"""The host takes another model and has the open cases judged again at once; it never counts as late or failed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from triage.host import Host

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("switched", [True, False])
def test_rescreening_follows_a_switch_at_once(switched: bool) -> None:
    product: Any = SimpleNamespace(
        clock=lambda: NOW,
        take_chosen_model=lambda: switched,
        classifier=SimpleNamespace(model_id="jl-2+rules"),
    )

    async def look() -> tuple[bool, datetime]:
        host = Host(product)
        host._scheduler.start(paused=True)
        job = host._scheduler.add_job(print, "interval", hours=1, id="rescreen", next_run_time=NOW + timedelta(hours=1))
        counts = await host._look_for_model()
        host._scheduler.shutdown(wait=False)
        return counts, job.next_run_time

    counts, next_run = asyncio.run(look())
    assert counts is False  # a run that is rare by nature must not make the health page red
    assert next_run == (NOW if switched else NOW + timedelta(hours=1))
