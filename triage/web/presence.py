"""Who else has this case open. Advice only, in memory of this node, gone after a minute: it never blocks anybody."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from triage.ports import User

LASTS = timedelta(seconds=60)


class Presence:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, dict[str, tuple[str, datetime]]] = {}  # reference → user id → (name, when)

    def look(self, reference: str, user: User, now: datetime) -> tuple[str, ...]:
        """Notes that `user` looks at the case; gives the names of the others who did in the last minute."""
        with self._lock:
            for known in list(self._seen):
                fresh = {key: kept for key, kept in self._seen[known].items() if now - kept[1] <= LASTS}
                if fresh:
                    self._seen[known] = fresh
                else:
                    del self._seen[known]
            here = self._seen.setdefault(reference, {})
            here[user.id] = (user.display_name, now)
            return tuple(sorted(name for key, (name, _) in here.items() if key != user.id))
