"""The classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from triage.core.assessment import Verdict


class Classifier(Protocol):
    @property
    def model_id(self) -> str: ...

    def verdicts(self, texts: Sequence[str]) -> Sequence[Verdict]:
        """One verdict per text (subject, blank line, new text), same order. Pure; may raise anything."""
