"""The `$5$` and `$6$` hashes of crypt(3): Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512".

They are what /etc/shadow and most mail servers bring along, and Python 3.13 has no `crypt` any more.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

MAX_ROUNDS: Final = 1_000_000
_FORM: Final = re.compile(r"\$([56])\$(?:rounds=([0-9]{1,9})\$)?([^$]{0,64})\$([./0-9A-Za-z]+)\Z")
_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_shacrypt(text: str) -> bool:
    """Whether it is such a hash, with rounds that can be waited for."""
    match = _FORM.match(text)
    return (
        match is not None
        and int(match[2] or 0) <= MAX_ROUNDS
        and len(match[4]) == {"5": 43, "6": 86}[match[1]]
    )


def verify(password: bytes, text: str) -> bool:
    """Whether the hash is of this password; takes milliseconds to seconds, by its rounds."""
    match = _FORM.match(text)
    if match is None:
        return False
    rounds = min(max(int(match[2] or 5000), 1000), MAX_ROUNDS)
    name = "sha256" if match[1] == "5" else "sha512"
    digest = _digest(name, password, match[3].encode()[:16], rounds)
    return hmac.compare_digest(_encoded(digest), match[4])


def _digest(name: str, password: bytes, salt: bytes, rounds: int) -> bytes:
    def h(data: bytes) -> bytes:
        return hashlib.new(name, data).digest()

    alternate = h(password + salt + password)
    start = password + salt + _stretched(alternate, len(password))
    bits = len(password)
    while bits:
        start += alternate if bits & 1 else password
        bits >>= 1
    digest = h(start)
    p = _stretched(h(password * len(password)), len(password))
    s = _stretched(h(salt * (16 + digest[0])), len(salt))
    for round_ in range(rounds):
        odd = round_ & 1
        data = p if odd else digest
        if round_ % 3:
            data += s
        if round_ % 7:
            data += p
        digest = h(data + (digest if odd else p))
    return digest


def _stretched(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _encoded(digest: bytes) -> str:
    """Base 64 of crypt's own, over the octets in crypt's own order."""
    third = len(digest) // 3
    turn = 1 if len(digest) == 64 else 2
    letters: list[str] = []
    for index in range(third):
        triple = [digest[index], digest[index + third], digest[index + 2 * third]]
        by = index * turn % 3
        first, second, last = triple[by:] + triple[:by]
        letters += _letters(first << 16 | second << 8 | last, 4)
    if len(digest) == 64:
        letters += _letters(digest[63], 2)
    else:
        letters += _letters(digest[31] << 8 | digest[30], 3)
    return "".join(letters)


def _letters(value: int, count: int) -> list[str]:
    return [_ALPHABET[value >> 6 * place & 63] for place in range(count)]
