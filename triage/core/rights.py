"""Who may do what: the one table of roles and rights, for the screens and for the services beneath them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    MEDEWERKER = "medewerker"
    TRAINEE = "trainee"
    TOEZICHTHOUDER = "toezichthouder"
    BEHEERDER = "beheerder"


class Right(StrEnum):
    """A thing a role may or may not do."""

    SEE_CASES = "see_cases"
    WORK = "work"  # claim, release a claim, wait, resume, reopen; confirm and correct the assessment, but for lowering
    AUDIT = "audit"  # look at a case of the audit sample; call an urgent question missed
    DRAFT = "draft"
    NOTE = "note"
    RELEASE = "release"  # approve, take back an approval, reject a draft
    DECIDE = "decide"  # close, no reply needed, lower urgency, take the danger flag away
    RESEND = "resend"  # send an uncertain or refused mail again
    SEE_RAW = "see_raw"
    SUPERVISE = "supervise"
    ADMINISTER = "administer"


_ALL = frozenset(Role)
MAY: Mapping[Right, frozenset[Role]] = {
    Right.SEE_CASES: _ALL,
    Right.WORK: frozenset({Role.MEDEWERKER, Role.TRAINEE}),
    Right.AUDIT: frozenset({Role.MEDEWERKER, Role.TRAINEE, Role.TOEZICHTHOUDER}),
    Right.DRAFT: frozenset({Role.MEDEWERKER, Role.TRAINEE}),
    Right.NOTE: frozenset({Role.MEDEWERKER, Role.TRAINEE, Role.TOEZICHTHOUDER}),
    Right.RELEASE: frozenset({Role.MEDEWERKER}),
    Right.DECIDE: frozenset({Role.MEDEWERKER}),
    Right.RESEND: frozenset({Role.MEDEWERKER, Role.BEHEERDER}),
    Right.SEE_RAW: frozenset({Role.MEDEWERKER, Role.BEHEERDER}),
    Right.SUPERVISE: frozenset({Role.TOEZICHTHOUDER, Role.BEHEERDER}),
    Right.ADMINISTER: frozenset({Role.BEHEERDER}),
}


def role_may(role: str, right: Right) -> bool:
    """False for a role that is not in the table."""
    return role in MAY[right]
