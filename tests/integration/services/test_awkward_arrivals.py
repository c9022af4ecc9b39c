"""Days worked out by hand, against the day in the mail that a real SMTP server received (`product.md` section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.awkward_arrivals import CASES, MAILS, AwkwardCase, AwkwardMail
from tests.benchmark import pictures
from tests.benchmark.report import DOCS
from tests.integration.harness import mail
from tests.integration.post import FIRST, Post, text_of
from tests.servers.smtpd import RecordingSmtp
from triage.core.case import WaitingFor
from triage.core.sla import dutch_date
from triage.core.workdays import WorkCalendar

ASKED = "Mijn vader komt morgen naar huis. Wie regelt de zorg voor de nacht?"


@pytest.fixture
def open_post(tmp_path: Path, server: RecordingSmtp) -> Iterator[Callable[..., Post]]:
    made: list[Post] = []

    def open_it(now: datetime, **changes: Any) -> Post:
        post = Post(tmp_path, policy_changes={"since": datetime(2020, 1, 1, tzinfo=UTC)}, **changes)
        post.now = now.astimezone(UTC)
        post.connect(server)
        made.append(post)
        return post

    yield open_it
    for post in made:
        post.store.close()


@pytest.mark.parametrize("urgent", [False, True], ids=["normal", "urgent"])
@pytest.mark.parametrize("row", MAILS, ids=lambda row: row.name)
def test_the_mail_names_the_day_that_was_worked_out_by_hand(
    open_post: Callable[..., Post], row: AwkwardMail, urgent: bool
) -> None:
    post = open_post(row.taken_in, calendar=WorkCalendar(closing_days=row.closings))
    body = f"{ASKED} palliative-marker" if urgent else ASKED
    post.mailbox.deliver(mail(1, body=body), row.arrived)
    post.poll()
    post.relay_once()
    (received,) = post.server.received
    lines = text_of(received).splitlines()
    assert f"U krijgt uiterlijk op {row.answer} antwoord." in lines
    taken_up = [line for line in lines if "in behandeling" in line]
    promised = urgent and row.take_up
    assert taken_up == ([f"Wij nemen uw vraag uiterlijk op {row.take_up} in behandeling."] if promised else [])
    assert [line for line in lines if "gesloten" in line] == (
        [f"Wij zijn gesloten {row.closed}."] if row.closed else []
    )
    case = post.store.queries.case_page(f"JL-{row.arrived.year}-00001").case
    assert case.promised_for == case.answer_due and dutch_date(case.answer_due) == row.answer


@pytest.mark.parametrize("row", CASES, ids=lambda row: row.name)
def test_the_case_has_the_day_and_no_second_acknowledgement_leaves(
    open_post: Callable[..., Post], row: AwkwardCase
) -> None:
    post = open_post(row.arrived)
    post.receive(mail(1, body=ASKED))
    post.relay_once()
    post.now = row.acted.astimezone(UTC)
    if row.act == "answered":
        post.approve()
        post.relay_once()
    else:
        version = post.store.queries.case_page(FIRST).case.version
        user = post.somebody()
        post.casework.wait(FIRST, user=user, version=version, waiting_for=WaitingFor.SENDER)
    post.now = row.written.astimezone(UTC)
    again = mail(2, body="Hier is wat u vroeg.", sender="Vrager <vrager1@mensen.example>")
    post.receive(again.replace(b"Subject:", b"In-Reply-To: <vraag-1@mensen.example>\r\nSubject:"))
    post.later(days=1)
    post.relay_once()
    page = post.store.queries.case_page(FIRST)
    assert page.case.state in ("new", "in_progress") and dutch_date(page.case.answer_due) == row.answer
    receipts = [one for one in post.server.received if b"auto-replied" in one.raw]
    assert len(receipts) == 1 and len(page.messages) == (3 if row.act == "answered" else 2)


def test_the_page_shows_these_very_days() -> None:
    assert (len(MAILS), len(CASES)) == (10, 2)
    assert pictures.arrivals() in (DOCS / "acknowledgements.md").read_text("utf-8"), "run: make pictures"
    for picture in pictures.PICTURES:
        for width in pictures.WIDTHS:
            assert (pictures.FOLDER / f"{picture.name}-{width}.png").stat().st_size < pictures.LARGEST
