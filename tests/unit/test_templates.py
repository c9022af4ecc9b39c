"""Every template with every sample case; every block with its sources and its language level."""

from __future__ import annotations

import itertools
import re
import shutil
import statistics
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.letter_cases import NOW, TEMPLATES, a_case, a_mail, assessed, letters
from triage.core.actions import Acknowledge
from triage.core.assessment import LAWS, Urgency
from triage.core.gate import Correspondents, findings, normalised
from triage.core.promises import Compared, Difference, Promise, Reason
from triage.core.readability import MOST_MEAN_WORDS, MOST_WORDS, sentences, words_in
from triage.core.sla import dutch_date
from triage.errors import ConfigError
from triage.services.knowledge import SECTIONS, Knowledge
from triage.services.wording import english_date

SAMPLES = Path(__file__).resolve().parents[2] / "triage" / "demo" / "samples"
BLOCKS = letters().knowledge.blocks
TOPICS = {f"T{number:02}" for number in (*range(1, 37), 90, 91, 99)}
LAW_NAMES = {"jeugdwet": "Jeugdwet", "wmo": "Wmo 2015", "wlz": "Wlz", "zvw": "Zvw"}
# statements that domain.md marks as unverified; they may not reach a citizen
UNVERIFIED = (
    "restitutie", "Wkkgz", "artikel 114", "artikel 13a", "Regeling zorgverzekering", "TOPD", "civiele rechter",
    "alleen volwassenen", "psychische stoornis, alleen", "inkomensafhankelijke bijdrage voor de Wmo",
)  # fmt: skip


def test_the_knowledge_base_covers_every_law_and_topic() -> None:
    assert len(BLOCKS) >= 60
    for law in LAWS:
        assert sum(law in block.laws for block in BLOCKS) >= 5, law
    covered = {topic for block in BLOCKS for topic in block.topics}
    assert TOPICS - covered == {"T99"}  # thanks need no block
    assert {"gemeente", "wlz", "zvw"} <= letters().knowledge.remedies.keys()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.id)
def test_a_block_is_complete_and_readable(block) -> None:  # type: ignore[no-untyped-def]
    assert set(block.topics) <= TOPICS and set(block.laws) <= set(LAWS)
    assert block.urgency and set(block.urgency) <= {str(one) for one in Urgency}
    assert set(block.audience) <= {"citizen", "professional"} and block.responsible_body
    assert block.footnotes and all(note.url.startswith(("https://", "http://")) for note in block.footnotes)
    assert set(block.sections) <= set(SECTIONS) and set(block.sections_en) <= set(SECTIONS)
    if block.urgency != ("regular",):
        assert "eerst" in block.sections, "an urgent block begins with what to do now"
    text = " ".join(item for items in block.sections.values() for item in items)
    said = f"{text} {' '.join(i for items in block.for_professionals.values() for i in items)}".lower()
    assert not [phrase for phrase in UNVERIFIED if phrase.lower() in said]
    assert not [statement for statement in block.to_check if statement.lower() in said]
    assert "{{" not in text and "**" not in text and "**U**" not in text
    for sentence in sentences(text) + sentences(" ".join(i for items in block.sections_en.values() for i in items)):
        assert words_in(sentence) <= MOST_WORDS, sentence
    for law in block.laws:
        if len(block.laws) < 4 and not block.remedy:
            assert LAW_NAMES[law] in text or f"({LAW_NAMES[law]})" in text, law


def test_the_mean_sentence_is_short() -> None:
    lengths = [
        words_in(sentence)
        for block in BLOCKS
        for items in block.sections.values()
        for item in items
        for sentence in sentences(item)
    ]
    assert statistics.mean(lengths) <= MOST_MEAN_WORDS
    assert len(lengths) > 400


def test_amounts_stand_with_their_year() -> None:
    block = next(block for block in BLOCKS if block.id == "eigen-bijdrage-wmo")
    assert "€ 21,80 per maand (bedrag 2026)" in " ".join(block.sections["kort"])
    for block in BLOCKS:
        raw = (TEMPLATES / "knowledge" / f"{block.id}.md").read_text("utf-8")
        assert "€" not in raw and "EUR" not in raw, "amounts stand in amounts.toml"


