"""`letters preview` and `letters check`, with settings alone: no mail server is set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.test_own_texts import EN, NL, own
from triage.cli import letters_preview
from triage.commands.letters import check, preview
from triage.errors import ConfigError

FRIDAY = "2026-11-20T23:59:00+01:00"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The organisation's folder, in an environment without other settings."""
    for name in [name for name in os.environ if name.startswith("TRIAGE_")]:
        monkeypatch.delenv(name)
    made = tmp_path / "texts"
    made.mkdir()
    monkeypatch.setenv("TRIAGE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("TRIAGE_LETTERS__DIRECTORY", str(made))
    return made


def previewed(capsys: pytest.CaptureFixture[str], **changes: object) -> str:
    given = {"to": None, "language": "nl", "urgent": False, "arrived": FRIDAY} | changes
    assert preview(**given) == 0  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_preview_prints_subject_and_text(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    shown = previewed(capsys)
    assert shown.startswith("Subject: Wij hebben uw bericht ontvangen [JL-2026-00042-K7]\n\nGoedendag,\n")
    assert "U krijgt uiterlijk op woensdag 25 november antwoord." in shown and "in behandeling" not in shown
    assert "op maandag 23 november in behandeling" in previewed(capsys, urgent=True)
    assert "by Wednesday 25 November" in previewed(capsys, language="en")
    assert previewed(capsys, language="tr").partition("\n\n")[2].startswith("Sorunuz bize ulaştı.")
    own(folder, NL, ("Goedendag,", "Hallo daar,"))
    assert "Hallo daar," in previewed(capsys)
    assert "ontvangen" in previewed(capsys, arrived="")


def test_preview_writes_every_language_and_case(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shown = previewed(capsys, to=tmp_path / "out")
    names = {f"{tmp_path}/out/{one.name}" for one in (tmp_path / "out").iterdir()}
    assert set(shown.split("\n")) - {""} == names and len(names) == 11 * 4 * 2
    text = {kind: (tmp_path / "out" / f"nl-{kind}.txt").read_text("utf-8") for kind in ("urgent", "late", "closed")}
    assert "in behandeling" in text["urgent"]
    assert "Wij hadden u uiterlijk op woensdag 25 november" in text["late"]
    assert "Wij zijn gesloten op dinsdag 24 november (sluitingsdag)." in text["closed"]
    assert "uiterlijk op donderdag 26 november" in text["closed"]
    assert 'lang="ar" dir="rtl"' in (tmp_path / "out" / "ar-normal.html").read_text("utf-8")


def test_preview_tells_what_it_cannot_do(capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path) -> None:
    assert preview(to=None, language="xx", urgent=False, arrived="") == 2
    assert "nl, en, de" in capsys.readouterr().err
    assert preview(to=None, language="nl", urgent=False, arrived="2026-11-20T10:00") == 2
    assert "no UTC offset" in capsys.readouterr().err
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="choose another folder"):
        preview(to=tmp_path / "file", language="nl", urgent=False, arrived="")
    with pytest.raises(Exception, match="--to writes every language"):
        letters_preview(to=tmp_path, language="en")
    own(folder, NL, ("(BSN)", ""))
    with pytest.raises(ConfigError, match="BSN"):
        preview(to=None, language="nl", urgent=False, arrived="")


def test_check_reports_each_text_and_is_content_with_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert check() == 0
    lines = capsys.readouterr().out.splitlines()
    named = [f"templates/{NL}", "templates/correction/nl.txt.j2", f"templates/{EN}", "templates/correction/en.txt.j2"]
    assert [line.split(":")[0].strip() for line in lines[:4]] == named
    assert "the longest 17 words (at most 25)" in lines[0] and lines[-1] == "All well."


def test_check_names_what_is_hard_to_read(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    long = "Wij willen " + "heel " * 24 + "graag helpen."
    own(folder, NL, ("Dank u wel voor uw bericht.", long))
    assert check() == 1
    shown = capsys.readouterr().out
    assert f"[wrong] {folder / NL}: 28 words, make it two sentences: {long}" in shown and shown.count("[wrong]") == 1
    dull = "Dit is een zin van precies twintig woorden en zo gaat het maar door en door tot het einde."
    lines = "\n".join(f"{dull[:-1]} nummer {number}." for number in range(60))
    own(folder, NL, ("Dank u wel voor uw bericht.", lines))
    assert check() == 1
    assert "words on average: shorten them" in capsys.readouterr().out


def test_check_names_every_fault(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    own(folder, NL, ("(BSN)", ""))
    own(folder, "acknowledgement/nederlands.txt.j2", text="x")
    assert check() == 1
    shown = capsys.readouterr().out
    assert f"{folder / NL}: the text lacks the request to send no BSN" in shown
    assert "nederlands.txt.j2: replaces no text of the product" in shown and shown.count("[wrong]") == 2
