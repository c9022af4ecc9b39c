"""Texts of the organisation in place of the product's: what takes effect, and what stops the start."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.letter_cases import NOW, TEMPLATES, a_case, a_mail, letters, make_letters
from triage.core.actions import Acknowledge
from triage.errors import ConfigError
from triage.services.acknowledgement import HTML_VARIABLES, TEXT_VARIABLES
from triage.services.correction_texts import CORRECTION_VARIABLES
from triage.services.own_texts import REPLACEABLE
from triage.settings import ROOT, TelephoneSettings, load_settings

NL, EN, HTML, LANGUAGES = REPLACEABLE[:4]


def own(folder: Path, name: str, *changes: tuple[str, str], text: str = "") -> Path:
    """A folder with a changed copy of one of the product's files (or with `text` under that name)."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    written = text or (TEMPLATES / name).read_text("utf-8")
    for old, new in changes:
        assert old in written
        written = written.replace(old, new)
    path.write_text(written, encoding="utf-8")
    return folder


def written(folder: Path, language: str = "nl") -> str:
    raw = make_letters(own_texts=folder).acknowledgement(
        a_mail(), a_case(), Acknowledge(language, NOW, None), identity_key="k", now=NOW
    )
    return raw.raw.decode()


def refused(folder: Path, **changes: object) -> str:
    with pytest.raises(ConfigError) as told:
        make_letters(own_texts=folder, **changes)
    return str(told.value)


def test_an_own_text_takes_the_place_of_the_products(tmp_path: Path) -> None:
    own(tmp_path, NL, ("Goedendag,", "Hallo daar,"))
    assert "Hallo daar," in written(tmp_path) and "Goedendag" not in written(tmp_path)
    assert "Hello," in written(tmp_path, "en")
    assert make_letters(own_texts=tmp_path).acknowledgements.own_files == (NL,)
    assert letters().acknowledgements.own_files == ()


def test_every_replaceable_file_may_be_replaced(tmp_path: Path) -> None:
    own(tmp_path, EN, ("Hello,", "Good day,"))
    own(tmp_path, HTML, ("#0b5a6b", "#123456"))
    own(tmp_path, LANGUAGES, text='[it]\nline = "La vostra domanda è arrivata."\n')
    (tmp_path / "README.md").write_text("how to")
    (tmp_path / ".backup.swp").write_text("an editor's")
    assert "Good day," in written(tmp_path, "en") and "#123456" in written(tmp_path)
    assert "La vostra domanda" in written(tmp_path, "it")
    assert "Sorunuz" not in written(tmp_path, "tr")


def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    assert "letters.directory" in refused(tmp_path / "nowhere") and "make it" in refused(tmp_path / "nowhere")


def test_a_folder_that_may_not_be_read_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def denied(path: str) -> object:
        if Path(path) == tmp_path:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert f"letters.directory {tmp_path} cannot be read (Permission denied)" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("acknowledgement/nl.txt.j", "did you mean acknowledgement/nl.txt.j2"),
        ("nl.txt.j2", "did you mean acknowledgement/nl.txt.j2 or correction/nl.txt.j2?"),
        ("web/beheer.html", "it may hold acknowledgement/nl.txt.j2"),
        ("acknowledgement/README.md", "replaces no text"),
    ],
)
def test_a_file_that_replaces_nothing_stops_the_start(tmp_path: Path, name: str, hint: str) -> None:
    own(tmp_path, name, text="x")
    assert f"{tmp_path / name}: replaces no text" in refused(tmp_path) and hint in refused(tmp_path)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{{ kenmerk }}", "line 5: there is no variable kenmerk"),
        ("{{ refrence }}", "line 5: there is no variable refrence; did you mean reference?"),
        ("{% if false %}{{ geheim }}{% endif %}", "line 5: there is no variable geheim"),
        ("{% if reference %}", "Unexpected end of template"),
        ("{{ reference", "line 5"),
        ("{% endfor %}", "line 5"),
        ("{{ ''.__class__.__mro__ }}", "line 5: __mro__ cannot be reached"),
        ("{{ reference['__class__'] }}", "line 5: __class__ cannot be reached"),
        ("{{ reference|attr('__class__') }}", "line 5: the filter attr"),
        ("{{ closings.append('x') }}", "line 5: “call”"),
        ("{% for a in range(100000) %}x{% endfor %}", "line 5: “call”"),
        ("{{ 'x' * 1000000000 }}", "line 5: “mul”"),
        ("{{ reference|center(1000000000) }}", "line 5: the filter center"),
        ("{% set x = 1 %}", "line 5: “assign”"),
        ("{% include 'web/beheer.html' %}", "line 5: “include”"),
        ("{% macro x() %}{% endmacro %}", "line 5: “macro”"),
        ("{{ reference.naam }}", "line 5: 'str object' has no attribute 'naam'"),
        ("{% for a in answer_late %}{% endfor %}", "line 5: 'bool' object is not iterable"),
        ("{% for a in closings %}" * 4 + "{% endfor %}" * 4, "more than 3 loops"),
        ("{% for a in telephone %}" * 3 + "x" * 200 + "{% endfor %}" * 3, "more than 100,000 characters"),
    ],
)
def test_a_faulty_text_stops_the_start_with_file_line_and_mend(tmp_path: Path, bad: str, said: str) -> None:
    own(tmp_path, NL, ("Dank u wel voor uw bericht.", bad))
    begun = time.monotonic()
    message = refused(tmp_path)
    assert message.startswith(str(tmp_path / NL)) and said in message, message
    assert time.monotonic() - begun < 5


