"""Attempts on sending: twice, in a loop, to a second recipient, though it was stopped, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import event

from tests.integration.harness import US, Harness, mail
from tests.integration.post import FIRST, Post, assert_well_formed, read
from tests.servers.smtpd import RecordingSmtp
from triage.adapters.seal import Keyring
from triage.adapters.store import SqlStore, open_store
from triage.core.case import CaseState
from triage.core.compose import header_address
from triage.errors import ConflictError, DeliveryDeferred, DeliveryRefused, SenderUnavailable, StoreUnavailable
from triage.ports import Envelope
from triage.services.relay import Relay
from triage.services.renewing import Renewing

STATES = ("due", "sending", "sent", "deferred", "refused", "uncertain")


def ask(desk: Harness, count: int = 1) -> None:
    for number in range(1, count + 1):
        desk.mailbox.deliver(mail(number))
    desk.poll()


def approve(desk: Harness, reference: str = FIRST, name: str = "jansen") -> None:
    draft = desk.store.queries.case_page(reference).drafts[0]
    known = desk.store.accounts.by_username(name)
    desk.approval.approve(
        reference,
        user=known.user if known else desk.user(name=name),
        revision=draft.revision,
        content_hash=draft.content_hash,
        seen_messages=1,
    )
    desk.later(seconds=30)


def states(desk: Harness, kind: str = "") -> list[str]:
    rows = desk.store.queries.outbox(states=STATES, limit=1000)
    return sorted(row.state for row in rows if kind in ("", row.kind))


def sent_to(desk: Harness) -> Counter[tuple[str, bool]]:
    """(recipient, is it the person's reply) → how often the server took it."""
    return Counter((envelope.forward_path, envelope.reverse_path == US) for envelope, _ in desk.sender.sent)


# ---------------------------------------------------------------- twice


class Killed(BaseException):
    """The process dies here: nothing behind it runs, not even what catches every Exception."""


POINTS = ("claimed", "session", "prepare", "mark", "marked", "data", "record", "recorded")


class KillingStore:
    """The store, which dies before a call of its unit of work or after the commit of it."""

    BEFORE: ClassVar = {"mark_sending": "mark", "record_delivery": "record"}
    AFTER: ClassVar = {"claim_outbox": "claimed", "mark_sending": "marked", "record_delivery": "recorded"}

    def __init__(self, store: SqlStore, die: Callable[[str], None]) -> None:
        self._store, self._die = store, die

    @contextlib.contextmanager
    def begin(self) -> Iterator[Any]:
        called: list[str] = []
        with self._store.begin() as uow:
            yield Spy(uow, self._die, called)
        for name in called:
            self._die(self.AFTER.get(name, ""))


class Spy:
    def __init__(self, uow: Any, die: Callable[[str], None], called: list[str]) -> None:
        self._uow, self._die, self._called = uow, die, called

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            self._die(KillingStore.BEFORE.get(name, ""))
            result = getattr(self._uow, name)(*args, **more)
            if result:
                self._called.append(name)
            return result

        return call


def die_at(desk: Harness, point: str) -> list[str]:
    """The relay dies once at this point; from then on the list given is empty."""
    waits, original = [point], desk.sender.step

    def die(here: str) -> None:
        if waits == [here]:
            waits.clear()
            raise Killed(here)

    def step(name: str, envelope: Envelope | None) -> None:
        die(name)
        original(name, envelope)

    desk.sender.step = step  # type: ignore[method-assign]
    desk.relay._store = KillingStore(desk.store, die)  # type: ignore[assignment]
    return waits


def restart(desk: Harness) -> None:
    """What the next start of the same node does first."""
    desk.sender.__dict__.pop("step", None)
    desk.wire()
    with desk.store.begin() as uow:
        uow.recover_outbox(owner="node-1", now=desk.now)


@pytest.mark.parametrize("kind", ["acknowledgement", "reply"])
@pytest.mark.parametrize(("point", "times"), [*((point, 1) for point in POINTS), *((point, 2) for point in POINTS[:4])])
def test_killed_at_any_step_nothing_leaves_twice_and_nothing_is_lost(
    desk: Harness, kind: str, point: str, times: int
) -> None:
    ask(desk)
    if kind == "reply":
        desk.relay_once()
        approve(desk)
    already = len(desk.sender.sent)
    for number in range(times):
        waits = die_at(desk, point)
        with contextlib.suppress(Killed, BaseExceptionGroup):
            desk.relay_once()
        assert number or not waits  # the second time there may be nothing left to send
        restart(desk)
    for _ in range(3):
        desk.later(minutes=20)
        desk.relay_once()
    left = len(desk.sender.sent) - already
    state = states(desk, kind)
    begun = point in ("marked", "data", "record")
    assert left == (0 if point in ("marked", "data") else 1)
    assert state == (["uncertain"] if begun else ["sent"])
    assert desk.relay_once().states["sent"] == 0
    if kind == "reply" and begun:
        assert desk.watch.watch_once().raised["uncertain"] == [FIRST]


def test_two_clicks_on_send_again_send_once(desk: Harness) -> None:
    ask(desk)
    desk.sender.plan("data", DeliveryRefused("no", reply_code=554))
    desk.sender.plan("data", DeliveryRefused("no", reply_code=554))
    desk.relay_once()
    (row,) = desk.store.queries.outbox(states=("refused",))
    user = desk.user()
    desk.casework.release_uncertain(row.id, user=user)
    with pytest.raises(ConflictError):
        desk.casework.release_uncertain(row.id, user=user)
    desk.relay_once()
    desk.relay_once()
    assert len(desk.sender.sent) == 1


def test_two_cycles_of_one_process_at_once_send_once(desk: Harness) -> None:
    ask(desk, 10)

    async def both() -> None:
        await asyncio.gather(*(desk.relay.relay_once() for _ in range(4)))

    desk.sender.on_data = lambda envelope, raw: None
    asyncio.run(both())
    desk.relay_once()
    assert sorted(sent_to(desk).values()) == [1] * 10


def test_a_mail_in_many_forms_is_acknowledged_once(desk: Harness) -> None:
    raw = mail(1)
    for head in (b"", b"Received: from a by b\r\n", b"X-Spam-Status: No\r\nDelivered-To: x@y.example\r\n"):
        desk.mailbox.deliver(head + raw)
        desk.poll()
    desk.mailbox.new_uidvalidity()
    desk.poll()
    desk.relay_once()
    assert sent_to(desk) == {("vrager1@mensen.example", False): 1}


def test_two_nodes_send_every_mail_once(tmp_path: Path) -> None:
    """Also while each of them is slow, and the leases of the other run out."""
    desk = Harness(tmp_path, policy_changes={"per_hour": 1000})
    ask(desk, 60)
    relays = [
        Relay(
            store=open_store(f"sqlite:///{tmp_path / 'triage.sqlite3'}", desk.keyring), sender=desk.sender,
            clock=desk.clock, owner=f"node-{number}", connections=3, acknowledge=True,
            renewing=Renewing(letters=desk.letters, owner=f"node-{number}"),
        )
        for number in (1, 2, 3)
    ]  # fmt: skip
    gate = threading.Barrier(len(relays))

    def work(relay: Relay) -> None:
        gate.wait()
        for _ in range(4):
            asyncio.run(relay.relay_once())

    threads = [threading.Thread(target=work, args=(relay,)) for relay in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent_to(desk) == {(f"vrager{number}@mensen.example", False): 1 for number in range(1, 61)}
    assert states(desk) == ["sent"] * 60
    for relay in relays:
        relay._store.close()
    desk.store.close()


# ---------------------------------------------------------------- a loop


@pytest.mark.protocol("A24")
@pytest.mark.parametrize("keeps_thread", [True, False])
def test_a_machine_without_any_mark_that_answers_every_mail_is_answered_a_few_times_at_most(
    desk: Harness, keeps_thread: bool
) -> None:
    ask(desk)
    answered = 0
    for number in range(2, 42):
        desk.relay_once()
        if len(desk.sender.sent) == answered:
            break
        answered = len(desk.sender.sent)
        ours = message_from_bytes(desk.sender.sent[-1][1], policy=policy.default)
        thread = f"In-Reply-To: {ours['Message-ID']}\r\n" if keeps_thread else ""
        subject = f"Re: {ours['Subject']}" if keeps_thread else f"Bericht {number}"
        desk.mailbox.deliver(
            mail(number, sender="vrager1@mensen.example", subject=subject, headers=thread, body=f"Dank u wel {number}.")
        )
        desk.later(minutes=1)
        desk.poll()
    assert answered <= (1 if keeps_thread else 5)


@pytest.mark.protocol("A25", "A27")
@pytest.mark.parametrize(
    "sender",
    [
        US,
        US.upper(),
        "meldpunt+x@juisteloket.example",
        '"meldpunt"@juisteloket.example',
        '"meldpunt+x"@juisteloket.example',
        "meldpunt@juisteloket.example.",
        "meldpunt@ｊuisteloket.example",
        "meldpunt@juisteloket。example",
        "meldpunt(ons)@juisteloket.example",
        "Vrager <meldpunt@juisteloket.example>",
        "meldpunt @ juisteloket.example",
        '"meld\\punt"@juisteloket.example',
    ],
)
def test_no_form_of_our_own_address_gets_mail_from_us(desk: Harness, sender: str) -> None:
    desk.mailbox.deliver(mail(1, sender=sender, headers=f"Reply-To: {sender}\r\n"))
    desk.poll()
    desk.relay_once()
    assert desk.sender.sent == []
    for row in desk.store.queries.outbox(states=STATES):
        assert row.state == "refused"


def test_two_products_that_write_to_each_other_stop_after_one_acknowledgement(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = Harness(tmp_path / "a"), Harness(tmp_path / "b")
    one.mailbox.deliver(mail(1, sender="anderloket@gemeente.example"))
    for _ in range(6):
        for desk, next_desk in ((one, other), (other, one)):
            before = len(desk.sender.sent)
            desk.poll()
            desk.relay_once()
            for _envelope, raw in desk.sender.sent[before:]:
                next_desk.mailbox.deliver(raw.replace(US.encode(), b"anderloket@gemeente.example"))
    assert len(one.sender.sent) + len(other.sender.sent) == 1
    one.store.close()
    other.store.close()


# ---------------------------------------------------------------- a second recipient

V = "vreemd@anders.example"
HOSTILE = [
    f"From: =?utf-8?q?Jan=0D=0ABcc=3A_{V.replace('@', '=40')}?= <vrager1@mensen.example>",
    f'From: "Jan\r\n Bcc: {V}" <vrager1@mensen.example>',
    f"From: Jan\rBcc: {V} <vrager1@mensen.example>",
    f"From: vrager1@mensen.example, {V}",
    f"From: {V} <vrager1@mensen.example>",
    f"From: groep: vrager1@mensen.example, {V};",
    f'From: "vrager1@mensen.example,{V}"@mensen.example',
    f'From: "vrager1@mensen.example> RCPT TO:<{V}"@mensen.example',
    "From: vrager1%anders.example@mensen.example",
    "From: <@anders.example:vrager1@mensen.example>",
    f"From: <vrager1@mensen.example> NOTIFY=SUCCESS ORCPT=rfc822;{V}",
    "From: <vrager1@mensen.example NOTIFY=SUCCESS>",
    "From: vrager1@mensen.example\x00@anders.example",
    "From: vrager1@mensen.example\u2028Bcc: vreemd@anders.example",
    "From: =?utf-8?q?vreemd=40anders=2Eexample=2C?= <vrager1@mensen.example>",
    "From: =?utf-8?q?vreemd=40anders=2Eexample=2C?=@mensen.example",
    f"From: vrager1@mensen.example\r\nFrom: {V}",
    f"From: vrager1@mensen.example\r\nSender: {V}\r\nReply-To: {V}\r\nReturn-Path: <{V}>\r\nErrors-To: {V}",
    f"From: vrager1@mensen.example\r\nDisposition-Notification-To: {V}\r\nReturn-Receipt-To: {V}",
    f"From: vrager1@mensen.example\r\nReply-To: {', '.join(f'mens{n}@anders.example' for n in range(200))}",
    f"From: vrager1@mensen.example\r\nReferences: <a@b.example>\r\n\tBcc: {V}",
    f"From: vrager1@mensen.example\r\nIn-Reply-To: =?utf-8?q?=3Ca=40b=3E=0D=0ABcc=3A{V.replace('@', '=40')}?=",
]


@pytest.mark.protocol("F09", "F18", "H05", "H06")
@pytest.mark.parametrize("lines", HOSTILE)
def test_no_header_brings_a_second_recipient(post: Post, server: RecordingSmtp, lines: str) -> None:
    raw = mail(1, subject=f"x =?utf-8?q?=0D=0ABcc=3A_{V.replace('@', '=40')}?=").replace(
        b"From: Vrager Nummer <vrager1@mensen.example>", lines.encode()
    )
    post.receive(raw)
    post.relay_once()
    assert len(server.commands("RCPT")) <= 1 and len(server.received) <= 1
    for received in server.received:
        assert_well_formed(received)
        message = read(received)
        assert len(message["To"].addresses) == 1
        assert received.raw.count(b"\r\nTo: " + server.commands("RCPT")[0].split("<")[1].split(">")[0].encode()) == 1
        assert message["Bcc"] is None and message["Cc"] is None
        # only where the stranger is the one address of From
        assert (b"vreemd" in received.raw) == ("vreemd" in server.commands("RCPT")[0])
    draft = post.store.queries.case_page(FIRST).drafts
    if draft and draft[0].content.to:  # what a person would approve unseen
        sent, asked = len(server.received), len(server.commands("RCPT"))
        post.approve()
        post.relay_once()
        said = [line.removeprefix("RCPT TO:<").removesuffix(">") for line in server.commands("RCPT")[asked:]]
        assert sorted(said) == sorted(header_address(one) for one in draft[0].content.to)
        for received in server.received[sent:]:
            assert_well_formed(received)


# ---------------------------------------------------------------- what was stopped


def test_an_approval_taken_back_never_leaves_whatever_the_moment(desk: Harness) -> None:
    ask(desk)
    desk.relay_once()
    draft = desk.store.queries.case_page(FIRST).drafts[0]
    user = desk.user()
    desk.approval.approve(FIRST, user=user, revision=draft.revision, content_hash=draft.content_hash, seen_messages=1)
    desk.approval.undo_approval(FIRST, user=user)
    desk.later(days=1)
    desk.relay_once()
    approve(desk)
    desk.sender.plan("prepare", DeliveryDeferred("later", reply_code=451))
    desk.relay_once()
    changed = replace(draft.content, body="Een andere tekst.\n\n[[handtekening]]")
    desk.approval.save_draft(FIRST, user=user, base_revision=draft.revision, content=changed)
    desk.later(days=1)
    desk.relay_once()
    assert [one for one in sent_to(desk) if one[1]] == []


@pytest.mark.parametrize("step", ["session", "prepare"])
def test_an_approval_cannot_be_taken_back_once_the_relay_holds_it_and_says_so(desk: Harness, step: str) -> None:
    ask(desk)
    desk.relay_once()
    approve(desk)
    user = desk.user(name="bakker")
    told: list[str] = []
    original = desk.sender.step

    def at(name: str, envelope: Envelope | None) -> None:
        if name == step and not told:
            with pytest.raises(ConflictError):
                desk.approval.undo_approval(FIRST, user=user)
            told.append("too late")
        original(name, envelope)

    desk.sender.step = at  # type: ignore[method-assign]
    desk.relay_once()
    assert told == ["too late"] and sent_to(desk)[("vrager1@mensen.example", True)] == 1


def test_a_case_erased_while_the_relay_holds_its_mail_sends_nothing(desk: Harness) -> None:
    ask(desk)
    case_id = desk.store.queries.case_page(FIRST).case.id
    original = desk.sender.step
    erased: list[bool] = []

    def at(name: str, envelope: Envelope | None) -> None:
        if name == "prepare" and not erased:
            erased.append(True)
            with desk.store.begin() as uow:
                uow.erase_case(case_id, by="beheer", at=desk.now)
        original(name, envelope)

    desk.sender.step = at  # type: ignore[method-assign]
    desk.relay_once()
    desk.later(days=1)
    desk.relay_once()
    assert desk.sender.sent == [] and states(desk) == ["refused"]


def test_a_text_approved_before_the_sender_wrote_again_does_not_answer_the_case_when_it_is_sent_again(
    desk: Harness,
) -> None:
    ask(desk)
    desk.relay_once()
    approve(desk)
    desk.sender.plan("data", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1"))
    desk.relay_once()
    token = desk.store.queries.case_page(FIRST).case.subject_token
    desk.later(hours=1)
    desk.mailbox.deliver(mail(2, sender="vrager1@mensen.example", subject=f"Het is nu anders {token}"))
    desk.poll()
    (row,) = desk.store.queries.outbox(states=("refused",))
    desk.casework.release_uncertain(row.id, user=desk.user(name="bakker"))
    desk.relay_once()
    page = desk.store.queries.case_page(FIRST)
    assert sent_to(desk)[("vrager1@mensen.example", True)] == 1
    assert page.case.state is CaseState.IN_PROGRESS and page.case.answered_at is None


# ---------------------------------------------------------------- a lost reply


class FailingStore:
    """The store, except that the transactions with these numbers find it locked or its disk full."""

    def __init__(self, store: SqlStore, fails: Callable[[int], bool]) -> None:
        self._store, self._fails, self.calls = store, fails, 0

    def begin(self) -> Any:
        self.calls += 1
        if self._fails(self.calls):
            raise StoreUnavailable("the database stayed locked by another transaction")
        return self._store.begin()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("first", range(1, 8))
@pytest.mark.parametrize("lasts", [1, 40])
def test_a_locked_database_or_a_full_disk_at_any_moment_loses_no_reply_and_sends_none_twice(
    desk: Harness, first: int, lasts: int
) -> None:
    ask(desk, 2)
    approve(desk)
    failing = FailingStore(desk.store, lambda call: first <= call < first + lasts)
    desk.relay._store = failing  # type: ignore[assignment]
    for _ in range(60):
        with contextlib.suppress(StoreUnavailable):
            desk.relay_once()
        desk.later(minutes=1)
    assert sent_to(desk) == {
        ("vrager1@mensen.example", True): 1, ("vrager1@mensen.example", False): 1, ("vrager2@mensen.example", False): 1,
    }  # fmt: skip
    # a mail whose lease ended before its outcome could be written is shown; else nothing is in doubt
    doubtful = 1 if lasts == 40 else 0
    assert states(desk).count("uncertain") <= doubtful * 2 and set(states(desk)) <= {"sent", "uncertain"}
    if "uncertain" not in states(desk, "reply"):
        assert desk.store.queries.case_page(FIRST).case.state is CaseState.ANSWERED


def test_a_database_that_is_really_locked_while_the_mail_is_on_its_way(tmp_path: Path) -> None:
    def impatient(url: str, keyring: Keyring) -> SqlStore:
        store = open_store(url, keyring)
        store.engine.dispose()
        event.listen(store.engine, "connect", lambda connection, record: connection.execute("PRAGMA busy_timeout=100"))
        return store

    desk = Harness(tmp_path, open_with=impatient)
    ask(desk)
    desk.relay_once()
    approve(desk)
    other = sqlite3.connect(tmp_path / "triage.sqlite3", isolation_level=None, check_same_thread=False)
    desk.sender.on_data = lambda envelope, raw: other.execute("BEGIN IMMEDIATE") and None
    report = desk.relay_once()
    assert "locked" in report.unavailable and sent_to(desk)[("vrager1@mensen.example", True)] == 1
    other.execute("ROLLBACK")
    other.close()
    desk.sender.on_data = lambda envelope, raw: None
    desk.relay_once()
    assert states(desk, "reply") == ["sent"] and desk.store.queries.case_page(FIRST).case.state is CaseState.ANSWERED
    assert sent_to(desk)[("vrager1@mensen.example", True)] == 1
    desk.store.close()


def test_one_mail_whose_outcome_cannot_be_written_does_not_break_off_the_others(desk: Harness) -> None:
    ask(desk, 6)
    failing = FailingStore(desk.store, lambda call: call == 4)
    desk.relay._store = failing  # type: ignore[assignment]
    desk.relay_once()
    desk.relay_once()
    assert states(desk) == ["sent"] * 6 and sorted(sent_to(desk).values()) == [1] * 6


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=1), timedelta(days=4000)])
@pytest.mark.parametrize("held", ["approved", "deferred", "claimed by a dead node", "server down"])
def test_a_clock_that_is_set_back_keeps_no_reply_back(desk: Harness, back: timedelta, held: str) -> None:
    ask(desk)
    desk.relay_once()
    approve(desk)
    if held == "approved":
        desk.later(seconds=-30)
    elif held == "deferred":
        for _ in range(9):  # the longest pause
            desk.sender.plan("prepare", DeliveryDeferred("later", reply_code=451))
            desk.relay_once()
            desk.later(hours=2)
        desk.later(hours=-2)
    elif held == "server down":
        desk.sender.plan("session", SenderUnavailable("down", reply_code=535))
        desk.relay_once()
    else:
        with desk.store.begin() as uow:
            uow.claim_outbox(owner="node-9", now=desk.now, lease=timedelta(minutes=15), limit=9)
    desk.now -= back
    for _ in range(24):
        desk.relay_once()
        desk.later(minutes=10)
    assert states(desk, "reply") == ["sent"] and sent_to(desk)[("vrager1@mensen.example", True)] == 1


def test_a_dead_node_keeps_no_reply_back(desk: Harness) -> None:
    ask(desk)
    desk.relay_once()
    approve(desk)
    with desk.store.begin() as uow:
        uow.claim_outbox(owner="node-9", now=desk.now, lease=timedelta(minutes=15), limit=9)
    desk.relay_once()
    assert states(desk, "reply") == ["due"]
    desk.later(minutes=16)
    desk.relay_once()
    assert states(desk, "reply") == ["sent"]


def test_a_flood_of_refused_acknowledgements_hides_no_refused_reply(tmp_path: Path) -> None:
    desk = Harness(tmp_path, policy_changes={"per_hour": 10_000})
    ask(desk)
    desk.relay_once()
    approve(desk)
    desk.sender.plan("data", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1"))
    desk.relay_once()
    for number in range(2, 230):
        desk.mailbox.deliver(mail(number))
    desk.later(minutes=1)
    desk.poll()
    desk.sender.plan("prepare", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1"), times=228)
    desk.relay_once()
    assert states(desk).count("refused") == 229
    assert desk.watch.watch_once().raised["refused"] == [FIRST]
    listed = desk.store.queries.outbox(states=("refused", "uncertain"), kind="reply", limit=2000)
    assert [row.reference for row in listed] == [FIRST]
    desk.store.close()


def test_a_name_of_a_person_in_a_draft_stays_one_line(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, sender='"Jan de\u2028Vries" <vrager1@mensen.example>'))
    desk.poll()
    body = desk.store.queries.case_page(FIRST).drafts[0].content.body
    assert re.match(r"Geachte [^\r\n\u2028]+,?\n", body)
