"""How a person acts on a case: one transaction, the version the person saw, and one audit row with the name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from triage.core.case import Case
from triage.errors import ConflictError, NotFound
from triage.ports import Clock, Store, UnitOfWork, User


class CaseActing:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def _act(
        self,
        reference: str,
        user: User,
        version: int,
        action: str,
        act: Callable[[UnitOfWork, Case, datetime], Case],
        details: dict[str, object] | None = None,
    ) -> None:
        """Saves what `act` makes of the case. Raises ConflictError when the case is not at `version` any more."""
        now = self._clock()
        with self._store.begin() as uow:
            case = uow.case(find(uow, reference), for_update=True)
            if case.version != version:
                raise ConflictError("somebody else changed this case first")
            self._save_if_changed(uow, case, act(uow, case, now))
            uow.audit(action, at=now, actor=user.id, case_id=case.id, details=details)

    @staticmethod
    def _save_if_changed(uow: UnitOfWork, before: Case, after: Case) -> None:
        if after != before:
            uow.save_case(after)


def find(uow: UnitOfWork, reference: str) -> str:
    """The id of the case with this reference; raises NotFound."""
    case_id = uow.case_by_reference(reference)
    if case_id is None:
        raise NotFound("no such case")
    return case_id
