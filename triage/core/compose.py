"""A finished mail: text and a few facts → RFC 5322 bytes with CRLF, ready for DATA.

Pure. What comes from outside (addresses, Message-IDs, a subject that staff typed) is checked or left out here, so that
no header can be injected and no line grows beyond 998 octets (RFC 5322 §2.1.1), whatever the incoming mail held.
Header values are folded here: Python 3.11's own folding turns a long Message-ID in References into an encoded word.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from triage.core.mail import EmailAddress, ParsedMail, without_plus
from triage.core.workdays import AMSTERDAM

_LONGEST_ID = 250
_MOST_REFERENCES = 20
_LONGEST_ADDRESS = 320
_LONGEST_SUBJECT = 200
_SHORT_LINE = 76

_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")  # printable ASCII without space, <, > and a second @
_READY_VALUE = re.compile(r"[^\x00-\x1f\x7f]{1,990}(?:\r\n [^\x00-\x1f\x7f]{1,990})*")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_ATOMS_AND_DOTS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')
_DOMAIN = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})|\[[!-Z^-~]+\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_ANY_TOKEN = re.compile(r"\s*\[JL-\d{4}-\d+-[A-Z0-9]+\]", re.IGNORECASE)
_PREFIX = re.compile(r"(?:(?:re|aw|sv|antw|antwoord|betr)(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)


class _ReadyHeaders(EmailPolicy):
    """Keeps header values as given: `_set` has checked and folded them, and parsing them again costs 0.5 ms a mail."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        return name, value

    def header_max_count(self, name: str) -> int:
        return 1  # a second From or Subject is refused, whatever the header

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        return value


_POLICY = _ReadyHeaders(linesep="\r\n", refold_source="none", max_line_length=None, raise_on_defect=False)
_POLICY_UTF8 = _POLICY.clone(utf8=True)
_FOLDING = SMTP.clone(max_line_length=75)  # an encoded word may be 75 long (RFC 2047 §2); the default makes 77


def _set(message: EmailMessage, name: str, value: str) -> None:
    if not _READY_VALUE.fullmatch(value):
        raise ValueError(f"the value for {name} cannot stand in a header")
    message[name] = value


