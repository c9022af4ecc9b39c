"""How long a client stays away from a mail server: growing pauses, never shorter than the server asked."""

from __future__ import annotations

from itertools import pairwise

import pytest

from triage.adapters.mail_server import HoldOff


class Moment:
    now = 0.0


def hold_off(moment: Moment, jitter: float = 0.0) -> HoldOff:
    return HoldOff(lambda: moment.now, lambda: jitter)


def pauses(held: HoldOff, moment: Moment, act: str, count: int) -> list[float]:
    found = []
    for _ in range(count):
        getattr(held, act)("why")
        found.append(held.seconds_left())
        moment.now += held.seconds_left()
    return found


def test_failures_in_a_row_wait_longer_each_time_and_the_first_does_not() -> None:
    moment = Moment()
    assert pauses(hold_off(moment), moment, "failed", 8) == [0, 10, 20, 40, 80, 160, 300, 300]


def test_refused_logins_wait_at_once() -> None:
    moment = Moment()
    assert pauses(hold_off(moment), moment, "refused", 7) == [30, 60, 120, 240, 480, 900, 900]


@pytest.mark.parametrize("act", ["failed", "refused"])
def test_jitter_shortens_by_a_quarter_at_most_and_pauses_still_grow(act: str) -> None:
    moment = Moment()
    most, least = (pauses(hold_off(moment, jitter), moment, act, 6) for jitter in (0.0, 1.0))
    assert least == [pause * 0.75 for pause in most]
    assert all(shorter < longer for shorter, longer in pairwise(least))


def test_a_success_forgets_all() -> None:
    moment = Moment()
    held = hold_off(moment)
    pauses(held, moment, "failed", 5)
    held.succeeded()
    assert held.seconds_left() == 0
    assert pauses(held, moment, "failed", 2) == [0, 10]


def test_what_the_server_asked_is_never_made_shorter() -> None:
    moment = Moment()
    held = hold_off(moment, jitter=1.0)
    held.wait(178.755, "throttled")
    held.failed("lost")
    held.refused("no")
    assert held.seconds_left() == 178.755 and held.reason == "throttled"
    moment.now = 179.0
    assert held.seconds_left() == 0
