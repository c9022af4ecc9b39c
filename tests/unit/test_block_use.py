"""Which sentences of a block are still there: exact but for white space, numbers of steps and marks."""

from __future__ import annotations

import pytest

from triage.core.block_use import BlockUse, block_use

BLOCK = ("De gemeente beslist. Dat duurt zes weken.", "Bel het Wmo-loket.")
DRAFT = (
    "Wie beslist\n\nDe gemeente beslist. Dat duurt zes weken. [1][2] [[controleer deze regel: X]]\n\n"
    "1. Bel het Wmo-loket.\n"
)


@pytest.mark.parametrize(
    ("approved", "kept"),
    [
        (DRAFT, 3),
        ("De gemeente\nbeslist.   Dat duurt\n zes weken.\n\n2. Bel het Wmo-loket.", 3),
        ("De gemeente beslist. [3] Dat duurt zes weken.", 2),
        ("De gemeente beslist niet. Dat duurt zes weken, soms.", 0),
        ("Denk erom: De gemeente beslist. Bel het Wmo-loket.nl", 1),
        ("de gemeente beslist.", 0),
        ("", 0),
    ],
)
def test_what_is_kept(approved: str, kept: int) -> None:
    assert block_use(BLOCK, drafted=DRAFT, approved=approved) == BlockUse(3, kept)


def test_only_what_stood_in_the_draft_counts() -> None:
    assert block_use(BLOCK, drafted="Bel het Wmo-loket.", approved=DRAFT) == BlockUse(1, 1)
    assert block_use(BLOCK, drafted="Iets anders.", approved=DRAFT) == BlockUse(0, 0)


def test_a_sentence_that_stands_twice_in_a_block_counts_once() -> None:
    assert block_use(("Bel ons.", "Bel ons."), drafted="Bel ons. Bel ons.", approved="Bel ons.") == BlockUse(1, 1)