def compose(
    *,
    sender: EmailAddress,
    to: Sequence[str],
    cc: Sequence[str] = (),
    subject: str,
    date: datetime,
    message_id: str,
    text: str,
    html: str | None = None,
    in_reply_to: str | None = None,
    references: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a mail: text/plain, or multipart/alternative when `html` is given; quoted-printable UTF-8.

    `to` and `cc` are `local@domain`; raises ValueError (without the address) for one that no header can hold.
    Ids that are not well-formed are left out, many references are shortened. `date` is aware and fixed by the caller.
    """
    recipients = [header_address(address) for address in to]
    copies = [header_address(address) for address in cc]
    international = not all(address.isascii() for address in (*recipients, *copies, sender.address))
    policy = _POLICY_UTF8 if international else _POLICY
    message = EmailMessage(policy=policy)
    _set(message, "From", _from_value(sender.display_name, sender.address))
    if recipients:
        _set(message, "To", ",\r\n ".join(recipients))
    if copies:
        _set(message, "Cc", ",\r\n ".join(copies))
    _set(message, "Subject", _subject_value(clean_subject(subject)))
    _set(message, "Date", format_datetime(date.astimezone(AMSTERDAM)))
    _set(message, "Message-ID", message_id)
    if in_reply_to is not None and well_formed_id(in_reply_to):
        _set(message, "In-Reply-To", in_reply_to)
    shortened = shorten_references(references)
    if shortened:
        _set(message, "References", "\r\n ".join(shortened))
    for name, value in (headers or {}).items():
        _set(message, name, value)
    message["MIME-Version"] = "1.0"
    if html is None:
        _fill(message, "plain", text)
    else:
        # "=_" never stands in quoted-printable text (RFC 2045 §6.7), so no part can hold the boundary
        boundary = "=_" + hashlib.sha256(message_id.encode()).hexdigest()[:32]
        message["Content-Type"] = f'multipart/alternative;\r\n boundary="{boundary}"'
        parts: list[Message | str] = []
        for subtype, content in (("plain", text), ("html", html)):
            part = EmailMessage(policy=policy)
            _fill(part, subtype, content)
            parts.append(part)
        message.set_payload(parts)
    return message.as_bytes()


def _fill(part: EmailMessage, subtype: str, text: str) -> None:
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    # the library's own encoder walks character by character and costs more than the rest of the mail
    part.set_payload(binascii.b2a_qp(clean_text(text).encode()).decode("ascii"))


def clean_text(text: str) -> str:
    """The text with `\\n` line ends, without control characters, ending in one line end."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text).rstrip("\n") + "\n"


def clean_subject(subject: str) -> str:
    """One line without control characters, at most 200 characters; never empty."""
    line = " ".join(_CONTROL.sub(" ", subject).split())
    return line[:_LONGEST_SUBJECT].rstrip() or "Bericht"


def reply_subject(subject: str, token: str) -> str:
    """The subject with the case token once, at the end, and at most one reply prefix in front (RFC 5322 §3.6.5)."""
    line = " ".join(_CONTROL.sub(" ", _ANY_TOKEN.sub(" ", subject)).split())
    prefix = _PREFIX.match(line)
    if prefix:
        line = ("Re: " + line[prefix.end() :]).rstrip()
    line = line[: _LONGEST_SUBJECT - len(token) - 1].rstrip()
    return f"{line} {token}".strip()


def _subject_value(subject: str) -> str:
    if subject.isascii() and len(subject) <= _SHORT_LINE - len("Subject: ") and "=?" not in subject:
        return subject
    return _folded("Subject", subject)


def _folded(name: str, value: str) -> str:
    """The library's folding and encoded words (RFC 2047), without name and last line end."""
    folded: str = SMTP.header_factory(name, value).fold(policy=_FOLDING)
    return folded[len(name) + 1 :].strip()


@lru_cache(maxsize=8)
def _from_value(display_name: str, address: str) -> str:
    # our own address may be an international domain, never an international local part
    ready = header_address(address)
    return _folded("From", str(Address(display_name=_CONTROL.sub("", display_name), addr_spec=ready)))


def header_address(address: str) -> str:
    """`local@domain` as it may stand in a header and an envelope: domain as A-label, odd local parts quoted.

    Non-ASCII only in the local part (RFC 6531). Raises ValueError, without the address, when it cannot be written.
    """
    local, at, domain = address.strip().rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            domain = ""
    if "=?" not in local and _DOT_ATOM.fullmatch(local):
        written = local if not _CONTROL.search(local) and local.isprintable() else ""
    elif _ATOMS_AND_DOTS.fullmatch(local):  # "jan..smit", or what looks like an encoded word
        written = f'"{local}"'
    else:
        written = local if _QUOTED.fullmatch(local) else ""
    if not (at and written and _DOMAIN.fullmatch(domain)) or len(written.encode()) + len(domain) > _LONGEST_ADDRESS:
        raise ValueError("an address cannot be written in a header")
    return f"{written}@{domain}"


def is_writable(address: str) -> bool:
    """Whether a mail can be addressed to it at all."""
    try:
        header_address(address)
    except ValueError:
        return False
    return True


def well_formed_id(message_id: str) -> bool:
    """A Message-ID that may be copied into our headers (RFC 5322 §3.6.4, with the characters servers really use)."""
    return len(message_id) <= _LONGEST_ID and _MESSAGE_ID.fullmatch(message_id) is not None


def stable_message_id(purpose: str, key: str, domain: str) -> str:
    """The same id for the same purpose and key, so that a second sending can be recognised. Shows nothing of `key`."""
    digest = hashlib.sha256(f"{purpose}\0{key}".encode()).hexdigest()[:32]
    return f"<{digest}.{purpose}@{domain}>"


def threading_of(mail: ParsedMail) -> tuple[str | None, tuple[str, ...]]:
    """(In-Reply-To, References) of an answer to this mail (RFC 5322 §3.6.4); without its Message-ID no In-Reply-To."""
    answered = mail.message_id if mail.message_id and well_formed_id(mail.message_id) else None
    earlier = mail.references or (mail.in_reply_to if len(mail.in_reply_to) == 1 else ())
    return answered, shorten_references((*earlier, *((answered,) if answered else ())))


def shorten_references(ids: Iterable[str]) -> tuple[str, ...]:
    """Well-formed ids in order, without repeats; of a long row the first and the last ones."""
    kept = list(dict.fromkeys(reversed([one for one in ids if well_formed_id(one)])))
    kept.reverse()  # of a repeated id the last place counts: the answered mail stands last
    if len(kept) > _MOST_REFERENCES:
        kept = [kept[0], *kept[-(_MOST_REFERENCES - 1) :]]
    return tuple(kept)


def reply_addresses(mail: ParsedMail, own: frozenset[str]) -> tuple[str, ...]:
    """Where a person's reply goes: Reply-To when it names anyone but us, else From (RFC 5322 §3.6.3); may be empty.

    `own` are our addresses as `without_plus` gives them.
    """
    for group in (mail.reply_to, mail.from_addresses):
        found: dict[str, str] = {}
        for candidate in group:
            if is_writable(candidate.address) and without_plus(candidate.address) not in own:
                found.setdefault(candidate.normalised, candidate.address.strip())
        if found:
            return tuple(found.values())
    return ()


_NAME_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*\.?|(?:[^\W\d_]\.)+")
_NAME_PARTICLES = frozenset("van de der den het ter ten te el al ben bin la le du von zu da dos di in 't op 'd".split())
_NOT_A_PERSON = re.compile(
    r"team|info|zorg|gemeente|stichting|afdeling|loket|kantoor|huis|thuis|hospi|kliniek|praktijk|arts|verple|balie|post"
    r"|secretari|admin|familie|fam\b|mail|service|klant|contact|bewind|advies|advoca|bureau|groep|vereniging|school|raad"
    r"|centrum|receptie|directie|planning|sociaal|wijk|wmo|wlz|jeugd|pgb|ciz|svb|cak|noreply|reply|support|desk|bv\b|vof\b"
    r"|mantel|cli[eë]nt|pati[eë]nt|namens|via|mijn|moeder|vader|mama|papa|palliatie|iphone|samsung|outlook|gebruiker|user",
    re.IGNORECASE,
)


def person_name(display_name: str) -> str:
    """The display name when it surely reads as a person's first and last name, else "" (then nobody is misnamed)."""
    words = display_name.strip().strip("\"'").split()
    if not 2 <= len(words) <= 5 or len(display_name) > 60 or _NOT_A_PERSON.search(display_name):
        return ""
    for word in words:
        if word.lower() in _NAME_PARTICLES:
            continue
        if (
            not _NAME_WORD.fullmatch(word)
            or not word[0].isupper()
            or (word.isupper() and len(word) > 3 and "." not in word)
        ):
            return ""
    if words[-1].lower() in _NAME_PARTICLES or words[-1].endswith(".") or len(words[-1]) < 2:
        return ""
    return " ".join(words)
