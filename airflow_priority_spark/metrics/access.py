# SPDX-License-Identifier: Apache-2.0
"""Who may read metrics: basic authentication against a small file.

Prometheus sends name and password with every scrape, so a check has to be cheap as well as safe: one
derivation by PBKDF2, and the last name and password that were right are remembered by their digest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

from airflow_priority_spark.errors import InvalidInput

_SCHEME: Final = "pbkdf2-sha256"
_ROUNDS: Final = 200_000


def hash_password(password: str, salt: bytes | None = None, rounds: int = _ROUNDS) -> str:
    """Return what a users file has after the name: scheme, rounds, salt and digest."""
    salt = salt if salt is not None else secrets.token_bytes(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    return f"{_SCHEME}${rounds}${salt.hex()}${digest.hex()}"


def _right(password: str, stored: str) -> bool:
    _, rounds, salt, _ = stored.split("$")
    return hmac.compare_digest(hash_password(password, bytes.fromhex(salt), int(rounds)), stored)


class Users:
    """The names and passwords of a file; empty lets everybody in.

    :raises InvalidInput: naming the file and the line that cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._hashes = _read(path) if path else {}
        self._open = not path
        self._known: bytes | None = None

    def admit(self, authorization: str | None) -> bool:
        """Tell whether an ``Authorization`` header is right."""
        if self._open:
            return True
        if not authorization or not authorization.lower().startswith("basic "):
            return False
        digest = hashlib.sha256(authorization.encode()).digest()
        if self._known is not None and hmac.compare_digest(self._known, digest):
            return True
        try:
            name, _, password = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        # An unknown name takes as long as a wrong password.
        stored = self._hashes.get(name, hash_password("", b"nobody"))
        right = _right(password, stored) and name in self._hashes
        if right:
            self._known = digest
        return right


def _read(path: str) -> dict[str, str]:
    option = "[priority_spark] metrics_users_file"
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InvalidInput(option, path, f"a file that can be read ({error.strerror})") from None
    found = {}
    for number, line in enumerate(lines, 1):
        name, _, stored = line.strip().partition(":")
        if not name or name.startswith("#"):
            continue
        if not _is_hash(stored):
            # Never the line itself: it may hold a password.
            raise InvalidInput(option, f"{path}, line {number}", "name:hash as --hash-password prints it")
        found[name] = stored
    if not found:
        raise InvalidInput(option, path, "at least one line name:hash")
    return found


def _is_hash(text: str) -> bool:
    parts = text.split("$")
    if len(parts) != 4 or parts[0] != _SCHEME or not parts[1].isdigit():
        return False
    try:
        return bool(bytes.fromhex(parts[2]) and bytes.fromhex(parts[3]))
    except ValueError:
        return False