def test_the_html_part_is_held_to_the_same(tmp_path: Path) -> None:
    own(tmp_path, HTML, ("{{ lines[0] }}", "{{ lines[0]|safe }}"))
    assert f"{tmp_path / HTML}, line " in refused(tmp_path) and "the filter safe" in refused(tmp_path)
    own(tmp_path, HTML, ("<li>{{ item }}</li>", "<li>punt</li>"))
    assert f"{tmp_path / HTML}: does not show 112: put it back" in refused(tmp_path)
    own(tmp_path, HTML, ("{{ line }}</p>", "</p>"))
    assert "does not show the line in another language" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new", "lacking"),
    [
        (NL, "{{ reference }}", "bekend", "the reference, {{ reference }}"),
        (EN, "{{ reference }}", "known", "the reference, {{ reference }}"),
        (NL, "> U krijgt uiterlijk op {{ answer_day }} antwoord.", "> U krijgt snel antwoord.", "the promised day"),
        (NL, "{{ take_up_day }}", "snel", "the day of take-up, {{ take_up_day }}"),
        (NL, "{{ telephone }}", "ons nummer", "the telephone number"),
        (NL, "{{ privacy_url }}", "onze site", "the privacy link"),
        (NL, "Bel 112.", "Bel het alarmnummer.", "112"),
        (NL, "Bel 113 of 0800-0113.", "Bel 0800-0113.", "113"),
        (NL, "Bel de huisartsenpost.", "Bel hem.", "the huisartsenpost"),
        (EN, "Veilig Thuis: 0800-2000", "Veilig Thuis", "Veilig Thuis with its number 0800-2000"),
        (NL, "(BSN)", "", "the request to send no BSN"),
    ],
)
def test_a_text_without_a_piece_it_must_hold_stops_the_start(
    tmp_path: Path, name: str, old: str, new: str, lacking: str
) -> None:
    own(tmp_path, name, (old, new))
    assert f"{tmp_path / name}: the text lacks {lacking}" in refused(tmp_path)


def test_all_faults_are_told_at_once_and_each_once(tmp_path: Path) -> None:
    own(tmp_path, NL, ("(BSN)", ""), ("Bel 112.", "Bel."))
    own(tmp_path, EN, ("{{ reference }}", "x"))
    message = refused(tmp_path)
    assert message.count("lacks") == 3 and message.count("112: put") == 1


def test_without_a_telephone_the_number_need_not_stand_there(tmp_path: Path) -> None:
    made = make_letters(own_texts=tmp_path, telephone=TelephoneSettings(number="", hours=("10:00-12:00",)))
    assert "Bel ons op" not in made.acknowledgements.sample("nl", "normal", NOW).text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[de\n", "is not valid TOML"),
        ("[duits]\nline = 'Ja'\n", "duits is no language code"),
        ("de = 'Ja'\n", "de is no language code"),
        ("[de]\nregel = 'Ja'\n", "[de] takes line"),
        ("[de]\nline = ''\n", "[de] needs a line"),
        ("[de]\nline = 'Ja'\ndir = 'links'\n", 'dir = "rtl"'),
    ],
)
def test_faulty_lines_in_other_languages_stop_the_start(tmp_path: Path, text: str, said: str) -> None:
    own(tmp_path, LANGUAGES, text=text)
    assert f"{tmp_path / LANGUAGES}: " in refused(tmp_path) and said in refused(tmp_path)


def test_a_file_that_is_no_utf_8_is_named(tmp_path: Path) -> None:
    path = own(tmp_path, NL) / NL
    path.write_bytes(path.read_text("utf-8").replace("Goedendag", "Één").encode("latin-1", "replace"))
    assert f"{tmp_path / NL}: is no UTF-8" in refused(tmp_path)


def test_the_variables_are_those_of_the_page_for_administrators() -> None:
    page = (ROOT / "config" / "letters" / "README.md").read_text("utf-8")
    assert set(re.findall(r"\{\{ (\w+) \}\}", page)) == {*TEXT_VARIABLES, *CORRECTION_VARIABLES}
    assert all(f"`{name}`" in page for name in (*HTML_VARIABLES, *REPLACEABLE))


def test_the_product_begins_with_an_empty_folder_that_git_leaves_alone() -> None:
    folder = load_settings().own_texts
    assert folder == ROOT / "config" / "letters" and (folder / "README.md").is_file()
    if (ROOT / ".git").exists():
        theirs = ["git", "check-ignore", "-q", f"config/letters/{NL}", "config/letters/README.md"]
        assert subprocess.run(theirs[:-1], cwd=ROOT, check=False).returncode == 0
        assert subprocess.run([*theirs[:3], theirs[-1]], cwd=ROOT, check=False).returncode == 1


def test_a_correction_of_the_organisation_is_held_to_the_same(tmp_path: Path) -> None:
    name = "correction/nl.txt.j2"
    for text, said in (
        ("Uw kenmerk is {{ reference }}.", "lacks {{ answer_day }}"),
        ("{{ reference }} {{ answer_day }} {{ subject }}", "there is no variable subject"),
        ("{% if reason == 'waited' %}{{ answer_day }}{% endif %}{{ reference }}", "lacks {{ answer_day }}"),
    ):
        own(tmp_path, name, text=text)
        assert f"{tmp_path / name}" in refused(tmp_path) and said in refused(tmp_path)
    own(tmp_path, name, text="> Kenmerk {{ reference }}: antwoord op {{ answer_day }}.")
    make_letters(own_texts=tmp_path)
