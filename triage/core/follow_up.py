"""A case after a further message joined it, by mail or because a person joined two cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from triage.core.actions import Terms
from triage.core.assessment import BAND_ORDER, Band, Urgency
from triage.core.case import Case, state_after_sender_wrote
from triage.core.sla import on_terms


def after_message(
    case: Case,
    *,
    band: Band,
    urgency: Urgency,
    danger: bool,
    laws: tuple[str, ...],
    arrived: datetime,
    terms: Terms,
    reopened: bool,
) -> Case:
    """The case once a message of this reading joined it; `terms` and `reopened` come from `sla.follow_up_terms`.

    Urgency only rises. An ended case begins anew with the question of this message: its laws hold from then on. An open
    one keeps its laws, and gets those of the message when it had none."""
    raised = BAND_ORDER.index(band) > BAND_ORDER.index(case.band)
    return replace(
        on_terms(case, terms),
        state=state_after_sender_wrote(case.state, taken_up=case.taken_up_at is not None),
        waiting_for=None,
        paused_ends_left=None,
        band=band if raised else case.band,
        urgency=urgency if raised and urgency is not Urgency.REGULAR else case.urgency,
        danger=case.danger or danger,
        laws=(laws or case.laws) if reopened else (case.laws or laws),
        arrived_at=arrived if reopened else case.arrived_at,
        # a case that becomes more urgent, or begins anew, must be taken up again by a person
        taken_up_at=None if reopened or raised else case.taken_up_at,
        answered_at=None,
        ended_at=None,
    )
