"""`knowledge check`: each fault is found and named; our own files have none."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.letter_cases import TEMPLATES
from triage.cli import app
from triage.commands import knowledge as command
from triage.core.assessment import LAWS
from triage.services import knowledge_check
from triage.services.knowledge_check import Finding, KnowledgeReport, check_knowledge
from triage.web.words import WORDS

TODAY = date(2026, 11, 23)
YEAR = timedelta(days=365)
QUESTION = "Ik woon in een flat en het traplopen lukt niet meer. Wat kan ik vragen?"


@lru_cache(maxsize=1)
def own() -> KnowledgeReport:
    return check_knowledge(TEMPLATES, TODAY, YEAR)


def copied(tmp_path: Path, file: str, *change: str) -> Path:
    """Our templates with one change in one file of the knowledge base."""
    shutil.copytree(TEMPLATES / "knowledge", tmp_path / "knowledge")
    (tmp_path / "replies").mkdir()
    shutil.copy(TEMPLATES / "replies" / "words.toml", tmp_path / "replies")
    path = tmp_path / "knowledge" / file
    text = path.read_text("utf-8")
    assert change[0] in text
    path.write_text(text.replace(change[0], change[1], 1), encoding="utf-8")
    return tmp_path


def new(templates: Path) -> list[Finding]:
    return [one for one in check_knowledge(templates, TODAY, YEAR).findings if one not in own().findings]


def test_our_own_files_have_no_fault() -> None:
    report = own()
    assert report.wrong == 0, report.findings
    assert report.blocks == report.verified >= 60 and report.sentences > 1000
    assert report.longest <= 25 and report.mean <= 12
    assert {one.file for one in report.findings if "has no block" in one.text} == {"topics.toml"}


def test_the_topics_are_those_of_the_screens() -> None:
    topics = tomllib.loads((TEMPLATES / "knowledge" / "topics.toml").read_text("utf-8"))
    assert {code: topic["label"] for code, topic in topics.items()} == WORDS["topic"]
    for code, topic in topics.items():
        assert set(topic["laws"]) <= set(LAWS) and set(topic) == {"label", "laws", "body"}
        assert topic["laws"] or code in ("T90", "T91", "T99")


@pytest.mark.parametrize(
    ("file", "old", "put", "said"),
    [
        ("vervoer.md", "+++\nid", "id", "must begin with front matter"),
        ("vervoer.md", 'title = "', 'titel = "', "title is missing"),
        ("vervoer.md", 'topics = ["T28"]', 'topics = ["T28", "T77"]', "unknown topic T77"),
        ("vervoer.md", 'laws = ["wlz"', 'laws = ["wzd", "wlz"', "unknown act wzd"),
        ("vervoer.md", 'urgency = ["regular"]', 'urgency = ["spoed", "regular"]', "unknown urgency spoed"),
        ("vervoer.md", 'audience = ["citizen"', 'audience = ["dokter", "citizen"', "unknown audience dokter"),
        ("vervoer.md", 'remedies = ["gemeente"', 'remedies = ["koning", "gemeente"', "unknown remedy koning"),
        ("vervoer.md", 'urgency = ["regular"]', 'urgency = ["regular", "transfer"]', "add a section eerst"),
        ("vervoer.md", 'topics = ["T28"]', "topics = []", "may not be empty"),
        ("bezwaar-wlz.md", "## oneens\n\n", "## stappen voor professionals\n\n", "add a section oneens"),
        ("vervoer.md", 'url = "https://wetten', 'url = "http://wetten', "must begin with https://"),
        ("meerzorg.md", "version_read = 2026-06-02\n", "", "artikel 2.2 names no version"),
        ("meerzorg.md", "version_read = 2026-06-02", "version_read = 2027-06-02", "version_read of Regeling"),
        ("vervoer.md", "checked_on = 2026-11-22", "checked_on = 2026-11-24", "checked_on lies in the future"),
        ("vervoer.md", "## kort\n\n", "## kort\n\nDat kost € 12 per rit. ", "an amount is typed"),
        ("wmo-melding.md", "hooguit {{ term('wmo_onderzoek') }}.", "hooguit zes weken.", "a term is typed (zes weken)"),
        ("vervoer.md", "## kort\nThe", "## kort\nWithin 3 months. The", "a term is typed (3 months)"),
        (
            "vervoer.md",
            "## kort\n\n",
            "## kort\n\n" + "Dit is een lange zin " + "met woorden " * 12 + "erin. ",
            "kort: 30 words",
        ),
        (
            "vervoer.md",
            "## kort\nThe",
            "## kort\n" + "This is " + "a very long sentence " * 7 + "here. The",
            "kort (English): 31",
        ),
        (
            "meerzorg.md",
            "## waarom voor professionals\n\n",
            "## waarom voor professionals\n\nEen " + "zin " * 27 + "uit. ",
            "waarom voor professionals: 29 words",
        ),
        (
            "meerzorg.md",
            "Meerzorg hoort bij de Wet langdurige zorg (Wlz).",
            "Meerzorg hoort bij de Wlz.",
            "write Wet langdurige zorg (Wlz) where it is first named",
        ),
        ("terms.toml", 'value_en = "six weeks"\n', "", "wmo_onderzoek: value_en is missing"),
        ("terms.toml", 'url = "https://', 'url = "http://', "wmo_onderzoek: the address"),
        (
            "terms.toml",
            "checked_on = 2026-11-22",
            "checked_on = 2026-12-01",
            "wmo_onderzoek: checked_on lies in the future",
        ),
        ("amounts.toml", 'source = "https://', 'source = "', "wmo_abonnementstarief: source must be"),
        (
            "amounts.toml",
            "[eigen_risico]",
            '[niets]\nsource = "https://x.example"\n[eigen_risico]',
            "niets: give a value",
        ),
        ("vervoer.md", 'remedies = ["gemeente"', 'needs = ["rijk"]\nremedies = ["gemeente"', "unknown fact rijk"),
        ("vervoer.md", "## kort\n\n", "## kort\n\n[als wlz: Dat is zo.] ", "a condition must be [if fact: text]"),
        ("vervoer.md", "## kort\n\n", "## kort\n\n[if wlz: Dat is [ook] zo.] ", "without brackets in it"),
        ("facts.toml", 'label = "er is een pgb"', 'etiket = "er is een pgb"', "pgb: unknown key etiket"),
        ("mails.jsonl", '"blocks": ["', '"blocks": ["koning", "', "names koning, which is no block"),
        ("mails.jsonl", '{"id"', "{id", "line 1, is no JSON"),
        ("questions.toml", "[vervoer]", "[vervoer2]", "vervoer2 is no block"),
        ("questions.toml", "[vervoer]", "[vervoer2]", "vervoer has 0 questions, at least 10"),
        (
            "topics.toml",
            "[T28]",
            '[T88]\nlabel = "Nieuw"\nlaws = ["wlz"]\nbody = ""\n\n[T28]',
            "T88 (Nieuw) with act wlz has no",
        ),
        ("topics.toml", "[T28]", '[T88]\nlabel = "Nieuw"\nlaws = []\nbody = ""\n\n[T28]', "T88 (Nieuw) has no block"),
        ("zorg-op-school.md", 'laws = ["jeugdwet"', 'laws = ["wlz", "jeugdwet"', "take it out of NOT_COVERED"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, file: str, old: str, put: str, said: str) -> None:
    found = new(copied(tmp_path, file, old, put))
    (mine,) = [one for one in found if said in one.text]
    assert mine.kind == "wrong"
    assert mine.file == file or file in ("zorg-op-school.md",)


@pytest.mark.parametrize(
    ("file", "old", "put", "said"),
    [
        ("vervoer.md", "checked_on = 2026-11-22", "checked_on = 2025-11-22", "more than 365 days ago"),
        ("wmo-melding.md", 'status = "verified"', 'status = "unverified"', "nobody verified it"),
        ("wmo-termijn.md", 'status = "verified"', 'status = "verified"\nrecheck = "Lees na."', "recheck: Lees na."),
        ("terms.toml", "checked_on = 2026-11-22", "checked_on = 2025-01-01", "wmo_onderzoek: checked on 2025-01-01"),
        ("amounts.toml", '2026 = { value = "€ 385', '2025 = { value = "€ 385', "eigen_risico has no value for 2026"),
    ],
)
def test_what_a_person_should_look_at_fails_nothing(tmp_path: Path, file: str, old: str, put: str, said: str) -> None:
    templates = copied(tmp_path, file, old, put)
    (mine,) = [one for one in new(templates) if said in one.text]
    assert (mine.kind, mine.file) == ("look", file)
    assert check_knowledge(templates, TODAY, YEAR).wrong == 0


def test_a_section_that_nobody_would_read_is_named(tmp_path: Path) -> None:
    templates = copied(tmp_path, "klacht.md", "+++", "+++")
    path = templates / "knowledge" / "klacht.md"
    text = path.read_text("utf-8")
    head, _, rest = text.rpartition("\n## wie\n")
    after = rest.partition("\n## ")[2]
    path.write_text(f"{head}\n## wie\n\n[if wlz: Het zorgkantoor.]\n\n## {after}", encoding="utf-8")
    told = [one.text for one in new(templates) if one.file == "klacht.md"]
    assert any(one.startswith("with no wlz kort, waarom or wie would be empty") for one in told), told


def test_a_mail_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    templates = copied(tmp_path, "mails.jsonl", "{", "{")
    path = templates / "knowledge" / "mails.jsonl"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[0]]), encoding="utf-8")
    assert [one.text for one in new(templates)] == [f"line {len(lines) + 1}, has the text of line 1"]


def test_a_block_without_english_is_shown(tmp_path: Path) -> None:
    text = (TEMPLATES / "knowledge" / "vervoer.md").read_text("utf-8")
    start, end = text.index("text_en ="), text.index("'''\n", text.index("'''") + 3) + 4
    (mine,) = new(copied(tmp_path, "vervoer.md", text[start:end], ""))
    assert (mine.kind, mine.file) == ("look", "vervoer.md") and "no text_en" in mine.text


def test_a_text_of_long_sentences_is_named(tmp_path: Path) -> None:
    long = "Dit is een zin die langer is dan de gemiddelde zin in een brief van ons zou mogen zijn. " * 30
    (mine,) = new(copied(tmp_path, "wmo-termijn.md", "## kort\n\n", f"## kort\n\n{long}"))[:1]
    assert mine.kind == "wrong" and "words a sentence (at most 12)" in mine.text


def test_the_same_question_twice_is_named(tmp_path: Path) -> None:
    twice = f'questions = [\n    "{QUESTION}",\n    "{QUESTION.lower()}",'
    (mine,) = new(copied(tmp_path, "questions.toml", "questions = [", twice))
    assert mine.kind == "wrong" and "the same question" in mine.text


def test_a_word_of_the_trade_is_explained(tmp_path: Path) -> None:
    templates = copied(tmp_path, "vervoer.md", "+++", "+++")
    path = templates / "replies" / "words.toml"
    path.write_text(path.read_text("utf-8").replace('name = "CIZ"', 'name = "Het"'), encoding="utf-8")
    found = new(templates)
    assert found and {one.text for one in found} == {"explain CIZ, or put it in replies/words.toml"}


def test_a_file_that_cannot_be_read_is_one_finding(tmp_path: Path) -> None:
    report = check_knowledge(copied(tmp_path, "terms.toml", "[wmo_onderzoek]", "[wmo_onderzoek"), TODAY, YEAR)
    assert [(one.kind, one.file) for one in report.findings] == [("wrong", "terms.toml")]
    assert report.blocks == 0


def test_confirmed_zorgkantoren_age_as_well() -> None:
    days = {"ZK01": TODAY, "ZK02": TODAY - timedelta(days=366), "ZK03": TODAY + timedelta(days=1)}
    found = check_knowledge(TEMPLATES, TODAY, YEAR, days).findings
    told = [(one.kind, one.text.split(".")[1][:4]) for one in found if one.file == "settings"]
    assert told == [("wrong", "ZK03"), ("look", "ZK02")]


# ---------------------------------------------------------------- the command


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without mail server and database."""
    for name in [name for name in os.environ if name.startswith("TRIAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRIAGE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr(command, "utc_now", lambda: datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
    return tmp_path


def test_the_command_ends_well_on_our_own_files(settings: Path) -> None:
    result = CliRunner().invoke(app, ["knowledge", "check"])
    assert result.exit_code == 0, result.output
    assert "[wrong]" not in result.output and "  [look]  jeugdhulp.md: recheck: " in result.output
    summary = f"{own().blocks} blocks, 100% with verified sources; {own().sentences} sentences, the longest"
    assert summary in result.output and result.output.endswith("Nothing is wrong.\n")
    assert list(settings.iterdir()) == []


def test_json_is_one_object_a_line(settings: Path) -> None:
    lines = [json.loads(line) for line in CliRunner().invoke(app, ["knowledge", "check", "--json"]).output.splitlines()]
    assert all(set(line) == {"finding", "file", "text"} for line in lines[:-1])
    assert lines[-1]["wrong"] == 0 and lines[-1]["look"] == len(lines) - 1
    assert set(lines[-1]) == {"blocks", "verified", "sentences", "longest", "mean", "wrong", "look"}


def test_something_wrong_is_exit_code_1(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge_check, "LEAST_QUESTIONS", 1000)
    result = CliRunner().invoke(app, ["knowledge", "check"])
    assert result.exit_code == 1 and "  [wrong] questions.toml: achttien-jaar has" in result.output
    assert result.output.endswith("Something must be mended; see above.\n")


def test_check_days_says_what_is_stale(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "utc_now", lambda: datetime(2026, 12, 20, 12, 0, tzinfo=UTC))
    (settings / "local.toml").write_text("[knowledge]\ncheck_days = 10\n")
    result = CliRunner().invoke(app, ["knowledge", "check"])
    assert result.exit_code == 0 and "vervoer.md: checked on 2026-11-22, more than 10 days ago" in result.output
