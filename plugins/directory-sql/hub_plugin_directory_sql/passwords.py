"""Hashes: ours are argon2id with SCRAM-SHA-256 keys, those from elsewhere are verified and replaced.

Everything here costs milliseconds and belongs into a thread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import Final

import argon2
import bcrypt
from scramp import ScramException, ScramMechanism
from scramp.utils import saslprep

from hub_plugin_directory_sql import shacrypt
from hub_plugin_directory_sql.changes import Secrets

MAX_PASSWORD: Final = 1024  # octets
_SCRAM: Final = ScramMechanism("SCRAM-SHA-256")
# RFC 2307 and Dovecot put the scheme before the hash; where the hash says so itself, the scheme is dropped.
_SCHEME: Final = re.compile(r"\{([A-Za-z0-9.-]+)\}")
_SELF_DESCRIBED: Final = frozenset(
    {"CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "BCRYPT", "ARGON2I", "ARGON2ID"}
)
_DIGESTS: Final = {
    "SHA": "sha1",
    "SSHA": "sha1",
    "SHA256": "sha256",
    "SSHA256": "sha256",
    "SHA512": "sha512",
    "SSHA512": "sha512",
}
_BCRYPT: Final = re.compile(r"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}\Z")
_MAX_BCRYPT_COST: Final = 16
KNOWN_FORMS: Final = "argon2 ($argon2id$), bcrypt ($2b$), SHA-crypt ($5$, $6$), {SSHA}, {SSHA256}, {SSHA512}"


def prepare(password: str) -> str:
    """SASLprep (RFC 4013), as SCRAM requires. ValueError for what no client could type the same way twice."""
    try:
        prepared = str(saslprep(password))
    except ScramException as error:
        raise ValueError(f"the password cannot be used: {error.args[0]} (SASLprep, RFC 4013)") from None
    if not prepared:
        raise ValueError("the password is empty")
    if len(prepared.encode()) > MAX_PASSWORD:
        raise ValueError(f"the password is longer than {MAX_PASSWORD} octets")
    return prepared


def checked_hash(text: str) -> str:
    """A hash from elsewhere as it is kept; ValueError if it could never be verified."""
    text = text.strip()
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].upper() in _SELF_DESCRIBED:
        text = text[scheme.end() :]
        scheme = None
    if scheme:
        known = scheme[1].upper() in _DIGESTS and _salted(text) is not None
    elif text.startswith("$argon2"):
        known = _is_argon2(text)
    elif text.startswith("$2"):
        match = _BCRYPT.match(text)
        known = match is not None and 4 <= int(match[1]) <= _MAX_BCRYPT_COST
    else:
        known = shacrypt.is_shacrypt(text)
    if not known or len(text) > 512:
        raise ValueError(f"the hash is of no kind that can be verified here: {KNOWN_FORMS}")
    return text


class Hasher:
    """Makes hashes at one cost and verifies those of any."""

    def __init__(self, *, memory_kib: int, passes: int) -> None:
        # One lane: two cores serve many logins side by side, not one login faster.
        self._argon2 = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)

    def make(self, prepared: str) -> Secrets:
        """Everything that an account's row keeps of a prepared password."""
        salt, stored_key, server_key, iterations = _SCRAM.make_auth_info(prepared)
        return Secrets(self._argon2.hash(prepared), salt, iterations, stored_key, server_key)

    def unmatched(self) -> str:
        """A hash at this cost that was made of no password: its octets are random."""
        cost = self._argon2
        salt, digest = (
            base64.b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
            for length in (cost.salt_len, cost.hash_len)
        )
        parameters = f"m={cost.memory_cost},t={cost.time_cost},p={cost.parallelism}"
        return f"$argon2id$v={argon2.low_level.ARGON2_VERSION}${parameters}${salt}${digest}"

    def verify(self, text: str, password: str, *, ours: bool) -> bool:
        """Whether the hash is of the password; one from elsewhere may be of its unprepared form."""
        try:
            forms = [prepare(password)]
        except ValueError:
            forms = [password]  # no hash of ours is of it, and that takes as long to find out
        if not ours and password not in forms:
            forms.append(password)
        return any(self._verify_form(text, form.encode("utf-8", "surrogatepass")) for form in forms)

    def is_outdated(self, text: str) -> bool:
        """Whether a hash was made elsewhere or at another cost, and should be made anew."""
        return not text.startswith("$argon2id$") or self._argon2.check_needs_rehash(text)

    def _verify_form(self, text: str, password: bytes) -> bool:
        if text.startswith("$argon2"):
            try:
                return self._argon2.verify(text, password)
            except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
                return False
        if text.startswith("$2"):
            # The algorithm sees 72 octets, and ends at a NUL where older libraries read C strings.
            return bcrypt.checkpw(password.split(b"\0")[0][:72], text.encode())
        if text.startswith("{"):
            return _verify_digest(text, password)
        return shacrypt.verify(password, text)


def _is_argon2(text: str) -> bool:
    try:
        argon2.extract_parameters(text)
    except argon2.exceptions.InvalidHashError:
        return False
    return True


def _salted(text: str) -> tuple[str, bytes, bytes] | None:
    """(algorithm, digest, salt) of `{SSHA}base64`."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return None
    algorithm = _DIGESTS[scheme[1].upper()]
    try:
        raw = base64.b64decode(text[scheme.end() :], validate=True)
    except binascii.Error:
        return None
    size = hashlib.new(algorithm).digest_size
    has_salt = len(raw) > size
    if len(raw) < size or has_salt != scheme[1].upper().startswith("SS"):
        return None
    return algorithm, raw[:size], raw[size:]


def _verify_digest(text: str, password: bytes) -> bool:
    parts = _salted(text)
    if parts is None:
        return False
    algorithm, digest, salt = parts
    return hmac.compare_digest(hashlib.new(algorithm, password + salt).digest(), digest)
