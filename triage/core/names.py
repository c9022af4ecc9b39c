"""Display names as claims: anybody can call themselves anything (RFC 5322 §3.4)."""

from __future__ import annotations

import re

from triage.core.mail import EmailAddress

_ADDRESS_LIKE = re.compile(r"[^\s<>\"'(),;:]{1,64}\s?(?:@|\(at\)|\[at\])\s?[^\s<>\"'(),;:]{1,190}", re.IGNORECASE)


def poses_as_other(display_name: str, address: str) -> bool:
    """Does the name show an address that is not the one the mail came from? Staff then see the real one first."""
    real = EmailAddress(address).normalised if address else ""
    for match in _ADDRESS_LIKE.finditer(display_name[:500]):
        shown = re.sub(r"\s|\(at\)|\[at\]", lambda m: "" if m[0].isspace() else "@", match[0]).strip("@.")
        if "@" in shown and EmailAddress(shown).normalised != real:
            return True
    return False
