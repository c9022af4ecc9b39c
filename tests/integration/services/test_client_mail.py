"""People who answer from their own mail program: the draft in Drafts, and what is found in Sent."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.integration.harness import US, Harness, mail
from triage.core.case import CaseState, WaitingFor
from triage.core.draft_copy import HEADER, MAIL_CLIENT
from triage.core.sla import ClockState, clock_state
from triage.errors import FolderRefused, MailboxUnavailable
from triage.ports import CasePage, FolderUse, User

REF = "JL-2026-00001"
SENDER = "vrager1@mensen.example"


def page(desk: Harness) -> CasePage:
    return desk.store.queries.case_page(REF)


def drafts(desk: Harness) -> list[EmailMessage]:
    return [read(raw) for raw in desk.mailbox.drafts.raws]


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def actions(desk: Harness) -> list[str]:
    return [row.action for row in page(desk).timeline]


def text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def written(
    number: int,
    body: str,
    *,
    to: str = SENDER,
    subject: str = "",
    answers: str = "<vraag-1@mensen.example>",
    sender: str = US,
    headers: str = "",
) -> bytes:
    """A mail as a mail program makes it from scratch."""
    thread = f"In-Reply-To: {answers}\r\nReferences: {answers}\r\n" if answers else ""
    return (
        f"Message-ID: <outlook-{number}@juisteloket.example>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n"
        f"From: Juiste Loket <{sender}>\r\nTo: {to}\r\nSubject: {subject or 'Re: Vraag over hulp'}\r\n{thread}{headers}"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    ).encode()


def edited(message: EmailMessage, body: str, *, mark: bool = False) -> bytes:
    """Our draft as a mail program saves it after an edit: another Message-ID, our mark mostly lost."""
    saved = read(message.as_bytes())
    saved.replace_header("Message-ID", "<thunderbird-1@juisteloket.example>")
    if not mark:
        del saved[HEADER]
    saved.set_content(body)
    return saved.as_bytes(policy=email.policy.SMTP)


@pytest.fixture
def case(desk: Harness) -> Harness:
    """One question, taken in; its draft stands in the folder."""
    desk.mailbox.deliver(mail(1))
    desk.poll()
    return desk


def approve(desk: Harness, user: User) -> None:
    newest = page(desk).drafts[0]
    desk.approval.approve(REF, user=user, revision=newest.revision, content_hash=newest.content_hash, seen_messages=1)


def ready(desk: Harness, user: User, body: str = "Beste vrager, zo zit het. [[handtekening]]") -> None:
    """A draft that the gate lets pass, from the browser."""
    newest = page(desk).drafts[0]
    content = type(newest.content)(newest.content.to, (), newest.content.subject, body)
    desk.approval.save_draft(REF, user=user, base_revision=newest.revision, content=content)


# ---------------------------------------------------------------- the copy


@pytest.mark.protocol("F26", "F27")
def test_the_draft_stands_in_the_folder_as_a_threaded_reply(case: Harness) -> None:
    (message,) = drafts(case)
    ours = page(case).drafts[0]
    assert message["From"].addresses[0].addr_spec == US and message["To"] == SENDER
    assert str(message["Subject"]).endswith(page(case).case.subject_token)
    assert message["In-Reply-To"] == "<vraag-1@mensen.example>" == message["References"]
    assert text(message).split() == ours.content.body.split() and "[[handtekening]]" in text(message)
    assert message[HEADER] == f"{page(case).case.subject_token[1:-1]} 1" and message["Auto-Submitted"] is None
    assert "huishoudelijke hulp onder de wmo voor mijn moeder" not in text(message)
    (stored,) = case.mailbox.drafts.mails.values()
    assert stored.flags == {"\\Draft", "\\Seen"}


def test_polls_without_news_leave_one_copy_and_ask_little(case: Harness) -> None:
    case.poll()
    case.mailbox.calls.clear()
    for _ in range(3):
        case.later(seconds=30)
        case.poll()
    assert len(drafts(case)) == 1 and len(page(case).drafts) == 1
    beside = [call for call in case.mailbox.calls if "beside" in call or "draft" in call]
    assert beside == ["find_beside"] * 6


def test_an_edit_in_the_browser_replaces_the_copy(case: Harness) -> None:
    ready(case, case.user())
    case.poll()
    (message,) = drafts(case)
    assert text(message).startswith("Beste vrager, zo zit het.")


def test_a_colleagues_deleted_mail_stays_when_a_copy_goes(case: Harness) -> None:
    uid = case.mailbox.drafts.put(written(9, "van een collega", answers=""), case.now, ("\\Deleted",))
    ready(case, case.user())
    case.poll()
    assert uid in case.mailbox.drafts.mails


def test_without_uidplus_the_old_copy_is_marked_and_people_are_told(case: Harness) -> None:
    case.mailbox.uidplus = False
    ready(case, case.user())
    case.poll()
    assert len(drafts(case)) == 1 and len(case.mailbox.drafts.mails) == 2
    with case.store.begin() as uow:
        folder = uow.folder_beside(FolderUse.DRAFTS)
    assert folder is not None and folder.trouble == "no_uidplus"
    case.poll()
    assert len(drafts(case)) == 1 and len(page(case).drafts) == 2


@pytest.mark.parametrize("how", ["approved", "closed", "no_reply_needed"])
def test_the_copy_goes_when_the_draft_is_over(case: Harness, how: str) -> None:
    user = case.user()
    if how == "approved":
        ready(case, user)
        approve(case, user)
    elif how == "closed":
        case.casework.close(REF, user=user, version=page(case).case.version, reason="klaar")
    else:
        case.casework.no_reply_needed(REF, user=user, version=page(case).case.version, reason="klaar")
    case.poll()
    assert drafts(case) == []


def test_the_copy_comes_back_when_the_approval_is_taken_back_or_the_case_opened_again(case: Harness) -> None:
    user = case.user()
    ready(case, user)
    approve(case, user)
    case.poll()
    case.approval.undo_approval(REF, user=user)
    case.poll()
    assert len(drafts(case)) == 1
    case.casework.close(REF, user=user, version=page(case).case.version, reason="klaar")
    case.poll()
    assert drafts(case) == []
    case.casework.reopen(REF, user=user, version=page(case).case.version)
    case.poll()
    assert len(drafts(case)) == 1


@pytest.mark.protocol("X16", "I22")
def test_an_answer_lost_after_append_leads_to_one_copy(desk: Harness) -> None:
    desk.mailbox.fail("append_draft_done", MailboxUnavailable("connection lost"))
    desk.mailbox.deliver(mail(1))
    desk.poll()
    assert len(drafts(desk)) == 1  # the server had it
    desk.wire()
    desk.poll()
    assert len(drafts(desk)) == 1 and len(page(desk).drafts) == 1
    with desk.store.begin() as uow:
        assert len(uow.draft_copies(page(desk).case.id)) == 1 and not uow.draft_copies_due(limit=9)


@pytest.mark.protocol("I22")
def test_a_full_mailbox_stops_neither_poll_nor_text(desk: Harness) -> None:
    desk.mailbox.fail("append_draft", FolderRefused("the draft was not kept", code="full"), times=2)
    desk.mailbox.deliver(mail(1))
    assert desk.poll().outcomes == {"case": 1}
    desk.poll()
    assert drafts(desk) == [] and page(desk).drafts[0].content.body
    copy = page(desk).draft_copy
    assert copy is not None and (copy.here, copy.trouble) == (False, "full")
    desk.poll()
    copy = page(desk).draft_copy
    assert copy is not None and copy.here and copy.trouble == "" and len(drafts(desk)) == 1


def test_shadow_mode_reads_and_writes_nothing(tmp_path: Path) -> None:
    desk = Harness(tmp_path, mode="shadow")
    desk.mailbox.deliver(mail(1))
    desk.poll()
    assert drafts(desk) == [] and not {"append_draft", "remove_drafts"} & set(desk.mailbox.calls)
    desk.mailbox.beside[FolderUse.SENT].put(written(1, "Zo zit het."), desk.now)
    before = len(desk.mailbox.sent)
    desk.poll()
    assert page(desk).case.state is CaseState.ANSWERED and len(desk.mailbox.sent) == before
    assert not {"append_draft", "remove_drafts", "append_sent", "mark"} & set(desk.mailbox.calls)
    desk.store.close()


# ---------------------------------------------------------------- edits


@pytest.mark.protocol("F29")
@pytest.mark.parametrize("mark", [True, False])
def test_an_edit_in_the_mail_program_is_the_new_draft(case: Harness, mark: bool) -> None:
    (message,) = drafts(case)
    (uid,) = case.mailbox.drafts.mails
    case.later(minutes=3)
    case.mailbox.drafts.replace(
        uid, edited(message, "Zo schrijf ik het liever.\n\n[[handtekening]]\n", mark=mark), case.now
    )
    case.later(seconds=10)
    case.poll()
    newest = page(case).drafts[0]
    assert (newest.revision, newest.created_by) == (2, MAIL_CLIENT)
    assert newest.content.body.startswith("Zo schrijf ik het liever.") and newest.content.to == (SENDER,)
    assert page(case).case.taken_up_at is not None and page(case).case.state is CaseState.IN_PROGRESS
    assert "draft_edited_in_client" in actions(case) and "draft_edited_twice" not in actions(case)
    case.poll()
    assert len(page(case).drafts) == 2 and len(drafts(case)) == 1
    assert drafts(case)[0]["Message-ID"] == "<thunderbird-1@juisteloket.example>"  # theirs stays


def test_saving_without_a_change_is_no_edit(case: Harness) -> None:
    (message,) = drafts(case)
    (uid,) = case.mailbox.drafts.mails
    rewrapped = text(message).replace("\n", "  \n")
    case.mailbox.drafts.replace(uid, edited(message, rewrapped), case.now)
    case.poll()
    assert len(page(case).drafts) == 1 and page(case).case.taken_up_at is None
    assert len(drafts(case)) == 1


@pytest.mark.protocol("F29")
def test_an_edit_takes_back_an_approval_that_waits(case: Harness) -> None:
    user = case.user()
    ready(case, user)
    case.poll()
    (message,) = drafts(case)
    (uid,) = case.mailbox.drafts.mails
    approve(case, user)
    case.later(seconds=5)
    case.mailbox.drafts.replace(uid, edited(message, "Toch anders."), case.now)
    case.later(seconds=30)
    case.relay_once()  # the look before the release finds the edit
    assert [item for item, _ in case.sender.sent if item.forward_path == SENDER and item.reverse_path] == []
    newest = page(case).drafts[0]
    assert newest.content.body.strip() == "Toch anders." and newest.approved_at is None
    assert page(case).drafts[1].approved_at is None


@pytest.mark.parametrize("client_is_newer", [True, False])
def test_edits_in_both_places_lose_nothing(case: Harness, client_is_newer: bool) -> None:
    (message,) = drafts(case)
    (uid,) = case.mailbox.drafts.mails
    user = case.user()
    first = case.now + timedelta(minutes=1)
    case.later(minutes=5)
    ready(case, user, "Uit de browser.")
    at = case.now + timedelta(minutes=1) if client_is_newer else first
    case.mailbox.drafts.replace(uid, edited(message, "Uit het mailprogramma.", mark=True), at)
    case.later(minutes=2)
    case.poll()
    bodies = [draft.content.body.strip() for draft in page(case).drafts]
    holds = "Uit het mailprogramma." if client_is_newer else "Uit de browser."
    assert bodies[0] == holds and {"Uit het mailprogramma.", "Uit de browser."} < set(bodies)
    assert "draft_edited_twice" in actions(case)
    case.poll()
    assert [text(one).strip() for one in drafts(case)] == [holds]
    assert len(page(case).drafts) == 3


def test_a_draft_to_a_colleague_or_of_another_case_is_theirs_alone(case: Harness) -> None:
    folder = case.mailbox.drafts
    folder.put(written(1, "Weet jij dit?", to="expert@vws.example"), case.now)
    folder.put(written(2, "Fijne vakantie", answers="", to="vriend@mensen.example"), case.now)
    folder.put(written(3, "Ter info", subject="Fwd: Vraag over hulp"), case.now)
    case.poll()
    assert len(page(case).drafts) == 1 and len(folder.mails) == 4


def test_attachments_added_there_are_told_and_never_taken_away(case: Harness) -> None:
    (message,) = drafts(case)
    (uid,) = case.mailbox.drafts.mails
    saved = read(edited(message, "Zie de bijlage."))
    saved.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="folder.pdf")
    case.mailbox.drafts.replace(uid, saved.as_bytes(policy=email.policy.SMTP), case.now)
    case.poll()
    row = next(row for row in page(case).timeline if row.action == "draft_edited_in_client")
    assert row.details == {"revision": 2, "attachments": 1}
    user = case.user()
    ready(case, user)
    case.poll()
    assert any(one.is_multipart() for one in drafts(case))


# ---------------------------------------------------------------- sent there


def put_sent(desk: Harness, raw: bytes) -> None:
    desk.mailbox.beside[FolderUse.SENT].put(raw, desk.now, ("\\Seen",))


@pytest.mark.parametrize(
    "raw",
    [
        written(1, "Zo zit het."),
        written(2, "Zo zit het.", answers=""),
    ],
    ids=["thread", "token"],
)
def test_an_answer_written_from_scratch_there_answers_the_case(case: Harness, raw: bytes) -> None:
    raw = raw.replace(b"Re: Vraag over hulp", f"Re: Vraag over hulp {page(case).case.subject_token}".encode())
    case.later(hours=1)
    put_sent(case, raw)
    sent_at = case.now
    case.later(minutes=20)
    case.poll()
    answered = page(case).case
    assert answered.state is CaseState.ANSWERED and answered.answered_at == sent_at == answered.taken_up_at
    ours = page(case).messages[-1]
    assert (ours.direction, ours.from_client, ours.arrived_at) == ("out", True, sent_at)
    assert ours.text.strip() == "Zo zit het." and ours.to == (SENDER,)
    assert drafts(case) == []
    case.poll()
    assert len(page(case).messages) == 2 and len(case.mailbox.sent) == 1


def test_our_draft_sent_there_answers_the_case_once(case: Harness) -> None:
    (message,) = drafts(case)
    (uid,) = case.mailbox.drafts.mails
    put_sent(case, edited(message, "Aangepast en verstuurd."))
    put_sent(case, edited(message, "Aangepast en verstuurd."))  # client and server each kept one
    case.mailbox.drafts.mails.pop(uid)
    case.poll()
    assert page(case).case.state is CaseState.ANSWERED and len(page(case).messages) == 2
    assert drafts(case) == []


def test_an_answer_there_stops_the_approved_one_that_waits(case: Harness) -> None:
    user = case.user()
    ready(case, user)
    approve(case, user)
    put_sent(case, written(1, "Ik was sneller."))
    case.later(seconds=25)
    case.relay_once()
    assert [raw for envelope, raw in case.sender.sent if envelope.reverse_path] == []
    assert "reply_overtaken" in actions(case) and "answered_twice" not in actions(case)
    assert page(case).case.state is CaseState.ANSWERED and page(case).drafts[0].approved_at is None
    assert drafts(case) == []


def test_two_answers_are_found_within_one_poll(case: Harness) -> None:
    user = case.user()
    ready(case, user)
    approve(case, user)
    case.later(seconds=25)
    put_sent(case, written(1, "Ik was sneller."))
    case.mailbox.fail("find_beside", MailboxUnavailable("down"))
    case.relay_once()  # the server is down: the reply is not held back
    assert len([raw for envelope, raw in case.sender.sent if envelope.reverse_path]) == 1
    case.later(seconds=30)
    case.poll()
    assert "answered_twice" in actions(case)
    assert [message.direction for message in page(case).messages].count("out") == 2


def test_a_mail_to_a_colleague_only_answers_nothing(case: Harness) -> None:
    put_sent(case, written(1, "Weet jij dit?", to="expert@vws.example"))
    case.poll()
    assert page(case).case.state is CaseState.NEW and page(case).case.taken_up_at is None
    assert page(case).messages[-1].from_client and "sent_to_colleague" in actions(case)
    assert len(drafts(case)) == 1


def test_the_wait_for_the_sender_is_not_held_against_an_answer_there(case: Harness) -> None:
    case.casework.wait(REF, user=case.user(), version=page(case).case.version, waiting_for=WaitingFor.SENDER)
    case.later(days=14)
    put_sent(case, written(1, "Zo zit het."))
    case.poll()
    ended = page(case).case
    assert ended.state is CaseState.ANSWERED and clock_state(ended, case.now) is ClockState.MET


def test_an_answer_older_than_the_last_question_keeps_the_case_open(case: Harness) -> None:
    put_sent(case, written(1, "Zo zit het."))
    case.later(minutes=1)
    case.mailbox.deliver(mail(2, sender=f"Vrager <{SENDER}>", headers="In-Reply-To: <vraag-1@mensen.example>\r\n"))
    case.later(minutes=1)
    case.poll()
    assert page(case).case.state is CaseState.NEW and "reply_kept_open" in actions(case)


@pytest.mark.parametrize(
    "raw",
    [
        written(1, "Fijne vakantie", answers="", to="vriend@mensen.example"),
        written(2, "Zo zit het.", sender="iemand@anders.example"),
        written(3, "Zo zit het.", headers="Auto-Submitted: auto-replied\r\n"),
        written(4, "Zo zit het.", answers="", subject="Re: [JL-2026-00001-ZZ]"),
    ],
    ids=["no-case", "not-ours", "machine", "forged-token"],
)
def test_what_belongs_to_no_case_leaves_no_trace(case: Harness, raw: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    put_sent(case, raw)
    case.mailbox.calls.clear()
    case.poll()
    assert len(page(case).messages) == 1 and page(case).case.state is CaseState.NEW
    assert "fetch_beside" not in case.mailbox.calls
    told = capsys.readouterr()
    assert "vriend" not in told.out + told.err and "vakantie" not in told.out + told.err


def test_the_first_look_leaves_history_alone_and_a_new_uidvalidity_counts_nothing_twice(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    put_sent(desk, written(1, "Van lang geleden."))
    desk.poll()
    assert page(desk).case.state is CaseState.NEW
    put_sent(desk, written(2, "Nu."))
    desk.poll()
    assert [message.text.strip() for message in page(desk).messages if message.from_client] == ["Nu."]
    desk.mailbox.beside[FolderUse.SENT].uidvalidity += 1
    desk.poll()
    assert [message.text.strip() for message in page(desk).messages if message.from_client].count("Nu.") == 1


def test_a_sent_folder_that_a_mail_program_makes_first_is_read_from_its_beginning(desk: Harness) -> None:
    folder = desk.mailbox.beside.pop(FolderUse.SENT)
    desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.mailbox.beside[FolderUse.SENT] = folder
    put_sent(desk, written(1, "Zo zit het."))
    desk.poll()
    assert page(desk).case.state is CaseState.ANSWERED


@pytest.mark.protocol("S21", "S22")
@pytest.mark.parametrize("save_sent", [True, False])
def test_a_browser_reply_is_once_in_sent_and_is_no_second_answer(case: Harness, save_sent: bool) -> None:
    user = case.user()
    ready(case, user)
    approve(case, user)
    case.later(seconds=25)
    case.relay_once()
    (raw,) = [raw for envelope, raw in case.sender.sent if envelope.reverse_path]
    if not save_sent:
        case.intake._save_sent = False
        put_sent(case, raw)  # the server keeps what was sent by itself
    case.poll()
    case.poll()
    assert case.mailbox.sent[0][0] == raw and len(case.mailbox.sent) == 1
    assert len(page(case).messages) == 2 and "answered_twice" not in actions(case)
    assert not page(case).messages[-1].from_client


def test_a_copy_under_another_message_id_is_no_second_answer_but_the_same_text_to_another_is(case: Harness) -> None:
    user = case.user()
    ready(case, user)
    approve(case, user)
    case.later(seconds=25)
    case.relay_once()
    (raw,) = [raw for envelope, raw in case.sender.sent if envelope.reverse_path]
    message_id = read(raw)["Message-ID"]
    put_sent(case, raw.replace(str(message_id).encode(), b"<provider-1@outlook.example>"))
    case.poll()
    assert len(page(case).messages) == 2 and "answered_twice" not in actions(case)
    put_sent(case, written(1, "Weet jij dit?", to="expert@vws.example"))
    put_sent(case, written(2, "Weet jij dit?", to=SENDER))
    case.poll()
    assert len(page(case).messages) == 4


@pytest.mark.protocol("I22")
def test_an_old_text_goes_even_when_the_new_one_cannot_be_kept(case: Harness) -> None:
    ready(case, case.user())
    case.mailbox.fail("append_draft", FolderRefused("the draft was not kept", code="full"))
    case.poll()
    assert drafts(case) == []
    case.poll()
    assert [text(one)[:12] for one in drafts(case)] == ["Beste vrager"]


def test_an_erased_case_gets_nothing_back(case: Harness) -> None:
    put_sent(case, written(1, "Zo zit het."))
    case.poll()
    case_id = page(case).case.id
    token = page(case).case.subject_token
    with case.store.begin() as uow:
        uow.erase_case(case_id, by="system", at=case.now)
    case.mailbox.beside[FolderUse.SENT].uidvalidity += 1
    put_sent(case, written(2, "Nog iets.", answers="", subject=f"Re: {token}"))
    case.poll()
    assert all(message.text == "" for message in page(case).messages) and len(page(case).messages) == 2
    assert drafts(case) == []
