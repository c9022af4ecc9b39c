"""After a change of the calendar in the settings: the running clocks of open cases are counted again.

What the sender was promised stays on record; the case shows the difference (`product.md` section 5).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version

from triage.core.case import Case
from triage.core.sla import SlaRules, recounted
from triage.logs import get_logger
from triage.ports import Clock, Queries, Store, UnitOfWork

_FACT = "calendar:"


@dataclass(frozen=True, slots=True)
class Recounted:
    """How many cases were looked at, and how many have other terms now."""

    seen: int = 0
    changed: int = 0


def signature(rules: SlaRules) -> str:
    """The same as long as these rules give the same terms; the library that knows the holidays is part of it."""
    told = asdict(rules.calendar) | {"at_risk_share": rules.at_risk_share, "holidays": version("holidays")}
    told["closing_days"] = {day.isoformat(): name for day, name in sorted(rules.calendar.closing_days.items())}
    return json.dumps(told, default=str, sort_keys=True)


class Recount:
    """`owner` is this node: each one compares with the calendar that it had itself, so that a node which still runs
    with the old settings is made good when it starts with the new ones."""

    def __init__(self, *, store: Store, queries: Queries, rules: SlaRules, clock: Clock, owner: str) -> None:
        self._store, self._queries, self._rules = store, queries, rules
        self._clock, self._fact = clock, _FACT + owner

    def recount_once(self) -> Recounted:
        """Counts again when the calendar is another one than at the last start of this node. Safe to repeat: when it
        breaks off, the next start does the rest."""
        now_in_force = signature(self._rules)
        with self._store.begin() as uow:
            before = uow.fact(self._fact)
        if before == now_in_force:
            return Recounted()
        seen, changed = 0, 0
        if before is not None:
            open_cases = list(self._queries.open_cases())
            seen = len(open_cases)
            for case in open_cases:
                if recounted(case, self._rules) != case:
                    with self._store.begin() as uow:
                        changed += self._one_case(uow, case.id)
            get_logger().info("terms_recounted", seen=seen, changed=changed)
        with self._store.begin() as uow:
            uow.set_fact(self._fact, now_in_force)
        return Recounted(seen, changed)

    def _one_case(self, uow: UnitOfWork, case_id: str) -> bool:
        before = uow.case(case_id, for_update=True)
        after = recounted(before, self._rules)
        if after == before:
            return False
        uow.save_case(after)
        uow.audit(
            "terms_recounted", at=self._clock(), actor="system", case_id=case_id, details=_moved_days(before, after)
        )
        return True


def _moved_days(before: Case, after: Case) -> dict[str, object]:
    """The due moments of the clocks that moved, before and after."""
    told: dict[str, object] = {}
    if before.answer_due != after.answer_due:
        told["answer_by"] = [before.answer_due.isoformat(), after.answer_due.isoformat()]
    if before.take_up_due and after.take_up_due and before.take_up_due != after.take_up_due:
        told["take_up_by"] = [before.take_up_due.isoformat(), after.take_up_due.isoformat()]
    return told
