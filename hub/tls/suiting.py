"""Whether a client can do with a certificate: by the kind of its key, and what the client's hello offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.tls.hello import Hello
from hub.tls.naming import TLS_1_3, ciphers

ALGORITHMS: Final[Mapping[str, tuple[int, ...]]] = {
    "ECDSA": (0x0403, 0x0503, 0x0603),
    "RSA": (0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601),
    "Ed25519": (0x0807,),
    "Ed448": (0x0808,),
}
"""Signatures that a key of each kind can make (RFC 8446 §4.2.3)."""


def suits(kind: str, hello: Hello) -> bool:
    """Whether the client takes some signature, and before TLS 1.3 some cipher, of such a key."""
    if hello.signatures and not set(hello.signatures) & set(ALGORITHMS.get(kind, hello.signatures)):
        return False
    if TLS_1_3 in hello.versions:  # whose ciphers say nothing about keys
        return True
    known, wanted = ciphers(), f"auth-{kind.lower()}"
    return any(known[each].authentication == wanted for each in hello.ciphers if each in known)
