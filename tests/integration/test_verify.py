"""`verify` finds whatever does not agree, and nothing when all does; `report ledger` tells of every mail."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeMailbox
from tests.integration.harness import START, US, Harness, mail
from tests.integration.site import Site, new_site
from tests.integration.test_command_line import free_port
from tests.servers.dovecot import DovecotServer
from tests.servers.killable import Killable
from triage.errors import DeliveryRefused
from triage.services.ledger_report import report_lines, totals
from triage.services.verify import Check, Verify


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Harness]:
    """A mailbox with one mail of every outcome; all acknowledgements left."""
    harness = Harness(tmp_path)
    box = harness.mailbox
    for number in (1, 2, 3):
        box.deliver(mail(number))
    harness.poll()
    harness.relay_once()
    token = harness.store.queries.case_page("JL-2026-00001").case.subject_token
    box.deliver(mail(4, subject=f"Nog iets {token}", sender="vrager1@mensen.example"))  # follow_up
    box.deliver(b"Received: elsewhere\r\n" + mail(2))  # attached
    box.deliver(mail(5, sender=US))  # ignored
    box.deliver(mail(6, body="poison-pill"))  # quarantined
    lost = box.deliver(mail(7))  # gone
    fetch = box.fetch

    def expunged(uids: Any) -> Any:
        box.expunge(lost)
        return fetch(uids)

    box.fetch = expunged  # type: ignore[method-assign]
    harness.poll()
    box.fetch = fetch  # type: ignore[method-assign]
    harness.poll()
    harness.intake._compare_next_time = True
    harness.poll()
    yield harness
    harness.store.close()


def checks(desk: Harness, *, mailbox: FakeMailbox | None = None, pause: Callable[[float], None] | None = None) -> Any:
    def no_pause(seconds: float) -> None:
        raise AssertionError("verify waits for a poll that nobody does")

    verify = Verify(
        proof=desk.store.proof,
        queries=desk.store.queries,
        mailbox=mailbox or desk.mailbox,
        clock=desk.clock,
        poll_every=timedelta(seconds=30),
        pause=pause or no_pause,
    )
    return list(verify.checks())


def wrong(found: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in found if check.agrees is False}


def spoil(desk: Harness, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(desk.folder / "triage.sqlite3")) as connection:
        connection.execute(statement, values)
        connection.commit()


def test_when_all_agrees_every_check_says_so_and_counts(desk: Harness) -> None:
    found = checks(desk)
    assert all(check.agrees is True for check in found)
    by_name = {check.name: check for check in found}
    assert by_name["mailbox"].counts["messages"] == by_name["mailbox"].counts["known"] == 7
    assert {name: by_name["ledger"].counts[name] for name in ("case", "follow_up", "attached", "ignored")} == {
        "case": 3, "follow_up": 1, "attached": 1, "ignored": 1
    }  # fmt: skip
    assert (by_name["ledger"].counts["quarantined"], by_name["ledger"].counts["gone"]) == (1, 1)
    assert by_name["hashes"].counts["hashed"] == 5
    assert not any(check.mend for check in found)


def test_a_mail_the_ledger_does_not_know_is_named_by_uid(desk: Harness) -> None:
    uid = desk.mailbox.deliver(mail(8))
    (check,) = wrong(checks(desk)).values()
    assert (check.name, check.found, check.counts["not_in_ledger"]) == ("mailbox", (str(uid),), 1)
    assert "poll" in check.mend


def test_mail_that_came_this_minute_gets_the_time_a_running_poller_needs(desk: Harness) -> None:
    with desk.store.begin() as uow:
        uow.job_ran("poll", at=desk.now, ok=True)
    desk.mailbox.deliver(mail(8))
    waited: list[float] = []

    def next_poll(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            desk.poll()

    assert wrong(checks(desk, pause=next_poll)) == {}
    assert len(waited) == 3


def test_a_poller_that_never_takes_the_mail_in_does_not_make_verify_wait_for_ever(desk: Harness) -> None:
    with desk.store.begin() as uow:
        uow.job_ran("poll", at=desk.now, ok=True)
    desk.mailbox.deliver(mail(8))

    def later(seconds: float) -> None:
        desk.later(seconds=seconds)
        with desk.store.begin() as uow:
            uow.job_ran("poll", at=desk.now, ok=True)

    assert set(wrong(checks(desk, pause=later))) == {"mailbox"}


def test_an_entry_without_an_outcome_is_unaccounted(desk: Harness) -> None:
    spoil(desk, "UPDATE ledger SET outcome = NULL WHERE uid = 6")
    found = wrong(checks(desk))
    assert (found["ledger"].counts["unaccounted"], found["ledger"].found) == (1, ("6",))


def test_a_mail_noted_as_gone_that_is_there_is_found(desk: Harness) -> None:
    spoil(desk, "UPDATE ledger SET outcome = 'gone' WHERE uid = 3")
    assert wrong(checks(desk))["mailbox"].counts["gone_but_on_server"] == 1


def test_bytes_that_are_not_what_arrived_are_found_though_the_seal_is_good(desk: Harness) -> None:
    (row_id,) = _one(desk, "SELECT id FROM messages WHERE uid = 1 AND direction = 'in'")
    other = desk.keyring.seal(mail(1) + b"x", where=f"messages:{row_id}:raw")
    spoil(desk, "UPDATE messages SET raw = ? WHERE id = ?", other, row_id)
    check = wrong(checks(desk))["hashes"]
    assert (check.found, check.counts["changed"]) == ((row_id,), 1)


@pytest.mark.parametrize(
    ("statement", "which"),
    [
        ("UPDATE messages SET raw = zeroblob(80) WHERE uid = 1", "raw"),
        ("UPDATE messages SET view = zeroblob(80) WHERE uid = 1", "view"),
        ("UPDATE messages SET raw = NULL WHERE uid = 1", "missing"),
        ("UPDATE cases SET labels = zeroblob(80) WHERE reference = 'JL-2026-00002'", "cases"),
        ("UPDATE quarantine SET raw = zeroblob(80)", "quarantine"),
        ("UPDATE outbox SET raw = zeroblob(80)", "outbox"),
    ],
)
def test_what_cannot_be_opened_is_found(desk: Harness, statement: str, which: str) -> None:
    spoil(desk, statement)
    check = wrong(checks(desk))["hashes"]
    assert which in check.found[0]
    assert "seal.key" in check.mend


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("DELETE FROM messages WHERE uid = 1", "ledger_without_message"),
        ("UPDATE ledger SET message_id = NULL WHERE uid = 1", "ledger_without_message"),
        ("UPDATE ledger SET case_id = NULL WHERE uid = 4", "ledger_without_case"),
        ("UPDATE ledger SET case_id = 'x' WHERE uid = 5", "ledger_without_case"),
        ("DELETE FROM ledger WHERE uid = 2", "messages_without_ledger"),
        ("UPDATE messages SET case_id = NULL WHERE uid = 3", "cases_without_message"),
        ("UPDATE ledger SET outcome = 'attached' WHERE uid = 3", "cases_without_first_mail"),
        ("UPDATE ledger SET outcome = 'case' WHERE uid = 4", "cases_of_two_mails"),
        ("DELETE FROM acknowledgements WHERE outbox_id = (SELECT min(outbox_id) FROM acknowledgements)",
         "cases_without_acknowledgement"),
        ("UPDATE outbox SET case_id = (SELECT min(case_id) FROM outbox)", "cases_acknowledged_twice"),
        ("DELETE FROM outbox WHERE id = (SELECT min(id) FROM outbox)", "acknowledgements_without_mail"),
        ("UPDATE acknowledgements SET outbox_id = NULL", "mails_without_acknowledgement_row"),
        ("UPDATE outbox SET state = 'sending', owner = NULL", "outbox"),
        ("UPDATE outbox SET state = 'sending', owner = 'x', leased_until = 1", "outbox"),
        ("UPDATE folders SET entries_present = entries_present + 1", "ledger"),
        ("UPDATE assessments SET case_id = 'x'", "database"),
    ],
)  # fmt: skip
def test_each_contradiction_is_found_and_says_how_to_mend_it(desk: Harness, statement: str, name: str) -> None:
    spoil(desk, statement)
    found = wrong(checks(desk))
    assert name in found
    assert all(check.mend for check in found.values())


def test_a_wrong_sum_is_mended_by_the_next_full_comparison(desk: Harness) -> None:
    spoil(desk, "UPDATE folders SET entries_present = 500")
    desk.poll()  # the sum disagrees with the server: the full comparison runs
    assert wrong(checks(desk)) == {}


def test_without_the_mail_server_the_rest_is_checked_and_it_is_said(desk: Harness) -> None:
    desk.mailbox.fail("status")
    found = checks(desk)
    assert (found[0].name, found[0].agrees) == ("mailbox", None)
    assert "not compared with the mail server" in found[0].words
    assert wrong(found) == {}


def _one(desk: Harness, statement: str) -> tuple[Any, ...]:
    with closing(sqlite3.connect(desk.folder / "triage.sqlite3")) as connection:
        row: tuple[Any, ...] = connection.execute(statement).fetchone()
        return row


# ---------------------------------------------------------------- report


def test_the_report_has_a_line_for_each_mail_and_what_became_of_its_acknowledgement(tmp_path: Path) -> None:
    desk = Harness(tmp_path)
    for number in (1, 2):
        desk.mailbox.deliver(mail(number), START + timedelta(minutes=number))
    desk.mailbox.deliver(mail(3, sender="no-reply@mensen.example"), START + timedelta(minutes=3))
    desk.mailbox.deliver(mail(4, sender=US), START + timedelta(minutes=4))
    desk.poll()
    desk.sender.plan("prepare", DeliveryRefused("no", reply_code=550), forward_path="vrager2@mensen.example", times=2)
    desk.relay_once()
    lines = report_lines(desk.store.proof.ledger_facts(None, None))
    assert [(line.outcome, line.reference, line.acknowledgement, line.reply_code) for line in lines] == [
        ("case", "JL-2026-00001", "sent", 250),
        ("case", "JL-2026-00002", "refused", 550),
        ("case", "JL-2026-00003", "withheld", None),
        ("ignored", "", "", None),
    ]
    assert lines[0].to == "vrager1@mensen.example"
    assert lines[2].reasons == ("no_reply_address",) and lines[2].to == ""
    assert lines[3].rule == "own_address"
    sums = totals(lines)
    assert sums.acknowledgements == {"sent": 1, "refused": 1, "withheld": 1}
    assert sums.reasons == {"no_reply_address": 1}
    desk.store.close()


def test_in_shadow_mode_the_report_tells_what_would_have_been_sent_to_whom(tmp_path: Path) -> None:
    desk = Harness(tmp_path, mode="shadow")
    for number, at in ((1, 0), (2, 5), (3, 100)):
        desk.mailbox.deliver(mail(number), START + timedelta(minutes=at))
    desk.mailbox.deliver(mail(1, body="Nog een vraag over de wlz."), START + timedelta(minutes=6))
    desk.mailbox.deliver(mail(5, headers="Auto-Submitted: auto-generated\r\n"), START)
    desk.poll()
    lines = report_lines(desk.store.proof.ledger_facts(None, None))
    would = {line.to for line in lines if line.acknowledgement == "would_have_been_sent"}
    assert would == {"vrager1@mensen.example", "vrager2@mensen.example", "vrager3@mensen.example"}
    (machine,) = (line for line in lines if line.acknowledgement == "withheld")
    assert machine.reasons == ("auto_submitted", "shadow_mode") and machine.to == ""
    sums = totals(lines)
    assert (sums.acknowledgements["would_have_been_sent"], sums.busiest_hour, sums.most_to_one_address) == (4, 3, 2)
    assert desk.store.queries.held_by_shadow() == 4
    desk.store.close()


@pytest.mark.dovecot
@pytest.mark.slow
def test_the_commands_speak_text_csv_and_json_and_show_addresses_in_the_report_only(
    tmp_path: Path, dovecot: DovecotServer
) -> None:
    shadow = {"TRIAGE_ACKNOWLEDGEMENTS__MODE": "shadow"}
    with Killable() as commands, new_site(tmp_path, dovecot, commands, **shadow) as site:
        site.deliver(mail(1), mail(2, sender="'=cmd()'@mensen.example"), mail(3, sender="+31@mensen.example"))
        site.settle(rounds=1)
        _text(site)
        _json(site)
        cells = list(csv.reader(io.StringIO(site.run("report", "ledger", "--format", "csv").printed)))
        assert cells[0][:4] == ["arrived", "folder", "uid", "outcome"] and len(cells) == 4
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in cells for cell in row)
        for bad in (("--from", "gisteren"), ("--from", "2026-02-01", "--to", "2026-01-01"), ("--format", "xml")):
            refused = site.run("report", "ledger", *bad)
            assert refused.code == 2 and len(refused.told.splitlines()) == 1
        assert site.run("report", "ledger", "--to", "2020-01-01", "--format", "json").printed.count("\n") == 1

        checked = site.run("check")
        assert "held back 3 acknowledgements" in checked.printed and "run.py report ledger" in checked.printed
        proof = site.run("verify", "--json")
        assert proof.code == 0
        objects = [json.loads(line) for line in proof.printed.splitlines()]
        assert objects[-1] == {
            "check": "verify", "agrees": True, "unaccounted": 0, "wrong": [], "not_compared": []
        }  # fmt: skip
        site.deliver(mail(4))
        missed = site.run("verify")
        assert missed.code == 1 and "1 unaccounted" in missed.printed and "which: 4" in missed.printed
        alone = site.commands.run(["verify"], site.environment | {"TRIAGE_MAILBOX__PORT": str(free_port())})
        assert alone.code == 0, alone.told
        assert "[not compared]" in alone.printed and "The mail server was not compared" in alone.printed
        for told in (checked, proof, missed, alone, site.poll()):
            assert "mensen.example" not in told.printed + told.told


def _text(site: Site) -> None:
    printed = site.run("report", "ledger").printed
    assert printed.startswith("3 mails: case 3\n")
    assert "would_have_been_sent → vrager1@mensen.example" in printed
    assert "shadow mode held 3 back" in printed


def _json(site: Site) -> None:
    first, *rest = [json.loads(line) for line in site.run("report", "ledger", "--format", "json").printed.splitlines()]
    assert (first["mails"], first["acknowledgements"], first["mode"]) == (3, {"would_have_been_sent": 3}, "shadow")
    assert [line["uid"] for line in rest] == [1, 2, 3]
