"""Choosing answer blocks on Zaak."""

from __future__ import annotations

from tests.unit.web.fakes import World, case_page


def world() -> World:
    found = World()
    found.helpdesk.put(case_page(1))
    return found


def test_the_blocks_stand_with_their_reasons_and_what_nobody_checked() -> None:
    page = world().browser().login("medewerker").get("/zaak/JL-2026-00001").text
    assert 'action="/zaak/JL-2026-00001/blokken"' in page
    assert "Toegang tot de Wlz" in page and "Lijkt op: ‘Hoe vraag ik de Wlz aan?’" in page
    assert "Alleen &lt;volwassenen&gt; kunnen dat." in page and "Controleer het artikelnummer." in page
    assert "Past niet: de mail zegt: er is een Wlz-indicatie." in page
    assert "In de mail gelezen: er is een Wlz-indicatie; het gaat om &lt;een&gt; volwassene." in page
    assert '<option value="elv">Eerstelijnsverblijf</option>' in page


def test_ticked_blocks_make_the_draft_anew() -> None:
    found = world()
    browser = found.browser().login("medewerker")
    done = browser.post(
        "/zaak/JL-2026-00001/blokken", basis=1, blok="toegang-wlz", nog="elv", zin="Alleen <volwassenen> kunnen dat."
    )
    assert done.status_code == 303 and "melding=nieuw-concept" in done.headers["location"]
    newest = found.helpdesk.case_page("JL-2026-00001").drafts[0]
    assert newest.content.blocks == ("toegang-wlz", "elv") and "Alleen <volwassenen>" in newest.content.body


def test_a_text_that_changed_meanwhile_stays() -> None:
    found = world()
    browser = found.browser().login("medewerker")
    done = browser.post("/zaak/JL-2026-00001/blokken", basis=0, blok="elv")
    assert done.status_code == 409 and "er is niets gedaan" in done.text.lower()


def test_who_may_only_read_sees_no_blocks() -> None:
    assert "/blokken" not in world().browser().login("toezichthouder").get("/zaak/JL-2026-00001").text
