"""kill -9 at random moments: three rounds of what `make crash` does twenty times."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmark.crash import bars, crash_round
from tests.benchmark.rig import Rig

pytestmark = [pytest.mark.dovecot, pytest.mark.slow]
_MAILS = 60


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as servers:
        yield servers


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_nothing_is_lost_or_done_twice(rig: Rig, seed: int) -> None:
    result = crash_round(rig, seed, mails=_MAILS)

    assert result.kills
    assert result.end.faults == []
    assert result.end.mails == _MAILS
    assert result.missing <= result.end.uncertain
    assert [bar.what for bar in bars([result]) if not bar.passed] == []
