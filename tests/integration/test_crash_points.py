"""Killed at each step: cases = 1, acknowledgements ≤ 1, no mail lost, every doubt shown (protocol section X).

Each test runs the product's own commands against Dovecot and an SMTP server, kills the process at a named step, starts
it again without the kill, and counts at the mailbox, at the SMTP server and in the store.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import mail
from tests.integration.site import Site, new_site
from tests.integration.test_command_line import free_port
from tests.servers.dovecot import DovecotServer
from tests.servers.killable import Killable
from triage.bootstrap import build
from triage.ports import User
from triage.settings import load_settings

pytestmark = [pytest.mark.dovecot, pytest.mark.slow]
FIRST = "<vraag-1@mensen.example>"


def point(step: str, *cases: str) -> object:
    return pytest.param(step, marks=pytest.mark.protocol(*cases), id=step)


@pytest.fixture(scope="module")
def commands() -> Iterator[Killable]:
    with Killable() as helper:
        yield helper


@pytest.fixture
def site(tmp_path: Path, dovecot: DovecotServer, commands: Killable) -> Iterator[Site]:
    with new_site(tmp_path, dovecot, commands) as made:
        yield made


def killed(process_code: int | None) -> bool:
    return process_code == -signal.SIGKILL


# ---------------------------------------------------------------- intake

_INTAKE_STEPS = ("listed", "half_literal", "fetched", "parsed", "judging", "drafting", "written", "committed")
INTAKE = [
    point("listed", "X01"),
    point("half_literal", "X02", "I11"),
    point("fetched", "X03"),
    point("parsed", "X06"),
    point("judging", "X07"),
    point("drafting", "X15"),
    point("written", "X03"),
    point("committed", "X04"),
]


@pytest.mark.parametrize("step", INTAKE)
def test_killed_while_a_mail_is_taken_in_gives_one_case_and_one_acknowledgement(site: Site, step: str) -> None:
    site.deliver(mail(1))
    assert killed(site.poll(step=step).code)
    whole = (site.count("cases"), site.count("messages"), site.count("acknowledgements"), site.count("drafts"))
    assert whole == ((1, 1, 1, 1) if step == "committed" else (0, 0, 0, 0))  # all of it, or nothing

    site.settle()

    assert site.outcomes() == {"case": 1}
    assert (site.count("cases"), site.count("messages"), site.count("drafts")) == (1, 1, 1)
    assert site.receipts() == {FIRST: 1}
    assert site.receipt_states() == ["sent"]
    assert site.keywords() == {1: {"$Triaged"}}
    site.verified()


@pytest.mark.protocol("X01", "X02", "X08", "X09")
def test_killed_at_every_start_for_a_while_loses_nothing(site: Site) -> None:
    site.deliver(mail(1))
    for step in ("listed", "half_literal", "half_literal", "written", "drafting"):
        assert killed(site.poll(step=step).code), step
    site.poll()
    for step in ("connecting", "prepared", "connecting", "prepared"):
        assert killed(site.relay(step=step).code), step
    site.settle()
    assert (site.count("cases"), site.receipts(), site.receipt_states()) == (1, {FIRST: 1}, ["sent"])
    site.verified()


@pytest.mark.protocol("X03")
def test_killed_in_the_middle_of_a_batch_touches_no_other_mail(site: Site) -> None:
    site.deliver(*(mail(number) for number in range(1, 8)))
    assert killed(site.poll(step="written", nth=4).code)
    assert site.outcomes() == {"case": 3, None: 4}
    site.settle()
    assert site.outcomes() == {"case": 7}
    assert set(site.receipts().values()) == {1} and len(site.receipts()) == 7
    site.verified()


# ---------------------------------------------------------------- acknowledgement

RELAY = [
    point("connecting", "X08"),
    point("prepared", "X09"),
    point("sending", "X10"),
    point("half_data", "X10"),
    point("dot", "X11"),
    point("accepted", "X12"),
    point("sent", "X12"),
]
_AT_SERVER = {"connecting": 1, "prepared": 1, "sending": 0, "half_data": 0, "dot": 1, "accepted": 1, "sent": 1}


@pytest.mark.parametrize("step", RELAY)
def test_killed_while_the_acknowledgement_leaves_sends_it_at_most_once_and_shows_the_doubt(
    site: Site, step: str
) -> None:
    site.deliver(mail(1))
    site.poll()
    assert killed(site.relay(step=step).code)

    site.settle()

    assert sum(site.receipts().values()) == _AT_SERVER[step]
    assert site.receipt_states() == ["sent" if step in ("connecting", "prepared") else "uncertain"]
    assert site.count("cases") == 1
    assert "uncertain" not in site.receipt_states() or "outbox: uncertain 1" in site.run("verify").printed


@pytest.mark.parametrize("step", [point("marking", "X13"), point("marked", "X13")])
def test_killed_after_sending_and_before_the_keyword_sets_it_at_the_next_poll(site: Site, step: str) -> None:
    site.deliver(mail(1))
    assert killed(site.poll(step=step).code)
    site.relay()
    assert site.receipts() == {FIRST: 1}
    site.settle()
    assert site.keywords() == {1: {"$Triaged"}}
    assert (site.count("cases"), site.receipts()) == (1, {FIRST: 1})


# ---------------------------------------------------------------- approved reply


def approve(site: Site) -> None:
    """A person approves the machine's draft of the first case; undo time 0."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in site.environment.items():
            patch.setenv(key, value)
        settings = load_settings()
    product = build(settings)
    try:
        user: User = product.store.accounts.add(
            username="jansen", display_name="A. Jansen", role="medewerker", password_hash="x", at=product.clock()
        )
        page = product.store.queries.case_page("JL-2026-00001" if site.count("cases") else "")
        draft = page.drafts[0]
        text = draft.content.body.replace("[[", "").replace("]]", "")
        saved = product.approval.save_draft(
            page.case.reference,
            user=user,
            base_revision=draft.revision,
            content=type(draft.content)(draft.content.to, draft.content.cc, draft.content.subject, text),
        )
        product.approval.approve(
            page.case.reference,
            user=user,
            revision=saved.revision,
            content_hash=saved.content_hash,
            seen_messages=1,
        )
    finally:
        product.close()


