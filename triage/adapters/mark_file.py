"""The file beside the database that remembers the last batch sent (see `triage.services.restored`)."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from triage.errors import StoreUnavailable
from triage.logs import get_logger
from triage.ports import SendingMark

NAME = "sent.mark"


class SendingMarkFile:
    """One line, `12 2026-11-23T08:00:00+00:00`; replaced as a whole, so that a crash leaves the old or the new one."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / NAME

    def read(self) -> SendingMark | None:
        try:
            count, _, moment = self._path.read_text(encoding="ascii").strip().partition(" ")
            mark = SendingMark(int(count), datetime.fromisoformat(moment))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            get_logger().error("sending_mark_unreadable", hint=f"remove {NAME} from data_dir", exc_info=exc)
            return None
        if mark.at.tzinfo is None:
            get_logger().error("sending_mark_unreadable", hint=f"remove {NAME} from data_dir")
            return None
        return mark

    def write(self, mark: SendingMark) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="ascii") as file:
                file.write(f"{mark.count} {mark.at.isoformat()}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as exc:
            raise StoreUnavailable(
                f"{NAME} in data_dir cannot be written ({exc.strerror}); nothing is sent until it can: make room"
            ) from exc
