"""Identifiers of stored rows: made before the insert, because sealing binds a value to its row."""

from __future__ import annotations

import uuid
from datetime import datetime

MOMENT_DIGITS = 12
"""How many characters at the start of an id tell its moment."""


def new_row_id(now: datetime) -> str:
    """32 hex characters ordered by time: 48 bits of milliseconds and 80 random bits (shaped after RFC 9562 §5.7)."""
    return f"{int(now.timestamp() * 1000):012x}{uuid.uuid4().hex[:20]}"
