"""What the numbers in a handshake are called (IANA, "Transport Layer Security (TLS) Parameters")."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

TLS_1_2: Final = 0x0303
TLS_1_3: Final = 0x0304
VERSIONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x0002: "SSL 2",
        0x0300: "SSL 3",
        0x0301: "TLS 1.0",
        0x0302: "TLS 1.1",
        TLS_1_2: "TLS 1.2",
        TLS_1_3: "TLS 1.3",
    }
)
GROUPS: Final[Mapping[int, str]] = MappingProxyType({
    0x13: "secp192r1", 0x15: "secp224r1", 0x16: "secp256k1", 0x17: "secp256r1", 0x18: "secp384r1",
    0x19: "secp521r1", 0x1A: "brainpoolP256r1", 0x1B: "brainpoolP384r1", 0x1C: "brainpoolP512r1",
    0x1D: "x25519", 0x1E: "x448", 0x100: "ffdhe2048", 0x101: "ffdhe3072", 0x102: "ffdhe4096",
    0x103: "ffdhe6144", 0x104: "ffdhe8192", 0x11EB: "SecP256r1MLKEM768", 0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024", 0x6399: "X25519Kyber768Draft00",
})  # fmt: skip
SIGNATURES: Final[Mapping[int, str]] = MappingProxyType({
    0x0201: "rsa_pkcs1_sha1", 0x0203: "ecdsa_sha1", 0x0401: "rsa_pkcs1_sha256", 0x0501: "rsa_pkcs1_sha384",
    0x0601: "rsa_pkcs1_sha512", 0x0403: "ecdsa_secp256r1_sha256", 0x0503: "ecdsa_secp384r1_sha384",
    0x0603: "ecdsa_secp521r1_sha512", 0x0804: "rsa_pss_rsae_sha256", 0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512", 0x0807: "ed25519", 0x0808: "ed448", 0x0809: "rsa_pss_pss_sha256",
    0x080A: "rsa_pss_pss_sha384", 0x080B: "rsa_pss_pss_sha512",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cipher:
    """A cipher suite. authentication: `auth-ecdsa`, `auth-rsa`, … as OpenSSL calls it; exchange likewise."""

    name: str
    authentication: str
    exchange: str


@functools.cache
def ciphers() -> Mapping[int, Cipher]:
    """Those that this OpenSSL has heard of, by number."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return {number(each): Cipher(each["name"], each["auth"], each["kea"]) for each in context.get_ciphers()}


def number(cipher: Mapping[str, object]) -> int:
    """Of a cipher suite in `SSLContext.get_ciphers`."""
    found = cipher["id"]
    assert isinstance(found, int)
    return found & 0xFFFF


def cipher_name(number: int) -> str:
    """As OpenSSL calls it, else its number."""
    found = ciphers().get(number)
    return found.name if found else f"0x{number:04x}"


def named(names: Mapping[int, str], numbers: tuple[int, ...]) -> tuple[str, ...]:
    """The names of numbers; those that have none stay numbers."""
    return tuple(names.get(each, f"0x{each:04x}") for each in numbers)
