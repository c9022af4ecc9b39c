"""Mijn account: the second step is set up by the person, and the ways in change only with the password."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import unquote

import pyotp
import pytest

from tests.unit.web.fakes import PASSWORD, USERS, Browser, World, case_page, token_in
from triage.web.guard import CSP

CASE = "/zaak/JL-2026-00001"
STEP = "/account/tweede-stap"
USER = USERS["medewerker"]
NEW_PASSWORD = "een-heel-nieuwe-zin"


def secret_of(world: World) -> str | None:
    known = world.accounts.by_username("medewerker")
    assert known is not None
    return known.totp_secret


def shown_secret(page: str) -> str:
    found = re.search(r'class="sleutel">([A-Z2-7 ]+)<', page)
    assert found, page
    return found[1].replace(" ", "")


def enrolling(world: World) -> Browser:
    """Logged in with the password alone, where a second step is asked for."""
    browser = world.browser()
    answer = browser.try_login("medewerker")
    assert (answer.status_code, answer.headers["location"]) == (303, STEP)
    return browser


def code_for(world: World, secret: str) -> str:
    return str(pyotp.TOTP(secret).at(world.clock()))


# ---------------------------------------------------------------- the first second step


def test_an_account_without_a_second_step_sets_it_up_at_its_first_login() -> None:
    world = World(require_totp=True)
    world.helpdesk.put(case_page(1))
    browser = enrolling(world)
    page = browser.get(STEP)
    assert page.status_code == 200
    assert page.headers["content-security-policy"] == CSP
    assert "Tweede stap instellen" in page.text and "Zet een app op uw telefoon" in page.text
    secret = shown_secret(page.text)
    picture = re.search(r'<img class="qr" src="(data:image/svg\+xml[^"]+)"', page.text)
    assert picture and "<svg" in unquote(picture[1])
    assert shown_secret(browser.get(STEP).text) == secret  # a reload does not change what was scanned
    browser.csrf = token_in(page.text)

    wrong = browser.post(STEP, code="000000")
    assert (wrong.status_code, secret_of(world)) == (422, None)
    assert "Deze code klopt niet" in wrong.text and shown_secret(wrong.text) == secret

    code = code_for(world, secret)
    done = browser.post(STEP, code=f"{code[:3]} {code[3:]}")
    assert (done.status_code, secret_of(world)) == (303, secret)
    assert done.headers["location"] == "/werkvoorraad?melding=tweede-stap"
    assert browser.get(CASE).status_code == 200


def test_the_code_that_set_the_step_up_opens_nothing_more() -> None:
    world = World(require_totp=True)
    browser = enrolling(world)
    page = browser.get(STEP).text
    browser.csrf = token_in(page)
    secret = shown_secret(page)
    code = code_for(world, secret)
    assert browser.post(STEP, code=code).status_code == 303
    assert world.browser().try_login("medewerker", code=code).status_code == 401
    world.clock.now += timedelta(seconds=30)
    answer = world.browser().try_login("medewerker", code=code_for(world, secret))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("path", ["/werkvoorraad", CASE, "/account", "/beheer", f"{CASE}/bericht/m-1/origineel"])
def test_the_password_alone_opens_nothing_but_that_page(path: str) -> None:
    world = World(require_totp=True)
    world.helpdesk.put(case_page(1))
    browser = enrolling(world)
    answer = browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, STEP)
    assert "Anna" not in answer.text
    assert browser.get(path, Accept="application/json").status_code == 401
    assert browser.get("/").headers["location"] == STEP


def test_the_password_alone_changes_nothing() -> None:
    world = World(require_totp=True)
    world.helpdesk.put(case_page(1))
    browser = enrolling(world)
    browser.csrf = token_in(browser.get(STEP).text)
    for path, fields in (
        (f"{CASE}/oppakken", {"versie": 1}),
        ("/account/wachtwoord", {"wachtwoord": PASSWORD, "nieuw": NEW_PASSWORD, "herhaald": NEW_PASSWORD}),
        ("/account/vernieuwen", {"wachtwoord": PASSWORD}),
    ):
        assert browser.post(path, **fields).headers["location"] == STEP
    assert world.helpdesk.done == []
    assert world.browser().try_login("medewerker").status_code == 303  # the old password


def test_who_was_second_with_the_same_password_does_not_replace_the_step() -> None:
    world = World(require_totp=True)
    thief, owner = enrolling(world), enrolling(world)
    stolen, page = shown_secret(thief.get(STEP).text), owner.get(STEP).text
    thief.csrf, owner.csrf = token_in(thief.get(STEP).text), token_in(page)
    mine = shown_secret(page)
    assert stolen != mine
    assert owner.post(STEP, code=code_for(world, mine)).status_code == 303
    assert thief.post(STEP, code=code_for(world, stolen)).status_code == 401
    assert secret_of(world) == mine


def test_an_enrolling_session_is_worth_nothing_once_the_account_has_its_step() -> None:
    world = World(require_totp=True)
    browser = enrolling(world)
    browser.csrf = token_in(browser.get(STEP).text)
    world.accounts.set_totp(USER.id, "JBSWY3DPEHPK3PXP")
    answer = browser.post(STEP, code="123456")
    assert answer.headers["location"] == "/inloggen"
    assert secret_of(world) == "JBSWY3DPEHPK3PXP" and world.accounts.sessions == {}


def test_where_no_second_step_is_asked_for_the_login_goes_on() -> None:
    answer = World().browser().try_login("medewerker")
    assert answer.headers["location"] == "/"


# ---------------------------------------------------------------- Mijn account


@pytest.mark.parametrize("role", list(USERS))
def test_everybody_can_set_up_and_renew_the_own_second_step(role: str) -> None:
    world = World()
    browser = world.browser().login(role)
    assert "Mijn account" in browser.get("/werkvoorraad").text
    assert "staat uit" in browser.get("/account").text
    assert browser.get(STEP).headers["location"] == "/account"  # nothing was begun

    for _ in range(2):
        assert browser.post("/account/vernieuwen", wachtwoord=PASSWORD).headers["location"] == STEP
        page = browser.get(STEP).text
        secret = shown_secret(page)
        assert browser.post(STEP, code=code_for(world, secret)).headers["location"] == "/account?melding=tweede-stap"
        known = world.accounts.by_username(role)
        assert known is not None and known.totp_secret == secret
        browser.csrf = token_in(browser.get("/account").text)
        assert "staat aan" in browser.get("/account").text


def test_the_old_step_works_until_the_new_one_gave_its_code() -> None:
    world = World()
    old = pyotp.random_base32()
    world.accounts.set_totp(USER.id, old)
    browser = world.browser().login("medewerker", code=code_for(world, old))
    assert browser.post("/account/vernieuwen", wachtwoord=PASSWORD).status_code == 303
    assert browser.post(STEP, code=code_for(world, old)).status_code == 422
    assert secret_of(world) == old


def test_an_open_browser_is_not_enough_to_change_the_ways_in() -> None:
    world = World()
    browser = world.browser().login("medewerker")
    for path, fields in (
        ("/account/vernieuwen", {}),
        ("/account/wachtwoord", {"nieuw": NEW_PASSWORD, "herhaald": NEW_PASSWORD}),
    ):
        answer = browser.post(path, wachtwoord="fout-wachtwoord", **fields)
        assert answer.status_code == 422
        assert "Uw wachtwoord klopt niet" in answer.text and 'role="alert"' in answer.text
    assert browser.get(STEP).headers["location"] == "/account"
    for _ in range(3):
        browser.post("/account/vernieuwen", wachtwoord="fout-wachtwoord")
    assert browser.post("/account/vernieuwen", wachtwoord=PASSWORD).status_code == 429  # guessing counts as a login


def test_the_password_changes_with_the_old_one_and_ends_the_other_sessions() -> None:
    world = World()
    elsewhere, browser = world.browser().login("medewerker"), world.browser().login("medewerker")
    answer = browser.post("/account/wachtwoord", wachtwoord=PASSWORD, nieuw=NEW_PASSWORD, herhaald=NEW_PASSWORD)
    assert answer.headers["location"] == "/account?melding=wachtwoord"
    assert browser.get("/account").status_code == 200
    assert elsewhere.get("/account").headers["location"].startswith("/inloggen")
    assert world.browser().try_login("medewerker").status_code == 401
    assert world.browser().try_login("medewerker", NEW_PASSWORD).status_code == 303


@pytest.mark.parametrize(
    ("new", "again", "said"),
    [("kort", "kort", "ten minste 12 tekens"), (NEW_PASSWORD, NEW_PASSWORD + "x", "twee keer een ander")],
)
def test_a_password_that_will_not_do_is_told(new: str, again: str, said: str) -> None:
    world = World()
    browser = world.browser().login("medewerker")
    answer = browser.post("/account/wachtwoord", wachtwoord=PASSWORD, nieuw=new, herhaald=again)
    assert answer.status_code == 422 and said in answer.text
    assert world.browser().try_login("medewerker").status_code == 303


def test_neither_password_nor_secret_comes_back_in_a_page_or_an_address() -> None:
    world = World()
    browser = world.browser().login("medewerker")
    answer = browser.post("/account/wachtwoord", wachtwoord="fout-wachtwoord", nieuw=NEW_PASSWORD, herhaald="x")
    assert NEW_PASSWORD not in answer.text and "fout-wachtwoord" not in answer.text
    browser.post("/account/vernieuwen", wachtwoord=PASSWORD)
    session = next(data for data, _, _ in world.accounts.sessions.values())
    secret = shown_secret(browser.get(STEP).text)
    assert secret.encode() in session  # kept with the session, which the store seals
    assert f'value="{secret}"' not in browser.get(STEP).text
