"""Folder names as servers have them: SPECIAL-USE (RFC 6154), namespaces, delimiters, Dutch names, odd encodings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imapclient.exceptions import IMAPClientError, ProtocolError
from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.response_parser import parse_response

_USUAL_NAMES = {
    "sent": ("Verzonden", "Verzonden items", "Verzonden berichten", "Sent", "Sent Items", "Sent Messages"),
    "drafts": ("Concepten", "Drafts", "Draft"),
    "junk": ("Ongewenste e-mail", "Ongewenste reclame", "Spam", "Junk", "Junk E-mail"),
    "trash": ("Prullenbak", "Verwijderde items", "Trash", "Deleted Items", "Deleted Messages"),
}


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """One line of LIST. `flags` in lower case; `name` is decoded, `delimiter` "" when the folder has none."""

    name: str
    flags: frozenset[str]
    delimiter: str

    @property
    def is_usable(self) -> bool:
        return not self.flags & {"\\noselect", "\\nonexistent"}


def list_folders(client: Any) -> list[ListedFolder]:
    """Every folder the server tells of. SPECIAL-USE marks are asked for where that must be done (RFC 6154 §5.1)."""
    if client.has_capability("SPECIAL-USE") and client.has_capability("LIST-EXTENDED"):
        try:
            return _listed(client, '"*" RETURN (SPECIAL-USE)')
        except (ProtocolError, IMAPClientError) as exc:
            if " failed: " not in str(exc) and "command error" not in str(exc):
                raise  # the connection is lost; a refusal or BAD is answered by asking the plain way
    return _listed(client, '"*"')


def _listed(client: Any, wanted: str) -> list[ListedFolder]:
    imap = client._imap
    kind, data = imap._simple_command("LIST", '""', wanted)
    client._checkok("list", kind, data)
    kind, lines = imap._untagged_response(kind, data, "LIST")
    parsed = parse_response([line for line in lines if line])
    found = []
    for flags, delimiter, name in zip(parsed[::3], parsed[1::3], parsed[2::3], strict=True):
        words = frozenset(flag.decode("ascii", "replace").lower() for flag in flags if isinstance(flag, bytes))
        mark = delimiter.decode("ascii", "replace") if isinstance(delimiter, bytes) else ""
        found.append(ListedFolder(_decoded(name), words, mark))
    return found


def _decoded(name: object) -> str:
    """Modified UTF-7 (RFC 3501 §5.1.3); a server that sends something else has its name shown as it came."""
    if not isinstance(name, bytes):
        return str(name)
    if not name.isascii():
        return name.decode("utf-8", "replace")
    try:
        return str(decode_utf7(name))
    except ValueError:
        return name.decode("ascii")


def find_folder(client: Any, use: str, configured: str) -> tuple[str, bool]:
    """(name, exists) of the folder for `use`: sent, drafts, junk or trash.

    The one the server marks so, else the configured name, else a usual name that exists, so that no second Sent
    folder appears beside "Verzonden items"; else the configured name inside our namespace, to be made."""
    listed = list_folders(client)
    usable = [folder.name for folder in listed if folder.is_usable]
    for folder in listed:
        if f"\\{use}" in folder.flags and folder.is_usable:
            return folder.name, True
    prefix, delimiter = _personal_namespace(client, listed)
    for wanted in (configured, *_USUAL_NAMES[use]):
        for name in (wanted, prefix + wanted):
            if wanted and name in usable:
                return name, True
    name = configured if configured.startswith(prefix) else prefix + configured
    return (name.replace("/", delimiter) if delimiter else name), False


def _personal_namespace(client: Any, listed: Sequence[ListedFolder]) -> tuple[str, str]:
    """(prefix, delimiter) for new folders, such as ("INBOX.", ".") (RFC 9051 §6.3.10)."""
    if client.has_capability("NAMESPACE"):
        personal = client.namespace().personal
        if personal:
            return str(personal[0][0]), str(personal[0][1] or "")
    return "", next((folder.delimiter for folder in listed if folder.delimiter), "")


def quoted_folder(name: str) -> str:
    """The folder as an error text names it: shared ones bear their owner's address on some servers, and an error
    text holds none."""
    return f'"{name}"' if "@" not in name else "(named after an address)"
