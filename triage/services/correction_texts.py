"""The words of a correction: the mail by which a person tells the sender of another day than was promised.

It wears the frame of the acknowledgement and knows no more than that does: the reference, two days and why they differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from jinja2 import Template

from triage.core.promises import Compared, Reason
from triage.core.sla import dutch_date
from triage.errors import ConfigError
from triage.ports import LetterText
from triage.services.acknowledgement import BETWEEN, AcknowledgementTexts, languages_of
from triage.services.own_texts import Fault, TextError
from triage.services.wording import as_plain, english_date

CORRECTION_VARIABLES = (
    "organisation", "website", "privacy_url", "telephone", "hours", "reference", "reason", "promised_day", "answer_day",
)  # fmt: skip
_TEXTS = {"nl": "correction/nl.txt.j2", "en": "correction/en.txt.j2"}
_SUBJECTS = {"nl": "Nieuwe datum voor uw antwoord", "en": "A new date for your answer"}


class CorrectionTexts:
    """Writes corrections from the product's texts and those of the organisation in their place."""

    def __init__(self, frame: AcknowledgementTexts) -> None:
        """`frame` is sound: its HTML part and its files are used."""
        self._frame = frame
        self._texts: dict[str, Template] = {}
        self.faults = tuple(dict.fromkeys(self._faults()))

    def require_sound(self) -> None:
        """Raises ConfigError that names each fault with its file and the mend."""
        if self.faults:
            raise ConfigError("; ".join(str(fault) for fault in self.faults))

    def write(
        self, compared: Compared, *, reference: str, subject_token: str, due: datetime, language: str
    ) -> LetterText:
        """The correction in the languages in which a mail in `language` is acknowledged; `due` is what holds now."""
        languages = languages_of(language)
        promised = compared.promise.promised_for
        texts = []
        for lang in languages:
            day = dutch_date if lang == "nl" else english_date
            values = {
                **self._frame.ourselves(lang),
                "reference": reference,
                "reason": str(compared.reason),
                "promised_day": day(promised) if promised is not None else "",
                "answer_day": day(due),
            }
            texts.append((lang, self._text(lang, values)))
        return LetterText(
            subject=f"{' / '.join(_SUBJECTS[lang] for lang in languages)} {subject_token}",
            text=BETWEEN.join(as_plain(text) for _, text in texts),
            html=self._frame.marked_up(texts, _SUBJECTS[languages[0]]),
        )

    def samples(self, lang: str) -> list[str]:
        """The text in this language (nl or en) for each reason, as marked lines; without faults only."""
        return [self._text(lang, values) for values in self._situations(lang)]

    def file(self, lang: str) -> str:
        """The file that the text in this language comes from."""
        return self._frame.files.shown(_TEXTS[lang])

    def _situations(self, lang: str) -> Iterator[dict[str, Any]]:
        days = {
            "nl": ("donderdag 26 november", "vrijdag 27 november"),
            "en": ("Thursday 26 November", "Friday 27 November"),
        }
        for reason, telephone in itertools.product(Reason, (None, "")):
            yield {
                **self._frame.ourselves(lang, telephone),
                "reference": "JL-2026-00042",
                "reason": str(reason),
                "promised_day": days[lang][0],
                "answer_day": days[lang][1],
            }

    def _text(self, lang: str, values: Mapping[str, Any]) -> str:
        return self._frame.files.render(self._texts[lang], values)

    def _faults(self) -> Iterator[Fault]:
        """Renders every situation, so that nothing is left to fail when a person presses the button."""
        for lang, name in _TEXTS.items():
            try:
                self._texts[lang] = self._frame.files.template(name, CORRECTION_VARIABLES)
                for values in self._situations(lang):
                    text = self._text(lang, values)
                    for variable in ("reference", "answer_day"):
                        if values[variable] not in text:
                            problem = f"the text lacks {{{{ {variable} }}}}: put it back"
                            yield Fault(self._frame.files.shown(name), problem)
            except TextError as exc:
                yield exc.fault
