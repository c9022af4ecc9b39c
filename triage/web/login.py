"""Inloggen and uitloggen."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from triage.core.rights import Right
from triage.web.auth import Refusal, may
from triage.web.desk import MESSAGES, SECOND_STEP, Desk, client_of
from triage.web.forms import Form

_OWN_PATH = re.compile(r"/(?:[a-z][\w/-]*)?", re.ASCII)
_WORDS = {
    Refusal.WRONG: "De naam, het wachtwoord of de code klopt niet.",
    Refusal.TOO_MANY: "Er is te vaak geprobeerd om in te loggen. Wacht een kwartier en probeer het dan opnieuw.",
}
_STATUS = {Refusal.WRONG: 401, Refusal.TOO_MANY: 429}


def _target(wanted: str) -> str:
    """Where to go after login: only a path of our own (no open redirect)."""
    return wanted if _OWN_PATH.fullmatch(wanted) and not wanted.startswith("//") else "/"


def _before(desk: Desk) -> str:
    """Name of the cookie that binds the login form to this browser before there is a session."""
    return f"{desk.cookie}-inloggen"


def _form_page(desk: Desk, nonce: str, target: str, status: int = 200, **values: Any) -> Response:
    page = {"error": "", "username": "", "message": None, **values}
    response = desk.page(
        "inloggen.html", status, target=target, form_token=desk.sessions.keyed("login-form", nonce), **page
    )
    desk.set_cookie(response, _before(desk), nonce)
    return response


def login_endpoint(desk: Desk) -> Callable[[Request], Any]:
    def show(request: Request) -> Response:
        message = MESSAGES.get(request.query_params.get("melding", ""))
        target = _target(request.query_params.get("naar", "/"))
        # a second tab keeps the value of the first, or the form in the first would no longer work
        nonce = request.cookies.get(_before(desk), "") or secrets.token_urlsafe(24)
        return _form_page(desk, nonce, target, message=message)

    def submit(request: Request, form: Form) -> Response:
        target = _target(form.line("naar", longest=200))
        nonce = request.cookies.get(_before(desk), "")
        given = form.text("csrf", longest=200)
        if not nonce or not secrets.compare_digest(desk.sessions.keyed("login-form", nonce).encode(), given.encode()):
            words = "Het formulier was verlopen. Probeer het nog een keer."
            return _form_page(desk, secrets.token_urlsafe(24), target, 403, error=words)
        username, password = form.line("naam", longest=200), form.text("wachtwoord", longest=500)
        result = desk.logins.attempt(username, password, form.line("code", longest=20), client=client_of(request))
        if isinstance(result, Refusal):
            return _form_page(desk, nonce, target, _STATUS[result], error=_WORDS[result], username=username)
        desk.sessions.end(request.cookies.get(desk.cookie, ""))
        session = desk.sessions.open(result.user, enrolling=result.must_enrol)
        response = RedirectResponse(SECOND_STEP if result.must_enrol else target, 303)
        desk.set_cookie(response, desk.cookie, session.token)
        response.delete_cookie(_before(desk), path="/", secure=desk.https, httponly=True, samesite="lax")
        return response

    async def endpoint(request: Request) -> Response:
        if request.method != "POST":
            return await run_in_threadpool(show, request)
        async with request.form(max_files=0, max_fields=10) as data:
            form = Form.of(data)
        return await run_in_threadpool(submit, request, form)

    return endpoint


def logout_endpoint(desk: Desk) -> Callable[[Request], Any]:
    """Ends the session of this browser; without one it only shows the login page."""

    def leave(request: Request, form: Form) -> Response:
        token = request.cookies.get(desk.cookie, "")
        if token and not desk.sessions.csrf_matches(token, form.text("csrf", longest=200)):
            return desk.error_page(403)
        desk.sessions.end(token)
        response = RedirectResponse("/inloggen?melding=uitgelogd", 303)
        response.delete_cookie(desk.cookie, path="/", secure=desk.https, httponly=True, samesite="lax")
        return response

    async def endpoint(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=10) as data:
            form = Form.of(data)
        return await run_in_threadpool(leave, request, form)

    return endpoint


def home_endpoint(desk: Desk) -> Callable[[Request], Any]:
    """/ goes to the screen that the role starts with."""

    def go(request: Request) -> Response:
        session = desk.sessions.find(request.cookies.get(desk.cookie, ""))
        if session is None:
            return RedirectResponse("/inloggen", 303)
        if session.enrolling:
            return RedirectResponse(SECOND_STEP, 303)
        if may(session.user, Right.ADMINISTER):
            return RedirectResponse("/beheer", 303)
        if may(session.user, Right.SUPERVISE):
            return RedirectResponse("/toezicht", 303)
        return RedirectResponse("/werkvoorraad", 303)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(go, request)

    return endpoint
