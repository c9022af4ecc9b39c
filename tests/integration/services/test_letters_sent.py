"""What the sender of a mail gets: acknowledgements and replies as they arrive at a real SMTP server (protocol F, S)."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.harness import US, mail
from tests.integration.post import FIRST, Post, assert_well_formed, read, text_of
from tests.servers.smtpd import CLOSE, RecordingSmtp
from triage.core.case import CaseState
from triage.errors import ConflictError
from triage.ports import User

# ---------------------------------------------------------------- the acknowledgement


@pytest.mark.protocol("F01", "F03", "F04", "F06", "F07", "F16", "F18", "F19", "F20", "A01", "A30")
def test_the_acknowledgement_of_an_ordinary_mail(post: Post, server: RecordingSmtp) -> None:
    headers = "References: <a@mensen.example> <b@mensen.example>\r\nReply-To: zus@mensen.example\r\n"
    received = post.acknowledged(mail(1, headers=headers))
    assert (received.reverse_path, received.forward_paths) == ("", ("vrager1@mensen.example",))
    assert server.commands("MAIL") == [f"MAIL FROM:<> SIZE={len(received.raw)} RET=HDRS"]
    assert server.commands("RCPT") == ["RCPT TO:<vrager1@mensen.example> NOTIFY=NEVER"]
    message = read(received)
    assert message["To"] == "vrager1@mensen.example" and message["Cc"] is None and message["Bcc"] is None
    assert message["From"].addresses[0].addr_spec == US
    assert message.get_all("Auto-Submitted") == ["auto-replied"]
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["In-Reply-To"] == "<vraag-1@mensen.example>"
    assert message["References"].split() == ["<a@mensen.example>", "<b@mensen.example>", "<vraag-1@mensen.example>"]
    plain = message.get_body(("plain",))
    assert plain is not None and plain.get_content_charset() == "utf-8"
    assert "automatisch" in text_of(received)
    assert_well_formed(received)


@pytest.mark.protocol("F02")
@pytest.mark.parametrize(
    ("place", "reply"),
    [
        ("MAIL<>", "550 5.1.7 null sender refused"),
        ("MAIL<>", "501 5.1.8 bad sender"),
        ("MAIL<>", "553 sender address must be yours"),
        ("RCPT", "550 5.7.1 null sender not allowed"),
        (".", "554 5.7.60 client does not have permissions to send as this sender"),
    ],
)
def test_a_server_without_the_null_reverse_path_gets_the_configured_one(
    post: Post, server: RecordingSmtp, place: str, reply: str
) -> None:
    server.plan(place, reply)
    received = post.acknowledged(mail(1))
    assert [line.split(" ")[1] for line in server.commands("MAIL")] == ["FROM:<>", "FROM:<bounces@juisteloket.example>"]
    assert received.reverse_path == "bounces@juisteloket.example" and len(server.received) == 1
    assert [row.state for row in post.rows()] == ["sent"]


@pytest.mark.protocol("F02")
def test_a_server_that_refuses_both_reverse_paths_is_not_asked_for_ever(post: Post, server: RecordingSmtp) -> None:
    server.plan("MAIL", "550 5.7.1 no", times=99)
    post.receive(mail(1))
    for _ in range(5):
        post.relay_once()
        post.later(hours=6)
    assert len(server.commands("MAIL")) == 2 and [row.state for row in post.rows()] == ["refused"]


@pytest.mark.protocol("F08", "F09", "H03", "H05")
@pytest.mark.parametrize(
    "line",
    [
        "",
        "Message-ID:\r\n",
        "Message-ID: <>\r\n",
        "Message-ID: geen haken\r\n",
        "Message-ID: <met spatie@x.example>\r\n",
        "Message-ID: <één@x.example>\r\n",
        f"Message-ID: <{'a' * 5000}@x.example>\r\n",
        "Message-ID: <a@x.example> Bcc: vreemd@anders.example\r\n",
        "Message-ID: <a@x.example>\r\n Bcc: vreemd@anders.example\r\n",
        "Message-ID: =?utf-8?q?=3Ca=40x=2Eexample=3E=0D=0ABcc=3A_vreemd=40anders=2Eexample?=\r\n",
        "Message-ID: <a@x.example>\r\nMessage-ID: <b@x.example>\r\n",
        "Message-ID: <a\x00@x.example>\r\n",
    ],
)
def test_no_odd_message_id_is_copied_raw(post: Post, server: RecordingSmtp, line: str) -> None:
    raw = mail(1).replace(b"Message-ID: <vraag-1@mensen.example>\r\n", line.encode())
    received = post.acknowledged(raw)
    assert_well_formed(received)
    message = read(received)
    ids = [*(message["In-Reply-To"] or "").split(), *(message["References"] or "").split()]
    assert set(ids) <= {"<a@x.example>", "<b@x.example>"}
    assert message["In-Reply-To"] != "" and b"vreemd" not in received.raw
    assert received.forward_paths == ("vrager1@mensen.example",)


@pytest.mark.protocol("F10")
def test_of_five_hundred_references_the_first_and_the_last_are_kept(post: Post) -> None:
    ids = [f"<{number}.{'x' * 60}@lang.example>" for number in range(500)]
    received = post.acknowledged(mail(1, headers="References: " + "\r\n ".join(ids) + "\r\n"))
    assert_well_formed(received)
    kept = read(received)["References"].split()
    assert kept[0] == ids[0] and kept[-1] == "<vraag-1@mensen.example>" and len(kept) == 20


@pytest.mark.protocol("F11", "F13", "F14", "F21", "F22")
@pytest.mark.parametrize(
    "subject",
    [
        "Palliatief: moeder kan niet meer thuis {{7*7}} %s",
        "",
        "=?utf-8?b?AAAAa2VudGVrZW4=?=",
        "kenteken" * 12_500,
        "=?utf-8?q?kenteken=0D=0ABcc=3A_vreemd=40anders=2Eexample?=",
        "{% for x in ().__class__.__base__.__subclasses__() %}kenteken{% endfor %}",
    ],
)
def test_nothing_of_the_subject_comes_back(post: Post, subject: str) -> None:
    received = post.acknowledged(mail(1, subject=subject, body="Wie regelt huishoudelijke hulp? kenteken {{7*7}} %s"))
    assert_well_formed(received)
    token = post.store.queries.case_page(FIRST).case.subject_token
    message = read(received)
    assert message["Subject"] == f"Wij hebben uw bericht ontvangen {token}"
    for part in ("plain", "html"):
        body = message.get_body((part,))
        assert body is not None
        shown = str(body.get_content())
        for word in ("kenteken", "alliatief", "49", "{{", "{%", "%s", "vreemd", "None"):
            assert word not in shown


@pytest.mark.protocol("F13")
def test_a_mail_without_subject_gets_a_sensible_one_back(post: Post) -> None:
    received = post.acknowledged(mail(1).replace(b"Subject: Vraag over hulp\r\n", b""))
    assert read(received)["Subject"].startswith("Wij hebben uw bericht ontvangen [JL-")


@pytest.mark.protocol("F17", "S03")
def test_greylisting_delivers_once_with_the_same_envelope_and_message_id(
    post: Post, server: RecordingSmtp, tmp_path: Path
) -> None:
    server.plan("RCPT", "451 4.7.1 greylisted, come back in five minutes", times=2)
    post.receive(mail(1))
    post.relay_once()
    for _ in range(20):
        post.later(minutes=1)
        post.relay_once()
    (received,) = server.received
    assert len(set(server.commands("MAIL"))) == len(set(server.commands("RCPT"))) == 1
    assert len(server.commands("RCPT")) == 3
    other_store = Post(tmp_path / "other") if (tmp_path / "other").mkdir() is None else None
    assert other_store is not None
    other_store.connect(server)
    again = other_store.acknowledged(mail(1))  # as if the product were set up anew on the same mailbox
    assert read(again)["Message-ID"] == read(received)["Message-ID"]
    other_store.store.close()


@pytest.mark.protocol("F23")
@pytest.mark.parametrize(
    ("body", "starts"),
    [
        ("Goedemiddag, wie regelt de huishoudelijke hulp voor mijn moeder? Wij wachten al weken op de gemeente.", "nl"),
        ("Good afternoon, who can help my mother with her care at home? We have been waiting for weeks now.", "en"),
        ("Guten Tag, wer hilft meiner Mutter zu Hause? Wir warten schon seit vielen Wochen auf eine Antwort.", "nl+en"),
        ("", "nl"),
    ],
)
def test_the_language_follows_the_mail_and_nothing_is_guessed_from_an_empty_one(
    post: Post, body: str, starts: str
) -> None:
    text = text_of(post.acknowledged(mail(1, body=body, subject="" if not body else "x")))
    assert ("Dank u wel" in text) == (starts != "en")
    assert ("Thank you" in text) == (starts != "nl")


# ---------------------------------------------------------------- the reply of a person


@pytest.mark.protocol("F03", "F05", "F12", "F14", "F15", "F16", "F22", "F24", "F25", "S15", "S24")
@pytest.mark.parametrize("eight_bit", [True, False])
def test_the_reply_arrives_as_it_was_written(tmp_path: Path, eight_bit: bool) -> None:
    lines = [
        "Geachte mevrouw Koolstra,", "", ".", "..", ".punt aan het begin", "From hier", "Café één: € 21,80",
        "{7*7} ${7*7} %s %(x)s <script>alert(1)</script> {# x #} #{7*7}", "x" * 5000, "", "Met vriendelijke groet,",
    ]  # fmt: skip
    with RecordingSmtp(dsn=True, hidden=frozenset() if eight_bit else frozenset({"8BITMIME"})) as server:
        post = Post(tmp_path)
        post.connect(server)
        post.receive(mail(1))
        post.relay_once()
        post.approve(
            body="\r\n".join(lines) + "\rna een kale CR\nna een kale LF\r\n[[handtekening]]",
            subject="Re: RE: Antw: AW: Uw vraag over José\x00\x1f" + " heel lang" * 10_000,
        )
        post.relay_once()
        received = server.received[-1]
        assert_well_formed(received)
        message = read(received)
        assert text_of(received).startswith("\n".join(lines) + "\nna een kale CR\nna een kale LF\nA. Jansen")
        assert message["Auto-Submitted"] is None and message["Precedence"] is None
        assert received.reverse_path == US
        assert "NOTIFY" not in server.commands("RCPT")[-1] and "RET" not in server.commands("MAIL")[-1]
        assert message["Subject"].startswith("Re: Uw vraag over José heel lang")
        assert not message["Subject"].startswith("Re: Re") and message["Subject"].count("Re:") == 1
        assert message["Subject"].endswith(post.store.queries.case_page(FIRST).case.subject_token)
        assert len(message["Subject"]) <= 200
        assert read(received)["In-Reply-To"] == "<vraag-1@mensen.example>"
        post.store.close()


@pytest.mark.protocol("F22", "F27")
@pytest.mark.parametrize("name", ["{{7*7}} Jansen", "%s %(a)s Bakker", "<script>x</script> Smit", "{0.__class__} Smit"])
def test_a_name_in_the_form_of_a_template_is_never_evaluated(post: Post, server: RecordingSmtp, name: str) -> None:
    received = post.acknowledged(mail(1, sender=f'"{name}" <vrager1@mensen.example>', body="kenteken " * 20))
    assert_well_formed(received)
    draft = post.store.queries.case_page(FIRST).drafts[0].content
    assert "Geachte heer/mevrouw" in draft.body and "49" not in draft.body and "kenteken" not in draft.body
    page = post.store.queries.case_page(FIRST)
    assert page.contact_name == name


@pytest.mark.protocol("F28")
def test_two_people_approve_one_draft_at_once_and_one_mail_leaves(post: Post, server: RecordingSmtp) -> None:
    post.receive(mail(1))
    post.relay_once()
    draft = post.store.queries.case_page(FIRST).drafts[0]
    users = [post.user(name="jansen"), post.user(name="bakker")]
    ends: list[str] = []
    gate = threading.Barrier(2)

    def approve(user: User) -> None:
        gate.wait()
        try:
            post.approval.approve(
                FIRST, user=user, revision=draft.revision, content_hash=draft.content_hash, seen_messages=1
            )
        except ConflictError:
            ends.append("told")
        else:
            ends.append("approved")

    threads = [threading.Thread(target=approve, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    post.later(minutes=1)
    post.relay_once()
    assert sorted(ends) == ["approved", "told"]
    assert len([one for one in server.received if one.reverse_path == US]) == 1


@pytest.mark.protocol("F30")
def test_an_approval_that_has_not_seen_the_second_mail_is_stopped(post: Post, server: RecordingSmtp) -> None:
    post.receive(mail(1))
    post.relay_once()
    token = post.store.queries.case_page(FIRST).case.subject_token
    post.receive(mail(2, sender="vrager1@mensen.example", subject=f"Nog iets {token}"))
    with pytest.raises(ConflictError, match="wrote again"):
        post.approve(seen=1)
    post.later(hours=1)
    post.relay_once()
    assert len(server.received) == 1
    post.approve(seen=2)
    post.relay_once()
    assert post.state() is CaseState.ANSWERED


# ---------------------------------------------------------------- outcomes


@pytest.mark.protocol("S01")
@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA", "."])
def test_a_4yz_waits_ever_longer_is_given_up_after_days_and_staff_are_told(
    tmp_path: Path, server: RecordingSmtp, place: str
) -> None:
    post = Post(tmp_path, alert_to=("toezicht@juisteloket.example",))
    post.connect(server)
    post.receive(mail(1))
    post.relay_once()
    server.plan(place, "451 4.3.0 try again later", times=9999)
    post.approve()
    begun = post.now
    tries: list[timedelta] = []
    while (row := post.rows("reply")[0]).state != "refused":
        if row.due_at > post.now:
            post.now = row.due_at - timedelta(seconds=1)
            post.relay_once()  # a second too early
            assert len(server.commands("MAIL")) == 1 + len(tries)
            post.later(seconds=1)
        post.relay_once()
        tries.append(post.now - begun)
        assert len(server.commands("MAIL")) == 1 + len(tries) < 80
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert pauses[0] == timedelta(minutes=2) and max(pauses) == timedelta(hours=2)
    assert all(one <= other for one, other in itertools.pairwise(pauses))
    assert timedelta(days=3) <= tries[-1] < timedelta(days=3, hours=2)
    post.later(days=2)
    post.relay_once()
    (row,) = post.rows("reply")
    assert (row.state, row.reply_code, row.enhanced_status) == ("refused", 451, "4.3.0")
    post.into_hours()
    assert post.watch.watch_once().raised["refused"] == [FIRST]
    assert post.state() is CaseState.IN_PROGRESS
    post.store.close()


@pytest.mark.protocol("S01", "S23")
def test_staff_hear_of_an_approved_reply_that_still_waits_after_an_hour_and_only_once(post: Post) -> None:
    post.server.plan("RCPT", "450 4.2.0 later", times=9999)
    post.receive(mail(1))
    post.approve()
    post.relay_once()
    told = []
    for _ in range(20):
        post.later(minutes=10)
        post.relay_once()
        told += post.watch.watch_once().raised["delayed"]
    assert told == [FIRST]


@pytest.mark.protocol("S02", "S20")
@pytest.mark.parametrize(
    ("reply", "code", "status"),
    [
        ("550 5.1.1 no such user", 550, "5.1.1"),
        ("556 5.1.10 null MX", 556, "5.1.10"),
        ("553 sorry", 553, None),
    ],
)
def test_a_refused_reply_is_not_tried_again_and_its_case_stays_with_staff(
    post: Post, server: RecordingSmtp, reply: str, code: int, status: str | None
) -> None:
    post.receive(mail(1))
    post.relay_once()
    server.plan("RCPT", reply, times=99)
    post.approve()
    for _ in range(5):
        post.relay_once()
        post.later(hours=5)
    assert len(server.commands("RCPT")) == 2 and len(server.received) == 1
    (row,) = post.rows("reply")
    assert (row.state, row.reply_code, row.enhanced_status) == ("refused", code, status)
    assert post.watch.watch_once().raised["refused"] == [FIRST]
    page = post.store.queries.case_page(FIRST)
    assert page.case.state is CaseState.IN_PROGRESS and page.case.answered_at is None
    assert page.outbox[-1].recipient == "vrager1@mensen.example"


@pytest.mark.protocol("S02")
def test_the_second_reply_of_a_case_that_is_refused_is_told_as_well(post: Post, server: RecordingSmtp) -> None:
    post.receive(mail(1))
    post.relay_once()
    server.plan("RCPT", "550 5.1.1 no such user", times=99)
    for _ in range(2):
        post.approve(subject=f"Uw vraag {post.now}")
        post.relay_once()
        assert post.watch.watch_once().raised["refused"] == [FIRST]
    assert post.watch.watch_once().raised == {}


@pytest.mark.protocol("S05")
@pytest.mark.parametrize(
    ("refused", "state"), [("to@mensen.example", CaseState.IN_PROGRESS), ("cc@mensen.example", CaseState.ANSWERED)]
)
def test_one_of_two_recipients_refused(post: Post, server: RecordingSmtp, refused: str, state: CaseState) -> None:
    """The case is answered when the server took the reply for everyone in To; a copy to somebody else is no answer."""
    post.receive(mail(1))
    post.relay_once()
    server.plan_for(refused, "550 5.1.1 no such user")
    post.approve(to=("to@mensen.example",), cc=("cc@mensen.example",))
    for _ in range(3):
        post.relay_once()
        post.later(hours=3)
    (accepted,) = {"to@mensen.example", "cc@mensen.example"} - {refused}
    assert [one.forward_paths for one in server.received[1:]] == [(accepted,)]
    assert len([line for line in server.commands("RCPT") if accepted in line]) == 1
    assert post.state() is state
    page = post.store.queries.case_page(FIRST)
    assert {(row.recipient, row.state, row.copy) for row in page.outbox if row.kind == "reply"} == {
        (refused, "refused", refused.startswith("cc")), (accepted, "sent", accepted.startswith("cc")),
    }  # fmt: skip
    post.into_hours()
    assert post.watch.watch_once().raised["refused"] == [FIRST]
    assert [message.direction for message in page.messages] == ["in", "out"]


@pytest.mark.protocol("S05")
def test_two_in_to_of_whom_one_waits_are_answered_when_the_last_one_has_it(post: Post, server: RecordingSmtp) -> None:
    post.receive(mail(1))
    post.relay_once()
    server.plan_for("b@mensen.example", "451 4.7.1 greylisted")
    post.approve(to=("a@mensen.example", "b@mensen.example"))
    post.relay_once()
    assert post.state() is CaseState.IN_PROGRESS
    post.later(minutes=10)
    post.relay_once()
    assert post.state() is CaseState.ANSWERED
    assert [one.forward_paths[0] for one in server.received[1:]] == ["a@mensen.example", "b@mensen.example"]
    assert len({one.raw for one in server.received[1:]}) == 1


@pytest.mark.protocol("S07", "S08")
@pytest.mark.parametrize("place", ["DATA", "."])
def test_an_unknown_outcome_is_shown_and_only_a_person_sends_it_again(
    post: Post, server: RecordingSmtp, place: str
) -> None:
    post.receive(mail(1))
    post.relay_once()
    server.plan(place, CLOSE)
    post.approve()
    for _ in range(4):
        post.relay_once()
        post.later(hours=6)
    (row,) = post.rows("reply")
    assert row.state == "uncertain" and post.state() is CaseState.IN_PROGRESS
    assert len(server.commands("DATA")) == 2 and len(server.received) == 1
    assert post.watch.watch_once().raised["uncertain"] == [FIRST]
    post.casework.release_uncertain(row.id, user=post.somebody())
    post.relay_once()
    assert post.state() is CaseState.ANSWERED
    stored = post.store.queries.case_page(FIRST).messages[-1]
    assert read(server.received[-1])["Message-ID"] in post.store.queries.raw_message(stored.id).decode()


@pytest.mark.protocol("S14")
@pytest.mark.parametrize(("place", "reply"), [("MAIL", "552 5.3.4 too big"), (".", "552 5.3.4 too big")])
def test_a_mail_that_is_too_large_is_refused_once_and_told(
    post: Post, server: RecordingSmtp, place: str, reply: str
) -> None:
    server.plan(place, reply, times=99)
    post.receive(mail(1))
    post.relay_once()
    assert len(server.commands("MAIL")) == 1  # another reverse path cannot help
    assert [row.state for row in post.rows()] == ["refused"]
    assert post.store.queries.case_page(FIRST).acknowledgement.state == "refused"  # type: ignore[union-attr]


@pytest.mark.protocol("S16", "H09")
def test_an_address_beyond_ascii_is_held_where_the_server_cannot_take_it(tmp_path: Path) -> None:
    with RecordingSmtp(smtputf8=False) as server:
        post = Post(tmp_path)
        post.connect(server)
        post.receive(mail(1, sender="René <rené@kpn.example>"))
        post.relay_once()
        assert server.commands("RCPT", "DATA") == []
        assert [row.state for row in post.rows()] == ["refused"]
        post.store.close()


@pytest.mark.protocol("S23", "A42")
def test_a_server_that_is_down_for_a_day(post: Post, server: RecordingSmtp) -> None:
    server.plan("CONNECT", "421 4.3.2 down for maintenance", times=99_999)
    for number in range(1, 7):
        post.receive(mail(number))
        for _ in range(4):
            post.later(hours=1)
            post.relay_once()
    assert post.poll().unaccounted == 0 and len(post.rows()) == 6
    assert {(row.state, row.attempts) for row in post.rows()} == {("due", 0)}
    server.forget_plans()
    post.relay._connections = 1
    post.later(minutes=10)
    post.relay_once()
    post.later(hours=1)
    post.relay_once()
    assert [one.forward_paths[0] for one in server.received] == [f"vrager{n}@mensen.example" for n in range(1, 7)]


@pytest.mark.protocol("A42")
def test_an_acknowledgement_that_waited_for_three_days_is_dropped_and_shown(post: Post, server: RecordingSmtp) -> None:
    server.plan("CONNECT", "421 4.3.2 down", times=99_999)
    post.receive(mail(1))
    post.relay_once()
    server.forget_plans()
    post.later(days=3)
    for _ in range(3):
        post.relay_once()
        post.later(hours=1)
    assert server.received == []
    assert post.store.queries.case_page(FIRST).acknowledgement.state == "refused"  # type: ignore[union-attr]
    assert [(row.reference, row.kind) for row in post.store.queries.outbox(states=("refused",))] == [
        (FIRST, "acknowledgement")
    ]


@pytest.mark.protocol("A43")
@pytest.mark.parametrize("held_up", [False, True])
def test_nothing_automatic_leaves_after_acknowledgements_were_switched_off(
    post: Post, server: RecordingSmtp, held_up: bool
) -> None:
    if held_up:
        server.plan("RCPT", "450 4.2.0 later")
    post.receive(mail(1))
    if held_up:
        post.relay_once()
    post.mode = "shadow"
    post.wire()
    post.relay_once()
    view = post.store.queries.case_page(FIRST).acknowledgement
    assert view is not None and (view.state, view.reasons, view.promised_for) == (
        "withheld",
        ("shadow_mode",),
        None,
    )
    assert post.store.queries.case_page(FIRST).case.promised_for is None
    assert [row.action for row in post.store.queries.case_page(FIRST).timeline][-1] == "acknowledgement_withheld"
    post.approve()
    post.relay_once()  # a reply that a person approved leaves all the same
    post.mode = "live"
    post.wire()
    post.later(days=1)
    post.relay_once()
    assert [one.reverse_path for one in server.received] == [US]
    assert post.summary()["withheld"] == 1 and post.summary()["pending"] == 0


# ---------------------------------------------------------------- servers that ask for less


@pytest.mark.protocol("O09")
@pytest.mark.parametrize("place", ["CONNECT", "MAIL", "."])
def test_a_server_that_wants_fewer_connections_is_left_alone_for_a_while(
    post: Post, server: RecordingSmtp, place: str
) -> None:
    server.plan(place, "432 4.3.2 Concurrent connections limit exceeded", times=3)
    for number in range(1, 9):
        post.receive(mail(number))
    assert post.relay_once().unavailable
    asked = len(server.commands("EHLO"))
    post.later(seconds=4)
    assert post.relay_once().unavailable and len(server.commands("EHLO")) == asked
    assert {row.state for row in post.rows()} <= {"due", "deferred"}
    for _ in range(10):
        post.later(minutes=2)
        post.relay_once()
    assert sorted(one.forward_paths[0] for one in server.received) == [f"vrager{n}@mensen.example" for n in range(1, 9)]


@pytest.mark.protocol("O10")
def test_own_pacing_sends_replies_first(tmp_path: Path, server: RecordingSmtp) -> None:
    post = Post(tmp_path, policy_changes={"per_hour": 500})
    post.per_minute = 5
    post.connect(server)
    for number in range(1, 13):
        post.receive(mail(number))
    post.relay_once()
    assert len(server.received) == 5
    post.approve("JL-2026-00012")
    post.relay_once()
    assert len(server.received) == 5  # the minute is full, also for a reply
    begun = post.now
    while len(server.received) < 13:
        post.later(seconds=5)
        before = len(server.received)
        post.relay_once()
        if before == 5 and len(server.received) > 5:
            assert server.received[5].reverse_path == US
        assert len(server.received) - before <= 5 and post.now - begun < timedelta(minutes=3)
    assert post.now - begun >= timedelta(seconds=60)
    post.store.close()


@pytest.mark.protocol("O11")
def test_a_full_mailbox_of_ours_stops_the_mail_and_tells_staff(post: Post, server: RecordingSmtp) -> None:
    server.plan(".", "554 5.2.2 mailbox full", times=99)
    post.receive(mail(1))
    post.approve()
    for _ in range(30):
        post.relay_once()
        post.later(minutes=1)
    assert {(row.kind, row.state, row.attempts) for row in post.rows()} == {
        ("reply", "refused", 1), ("acknowledgement", "refused", 1),
    }  # fmt: skip
    assert len(server.commands("DATA")) == 2
    assert post.watch.watch_once().raised["refused"] == [FIRST]


@pytest.mark.protocol("O12")
def test_a_refused_login_stops_the_queue_and_every_mail_stays(tmp_path: Path) -> None:
    with RecordingSmtp(login=("loket", "goed")) as server:
        post = Post(tmp_path, alert_to=("toezicht@juisteloket.example",))
        post.connect(server, username="loket", password="oud")
        for number in range(1, 4):
            post.receive(mail(number))
        post.approve()
        alarms: list[str] = []
        for _ in range(60):
            post.sender._refusal = None  # type: ignore[attr-defined]  # it holds for seconds of real time
            report = post.relay_once()
            assert report.unavailable
            with post.store.begin() as uow:  # as the host does after each run
                uow.job_ran("relay", at=post.now, ok=False, error="TriageError")
                uow.job_ran("poll", at=post.now, ok=True)
            alarms += post.watch.watch_once().raised["relay_silent"]
            post.later(minutes=2)
        waiting = {(row.kind, row.state, row.attempts) for row in post.rows() if row.kind != "alert"}
        assert waiting == {("acknowledgement", "due", 0), ("reply", "due", 0)}
        assert 4 <= len(server.commands("AUTH")) <= 8  # in two hours: an account is locked by many tries
        assert len(alarms) == 1
        post.connect(server, username="loket", password="goed")
        post.relay_once()
        assert len([one for one in server.received if not one.forward_paths[0].startswith("toezicht")]) == 4
        post.store.close()


def test_a_newer_answer_that_left_takes_the_warning_from_the_work_list(post: Post, server: RecordingSmtp) -> None:
    post.receive(mail(1))
    post.relay_once()
    server.plan("RCPT", "550 5.1.1 no such user")
    post.approve(to=("fout@mensen.example",))
    post.relay_once()
    queries = post.store.queries
    assert [row.settled for row in queries.outbox(states=("refused",), kind="reply")] == [False]
    today_ends = post.now + timedelta(hours=8)
    assert queries.supervision(now=post.now, today_ends=today_ends).refused == 1
    post.approve(to=("goed@mensen.example",))
    post.relay_once()
    assert post.state() is CaseState.ANSWERED
    assert [row.settled for row in queries.outbox(states=("refused",), kind="reply")] == [True]
    assert queries.supervision(now=post.now, today_ends=today_ends).refused == 0
    assert [row.settled for row in queries.case_page(FIRST).outbox if row.state == "refused"] == [True]
    assert post.watch.watch_once().raised == {}
