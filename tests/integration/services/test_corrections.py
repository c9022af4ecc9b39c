"""What people say of the machine's assessment: kept beside it, and never in its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.harness import Harness, mail
from triage.core.assessment import Band, SenderType, Urgency
from triage.errors import ConflictError, NotAllowed
from triage.ports import CasePage, User

REF = "JL-2026-00001"
BOSS = "chef@juisteloket.example"


@pytest.fixture
def user(desk: Harness) -> User:
    desk.mailbox.deliver(mail(1, body="wie regelt de hulp uit de wmo voor mijn man?"))
    desk.poll()
    return desk.user()


def page(desk: Harness) -> CasePage:
    return desk.store.queries.case_page(REF)


def version(desk: Harness) -> int:
    return page(desk).case.version


def said(desk: Harness) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """By field: the clock of these tests stands still."""
    return sorted((row.field, row.before, row.after) for row in page(desk).corrections)


def missed(desk: Harness, user: User, **changes: object) -> None:
    wanted: dict[str, object] = {"version": version(desk), "urgency": Urgency.PALLIATIVE, "reason": ""}
    desk.casework.corrections.missed_urgent(REF, user=user, **(wanted | changes))  # type: ignore[arg-type]


def test_a_confirmation_keeps_laws_and_urgency_as_they_stand(desk: Harness, user: User) -> None:
    before = page(desk)
    desk.casework.corrections.confirm(REF, user=user, version=before.case.version)
    after = page(desk)
    assert after.case == before.case
    assert after.assessment == before.assessment
    normal = ("regular", "normal")
    assert said(desk) == [("laws", ("wmo",), ("wmo",)), ("urgency", normal, normal)]
    assert {row.message_id for row in after.corrections} == {after.judged_message} == {after.messages[0].id}
    assert {row.actor for row in after.corrections} == {"A. Jansen"}
    assert after.timeline[-1].action == "assessment_confirmed"
    (example,) = desk.store.queries.feedback()
    assert example.labels == {"laws": ("wmo",), "urgency": normal}


def test_nobody_confirms_what_changed_meanwhile(desk: Harness, user: User) -> None:
    seen = version(desk)
    desk.casework.claim(REF, user=user, version=seen)
    with pytest.raises(ConflictError):
        desk.casework.corrections.confirm(REF, user=user, version=seen)
    assert said(desk) == []


def test_every_field_is_corrected_beside_the_prediction(desk: Harness, user: User) -> None:
    judged = page(desk).assessment
    acts = desk.casework.corrections
    acts.correct_sender_type(REF, user=user, version=version(desk), sender_type=SenderType.CARER)
    acts.correct_topics(REF, user=user, version=version(desk), topics=("T25", "T33"))
    acts.correct_danger(REF, user=user, version=version(desk), danger=True, reason="")
    now = page(desk)
    assert now.assessment == judged
    assert (now.sender_type, now.topics, now.case.danger) == (SenderType.CARER, ("T25", "T33"), True)
    assert said(desk) == [
        ("danger", ("no",), ("yes",)),
        ("sender_type", ("other",), ("carer",)),
        ("topics", ("T24",), ("T25", "T33")),
    ]
    details = [row.details for row in now.timeline if row.action.endswith("_corrected")]
    assert details == [{"sender_type": "carer"}, {"topics": ["T25", "T33"]}, {"danger": "yes"}]


def test_a_corrected_topic_renews_the_machines_draft_and_lasts(desk: Harness, user: User) -> None:
    acts, first = desk.casework.corrections, page(desk).drafts[0].content.body
    acts.correct_topics(REF, user=user, version=version(desk), topics=("T27",))
    second = page(desk).drafts[0].content.body
    assert second != first
    acts.correct_laws(REF, user=user, version=version(desk), laws=("wmo", "zvw"))
    acts.correct_laws(REF, user=user, version=version(desk), laws=("wmo",))
    assert page(desk).drafts[0].content.body == second  # still on the person's topic


@pytest.mark.parametrize("topics", [(), ("T01", "T01"), ("T01", "T02", "T03", "T04")])
def test_one_to_three_topics(desk: Harness, user: User, topics: tuple[str, ...]) -> None:
    with pytest.raises(NotAllowed):
        desk.casework.corrections.correct_topics(REF, user=user, version=version(desk), topics=topics)


def test_danger_put_on_alerts_at_any_hour_each_time(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=(BOSS,))
    desk.mailbox.deliver(mail(1))
    desk.poll()
    user, acts = desk.user(), desk.casework.corrections
    desk.now = desk.now.replace(hour=23)
    for danger in (True, True, False, True):
        acts.correct_danger(REF, user=user, version=version(desk), danger=danger, reason="gebeld met de buurvrouw")
    desk.relay_once()
    alerts = [raw for envelope, raw in desk.sender.sent if envelope.forward_path == BOSS]
    assert len(alerts) == 2
    assert all(b"Gevaar gemeld" in raw and b"buurvrouw" not in raw for raw in alerts)
    assert [row.action for row in page(desk).timeline].count("alert_raised") == 2
    desk.store.close()


def test_danger_is_taken_away_with_a_reason(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, body="danger-marker wmo"))
    desk.poll()
    user, acts = desk.user(), desk.casework.corrections
    with pytest.raises(NotAllowed):
        acts.correct_danger(REF, user=user, version=version(desk), danger=False, reason=" ")
    assert page(desk).case.danger
    acts.correct_danger(REF, user=user, version=version(desk), danger=False, reason="gaat over een film")
    now = page(desk)
    assert (now.case.danger, now.notes[-1].text) == (False, "gaat over een film")
    assert now.assessment is not None
    assert now.assessment.danger
    assert "film" not in str([row.details for row in now.timeline])


# ---------------------------------------------------------------- missed


def test_gemiste_spoed_makes_the_case_urgent_and_stays_on_record(desk: Harness, user: User) -> None:
    desk.later(days=1)
    missed(desk, user, reason="hij eet niet meer")
    now = page(desk)
    assert (now.case.band, now.case.urgency) == (Band.URGENT, Urgency.PALLIATIVE)
    assert now.case.take_up_due == desk.rules.calendar.end_of(desk.now.date().replace(day=25))
    before, after = ("regular", "normal"), ("palliative", "urgent")
    assert said(desk) == [("missed_urgent", before, after), ("urgency", before, after)]
    assert now.notes[-1].text == "hij eet niet meer"
    actions = [row.action for row in now.timeline]
    assert actions[-2:] == ["missed_urgent", "urgency_corrected"]
    assert next(row.details for row in now.timeline if row.action == "missed_urgent") == {
        "band": "urgent", "urgency": "palliative", "model": "test"
    }  # fmt: skip
    (example,) = desk.store.queries.feedback()
    assert (example.missed_urgent, example.labels) == (True, {"urgency": after})
    with desk.store.begin() as uow:
        uow.erase_case(now.case.id, by="system", at=desk.now)
    assert said(desk)[0] == ("missed_urgent", before, after)  # the person goes, the incident stays


def test_a_raise_by_the_ordinary_form_counts_as_missed(desk: Harness, user: User) -> None:
    desk.casework.corrections.correct_urgency(
        REF, user=user, version=version(desk), urgency=Urgency.TRANSFER, band=Band.POSSIBLE, reason=""
    )
    assert [row[0] for row in said(desk)] == ["missed_urgent", "urgency"]
    desk.casework.corrections.correct_urgency(
        REF, user=user, version=version(desk), urgency=Urgency.TRANSFER, band=Band.URGENT, reason=""
    )
    assert [row[0] for row in said(desk)] == ["missed_urgent", "urgency", "urgency"]  # missed once


def test_what_the_machine_saw_was_not_missed(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, body="palliative-marker zvw"))
    desk.poll()
    user, acts = desk.user(), desk.casework.corrections
    with pytest.raises(NotAllowed):
        missed(desk, user)
    acts.correct_urgency(
        REF, user=user, version=version(desk), urgency=Urgency.REGULAR, band=Band.NORMAL, reason="vorig jaar"
    )
    acts.correct_urgency(
        REF, user=user, version=version(desk), urgency=Urgency.PALLIATIVE, band=Band.URGENT, reason="toch niet"
    )
    assert [row[0] for row in said(desk)] == ["urgency", "urgency"]


def test_missed_is_palliative_or_transfer_and_never_on_an_old_page(desk: Harness, user: User) -> None:
    with pytest.raises(NotAllowed):
        missed(desk, user, urgency=Urgency.REGULAR)
    seen = version(desk)
    missed(desk, user)
    with pytest.raises(ConflictError):  # a double click, or a colleague at the same moment
        missed(desk, user, version=seen)
    assert [row[0] for row in said(desk)].count("missed_urgent") == 1


def test_corrections_are_about_the_mail_that_was_judged_last(desk: Harness, user: User) -> None:
    desk.later(minutes=5)
    token = page(desk).case.subject_token
    desk.mailbox.deliver(mail(2, body="jeugdwet", subject=f"Re: {token}", sender="vrager1@mensen.example"))
    desk.poll()
    desk.casework.corrections.confirm(REF, user=user, version=version(desk))
    now = page(desk)
    assert {row.message_id for row in now.corrections} == {now.messages[-1].id}


def test_a_persons_own_text_stays_when_something_is_corrected(desk: Harness, user: User) -> None:
    draft = page(desk).drafts[0]
    mine = replace(draft.content, body="Mijn eigen tekst.")
    desk.approval.save_draft(REF, user=user, base_revision=draft.revision, content=mine)
    desk.casework.corrections.correct_topics(REF, user=user, version=version(desk), topics=("T27",))
    assert page(desk).drafts[0].content == mine


# ---------------------------------------------------------------- audit sample


@pytest.fixture
def sampled(desk: Harness, user: User) -> User:
    desk.later(days=7)
    assert desk.audit_sample.draw_once() == 1
    assert desk.audit_sample.draw_once() == 0
    return user


def figures(desk: Harness) -> tuple[int, int, int]:
    found = desk.store.queries.audit_sample(desk.now - timedelta(days=365))
    return found.drawn, found.looked_at, found.found_urgent


def test_a_sampled_case_that_is_fine_is_looked_at_once(desk: Harness, sampled: User) -> None:
    assert (page(desk).sampled, figures(desk)) == ("2026-W48", (1, 0, 0))
    acts = desk.casework.corrections
    acts.sample_is_normal(REF, user=sampled, version=version(desk))
    assert (page(desk).sampled, figures(desk)) == ("", (1, 1, 0))
    assert said(desk) == [("urgency", ("regular", "normal"), ("regular", "normal"))]
    assert [row.action for row in page(desk).timeline][-2:] == ["sample_drawn", "sample_looked_at"]
    with pytest.raises(ConflictError):
        acts.sample_is_normal(REF, user=sampled, version=version(desk))
    assert len(said(desk)) == 1


@pytest.mark.parametrize("form", ["missed", "ordinary"])
def test_a_sampled_case_that_is_urgent_counts_however_it_is_said(desk: Harness, sampled: User, form: str) -> None:
    if form == "missed":
        missed(desk, sampled)
    else:
        desk.casework.corrections.correct_urgency(
            REF, user=sampled, version=version(desk), urgency=Urgency.TRANSFER, band=Band.POSSIBLE, reason=""
        )
    assert (page(desk).sampled, figures(desk)) == ("", (1, 1, 1))


def test_a_sampled_case_that_ended_is_looked_at_as_well(desk: Harness, sampled: User) -> None:
    desk.casework.close(REF, user=sampled, version=version(desk), reason="klaar")
    desk.casework.corrections.sample_is_normal(REF, user=sampled, version=version(desk))
    assert figures(desk) == (1, 1, 0)


def test_what_a_new_model_raised_meanwhile_may_still_be_called_missed(desk: Harness, sampled: User) -> None:
    with desk.store.begin() as uow:
        case = uow.case(page(desk).case.id)
        uow.save_case(replace(case, band=Band.POSSIBLE, urgency=Urgency.TRANSFER))
    missed(desk, sampled)
    assert (page(desk).case.band, figures(desk)) == (Band.URGENT, (1, 1, 1))
