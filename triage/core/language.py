"""The language of a text: py3langid limited to the languages the desk can answer in or meets.

Dutch must not come out as its neighbours. Frisian, Afrikaans-like or German verdicts on short Dutch text are
corrected by counting common words, which decides reliably between these few languages.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

LANGUAGES = ("nl", "en", "de", "fr", "tr", "ar", "pl", "uk", "es", "fy")
UNDETERMINED = "und"
MIN_LETTERS = 20
_LOOKED_AT = 3_000
_LETTER = re.compile(r"[^\W\d_]")
_NOISE = re.compile(r"https?://\S{1,500}|\S{1,100}@\S{1,100}|^>.{0,1000}$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_COMMON = {
    "nl": frozenset(
        "de het een en van ik is dat niet te zijn op voor met die wij we je u uw "
        "mijn maar ook als er aan hij ze zij wat kan kunnen heeft hebben naar nog "
        "bij "
        "door worden wordt dan dit deze om over uit wel geen moet mag nu al graag "
        "vraag krijgt weet waar wie hoe zo heb bent ons onze".split()
    ),
    "de": frozenset(
        (
            "der die das und ich ist nicht ein eine zu mit auf für von sie wir es den "
            "dem dass auch haben hat kann mein meine wie bei oder aber"
        ).split()
    ),
    "en": frozenset(
        (
            "the and of to is in that i you for it my not with have are be we can this "
            "at on he she his her from what who how"
        ).split()
    ),
    "fy": frozenset(
        (
            "ik it de in fan is net dat te op foar mei dy wy jo myn mar ek as der oan "
            "hy sy wat kin hawwe hat nei noch by troch wurde dan dizze om oer út gjin "
            "moat no al ús heit mem bin sjoch sille fjoer yn"
        ).split()
    ),
}
_FRISIAN_ONLY = frozenset(
    (
        "fan foar wy jo myn ek oan hawwe nei troch wurde wurdt dizze oer út gjin "
        "moat moatte ús sille yn dy sy it graach mear bliuwe"
    ).split()
)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import LanguageIdentifier  # loads numpy and a model: only when first asked

    identifier = LanguageIdentifier.from_model_file("data/model.npz.xz", norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier


def _shares(words: list[str]) -> dict[str, float]:
    return {code: sum(1 for word in words if word in common) / len(words) for code, common in _COMMON.items()}


def detect_language(text: str) -> str:
    """ISO 639-1 code, or "und" for under 20 letters or an unsure verdict. Reads the first 3,000 characters."""
    sample = _NOISE.sub(" ", text[:_LOOKED_AT])
    if len(_LETTER.findall(sample)) < MIN_LETTERS:
        return UNDETERMINED
    code, probability = _identifier().classify(sample)
    words = [word.lower() for word in _WORD.findall(sample)]
    if not words:
        return UNDETERMINED
    shares = _shares(words)
    best = max(shares, key=lambda item: shares[item])
    if code == "fy":
        frisian = sum(1 for word in words if word in _FRISIAN_ONLY) / len(words)
        return "fy" if frisian >= 0.06 and shares["fy"] > shares["nl"] else "nl"
    if code != "nl" and shares["nl"] >= 0.15 and shares["nl"] > shares.get(code, 0.0) + 0.05:
        return "nl"
    if code == "nl" and best in ("de", "en") and shares[best] > shares["nl"] + 0.1:
        return best
    if float(probability) < 0.6 and shares[best] < 0.2:
        return UNDETERMINED
    return str(code)
