"""Reading for the digest and the lists of alerts: clear columns only, nothing is unsealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from triage.adapters.tables import alerts, cases, secure_notices
from triage.adapters.views import PAUSED
from triage.core.day_list import DIGEST
from triage.ports import AlertRow


def read_notices_ending(db: Connection, after: datetime, before: datetime) -> Sequence[str]:
    rows = db.execute(
        select(cases.c.reference)
        .join(secure_notices, secure_notices.c.case_id == cases.c.id)
        .where(
            secure_notices.c.opened_at.is_(None),
            secure_notices.c.open_before > after,
            secure_notices.c.open_before <= before,
            cases.c.place <= PAUSED,
        )
        .order_by(secure_notices.c.open_before, cases.c.reference)
    ).scalars()
    return list(dict.fromkeys(rows))


def read_last_alerts(db: Connection, limit: int) -> Sequence[AlertRow]:
    rows = db.execute(
        select(alerts.c.at, alerts.c.kind, cases.c.reference)
        .select_from(alerts.outerjoin(cases, cases.c.id == alerts.c.case_id))
        .where(alerts.c.kind != DIGEST)
        .order_by(alerts.c.id.desc())  # ids are ordered by time
        .limit(limit)
    )
    return [AlertRow(*row) for row in rows]


def read_last_digest(db: Connection) -> datetime | None:
    digests = select(alerts.c.at).where(alerts.c.case_id == "", alerts.c.kind == DIGEST)
    return db.execute(digests.order_by(alerts.c.term.desc()).limit(1)).scalar_one_or_none()
