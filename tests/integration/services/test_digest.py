"""The digest: each working morning one mail with the list of the day, references and counts only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import date, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from tests.integration.harness import START, Harness, mail
from tests.unit.cases import ams
from triage.bootstrap import build
from triage.core.sla import SlaRules
from triage.core.workdays import WorkCalendar
from triage.errors import DeliveryRefused
from triage.host import Host
from triage.settings import load_settings

BOSS = "toezicht@juisteloket.example"
URGENT = "palliative-marker: mijn vader ligt op sterven, wie regelt zorg thuis onder de wlz?"
NOTICE = "U heeft een beveiligd bericht ontvangen. Bekijk bericht: https://portaal.example/1"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Harness]:
    """Monday 23 November 2026, 09:00."""
    desk = Harness(tmp_path, alert_to=(BOSS, "chef@juisteloket.example"))
    yield desk
    desk.store.close()


def at(desk: Harness, moment: datetime) -> Harness:
    desk.now = moment.astimezone(START.tzinfo)
    with desk.store.begin() as uow:
        uow.job_ran("poll", at=desk.now, ok=True)
    return desk


def digests(desk: Harness, *, to: str = BOSS) -> list[tuple[str, str]]:
    """(subject, text) of the digests to one address that leave now."""
    before = len(desk.sender.sent)
    desk.digest.send_once()
    desk.relay_once()
    found = [
        message_from_bytes(raw, policy=default) for sent, raw in desk.sender.sent[before:] if sent.forward_path == to
    ]
    return [
        (one["Subject"], one.get_content().replace("\r\n", "\n")) for one in found if "dagoverzicht" in one["Subject"]
    ]


def groups(text: str) -> dict[str, list[str]]:
    """Heading → references under it."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("- "):
            found.setdefault(heading, []).append(line[2:])
        else:
            heading = line
    return found


