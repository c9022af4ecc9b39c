"""Which dates in a reply are dates of birth: as people write them, and what must be left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.core.birth_dates import birth_dates

NOTE = "[1] Wet langdurige zorg (Wlz), artikel 3.2.1 (versie van {}): https://wetten.overheid.nl/BWBR0035917"


def dates(text: str) -> list[str]:
    return [text[start:end] for start, end in birth_dates(text)]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("geboren op 12-03-1950", "12-03-1950"),
        ("Mevrouw A. (geb. 12-3-50) belt", "12-3-50"),
        ("geb 12/03/'50", "12/03/'50"),
        ("geb.12-03-1950", "12-03-1950"),
        ("geb.datum 1-2-2003", "1-2-2003"),
        ("geboortedatum: 12.03.1950", "12.03.1950"),
        ("Geboortedatum:\n12 maart 1950", "12 maart 1950"),
        ("geboortedatum 12031950", "12031950"),
        ("geboortedatum 19500312", "19500312"),
        ("geboortedatum: 1950-03-12", "1950-03-12"),
        ("geboren: 12 mrt. 1950", "12 mrt. 1950"),
        ("geboortedag 12 maart '50", "12 maart '50"),
        ("geboren op 12 maart", "12 maart"),
        ("Uw zoon, geboren te Utrecht op 3 mei 2019, krijgt hulp", "3 mei 2019"),
        ("geboren op de 3e mei 2019", "3e mei 2019"),
        ("Op 12 maart 2019 is uw dochter geboren.", "12 maart 2019"),
        ("12-03-2019 (geboortedatum)", "12-03-2019"),
        ("date of birth: 03/25/2019", "03/25/2019"),
        ("DOB 12/03/2019", "12/03/2019"),
        ("D.o.b.: 12 March 2019", "12 March 2019"),
        ("He was born on March 12, 2019.", "March 12, 2019"),
        ("born 12th of March 2019", "12th of March 2019"),
        ("birth date 2015-01-31", "2015-01-31"),
        ("Het gaat om mevrouw A. (12-03-1950).", "12-03-1950"),
        ("Het gaat om mevrouw A., 12 maart 1950.", "12 maart 1950"),
        ("12 03 1950", "12 03 1950"),
        ("Mevrouw A., 31 december 2011", "31 december 2011"),
        (f"{NOTE.format('1 juli 2009')}\ngeboren op 3 mei 2019", "3 mei 2019"),
        ("https://www.ciz.example/ geboren op 3-5-2019", "3-5-2019"),
    ],
)
def test_a_date_of_birth_is_found_however_it_is_written(text: str, date: str) -> None:
    assert dates(text) == [date]


@pytest.mark.parametrize(
    "text",
    [
        NOTE.format("1 juli 2019"),
        NOTE.format("1 juli 2009"),
        NOTE.format("1 juli 2009").replace("versie van ", ""),
        "De Wmo (versie van 1 juli 2009) zegt dat.",
        "De wet van 14 februari 1995 geldt niet meer.",
        "Sinds 1 januari 2007 geldt de Wmo.",
        "Het besluit van 12 maart 2026 klopt niet.",
        "De beschikking van 12-03-2011 is oud.",
        "Wij mailden u op 20 november 2026. U hoort van ons uiterlijk 1 december 2026.",
        "Op 1 januari 2012 veranderde de regel.",
        "Uw kind is vorig jaar geboren. Het besluit is van 12 maart 2026.",
        "Het kind is geboren en de beschikking van 3 mei 2024 geldt nog.",
        "Een aangeboren aandoening: besluit van 12 maart 2026",
        "U hebt ons gebeld op 12-11-2026. Het gebied telt vanaf 3 mei 2026. Gebruik dit tot en met 4 mei 2026.",
        "In uw gebouw op 12 maart 2026; Osborn, 3 May 2026; dobber 3 mei 2026",
        "Bent u geboren voor 1 januari 1950? Dan geldt dit.",
        "Mensen die geboren zijn na 31-12-1950",
        "born before 1 January 1950",
        "U bent van 1950. Hij is geboren in 1950.",
        "geboren op 31-02-1950",
        "Bel 030 789 78 78 of 0800-2000, op werkdagen 10:00-12:00.",
        "https://www.ciz.example/12-03-1950/besluit",
        "artikel 3.2.1 van de Wlz en artikel 12.3.1950a",
        "Uw kenmerk is JL-2011-00042 en 12345678.",
        "€ 21,80 per maand (bedrag 2010)",
        "geboren: 12-3-50-7",
    ],
)
def test_other_dates_are_left_alone(text: str) -> None:
    assert dates(text) == []


@given(st.text(alphabet="0123456789-/. geborn'maprt19\n", max_size=80))
def test_what_is_found_lies_in_the_text_and_holds_a_digit(text: str) -> None:
    for start, end in birth_dates(text):
        assert 0 <= start < end <= len(text) and any(map(str.isdigit, text[start:end]))


def test_a_long_text_takes_little_time() -> None:
    text = "geboren " * 6000 + "12 03 " * 6000 + "x " * 20000 + "geboren op 12-03-1950"
    assert dates(text)[-1] == "12-03-1950"
