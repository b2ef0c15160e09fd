"""The issuer's public keys (RFC 7517), read from what it publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALGORITHMS: Final = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
"""What signs the tokens that are taken, with a key that only the issuer has: neither `none` nor HMAC."""
MAX_KEYS: Final = 100
MIN_RSA_BITS: Final = 2048  # RFC 7518 §3.3


@dataclass(frozen=True, slots=True)
class Keys:
    """(kid, algorithm) → key; a key without a name has the kid ""."""

    by_name: Mapping[tuple[str, str], jwt.PyJWK]

    def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key that a token names; one that names none fits where there is one key alone."""
        if kid is not None:
            return self.by_name.get((kid, algorithm))
        fitting = [key for (_, made_for), key in self.by_name.items() if made_for == algorithm]
        return fitting[0] if len(fitting) == 1 else None


def read_keys(document: Mapping[str, object]) -> Keys:
    """Keys of a JWKS that can verify what we take; others may stand beside them. OSError if it is none."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise OSError("what the issuer publishes as its keys has no list 'keys'")
    found: dict[tuple[str, str], jwt.PyJWK] = {}
    for entry in entries[:MAX_KEYS]:
        algorithm = _algorithm(entry) if isinstance(entry, dict) else None
        if algorithm is None:
            continue
        try:
            key = jwt.PyJWK(entry, algorithm)
        except jwt.PyJWTError:
            continue
        kid = entry.get("kid", "")
        weak = isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS
        if isinstance(kid, str) and not weak:
            found[kid, algorithm] = key
    return Keys(found)


def _algorithm(entry: Mapping[str, object]) -> str | None:
    """What a key signs with; None for one that is for something else."""
    kind = (entry.get("kty"), entry.get("crv"))
    for algorithm, wanted in ALGORITHMS.items():
        if kind == wanted and entry.get("alg", algorithm) == algorithm and entry.get("use", "sig") == "sig":
            return algorithm
    return None
