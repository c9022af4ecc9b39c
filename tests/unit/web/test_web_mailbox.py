"""Beheer: how the mailbox is reached, what its server wants people to read, and when somebody must sign in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.web.fakes import NOW, World


def beheer(**mailbox: object) -> str:
    world = World()
    world.report = {"healthy": True, "breaker_tripped": False, "mailbox": mailbox}
    return world.browser().login("beheerder").get("/beheer").text


@pytest.mark.protocol("O08")
def test_an_alert_of_the_mail_server_is_shown_to_staff_as_text() -> None:
    page = beheer(idle=True, notice="Too many <b>simultaneous</b> connections.", notice_at=NOW)
    assert "De mailserver meldt" in page
    assert "Too many &lt;b&gt;simultaneous&lt;/b&gt; connections." in page
    assert "de mailserver meldt het meteen" in page
    assert "De mailserver meldt</strong>" not in beheer(idle=False)


@pytest.mark.protocol("O02")
def test_a_refused_sign_in_is_shown_with_the_mend_and_the_age_of_the_token() -> None:
    since = NOW - timedelta(days=90)
    page = beheer(
        idle=True, oauth=True, signed_in_at=since, refreshed_at=since, refused_at=NOW, refused_code="invalid_grant"
    )
    assert "Opnieuw aanmelden nodig" in page and "invalid_grant" in page
    assert "python3 run.py sign-in" in page
    assert "Aangemeld sinds" in page and "26 aug" in page and "(90 dagen geleden)" in page
    fine = beheer(idle=True, oauth=True, signed_in_at=since, refreshed_at=NOW, refused_at=None, refused_code="")
    assert "Opnieuw aanmelden nodig" not in fine and "Toegang vernieuwd" in fine


def test_the_health_page_for_everybody_shows_no_notice() -> None:
    world = World()
    world.report = {"healthy": True, "mailbox": {"idle": True, "notice": "anna@post.example is full", "notice_at": NOW}}
    answer = world.browser().get("/gezond")
    assert "anna" not in answer.text and answer.json()["healthy"] is True
