"""The answer blocks as people may look at them, and what became of them in replies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class BlockSource:
    """A rule or page that a block rests on."""

    name: str
    url: str
    version_read: date | None


@dataclass(frozen=True, slots=True)
class BlockView:
    """An answer block; `sections` (name, texts) in the order of a letter. `sections_en` may be empty."""

    id: str
    title: str
    laws: tuple[str, ...]
    topics: tuple[str, ...]
    audience: tuple[str, ...]
    responsible_body: str
    checked_on: date
    status: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]
    sections_en: tuple[tuple[str, tuple[str, ...]], ...]
    sources: tuple[BlockSource, ...]


@dataclass(frozen=True, slots=True)
class BlockFigures:
    """What became of a block in a period: drafts it stood in, replies that left, and what staff kept of it in those.

    `sentences` stood in the machine's drafts of these replies, `kept` of them in what was approved; in `nothing_left`
    replies not one was left. `last_used`: the last approval of a reply that left, None when there is none."""

    block_id: str
    drafts: int = 0
    replies: int = 0
    sentences: int = 0
    kept: int = 0
    nothing_left: int = 0
    last_used: datetime | None = None

    @property
    def share_kept(self) -> float | None:
        """In [0, 1]; None when no reply left."""
        return self.kept / self.sentences if self.sentences else None

    @property
    def share_nothing_left(self) -> float | None:
        """In [0, 1]; None when no reply left."""
        return self.nothing_left / self.replies if self.replies else None
