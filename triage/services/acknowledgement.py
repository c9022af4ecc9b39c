"""The words of the acknowledgement (`product.md` section 6): written, checked at the start, and shown as samples.

The same words whatever was asked: a text knows the reference, the days and the organisation, nothing of the mail.
"""

from __future__ import annotations

import html
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Template

from triage.core.actions import Acknowledge
from triage.core.assessment import Band
from triage.core.promises import promised_by
from triage.core.sla import SlaRules, dutch_date, terms_for
from triage.core.workdays import WorkCalendar, local_date
from triage.errors import ConfigError
from triage.ports import OTHER_LANGUAGE, SAMPLE_KINDS, LetterText
from triage.services.own_texts import Fault, OwnTexts, TextError
from triage.services.wording import as_blocks, as_plain, closings, english_date, telephone_hours
from triage.settings import Organisation, TelephoneSettings

TEXT_VARIABLES = (
    "organisation", "website", "privacy_url", "telephone", "hours", "reference", "answer_day", "answer_late",
    "take_up_day", "closings",
)  # fmt: skip
HTML_VARIABLES = ("lang", "title", "organisation", "line", "line_lang", "line_dir", "letters")
TEXTS = {"nl": "acknowledgement/nl.txt.j2", "en": "acknowledgement/en.txt.j2"}
_HTML = "acknowledgement/letter.html.j2"
_LANGUAGES = "acknowledgement/languages.toml"

_RECEIVED = {"nl": "Wij hebben uw bericht ontvangen", "en": "We have received your message"}
_CLOSED_AHEAD = timedelta(days=7)
BETWEEN = "\n\n* * *\n\n"
"""What stands between the languages of one letter."""
_A_LINE = "A line in the language of the sender."
_HELP = (
    ("112", r"(?<![\d-])112(?!\d)"),
    ("113", r"(?<![\d-])113(?!\d)"),
    ("the huisartsenpost", "huisartsenpost"),
    ("Veilig Thuis with its number 0800-2000", r"Veilig Thuis.{0,60}0800[- ]?2000"),
    ("the request to send no BSN", r"\bBSN\b"),
)
"""What every acknowledgement says, with how it is found."""


def languages_of(language: str) -> tuple[str, ...]:
    """In which languages a mail in this language is answered by itself."""
    return {"en": ("en",), "nl": ("nl",), "und": ("nl",)}.get(language, ("nl", "en"))


