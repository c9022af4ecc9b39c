"""/gezond: may this node get traffic? Without login, so status words and moments only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from triage.errors import StoreUnavailable
from triage.web.desk import HealthReport

STATUS_WORDS = frozenset({"shadow", "live", "demo"})


def _may_be_seen(value: str) -> bool:
    if value in STATUS_WORDS:
        return True
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def shown(report: Mapping[str, object]) -> dict[str, Any]:
    """The parts of a report that may be seen by anybody: moments, booleans, counts and known status words.

    Everything else is left out, so that a later addition to the report cannot leak by itself."""
    open_: dict[str, Any] = {}
    for key, value in report.items():
        if value is None or isinstance(value, bool | int | float):
            open_[key] = value
        elif isinstance(value, datetime):
            open_[key] = value.isoformat()
        elif isinstance(value, str) and _may_be_seen(value):
            open_[key] = value
        elif isinstance(value, Mapping):
            open_[key] = shown(value)
    return open_


def health_endpoint(report: HealthReport) -> Callable[[Request], Any]:
    """200 when the report says `healthy`, else 503."""

    def look() -> Response:
        try:
            found = shown(report())
        except StoreUnavailable:
            found = {"healthy": False}
        return JSONResponse(found, 200 if found.get("healthy") is True else 503)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(look)

    return endpoint
