"""structlog set-up. Mail here is health data of identifiable people: a log line holds none of it.

Event names are constants, facts are keywords, identifiers stand for objects. Keys that could carry a person's
data are refused, whatever their value, and a traceback is reduced to the class names and code lines.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

ALLOWED_KEYS = frozenset(
    {
        *("event", "level", "timestamp", "logger", "error", "where", "hint", "at", "seconds", "count", "version"),
        *("case", "outbox_id", "uid", "uidvalidity", "folder", "size", "attempts", "outcome", "rule", "reasons"),
        *("band", "kind", "state", "mode", "model", "alert", "job", "taken_in", "unaccounted", "quarantined"),
        *("sent", "deferred", "refused", "uncertain", "reply_code", "enhanced_status"),
        *("judged", "found_late", "held", "failed", "drawn"),
        *("host", "port", "role", "path", "status", "method"),
    }
)
_ADDRESS_LIKE = "@"


def _only_known_keys(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in [key for key in event if key not in ALLOWED_KEYS and not key.startswith("_")]:
        del event[key]
        event["hint"] = f"key {key} refused"
    for key, value in event.items():
        if isinstance(value, str) and _ADDRESS_LIKE in value:
            event[key] = "(refused)"
    return event


def _reduce_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    if info:
        exc = info if isinstance(info, BaseException) else sys.exc_info()[1]
        if exc is not None:
            event["error"], event["where"] = type(exc).__name__, where(exc)
    return event


def where(exc: BaseException) -> str:
    """'module.py:12 < module.py:30': the innermost three frames, without the exception's text."""
    frames = traceback.extract_tb(exc.__traceback__)[-3:]
    return " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames))


def configure(level: str = "info", style: Literal["lines", "json"] = "lines") -> None:
    """Sends log lines to stderr. Libraries are heard only from `warning` on, and without their texts."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=28)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _reduce_exception,
            _only_known_keys,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _Lines(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a poll that outlasts its interval is nothing to tell
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)


class _Lines(structlog.PrintLogger):
    """Writes to stderr as long as it can: a closed terminal or a full log disk must not stop the mail."""

    def msg(self, message: str) -> None:
        try:
            super().msg(message)
        except (OSError, ValueError):  # there is no place left to tell it
            return

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


class _LibraryHandler(logging.Handler):
    """Library log records carry mail text now and then: only their logger's name, level and error class pass."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        error = record.exc_info[1] if record.exc_info and record.exc_info[1] else None
        log.log(
            record.levelno,
            "library_message",
            logger=record.name,
            error=type(error).__name__ if error else "",
            where=where(error) if error else f"{record.filename}:{record.lineno}",
        )


def get_logger() -> Any:
    """The product's logger: `log.info("mail_taken_in", case=reference, uid=uid)`."""
    return structlog.get_logger()


configure()  # a process that never chose a style (a child reader, a test) is bound by the same rules
