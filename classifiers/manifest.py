"""The manifest beside a model file: what the model is, made of what, with which borders and which scores.

The serving side needs the borders and the two Platt numbers of each head; the card is written from the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from triage.errors import ModelUnavailable

FORMAT = 2
MODEL_FILE = "model.skops"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "CARD.md"


@dataclass(frozen=True, slots=True)
class Borders:
    """What turns decision scores into a verdict; one set for n-grams alone, one for n-grams with the encoder.

    `calibration`: head → (intercept, slope of the n-gram score[, slope of the encoder score]) of Platt's sigmoid.
    `law_thresholds`: law → cut; `law_gate`: cut of the head "some law", under which no law is named.
    `urgency_thresholds`: palliative, transfer, danger → (t_lo, t_hi). `rule_borders`: urgency, danger → the probability
    under which the model rules a rule's cue out.
    """

    calibration: Mapping[str, tuple[float, ...]]
    law_thresholds: Mapping[str, float]
    law_gate: float
    urgency_thresholds: Mapping[str, tuple[float, float]]
    rule_borders: Mapping[str, float]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Borders:
        return cls(
            calibration={head: tuple(numbers) for head, numbers in data["calibration"].items()},
            law_thresholds=data["law_thresholds"],
            law_gate=data["law_gate"],
            urgency_thresholds={head: (pair[0], pair[1]) for head, pair in data["urgency_thresholds"].items()},
            rule_borders=data["rule_borders"],
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything known of one trained model.

    `plain`: the borders without encoder; `fused` with it, None when trained without. `person_border`: the probability
    of a person under which the text head says machine. `encoder`: name and version of the encoder.
    `scores`: the figures of the card, all out-of-fold. `model_sha256`: of the model file.
    """

    model_id: str
    created: str
    versions: Mapping[str, str]
    corpus: Mapping[str, Any]
    settings: Mapping[str, Any]
    plain: Borders
    fused: Borders | None
    person_border: float
    topic_floor: float
    languages: tuple[str, ...]
    seed: int
    model_sha256: str
    model_bytes: int
    scores: Mapping[str, Any]
    rules_sha256: str = ""
    encoder: str | None = None
    format: int = FORMAT

    def key_figures(self) -> dict[str, tuple[int, int]]:
        """recall, alarms, danger_recall, exact → (k, n), on authors the model had not seen; empty when not measured."""
        best = self.scores.get("fused") or self.scores.get("plain")
        if not best:
            return {}
        urgency = best["urgency"]["both"]
        shares = {
            "recall": urgency["short_term_recall"],
            "alarms": urgency["short_term_alarms"],
            "danger_recall": urgency["danger"]["recall"],
            "exact": best["laws"]["exact"],
        }
        return {name: (one["k"], one["n"]) for name, one in shares.items()}

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Raises ModelUnavailable when the file is damaged or of another format."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.get("format") != FORMAT:
                raise ModelUnavailable(f"{path}: manifest format {data.get('format')} is not {FORMAT}; run train")
            data["plain"] = Borders.from_json(data["plain"])
            data["fused"] = Borders.from_json(data["fused"]) if data["fused"] else None
            data["languages"] = tuple(data["languages"])
            return cls(**data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
            raise ModelUnavailable(f"{path}: manifest cannot be read ({type(exc).__name__}); run train") from exc
