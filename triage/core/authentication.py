"""What our own mail server found of a sender: failed DMARC (RFC 8601, RFC 7489)."""

from __future__ import annotations

import re

import authres
import authres.core

from triage.core.mail import ParsedMail

_DMARC_NONE = re.compile(r"\bp\s*=\s*none\b|policy\.\S{0,20}=none\b", re.IGNORECASE)
# authres raises a SyntaxError of its own that is not Python's.
_AUTH_ERRORS = (authres.core.SyntaxError, ValueError, LookupError, AttributeError, TypeError, RecursionError)


def authentication_failed(mail: ParsedMail, authserv_id: str) -> bool:
    """DMARC failed according to our own server (RFC 8601 §5: other servers' words count for nothing)."""
    if not authserv_id:
        return False
    wanted = authserv_id.strip().lower()
    for value in mail.header_values("authentication-results")[:50]:
        low = value[:8_000].lower()
        if "dmarc" not in low or wanted not in low[:500]:
            continue
        try:
            header = authres.AuthenticationResultsHeader.parse_value(value[:8_000])
            if str(header.authserv_id).lower() != wanted:
                continue
            failed = any(str(r.method).lower() == "dmarc" and str(r.result).lower() == "fail" for r in header.results)
        except _AUTH_ERRORS:
            continue  # "unknown" is neither pass nor fail
        if failed and not _DMARC_NONE.search(low[low.find("dmarc") :][:200]):
            return True
    return False