def test_a_morning_with_everything(desk: Harness) -> None:
    at(desk, ams(2026, 11, 25, 10))  # Wednesday: due on Monday
    desk.mailbox.deliver(mail(1, body="wmo, danger-marker"))
    desk.mailbox.deliver(mail(2, body=URGENT))
    desk.mailbox.deliver(mail(3, body="wmo"))
    desk.sender.plan("data", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1"))
    desk.poll()
    desk.relay_once()
    at(desk, ams(2026, 11, 26, 10))  # due on Tuesday
    desk.mailbox.deliver(mail(4, body="wmo"))
    desk.mailbox.deliver(mail(5, body="poison-pill"))
    desk.poll()
    desk.poll()
    at(desk, ams(2026, 11, 27, 10))  # take-up due on Monday
    desk.mailbox.deliver(mail(6, body=URGENT))
    desk.mailbox.deliver(mail(7, body=f"{NOTICE} Beschikbaar tot 2 december 2026.", sender="noreply@zivver.com"))
    desk.poll()
    draft = desk.store.queries.case_page("JL-2026-00003").drafts[0]
    desk.approval.approve(
        "JL-2026-00003", user=desk.user(), revision=draft.revision, content_hash=draft.content_hash, seen_messages=1
    )
    desk.later(minutes=1)
    desk.sender.plan("data", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1"))
    desk.relay_once()
    ((subject, text),) = digests(at(desk, ams(2026, 11, 30, 8, 30)))
    assert subject == "Triage: dagoverzicht maandag 30 november"
    assert groups(text) == {
        "Te laat (1)": ["JL-2026-00002"],
        "Vandaag in behandeling nemen (2)": ["JL-2026-00005", "JL-2026-00006"],
        "Vandaag antwoord geven (3)": ["JL-2026-00001", "JL-2026-00002", "JL-2026-00003"],
        "Gevaar gemeld (1)": ["JL-2026-00001"],
        "Goedgekeurd, maar niet weg (1)": ["JL-2026-00003"],
        "Beveiligde mail verloopt bijna (1)": ["JL-2026-00006"],
    }
    for line in (
        "Morgen antwoord geven: 1",
        "Bevestigingen onzeker of geweigerd: 1",
        "Mails in quarantaine: 1",
        "De mailbox is om 08:30 uur gelezen.",
    ):
        assert line in text.splitlines()
    assert "verantwoord" not in text and "hoeft er niets" not in text
    headings = [line for line in text.splitlines() if line and not line.startswith("- ")]
    order = [
        "Te laat",
        "Vandaag in b",
        "Vandaag a",
        "Morgen",
        "Gevaar",
        "Goedg",
        "Bevest",
        "Mails in q",
        "Beveil",
        "De mailb",
    ]
    assert [next(at for at, line in enumerate(headings) if line.startswith(one)) for one in order] == sorted(
        next(at for at, line in enumerate(headings) if line.startswith(one)) for one in order
    )
    assert max(len(line) for line in text.splitlines()) <= 60


def test_what_was_ended_asks_for_nothing_any_more(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, body="wmo, danger-marker"))
    desk.sender.plan("data", DeliveryRefused("no", reply_code=550, enhanced_status="5.1.1"))
    desk.poll()
    desk.relay_once()
    version = desk.store.queries.case_page("JL-2026-00001").case.version
    desk.casework.close("JL-2026-00001", user=desk.user(), version=version, reason="gebeld")
    ((_, text),) = digests(at(desk, ams(2026, 11, 30, 9)))
    assert "JL-2026" not in text and "Bevestigingen" not in text
    assert "Vandaag hoeft er niets af. Een fijne werkdag!" in text


def test_it_goes_to_each_address_once_a_day_also_after_a_restart(desk: Harness) -> None:
    at(desk, ams(2026, 11, 23, 8, 29))
    assert digests(desk) == []
    at(desk, ams(2026, 11, 23, 8, 30))
    desk.digest.send_once()
    desk.wire()
    assert len(digests(desk)) == 1
    assert sorted(envelope.forward_path for envelope, _ in desk.sender.sent) == ["chef@juisteloket.example", BOSS]
    desk.later(hours=3)
    assert digests(desk) == []
    assert len(digests(at(desk, ams(2026, 11, 24, 8, 30)))) == 1
    assert desk.store.queries.last_digest() == desk.now
    assert desk.store.queries.last_alerts(limit=9) == []


@pytest.mark.parametrize("moment", [ams(2026, 12, 25, 10), ams(2026, 11, 28, 10), ams(2026, 11, 23, 17)])
def test_none_on_a_closed_day_or_after_hours(desk: Harness, moment: datetime) -> None:
    assert digests(at(desk, moment)) == []


def test_a_late_start_still_makes_the_digest_of_the_day(desk: Harness) -> None:
    ((subject, _),) = digests(at(desk, ams(2026, 11, 23, 16, 40)))
    assert subject.endswith("maandag 23 november")


def test_closed_days_ahead_and_the_next_working_day_are_named(desk: Harness) -> None:
    desk.rules = SlaRules(WorkCalendar(closing_days={date(2026, 5, 15): "brugdag"}))
    desk.wire()
    at(desk, ams(2026, 5, 11, 9))
    ((_, text),) = digests(desk)
    assert "Donderdag is Hemelvaartsdag: dan zijn wij dicht.\nVrijdag is brugdag: dan zijn wij dicht.\n" in text
    at(desk, ams(2026, 5, 11, 10))
    desk.mailbox.deliver(mail(1, body="wmo"))
    desk.poll()
    ((_, text),) = digests(at(desk, ams(2026, 5, 13, 9)))
    assert "Maandag 18 mei antwoord geven: 1" in text


def test_a_silent_mailbox_is_said_with_its_last_moment(desk: Harness) -> None:
    at(desk, ams(2026, 11, 20, 17, 2))
    desk.now = ams(2026, 11, 23, 8, 30)
    ((_, text),) = digests(desk)
    assert "Let op: de mailbox is niet gelezen sinds\nvrijdag 20 november 17:02 uur." in text
    assert "hoeft er niets" not in text


def test_it_holds_nothing_of_a_person(desk: Harness) -> None:
    marked = ("Quirijn", "Zonderland", "zonderland@mensen.example", "longkanker", "Hoogeveen", "palliatie", "sterven")
    desk.mailbox.deliver(
        mail(
            1,
            subject="Zonderland longkanker Hoogeveen",
            sender="Quirijn Zonderland <zonderland@mensen.example>",
            body=f"{URGENT} danger-marker Quirijn Zonderland, longkanker, Hoogeveen",
        )
    )
    desk.poll()
    desk.relay_once()
    ((subject, text),) = digests(at(desk, ams(2026, 11, 30, 9)))
    assert "JL-2026-00001" in text
    for word in marked:
        assert word.lower() not in f"{subject}\n{text}".lower()


@pytest.mark.parametrize(
    ("settings", "made"),
    [
        ({"ALERTS__TO": f'["{BOSS}"]'}, 1),
        ({"ALERTS__TO": f'["{BOSS}"]', "ALERTS__DIGEST": "false"}, 0),
        ({}, 0),
    ],
)
def test_the_watch_job_makes_it_when_there_are_addresses_and_it_is_wanted(
    settings: dict[str, str], made: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("TRIAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRIAGE_CONFIG_DIR", str(tmp_path))
    needed = {
        "DATA_DIR": str(tmp_path / "data"), "MAILBOX__HOST": "127.0.0.1", "MAILBOX__USERNAME": "x",
        "SMTP__HOST": "127.0.0.1", "SMTP__FROM": "loket@juisteloket.example", "MODEL__ENCODER": "off",
    }  # fmt: skip
    for name, value in (needed | settings).items():
        monkeypatch.setenv(f"TRIAGE_{name}", value)
    product = build(load_settings(), clock=lambda: ams(2026, 11, 23, 8, 30))
    try:
        asyncio.run(Host(product)._watch())
        assert len(product.store.queries.outbox(states=("due",), kind="alert")) == made
        assert (product.store.queries.last_digest() is not None) == bool(made)
    finally:
        product.close()
