"""What training and drift read: people's last word for each field, beside what the machine said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.store.conftest import NOW
from tests.integration.store.making import Maker
from triage.adapters.store import SqlStore
from triage.core.assessment import Band, SenderType, Urgency
from triage.core.case import Case, CaseState, LinkKind, LinkState
from triage.core.labels import MISSED_URGENT
from triage.core.mail import MessageKind


def say(store: SqlStore, case: Case, field: str, *after: str, before: tuple[str, ...] = (), minutes: int = 0) -> None:
    message = store.queries.case_page(case.reference).messages[-1]
    at = NOW + timedelta(minutes=minutes)
    with store.begin() as uow:
        uow.add_correction(case.id, message.id, by="u", at=at, field=field, before=before, after=after)


def judge(store: SqlStore, make: Maker, case: Case, *, minutes: int, **changes: Any) -> None:
    page = store.queries.case_page(case.reference)
    judged = make.assessment(make.mail(1), **changes)
    with store.begin() as uow:
        uow.add_assessment(page.messages[-1].id, case.id, judged, at=NOW + timedelta(minutes=minutes))


def test_the_last_word_of_people_for_each_field_they_chose(store: SqlStore, make: Maker) -> None:
    make.case()  # nobody said anything of this one
    case = make.case()
    say(store, case, "laws", "wmo", before=("wlz",), minutes=1)
    say(store, case, "laws", "wmo", "zvw", before=("wmo",), minutes=4)
    say(store, case, "urgency", "regular", "normal", before=("regular", "normal"), minutes=2)
    say(store, case, "danger", "no", minutes=3)
    (row,) = store.queries.feedback()
    page = store.queries.case_page(case.reference)
    assert (row.message_id, row.reference, row.language) == (page.messages[0].id, case.reference, "nl")
    assert row.labels == {"laws": ("wmo", "zvw"), "urgency": ("regular", "normal"), "danger": ("no",)}
    assert (row.at, row.missed_urgent, row.spam_or_machine) == (NOW + timedelta(minutes=4), False, False)
    assert row.judged_text == "Vraag van Marker2\n\nMijn moeder heeft zorg nodig, zij heet Marker2."


def test_examples_come_oldest_first_and_tell_a_missed_urgent_mail(store: SqlStore, make: Maker) -> None:
    first, second = make.case(), make.case()
    say(store, second, "laws", minutes=1)
    say(store, first, "urgency", "palliative", "urgent", before=("regular", "normal"), minutes=2)
    say(store, first, MISSED_URGENT, "palliative", "urgent", before=("regular", "normal"), minutes=2)
    rows = store.queries.feedback()
    assert [(row.reference, row.missed_urgent) for row in rows] == [(second.reference, False), (first.reference, True)]
    assert [row.labels for row in rows] == [{"laws": ()}, {"urgency": ("palliative", "urgent")}]


def test_a_bsn_is_masked_in_an_example(store: SqlStore, make: Maker) -> None:
    case = make.case(assessment={"judged_text": "BSN 111222333, klantnummer 123456789"})
    say(store, case, "laws", "wmo")
    (row,) = store.queries.feedback()
    assert row.judged_text == "BSN •••••••••, klantnummer 123456789"


def test_an_erased_mail_is_no_example_and_keeps_its_figures(store: SqlStore, make: Maker) -> None:
    case = make.case()
    say(store, case, "laws", "wmo")
    with store.begin() as uow:
        uow.erase_case(case.id, by="system", at=NOW)
    assert store.queries.feedback() == []
    (row,) = store.queries.judged_between(NOW, NOW + timedelta(seconds=1))
    assert (row.laws, row.overridden) == (("wlz",), {"laws"})


def test_a_joined_mail_stands_under_the_case_where_it_is_now(store: SqlStore, make: Maker) -> None:
    target, joined = make.case(), make.case()
    say(store, joined, "laws", "wmo")
    with store.begin() as uow:
        uow.move_messages(joined.id, target.id)
        uow.decide_link(joined.id, target.id, LinkKind.CONVERSATION, LinkState.ACCEPTED, by="u", at=NOW)
    assert [row.reference for row in store.queries.feedback()] == [target.reference]
    rows = store.queries.judged_between(NOW, NOW + timedelta(seconds=1))
    assert {(row.reference, row.overridden) for row in rows} == {
        (target.reference, frozenset()),
        (target.reference, frozenset({"laws"})),
    }


def test_a_wrapper_of_secure_mail_is_no_example_until_its_text_was_judged(store: SqlStore, make: Maker) -> None:
    case = make.case(assessment={"band_reason": "secure_mail_notice", "model": ""})
    say(store, case, "laws", "wmo")
    assert store.queries.feedback() == []
    judge(store, make, case, minutes=1, judged_text="De tekst achter het portaal")
    assert [row.judged_text for row in store.queries.feedback()] == ["De tekst achter het portaal"]


@pytest.mark.parametrize(("state", "set_aside"), [(CaseState.NO_REPLY_NEEDED, True), (CaseState.IN_PROGRESS, False)])
def test_what_was_set_aside_is_marked_unless_a_person_opened_it(
    store: SqlStore, make: Maker, state: CaseState, set_aside: bool
) -> None:
    case = make.case(kind=MessageKind.UNSOLICITED, case={"state": state})
    say(store, case, "laws")
    assert [row.spam_or_machine for row in store.queries.feedback()] == [set_aside]


def test_the_newest_reading_of_each_mail_made_in_a_time(store: SqlStore, make: Maker) -> None:
    case = make.case(
        assessment={"band": Band.POSSIBLE, "urgency": Urgency.TRANSFER, "unknown_words": 0.25, "nearest": 0.5}
    )
    twice = make.case()
    judge(store, make, twice, minutes=5, model="test-2", laws=("zvw", "wlz"), topics=("pgb",))
    (row,) = store.queries.judged_between(NOW, NOW + timedelta(minutes=5))
    assert (row.at, row.reference, row.model) == (NOW, case.reference, "test-1")
    assert (row.band, row.urgency, row.danger) == (Band.POSSIBLE, Urgency.TRANSFER, False)
    assert (row.laws, row.laws_unclear, row.topics) == (("wlz",), False, ("indicatie", "verblijf"))
    assert (row.sender_type, row.language) == (SenderType.OTHER, "nl")
    assert (row.unknown_words, row.nearest, row.overridden) == (0.25, 0.5, frozenset())
    (row,) = store.queries.judged_between(NOW + timedelta(minutes=5), NOW + timedelta(minutes=6))
    assert (row.model, row.laws, row.unknown_words, row.nearest) == ("test-2", ("zvw", "wlz"), None, None)


def test_overridden_is_where_the_last_word_differs(store: SqlStore, make: Maker) -> None:
    case = make.case()
    end = NOW + timedelta(hours=1)
    for field, after, found in (
        ("laws", ("wlz",), set()),  # confirmed
        ("laws", ("wmo",), {"laws"}),
        ("laws", ("wlz",), set()),  # taken back
        ("topics", ("verblijf", "indicatie"), set()),  # the same ones
        ("topics", ("verblijf",), {"topics"}),
        ("urgency", ("palliative", "urgent"), {"topics", "urgency"}),
        ("sender_type", ("gemeente",), {"topics", "urgency", "sender_type"}),
        ("danger", ("yes",), {"topics", "urgency", "sender_type", "danger"}),
    ):
        make.now += timedelta(seconds=1)
        say(store, case, field, *after, minutes=(make.now - NOW).seconds)
        assert store.queries.judged_between(NOW, end)[0].overridden == found, (field, after)


def test_readings_from_before_the_figures_were_measured_have_none(store: SqlStore, make: Maker) -> None:
    case = make.case()
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE assessments SET figures = replace(figures, 'unknown_words', 'x')")
    page = store.queries.case_page(case.reference)
    assert page.assessment is not None
    assert page.assessment.unknown_words is None
    assert store.queries.judged_between(NOW, NOW + timedelta(seconds=1))[0].unknown_words is None
