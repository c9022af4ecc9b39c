"""Sealing: only the right key opens a value, only in its own place, and only unchanged."""

from __future__ import annotations

import base64
import os
import stat
import threading
from pathlib import Path

import pytest

from triage.adapters.seal import CHECK_ALPHABET, Keyring
from triage.errors import ConfigError, SealError

KEY = bytes(range(32))
WHERE = "messages:1:raw"


def test_opens_what_it_sealed_and_never_gives_the_same_bytes_twice() -> None:
    keyring = Keyring(KEY)
    first, second = keyring.seal(b"geheim", where=WHERE), keyring.seal(b"geheim", where=WHERE)
    assert keyring.open(first, where=WHERE) == keyring.open(second, where=WHERE) == b"geheim"
    assert first != second
    assert b"geheim" not in first
    assert first[:1] == b"\x01"
    assert first[1:9].hex() == keyring.key_id


def test_another_place_or_key_does_not_open() -> None:
    sealed = Keyring(KEY).seal(b"geheim", where=WHERE)
    with pytest.raises(SealError, match="belongs to another row"):
        Keyring(KEY).open(sealed, where="messages:2:raw")
    with pytest.raises(SealError, match="sealed with key"):
        Keyring(bytes(32)).open(sealed, where=WHERE)


def test_every_changed_byte_is_noticed() -> None:
    keyring = Keyring(KEY)
    sealed = keyring.seal(b"geheim", where=WHERE)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SealError):
            keyring.open(bytes(changed), where=WHERE)
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            keyring.open(sealed[:length], where=WHERE)


def test_lookup_is_keyed_and_total() -> None:
    assert Keyring(KEY).lookup("a") == Keyring(KEY).lookup("a") != Keyring(KEY).lookup("b")
    assert Keyring(KEY).lookup("a") != Keyring(bytes(32)).lookup("a")
    assert len(Keyring(KEY).lookup("\udcff")) == 64


def test_check_codes_are_spread_over_an_unambiguous_alphabet() -> None:
    codes = {Keyring(KEY).check_code(f"JL-2026-{number:05d}") for number in range(4000)}
    assert {len(code) for code in codes} == {2}
    assert set("".join(codes)) == set(CHECK_ALPHABET)
    assert not set(CHECK_ALPHABET) & set("01OI")
    assert len(codes) > 900
    assert Keyring(KEY).check_code("JL-2026-00042") != Keyring(bytes(32)).check_code("JL-2026-00042")


def test_sub_keys_differ() -> None:
    keyring = Keyring(KEY)
    assert len(keyring.session_key) == 32
    assert keyring.session_key != KEY
    assert KEY.hex() not in repr(keyring)


def test_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    made = Keyring.load(key=None, data_dir=tmp_path / "data")
    path = tmp_path / "data" / "seal.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Keyring.load(key=None, data_dir=tmp_path / "data").key_id == made.key_id


def test_threads_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(Keyring.load(key="", data_dir=tmp_path).key_id)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    Keyring.load(key=None, data_dir=tmp_path)
    (tmp_path / "seal.key").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        Keyring.load(key=None, data_dir=tmp_path)


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    text = base64.b64encode(KEY).decode()
    assert Keyring.load(key=text, data_dir=tmp_path).key_id == Keyring(KEY).key_id
    assert Keyring.load(key=base64.urlsafe_b64encode(KEY).decode(), data_dir=tmp_path).key_id == Keyring(KEY).key_id
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["geen sleutel", "AAAA", base64.b64encode(bytes(31)).decode(), "é"])
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="TRIAGE_SEAL__KEY") as caught:
        Keyring.load(key=text, data_dir=tmp_path)
    assert text not in str(caught.value)


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, b"xyz")
    os.close(descriptor)
    with pytest.raises(ConfigError, match=r"seal\.key"):
        Keyring.load(key=None, data_dir=tmp_path)
