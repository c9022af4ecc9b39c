"""Codes and moments in words, text of mails, and the files of others."""

from __future__ import annotations

import ast
import hashlib
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from tests.unit.web.fakes import NOW, World, assessment, case_page
from triage.adapters.tables import BY_PEOPLE, OUTBOX_KINDS
from triage.core.assessment import HEADS, LAWS, Band, Evidence, SenderType, Span, Urgency
from triage.core.case import CaseState, WaitingFor
from triage.core.gate import BLOCKING, Finding, mask_bsn
from triage.core.mail import LedgerOutcome, MessageKind, NoReplyReason
from triage.core.promises import Reason, Subject
from triage.core.rights import Role
from triage.core.sla import ClockState
from triage.ports import AcknowledgementView, AuditRow, OutboxRow, QuarantineRow
from triage.services.knowledge import SECTIONS
from triage.web.cases import audit_words
from triage.web.mailtext import clean_html, cues, fold, pieces
from triage.web.present import size, term, when
from triage.web.words import WORDS, word

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("law", LAWS),
        ("head", HEADS),
        ("state", CaseState),
        ("waiting_for", WaitingFor),
        ("urgency", Urgency),
        ("band", Band),
        ("clock", ClockState),
        ("promise_reason", Reason),
        ("promise_subject", Subject),
        ("outbox_kind", OUTBOX_KINDS),
        ("kind", MessageKind),
        ("sender_type", SenderType),
        ("role", Role),
        ("no_reply_reason", NoReplyReason),
        ("outcome", LedgerOutcome),
        ("gate", Finding),
        ("tick", tuple(set(Finding) - BLOCKING)),
        ("ticked", tuple(set(Finding) - BLOCKING)),
        ("block_section", SECTIONS),
    ],
)
def test_every_code_has_words(group: str, codes: type[StrEnum] | tuple[str, ...]) -> None:
    assert {str(code) for code in codes} <= WORDS[group].keys()


