"""From bytes to a reading: parse, screen, classify, assess. No database, no network; safe in a child process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triage.core.assess import assess, judged_text, needs_verdict
from triage.core.assessment import Assessment, Verdict
from triage.core.automated import screen
from triage.core.language import detect_language
from triage.core.mail import ParsedMail, Screening
from triage.core.parse import parse_mail
from triage.logs import get_logger
from triage.ports import Classifier


@dataclass(frozen=True, slots=True)
class Reading:
    """All that can be said of a mail from its bytes alone."""

    mail: ParsedMail
    screening: Screening
    assessment: Assessment


@dataclass(frozen=True, slots=True)
class Unread:
    """Reading failed; `error` is the class name of what was raised, never its text."""

    error: str


class Reader:
    """Reads batches: classification costs a seventh per mail when fifty are judged together."""

    def __init__(
        self,
        classifier: Classifier,
        *,
        own_addresses: Sequence[str],
        authserv_id: str,
        model_languages: frozenset[str],
    ) -> None:
        self.classifier = classifier
        self._own_addresses = tuple(own_addresses)
        self._authserv_id = authserv_id
        self._model_languages = model_languages

    def read(self, raws: Sequence[bytes]) -> list[Reading | Unread]:
        """One result per message, same order. A message that cannot be read does not touch the others."""
        parsed: list[tuple[ParsedMail, Screening] | Unread] = []
        for raw in raws:
            try:
                mail = parse_mail(raw)
                parsed.append((mail, screen(mail, own_addresses=self._own_addresses, authserv_id=self._authserv_id)))
            except Exception as exc:
                get_logger().error("mail_not_parsed", exc_info=exc)
                parsed.append(Unread(type(exc).__name__))
        to_judge = [i for i, item in enumerate(parsed) if not isinstance(item, Unread) and needs_verdict(item[1])]
        texts = [judged_text(item[0]) for i in to_judge if not isinstance(item := parsed[i], Unread)]
        verdicts = dict(zip(to_judge, self._verdicts(texts), strict=True))
        readings: list[Reading | Unread] = []
        for i, item in enumerate(parsed):
            if isinstance(item, Unread):
                readings.append(item)
                continue
            mail, screening = item
            try:
                assessment = assess(
                    mail,
                    screening,
                    verdicts.get(i),
                    language=detect_language(mail.new_text or mail.text or mail.subject),
                    model_languages=self._model_languages,
                )
                readings.append(Reading(mail, screening, assessment))
            except Exception as exc:
                get_logger().error("mail_not_assessed", exc_info=exc)
                readings.append(Unread(type(exc).__name__))
        return readings

    def _verdicts(self, texts: Sequence[str]) -> list[Verdict | None]:
        """A batch that fails is judged one by one; a text that fails has no verdict and becomes `possible`."""
        if not texts:
            return []
        try:
            return list(self.classifier.verdicts(texts))
        except Exception as exc:
            get_logger().error("classifier_failed", count=len(texts), exc_info=exc)
        if len(texts) == 1:
            return [None]
        return [verdict for text in texts for verdict in self._verdicts([text])]
