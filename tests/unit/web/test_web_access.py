"""Login, sessions, roles, CSRF, hosts and headers."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from argon2 import Type

from tests.unit.web.fakes import PASSWORD, REAL_HASHER, USERS, World, case_page, message, token_in
from triage.core.rights import MAY, Right, Role
from triage.errors import StoreUnavailable
from triage.ports import OutboxRow
from triage.web.app import password_hash
from triage.web.guard import CSP, host_of
from triage.web.health import shown
from triage.web.login import _target

CASE = "/zaak/JL-2026-00001"
DRAFT = {"basis": 1, "gezien": 1, "aan": "anna@post.example", "cc": "", "onderwerp": "Re", "tekst": "Beste Anna"}

# (method, path, fields, right): every address that needs a login; no right: everybody who is logged in
ADDRESSES: list[tuple[str, str, dict[str, object], Right | None]] = [
    ("GET", "/werkvoorraad", {}, Right.SEE_CASES),
    ("GET", "/geen-antwoord-nodig", {}, Right.SEE_CASES),
    ("GET", "/afgerond", {}, Right.SEE_CASES),
    ("GET", "/tellingen", {}, Right.SEE_CASES),
    ("POST", "/zoeken", {"nummer": "1"}, Right.SEE_CASES),
    ("POST", "/werkvoorraad/JL-2026-00001/oppakken", {}, Right.WORK),
    ("GET", CASE, {}, Right.SEE_CASES),
    ("GET", f"{CASE}/aanwezig", {}, Right.SEE_CASES),
    ("GET", f"{CASE}/bericht/m-1/origineel", {}, Right.SEE_RAW),
    ("POST", f"{CASE}/oppakken", {"versie": 1}, Right.WORK),
    ("POST", f"{CASE}/overnemen", {"versie": 1, "van": "u-trainee"}, Right.WORK),
    ("POST", f"{CASE}/loslaten", {"versie": 1}, Right.WORK),
    ("POST", f"{CASE}/wachten", {"versie": 1, "op": "body"}, Right.WORK),
    ("POST", f"{CASE}/hervatten", {"versie": 1}, Right.WORK),
    ("POST", f"{CASE}/heropenen", {"versie": 1}, Right.WORK),
    ("POST", f"{CASE}/sluiten", {"versie": 1, "reden": "klaar"}, Right.DECIDE),
    ("POST", f"{CASE}/geen-antwoord", {"versie": 1, "reden": "bedankje"}, Right.DECIDE),
    ("POST", f"{CASE}/wetten", {"versie": 1, "wetten": "wmo"}, Right.WORK),
    ("POST", f"{CASE}/urgentie", {"versie": 1, "urgentie": "urgent:palliative"}, Right.WORK),
    ("POST", f"{CASE}/klopt", {"versie": 1}, Right.WORK),
    ("POST", f"{CASE}/gemist", {"versie": 1, "urgentie": "palliative"}, Right.AUDIT),
    ("POST", f"{CASE}/steekproef", {"versie": 1}, Right.AUDIT),
    ("POST", f"{CASE}/gevaar", {"versie": 1, "gevaar": "ja"}, Right.WORK),
    ("POST", f"{CASE}/vrager", {"versie": 1, "vrager": "carer"}, Right.WORK),
    ("POST", f"{CASE}/onderwerpen", {"versie": 1, "onderwerp1": "T01"}, Right.WORK),
    ("POST", f"{CASE}/notitie", {"tekst": "gebeld"}, Right.NOTE),
    ("POST", f"{CASE}/samenvoegen", {"versie": 1, "andere": "JL-2026-00042"}, Right.DECIDE),
    ("POST", f"{CASE}/apart-houden", {"versie": 1, "andere": "JL-2026-00042"}, Right.DECIDE),
    ("POST", f"{CASE}/zelfde-persoon", {"versie": 1, "andere": "JL-2026-00042"}, Right.WORK),
    ("POST", f"{CASE}/andere-persoon", {"versie": 1, "andere": "JL-2026-00042"}, Right.WORK),
    ("POST", f"{CASE}/geopend", {"versie": 1, "bericht": "m-1"}, Right.WORK),
    ("POST", f"{CASE}/nieuwe-datum", {"versie": 1, "datum": "2026-11-27"}, Right.RELEASE),
    (
        "POST",
        f"{CASE}/nieuwe-datum-niet-nodig",
        {"versie": 1, "datum": "2026-11-27", "reden": "gebeld"},
        Right.RELEASE,
    ),
    ("POST", f"{CASE}/voorbeeld", {"versie": 1, "antwoord": 1, "niemand": "ja"}, Right.RELEASE),
    ("POST", f"{CASE}/voorbeeld-terug", {"versie": 1}, Right.RELEASE),
    ("POST", f"{CASE}/opnieuw-versturen", {"verzending": "o-1"}, Right.RESEND),
    ("POST", f"{CASE}/concept", DRAFT, Right.DRAFT),
    ("POST", f"{CASE}/concept", {**DRAFT, "doe": "goedkeuren"}, Right.RELEASE),
    ("POST", f"{CASE}/blokken", {"basis": 1, "blok": "toegang-wlz"}, Right.DRAFT),
    ("POST", f"{CASE}/goedkeuring/intrekken", {}, Right.RELEASE),
    ("POST", f"{CASE}/teruggeven", {"concept": 1, "reden": "te lang"}, Right.RELEASE),
    ("GET", "/kennisbank", {}, Right.SEE_CASES),
    ("GET", "/kennisbank/pgb", {}, Right.SEE_CASES),
    ("GET", "/toezicht", {}, Right.SUPERVISE),
    ("GET", "/beheer", {}, Right.ADMINISTER),
    ("GET", "/beheer/bevestiging", {}, Right.ADMINISTER),
    ("GET", "/beheer/bevestiging/html", {}, Right.ADMINISTER),
    ("POST", "/beheer/quarantaine", {"rij": "q-1"}, Right.ADMINISTER),
    ("POST", "/beheer/opnieuw-versturen", {"verzending": "o-1"}, Right.ADMINISTER),
    ("POST", "/beheer/noodrem", {}, Right.ADMINISTER),
    ("POST", "/beheer/model", {"model": "jl-0123456789ab"}, Right.ADMINISTER),
    ("POST", "/beheer/model/terug", {}, Right.ADMINISTER),
    ("GET", "/account", {}, None),
    ("POST", "/account/wachtwoord", {}, None),
    ("POST", "/account/vernieuwen", {}, None),
    ("GET", "/account/tweede-stap", {}, None),
    ("POST", "/account/tweede-stap", {}, None),
]


def world() -> World:
    made = World()
    row = OutboxRow("o-1", "reply", "uncertain", "JL-2026-00001", made.clock(), made.clock(), 1, None, None, None)
    made.helpdesk.outbox_rows.append(row)
    made.helpdesk.put(case_page(1, outbox=(row,)))
    return made


@pytest.mark.parametrize("role", list(Role))
def test_every_address_asks_for_its_right(role: Role) -> None:
    made = world()
    browser = made.browser().login(role)
    for method, path, fields, right in ADDRESSES:
        made.helpdesk.put(case_page(1, outbox=tuple(made.helpdesk.outbox_rows)))
        before = len(made.helpdesk.done)
        answer = browser.get(path) if method == "GET" else browser.post(path, **fields)
        allowed = right is None or role in MAY[right]
        assert (answer.status_code != 403) is allowed, (role, path, answer.status_code)
        if not allowed:
            assert len(made.helpdesk.done) == before, (role, path)


def test_all_routes_are_in_the_list_above() -> None:
    open_to_all = {"/", "/inloggen", "/uitloggen", "/gezond", "/static"}
    parts = {"JL-2026-00001": "{reference}", "m-1": "{message}", "pgb": "{block}"}
    known = set()
    for _, path, _, _ in ADDRESSES:
        known.add("/".join(parts.get(part, part) for part in path.split("/")))
    routes = {route.path for route in World().app.routes}  # type: ignore[attr-defined]
    assert routes - open_to_all == known


@pytest.mark.parametrize(("method", "path", "fields", "right"), ADDRESSES)
def test_nothing_without_a_login(method: str, path: str, fields: dict[str, object], right: Right | None) -> None:
    made = world()
    browser = made.browser()
    answer = browser.get(path) if method == "GET" else browser.post(path, **fields)
    assert answer.status_code == (303 if method == "GET" else 401)
    assert "Anna" not in answer.text
    assert made.helpdesk.done == []


def test_a_trainee_may_not_lower_the_urgency_but_may_raise_it() -> None:
    made = world()
    browser = made.browser().login("trainee")
    raised = browser.post(f"{CASE}/urgentie", versie=1, urgentie="urgent:transfer")
    assert raised.status_code == 303
    lowered = browser.post(f"{CASE}/urgentie", versie=2, urgentie="normal:regular", reden="toch niet")
    assert lowered.status_code == 409
    assert str(made.helpdesk.pages["JL-2026-00001"].case.band) == "urgent"


@pytest.mark.parametrize("csrf", ["", "x", "0" * 64])
def test_a_form_without_our_token_is_refused(csrf: str) -> None:
    made = world()
    browser = made.browser().login("medewerker")
    browser.csrf = csrf
    assert browser.post(f"{CASE}/oppakken", versie=1).status_code == 403
    assert made.helpdesk.done == []


def test_the_token_of_another_session_is_refused() -> None:
    made = world()
    stranger = made.browser().login("trainee")
    browser = made.browser().login("medewerker")
    browser.csrf = stranger.csrf
    assert browser.post(f"{CASE}/oppakken", versie=1).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://kwaad.example"},
        {"Origin": "https://["},
    ],
)
def test_a_form_from_elsewhere_is_refused_even_with_the_token(headers: dict[str, str]) -> None:
    made = world()
    browser = made.browser().login("medewerker")
    assert browser.post(f"{CASE}/oppakken", headers, versie=1).status_code == 403
    assert made.helpdesk.done == []
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert browser.post(f"{CASE}/oppakken", own, versie=1).status_code == 303


def test_unknown_name_and_wrong_password_look_the_same() -> None:
    made = World()
    answers = [
        made.browser().try_login(name, word)
        for name, word in (("medewerker", "fout-wachtwoord"), ("niemand", "fout-wachtwoord"))
    ]
    assert {answer.status_code for answer in answers} == {401}
    texts = {
        answer.text.replace(token_in(answer.text), "").replace('value="medewerker"', "").replace('value="niemand"', "")
        for answer in answers
    }
    assert len(texts) == 1


def test_five_failures_stop_the_name_for_a_quarter_and_not_the_office_behind_the_same_address() -> None:
    made = World()
    browser = made.browser()
    for _ in range(5):
        assert browser.try_login("medewerker", "fout-wachtwoord").status_code == 401
    assert browser.try_login("medewerker").status_code == 429
    assert browser.try_login("trainee").status_code == 303  # the same client address
    made.clock.now += timedelta(minutes=16)
    assert browser.try_login("medewerker").status_code == 303


def test_an_address_that_tries_many_names_is_stopped_after_ten_times_as_many_failures() -> None:
    made = World()
    browser = made.browser()
    for number in range(50):
        assert browser.try_login(f"naam{number}", "fout-wachtwoord").status_code == 401
    assert browser.try_login("medewerker").status_code == 429


def test_a_good_login_clears_the_failures_of_its_name() -> None:
    browser = World().browser()
    for _ in range(3):
        for _ in range(4):
            assert browser.try_login("medewerker", "fout-wachtwoord").status_code == 401
        assert browser.try_login("medewerker").status_code == 303


def test_failures_are_counted_under_keyed_hashes_only() -> None:
    made = World()
    made.browser().try_login("medewerker", "fout-wachtwoord")
    assert len(made.accounts.failed) == 2
    assert all(len(key) == 64 and "medewerker" not in key for key, _ in made.accounts.failed)


def test_a_second_factor_is_asked_and_each_code_works_once() -> None:
    made = World()
    secret = pyotp.random_base32()
    made.accounts.set_totp(USERS["medewerker"].id, secret)
    code = pyotp.TOTP(secret).at(made.clock())
    assert made.browser().try_login("medewerker", code="").status_code == 401
    assert made.browser().try_login("medewerker", code=f"{code[:3]} {code[3:]}").status_code == 303
    assert made.browser().try_login("medewerker", code=code).status_code == 401


def test_two_tabs_with_the_login_form_both_work() -> None:
    browser = World().browser()
    first = token_in(browser.client.get("/inloggen").text)
    browser.client.get("/inloggen")
    fields = {"csrf": first, "naam": "medewerker", "wachtwoord": PASSWORD, "naar": "/"}
    assert browser.client.post("/inloggen", data=fields).status_code == 303


def test_the_login_form_of_another_browser_is_refused() -> None:
    world = World()
    other = token_in(world.browser().client.get("/inloggen").text)
    browser = world.browser()
    browser.client.get("/inloggen")
    fields = {"csrf": other, "naam": "medewerker", "wachtwoord": PASSWORD}
    assert browser.client.post("/inloggen", data=fields).status_code == 403
    assert world.accounts.sessions == {}


def test_login_makes_a_new_session_and_ends_the_old_one() -> None:
    made = World()
    browser = made.browser().login("medewerker")
    first = browser.client.cookies["triage"]
    browser.login("medewerker")
    assert browser.client.cookies["triage"] != first
    assert len(made.accounts.sessions) == 1
    assert first not in made.accounts.sessions  # the store holds an HMAC, not the cookie


def test_a_session_ends_after_an_idle_hour_and_after_the_longest_time() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    for _ in range(3):
        made.clock.now += timedelta(minutes=50)
        assert browser.get(CASE).status_code == 200
    made.clock.now += timedelta(minutes=61)
    assert browser.get(CASE).status_code == 303

    browser.login("medewerker")
    for _ in range(10):
        made.clock.now += timedelta(minutes=50)
        browser.get(CASE)
    made.clock.now += timedelta(minutes=50)
    assert browser.get(CASE).status_code == 303


def test_questions_of_the_script_keep_no_session_alive() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    for _ in range(4):
        made.clock.now += timedelta(minutes=20)
        answer = browser.get(f"{CASE}/aanwezig", Accept="application/json")
    assert answer.status_code == 401


def test_a_disabled_account_is_out_at_once() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    made.accounts.set_disabled(USERS["medewerker"].id, True)
    assert browser.get(CASE).status_code == 303
    assert made.accounts.sessions == {}
    assert made.browser().try_login("medewerker").status_code == 401


def test_logging_out_needs_the_token_and_ends_the_session() -> None:
    made = World()
    browser = made.browser().login("medewerker")
    good, browser.csrf = browser.csrf, "x"
    assert browser.post("/uitloggen").status_code == 403
    browser.csrf = good
    assert browser.post("/uitloggen").status_code == 303
    assert made.accounts.sessions == {}
    assert browser.get("/werkvoorraad").status_code == 303


def test_text_of_an_expired_session_is_shown_once_more() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    made.clock.now += timedelta(hours=2)
    answer = browser.post(f"{CASE}/concept", **{**DRAFT, "tekst": "Lang <b>verhaal</b>"})
    assert answer.status_code == 401
    assert "Lang &lt;b&gt;verhaal&lt;/b&gt;" in answer.text
    browser.csrf = "vals"
    assert "verhaal" not in browser.post(f"{CASE}/concept", **{**DRAFT, "tekst": "verhaal"}).text


def test_text_survives_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    made = world()
    browser = made.browser().login("medewerker")

    def away(*args: object, **named: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(made.helpdesk, "case_page", away)
    answer = browser.post(f"{CASE}/concept", **{**DRAFT, "tekst": "Lang verhaal"})
    assert (answer.status_code, "Lang verhaal" in answer.text) == (503, True)
    assert browser.get(CASE).status_code == 503


def test_headers_on_pages_files_and_errors() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    for path in (CASE, "/inloggen", "/bestaat-niet", "/static/app.css", "/gezond"):
        answer = browser.get(path)
        assert answer.headers["content-security-policy"] == CSP
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        expected = "no-cache" if path.startswith("/static") else "no-store"
        assert answer.headers["cache-control"] == expected
    assert "style=" not in browser.get(CASE).text
    assert CSP == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def test_cookies_are_closed_and_secure_behind_tls() -> None:
    answer = World().browser().try_login("medewerker")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "secure" not in cookie
    behind = World(public_url="https://triage.loket.example")
    answer = behind.browser().try_login("medewerker")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-triage=") and "secure" in cookie
    assert answer.headers["strict-transport-security"]


@pytest.mark.parametrize("host", ["kwaad.example", "localhost.kwaad.example", "", "[", "triage.example:80:90"])
def test_an_unknown_host_gets_nothing(host: str) -> None:
    answer = World().browser().get("/inloggen", Host=host)
    assert answer.status_code == 421
    assert "Inloggen" not in answer.text


def test_hosts_are_read_without_port() -> None:
    assert [host_of(one) for one in ("Localhost:8080", "[::1]:80", "a.example")] == ["localhost", "::1", "a.example"]


def test_a_body_that_is_too_large_is_refused() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    answer = browser.post(f"{CASE}/notitie", tekst="x" * 1_100_000)
    assert (answer.status_code, made.helpdesk.done) == (413, [])
    assert "te groot" in answer.text


def test_an_error_shows_and_logs_no_detail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = world()
    browser = made.browser().login("medewerker")

    def broken(*args: object, **named: object) -> None:
        raise RuntimeError("Anna Jansen <anna@post.example>")

    monkeypatch.setattr(made.helpdesk, "case_page", broken)
    answer = browser.get(CASE)
    assert answer.status_code == 500
    assert "Anna" not in answer.text and "RuntimeError" not in answer.text
    output = capsys.readouterr()
    assert "web_page_failed" in output.out + output.err
    assert "Anna" not in output.out + output.err


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("/zaak/JL-2026-00001", "/zaak/JL-2026-00001"),
        ("//kwaad.example", "/"),
        ("https://kwaad.example", "/"),
        ("/\\kwaad.example", "/"),
        ("/zaak?x=1", "/"),
        ("", "/"),
    ],
)
def test_after_login_only_to_a_page_of_ours(wanted: str, target: str) -> None:
    assert _target(wanted) == target


def test_the_health_page_needs_no_login_and_tells_no_person() -> None:
    made = world()
    jobs = {"poll": {"last_succeeded": "2026-11-24T09:29:00+00:00", "last_error": "MailboxUnavailable: anna"}}
    made.report = {"healthy": True, "at": made.clock(), "detail": "anna@post.example", "jobs": jobs, "mode": "live"}
    answer = made.browser().get("/gezond")
    assert answer.status_code == 200
    assert answer.json() == {
        "healthy": True,
        "at": "2026-11-24T09:30:00+00:00",
        "jobs": {"poll": {"last_succeeded": "2026-11-24T09:29:00+00:00"}},
        "mode": "live",
    }
    made.report = {"healthy": False}
    assert made.browser().get("/gezond").status_code == 503
    assert shown({"n": 3, "ok": True, "none": None}) == {"n": 3, "ok": True, "none": None}


def test_views_and_acts_are_told_to_the_access_log() -> None:
    made = world()
    browser = made.browser().login("medewerker")
    browser.get(CASE)
    browser.get(f"{CASE}/bericht/m-1/origineel")
    browser.post(f"{CASE}/oppakken", versie=1)
    browser.post(f"{CASE}/oppakken", versie=1)  # stale: nothing happened
    reference = "JL-2026-00001"
    assert made.seen == [
        ("u-medewerker", reference, "viewed"),
        ("u-medewerker", reference, "viewed_raw"),
        ("u-medewerker", reference, "claimed"),
    ]


@pytest.mark.protocol("Q13")
def test_the_original_is_a_download_of_this_case_only() -> None:
    made = world()
    made.helpdesk.put(case_page(2, messages=(message(2),)))
    browser = made.browser().login("medewerker")
    answer = browser.get(f"{CASE}/bericht/m-1/origineel")
    assert answer.headers["content-type"] == "message/rfc822"
    assert answer.headers["content-disposition"] == 'attachment; filename="JL-2026-00001-1.eml"'
    assert browser.get(f"{CASE}/bericht/m-2/origineel").status_code == 404
    assert browser.get("/zaak/../../etc/passwd").status_code == 404


def test_passwords_are_hashed_with_argon2id_at_its_recommended_cost() -> None:
    assert REAL_HASHER.type is Type.ID
    assert REAL_HASHER.memory_cost >= 64 * 1024 and REAL_HASHER.time_cost >= 3


def test_a_short_password_gets_no_hash() -> None:
    with pytest.raises(ValueError, match="12"):
        password_hash("kort")
    assert password_hash(PASSWORD).startswith("$argon2id$")
