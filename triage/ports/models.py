"""The models made from feedback, and which model a person put in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

Figures = Mapping[str, tuple[int, int]]
"""recall, alarms, exact or danger_recall → (how many, of how many)."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What a person put in use. `id` and `previous`: of a model made from feedback; None: the one of the product."""

    id: str | None
    previous: str | None
    by: str  # user id, or "command"
    at: datetime
    reason: str = ""  # why a person put it in use against the verdict


@dataclass(frozen=True, slots=True)
class ComparedWith:
    """How a challenger compares with the champion of that moment, on the locked test."""

    champion: str
    at: datetime
    verdict: str  # refused, better, no_worse or worse
    reasons: tuple[str, ...]
    of_champion: Figures
    of_challenger: Figures

    @property
    def refused(self) -> bool:
        return self.verdict == "refused"


@dataclass(frozen=True, slots=True)
class Challenger:
    """A model made from feedback. `comparison` None: there is none, or it cannot be read."""

    id: str
    made: datetime
    comparison: ComparedWith | None


@dataclass(frozen=True, slots=True)
class RunningModel:
    """What judges at this moment. `fault`: why the model that was chosen is not the one that runs, else ""."""

    model_id: str
    figures: Figures = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ModelOverview:
    """What Beheer shows. `promotable`: ids that a person may put in use there."""

    running: RunningModel
    choice: ModelChoice | None  # None: nobody ever chose
    challengers: Sequence[Challenger]  # newest first
    promotable: frozenset[str]


class ModelShelf(Protocol):
    """Models made from feedback, and the choice between them. All of it is small; nothing here reads a model."""

    def choice(self) -> ModelChoice | None:
        """None when nobody chose. Raises ModelUnavailable when what was chosen cannot be read."""

    def choose(self, choice: ModelChoice | None) -> None:
        """Replaces the choice as a whole; None takes it away. Raises StoreUnavailable when it cannot be written."""

    def challengers(self) -> Sequence[Challenger]:
        """Newest first."""

    def prune(self) -> Sequence[str]:
        """Removes the oldest challengers beyond five, never what is in use or was before it; the ids removed."""