def test_every_defect_of_the_parser_has_words() -> None:
    names = {"note", "append", "attempt"}
    found = set()
    for path in sorted((ROOT / "triage" / "core").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            target = node.func
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            on = ast.unparse(target.value) if isinstance(target, ast.Attribute) else ""
            if name in names and (name == "attempt" or "defects" in on or name == "note"):
                found.add(node.args[0].value)
    assert len(found) > 15
    assert {code for code in found if isinstance(code, str)} <= WORDS["defect"].keys()


def audited() -> set[str]:
    """Every action that the code writes into the audit, by its literals; an f-string stands for all it can become."""
    found: set[str] = set()
    for path in sorted((ROOT / "triage").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            name = node.func.attr
            if name == "audit":
                found |= _codes(node.args[0])
            elif name == "on_access":
                found |= {code for code in _codes(node.args[2]) if code.startswith("viewed")}
            elif name in ("_act", "_end"):  # casework hands its action on
                found |= {code for one in node.args if isinstance(one, ast.Constant) for code in _codes(one)}
    return found


def _codes(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _codes(node.body) | _codes(node.orelse)
    if isinstance(node, ast.JoinedStr):
        first = node.values[0]
        assert isinstance(first, ast.FormattedValue) and ast.unparse(first.value) == "row.kind", (
            f"say here what {ast.unparse(node)} can become"
        )
        return {f"{kind}_{state}" for kind in BY_PEOPLE for state in ("sent", "refused", "uncertain")}
    return set()  # a variable: its literals are where it is called


def test_every_action_in_the_timeline_has_words() -> None:
    actions = audited()
    assert {"case_opened", "follow_up_received", "reply_uncertain", "claimed", "closed", "viewed_raw"} <= actions
    assert actions - WORDS["action"].keys() == set()
    later = {"reply_bounced", "reply_kept_open", "reply_deferred", "case_erased", "breaker_tripped", "breaker_released"}
    assert later <= WORDS["action"].keys()


def test_every_alert_has_words() -> None:
    kinds = tomllib.loads((ROOT / "templates" / "alerts" / "alerts.toml").read_text())
    assert kinds.keys() - WORDS["alert"].keys() == set()


def test_the_facts_of_a_timeline_line_are_told() -> None:
    def told(action: str, **details: object) -> str:
        return audit_words(AuditRow(NOW, "system", action, details))

    assert told("alert_raised", alert="urgent_not_taken_up") == "dringend en nog niet opgepakt"
    assert (
        told("follow_up_received", reopened=True, raised_to="urgent") == "de zaak is weer open · urgentie nu: dringend"
    )
    assert told("follow_up_received", reopened=False, raised_to="") == ""
    assert told("case_opened", proposed_link="JL-2026-00042") == "de afzender noemt zaak JL-2026-00042"
    assert told("reply_refused", outbox_id="o-1", reply_code=550, enhanced_status="5.1.1") == "code 550"
    assert told("reply_bounced", outbox_id="o-1") == ""


def test_the_topics_are_those_of_the_label_guide() -> None:
    assert len(WORDS["topic"]) == 39
    assert word("T16", "topic") == "Palliatieve en terminale zorg thuis"


def test_an_unknown_code_stays_readable() -> None:
    assert word("iets_nieuws", "defect") == "iets nieuws"


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-11-24T16:00", "vandaag 17:00"),
        ("2026-11-25T16:00", "morgen 17:00"),
        ("2026-11-23T23:30", "vandaag 00:30"),
        ("2026-11-23T16:00", "gisteren 17:00"),
        ("2026-11-27T16:00", "vr 17:00"),
        ("2026-11-18T16:00", "wo 17:00"),
        ("2026-12-01T16:00", "di 1 dec 17:00"),
        ("2027-01-04T16:00", "ma 4 jan 2027 17:00"),
    ],
)
def test_moments_in_words(moment: str, words: str) -> None:
    assert when(datetime.fromisoformat(moment).replace(tzinfo=UTC), NOW) == words


def test_terms_in_words() -> None:
    monday = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    assert term(monday, monday) == "vandaag 17:00"
    assert term(monday, monday + timedelta(seconds=1)) == "te laat sinds vandaag 17:00"
    assert term(monday, monday + timedelta(days=2)) == "te laat sinds ma 17:00"


@pytest.mark.parametrize(("count", "words"), [(812, "812 bytes"), (13_600, "14 kB"), (2_350_000, "2,4 MB")])
def test_sizes_in_words(count: int, words: str) -> None:
    assert size(count) == words


# ---------------------------------------------------------------- text of mails


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bsn 111222333.", "bsn •••••••••."),
        ("111.222.333", "•••.•••.•••"),
        ("1112 22 333", "•••• •• •••"),
        ("123456789", "123456789"),  # no elfproef
        ("0111222333", "0111222333"),  # ten digits
    ],
)
def test_bsn_is_masked_at_the_same_length(text: str, shown: str) -> None:
    assert mask_bsn(text) == shown
    assert len(mask_bsn(text)) == len(text)


def test_folding_loses_nothing() -> None:
    assert fold("a\nb", "a\nb").folded == ""
    assert fold("Hoi\n\n> oud", "Hoi").folded == "> oud"
    assert fold("> oud\nnieuw tussen\n> oud", "nieuw tussen").folded == "> oud\nnieuw tussen\n> oud"
    assert fold("alleen citaat", "").shown == "alleen citaat"


def test_evidence_may_overlap_and_lie_outside_the_text() -> None:
    text = "naar huis zonder thuiszorg"
    judged = replace(
        assessment(),
        judged_text=text,
        evidence=(
            Evidence("transfer", "rule", Span(0, 16), 1.0, "r1"),
            Evidence("zvw", "model", Span(10, 26), 1.0),
            Evidence("wlz", "model", Span(20, 99), 1.0),
            Evidence("wmo", "model", Span(40, 50), 1.0),
            Evidence("wmo", "model", Span(0, 4), -1.0),
        ),
    )
    cut = pieces(judged)
    assert "".join(piece.text for piece in cut) == text
    assert [(piece.text, piece.heads) for piece in cut] == [
        ("naar huis ", ("transfer",)),
        ("zonder", ("transfer", "zvw")),
        (" thu", ("zvw",)),
        ("iszorg", ("zvw", "wlz")),
    ]
    told = cues(judged)
    assert told[0].source == "rule"
    assert [cue.text for cue in told if cue.against] == ["naar"]