def test_law_texts_name_the_version_that_was_read() -> None:
    notes = [note for block in BLOCKS for note in block.footnotes if "wetten.overheid.nl" in note.url]
    unknown = {note.name for note in notes if note.version_read is None}
    assert all(name.startswith(("Algemene wet bestuursrecht", "Algemene termijnenwet")) for name in unknown)
    assert all(note.version_read <= date(2026, 11, 22) for note in notes if note.version_read)


def test_blocks_on_a_changed_law_are_marked_for_a_new_look() -> None:
    """The Jeugdwet has a newer text since 2026 than the one that was read."""
    on_it = [block for block in BLOCKS if any(note.name.startswith("Jeugdwet") for note in block.footnotes)]
    assert len(on_it) >= 10
    for block in on_it:
        assert "recheck" in block.stale(NOW.date(), timedelta(days=365)), block.id


@pytest.mark.parametrize("language", ["nl", "en", "und", "de", "fr", "tr", "ar", "pl", "uk", "es", "fy", "zh"])
def test_every_acknowledgement_renders(language: str) -> None:
    for late, urgent in itertools.product((False, True), repeat=2):
        promised = NOW + timedelta(days=-3 if late else 5)
        action = Acknowledge(language, promised, NOW + timedelta(days=3) if urgent else None)
        raw = letters().acknowledgement(a_mail(), a_case(), action, identity_key="k", now=NOW).raw
        assert b"{{" not in raw and b"{%" not in raw and b"None" not in raw


@pytest.mark.parametrize("language", ["nl", "en", "und", "de"])
def test_every_correction_tells_both_days_and_why(language: str) -> None:
    case = a_case()
    promise = Promise(NOW, "acknowledgement", "system", NOW + timedelta(days=1))
    days = {"nl": (dutch_date,), "en": (english_date,), "und": (dutch_date,)}.get(language, (dutch_date, english_date))
    texts = set()
    for reason in Reason:
        compared = Compared(promise, Difference.LATER, reason)
        found = letters().correction(case, compared, to="anna@post.example", language=language)
        assert case.reference in found.text and found.subject.endswith(case.subject_token)
        assert not [mark for mark in ("{{", "{%", "None", "\n\n\n", "> ", "## ") if mark in found.text]
        for day in days:
            assert day(case.answer_due) in found.text
            assert day(case.answer_due) in found.html.replace("\xa0", " ")
            assert (day(NOW + timedelta(days=1)) in found.text) == (reason in (Reason.WAITED, Reason.CALENDAR))
        assert statistics.mean(len(one.split()) for one in sentences(found.text)) <= 12
        texts.add(found.text)
    assert len(texts) == len(Reason)  # each reason has words of its own


@pytest.mark.parametrize("urgency", list(Urgency))
@pytest.mark.parametrize("language", ["nl", "en", "tr"])
def test_every_draft_renders_and_passes_the_gate(language: str, urgency: Urgency) -> None:
    sets: list[tuple[str, ...]] = [(), *((law,) for law in LAWS), *itertools.combinations(LAWS, 2), LAWS]
    mail = a_mail("Wie beslist hierover en wat kan ik doen?")
    for laws, topic in itertools.product(sets, sorted(TOPICS)):
        for unclear, danger in ((False, False), (True, False), (False, True)):
            found = assessed(laws, (topic,), urgency, language=language, laws_unclear=unclear, danger=danger)
            draft = letters().draft(mail, found, a_case())
            assert draft.body.count("[[handtekening]]") == 1
            assert "{{" not in draft.body and "None" not in draft.body and "\n\n\n" not in draft.body
            assert ("Veilig Thuis" in draft.body) == danger or topic == "T99"
            known = Correspondents(writers=normalised(draft.to))
            gate = findings(recipients=draft.to, subject="", body=draft.body, own_addresses=(), correspondents=known)
            assert gate == (), (laws, topic, gate)
            assert not [one for block in BLOCKS for one in block.to_check if one in draft.body]
            numbers = {int(mark) for mark in re.findall(r"\[(\d+)\]", draft.body)}
            assert numbers == set(range(1, len(numbers) + 1))


