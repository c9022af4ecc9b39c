"""Puts a model in use, and takes it back: an act of a person, recorded, never of the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from triage.core.rights import Right, role_may
from triage.errors import ConflictError, ModelUnavailable, NotAllowed, NotFound
from triage.ports import Challenger, Clock, ModelChoice, ModelOverview, ModelShelf, RunningModel, Store, User

BY_COMMAND = "command"


class Models:
    """The choice of the model. A running program takes it up by itself within a minute (see `SwitchableClassifier`)."""

    def __init__(
        self,
        *,
        shelf: ModelShelf,
        store: Store,
        clock: Clock,
        try_model: Callable[[str | None], object],
        running: Callable[[], RunningModel],
    ) -> None:
        """`try_model`: loads a model (None: the product's own) or raises ModelUnavailable, so that nothing is put in
        use that cannot be. `running`: what judges now."""
        self._shelf, self._store, self._clock = shelf, store, clock
        self._try_model, self._running = try_model, running

    def overview(self) -> ModelOverview:
        running, challengers = self._running(), self._shelf.challengers()
        try:
            choice = self._shelf.choice()
        except ModelUnavailable as exc:
            choice, running = None, replace(running, fault=running.fault or str(exc))
        promotable = frozenset(one.id for one in challengers if not self._objection(one, running, choice))
        return ModelOverview(running, choice, challengers, promotable)

    def promote(self, model_id: str, *, user: User | None, anyway: bool = False, reason: str = "") -> None:
        """`user` None: at the command line, where alone `anyway` is possible, with a reason. Raises NotFound,
        NotAllowed with the objection, ConflictError when it is in use already, ModelUnavailable when it is damaged."""
        self._may(user)
        if anyway and (user is not None or not reason.strip()):
            raise NotAllowed("putting a model in use against the comparison is for the command line, with a reason")
        one = next((one for one in self._shelf.challengers() if one.id == model_id), None)
        if one is None:
            raise NotFound("there is no model of this id: see them with `python3 run.py model list`")
        before = self._shelf.choice()
        if before is not None and before.id == model_id:
            raise ConflictError("this model is in use already")
        objection = self._objection(one, self._running(), before)
        if objection and not anyway:
            raise NotAllowed(objection)
        details = {"model": model_id, "verdict": one.comparison.verdict if one.comparison else "none"}
        if objection:
            details["against"] = "comparison"
        self._choose(model_id, before, "model_promoted", user, details, reason.strip() if objection else "")

    def roll_back(self, *, user: User | None) -> str | None:
        """Puts the model in use that was before; its id, None for the product's own. Doing it twice changes nothing."""
        self._may(user)
        before = self._shelf.choice()
        if before is None:
            raise ConflictError("there is no earlier model: the product's own is in use")
        self._choose(before.previous, before, "model_rolled_back", user, {"model": before.previous or "shipped"}, "")
        return before.previous

    @staticmethod
    def _may(user: User | None) -> None:
        if user is not None and not role_may(user.role, Right.ADMINISTER):
            raise NotAllowed("this role may not choose the model")

    @staticmethod
    def _objection(one: Challenger, running: RunningModel, choice: ModelChoice | None) -> str:
        """Why this model may not be put in use as it is, else ""."""
        if choice is not None and choice.id == one.id:
            return "it is in use"
        if one.comparison is None:
            return f"it was never compared: run `python3 run.py model compare {one.id}`"
        if one.comparison.champion != running.model_id:
            return f"it was compared with another model than runs now: run `python3 run.py model compare {one.id}`"
        if one.comparison.refused:
            return f"the comparison refuses it ({', '.join(one.comparison.reasons)})"
        return ""

    def _choose(
        self,
        model_id: str | None,
        before: ModelChoice | None,
        action: str,
        user: User | None,
        details: dict[str, str],
        reason: str,
    ) -> None:
        """Both the file and the audit row, or neither."""
        self._try_model(model_id)
        now = self._clock()
        choice = ModelChoice(model_id, before.id if before else None, user.id if user else BY_COMMAND, now, reason)
        try:
            with self._store.begin() as uow:
                uow.audit(action, at=now, actor=user.id if user else "system", details=details)
                self._shelf.choose(choice)
        except BaseException:
            self._shelf.choose(before)
            raise
