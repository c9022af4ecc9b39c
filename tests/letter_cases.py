"""Letters with the settings of a test, and mails and assessments to write them for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from triage.core.assessment import LAWS, Assessment, Band, SenderType, Urgency
from triage.core.case import Case, CaseState, Counting
from triage.core.mail import EmailAddress, ParsedMail
from triage.core.workdays import AMSTERDAM, WorkCalendar
from triage.services.letters import Letters
from triage.settings import Organisation, TelephoneSettings

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
OWN = "meldpunt@juisteloket.example"
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=AMSTERDAM)


def make_letters(
    *, closing_days: Mapping[date, str] | None = None, name: str = "Juiste Loket", **changes: Any
) -> Letters:
    values: dict[str, Any] = {
        "templates": TEMPLATES,
        "organisation": Organisation(
            name=name,
            website="https://www.juisteloket.example",
            privacy_url="https://www.juisteloket.example/privacy",
            post_address="Postbus 1, 3500 AA Utrecht",
        ),
        "telephone": TelephoneSettings(number="030 789 78 78", hours=("10:00-12:00", "13:00-15:00")),
        "smtp_from": OWN,
        "reverse_path_fallback": "bounce@juisteloket.example",
        "calendar": WorkCalendar(closing_days=closing_days or {}),
        "own_addresses": (OWN, "info@juisteloket.example"),
    }
    return Letters(**(values | changes))


@lru_cache(maxsize=1)
def letters() -> Letters:
    return make_letters()


def a_mail(text: str = "Wie beslist hierover?", *, name: str = "Fatma Yıldız", **changes: Any) -> ParsedMail:
    values: dict[str, Any] = {
        "message_id": "<vraag-1@post.example>",
        "subject": "Vraag",
        "from_addresses": (EmailAddress("fatma@post.example", name),),
        "text": text,
        "new_text": text,
    }
    return ParsedMail(**(values | changes))


def a_case(**changes: Any) -> Case:
    values: dict[str, Any] = {
        "id": "c" * 32,
        "reference": "JL-2026-00042",
        "check_code": "K7",
        "state": CaseState.NEW,
        "band": Band.NORMAL,
        "urgency": Urgency.REGULAR,
        "danger": False,
        "laws": (),
        "arrived_at": NOW,
        "answer_due": NOW + timedelta(days=5),
        "take_up_due": None,
        "at_risk_at": NOW + timedelta(days=3),
        "counting": Counting(NOW, 3, None),
    }
    return Case(**(values | changes))


def assessed(
    laws: tuple[str, ...] = (), topics: tuple[str, ...] = (), urgency: Urgency = Urgency.REGULAR, **changes: Any
) -> Assessment:
    """What the model would say: the laws given, with the probabilities that go with them."""
    values: dict[str, Any] = {
        "laws": laws,
        "law_probabilities": {law: 0.9 if law in laws else 0.05 for law in LAWS},
        "topics": topics,
        "urgency": urgency,
        "band": Band.NORMAL if urgency is Urgency.REGULAR else Band.URGENT,
        "band_reason": "model",
        "sender_type": SenderType.CITIZEN,
        "language": "nl",
    }
    return Assessment(**(values | changes))
