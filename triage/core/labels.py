"""What a person can say of a mail beside the machine's assessment: the fields, and how their values are written.

A value is a tuple of codes, in corrections, in training examples and in figures alike: `laws` in the order of LAWS
(empty: none of the four), `urgency` as (urgency, band), `danger` as ("yes",) or ("no",), `sender_type` as one code,
`topics` as one to three codes. A correction whose `before` equals its `after` means: a person confirmed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from triage.core.assessment import Band, Urgency

FIELDS: tuple[str, ...] = ("laws", "urgency", "danger", "sender_type", "topics")
MISSED_URGENT = "missed_urgent"
"""Not a value of its own: a person raised what the machine had put in band normal. It stands beside `urgency`."""
MOST_TOPICS = 3
_SETS = frozenset({"laws", "topics"})  # order means nothing when values are compared


def urgency_value(urgency: Urgency, band: Band) -> tuple[str, ...]:
    return str(urgency), str(band)


def danger_value(danger: bool) -> tuple[str, ...]:
    return ("yes",) if danger else ("no",)


def differs(field: str, one: Sequence[str], other: Sequence[str]) -> bool:
    return set(one) != set(other) if field in _SETS else tuple(one) != tuple(other)


def overridden(said: Mapping[str, Sequence[str]], machine: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The fields in which a person's last value is another one than the machine's."""
    return frozenset(field for field in FIELDS if field in said and differs(field, said[field], machine[field]))
