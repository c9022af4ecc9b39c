"""From bytes to a reading: parse, screen, classify, assess. No database, no network; safe in a child process."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from triage.core.assess import assess, judged_text, needs_verdict
from triage.core.assessment import Assessment, Verdict
from triage.core.automated import screen
from triage.core.language import detect_language
from triage.core.mail import MessageKind, ParsedMail, Screening
from triage.core.parse import parse_mail
from triage.core.text_kind import screen_by_text
from triage.logs import get_logger
from triage.ports import Classifier


@dataclass(frozen=True, slots=True)
class Reading:
    """All that can be said of a mail from its bytes alone."""

    mail: ParsedMail
    screening: Screening
    assessment: Assessment


_MODEL_SECONDS = 30.0  # for a batch; fifty mails take less than one
_ALONE_SHARE = 0.1  # of that, for one text of a batch that took too long
_MOST_HANGING = 6


class ModelTooSlow(Exception):
    """The classifier gave no verdict in time."""


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
        model_seconds: float = _MODEL_SECONDS,
    ) -> None:
        """A batch of which the verdicts take longer than `model_seconds` goes on without: an acknowledgement does
        not wait for the model."""
        self.classifier = classifier
        self._model_seconds = model_seconds
        self._hanging: list[threading.Thread] = []
        self._own_addresses = tuple(own_addresses)
        self._authserv_id = authserv_id
        self.model_languages = model_languages  # another model may know other languages

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
            verdict = verdicts.get(i)
            if verdict is not None:
                screening = screen_by_text(mail, screening, verdict.machine_kind)
            try:
                assessment = assess(
                    mail,
                    screening,
                    verdict,
                    language=detect_language(mail.new_text or mail.text or mail.subject),
                    model_languages=self.model_languages,
                )
                readings.append(Reading(mail, screening, assessment))
            except Exception as exc:
                get_logger().error("mail_not_assessed", exc_info=exc)
                readings.append(Unread(type(exc).__name__))
        return readings

    def judge(self, text: str) -> Assessment:
        """Our reading of a text that a person brought from elsewhere, as of the new text of a question."""
        mail = ParsedMail(text=text, new_text=text)
        (verdict,) = self._verdicts([judged_text(mail)])
        return assess(
            mail,
            Screening(MessageKind.QUESTION),
            verdict,
            language=detect_language(text),
            model_languages=self.model_languages,
        )

    def judge_again(self, texts: Sequence[tuple[str, str, bool]]) -> list[Assessment | None]:
        """Our reading of texts that were judged before, as (judged text, language then found, unreadable mail); same
        order. None where the classifier failed, or judges without a model: that is no reading to put over another."""
        found: list[Assessment | None] = []
        verdicts = self._verdicts([text for text, _, _ in texts])
        for (text, language, unreadable), verdict in zip(texts, verdicts, strict=True):
            if verdict is None or not verdict.urgency_thresholds:
                found.append(None)
                continue
            kind = MessageKind.UNREADABLE if unreadable else MessageKind.QUESTION
            mail = ParsedMail(text=text, new_text=text)
            found.append(
                assess(mail, Screening(kind), verdict, language=language, model_languages=self.model_languages)
            )
        return found

    def _verdicts(self, texts: Sequence[str]) -> list[Verdict | None]:
        """A batch that fails or takes too long is judged one by one, for at most the same time again; a text without
        a verdict becomes `possible`."""
        if not texts:
            return []
        try:
            return list(self._in_time(texts, self._model_seconds))
        except Exception as exc:
            get_logger().error("classifier_failed", count=len(texts), exc_info=exc)
        if len(texts) == 1:
            return [None]
        until, alone = time.monotonic() + self._model_seconds, self._model_seconds * _ALONE_SHARE
        verdicts: list[Verdict | None] = []
        for text in texts:
            try:
                verdicts.extend(self._in_time([text], min(alone, until - time.monotonic())))
            except Exception as exc:
                get_logger().error("classifier_failed", count=1, exc_info=exc)
                verdicts.append(None)
        return verdicts

    def _in_time(self, texts: Sequence[str], seconds: float) -> Sequence[Verdict]:
        """The verdicts; raises ModelTooSlow, or what the classifier raised.

        A thread cannot be ended: the one that hangs is left behind, and too many of those stop the asking, so that
        they do not pile up. The mail itself is safe: without a verdict it is a case with the short term."""
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if seconds <= 0 or len(self._hanging) >= _MOST_HANGING:
            raise ModelTooSlow
        given: list[Sequence[Verdict]] = []
        raised: list[Exception] = []

        def ask() -> None:
            try:
                given.append(self.classifier.verdicts(texts))
            except Exception as exc:
                raised.append(exc)

        thread = threading.Thread(target=ask, name="classifier", daemon=True)
        thread.start()
        thread.join(seconds)
        if raised:
            raise raised[0]
        if not given:
            self._hanging.append(thread)
            raise ModelTooSlow
        return given[0]
