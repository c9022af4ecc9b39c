"""Mijn account: everybody changes the own password and sets up or renews the own second step (TOTP, RFC 6238).

Both ask for the password again, and both end every other session of the account.
"""

from __future__ import annotations

import segno
from starlette.responses import RedirectResponse, Response

from triage.web.auth import SHORTEST_PASSWORD, Refusal, new_totp_secret, password_hash, step_of, totp_uri
from triage.web.desk import SECOND_STEP, Visit, client_of

_LONGEST_PASSWORD = 500
_WORDS = {
    Refusal.WRONG: "Uw wachtwoord klopt niet. Er is niets veranderd.",
    Refusal.TOO_MANY: "Er is te vaak een verkeerd wachtwoord ingevuld. Wacht een kwartier en probeer het dan opnieuw.",
}
_STATUS = {Refusal.WRONG: 422, Refusal.TOO_MANY: 429}
_REPEATED = "U vulde twee keer een ander nieuw wachtwoord in. Er is niets veranderd."
_SHORT = f"Neem een nieuw wachtwoord van ten minste {SHORTEST_PASSWORD} tekens. Er is niets veranderd."
_WRONG_CODE = (
    "Deze code klopt niet. Wacht op de volgende code in de app en vul die in. "
    "Gaat het weer mis? Kijk dan of de klok van uw telefoon goed staat."
)


def account_screen(visit: Visit) -> Response:
    return _account(visit)


def _account(visit: Visit, *, problem: str = "", status: int = 200) -> Response:
    known = visit.desk.accounts.by_username(visit.user.username)
    return visit.page(
        "account.html",
        status,
        problem=problem,
        has_second_step=known is not None and known.totp_secret is not None,
        shortest=SHORTEST_PASSWORD,
    )


def _typed(visit: Visit, name: str) -> str:
    return visit.form.text(name, longest=_LONGEST_PASSWORD)


def _refused(visit: Visit) -> Response | None:
    """The page that says why the password given with this form does not do; None when it does."""
    refusal = visit.desk.logins.confirm(visit.user, _typed(visit, "wachtwoord"), client=client_of(visit.request))
    return None if refusal is None else _account(visit, problem=_WORDS[refusal], status=_STATUS[refusal])


def password_screen(visit: Visit) -> Response:
    """Changes the password, with the old one."""
    new = _typed(visit, "nieuw")
    if new != _typed(visit, "herhaald"):
        return _account(visit, problem=_REPEATED, status=422)
    if len(new) < SHORTEST_PASSWORD:
        return _account(visit, problem=_SHORT, status=422)
    refused = _refused(visit)
    if refused is not None:
        return refused
    visit.desk.accounts.set_password(visit.user.id, password_hash(new))
    return _renewed(visit, "/account", "wachtwoord")


def begin_screen(visit: Visit) -> Response:
    """Begins a new second step; the old one works until the new one gave its first code."""
    refused = _refused(visit)
    if refused is not None:
        return refused
    visit.desk.sessions.keep_pending_totp(visit.session, new_totp_secret())
    return RedirectResponse(SECOND_STEP, 303)


def second_step_screen(visit: Visit) -> Response:
    """Shows the secret that waits for its first code, and stores it when that code is right."""
    session = visit.session
    if session.enrolling and _is_enrolled(visit):
        # set up meanwhile by somebody else with this password: it takes that second step to come in
        visit.desk.sessions.end(session.token)
        return RedirectResponse("/inloggen", 303)
    if not session.pending_totp:
        if not session.enrolling:
            return RedirectResponse("/account", 303)
        session = visit.desk.sessions.keep_pending_totp(session, new_totp_secret())
    secret = session.pending_totp
    if visit.request.method != "POST":
        return _second_step(visit, secret)
    step = step_of(secret, visit.form.line("code", longest=20), visit.now)
    if step is None:
        return _second_step(visit, secret, problem=_WRONG_CODE)
    visit.desk.accounts.set_totp(visit.user.id, secret)
    visit.desk.accounts.use_totp_step(visit.user.id, step)  # this code opens nothing more
    return _renewed(visit, "/werkvoorraad" if session.enrolling else "/account", "tweede-stap")


def _is_enrolled(visit: Visit) -> bool:
    known = visit.desk.accounts.by_username(visit.user.username)
    return known is None or known.totp_secret is not None


def _second_step(visit: Visit, secret: str, *, problem: str = "") -> Response:
    uri = totp_uri(secret, username=visit.user.username, issuer=visit.desk.organisation.name)
    return visit.page(
        "tweede_stap.html",
        422 if problem else 200,
        problem=problem,
        qr=segno.make_qr(uri, error="m").svg_data_uri(scale=5, border=4, light="#fff"),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    )


def _renewed(visit: Visit, path: str, message: str) -> Response:
    """On to `path` under a new session; all others of this account have ended."""
    session = visit.desk.sessions.renew(visit.user)
    response = visit.done(path, message)
    visit.desk.set_cookie(response, visit.desk.cookie, session.token)
    return response
