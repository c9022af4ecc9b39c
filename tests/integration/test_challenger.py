"""`train --with-feedback` on the product's own database and a small corpus, up to the model in use."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from classifiers.labelled import CORPUS, LOG
from classifiers.manifest import Manifest
from tests.integration.harness import Harness, mail
from triage.adapters.model_folder import ModelFolder
from triage.commands import models as commands
from triage.commands.judging import evaluate
from triage.core.assessment import Band, Urgency
from triage.errors import TriageError
from triage.model_choice import classifier_for
from triage.settings import load_settings

NAME = "Quispelaar"
QUESTIONS = (
    f"Wie regelt de wijkverpleging voor {NAME}? De verpleegkundige komt minder uren.",
    "Mijn zoon krijgt geen jeugdhulp van de gemeente. Waar kan ik bezwaar maken?",
    "Ik zoek een traplift en huishoudelijke hulp. Betaalt de gemeente dat?",
)


def lines(source: Path, target: Path, every: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = source.read_text(encoding="utf-8").splitlines()[::every]
    target.write_text("\n".join(kept) + "\n", encoding="utf-8")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    """A corpus of a few dozen mails, and a helpdesk whose database the commands use."""
    corpus = tmp_path / "corpus"
    for name in ("a1", "a2", "a3"):
        lines(CORPUS / "train" / f"{name}.jsonl", corpus / "train" / f"{name}.jsonl", 4)
    lines(CORPUS / "test" / "t1.jsonl", corpus / "test" / "t1.jsonl", 3)
    kept = [
        line
        for line in (CORPUS / "challenge" / "c1.jsonl").read_text(encoding="utf-8").splitlines()
        if json.loads(line)["test"] == "MFT"
    ][::8]
    (corpus / "challenge").mkdir()
    (corpus / "challenge" / "c1.jsonl").write_text("\n".join(kept) + "\n", encoding="utf-8")
    monkeypatch.setattr(commands, "CORPUS", corpus)
    for name in [name for name in os.environ if name.startswith("TRIAGE_")]:
        monkeypatch.delenv(name)
    data = tmp_path / "data"
    data.mkdir()
    for name, value in {"CONFIG_DIR": str(tmp_path), "DATA_DIR": str(data), "MODEL__ENCODER": "off"}.items():
        monkeypatch.setenv(f"TRIAGE_{name}", value)
    desk = Harness(data)
    yield desk
    desk.store.close()


def judged(desk: Harness, count: int, *, missed: bool = False) -> None:
    """So many mails of which a person said the laws; of the last one that it was missed."""
    user = desk.user()
    for number in range(1, count + 1):
        desk.mailbox.deliver(mail(number, body=QUESTIONS[number % 3]))
    while desk.poll().handled:
        pass
    for number in range(1, count + 1):
        reference = f"JL-2026-{number:05d}"
        version = desk.store.queries.case_page(reference).case.version
        law = (("zvw",), ("jeugdwet",), ("wmo",))[number % 3]
        desk.casework.corrections.correct_laws(reference, user=user, version=version, laws=law)
    if missed:
        version = desk.store.queries.case_page(reference).case.version
        desk.casework.corrections.correct_urgency(
            reference, user=user, version=version, urgency=Urgency.PALLIATIVE, band=Band.URGENT, reason=""
        )


def test_too_little_feedback_is_said_and_makes_nothing(small: Harness) -> None:
    judged(small, 19)
    with pytest.raises(TriageError, match="19 mails, 20 are needed"):
        commands.train_with_feedback(seed=1)
    assert not (small.folder / "models").exists()


def scorings(log: str) -> int:
    """Lines that begin with a date."""
    return sum(line.startswith("| 20") for line in log.splitlines())


@pytest.mark.slow
def test_from_feedback_to_a_model_in_use_and_back(small: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    judged(small, 24, missed=True)
    noted = LOG.read_text(encoding="utf-8")
    assert commands.train_with_feedback(seed=1) == 0
    printed = capsys.readouterr()
    (one,) = ModelFolder(small.folder).challengers()
    directory = small.folder / "models" / one.id
    assert {path.name for path in directory.iterdir()} >= {
        "model.skops", "manifest.json", "CARD.md", "comparison.json", "COMPARISON.md",
    }  # fmt: skip
    assert not [path for path in directory.parent.iterdir() if path.name.startswith(".")]
    assert f"model {one.id} written to {directory}" in printed.out and "## Locked test" in printed.out
    manifest = Manifest.read(directory / "manifest.json")
    assert manifest.corpus["feedback"]["rows"] == 24 and manifest.encoder is None
    assert one.comparison is not None
    comparison = json.loads((directory / "comparison.json").read_text(encoding="utf-8"))
    assert comparison["regression"]["n"] == 1
    written = b"".join(path.read_bytes() for path in directory.parent.rglob("*") if path.is_file())
    for text in (written, printed.out.encode(), printed.err.encode()):
        assert NAME.lower().encode() not in text.lower() and b"@mensen" not in text

    # every scoring of the locked test stands in the data folder's log, none in the repository's
    log = (small.folder / "models" / "LOCKED_TEST.md").read_text(encoding="utf-8")
    assert scorings(log) == 2 and one.id in log
    assert LOG.read_text(encoding="utf-8") == noted
    assert one.id in (directory / "CARD.md").read_text(encoding="utf-8").partition("## Locked test")[2]

    # a small model is hardly ever as good as the product's: the comparison is what decides
    settings = load_settings()
    shipped = classifier_for(settings).model_id
    if one.comparison.refused:
        with pytest.raises(TriageError, match="refuses"):
            commands.promote(one.id, anyway=False, reason="")
    assert commands.promote(one.id, anyway=True, reason="oefening") == 0
    assert classifier_for(settings).model_id.startswith(one.id)
    assert commands.list_models() == 0
    assert f"* {one.id}" in capsys.readouterr().out

    # scoring a file with it is noted in the data folder as well
    assert evaluate(commands.CORPUS / "test" / "t1.jsonl", as_json=True) == 0
    assert scorings((small.folder / "models" / "LOCKED_TEST.md").read_text(encoding="utf-8")) == 3
    assert LOG.read_text(encoding="utf-8") == noted

    assert commands.rollback() == 0
    assert classifier_for(settings).model_id == shipped
    assert commands.compare(one.id) == 0
    capsys.readouterr()
    assert ModelFolder(small.folder).challengers()[0].comparison.champion == shipped  # type: ignore[union-attr]
