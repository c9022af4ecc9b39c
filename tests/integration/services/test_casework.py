"""What people do: take up, wait, correct, approve, take back; who may, and what happens when two act at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.harness import Harness, mail
from triage.core.assessment import Band, Urgency
from triage.core.case import Case, CaseState, WaitingFor
from triage.core.gate import Finding, GateFindings, SecureChannel
from triage.core.sla import clock_state
from triage.errors import ConflictError, NotAllowed, NotFound
from triage.ports import DraftContent, User

REF = "JL-2026-00001"


@pytest.fixture
def user(desk: Harness) -> User:
    desk.mailbox.deliver(mail(1, body="palliative-marker, zvw: wie helpt mij thuis met de zorg voor mijn man?"))
    desk.poll()
    return desk.user()


def case(desk: Harness) -> Case:
    return desk.store.queries.case_page(REF).case


def approve(desk: Harness, user: User, **changes: object):
    page = desk.store.queries.case_page(REF)
    wanted = {
        "revision": page.drafts[0].revision,
        "content_hash": page.drafts[0].content_hash,
        "seen_messages": len([message for message in page.messages if message.direction == "in"]),
    }
    return desk.approval.approve(REF, user=user, **(wanted | changes))  # type: ignore[arg-type]


def test_a_claim_takes_the_case_up(desk: Harness, user: User) -> None:
    desk.casework.claim(REF, user=user, version=case(desk).version)
    page = desk.store.queries.case_page(REF)
    assert page.case.state is CaseState.IN_PROGRESS
    assert page.case.taken_up_at == desk.now
    assert page.assignee_name == "A. Jansen"


def test_two_people_at_once_the_second_is_told_and_nothing_is_lost(desk: Harness, user: User) -> None:
    seen = case(desk).version
    desk.casework.claim(REF, user=user, version=seen)
    with pytest.raises(ConflictError):
        desk.casework.close(REF, user=desk.user(name="bakker"), version=seen, reason="klaar")
    assert case(desk).state is CaseState.IN_PROGRESS


def test_waiting_for_the_sender_pauses_and_resuming_gives_the_days_back(desk: Harness, user: User) -> None:
    due = case(desk).answer_due
    desk.casework.wait(REF, user=user, version=case(desk).version, waiting_for=WaitingFor.SENDER)
    assert case(desk).paused_ends_left == 4  # today's end counts as well: Monday to Thursday
    desk.later(days=7)
    desk.casework.resume(REF, user=user, version=case(desk).version)
    assert case(desk).answer_due > due
    assert case(desk).paused_ends_left is None


def test_lowering_the_urgency_needs_a_reason_and_ends_the_short_term(desk: Harness, user: User) -> None:
    version = case(desk).version
    with pytest.raises(NotAllowed):
        desk.casework.corrections.correct_urgency(
            REF, user=user, version=version, urgency=Urgency.REGULAR, band=Band.NORMAL, reason=" "
        )
    assert case(desk).band is Band.URGENT
    desk.casework.corrections.correct_urgency(
        REF, user=user, version=version, urgency=Urgency.REGULAR, band=Band.NORMAL, reason="vraag van vorig jaar"
    )
    assert (case(desk).band, case(desk).urgency, case(desk).take_up_due) == (Band.NORMAL, Urgency.REGULAR, None)


def test_urgency_and_band_cannot_contradict_each_other(desk: Harness, user: User) -> None:
    with pytest.raises(NotAllowed):
        desk.casework.corrections.correct_urgency(
            REF, user=user, version=case(desk).version, urgency=Urgency.REGULAR, band=Band.URGENT, reason="x"
        )


def test_laws_are_corrected_in_a_fixed_order(desk: Harness, user: User) -> None:
    desk.casework.corrections.correct_laws(REF, user=user, version=case(desk).version, laws=("zvw", "wmo"))
    assert case(desk).laws == ("wmo", "zvw")
    with pytest.raises(NotAllowed):
        desk.casework.corrections.correct_laws(REF, user=user, version=case(desk).version, laws=("awbz",))


def test_an_edit_voids_an_approval_and_takes_the_mail_back(desk: Harness, user: User) -> None:
    desk.relay_once()
    approve(desk, user)
    draft = desk.store.queries.case_page(REF).drafts[0]
    changed = replace(draft.content, body="Geachte mevrouw,\n\nEen andere tekst.\n\n[[handtekening]]")
    desk.approval.save_draft(REF, user=user, base_revision=draft.revision, content=changed)
    desk.later(minutes=5)
    desk.relay_once()
    assert len(desk.sender.sent) == 1  # the acknowledgement alone
    assert desk.store.queries.case_page(REF).drafts[0].approved_at is None


def test_what_was_approved_is_what_is_sent(desk: Harness, user: User) -> None:
    draft = desk.store.queries.case_page(REF).drafts[0]
    text = "Geachte mevrouw,\n\nU belt vandaag de wijkverpleegkundige.\n\n[[handtekening]]"
    saved = desk.approval.save_draft(
        REF, user=user, base_revision=draft.revision, content=replace(draft.content, body=text)
    )
    approve(desk, user, revision=saved.revision, content_hash=saved.content_hash)
    desk.later(minutes=1)
    desk.relay_once()
    (reply,) = [raw.decode() for _, raw in desk.sender.sent if b"auto-replied" not in raw]
    assert "U belt vandaag de wijkverpleegkundige." in reply
    assert "A. Jansen" in reply
    assert "[[handtekening]]" not in reply


def test_an_approval_can_be_taken_back_until_it_leaves(desk: Harness, user: User) -> None:
    desk.relay_once()
    approve(desk, user)
    desk.approval.undo_approval(REF, user=user)
    desk.later(minutes=5)
    desk.relay_once()
    assert len(desk.sender.sent) == 1
    approve(desk, user)
    desk.later(minutes=5)
    desk.relay_once()
    assert len(desk.sender.sent) == 2
    with pytest.raises(ConflictError):
        desk.approval.undo_approval(REF, user=user)


def test_a_trainee_may_draft_and_not_release(desk: Harness, user: User) -> None:
    trainee = desk.user("trainee", "visser")
    draft = desk.store.queries.case_page(REF).drafts[0]
    desk.approval.save_draft(REF, user=trainee, base_revision=draft.revision, content=draft.content)
    with pytest.raises(NotAllowed):
        approve(desk, trainee)


def test_two_people_edit_the_second_keeps_the_text_and_is_told(desk: Harness, user: User) -> None:
    draft = desk.store.queries.case_page(REF).drafts[0]
    desk.approval.save_draft(REF, user=user, base_revision=draft.revision, content=draft.content)
    with pytest.raises(ConflictError):
        desk.approval.save_draft(REF, user=user, base_revision=draft.revision, content=draft.content)


def test_a_new_mail_of_the_sender_is_shown_before_release(desk: Harness, user: User) -> None:
    token = case(desk).subject_token
    desk.mailbox.deliver(mail(2, subject=f"Nog iets {token}", sender="vrager1@mensen.example"))
    desk.poll()
    with pytest.raises(ConflictError):
        approve(desk, user, seen_messages=1)
    assert len(desk.store.queries.case_page(REF).drafts) == 1  # the draft was not eaten
    approve(desk, user, seen_messages=2)


def test_an_old_revision_cannot_be_approved(desk: Harness, user: User) -> None:
    first = desk.store.queries.case_page(REF).drafts[0]
    desk.approval.save_draft(
        REF, user=user, base_revision=first.revision, content=replace(first.content, subject="Anders")
    )
    with pytest.raises(ConflictError):
        approve(desk, user, revision=first.revision, content_hash=first.content_hash)


def test_the_gate_stops_a_bsn(desk: Harness, user: User) -> None:
    draft = desk.store.queries.case_page(REF).drafts[0]
    saved = desk.approval.save_draft(
        REF, user=user, base_revision=draft.revision, content=replace(draft.content, body="Uw BSN is 111222333.")
    )
    with pytest.raises(GateFindings) as found:
        approve(desk, user, revision=saved.revision, content_hash=saved.content_hash)
    assert found.value.findings == (Finding.BSN,)


ASKED = (
    "Beste meneer,\n\nUw moeder (geb. 12-03-1950) krijgt hulp van de gemeente.\n"
    + " ".join(["lang"] * 26)
    + ".\n\n[[handtekening]]"
)


def draft_of(desk: Harness, user: User, **changes: object):
    newest = desk.store.queries.case_page(REF).drafts[0]
    content = replace(newest.content, **changes)  # type: ignore[arg-type]
    return desk.approval.save_draft(REF, user=user, base_revision=newest.revision, content=content)


def last_audit(desk: Harness):
    return desk.store.queries.case_page(REF).timeline[-1]


def test_a_reply_waits_until_every_question_of_the_gate_is_ticked(desk: Harness, user: User) -> None:
    desk.relay_once()
    draft_of(desk, user, body=ASKED, cc=("zus@mensen.example",))
    before = desk.store.queries.case_page(REF)
    asked = (Finding.BIRTH_DATE, Finding.UNKNOWN_RECIPIENT, Finding.LONG_SENTENCE)
    assert tuple(one.finding for one in desk.approval.findings_of(before)) == asked
    for ticked in (frozenset(), frozenset(asked[:2])):
        with pytest.raises(GateFindings) as refused:
            approve(desk, user, ticked=ticked)
        assert refused.value.unticked == tuple(one for one in asked if one not in ticked)
        assert refused.value.blocking == ()
    assert desk.store.queries.case_page(REF) == before  # nothing changed

    approve(desk, user, ticked=frozenset(Finding))  # what was not found cannot be ticked
    row = last_audit(desk)
    assert (row.action, row.details["ticked"]) == (
        "draft_approved",
        {"birth_date": 1, "unknown_recipient": 1, "long_sentence": 1},
    )
    told = repr([one.details for one in desk.store.queries.case_page(REF).timeline])
    assert "1950" not in told and "mensen.example" not in told and "lang" not in told
    desk.later(minutes=1)
    desk.relay_once()
    assert len(desk.sender.sent) == 3  # the acknowledgement, To and Cc


def test_a_tick_does_not_lift_what_blocks(desk: Harness, user: User) -> None:
    draft_of(desk, user, body=f"{ASKED} BSN 111222333")
    with pytest.raises(GateFindings) as refused:
        approve(desk, user, ticked=frozenset(Finding))
    assert (refused.value.blocking, refused.value.unticked) == ((Finding.BSN,), ())


def test_an_approval_without_questions_says_nothing_of_ticks(desk: Harness, user: User) -> None:
    approve(desk, user, ticked=frozenset(Finding))
    assert "ticked" not in last_audit(desk).details


def test_who_only_read_along_is_an_outsider_until_they_write(desk: Harness, user: User) -> None:
    token = case(desk).subject_token
    copied = mail(2, subject=f"Nog iets {token}", sender="vrager1@mensen.example", headers="Cc: zus@mensen.example\r\n")
    desk.mailbox.deliver(copied)
    desk.poll()
    draft_of(desk, user, body="Beste meneer,\n\nU belt de gemeente.", cc=("zus@mensen.example",))

    def asked() -> list[tuple[Finding, tuple[str, ...]]]:
        found = desk.approval.findings_of(desk.store.queries.case_page(REF))
        return [(one.finding, one.where) for one in found]

    assert asked() == [(Finding.OUTSIDER, ("zus@mensen.example",))]
    desk.mailbox.deliver(mail(3, subject=f"Re: {token}", sender="zus@mensen.example"))
    desk.poll()
    assert asked() == []


def test_a_secure_channel_that_is_required_is_ticked_on_record(desk: Harness, user: User) -> None:
    desk.approval._secure_channel = SecureChannel.REQUIRE
    with pytest.raises(GateFindings) as refused:
        approve(desk, user)
    assert refused.value.unticked == (Finding.SECURE_CHANNEL,)
    approve(desk, user, ticked=frozenset({Finding.SECURE_CHANNEL}))
    assert last_audit(desk).details["ticked"] == {"secure_channel": 1}


def test_a_reply_to_several_people_reaches_each_once(desk: Harness, user: User) -> None:
    desk.relay_once()
    draft = desk.store.queries.case_page(REF).drafts[0]
    content = replace(draft.content, to=("a@mensen.example", "b@mensen.example"))
    saved = desk.approval.save_draft(REF, user=user, base_revision=draft.revision, content=content)
    ticked = frozenset({Finding.UNKNOWN_RECIPIENT})
    approve(desk, user, revision=saved.revision, content_hash=saved.content_hash, ticked=ticked)
    desk.later(minutes=1)
    desk.relay_once()
    assert sorted(envelope.forward_path for envelope, _ in desk.sender.sent[1:]) == sorted(content.to)


def test_closing_needs_a_reason_and_unknown_cases_are_said_so(desk: Harness, user: User) -> None:
    with pytest.raises(NotAllowed):
        desk.casework.close(REF, user=user, version=case(desk).version, reason="")
    with pytest.raises(NotFound):
        desk.casework.claim("JL-2026-99999", user=user, version=1)


def test_the_hash_binds_every_part_of_the_text() -> None:
    content = DraftContent(("a@x.example",), (), "Onderwerp", "Tekst")
    others = [
        replace(content, to=("b@x.example",)),
        replace(content, cc=("a@x.example",)),
        replace(content, subject="Onderwerp2"),
        replace(content, body="Tekst2"),
        replace(content, attachments=("a.pdf",)),
    ]
    assert len({item.sha256 for item in (content, *others)}) == 6


def test_after_an_answer_the_next_one_can_be_written_and_sent(desk: Harness, user: User) -> None:
    desk.relay_once()
    approve(desk, user)
    draft = desk.store.queries.case_page(REF).drafts[0]
    desk.later(minutes=1)
    desk.relay_once()
    token = case(desk).subject_token
    desk.mailbox.deliver(mail(2, subject=f"Re: {token}", sender="vrager1@mensen.example"))
    desk.poll()
    latest = desk.store.queries.case_page(REF).drafts[0]
    assert latest.revision > draft.revision
    saved = desk.approval.save_draft(
        REF, user=user, base_revision=latest.revision, content=replace(latest.content, body="Nog een antwoord.")
    )
    approve(desk, user, revision=saved.revision, content_hash=saved.content_hash)
    desk.later(minutes=1)
    desk.relay_once()
    assert len(desk.sender.sent) == 3
    again = desk.store.queries.case_page(REF).drafts[0]
    desk.approval.save_draft(REF, user=user, base_revision=again.revision, content=again.content)


@pytest.mark.parametrize("role", ["trainee", "toezichthouder", "beheerder"])
def test_only_a_medewerker_releases(desk: Harness, user: User, role: str) -> None:
    with pytest.raises(NotAllowed):
        approve(desk, desk.user(role, f"een-{role}"))


def test_a_case_that_somebody_holds_is_only_taken_over_on_purpose(desk: Harness, user: User) -> None:
    other = desk.user(name="bakker")
    desk.casework.claim(REF, user=user, version=case(desk).version)
    with pytest.raises(ConflictError):
        desk.casework.claim(REF, user=other, version=case(desk).version)
    seen = case(desk).version
    desk.casework.claim(REF, user=other, version=seen, take_over=True)
    assert case(desk).assignee == other.id
    with pytest.raises(ConflictError):
        desk.casework.claim(REF, user=user, version=seen, take_over=True)


def test_time_spent_waiting_for_the_sender_is_not_held_against_a_case_that_ends(desk: Harness, user: User) -> None:
    desk.casework.wait(REF, user=user, version=case(desk).version, waiting_for=WaitingFor.SENDER)
    desk.later(days=14)
    desk.casework.close(REF, user=user, version=case(desk).version, reason="niets meer gehoord")
    assert clock_state(case(desk), desk.now) == "met"


def test_an_answer_ends_the_wait_for_the_sender(desk: Harness, user: User) -> None:
    desk.casework.wait(REF, user=user, version=case(desk).version, waiting_for=WaitingFor.SENDER)
    desk.later(days=14)
    approve(desk, user)
    desk.later(minutes=1)
    desk.relay_once()
    assert case(desk).state is CaseState.ANSWERED
    assert clock_state(case(desk), desk.now) == "met"


def test_a_correction_renews_the_machines_draft_and_never_a_persons(desk: Harness, user: User) -> None:
    before = desk.store.queries.case_page(REF).drafts[0]
    desk.casework.corrections.correct_laws(REF, user=user, version=case(desk).version, laws=("jeugdwet",))
    page = desk.store.queries.case_page(REF)
    assert page.drafts[0].revision > before.revision
    assert page.drafts[0].content.body != before.content.body
    assert page.drafts[0].content.to == before.content.to
    mine = replace(before.content, body="Mijn eigen tekst.")
    desk.approval.save_draft(REF, user=user, base_revision=page.drafts[0].revision, content=mine)
    desk.casework.corrections.correct_laws(REF, user=user, version=case(desk).version, laws=("wmo",))
    kept = desk.store.queries.case_page(REF).drafts[0].content
    assert kept == replace(mine, blocks=page.drafts[0].content.blocks)