def test_a_very_long_html_part_is_left_out() -> None:
    assert clean_html("<p>x</p>" * 60_000) is None
    assert clean_html("  ") is None
    deep = clean_html("<div>" * 5_000 + "tekst \ud800" + "</div>" * 5_000)
    assert deep is not None and "tekst" in deep


# ---------------------------------------------------------------- Toezicht and Beheer


def troubled() -> World:
    world = World()
    world.helpdesk.put(case_page(1, arrived_at=NOW - timedelta(days=9)))
    world.helpdesk.put(case_page(2, band=Band.URGENT))
    for state, code in (("uncertain", None), ("refused", 550)):
        row = OutboxRow(f"o-{state}", "reply", state, "JL-2026-00001", NOW, NOW, 1, None, code, None)
        world.helpdesk.outbox_rows.append(row)
    world.helpdesk.quarantine.append(QuarantineRow("q-1", 812, 20_480, "RecursionError", NOW, 2))
    view = AcknowledgementView("withheld", ("shadow_mode",), NOW, None, None, None, None)
    world.helpdesk.withheld_rows.append(("JL-2026-00001", view))
    return world


def test_every_number_of_the_dashboard_has_a_list_behind_it() -> None:
    browser = troubled().browser().login("toezichthouder")
    page = browser.get("/toezicht").text
    for link in ("/werkvoorraad", "termijn=due_today", "termijn=at_risk", "termijn=breached"):
        assert link in page
    for anchor in ("onzeker", "geweigerd", "quarantaine", "grootboek"):
        assert f'href="#{anchor}"' in page and f'id="{anchor}"' in page
    assert "Mail 812, 20 kB" in page
    assert "0 niet verantwoord" in page
    assert "JL-2026-00001" in browser.get("/werkvoorraad?termijn=breached").text


def test_the_administrator_releases_what_waits() -> None:
    world = troubled()
    world.report["breaker_tripped"] = True
    browser = world.browser().login("beheerder")
    page = browser.get("/beheer").text
    assert "0 niet verantwoord" in page and "nog nooit" in page and "SenderUnavailable" in page
    assert "De noodrem staat erop" in page
    assert "schaduwmodus: er gaan geen automatische mails weg" in page
    assert browser.post("/beheer/quarantaine", rij="q-1").status_code == 303
    assert browser.post("/beheer/opnieuw-versturen", verzending="o-refused").status_code == 303
    assert browser.post("/beheer/opnieuw-versturen", verzending="o-vreemd").status_code == 400
    assert browser.post("/beheer/noodrem").status_code == 303
    assert world.helpdesk.done == [
        ("release_quarantined", "q-1"),
        ("release_uncertain", "o-refused"),
        ("release_breaker", ""),
    ]
    world.report["breaker_tripped"] = False
    assert "De noodrem staat er niet op" in browser.get("/beheer").text


# ---------------------------------------------------------------- files of others


@pytest.mark.parametrize("folder", ["triage/web/static/vendor", "tests/browser/vendor"])
def test_vendored_files_are_as_listed(folder: str) -> None:
    place = ROOT / folder
    listed = tomllib.loads((place / "VENDOR.toml").read_text())["file"]
    names = {"VENDOR.toml"}
    for entry in listed:
        for name, digest in ((entry["path"], entry["sha256"]), (entry["licence_file"], entry["licence_sha256"])):
            names.add(name)
            assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest, name
        assert entry["version"] and entry["licence"]
    assert {path.name for path in place.iterdir()} == names