def test_every_sample_mail_gets_a_letter_and_a_draft() -> None:
    from triage.core.parse import parse_mail

    files = sorted(SAMPLES.glob("*.eml"))
    assert len(files) >= 50
    for path in files:
        mail = parse_mail(path.read_bytes())
        draft = letters().draft(mail, assessed(("wmo",), ("T24",)), a_case())
        for line in mail.new_text.splitlines():
            if len(line.split()) > 7:
                assert line.strip() not in draft.body, "a draft never quotes"
        if mail.from_address is not None:
            raw = letters().acknowledgement(mail, a_case(), Acknowledge("nl", NOW, None), identity_key="k", now=NOW).raw
            assert b"Auto-Submitted: auto-replied" in raw


def broken(tmp_path: Path, change: tuple[str, str]) -> Path:
    for name in (
        "vervoer.md",
        "bezwaar-gemeente.md",
        "zvw-oneens.md",
        "amounts.toml",
        "terms.toml",
        "facts.toml",
    ):
        shutil.copy(TEMPLATES / "knowledge" / name, tmp_path / name)
    (tmp_path / "questions.toml").write_text('[vervoer]\nquestions = ["Wie betaalt de taxi?"]\n', encoding="utf-8")
    (tmp_path / "mails.jsonl").write_text("", encoding="utf-8")
    path = tmp_path / "vervoer.md"
    text = path.read_text("utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('id = "vervoer"', 'id = "anders"'), "file name"),
        (('status = "verified"', 'status = "zeker"'), "status"),
        (('title = "', 'titel = "'), "title is missing"),
        (("checked_on = 2026-11-22", 'checked_on = "gisteren"'), "checked_on"),
        (("## kort\n\nHet", "## kortom\n\nHet"), "kortom"),
        (("Het doel van de rit", "{{ amount('onbekend') }}"), "onbekend"),
        (("Het doel van de rit", "{{ geheim }}"), "geheim"),
        (('remedies = ["gemeente", "zvw"]', 'remedies = ["koning"]'), "koning"),
        (("+++\nid", "id"), "front matter"),
        (('id = "vervoer"', "id = vervoer"), "TOML"),
    ],
)
def test_a_faulty_block_is_named_at_the_start(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Knowledge(broken(tmp_path, change))


def test_a_folder_without_blocks_is_refused(tmp_path: Path) -> None:
    for name in ("amounts.toml", "terms.toml", "questions.toml", "facts.toml"):
        shutil.copy(TEMPLATES / "knowledge" / name, tmp_path)
    with pytest.raises(ConfigError, match="no answer blocks"):
        Knowledge(tmp_path)


def test_questions_for_no_block_are_refused(tmp_path: Path) -> None:
    folder = broken(tmp_path, ('title = "', 'title = "'))
    (folder / "questions.toml").write_text('[koning]\nquestions = ["Wie?"]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="questions for koning"):
        Knowledge(folder)


def test_blocks_that_nobody_verified_are_left_to_people(tmp_path: Path) -> None:
    found = assessed(("wmo", "zvw"), ("T28",))
    text = "Wie betaalt de taxi naar de dagbesteding en de boodschappen?"
    assert Knowledge(TEMPLATES / "knowledge").choose(found, text)[0].block.id == "vervoer"
    folder = shutil.copytree(TEMPLATES / "knowledge", tmp_path / "knowledge")
    block = folder / "vervoer.md"
    block.write_text(block.read_text("utf-8").replace('status = "verified"', 'status = "unverified"'), encoding="utf-8")
    unverified = Knowledge(folder)
    assert "vervoer" not in [one.block.id for one in unverified.choose(found, text)]
    assert unverified.suggest(found, text)[0].block.id == "vervoer"
