"""Beheer, the part about the acknowledgement's texts: whose they are, and how a sender sees them."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response

from triage.errors import NotFound
from triage.ports import AcknowledgementSamples
from triage.web.desk import Visit

KINDS = {"gewoon": "normal", "spoed": "urgent", "laat": "late", "sluiting": "closed"}
"""The word in the address → the kind of sample."""
CSP_OF_A_MAIL = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "sandbox"
)
"""A mail has its style inside; nothing else of it may work here."""


def preview_screen(visit: Visit) -> Response:
    """Subject and text part of an invented mail's acknowledgement, and the way to its HTML part."""
    samples, language, kind = _asked(visit)
    return visit.page(
        "bevestiging.html",
        letter=samples.sample(language, KINDS[kind], visit.now),
        language=language,
        languages=samples.languages,
        kind=kind,
        kinds=tuple(KINDS),
        html_address="/beheer/bevestiging/html?" + urlencode({"taal": language, "soort": kind}),
    )


def html_screen(visit: Visit) -> Response:
    """The HTML part as it is sent, byte for byte."""
    samples, language, kind = _asked(visit)
    letter = samples.sample(language, KINDS[kind], visit.now)
    return HTMLResponse(letter.html, headers={"Content-Security-Policy": CSP_OF_A_MAIL})


def _asked(visit: Visit) -> tuple[AcknowledgementSamples, str, str]:
    """(samples, language, kind) of the address. Raises NotFound for what there is no sample of."""
    language, kind = visit.query("taal") or "nl", visit.query("soort") or "gewoon"
    samples = visit.desk.letters
    if samples is None or language not in samples.languages or kind not in KINDS:
        raise NotFound("no such sample")
    return samples, language, kind
