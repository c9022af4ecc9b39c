"""Sealing of personal data at rest, and the keyed hashes that look-ups use instead of clear values.

A sealed value is version byte + key id (8 bytes) + nonce (12) + AES-256-GCM ciphertext with tag (NIST SP 800-38D).
The place it was written for ("table:row_id:column") is authenticated with it, so a value moved to another row
does not open. One master key of 32 bytes; HKDF (RFC 5869) makes a key of its own for each use.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import stat
import time
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from triage.errors import ConfigError, SealError

KEY_FILE = "seal.key"
KEY_VARIABLE = "TRIAGE_SEAL__KEY"
CHECK_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 signs, without 0/O and 1/I
_KEY_BYTES = 32
_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12
_HEAD_BYTES = 1 + _KEY_ID_BYTES
_TAG_BYTES = 16
_WAIT_FOR_KEY_SECONDS = 2.0


class Keyring:
    """The master key's sub-keys. Holds no state that changes; may be shared by threads."""

    def __init__(self, master: bytes) -> None:
        if len(master) != _KEY_BYTES:
            raise ValueError(f"the master key has {len(master)} bytes instead of {_KEY_BYTES}")

        def derive(use: str, length: int = _KEY_BYTES) -> bytes:
            return HKDFExpand(SHA256(), length, f"triage/{use}/v1".encode()).derive(master)

        self._aead = AESGCM(derive("seal"))
        self._lookup_key = derive("lookup")
        self._check_key = derive("check-code")
        self._key_id = derive("key-id", _KEY_ID_BYTES)
        self._head = _VERSION + self._key_id
        self.session_key: bytes = derive("session")
        """For signing CSRF and session tokens."""

    def __repr__(self) -> str:
        return f"Keyring({self.key_id})"

    @classmethod
    def load(cls, *, key: str | None, data_dir: Path) -> Keyring:
        """The keyring of `key` (base64 of 32 bytes, from the environment), else of `data_dir/seal.key`.

        The file is made at the first start, mode 0600; processes that start at once agree on one key.
        Raises ConfigError when the value is no key, or when the file can be read by other users.
        """
        if key:
            return cls(_decoded(key, KEY_VARIABLE))
        path = data_dir / KEY_FILE
        if not path.exists():
            _make_key_file(path)
        return cls(_read_key_file(path))

    @property
    def key_id(self) -> str:
        """16 hex characters that name the key without giving it away."""
        return self._key_id.hex()

    def seal(self, plain: bytes, *, where: str) -> bytes:
        """`plain` sealed for one place, "table:row_id:column". Two calls never give the same bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._head + nonce + self._aead.encrypt(nonce, plain, self._head + where.encode())

    def open(self, sealed: bytes, *, where: str) -> bytes:
        """What was sealed for `where`. Raises SealError: other key, other place, or changed bytes."""
        if len(sealed) < _HEAD_BYTES + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _VERSION:
            raise SealError(f"{where}: not a sealed value")
        if sealed[1:_HEAD_BYTES] != self._key_id:
            raise SealError(f"{where}: sealed with key {sealed[1:_HEAD_BYTES].hex()}, not {self.key_id}")
        nonce, body = sealed[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES], sealed[_HEAD_BYTES + _NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, body, self._head + where.encode())
        except InvalidTag:
            raise SealError(f"{where}: the sealed value was changed or belongs to another row") from None

    def lookup(self, value: str) -> str:
        """64 hex characters that stand for `value` in the database: equal for equal values under one key."""
        return hmac.digest(self._lookup_key, value.encode("utf-8", "surrogatepass"), "sha256").hex()

    def check_code(self, reference: str) -> str:
        """The two characters behind a case reference in the subject; 1 in 1024 guesses is right."""
        digest = hmac.digest(self._check_key, reference.upper().encode(), hashlib.sha256)
        return CHECK_ALPHABET[digest[0] % 32] + CHECK_ALPHABET[digest[1] % 32]


def _decoded(text: str, source: str) -> bytes:
    compact = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        master = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        master = b""
    if len(master) != _KEY_BYTES:
        raise ConfigError(f"{source}: not a key; it must be the base64 form of {_KEY_BYTES} bytes")
    return master


def _make_key_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return  # another process was first; its key holds
    except OSError as exc:
        raise ConfigError(f"{path}: cannot make the key file ({exc.strerror}); check data_dir") from exc
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # rows sealed with this key must never outlive its file
    finally:
        os.close(folder)


def _read_key_file(path: Path) -> bytes:
    until = time.monotonic() + _WAIT_FOR_KEY_SECONDS
    while True:
        try:
            mode = path.stat().st_mode
            text = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "not text"
            raise ConfigError(f"{path}: cannot read the key file ({reason})") from exc
        if stat.S_IMODE(mode) & 0o077:
            raise ConfigError(f"{path}: other users can read the key file; mend it with: chmod 600 {path}")
        if text.strip():
            return _decoded(text, str(path))
        if time.monotonic() > until:  # empty: the process that made it was killed before anything was sealed
            raise ConfigError(f"{path}: the key file is empty; restore it, or delete it when nothing was stored yet")
        time.sleep(0.02)
