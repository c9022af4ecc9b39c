"""Puts the staff screens together. `bootstrap` gives the parts; nothing here reads settings or connects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from triage.core.drift import WeekReport
from triage.core.gate import SecureChannel, mask_bsn
from triage.core.promises import JudgedPromise
from triage.core.rights import Right
from triage.core.sla import SlaRules
from triage.ports import Accounts, AcknowledgementSamples, BlockView, Clock, ModelOverview, Queries, User
from triage.settings import Organisation, WebSettings
from triage.web import (
    account,
    admin,
    cases,
    draft_acts,
    knowledge,
    letter_preview,
    model_choice,
    present,
    related,
    reuse,
    worklist,
)
from triage.web.acts import CaseActs
from triage.web.auth import Logins, password_hash
from triage.web.case_acts import CASE_ACTS, case_act_screen
from triage.web.dashboard import dashboard_screen
from triage.web.desk import SECOND_STEP, Alerting, Desk, OnAccess, Screen, framed
from triage.web.forms import LONGEST_BODY
from triage.web.guard import Guard, known_hosts
from triage.web.health import health_endpoint
from triage.web.login import home_endpoint, login_endpoint, logout_endpoint
from triage.web.presence import Presence
from triage.web.sessions import Sessions
from triage.web.words import WORDS, word

__all__ = ["create_app", "password_hash"]

STATIC = Path(__file__).parent / "static"


def _nobody_listens(user: User, reference: str, action: str) -> None:
    """The default for `on_access`."""


def create_app(
    *,
    queries: Queries,
    accounts: Accounts,
    acts: CaseActs,
    settings: WebSettings,
    organisation: Organisation,
    clock: Clock,
    calendar_rules: SlaRules,
    session_secret: bytes,
    undo_seconds: float,
    mode: str,
    health: Callable[[], Mapping[str, object]],
    templates: Path,
    on_access: OnAccess = _nobody_listens,
    models: Callable[[], ModelOverview | None] = lambda: None,
    judgement: Callable[[], Sequence[WeekReport]] = lambda: (),
    letters: AcknowledgementSamples | None = None,
    promises: Callable[[], Sequence[JudgedPromise]] = lambda: (),
    alerting: Alerting | None = None,
    secure_channel: SecureChannel = SecureChannel.ADVISE,
    blocks: Sequence[BlockView] = (),
) -> Starlette:
    """The web app of the staff screens.

    `session_secret` is at least 32 bytes, the same on every node and at every start. `mode` is "shadow" or "live".
    `health` gives "healthy" (bool) and moments, for /gezond; "breaker_tripped" (bool) in it is shown on Beheer.
    `templates` is the folder that holds `web/`. `on_access(user, reference, action)` hears of every
    view of and act on a case, after it happened. `models` tells which model judges and which others there are; None:
    Beheer shows nothing of it. `judgement` gives the past weeks for Toezicht, oldest first; `promises` those of
    the cases that arrived this month. `letters` writes acknowledgements to look at; None: Beheer shows nothing of them.
    `alerting` is for Beheer; None: it shows nothing of calendar and alerts. `secure_channel`: what a case says of
    secure mail before it is answered. `blocks` are what
    Kennisbank shows, by title.
    """
    https = settings.public_url.startswith("https://")
    sessions = Sessions(accounts, secret=session_secret, clock=clock, absolute=timedelta(hours=settings.session_hours))
    desk = Desk(
        queries=queries,
        accounts=accounts,
        acts=acts,
        organisation=organisation,
        clock=clock,
        rules=calendar_rules,
        sessions=sessions,
        logins=Logins(accounts, sessions, clock, settings.login_failures, settings.require_totp),
        templates=environment(templates / "web"),
        presence=Presence(),
        undo_seconds=undo_seconds,
        secure_channel=secure_channel,
        mode=mode,
        health=health,
        on_access=on_access,
        models=models,
        judgement=judgement,
        letters=letters,
        promises=promises,
        alerting=alerting,
        blocks=tuple(blocks),
        cookie="__Host-triage" if https else "triage",
        https=https,
    )

    async def http_error(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        return desk.error_page(exc.status_code)

    return Starlette(
        routes=routes(desk),
        middleware=[
            Middleware(
                Guard,
                hosts=known_hosts(settings.public_url, settings.host),
                https=https,
                longest_body=LONGEST_BODY,
                error_page=desk.error_page,
            ),
            # for bodies that do not tell their length
            Middleware(RequestBodyLimitMiddleware, max_body_size=LONGEST_BODY),
        ],
        exception_handlers={HTTPException: http_error},
    )


@cache
def environment(folder: Path) -> Environment:
    """Jinja2 for the screens: all is escaped, a name that is not given is an error. Shared; nobody changes it."""
    env = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        word=word,
        when=present.when,
        moment=present.day_and_time,
        size=present.size,
        percent=present.percent,
        week=present.week_words,
        short_day=present.short_day,
        date=present.date_words,
        likeness=present.likeness_words,
        block_reason=present.block_reason_words,
        state_words=present.state_words,
        masked=mask_bsn,
        sender=related.sender_words,
        before=related.before_words,
        why_similar=reuse.why_similar,
    )
    env.globals.update(WORDS=WORDS)
    return env


def routes(desk: Desk) -> list[Route | Mount]:
    """Every address of the product, with the right it asks for."""

    def get(path: str, screen: Screen, right: Right) -> Route:
        return Route(path, framed(desk, screen, right), methods=["GET"])

    def post(path: str, screen: Screen, right: Right) -> Route:
        return Route(path, framed(desk, screen, right), methods=["POST"])

    case = "/zaak/{reference}"
    return [
        Route("/", home_endpoint(desk), methods=["GET"]),
        Route("/inloggen", login_endpoint(desk), methods=["GET", "POST"]),
        Route("/uitloggen", logout_endpoint(desk), methods=["POST"]),
        Route("/gezond", health_endpoint(desk.health), methods=["GET"]),
        Route("/account", framed(desk, account.account_screen, None), methods=["GET"]),
        Route("/account/wachtwoord", framed(desk, account.password_screen, None), methods=["POST"]),
        Route("/account/vernieuwen", framed(desk, account.begin_screen, None), methods=["POST"]),
        Route(
            SECOND_STEP,
            framed(desk, account.second_step_screen, None, while_enrolling=True),
            methods=["GET", "POST"],
        ),
        *(get(path, worklist.list_screen(which), Right.SEE_CASES) for which, path in worklist.LISTS.items()),
        get("/tellingen", worklist.counts_screen, Right.SEE_CASES),
        post("/zoeken", worklist.find_screen, Right.SEE_CASES),
        post("/werkvoorraad/{reference}/oppakken", worklist.claim_screen, Right.WORK),
        get(case, cases.case_screen, Right.SEE_CASES),
        get(f"{case}/aanwezig", cases.presence_screen, Right.SEE_CASES),
        get(f"{case}/bericht/{{message}}/origineel", cases.raw_screen, Right.SEE_RAW),
        *(post(f"{case}/{act.path}", case_act_screen(act), act.right) for act in CASE_ACTS),
        post(f"{case}/concept", draft_acts.draft_screen, Right.DRAFT),
        post(f"{case}/blokken", draft_acts.compose_screen, Right.DRAFT),
        post(f"{case}/goedkeuring/intrekken", draft_acts.undo_screen, Right.RELEASE),
        post(f"{case}/teruggeven", draft_acts.reject_screen, Right.RELEASE),
        get("/kennisbank", knowledge.knowledge_screen, Right.SEE_CASES),
        get("/kennisbank/{block}", knowledge.block_screen, Right.SEE_CASES),
        get("/toezicht", dashboard_screen, Right.SUPERVISE),
        get("/beheer", admin.admin_screen, Right.ADMINISTER),
        get("/beheer/bevestiging", letter_preview.preview_screen, Right.ADMINISTER),
        get("/beheer/bevestiging/html", letter_preview.html_screen, Right.ADMINISTER),
        post("/beheer/quarantaine", admin.release_quarantined_screen, Right.ADMINISTER),
        post("/beheer/opnieuw-versturen", admin.resend_screen, Right.ADMINISTER),
        post("/beheer/model", model_choice.promote_screen, Right.ADMINISTER),
        post("/beheer/model/terug", model_choice.roll_back_screen, Right.ADMINISTER),
        post("/beheer/noodrem", admin.release_breaker_screen, Right.ADMINISTER),
        Mount("/static", GZipMiddleware(_Static(directory=STATIC), minimum_size=1000), name="static"),
    ]


class _Static(StaticFiles):
    """Our own files: a browser may keep them, but asks whether they changed."""

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response
