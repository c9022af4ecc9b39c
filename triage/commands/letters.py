"""`letters preview` and `letters check`: what senders read, with no mail server needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from triage.bootstrap import acknowledgement_texts, utc_now
from triage.commands.deadlines import read_moment
from triage.commands.output import say, show
from triage.core.readability import MOST_MEAN_WORDS, MOST_WORDS, readability, sentences, words_in
from triage.errors import ConfigError
from triage.ports import SAMPLE_KINDS, LetterText
from triage.services.acknowledgement import TEXTS, AcknowledgementTexts
from triage.services.correction_texts import CorrectionTexts
from triage.settings import load_settings


def preview(*, to: Path | None, language: str, urgent: bool, arrived: str) -> int:
    """Prints one acknowledgement, or writes every sample into the folder `to` and prints the names."""
    texts = acknowledgement_texts(load_settings())
    texts.require_sound()
    try:
        moment = read_moment(arrived) if arrived else utc_now()
        if to is None:
            show(_as_text(texts.sample(language, "urgent" if urgent else "normal", moment)))
        else:
            _write_all(texts, to, moment)
    except (ValueError, OverflowError) as exc:
        say(f"error: {exc}")
        return 2
    return 0


def _as_text(letter: LetterText) -> str:
    return f"Subject: {letter.subject}\n\n{letter.text}\n"


def _write_all(texts: AcknowledgementTexts, folder: Path, arrived: datetime) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for language in texts.languages:
            for kind in SAMPLE_KINDS:
                letter = texts.sample(language, kind, arrived)
                for ending, content in (("txt", _as_text(letter)), ("html", letter.html)):
                    path = folder / f"{language}-{kind}.{ending}"
                    path.write_text(content, encoding="utf-8")
                    show(f"{path}\n")
    except OSError as exc:
        raise ConfigError(f"--to {folder} cannot be written ({exc.strerror}): choose another folder") from None


def check() -> int:
    """Prints a line per text and per finding; 1 when something must be mended."""
    texts = acknowledgement_texts(load_settings())
    findings = [str(fault) for fault in texts.faults]
    if not findings:
        corrections = CorrectionTexts(texts)
        findings = [str(fault) for fault in corrections.faults]
        for language in TEXTS if not findings else ():
            samples = [texts.sample(language, kind, utc_now()).text for kind in SAMPLE_KINDS]
            findings += _reading(texts.file(language), samples)
            findings += _reading(corrections.file(language), corrections.samples(language))
    for finding in findings:
        show(f"  [wrong] {finding}\n")
    show("\nSomething must be mended; see above.\n" if findings else "\nAll well.\n")
    return 1 if findings else 0


def _reading(name: str, letters: Sequence[str]) -> list[str]:
    """Shows how a text reads, all its variants together; returns what is too hard."""
    figures = readability(list(dict.fromkeys(sentence for text in letters for sentence in sentences(text))))
    show(
        f"  {name}: {figures.sentences} sentences, the longest {figures.longest} words (at most {MOST_WORDS}), "
        f"mean {figures.mean:.1f} (at most {MOST_MEAN_WORDS:.0f})\n"
    )
    found = [f"{name}: {words_in(one)} words, make it two sentences: {one}" for one in figures.too_long]
    if figures.mean > MOST_MEAN_WORDS:
        found.append(f"{name}: the sentences are long, {figures.mean:.1f} words on average: shorten them")
    return found
