"""Reading what people said beside what the machine said: training examples, drift, what was missed, the sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, case, exists, func, or_, select

from triage.adapters.database import translated
from triage.adapters.rows import Sealer, chunks, from_json
from triage.adapters.tables import (
    FOUND_LATE,
    assessments,
    audit,
    case_links,
    cases,
    corrections,
    messages,
    sample_weeks,
    sampled_cases,
)
from triage.adapters.views import PAUSED
from triage.core.assess import UNJUDGED_KINDS
from triage.core.assessment import Band, SenderType, Urgency
from triage.core.case import CaseState, LinkKind, LinkState
from triage.core.gate import mask_bsn
from triage.core.labels import FIELDS, MISSED_URGENT, danger_value, overridden, urgency_value
from triage.core.mail import MessageKind
from triage.ports import FeedbackRow, FoundLate, JudgedRow, SampledCase, SampleFigures, StaleReading

_WRAPPER = "secure_mail_notice"  # band_reason: what was judged is the notice, not the question behind it
_NEVER_JUDGED = frozenset({_WRAPPER, *UNJUDGED_KINDS})  # band_reasons
_NEWER = assessments.alias("newer")
NEWEST_OF_MESSAGE = ~exists().where(
    _NEWER.c.case_id == assessments.c.case_id,  # first column of the primary key
    _NEWER.c.message_id == assessments.c.message_id,
    or_(
        _NEWER.c.at > assessments.c.at,
        and_(_NEWER.c.at == assessments.c.at, _NEWER.c.id > assessments.c.id),
    ),
)
"""No other assessment of the same message is newer. All of a message stand with one case (see `move_messages`)."""


def said_in(case_id: str) -> ColumnElement[bool]:
    """Corrections made in this case, or in one that was joined to it: they stay with the case where they were made."""
    joined = select(case_links.c.case_id).where(
        case_links.c.other_id == case_id,
        case_links.c.kind == LinkKind.CONVERSATION,
        case_links.c.state == LinkState.ACCEPTED,
    )
    return (corrections.c.case_id == case_id) | corrections.c.case_id.in_(joined)


@dataclass
class _Said:
    """What people said of one message so far; `at` is the last moment."""

    at: datetime
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missed_urgent: bool = False


class LearningQueries:
    """The part of `SqlQueries` about the machine's readings and people's words on them."""

    def __init__(self, engine: Engine, sealer: Sealer) -> None:
        self._reader = engine.execution_options(readonly=True)
        self._sealer = sealer

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with translated(), self._reader.connect() as connection:
            yield connection

    def feedback(self) -> Sequence[FeedbackRow]:
        with self._reading() as db:
            said = _said(db.execute(select(corrections).order_by(corrections.c.at, corrections.c.id)))
            found = [self._feedback_row(row, said[row.message_id]) for row in _judged_rows(db, said)]
        return sorted((row for row in found if row is not None), key=lambda row: (row.at, row.message_id))

    def _feedback_row(self, row: Any, said: _Said) -> FeedbackRow | None:
        figures = from_json(row.figures)
        if figures["band_reason"] == _WRAPPER:
            return None
        evidence = self._sealer.open_json(row.evidence, assessments, row.id, "evidence")
        return FeedbackRow(
            message_id=row.message_id,
            reference=row.reference,
            judged_text=mask_bsn(evidence.get("text", "")),
            language=figures["language"],
            labels=said.labels,
            at=said.at,
            missed_urgent=said.missed_urgent,
            spam_or_machine=row.kind in UNJUDGED_KINDS and row.state == CaseState.NO_REPLY_NEEDED,
        )

    def judged_between(self, begin: datetime, end: datetime) -> Sequence[JudgedRow]:
        columns = (assessments.c[name] for name in ("id", "message_id", "at", "model", "band", "urgency", "danger"))
        wanted = (
            select(*columns, assessments.c.figures, cases.c.reference)
            .join(cases, cases.c.id == assessments.c.case_id)
            .join(messages, messages.c.id == assessments.c.message_id)
            .where(assessments.c.at >= begin, assessments.c.at < end, messages.c.direction == "in", NEWEST_OF_MESSAGE)
            .order_by(assessments.c.at, assessments.c.id)
        )
        with self._reading() as db:
            rows = db.execute(wanted).all()
            said: dict[str, _Said] = {}
            for part in chunks([row.message_id for row in rows]):
                of_part = select(corrections).where(corrections.c.message_id.in_(part))
                said |= _said(db.execute(of_part.order_by(corrections.c.at, corrections.c.id)))
        return [_judged_row(row, said.get(row.message_id)) for row in rows]

    def stale_cases(self, model_id: str) -> Sequence[str]:
        """Reads the index of the work list for the open cases, and the primary key of assessments for each."""
        which = select(cases.c.id).where(cases.c.place <= PAUSED, exists().where(*_by_another(model_id)))
        with self._reading() as db:
            return list(db.execute(which.order_by(cases.c.place, cases.c.place_at, cases.c.id)).scalars())

    def stale_readings(self, model_id: str, case_ids: Sequence[str]) -> Sequence[StaleReading]:
        columns = (assessments.c[name] for name in ("id", "message_id", "case_id", "at", "figures", "evidence"))
        wanted = (
            select(*columns, messages.c.received_at, messages.c.kind)
            .select_from(
                cases.join(assessments, assessments.c.case_id == cases.c.id).join(
                    messages, messages.c.id == assessments.c.message_id
                )
            )
            .where(cases.c.id.in_(case_ids), cases.c.place <= PAUSED, *_by_another(model_id))
            .order_by(messages.c.internal_date, messages.c.received_at, messages.c.id)
        )
        with self._reading() as db:
            rows = [(row, from_json(row.figures)) for row in db.execute(wanted)]
        return [
            self._stale_reading(row, figures["language"])
            for row, figures in rows
            if figures["band_reason"] not in _NEVER_JUDGED
        ]

    def _stale_reading(self, row: Any, language: str) -> StaleReading:
        evidence = self._sealer.open_json(row.evidence, assessments, row.id, "evidence")
        return StaleReading(
            assessment_id=row.id,
            case_id=row.case_id,
            message_id=row.message_id,
            received_at=row.received_at,
            judged_at=row.at,
            judged_text=evidence.get("text", ""),
            language=language,
            unreadable=row.kind == MessageKind.UNREADABLE,
        )

    # ---------------------------------------------------------------- what was missed

    def found_late(self, since: datetime) -> Sequence[FoundLate]:
        wanted = (
            select(audit.c.at, audit.c.action, audit.c.details, cases.c.reference)
            .join(cases, cases.c.id == audit.c.case_id)
            .where(FOUND_LATE, audit.c.at >= since)
            .order_by(audit.c.at.desc(), audit.c.id.desc())
        )
        with self._reading() as db:
            rows = [(row, from_json(row.details)) for row in db.execute(wanted)]
        return [
            FoundLate(row.at, row.reference, row.action, details.get("urgency", ""), details.get("model", ""))
            for row, details in rows
        ]

    def sample_is_drawn(self, week: str) -> bool:
        with self._reading() as db:
            return bool(db.execute(select(exists().where(sample_weeks.c.week == week))).scalar())

    def audit_sample(self, since: datetime) -> SampleFigures:
        urgent = sampled_cases.c.found_urgent.is_(True)
        counted = (
            select(
                func.count().label("drawn"),
                func.count(sampled_cases.c.looked_at).label("looked_at"),
                func.coalesce(func.sum(case((urgent, 1), else_=0)), 0).label("found_urgent"),
            )
            .select_from(sampled_cases.join(sample_weeks, sample_weeks.c.week == sampled_cases.c.week))
            .where(sample_weeks.c.drawn_at >= since)
        )
        waiting = (
            select(cases.c.reference, sampled_cases.c.week, cases.c.arrived_at)
            .join(cases, cases.c.id == sampled_cases.c.case_id)
            .where(sampled_cases.c.looked_at.is_(None), cases.c.erased_at.is_(None))
            .order_by(sampled_cases.c.week, cases.c.reference)
        )
        with self._reading() as db:
            row = db.execute(counted).one()
            found = tuple(SampledCase(*one) for one in db.execute(waiting))
        return SampleFigures(row.drawn, row.looked_at, int(row.found_urgent), found)

    def sample_by_week(self, since: datetime) -> Mapping[str, tuple[int, int]]:
        urgent = sampled_cases.c.found_urgent.is_(True)
        counted = (
            select(
                sample_weeks.c.week,
                func.count(sampled_cases.c.looked_at).label("looked_at"),
                func.coalesce(func.sum(case((urgent, 1), else_=0)), 0).label("found_urgent"),
            )
            .select_from(sample_weeks.outerjoin(sampled_cases, sampled_cases.c.week == sample_weeks.c.week))
            .where(sample_weeks.c.drawn_at >= since)
            .group_by(sample_weeks.c.week)
        )
        with self._reading() as db:
            return {row.week: (row.looked_at, int(row.found_urgent)) for row in db.execute(counted)}


def _by_another(model_id: str) -> tuple[ColumnElement[bool], ...]:
    """Assessments of the case at hand that another model made, the newest of their message, and not erased."""
    return (
        assessments.c.case_id == cases.c.id,
        assessments.c.model != model_id,
        assessments.c.evidence.is_not(None),
        NEWEST_OF_MESSAGE,
    )


def _said(rows: Iterable[Row[Any]]) -> dict[str, _Said]:
    """Message id → what people said of it; `rows` of `corrections`, oldest first."""
    found: dict[str, _Said] = {}
    for row in rows:
        one = found.setdefault(row.message_id, _Said(row.at))
        one.at = row.at
        if row.field == MISSED_URGENT:
            one.missed_urgent = True
        elif row.field in FIELDS:
            one.labels[row.field] = tuple(from_json(row.after))
    return found


def _judged_rows(db: Connection, message_ids: Iterable[str]) -> Iterator[Any]:
    """The newest assessment of each of these messages that was not erased, with its case."""
    for part in chunks(list(message_ids)):
        yield from db.execute(
            select(
                *(assessments.c[name] for name in ("id", "message_id", "figures", "evidence")),
                messages.c.kind,
                cases.c.reference,
                cases.c.state,
            )
            .select_from(
                messages.join(cases, cases.c.id == messages.c.case_id).join(
                    assessments,
                    and_(assessments.c.case_id == messages.c.case_id, assessments.c.message_id == messages.c.id),
                )
            )
            .where(messages.c.id.in_(part), messages.c.direction == "in", messages.c.erased_at.is_(None))
            .where(NEWEST_OF_MESSAGE)
        )


def _judged_row(row: Any, said: _Said | None) -> JudgedRow:
    figures = from_json(row.figures)
    band, urgency = Band(row.band), Urgency(row.urgency)
    machine = {
        "laws": figures["laws"],
        "urgency": urgency_value(urgency, band),
        "danger": danger_value(row.danger),
        "sender_type": (figures["sender_type"],),
        "topics": figures["topics"],
    }
    return JudgedRow(
        at=row.at,
        reference=row.reference,
        model=row.model,
        band=band,
        urgency=urgency,
        danger=row.danger,
        laws=tuple(figures["laws"]),
        laws_unclear=figures["laws_unclear"],
        topics=tuple(figures["topics"]),
        sender_type=SenderType(figures["sender_type"]),
        language=figures["language"],
        unknown_words=figures.get("unknown_words"),
        nearest=figures.get("nearest"),
        overridden=overridden(said.labels, machine) if said else frozenset(),
    )
