"""The classifier of a running process: one object as long as it runs, with another model when a person chose one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

from triage.core.assessment import Verdict
from triage.errors import ModelUnavailable
from triage.logs import get_logger


class Model(Protocol):
    model_id: str
    languages: frozenset[str]

    def verdicts(self, texts: Sequence[str]) -> Sequence[Verdict]: ...


M = TypeVar("M", bound=Model)


class SwitchableClassifier(Generic[M]):
    """The `Classifier` port over the model in use. Each batch is judged by one model: a switch waits for no batch, and
    no batch sees two."""

    def __init__(
        self,
        *,
        load: Callable[[], M],
        fall_back: Callable[[], M],
        stamp: Callable[[], Hashable],
    ) -> None:
        """`load`: the model that was chosen, or raises ModelUnavailable; `fall_back`: at the start, when it does.
        `stamp`: another value when the choice changed."""
        self._load, self._stamp = load, stamp
        self._looking = threading.Lock()
        self._seen = stamp()
        self.fault = ""
        try:
            self.model = load()
        except ModelUnavailable as exc:
            self._note(exc)
            self.model = fall_back()

    @property
    def model_id(self) -> str:
        return self.model.model_id

    @property
    def languages(self) -> frozenset[str]:
        return self.model.languages

    def verdicts(self, texts: Sequence[str]) -> Sequence[Verdict]:
        return self.model.verdicts(texts)

    def look_once(self) -> bool:
        """Takes the model that was chosen since; True when another one judges from now on. One that cannot be loaded
        leaves the old one at work and stands in `fault`."""
        with self._looking:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            try:
                fresh = self._load()
            except ModelUnavailable as exc:
                self._note(exc)
                return False
            except Exception as exc:  # whatever it is, the model at work goes on
                self._note(exc)
                return False
            self.fault = ""
            before, self.model = self.model.model_id, fresh
            return before != fresh.model_id

    def _note(self, exc: Exception) -> None:
        self.fault = str(exc) if isinstance(exc, ModelUnavailable) else type(exc).__name__
        get_logger().error("model_not_taken", hint="the model at work goes on", exc_info=exc)
