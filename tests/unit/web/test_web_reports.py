"""Zaak tells what became of our mail: each recipient's result, an acknowledgement that came back, addresses to mind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.web.fakes import NOW, World, case_page, message
from triage.core.mail import MessageKind
from triage.core.reports import Delivery
from triage.ports import AcknowledgementView, AuditRow
from triage.web.words import WORDS

CASE = "/zaak/JL-2026-00001"


def opened(world: World) -> str:
    answer = world.browser().login("medewerker").get(CASE)
    assert answer.status_code == 200
    return str(answer.text)


@pytest.mark.protocol("D07", "D08", "D12")
def test_the_result_of_each_recipient_is_told_in_words() -> None:
    world = World()
    recipients = ["failed_permanent 5.1.1", "failed_temporary 4.2.2", "delayed 4.4.1", "arrived"]
    world.helpdesk.put(
        case_page(
            1,
            messages=(
                message(
                    1,
                    kind=MessageKind.DELIVERY_REPORT,
                    report=(("anna@post.example", "failed_permanent", "5.1.1"), ("", "delayed", "")),
                ),
            ),
            timeline=(AuditRow(NOW, "system", "reply_bounced", {"recipients": recipients}),),
        )
    )
    page = opened(world)
    assert "Antwoord kwam terug: het is niet bezorgd" in page
    assert "ontvanger 1: niet bezorgd; opnieuw proberen helpt niet (code 5.1.1)" in page
    assert "ontvanger 2: niet bezorgd door een tijdelijk probleem; probeer het later nog eens (code 4.2.2)" in page
    assert "ontvanger 4: bezorgd" in page
    assert "anna@post.example: niet bezorgd; opnieuw proberen helpt niet" in page
    assert "De ontvanger: nog niet bezorgd" in page


def test_every_result_has_words() -> None:
    assert set(WORDS["delivery"]) == set(Delivery)


@pytest.mark.protocol("D11")
@pytest.mark.parametrize("came_back", [True, False])
def test_an_acknowledgement_that_came_back_is_marked(came_back: bool) -> None:
    world = World()
    bounced_at = NOW if came_back else None
    view = AcknowledgementView("sent", (), NOW, None, NOW - timedelta(hours=1), 250, "o-1", bounced_at=bounced_at)
    world.helpdesk.put(case_page(1, acknowledgement=view))
    assert ("Verstuurd, maar niet bezorgd." in opened(world)) is came_back


@pytest.mark.protocol("A09", "A31")
@pytest.mark.parametrize(
    ("to", "warning"),
    [
        (("anna@post.example",), ""),
        (("noreply@post.example",), "wil geen antwoord (no-reply)"),
        (tuple(f"n{number}@post.example" for number in range(200)), "gaat naar veel adressen"),
    ],
)
def test_the_draft_warns_of_its_recipients(to: tuple[str, ...], warning: str) -> None:
    world = World()
    page = case_page(1)
    draft = page.drafts[0]
    world.helpdesk.put(replace(page, drafts=(replace(draft, content=replace(draft.content, to=to)),)))
    shown = opened(world)
    if warning:
        assert warning in shown
    else:
        assert "no-reply" not in shown and "veel adressen" not in shown
