"""What a new reading of an old mail does to its open case: urgency may only rise, danger only be put on.

A person's own word is never overruled in silence: where somebody decided after the mail had come in, the case stays as
it is and the audit says what the new reading would have made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from triage.core.assessment import BAND_ORDER, Assessment, Band
from triage.core.case import Case
from triage.core.sla import SlaRules, with_band

# A reading that only says "I cannot judge this" is no ground to call an old mail urgent.
_SIGNS = frozenset({"model", "rule", "softened_rule"})


@dataclass(frozen=True, slots=True)
class NewReading:
    """A mail judged again; `urgency_decided` and `danger_decided`: by a person, after this mail had come in."""

    assessment: Assessment
    urgency_decided: bool = False
    danger_decided: bool = False


@dataclass(frozen=True, slots=True)
class Rescreened:
    """`case` as it is now. `raised_from` and `held` are None unless the urgency rose, or would have; `raised_by` is
    the reading that raised it."""

    case: Case
    raised_from: Band | None = None
    raised_by: Assessment | None = None
    held: Band | None = None
    danger_put_on: bool = False
    danger_held: bool = False

    @property
    def found_late(self) -> bool:
        return self.raised_from is Band.NORMAL


def rescreened(case: Case, readings: Sequence[NewReading], *, now: datetime, rules: SlaRules) -> Rescreened:
    """The case after these readings of its mails. Raised from normal, it must be taken up (again) by a person, and
    take-up counts from now."""
    above = [one for one in readings if _height(one.assessment) > BAND_ORDER.index(case.band)]
    raising = max((one.assessment for one in above if not one.urgency_decided), key=_height, default=None)
    held = max((one.assessment for one in above if one.urgency_decided), key=_height, default=None)
    danger = not case.danger and any(one.assessment.danger and not one.danger_decided for one in readings)
    danger_held = not case.danger and not danger and any(one.assessment.danger for one in readings)
    changed = case
    if raising is not None:
        if not case.band.short_term:
            changed = replace(changed, taken_up_at=None)
        changed = replace(with_band(changed, raising.band, now, rules), urgency=raising.urgency)
    if danger:
        changed = replace(changed, danger=True)
    return Rescreened(
        case=changed,
        raised_from=case.band if raising is not None else None,
        raised_by=raising,
        held=held.band if held is not None and _height(held) > BAND_ORDER.index(changed.band) else None,
        danger_put_on=danger,
        danger_held=danger_held,
    )


def _height(assessment: Assessment) -> int:
    return BAND_ORDER.index(assessment.band) if assessment.band_reason in _SIGNS else 0
