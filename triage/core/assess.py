"""ParsedMail + Screening + Verdict → Assessment. Fails towards urgent: what cannot be judged is `possible`."""

from __future__ import annotations

from collections.abc import Mapping

from triage.core.assessment import LAWS, SOME_LAW, Assessment, Band, SenderType, Urgency, Verdict
from triage.core.mail import MessageKind, ParsedMail, Screening
from triage.core.text_kind import TEXT_HEAD

UNJUDGED_KINDS = frozenset(
    {
        MessageKind.AUTO_REPLY,
        MessageKind.DELIVERY_REPORT,
        MessageKind.LIST_OR_BULK,
        MessageKind.UNSOLICITED,
        MessageKind.OWN,
    }
)
_SHORT_COVER_NOTE = 60  # characters of own text up to which a forwarded body still carries the question
_TWILIGHT = 0.6  # "none of the four" is sure below this share of the gate


def judged_text(mail: ParsedMail) -> str:
    """What is judged: subject, blank line, new text; the forwarded body too when there is little own text."""
    own = mail.new_text.strip()
    parts = [mail.subject.strip(), own]
    forwarded = mail.forwarded_text.strip()
    if forwarded and len(own) <= _SHORT_COVER_NOTE and own != forwarded:
        parts.append(forwarded)
    elif not own:
        parts[1] = mail.text.strip()
    return "\n\n".join(part for part in parts if part) if any(parts[1:]) else parts[0]


def needs_verdict(screening: Screening) -> bool:
    """False for what is never classified: machine mail and bulk by their fields, own mail, a secure mail's wrapper."""
    if screening.kind in UNJUDGED_KINDS:
        return screening.by_words  # it may be a person's after all
    return screening.kind is not MessageKind.SECURE_MAIL_NOTICE


def assess(
    mail: ParsedMail,
    screening: Screening,
    verdict: Verdict | None,
    *,
    language: str,
    model_languages: frozenset[str],
) -> Assessment:
    """Our reading of one mail. `verdict` None means that the classifiers failed on it."""
    text = judged_text(mail)
    if screening.kind in UNJUDGED_KINDS and (not screening.by_words or _both_see_a_machine(screening, verdict)):
        return Assessment(band=Band.NORMAL, band_reason=str(screening.kind), language=language, judged_text=text)
    if screening.kind is MessageKind.SECURE_MAIL_NOTICE:
        return _unjudged(text, language, "secure_mail_notice")
    if verdict is None:
        return _unjudged(text, language, "classifier_error")

    laws, unclear, runner_up, margin = _laws(verdict)
    urgency, band, why = _band(verdict, text, language, model_languages)
    if screening.kind is MessageKind.UNREADABLE and band is Band.NORMAL:
        urgency, band, why = _likelier(verdict.probabilities), Band.POSSIBLE, "unreadable"
    return Assessment(
        laws=laws,
        laws_unclear=unclear,
        law_probabilities={law: verdict.probabilities[law] for law in LAWS if law in verdict.probabilities},
        runner_up=runner_up,
        margin=margin,
        urgency=urgency,
        band=band,
        urgency_probabilities={
            head: verdict.probabilities[head] for head in ("palliative", "transfer") if head in verdict.probabilities
        },
        band_reason=why,
        danger=_danger(verdict),
        sender_type=verdict.sender_type,
        topics=verdict.topics,
        language=language,
        evidence=verdict.evidence,
        neighbours=verdict.neighbours,
        unknown_words=verdict.unknown_words,
        nearest=verdict.neighbours[0].similarity if verdict.neighbours else None,
        judged_text=text,
        model=verdict.model,
    )


def _both_see_a_machine(screening: Screening, verdict: Verdict | None) -> bool:
    """The rules on words and the model's text head, each by itself: then a mail without telling headers is judged as
    little as one with them. It stays a case all the same; one of the two alone is no reason."""
    return verdict is not None and bool(verdict.machine_kind) and screening.rule != TEXT_HEAD