class AcknowledgementTexts:
    """Writes acknowledgements from the product's texts and those of the organisation in their place.

    A fault in a text does not raise: `faults` tells them, and `require_sound` stops the start."""

    def __init__(
        self,
        *,
        templates: Path,
        own: Path | None,
        organisation: Organisation,
        telephone: TelephoneSettings,
        calendar: WorkCalendar,
    ) -> None:
        """Raises ConfigError when `own`, the folder with the organisation's texts, is not there."""
        self.files = OwnTexts(templates, own)
        """The product's files, and the organisation's in their place."""
        self._organisation, self._telephone, self._calendar = organisation, telephone, calendar
        self._texts: dict[str, Template] = {}
        self._html: Template | None = None
        self._lines: Mapping[str, Mapping[str, str]] = {}
        self.faults = tuple(dict.fromkeys(self._faults()))
        """All that must be mended before a mail may be written."""

    @property
    def own_files(self) -> Sequence[str]:
        """The organisation's files, by the names of those they replace."""
        return self.files.files

    @property
    def languages(self) -> Sequence[str]:
        """What `sample` takes: our two languages, those with a line, and one that stands for all others."""
        return tuple(dict.fromkeys((*TEXTS, *self._lines, OTHER_LANGUAGE)))

    def file(self, language: str) -> str:
        """The file that the text in this language (nl or en) comes from."""
        return self.files.shown(TEXTS[language])

    def require_sound(self) -> None:
        """Raises ConfigError that names each fault with its file and the mend."""
        if self.faults:
            raise ConfigError("; ".join(str(fault) for fault in self.faults))

    # ---------------------------------------------------------------- writing

    def write(
        self,
        action: Acknowledge,
        *,
        reference: str,
        subject_token: str,
        now: datetime,
        calendar: WorkCalendar | None = None,
    ) -> LetterText:
        """The acknowledgement in the language of the mail; other languages than ours get both texts."""
        languages = languages_of(action.language)
        texts = [
            (lang, self._text(lang, self._values(lang, reference, action, now, calendar or self._calendar)))
            for lang in languages
        ]
        line = self._lines.get(action.language, {}) if len(languages) == 2 else {}
        plain = BETWEEN.join(as_plain(text) for _, text in texts)
        return LetterText(
            subject=f"{' / '.join(_RECEIVED[lang] for lang in languages)} {subject_token}",
            text=f"{line['line']}\n\n{plain}" if line else plain,
            html=self.marked_up(texts, _RECEIVED[languages[0]], line, action.language),
        )

    def _values(
        self, lang: str, reference: str, action: Acknowledge, now: datetime, calendar: WorkCalendar
    ) -> dict[str, Any]:
        day = dutch_date if lang == "nl" else english_date
        today = local_date(now)
        promised, take_up = promised_by(action, now)
        return {
            **self.ourselves(lang),
            "reference": reference,
            "answer_day": day(action.promised_answer),
            "answer_late": promised is None,
            "take_up_day": day(take_up) if take_up is not None else "",
            "closings": closings(calendar, today, max(today + _CLOSED_AHEAD, local_date(action.promised_answer)), lang),
        }

    def ourselves(self, lang: str, telephone: str | None = None) -> dict[str, str]:
        """What every letter says of the organisation; `telephone` None is the number of the settings."""
        return {
            "organisation": self._organisation.name,
            "website": self._organisation.website,
            "privacy_url": self._organisation.privacy_url,
            "telephone": self._telephone.number if telephone is None else telephone,
            "hours": telephone_hours(self._telephone.hours, lang),
        }

    def _text(self, lang: str, values: Mapping[str, Any]) -> str:
        return self.files.render(self._texts[lang], values)

    def marked_up(
        self, texts: Sequence[tuple[str, str]], title: str, line: Mapping[str, str] | None = None, language: str = ""
    ) -> str:
        """The HTML part of a letter: (language, marked text) of each half, below a line in the sender's language."""
        line = line or {}
        assert self._html is not None, "require_sound comes first"
        values = {
            "lang": texts[0][0],
            "title": title,
            "organisation": self._organisation.name,
            "line": line.get("line", ""),
            "line_lang": language if line else "",
            "line_dir": line.get("dir", "ltr") if line else "",
            "letters": [{"lang": lang, "blocks": as_blocks(text)} for lang, text in texts],
        }
        return self.files.render(self._html, values)

    def sample(self, language: str, kind: str, arrived: datetime) -> LetterText:
        """The acknowledgement of an invented mail that arrived then; `late` is written the day after its day.
        Raises ValueError for a language that is not in `languages` or a kind that is not in SAMPLE_KINDS."""
        if language not in self.languages:
            raise ValueError(f"no text for the language {language!r}; there are {', '.join(self.languages)}")
        if kind not in SAMPLE_KINDS:
            raise ValueError(f"no sample of the kind {kind!r}; there are {', '.join(SAMPLE_KINDS)}")
        calendar = self._calendar
        if kind == "closed":
            closed = calendar.nth_working_day_after(local_date(arrived), 2)
            calendar = replace(calendar, closing_days={**calendar.closing_days, closed: "sluitingsdag"})
        terms = terms_for(Band.URGENT if kind == "urgent" else Band.NORMAL, arrived, SlaRules(calendar))
        reference = f"JL-{local_date(arrived).year}-00042"
        return self.write(
            Acknowledge(language, terms.answer_due, terms.take_up_due),
            reference=reference,
            subject_token=f"[{reference}-K7]",
            now=terms.answer_due + timedelta(days=1) if kind == "late" else arrived,
            calendar=calendar,
        )

    # ---------------------------------------------------------------- checking

    def _faults(self) -> Iterator[Fault]:
        """Compiles everything and renders every situation, so that nothing is left to fail in the middle of a mail."""
        faults = list(self.files.strangers)
        try:
            self._lines = self._read_lines()
        except TextError as exc:
            faults.append(exc.fault)
        for lang, name in TEXTS.items():
            try:
                self._texts[lang] = self.files.template(name, TEXT_VARIABLES)
            except TextError as exc:
                faults.append(exc.fault)
        try:
            self._html = self.files.template(_HTML, HTML_VARIABLES, html=True)
        except TextError as exc:
            faults.append(exc.fault)
        yield from faults
        if self._html is not None:
            for lang in self._texts:
                yield from self._faults_of(lang)

    def _faults_of(self, lang: str) -> Iterator[Fault]:
        for values in self._situations(lang):
            try:
                text = self._text(lang, values)
                marked_up = self.marked_up([(lang, text)], _RECEIVED[lang])
                with_line = self.marked_up([(lang, text)], _RECEIVED[lang], {"line": _A_LINE, "dir": "rtl"}, "ar")
            except TextError as exc:
                yield exc.fault
                return
            plain, shown = _one_line(as_plain(text)), _shown_by(marked_up)
            for what, pattern in _pieces(values):
                if not re.search(pattern, plain):
                    yield Fault(self.file(lang), f"the text lacks {what}: put it back")
                elif not re.search(pattern, shown):
                    yield Fault(self.files.shown(_HTML), f"does not show {what}: put it back")
            if _A_LINE not in _shown_by(with_line):
                yield Fault(self.files.shown(_HTML), "does not show the line in another language, {{ line }}")

    def _situations(self, lang: str) -> Iterator[dict[str, Any]]:
        """normal, urgent and late; with and without closing days; with and without a telephone."""
        number = self._telephone.number or "030 123 45 67"
        days = {
            "nl": ("dinsdag 24 november", "woensdag 25 november"),
            "en": ("Tuesday 24 November", "Wednesday 25 November"),
        }
        closed = {"nl": "op donderdag 26 november (sluitingsdag)", "en": "on Thursday 26 November"}
        for kind, closing, telephone in itertools.product(
            ("normal", "urgent", "late"), ((), (closed[lang],)), (number, "")
        ):
            yield {
                **self.ourselves(lang, telephone),
                "reference": "JL-2026-00042",
                "answer_day": days[lang][1],
                "answer_late": kind == "late",
                "take_up_day": days[lang][0] if kind == "urgent" else "",
                "closings": list(closing),
            }

    def _read_lines(self) -> Mapping[str, Mapping[str, str]]:
        """Language code → its line, and the direction of its script."""

        def fault(problem: str) -> TextError:
            return TextError(Fault(self.files.shown(_LANGUAGES), problem))

        try:
            lines = tomllib.loads(self.files.read(_LANGUAGES))
        except tomllib.TOMLDecodeError as exc:
            raise fault(f"is not valid TOML: {exc}") from None
        for code, entry in lines.items():
            if not re.fullmatch(r"[a-z]{2}", code) or not isinstance(entry, dict):
                raise fault(f"{code} is no language code: write it like [de], with its line below")
            line = entry.get("line")
            if set(entry) - {"line", "dir"} or entry.get("dir", "ltr") not in ("ltr", "rtl"):
                raise fault(f'[{code}] takes line, and dir = "rtl" for a script from right to left')
            if not isinstance(line, str) or not line.strip() or "\n" in line:
                raise fault(f"[{code}] needs a line: one sentence in that language")
        return lines


def _pieces(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What this text must say, as (words for people, pattern)."""
    given = [
        ("the reference, {{ reference }}", values["reference"]),
        ("the promised day, {{ answer_day }}", values["answer_day"]),
        ("the privacy link, {{ privacy_url }}", values["privacy_url"]),
        ("the day of take-up, {{ take_up_day }}", values["take_up_day"]),
        ("the telephone number, {{ telephone }}", values["telephone"]),
    ]
    return [*((what, re.escape(_one_line(value))) for what, value in given if value), *_HELP]


def _shown_by(marked_up: str) -> str:
    without = re.sub(r"<(style|title)\b.*?</\1>|<!--.*?-->|<[^>]*>", " ", marked_up, flags=re.DOTALL)
    return _one_line(html.unescape(without))


def _one_line(text: str) -> str:
    return " ".join(text.split())
