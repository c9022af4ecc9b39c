"""What every screen works with: the ports, the person, the form; and the frame around each request.

A screen is a plain function `Visit → Response`; it runs in Starlette's thread pool. The frame finds the session,
checks the form's CSRF token and the person's right, and turns our errors into Dutch pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from triage.core.drift import WeekReport
from triage.core.gate import SecureChannel
from triage.core.promises import JudgedPromise
from triage.core.rights import Right
from triage.core.sla import SlaRules
from triage.errors import ConflictError, NotAllowed, NotFound, StoreUnavailable
from triage.logs import get_logger
from triage.ports import Accounts, AcknowledgementSamples, BlockView, Clock, ModelOverview, Queries, User
from triage.settings import Organisation
from triage.web.acts import CaseActs
from triage.web.auth import Logins, may
from triage.web.forms import BadForm, Form
from triage.web.presence import Presence
from triage.web.sessions import Session, Sessions

log = get_logger()

OnAccess = Callable[[User, str, str], None]
HealthReport = Callable[[], Mapping[str, object]]

# Messages after a redirect: the address holds the code only, the words stand here.
MESSAGES: Mapping[str, tuple[str, str]] = {
    "opgepakt": ("ok", "U hebt de zaak opgepakt."),
    "overgenomen": ("ok", "U hebt de zaak overgenomen."),
    "losgelaten": ("ok", "De zaak is weer vrij voor een collega."),
    "wacht": ("ok", "De zaak wacht."),
    "hervat": ("ok", "De zaak loopt weer."),
    "gesloten": ("ok", "De zaak is gesloten."),
    "heropend": ("ok", "De zaak is heropend. Er loopt een nieuwe termijn."),
    "geen-antwoord": ("ok", "De zaak staat nu bij ‘Geen antwoord nodig’."),
    "wetten": ("ok", "De wetten zijn verbeterd."),
    "urgentie": ("ok", "De urgentie is verbeterd."),
    "klopt": ("ok", "Dank u. U hebt wetten en urgentie bevestigd."),
    "gemist": ("ok", "De zaak is nu dringend. Vastgelegd is dat de computer deze spoed miste."),
    "steekproef": ("ok", "Dank u. Vastgelegd is dat deze zaak gewoon is."),
    "gevaar": ("ok", "U hebt ‘gevaar’ verbeterd."),
    "vrager": ("ok", "De vrager is verbeterd."),
    "onderwerpen": ("ok", "Het onderwerp is verbeterd."),
    "notitie": ("ok", "De notitie is bewaard."),
    "bewaard": ("ok", "Het concept is bewaard."),
    "nieuw-concept": ("ok", "Het concept is opnieuw gemaakt. De tekst van daarvoor staat bij ‘Eerdere versies’."),
    "goedgekeurd": ("ok", "U hebt het antwoord goedgekeurd."),
    "ingetrokken": ("ok", "De goedkeuring is ingetrokken. Er is niets verstuurd."),
    "teruggegeven": ("ok", "Het concept is teruggegeven. De reden staat bij de notities."),
    "nieuwe-datum": ("ok", "De mail met de nieuwe datum gaat nu weg."),
    "nieuwe-datum-niet-nodig": ("ok", "Er gaat geen mail weg over de nieuwe datum. De reden staat bij de notities."),
    "voorbeeld": ("ok", "Collega’s zien dit antwoord nu bij vragen die erop lijken."),
    "voorbeeld-terug": ("ok", "Dit antwoord is geen voorbeeld meer."),
    "opnieuw": ("ok", "De mail wordt nog één keer verstuurd."),
    "quarantaine": ("ok", "De mail wordt bij de volgende ronde opnieuw gelezen."),
    "noodrem": ("ok", "De noodrem is los. Ontvangstbevestigingen gaan weer weg."),
    "model": (
        "ok",
        "U hebt een ander model gekozen. Binnen een minuut is het in gebruik. Daarna beoordeelt het de open "
        "zaken opnieuw.",
    ),
    "samengevoegd": ("ok", "De berichten staan nu bij de andere zaak. Deze zaak is gesloten."),
    "apart": ("ok", "De zaken blijven apart."),
    "gekoppeld": ("ok", "De zaken zijn gekoppeld. Eén collega behandelt ze samen."),
    "ontkoppeld": ("ok", "De zaken zijn niet gekoppeld. Dit wordt niet opnieuw voorgesteld."),
    "geopend": ("ok", "De beveiligde mail staat nu als geopend. U krijgt geen herinnering meer."),
    "niet-gevonden": ("warning", "Er is geen zaak met dit nummer."),
    "bezet": ("warning", "Iemand anders heeft deze zaak net opgepakt of veranderd. Hieronder ziet u de nieuwe stand."),
    "uitgelogd": ("ok", "U bent uitgelogd."),
    "wachtwoord": ("ok", "Uw wachtwoord is veranderd. Op andere computers bent u uitgelogd."),
    "tweede-stap": ("ok", "De tweede stap werkt. Bij het inloggen vult u voortaan ook de code uit uw app in."),
}
SECOND_STEP = "/account/tweede-stap"
"""The page that gives an account its second step; the only one that an enrolling session may see."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """How alerts reach people, for Beheer: service hours in words, to how many addresses, whether there is a digest.
    Also whether the organisation confirmed the working days they go by."""

    hours: str
    addresses: int
    digest: bool
    calendar_confirmed: bool


@dataclass(frozen=True)
class Desk:
    """The parts that `create_app` puts together; the same for every request."""

    queries: Queries
    accounts: Accounts
    acts: CaseActs
    organisation: Organisation
    clock: Clock
    rules: SlaRules
    sessions: Sessions
    logins: Logins
    templates: Environment
    presence: Presence
    undo_seconds: float
    secure_channel: SecureChannel
    mode: str
    health: HealthReport
    on_access: OnAccess
    models: Callable[[], ModelOverview | None]
    judgement: Callable[[], Sequence[WeekReport]]
    letters: AcknowledgementSamples | None
    promises: Callable[[], Sequence[JudgedPromise]]
    alerting: Alerting | None
    blocks: Sequence[BlockView]
    cookie: str
    https: bool

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A rendered page; `values` are the template's own. Every page gets the frame's values too."""
        frame: dict[str, Any] = {
            "organisation": self.organisation,
            "mode": self.mode,
            "now": self.clock(),
            "user": None,
            "enrolling": False,
            "csrf": "",
            "path": "",
            "message": None,
        }
        text = self.templates.get_template(template).render({**frame, **values})
        # text of a hostile mail may hold lone surrogates, which UTF-8 has no bytes for
        return HTMLResponse(text.encode("utf-8", "replace"), status)

    def error_page(self, status: int) -> HTMLResponse:
        return self.page("fout.html", status, code=status)

    def set_cookie(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, httponly=True, samesite="lax", secure=self.https, path="/")


