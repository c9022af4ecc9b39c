"""Beheer, the part about the model: what judges, what the others did, and who may choose."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.web.fakes import NOW, World
from triage.errors import ConflictError, ModelUnavailable, NotAllowed, NotFound
from triage.ports import Challenger, ComparedWith, ModelChoice, ModelOverview, RunningModel

OLD = {"recall": (345, 350), "alarms": (12, 230), "danger_recall": (58, 60), "exact": (400, 480)}
NEW = {"recall": (347, 350), "alarms": (9, 230), "danger_recall": (58, 60), "exact": (410, 480)}
COMPARED = ComparedWith("jl-shipped+rules", NOW - timedelta(days=1), "better", (), OLD, NEW)
GOOD = Challenger("jl-0123456789ab", NOW - timedelta(days=1), COMPARED)
BAD = Challenger(
    "jl-ba9876543210", NOW - timedelta(days=2), replace(COMPARED, verdict="refused", reasons=("regression_missed",))
)
STALE = Challenger("jl-aaaaaaaaaaaa", NOW - timedelta(days=3), None)
RUNNING = RunningModel("jl-shipped+rules", OLD)


def world(**changes: object) -> World:
    made = World()
    overview = ModelOverview(RUNNING, None, (GOOD, BAD, STALE), frozenset({GOOD.id}))
    made.helpdesk.models = replace(overview, **changes)  # type: ignore[arg-type]
    return made


def test_the_model_in_use_and_the_others_stand_there_in_words_and_counts() -> None:
    page = world().browser().login("beheerder").get("/beheer").text
    assert 'href="#model"' in page and 'id="model"' in page
    assert "jl-shipped+rules" in page and "345 van 350 spoedmails gevonden" in page
    assert "347 van 350 spoedmails gevonden" in page and "(vergeleken model: 345)" in page
    assert "Beter" in page and "Afgekeurd" in page and "Niet vergeleken" in page
    assert "het mist spoed die eerder al gemist is" in page
    assert "Terug naar het vorige model" not in page  # nobody ever chose


def test_only_what_may_be_put_in_use_has_a_button() -> None:
    page = world().browser().login("beheerder").get("/beheer").text
    assert page.count('action="/beheer/model"') == 1
    assert f'value="{GOOD.id}"' in page and f'value="{BAD.id}"' not in page
    assert f"model compare {STALE.id}" in page and f"model compare {BAD.id}" not in page


def test_a_choice_shows_who_and_the_way_back() -> None:
    choice = ModelChoice(GOOD.id, None, "u-beheerder", NOW - timedelta(hours=1))
    page = world(choice=choice, promotable=frozenset()).browser().login("beheerder").get("/beheer").text
    assert "Bo Visser" in page and "Terug naar het vorige model" in page and "het model van het programma" in page
    assert "In gebruik" in page and 'action="/beheer/model"' not in page
    against = replace(choice, by="command", reason="oefening <b>")
    page = world(choice=against).browser().login("beheerder").get("/beheer").text
    assert "met een opdracht" in page and "oefening &lt;b&gt;" in page


def test_a_fault_is_shown_and_says_that_no_mail_is_lost() -> None:
    running = replace(RUNNING, fault="model.skops: SHA-256 is not the one in manifest.json")
    page = world(running=running).browser().login("beheerder").get("/beheer").text
    assert "Het gekozen model werkt niet" in page and "SHA-256 is not the one" in page


def test_without_models_the_part_is_not_there() -> None:
    page = World().browser().login("beheerder").get("/beheer").text
    assert 'id="model"' not in page and 'href="#model"' not in page


def test_choosing_and_going_back() -> None:
    made = world()
    browser = made.browser().login("beheerder")
    answer = browser.post("/beheer/model", model=GOOD.id)
    assert (answer.status_code, answer.headers["location"]) == (303, "/beheer?melding=model#model")
    assert browser.post("/beheer/model/terug").status_code == 303
    assert made.helpdesk.done == [("promote_model", GOOD.id), ("roll_back_model", "u-beheerder")]
    assert "Binnen een minuut is het in gebruik" in browser.get("/beheer?melding=model").text


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (NotAllowed("refused"), "mag niet in gebruik"),
        (NotFound("none"), "bestaat niet meer"),
        (ConflictError("same"), "al in gebruik"),
        (ModelUnavailable("hash"), "beschadigd"),
    ],
)
def test_what_does_not_go_through_is_said_on_the_page(trouble: Exception, words: str) -> None:
    made = world()
    made.helpdesk.model_trouble = trouble
    answer = made.browser().login("beheerder").post("/beheer/model", model=BAD.id)
    assert answer.status_code == 409 and words in answer.text


def test_going_back_without_an_earlier_model_is_said_on_the_page() -> None:
    made = world()
    made.helpdesk.model_trouble = ConflictError("none")
    answer = made.browser().login("beheerder").post("/beheer/model/terug")
    assert answer.status_code == 409 and "geen vorig model" in answer.text
