"""Promises kept, from the mails at the server to the report."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.harness import START, mail
from tests.integration.office import page
from tests.integration.post import FIRST, Post, read
from tests.integration.services.test_bounces import report
from tests.integration.services.test_promising import ASKER, WEDNESDAY, close_on, send
from tests.servers.smtpd import RecordingSmtp
from triage.commands import sla_reporting
from triage.core.case import WaitingFor
from triage.core.promises import Delivery, Subject
from triage.services.sla_report import MonthOfPromises, Share, SlaLine, sla_lines, totals

AFTER = "JL-2026-00002"


def lines(post: Post) -> list[SlaLine]:
    found = sla_lines(post.store.queries, None, None, now=post.now, calendar=post.rules.calendar)
    return sorted(found, key=lambda line: line.reference)  # the clock of a test stands still


def told(line: SlaLine) -> list[tuple[str, str, str, bool | None]]:
    return [(one.subject, one.told_by, one.delivery, one.kept) for one in line.promises]


def test_a_promise_that_was_kept_and_one_that_was_not(post: Post) -> None:
    post.acknowledged(mail(1, body="Mijn man, zvw, palliative-marker, wie helpt ons thuis met de zorg?"))
    post.acknowledged(mail(2))
    assert told(lines(post)[0]) == [
        (Subject.TAKE_UP, "acknowledgement", Delivery.TOLD, None),
        (Subject.ANSWER, "acknowledgement", Delivery.TOLD, None),
    ]
    post.later(days=1)
    post.approve(FIRST)
    post.relay_once()
    post.later(days=4)
    first, second = lines(post)
    assert [one.kept for one in first.promises] == [True, True]
    assert [one.kept for one in second.promises] == [False]
    assert (first.answered_in_term, first.taken_up_in_term, second.answered_in_term) == (True, True, False)
    sums = totals(iter((first, second)))
    assert (sums.cases, sums.open) == (2, 1)
    assert (sums.answered_in_term, sums.taken_up_in_term, sums.promises_kept) == (Share(1, 2), Share(1, 1), Share(2, 3))
    month = MonthOfPromises(queries=post.store.queries, clock=post.clock, calendar=post.rules.calendar)
    assert sorted((one.reference, one.kept) for one in month()) == [(FIRST, True), (FIRST, True), (AFTER, False)]
    post.receive(mail(3))
    assert len(month()) == 3
    post.later(minutes=5)
    assert len(month()) == 4
    post.now = START + timedelta(days=30)
    assert month() == []


def test_a_corrected_day_is_judged_beside_the_first_one(post: Post) -> None:
    post.acknowledged(mail(1))
    close_on(post, WEDNESDAY)
    send(post, post.somebody())
    post.relay_once()
    post.later(days=4)  # Friday: a day after the first promise, within the second
    post.approve()
    post.relay_once()
    (line,) = lines(post)
    assert told(line) == [
        (Subject.ANSWER, "acknowledgement", Delivery.TOLD, False),
        (Subject.ANSWER, "correction", Delivery.TOLD, True),
    ]
    assert line.answered_in_term is True and totals([line]).corrected == 1


def test_what_the_sender_never_read_is_no_promise(post: Post, server: RecordingSmtp) -> None:
    server.plan("RCPT", "550 5.1.1 no such user")
    post.receive(mail(1))
    post.relay_once()
    post.later(days=5)
    (line,) = lines(post)
    assert told(line) == [(Subject.ANSWER, "acknowledgement", Delivery.NOT_TOLD, None)]
    assert totals([line]).promises_kept == Share(0, 0) and line.answered_in_term is False


def test_a_reopened_case_keeps_what_became_of_its_first_promise(post: Post, server: RecordingSmtp) -> None:
    post.acknowledged(mail(1))
    post.approve()
    post.relay_once()
    ours = read(server.received[-1])["Message-ID"]
    post.later(days=14)
    post.receive(mail(2, sender=f"Vrager <{ASKER}>", headers=f"In-Reply-To: {ours}\r\n"))
    (line,) = lines(post)
    assert (line.arrived_at, line.reopened, line.answered_at) == (START, 1, None)
    assert [one.kept for one in line.promises] == [True]
    post.receive(report(ours, (ASKER, "failed", "5.1.1")))  # then that answer never arrived
    assert [one.kept for one in lines(post)[0].promises] == [False]


def test_days_of_waiting_are_counted_and_ended_by_an_answer(post: Post) -> None:
    post.acknowledged(mail(1))
    user = post.somebody()
    post.casework.wait(FIRST, user=user, version=page(post).case.version, waiting_for=WaitingFor.SENDER)
    post.later(days=2)
    assert lines(post)[0].paused_days == 2 and lines(post)[0].answered_in_term is None
    post.casework.resume(FIRST, user=user, version=page(post).case.version)
    post.later(days=2)
    assert lines(post)[0].paused_days == 2


def test_an_outage_is_told_and_pages_lose_nobody(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triage.services.sla_report._PAGE", 2)
    for number in range(1, 6):
        post.mailbox.deliver(mail(number))
    post.later(days=7)
    post.poll()
    found = lines(post)
    assert [line.reference for line in found] == [f"JL-2026-{number:05d}" for number in range(1, 6)]
    assert totals(found).breached_in_backlog == 5
    queries = post.store.queries
    assert len(queries.sla_facts(START, START + timedelta(hours=1))) == 5
    assert queries.sla_facts(START + timedelta(hours=1), None) == queries.sla_facts(None, START) == []


@pytest.fixture
def reported(post: Post, server: RecordingSmtp, monkeypatch: pytest.MonkeyPatch) -> Post:
    """A case whose promise was broken, in the store that the command opens."""
    post.acknowledged(mail(1))
    post.later(days=5)

    class Open:
        queries = post.store.queries

        def close(self) -> None: ...

    monkeypatch.setattr(sla_reporting, "open_product_store", lambda settings: (Open(), None))
    monkeypatch.setattr(sla_reporting, "utc_now", post.clock)
    return post


def test_the_command_tells_it_in_three_forms(
    reported: Post, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    def run(form: str) -> str:
        assert sla_reporting.report_sla(begin="2026-11-23", end="2026-11-23", form=form) == 0
        sys.stdout.flush()
        return capfdbinary.readouterr().out.decode()

    line, last = (json.loads(one) for one in run("json").splitlines())
    assert (line["reference"], line["arrived_at"]) == (FIRST, "2026-11-23T09:00:00+01:00")
    assert line["promises"] == [
        {"subject": "answer", "day": "2026-11-26", "told_by": "acknowledgement", "delivery": "told", "met_at": None,
         "kept": "no"}
    ]  # fmt: skip
    assert last["totals"]["promises_kept"] == {"k": 0, "n": 1}
    (row,) = csv.DictReader(io.StringIO(run("csv")))
    assert row["promises"] == "answer 2026-11-26 by acknowledgement, told: no" and row["clock"] == "breached"
    text = run("text")
    assert "promises kept: 0/1 (0%)" in text
    assert f"{FIRST}  answer   2026-11-26  told by acknowledgement (told), not met yet" in text
    for form in ("json", "csv", "text"):
        assert ASKER not in run(form) and "Vraag over hulp" not in run(form)
