"""Another day than was promised: proposed, sent by a person, at the mail server, and in the promise book."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.integration.harness import US, Harness, mail
from tests.integration.office import page
from tests.integration.post import FIRST, Post, assert_well_formed, read, text_of
from tests.integration.services.test_bounces import report
from tests.servers.smtpd import CLOSE, RecordingSmtp
from triage.core.case import CaseState, WaitingFor
from triage.core.promises import Delivery
from triage.core.sla import SlaRules, recounted
from triage.core.workdays import WorkCalendar
from triage.errors import ConflictError, DeliveryDeferred, DeliveryRefused, NotAllowed
from triage.ports import CasePage, CorrectionProposal, User

ASKER = "vrager1@mensen.example"
WEDNESDAY, FRIDAY = date(2026, 11, 25), date(2026, 11, 27)
ENGLISH = "Good afternoon, who can help my mother with her care at home? We have been waiting for weeks now."
GERMAN = "Guten Tag, wer hilft meiner Mutter zu Hause? Wir warten schon seit vielen Wochen auf eine Antwort."


def close_on(desk: Harness, *days: date) -> None:
    """The calendar gets closing days, and the open case is counted anew."""
    desk.rules = SlaRules(WorkCalendar(closing_days=dict.fromkeys(days, "verhuizing")))
    desk.wire()
    with desk.store.begin() as uow:
        case = uow.case(page(desk).case.id, for_update=True)
        uow.save_case(recounted(case, desk.rules))


def proposal(desk: Harness) -> CorrectionProposal:
    found = desk.promising.proposed_correction(page(desk))
    assert found is not None
    return found


def send(desk: Harness, user: User) -> None:
    shown = page(desk)
    found = proposal(desk)
    desk.promising.send_correction(FIRST, user=user, version=shown.case.version, answer_day=found.answer_day)


def nothing_proposed(desk: Harness) -> bool:
    return desk.promising.proposed_correction(page(desk)) is None


def moved(post: Post, **changes: str) -> CasePage:
    """An acknowledged case whose day moved from Thursday to Friday."""
    post.acknowledged(mail(1, **changes))
    assert nothing_proposed(post)
    close_on(post, WEDNESDAY)
    return page(post)


def test_a_closing_day_is_told_by_a_person(post: Post, server: RecordingSmtp) -> None:
    moved(post, headers="References: <a@mensen.example>\r\n")
    found = proposal(post)
    assert (found.to, found.answer_day) == (ASKER, FRIDAY)
    user = post.somebody()
    send(post, user)
    assert nothing_proposed(post)
    post.relay_once()
    received = server.received[-1]
    assert_well_formed(received)
    message = read(received)
    assert (received.reverse_path, received.forward_paths) == (US, (ASKER,))
    assert message["Subject"] == found.subject == f"Nieuwe datum voor uw antwoord {page(post).case.subject_token}"
    assert text_of(received) == found.text + "\n"
    assert "Wij schreven u dat u uiterlijk op donderdag 26 november antwoord krijgt. Die datum verandert." in found.text
    assert "\nU krijgt nu uiterlijk op vrijdag 27 november antwoord.\n" in found.text
    assert "Het spijt ons" in found.text and "030 789 78 78" in found.text
    html = message.get_body(("html",))
    assert html is not None
    promised = '<div class="promise"><p>U krijgt nu uiterlijk op vrijdag 27 november antwoord.</p></div>'
    assert promised in str(html.get_content()).replace("\xa0", " ")
    assert message["Auto-Submitted"] is None and message["X-Auto-Response-Suppress"] is None
    assert message["In-Reply-To"] == "<vraag-1@mensen.example>" and message["References"] == "<vraag-1@mensen.example>"

    now = page(post)
    assert [(one.told_by, one.actor, one.state) for one in now.promises] == [
        ("acknowledgement", "system", "sent"),
        ("correction", "A. Jansen", "sent"),
    ]
    assert now.case.promised_for == now.case.answer_due
    assert (now.case.state, now.case.answered_at, now.case.taken_up_at) == (CaseState.IN_PROGRESS, None, post.now)
    assert [one.direction for one in now.messages] == ["in", "out"]
    assert nothing_proposed(post) and post.store.proof.contradictions()["corrections_without_promise"][0] == 0


def test_its_copy_goes_to_sent_and_the_question_stays_unanswered(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.relay_once()
    close_on(desk, WEDNESDAY)
    send(desk, desk.user())
    desk.relay_once()
    desk.poll()
    ((raw, _),) = desk.mailbox.sent
    assert message_from_bytes(raw)["Message-ID"] == message_from_bytes(desk.sender.sent[-1][1])["Message-ID"]
    assert "\\Answered" not in desk.mailbox.flags(1)
    desk.poll()
    assert len(desk.mailbox.sent) == 1


def test_the_sender_s_answer_to_it_joins_the_case(post: Post, server: RecordingSmtp) -> None:
    moved(post)
    send(post, post.somebody())
    post.relay_once()
    ours = read(server.received[-1])["Message-ID"]
    post.receive(mail(2, sender=f"Vrager <{ASKER}>", headers=f"In-Reply-To: {ours}\r\n"))
    assert len([one for one in page(post).messages if one.direction == "in"]) == 2


@pytest.mark.parametrize(
    ("body", "subject", "words"),
    [
        (ENGLISH, "A new date for your answer [", ("You will now get our answer by Friday 27 November",)),
        (
            GERMAN,
            "Nieuwe datum voor uw antwoord / A new date for your answer [",
            ("uiterlijk op vrijdag 27 november", "by Friday 27 November"),
        ),
    ],
)
def test_it_is_written_in_the_languages_of_the_acknowledgement(
    post: Post, body: str, subject: str, words: tuple[str, ...]
) -> None:
    moved(post, body=body)
    found = proposal(post)
    assert found.subject.startswith(subject)
    assert all(word in found.text for word in words)
    assert ("Goedendag" in found.text) == (body is GERMAN)


def test_not_needed_holds_until_another_day_holds(post: Post, server: RecordingSmtp) -> None:
    moved(post)
    version = page(post).case.version
    dismiss = post.promising.dismiss_correction
    with pytest.raises(NotAllowed, match="reason"):
        dismiss(FIRST, user=post.somebody(), version=version, answer_day=FRIDAY, reason=" ")
    dismiss(FIRST, user=post.somebody(), version=version, answer_day=FRIDAY, reason="Ik heb de vrager gebeld.")
    now = page(post)
    assert nothing_proposed(post)
    assert [note.text for note in now.notes] == ["Ik heb de vrager gebeld."]
    assert now.timeline[-1].details == {"answer_day": "2026-11-27"}
    with pytest.raises(ConflictError):
        post.promising.send_correction(FIRST, user=post.somebody(), version=now.case.version, answer_day=FRIDAY)
    close_on(post, WEDNESDAY, FRIDAY)
    assert proposal(post).answer_day == date(2026, 11, 30)
    post.relay_once()
    assert len(server.received) == 1  # the acknowledgement


def test_a_refused_acknowledgement_promised_nothing(post: Post, server: RecordingSmtp) -> None:
    server.plan("RCPT", "550 5.1.1 no such user")
    post.receive(mail(1))
    post.relay_once()
    close_on(post, WEDNESDAY)
    now = page(post)
    assert now.compared is None and now.promises[0].delivery is Delivery.NOT_TOLD
    assert nothing_proposed(post)


def test_after_waiting_for_the_sender(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.relay_once()
    user = desk.user()
    desk.casework.wait(FIRST, user=user, version=page(desk).case.version, waiting_for=WaitingFor.SENDER)
    assert nothing_proposed(desk)
    desk.later(days=2)
    desk.casework.resume(FIRST, user=user, version=page(desk).case.version)
    assert "Wij wachtten op een reactie van u." in proposal(desk).text
    assert "spijt" not in proposal(desk).text


def answered(post: Post) -> User:
    post.acknowledged(mail(1))
    post.approve()
    post.relay_once()
    assert post.state() is CaseState.ANSWERED
    assert nothing_proposed(post)
    return post.somebody()


def test_who_writes_again_after_the_answer_has_no_day_yet(post: Post, server: RecordingSmtp) -> None:
    user = answered(post)
    post.later(days=7)
    ours = read(server.received[-1])["Message-ID"]
    post.receive(mail(2, sender=f"Vrager <{ASKER}>", headers=f"In-Reply-To: {ours}\r\n"))
    found = proposal(post)
    assert "U schreef ons opnieuw na ons antwoord." in found.text
    assert "uiterlijk op donderdag 3 december antwoord" in found.text and "26 november" not in found.text
    send(post, user)
    post.relay_once()
    message = read(server.received[-1])
    assert message["In-Reply-To"] == "<vraag-2@mensen.example>"
    assert page(post).case.state is CaseState.IN_PROGRESS and nothing_proposed(post)


def test_a_reply_that_came_back_and_a_case_that_a_person_reopened(post: Post, server: RecordingSmtp) -> None:
    user = answered(post)
    post.later(days=1)
    post.receive(report(read(server.received[-1])["Message-ID"], (ASKER, "failed", "5.1.1")))
    assert "die mail kwam bij ons terug" in proposal(post).text
    assert post.store.queries.thread_ids(FIRST) == ["<vraag-1@mensen.example>"]  # not the id of the report
    post.casework.close(FIRST, user=user, version=page(post).case.version, reason="gebeld")
    post.later(days=1)
    post.casework.reopen(FIRST, user=user, version=page(post).case.version)
    assert "Wij kijken opnieuw naar uw vraag." in proposal(post).text


def test_two_people_press_send_and_one_mail_leaves(post: Post, server: RecordingSmtp) -> None:
    shown = moved(post)
    for name in ("smit", "bakker"):
        user = post.user(name=name)
        if name == "smit":
            post.promising.send_correction(FIRST, user=user, version=shown.case.version, answer_day=FRIDAY)
        else:
            with pytest.raises(ConflictError):
                post.promising.send_correction(FIRST, user=user, version=shown.case.version, answer_day=FRIDAY)
    post.relay_once()
    assert len(server.received) == 2 and len(page(post).promises) == 2


def test_nothing_leaves_when_the_day_or_the_case_changed_or_the_role_may_not(post: Post) -> None:
    version = moved(post).case.version
    for user, seen, day, error in (
        (post.user("trainee", "stage"), version, FRIDAY, NotAllowed),
        (post.somebody(), version, date(2026, 11, 30), ConflictError),
        (post.somebody(), version - 1, FRIDAY, ConflictError),
    ):
        with pytest.raises(error):
            post.promising.send_correction(FIRST, user=user, version=seen, answer_day=day)
    assert [row.kind for row in post.rows()] == ["acknowledgement"]


def test_a_correction_that_came_back_is_void_and_proposed_again(post: Post, server: RecordingSmtp) -> None:
    moved(post)
    send(post, post.somebody())
    post.relay_once()
    post.receive(report(read(server.received[-1])["Message-ID"], (ASKER, "failed", "5.1.1")))
    now = page(post)
    assert [one.delivery for one in now.promises] == [Delivery.TOLD, Delivery.NOT_TOLD]
    assert "correction_bounced" in [row.action for row in now.timeline]
    assert now.case.state is CaseState.IN_PROGRESS and now.acknowledgement is not None
    assert proposal(post).answer_day == FRIDAY
    send(post, post.somebody())
    post.relay_once()
    assert len({read(one)["Message-ID"] for one in server.received}) == 3


def test_what_nobody_knows_is_sent_once_more_only_while_its_day_holds(post: Post, server: RecordingSmtp) -> None:
    moved(post)
    server.plan(".", CLOSE)
    send(post, post.somebody())
    post.relay_once()
    (row,) = post.rows("correction")
    assert row.state == "uncertain" and nothing_proposed(post)
    assert page(post).promises[-1].delivery is Delivery.MAYBE
    post.casework.release_uncertain(row.id, user=post.somebody())
    server.plan("RCPT", "550 5.1.1 no such user")
    post.relay_once()
    assert post.rows("correction")[0].state == "refused"
    assert nothing_proposed(post)  # the very same mail can be sent again
    close_on(post, WEDNESDAY, FRIDAY)
    assert proposal(post).answer_day == date(2026, 11, 30)
    with pytest.raises(ConflictError, match="day"):
        post.casework.release_uncertain(row.id, user=post.somebody())


def test_it_leaves_in_shadow_mode_too_because_a_person_sent_it(tmp_path: Path) -> None:
    desk = Harness(tmp_path)
    desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.relay_once()
    close_on(desk, WEDNESDAY)
    send(desk, desk.user())
    desk.mode = "shadow"
    desk.wire()
    desk.relay_once()
    assert {row.kind for row in desk.store.queries.outbox(states=("sent",))} == {"correction", "acknowledgement"}
    desk.store.close()


def test_an_acknowledgement_of_after_an_outage_promises_no_day_that_passed(desk: Harness) -> None:
    urgent = "Mijn man, zvw, palliative-marker, wie helpt ons thuis met de zorg?"
    desk.mailbox.deliver(mail(1, body=urgent))
    desk.poll()
    case, receipt = page(desk).case, page(desk).promises[0]
    assert (receipt.promised_for, receipt.promised_take_up) == (case.answer_due, case.take_up_due)
    assert case.take_up_due is not None
    desk.mailbox.deliver(mail(2, body=urgent))
    desk.later(days=2)
    desk.poll()
    receipt = page(desk, 2).promises[0]
    assert (receipt.promised_for, receipt.promised_take_up) == (page(desk, 2).case.answer_due, None)
    desk.mailbox.deliver(mail(3), at=desk.now - timedelta(days=9))
    desk.taking_in._policy = replace(desk.taking_in._policy, since=desk.now - timedelta(days=30))
    desk.poll()
    assert page(desk, 3).promises[0].promised_for is None and page(desk, 3).compared is None


def test_a_correction_that_waited_until_its_day_had_passed_does_not_leave(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.relay_once()
    close_on(desk, WEDNESDAY)
    send(desk, desk.user())
    desk.sender.plan("prepare", DeliveryDeferred("try again later", reply_code=451))
    desk.relay_once()
    sent = len(desk.sender.sent)
    desk.later(days=5)  # Saturday; the mail names Friday
    assert desk.relay_once().states["refused"] == 1
    assert len(desk.sender.sent) == sent
    assert page(desk).promises[-1].state == "refused"
    assert page(desk).promises[-1].delivery is Delivery.NOT_TOLD


def test_a_correction_that_waited_over_midnight_and_still_holds_leaves(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.relay_once()
    close_on(desk, WEDNESDAY)
    send(desk, desk.user())
    desk.sender.plan("prepare", DeliveryDeferred("try again later", reply_code=451))
    desk.relay_once()
    desk.later(days=1)
    assert desk.relay_once().states["sent"] == 1
    assert b"vrijdag 27 november" in desk.sender.sent[-1][1]


def test_a_correction_that_was_refused_is_told_to_staff_once(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("toezicht@juisteloket.example",))
    desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.relay_once()
    close_on(desk, WEDNESDAY)
    send(desk, desk.user())
    desk.sender.plan("prepare", DeliveryRefused("no such mailbox", reply_code=550), forward_path=ASKER)
    desk.relay_once()
    for _ in range(2):
        assert desk.watch.watch_once().raised.get("refused", []) in ([FIRST], [])
    desk.relay_once()
    told = [raw for envelope, raw in desk.sender.sent if envelope.forward_path == "toezicht@juisteloket.example"]
    assert sum(b"Verzending geweigerd" in raw for raw in told) == 1
    desk.store.close()
