"""The sample mailbox that comes with the product: raw mails of invented people."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "samples"


def sample_paths() -> list[Path]:
    """The sample mails in order of arrival (their file names are numbered)."""
    return sorted(_FOLDER.glob("*.eml"))


def load(path: Path) -> bytes:
    """The mail as it came: CRLF line ends, nothing decoded."""
    return path.read_bytes()
