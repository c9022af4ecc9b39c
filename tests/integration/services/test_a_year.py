"""Two awkward stretches of the simulated year, lived through by the real services: every promise kept, every alert told
once and in time. `make promises` lives through a whole year."""

from __future__ import annotations

import pytest

from tests.year.plans import CHRISTMAS, EASTER, Plan
from tests.year.world import Lived, live

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[CHRISTMAS, EASTER], ids=["christmas", "easter"])
def lived(request: pytest.FixtureRequest) -> Lived:
    plan: Plan = request.param
    return live(plan)


def test_every_clock_stands_where_the_oracle_says_after_every_event(lived: Lived) -> None:
    assert lived.compared > 1000
    assert lived.clock_differences == []


def test_the_date_that_reaches_the_sender_is_the_date_of_the_clock(lived: Lived) -> None:
    assert lived.promises > 100
    assert lived.promise_differences == []


def test_each_case_has_one_acknowledgement_or_a_reason_why_not(lived: Lived) -> None:
    assert lived.acknowledged + lived.withheld == lived.cases > 100
    assert lived.acknowledgement_differences == []


def test_nothing_else_went_otherwise_than_it_should(lived: Lived) -> None:
    assert lived.mails > lived.cases
    assert lived.other_differences == []


def test_each_alert_is_told_once_and_in_the_service_hours(lived: Lived) -> None:
    assert lived.alerts.due["at_risk"] > 50
    assert lived.alerts.differences == []
