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

FORMAT = 1
MODEL_FILE = "model.skops"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "CARD.md"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything known of one trained model.

    `calibration`: head → (slope, intercept) of Platt's sigmoid on the head's decision score.
    `law_thresholds`: law → cut. `urgency_thresholds`: palliative, transfer, danger → (t_lo, t_hi).
    `scores`: the figures of the card, all out-of-fold. `model_sha256`: of the model file.
    """

    model_id: str
    created: str
    versions: Mapping[str, str]
    corpus: Mapping[str, Any]
    settings: Mapping[str, Any]
    calibration: Mapping[str, tuple[float, float]]
    law_thresholds: Mapping[str, float]
    urgency_thresholds: Mapping[str, tuple[float, float]]
    topic_floor: float
    languages: tuple[str, ...]
    seed: int
    model_sha256: str
    model_bytes: int
    scores: Mapping[str, Any]
    rules_sha256: str = ""
    encoder: str | None = None
    format: int = FORMAT

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Raises ModelUnavailable when the file is damaged or of another format."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.get("format") != FORMAT:
                raise ModelUnavailable(f"{path}: manifest format {data.get('format')} is not {FORMAT}; run train")
            data["calibration"] = {head: (pair[0], pair[1]) for head, pair in data["calibration"].items()}
            data["urgency_thresholds"] = {h: (pair[0], pair[1]) for h, pair in data["urgency_thresholds"].items()}
            data["languages"] = tuple(data["languages"])
            return cls(**data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
            raise ModelUnavailable(f"{path}: manifest cannot be read ({type(exc).__name__}); run train") from exc