def replies(site: Site) -> int:
    return sum(b"Auto-Submitted" not in mail.raw for mail in site.smtp.received)


@pytest.mark.parametrize(
    ("step", "state"),
    [
        pytest.param("connecting", "sent", marks=pytest.mark.protocol("X17"), id="connecting"),
        pytest.param("prepared", "sent", marks=pytest.mark.protocol("X17"), id="prepared"),
        pytest.param("accepted", "uncertain", marks=pytest.mark.protocol("X18"), id="accepted"),
        pytest.param("sent", "uncertain", marks=pytest.mark.protocol("X18"), id="sent"),
    ],
)
def test_an_approved_reply_leaves_once_whenever_the_process_dies(
    tmp_path: Path, dovecot: DovecotServer, commands: Killable, step: str, state: str
) -> None:
    with new_site(tmp_path, dovecot, commands, TRIAGE_APPROVAL__UNDO_SECONDS="0") as site:
        site.deliver(mail(1))
        site.poll()
        site.relay()
        approve(site)
        assert killed(site.relay(step=step).code)
        site.settle()
        assert replies(site) == 1
        assert site.rows("SELECT state FROM outbox WHERE kind = 'reply'") == [(state,)]
        (case_state,) = site.rows("SELECT state FROM cases")[0]
        assert (case_state == "answered") == (state == "sent")  # `uncertain` is not answered


# ---------------------------------------------------------------- the mail that kills


@pytest.mark.protocol("X05")
@pytest.mark.parametrize("step", ["poison", "bomb"])
def test_a_mail_that_kills_its_reader_is_set_aside_and_later_mail_goes_on(site: Site, step: str) -> None:
    site.deliver(mail(1), mail(2, body="poison-pill"), mail(3))
    assert killed(site.poll(step=step).code)
    second = site.poll(step=step, real_reader=step == "bomb")
    assert second.code == 0, second.told
    assert site.outcomes() == {"case": 2, "quarantined": 1}
    site.deliver(mail(4))
    site.poll(step=step)
    site.settle()
    assert site.outcomes() == {"case": 3, "quarantined": 1}
    assert site.receipts() == {FIRST: 1, "<vraag-3@mensen.example>": 1, "<vraag-4@mensen.example>": 1}
    (error,) = site.rows("SELECT error FROM quarantine")[0]
    assert error == ("ReaderDied" if step == "poison" else "MemoryError")
    site.verified()


@pytest.mark.protocol("X05")
def test_a_mail_of_which_the_reading_never_ends_ends_the_process_and_is_set_aside(site: Site) -> None:
    site.deliver(mail(1), mail(2, body="poison-pill"), mail(3))
    first = site.poll(step="stuck")
    assert first.code == 1 and "Timeout" in first.told
    second = site.poll(step="stuck")
    assert second.code == 0, second.told
    site.settle(rounds=1)
    assert site.outcomes() == {"case": 2, "quarantined": 1}
    assert site.rows("SELECT error FROM quarantine") == [("ReaderTimedOut",)]
    assert len(site.receipts()) == 2
    site.verified()


# ---------------------------------------------------------------- SIGTERM

_STOPS_WITHIN = 25.0
_STEPS = [*_INTAKE_STEPS, "marking", "marked", *_AT_SERVER]


@pytest.mark.protocol("X24")
@pytest.mark.parametrize("step", _STEPS)
def test_sigterm_lets_the_mail_at_hand_end_and_nothing_is_lost_or_done_twice(
    tmp_path: Path, dovecot: DovecotServer, commands: Killable, step: str
) -> None:
    with new_site(tmp_path, dovecot, commands, TRIAGE_WEB__PORT=str(free_port())) as site:
        site.deliver(mail(1))
        begun = time.monotonic()
        serving = site.run("serve", step=step, number=signal.SIGTERM)
        assert serving.code == 0, serving.told
        assert time.monotonic() - begun < _STOPS_WITHIN
        assert site.count("outbox", "state IN ('sending', 'uncertain')") == 0
        site.settle(rounds=1)
        assert (site.count("cases"), site.receipts(), site.receipt_states()) == (1, {FIRST: 1}, ["sent"])
        assert site.keywords() == {1: {"$Triaged"}}
