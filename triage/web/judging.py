"""Beoordeling on Zaak: what people say of the machine's assessment, each with one button."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from triage.core.assessment import BAND_ORDER, LAWS, Band, SenderType, Urgency
from triage.core.labels import MOST_TOPICS, urgency_value
from triage.core.rights import Right
from triage.errors import NotAllowed
from triage.ports import CasePage
from triage.web.desk import Visit
from triage.web.forms import BadForm, Incomplete
from triage.web.words import WORDS

URGENCY_CHOICES: tuple[tuple[Band, Urgency], ...] = (
    (Band.URGENT, Urgency.PALLIATIVE),
    (Band.URGENT, Urgency.TRANSFER),
    (Band.POSSIBLE, Urgency.PALLIATIVE),
    (Band.POSSIBLE, Urgency.TRANSFER),
    (Band.NORMAL, Urgency.REGULAR),
)
MISSED_CHOICES: tuple[Urgency, ...] = (Urgency.PALLIATIVE, Urgency.TRANSFER)


@dataclass(frozen=True, slots=True)
class Checked:
    """Who last said what holds now of laws and urgency, about the mail that was judged last."""

    by: str
    at: datetime


def checked_by(page: CasePage) -> Checked | None:
    """None while a person did not say it of both, or when the case changed since."""
    holds = {"laws": page.case.laws, "urgency": urgency_value(page.case.urgency, page.case.band)}
    last = {row.field: row for row in page.corrections if row.message_id == page.judged_message and row.field in holds}
    if last.keys() != holds.keys() or any(last[field].after != value for field, value in holds.items()):
        return None
    newest = max(last.values(), key=lambda row: row.at)
    return Checked(newest.actor, newest.at)


# ---------------------------------------------------------------- acts


def confirm(visit: Visit, reference: str) -> None:
    visit.desk.acts.confirm(reference, user=visit.user, version=_version(visit))


def correct_laws(visit: Visit, reference: str) -> None:
    asked = [law for law in visit.form.line("wetten", longest=60).split(",") if law]
    if not set(asked) <= set(LAWS):
        raise BadForm("wetten")
    laws = tuple(law for law in LAWS if law in asked)
    visit.desk.acts.correct_laws(reference, user=visit.user, version=_version(visit), laws=laws)


def correct_urgency(visit: Visit, reference: str) -> None:
    choice = visit.form.line("urgentie", longest=40)
    offered = {f"{band}:{urgency}": (band, urgency) for band, urgency in URGENCY_CHOICES}
    if choice not in offered:
        raise BadForm("urgentie")
    band, urgency = offered[choice]
    reason = _reason(visit)
    case = visit.desk.queries.case_page(reference).case
    if BAND_ORDER.index(band) < BAND_ORDER.index(case.band):
        if not visit.may(Right.DECIDE):
            raise NotAllowed("this role may not lower the urgency")
        if not reason:
            raise Incomplete
    visit.desk.acts.correct_urgency(
        reference, user=visit.user, version=_version(visit), urgency=urgency, band=band, reason=reason
    )


def missed_urgent(visit: Visit, reference: str) -> None:
    urgency = visit.form.choice("urgentie", Urgency)
    if urgency not in MISSED_CHOICES:
        raise BadForm("urgentie")
    visit.desk.acts.missed_urgent(
        reference, user=visit.user, version=_version(visit), urgency=urgency, reason=_reason(visit)
    )


def sample_is_normal(visit: Visit, reference: str) -> None:
    visit.desk.acts.sample_is_normal(reference, user=visit.user, version=_version(visit))


def correct_danger(visit: Visit, reference: str) -> None:
    choice = visit.form.line("gevaar", longest=10)
    if choice not in ("ja", "nee"):
        raise BadForm("gevaar")
    danger, reason = choice == "ja", _reason(visit)
    if not danger:
        if not visit.may(Right.DECIDE):
            raise NotAllowed("this role may not take the danger flag away")
        if not reason:
            raise Incomplete
    visit.desk.acts.correct_danger(reference, user=visit.user, version=_version(visit), danger=danger, reason=reason)


def correct_sender_type(visit: Visit, reference: str) -> None:
    sender_type = visit.form.choice("vrager", SenderType)
    visit.desk.acts.correct_sender_type(reference, user=visit.user, version=_version(visit), sender_type=sender_type)


def correct_topics(visit: Visit, reference: str) -> None:
    asked = [visit.form.line(f"onderwerp{number}", longest=10) for number in range(1, MOST_TOPICS + 1)]
    topics = tuple(dict.fromkeys(topic for topic in asked if topic))
    if not topics or not set(topics) <= WORDS["topic"].keys():
        raise BadForm("onderwerp1")
    visit.desk.acts.correct_topics(reference, user=visit.user, version=_version(visit), topics=topics)


def _version(visit: Visit) -> int:
    return visit.form.number("versie")


def _reason(visit: Visit) -> str:
    """What was typed as the reason; may be empty."""
    return visit.form.text("reden", longest=5000).strip()