def _unjudged(text: str, language: str, why: str) -> Assessment:
    return Assessment(
        laws_unclear=True,
        urgency=Urgency.PALLIATIVE,
        band=Band.POSSIBLE,
        band_reason=why,
        sender_type=SenderType.OTHER,
        language=language,
        judged_text=text,
    )


def _laws(verdict: Verdict) -> tuple[tuple[str, ...], bool, str, float]:
    """(best set, unclear, runner-up, margin). The set holds every law over its cut; the likeliest one, marked unclear,
    where some law surely applies and none is over its cut; none where the model sees no law at all (the gate).
    Unclear too when the runner-up stands almost level with the weakest law of the set, or the gate was close."""
    if not all(law in verdict.probabilities for law in LAWS):
        return (), True, "", 0.0
    ratio = {law: verdict.probabilities[law] / max(verdict.law_thresholds[law], 1e-9) for law in LAWS}
    ordered = sorted(LAWS, key=lambda law: -ratio[law])
    some = verdict.probabilities.get(SOME_LAW, 1.0)
    if some < verdict.law_gate:
        best = ordered[0]
        margin = max(verdict.law_thresholds[best] - verdict.probabilities[best], 0.0)
        return (), ratio[best] >= 1.0 or some >= _TWILIGHT * verdict.law_gate, best, margin
    chosen = tuple(law for law in LAWS if ratio[law] >= 1.0) or (ordered[0],)
    outside = [law for law in ordered if law not in chosen]
    runner_up = outside[0] if outside else ""
    weakest = min(chosen, key=lambda law: ratio[law])
    margin = verdict.probabilities[weakest] - (verdict.probabilities[runner_up] if runner_up else 0.0)
    level = bool(runner_up) and ratio[runner_up] >= 0.85 and ratio[weakest] < 1.15
    return chosen, level or ratio[weakest] < 1.0, runner_up, margin


def _likelier(probabilities: Mapping[str, float]) -> Urgency:
    if probabilities.get("transfer", 0.0) > probabilities.get("palliative", 0.0):
        return Urgency.TRANSFER
    return Urgency.PALLIATIVE


def _band(verdict: Verdict, text: str, language: str, model_languages: frozenset[str]) -> tuple[Urgency, Band, str]:
    rules = [item for item in verdict.evidence if item.source == "rule" and item.head in ("palliative", "transfer")]
    firm = [item.head for item in rules if not item.softened_by and not item.support]
    knows_language = language == "und" or language in model_languages
    fired = {
        head
        for head, (_, high) in verdict.urgency_thresholds.items()
        if knows_language and head != "danger" and verdict.probabilities.get(head, 0.0) >= high
    }
    if fired or firm:
        heads = fired | set(firm)
        urgency = Urgency.PALLIATIVE if "palliative" in heads else Urgency.TRANSFER
        return urgency, Band.URGENT, "model" if fired else "rule"
    if rules:
        heads = {item.head for item in rules}
        urgency = Urgency.PALLIATIVE if "palliative" in heads else Urgency.TRANSFER
        why = "softened_rule" if all(item.softened_by for item in rules) else "support_rule"
        return urgency, Band.POSSIBLE, why
    likelier = _likelier(verdict.probabilities)
    if not any(letter.isalpha() for letter in text):
        return likelier, Band.POSSIBLE, "empty_text"
    if not verdict.urgency_thresholds:
        return likelier, Band.POSSIBLE, "no_model"
    if not knows_language:
        return likelier, Band.POSSIBLE, "language"
    low = [
        head
        for head, (cut, _) in verdict.urgency_thresholds.items()
        if head != "danger" and verdict.probabilities.get(head, 0.0) >= cut
    ]
    if low:
        return likelier, Band.POSSIBLE, "model"
    return Urgency.REGULAR, Band.NORMAL, "model"


def _danger(verdict: Verdict) -> bool:
    if any(item.source == "rule" and item.head == "danger" and not item.softened_by for item in verdict.evidence):
        return True
    _, high = verdict.urgency_thresholds.get("danger", (1.0, 1.1))
    return verdict.probabilities.get("danger", 0.0) >= high