@dataclass(frozen=True)
class Visit:
    """One request of one person."""

    desk: Desk
    request: Request
    session: Session
    form: Form
    now: datetime

    @property
    def user(self) -> User:
        return self.session.user

    def may(self, right: Right) -> bool:
        return may(self.user, right)

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        return self.request.query_params.get(name, "")[:50]

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return self.desk.page(
            template,
            status,
            **{
                "user": self.user,
                "enrolling": self.session.enrolling,
                "may": self.may,
                "csrf": self.desk.sessions.csrf(self.session.token),
                "path": self.request.url.path,
                "message": MESSAGES.get(self.query("melding")),
                "now": self.now,
                **values,
            },
        )

    def done(self, path: str, message: str, anchor: str = "") -> RedirectResponse:
        """See Other (RFC 9110 §15.4.4): a reload does not repeat the act."""
        return RedirectResponse(f"{path}?melding={message}{anchor}", 303)

    def wants_json(self) -> bool:
        return from_script(self.request)


Screen = Callable[[Visit], Response]


def client_of(request: Request) -> str:
    """The address a request came from, as far as the server knows."""
    return request.client.host if request.client else "unknown"


def framed(
    desk: Desk, screen: Screen, right: Right | None, *, while_enrolling: bool = False
) -> Callable[[Request], Any]:
    """The endpoint of a screen for people who have this right (None: for everybody who is logged in)."""

    async def endpoint(request: Request) -> Response:
        form = Form()
        if request.method == "POST":
            async with request.form(max_files=0, max_fields=60) as data:
                form = Form.of(data)
        return await run_in_threadpool(_serve, desk, screen, right, while_enrolling, request, form)

    return endpoint


def from_script(request: Request) -> bool:
    """A request of app.js. It is told in JSON, and a question it asks by itself keeps no session alive."""
    return request.headers.get("accept", "") == "application/json"


def _serve(
    desk: Desk, screen: Screen, right: Right | None, while_enrolling: bool, request: Request, form: Form
) -> Response:
    try:
        return _serve_screen(desk, screen, right, while_enrolling, request, form)
    except StoreUnavailable:
        if request.method != "POST" or from_script(request):
            raise
        log.warning("web_store_unavailable", method="POST")
        return _unsaved(desk, request, form, request.cookies.get(desk.cookie, ""), 503)


def _serve_screen(
    desk: Desk, screen: Screen, right: Right | None, while_enrolling: bool, request: Request, form: Form
) -> Response:
    token = request.cookies.get(desk.cookie, "")
    session = desk.sessions.find(token, touch=request.method == "POST" or not from_script(request))
    if session is None:
        return _logged_out(desk, request, form, token)
    if request.method == "POST" and not desk.sessions.csrf_matches(token, form.text("csrf", longest=200)):
        return desk.error_page(403)
    if session.enrolling and not while_enrolling:
        return (
            JSONResponse({"fout": "tweede stap"}, 401) if from_script(request) else RedirectResponse(SECOND_STEP, 303)
        )
    visit = Visit(desk, request, session, form, desk.clock())
    if right is not None and not visit.may(right):
        return desk.error_page(403)
    try:
        return screen(visit)
    except NotFound:
        return desk.error_page(404)
    except NotAllowed:
        return desk.error_page(403)
    except ConflictError:
        return desk.error_page(409)
    except BadForm:
        return desk.error_page(400)


def _logged_out(desk: Desk, request: Request, form: Form, token: str) -> Response:
    """To the login page. Text that was typed in a form of this very session is shown once more: none is lost."""
    if from_script(request):
        return JSONResponse({"fout": "uitgelogd"}, 401)
    if request.method != "POST":
        return RedirectResponse(f"/inloggen?naar={quote(request.url.path)}", 303)
    return _unsaved(desk, request, form, token, 401)


def _unsaved(desk: Desk, request: Request, form: Form, token: str, status: int) -> Response:
    typed = ""
    if desk.sessions.csrf_matches(token, form.text("csrf", longest=200)):  # never echo a stranger's text
        typed = form.text("tekst") or form.text("reden")
    return desk.page("verlopen.html", status, code=status, typed=typed, back=request.url.path.rpartition("/")[0])
