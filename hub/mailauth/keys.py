"""Keys of signatures: public ones as DNS publishes them (RFC 6376 §3.6), private ones that sign.

RSA of 1024 to 4096 bits (RFC 8301) and Ed25519 (RFC 8463). The library is loaded with the first key.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from hub.mailauth.dkim_tags import decode_base64, parse_tags, split_list
from hub.services.dns import Dns

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

Kind: TypeAlias = Literal["rsa", "ed25519"]

MIN_BITS: Final = 1024
MAX_BITS: Final = 4096
"""A larger key would cost whoever verifies more than it is worth (RFC 8301 §3.2)."""
MAX_RECORD: Final = 8192
"""Octets of a key record; one of 4096 bits has 800."""
_CACHED: Final = 2048
_SERVICES: Final = ("*", "email")


class KeyUnusable(ValueError):
    """A key record that cannot verify this; the text says why. status: the result that follows from it."""

    def __init__(self, reason: str, status: Literal["permerror", "policy"] = "permerror") -> None:
        super().__init__(reason)
        self.status: Literal["permerror", "policy"] = status


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key record. bits: of the key; testing: `t=y`; strict: `t=s`, no identity of a subdomain."""

    kind: Kind
    bits: int
    testing: bool
    strict: bool
    key: RSAPublicKey | Ed25519PublicKey = field(repr=False)

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's over the data."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            if self.kind == "rsa":
                cast("RSAPublicKey", self.key).verify(signature, data, PKCS1v15(), SHA256())
            else:  # over the hash, RFC 8463 §3
                cast("Ed25519PublicKey", self.key).verify(signature, hashlib.sha256(data).digest())
        except InvalidSignature:
            return False
        return True


async def find_key(dns: Dns, domain: str, selector: str) -> PublicKey:
    """The key that a signer publishes; KeyUnusable, DnsTrouble.

    Of several records the first that is a key record counts (RFC 6376 §3.6.2.2 leaves it open).
    """
    name = f"{selector}._domainkey.{domain}"
    try:
        answer = await dns.query(name, "TXT")
    except ValueError as error:
        raise KeyUnusable(f"there can be no key at {name}: {error}") from None
    trouble = KeyUnusable(f"there is no key at {name}")
    for record in answer.records:
        try:
            return parse_key(b"".join(getattr(record, "strings", ())))
        except KeyUnusable as error:
            trouble = error
    raise trouble


@lru_cache(maxsize=_CACHED)
def parse_key(record: bytes) -> PublicKey:
    """What a key record holds, parsed once for as long as many others do not come between; KeyUnusable."""
    if len(record) > MAX_RECORD:
        raise KeyUnusable(f"the key record has {len(record)} octets, more than {MAX_RECORD}")
    try:
        tags = parse_tags(record)
    except ValueError as error:
        raise KeyUnusable(f"the key record cannot be read: {error}") from None
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise KeyUnusable(f"the key record is of version {tags['v']}, or does not begin with it")
    if "p" not in tags:
        raise KeyUnusable("the key record has no p=")
    if not tags["p"]:
        raise KeyUnusable("the key is revoked")
    if "sha256" not in split_list(tags.get("h", "sha256")):
        raise KeyUnusable("the key is not for sha256 (h=)")
    if not set(split_list(tags.get("s", "*"))) & set(_SERVICES):
        raise KeyUnusable("the key is not for mail (s=)")
    flags = split_list(tags.get("t", ""))
    return _loaded(tags.get("k", "rsa"), tags["p"], testing="y" in flags, strict="s" in flags)


def _loaded(kind: str, value: str, *, testing: bool, strict: bool) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if kind not in ("rsa", "ed25519"):
        raise KeyUnusable(f"keys of kind {kind[:20]} are unknown here (k=)")
    try:
        data = decode_base64(value)
        if kind == "ed25519":
            return PublicKey("ed25519", 256, testing, strict, Ed25519PublicKey.from_public_bytes(data))
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable(f"p= holds no {kind} key") from None
    if not isinstance(key, RSAPublicKey):
        raise KeyUnusable("p= holds no rsa key")
    if not MIN_BITS <= key.key_size <= MAX_BITS:
        raise KeyUnusable(f"the rsa key has {key.key_size} bits, not {MIN_BITS} to {MAX_BITS}", "policy")
    return PublicKey("rsa", key.key_size, testing, strict, key)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key. `load_signing_key` reads one, `new_signing_key` makes one."""

    kind: Kind
    key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """What `a=` says."""
        return f"{self.kind}-sha256"

    def sign(self, data: bytes) -> bytes:
        """The signature of the data."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        if self.kind == "rsa":
            return cast("RSAPrivateKey", self.key).sign(data, PKCS1v15(), SHA256())
        return cast("Ed25519PrivateKey", self.key).sign(hashlib.sha256(data).digest())

    @property
    def record(self) -> str:
        """The text that DNS should publish for it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self.key.public_key()
        if self.kind == "rsa":
            data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            data = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={self.kind}; p={base64.b64encode(data).decode()}"

    @property
    def pem(self) -> str:
        """The key as text (PKCS #8), for whoever may know it."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def load_signing_key(pem: str) -> SigningKey:
    """A private key of its PEM text, RSA of at least 1024 bits or Ed25519; ValueError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("it is no private key in PEM, or one with a password") from None
    if isinstance(key, Ed25519PrivateKey):
        return SigningKey("ed25519", key)
    if not isinstance(key, RSAPrivateKey) or key.key_size < MIN_BITS:
        raise ValueError(f"only Ed25519 and RSA of at least {MIN_BITS} bits sign mail")
    return SigningKey("rsa", key)


def new_signing_key(kind: Kind, bits: int = 2048) -> SigningKey:
    """A key that nobody knows yet. An RSA key takes a while: make it in a thread."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    if kind == "ed25519":
        return SigningKey(kind, Ed25519PrivateKey.generate())
    return SigningKey(kind, generate_private_key(65537, bits))
