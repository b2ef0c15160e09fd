"""The canonical forms that DKIM and ARC sign (RFC 6376 §3.4), of header fields and of bodies."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hub.mail.headers import Field, Headers
from hub.mail.message import Message

Form: TypeAlias = Literal["simple", "relaxed"]

FORMS: Final[dict[str, Form]] = {"simple": "simple", "relaxed": "relaxed"}
IN_THREAD: Final = 1 << 18
"""Octets from which a body is hashed in a thread, for until it is done the loop serves nobody."""
_PIECE: Final = 1 << 16
_BREAK: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class BodyHash:
    """SHA-256 of a canonical body. signed: octets that were hashed; size: octets there are."""

    digest: bytes
    signed: int
    size: int


def canonical_field(headers: Headers, field: Field, form: Form) -> bytes:
    """One header field as it is hashed, with the line end that ends it (RFC 6376 §3.4.1, §3.4.2)."""
    block = headers.block
    name, value = block[field.name_start : field.name_end], block[field.value_start : field.value_end]
    if form == "simple":
        return block[field.name_start : field.value_end] + _BREAK
    return relaxed_field(name, value)


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """A header field in the relaxed form, with its line end."""
    unfolded = value.replace(_BREAK, b"").replace(b"\n", b"")
    return name.lower() + b":" + _spaced(unfolded).strip(b" ") + _BREAK


def _spaced(text: bytes) -> bytes:
    """Every run of blanks as one space; in few passes, each of them in C."""
    text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


class BodyHasher:
    """Hashes the canonical form of a body that comes in pieces, and keeps no more of it than a few octets.

    limit: octets of the canonical form that are hashed (`l=`, RFC 6376 §3.4.5); None for all.
    """

    __slots__ = ("_breaks", "_hash", "_held", "_left", "_limit", "_relaxed", "_size")

    def __init__(self, form: Form, limit: int | None = None) -> None:
        self._relaxed = form == "relaxed"
        self._hash = hashlib.sha256()
        self._limit = self._left = limit
        self._held = b""  # the end of what came, whose form what follows decides
        self._breaks = 0  # line ends that count only if something follows them
        self._size = 0

    def update(self, piece: bytes) -> None:
        """Take the next piece, of any size."""
        text = self._held + piece
        end = len(text) - text.endswith(b"\r")
        kept = text[:end].rstrip(b" \t") if self._relaxed else text[:end]
        held = text[len(kept) :]
        self._held = _spaced(held) if self._relaxed else held
        self._take(_spaced(kept).replace(b" \r\n", _BREAK) if self._relaxed else kept)

    def finish(self) -> BodyHash:
        """The hash of what came. A last line without an end gets one; a simple empty body is one line end."""
        held = self._held
        self._held = b""
        self._take(held.rstrip(b" ") if self._relaxed else held)
        if self._size or not self._relaxed:
            self._emit(_BREAK)
        left = self._left
        signed = self._size if self._limit is None or left is None else self._limit - left
        return BodyHash(self._hash.digest(), signed, self._size)

    def _take(self, text: bytes) -> None:
        """Emit whole lines, and count the empty ones at the end."""
        if not text:
            return
        kept = text.rstrip(b"\r\n")
        # Only whole line ends count as empty lines; a lone CR or LF is an octet like any other.
        tail = text[len(kept) :].replace(_BREAK, b"\0")
        odd = tail.rstrip(b"\0")
        body = kept + odd.replace(b"\0", _BREAK)
        if body:
            while self._breaks:
                some = min(self._breaks, _PIECE)
                self._emit(_BREAK * some)
                self._breaks -= some
            self._emit(body)
        self._breaks += len(tail) - len(odd)

    def _emit(self, text: bytes) -> None:
        self._size += len(text)
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
        self._hash.update(text)


async def hash_body(
    message: Message, wanted: Sequence[tuple[Form, int | None]] = (("relaxed", None),)
) -> Sequence[BodyHash]:
    """The hashes of a body in the forms and up to the limits that are wanted, all in one pass."""
    if message.size > IN_THREAD:
        return await asyncio.to_thread(_hashes, message, wanted)
    return _hashes(message, wanted)


def _hashes(message: Message, wanted: Sequence[tuple[Form, int | None]]) -> Sequence[BodyHash]:
    hashers = [BodyHasher(form, limit) for form, limit in wanted]
    for piece in message.body_chunks(_PIECE):
        for hasher in hashers:
            hasher.update(piece)
    return [hasher.finish() for hasher in hashers]
