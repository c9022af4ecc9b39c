"""The folder `models` in the data folder: a folder for each model made from feedback, and which one is in use."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from triage.errors import ModelUnavailable, StoreUnavailable
from triage.logs import get_logger
from triage.ports import Challenger, ComparedWith, Figures, ModelChoice

FOLDER = "models"
CHOICE_FILE = "current.json"
COMPARISON_FILE = "comparison.json"
MANIFEST_FILE = "manifest.json"
MOST_CHALLENGERS = 5
FIGURES = ("recall", "alarms", "danger_recall", "exact")
_MODEL_ID = re.compile(r"jl-[0-9a-f]{12}")

Stamp = tuple[int, int, int] | None


class ModelFolder:
    """The `ModelShelf` port on files. One writer at a time is enough: a person chooses now and then."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FOLDER

    # ---------------------------------------------------------------- the choice

    def stamp(self) -> Stamp:
        """Another value when the choice was replaced; costs one stat call."""
        try:
            found = (self.path / CHOICE_FILE).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def choice(self) -> ModelChoice | None:
        path = self.path / CHOICE_FILE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            for name in ("id", "previous"):
                if data[name] is not None and not _MODEL_ID.fullmatch(data[name]):
                    raise ValueError(name)
            return ModelChoice(
                data["id"],
                data["previous"],
                str(data["by"]),
                datetime.fromisoformat(data["at"]),
                str(data.get("reason", "")),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ModelUnavailable(
                f"{path}: cannot be read ({type(exc).__name__}); remove it to use the product's own model, then choose "
                "again with `model promote`"
            ) from exc

    def choose(self, choice: ModelChoice | None) -> None:
        path = self.path / CHOICE_FILE
        fresh = path.with_suffix(".new")
        try:
            if choice is None:
                path.unlink(missing_ok=True)
                return
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            told = {"id": choice.id, "previous": choice.previous, "by": choice.by, "at": choice.at.isoformat()}
            if choice.reason:
                told["reason"] = choice.reason
            with fresh.open("w", encoding="utf-8") as file:
                file.write(json.dumps(told) + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as exc:
            raise StoreUnavailable(f"{path} cannot be written ({exc.strerror}): the model stays as it was") from exc

    # ---------------------------------------------------------------- challengers

    def directory(self, model_id: str) -> Path:
        """Raises ModelUnavailable when there is no model of that id."""
        if not _MODEL_ID.fullmatch(model_id) or not (self.path / model_id / MANIFEST_FILE).is_file():
            raise ModelUnavailable(f"there is no model of this id in {self.path}: see them with `model list`")
        return self.path / model_id

    def challengers(self) -> Sequence[Challenger]:
        found = []
        for manifest in self.path.glob(f"jl-*/{MANIFEST_FILE}"):
            directory = manifest.parent
            if not _MODEL_ID.fullmatch(directory.name):
                continue
            try:
                made = datetime.fromtimestamp(manifest.stat().st_mtime, UTC)
            except OSError:  # removed meanwhile
                continue
            found.append(Challenger(directory.name, made, _comparison(directory / COMPARISON_FILE)))
        return sorted(found, key=lambda one: (one.made, one.id), reverse=True)

    def prune(self) -> Sequence[str]:
        try:
            choice = self.choice()
        except ModelUnavailable:
            return ()  # nobody knows what is in use
        kept = {choice.id, choice.previous} if choice else set()
        spare = [one.id for one in self.challengers() if one.id not in kept]
        for model_id in spare[MOST_CHALLENGERS:]:
            shutil.rmtree(self.path / model_id, ignore_errors=True)
        return spare[MOST_CHALLENGERS:]


def _comparison(path: Path) -> ComparedWith | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return ComparedWith(
            champion=str(data["champion"]),
            at=datetime.fromisoformat(data["at"]),
            verdict=str(data["verdict"]),
            reasons=tuple(str(reason) for reason in data["reasons"]),
            of_champion=_figures(data["locked"]["champion"]),
            of_challenger=_figures(data["locked"]["challenger"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        get_logger().error("comparison_unreadable", model=path.parent.name, exc_info=exc)
        return None


def _figures(found: Mapping[str, Any]) -> Figures:
    return {name: (int(found[name]["k"]), int(found[name]["n"])) for name in FIGURES}
