"""Responses of an IMAP server as values, read strictly: what RFC 3501 §9 does not allow is `Malformed`.

A string, quoted or literal, becomes bytes; an atom or number becomes str; NIL becomes None; a list becomes a
tuple. `BODY[HEADER.FIELDS (To)]<0>` is one atom.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "bytes | str | tuple[Value, ...] | None"

STATUS = frozenset(("OK", "NO", "BAD", "BYE", "PREAUTH"))
_ATOM = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\\^_`a-z|}~*]++")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*+)"')
_LITERAL = re.compile(rb"~?\{([0-9]+)\}\r\n")
_ESCAPED = re.compile(rb"\\(.)")
_CODE = re.compile(rb"\[([A-Z0-9\-]+)(?: ([^\]]*))?\]")
_TEXT = re.compile(rb"[^\r\n\x00]*")


class Malformed(ValueError):
    """A server has sent what is no response."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response. tag: `*`, `+` or a command's; words: what follows, of a status response without its text.

    code: name and arguments of a status response's brackets.
    """

    tag: str
    words: tuple[Value, ...]
    code: tuple[str, tuple[Value, ...]] | None = None
    text: bytes = b""

    @property
    def name(self) -> str:
        """Upper-cased: FETCH of `* 1 FETCH …`, OK of `* OK …`."""
        words = [word for word in self.words[:2] if isinstance(word, str)]
        if words and words[0].isdigit():
            words = words[1:]
        return words[0].upper() if words else ""

    @property
    def number(self) -> int:
        """1 of `* 1 FETCH …`."""
        first = self.words[0]
        if not isinstance(first, str) or not first.isdigit():
            raise Malformed(f"no number in {self}")
        return int(first)


def parse(octets: bytes) -> Response:
    """One response with its literals, without the last CRLF. Malformed."""
    tag, space, rest = octets.partition(b" ")
    if not space or not _ATOM.fullmatch(tag):
        raise Malformed(f"no tag: {octets[:200]!r}")
    if tag == b"+":
        return Response("+", (), text=rest)
    word = rest.split(b" ", 1)[0].upper().decode("latin-1")
    if word in STATUS:
        return _status(tag.decode(), word, rest[len(word) :])
    if rest == b"THREAD ":
        rest = rest[:-1]  # Dovecot 2.3 has the blank also before no thread (RFC 5256 §5)
    reader = _Reader(rest)
    words = reader.values(b"")
    return Response(tag.decode(), words)


def _status(tag: str, word: str, rest: bytes) -> Response:
    if not rest.startswith(b" "):
        raise Malformed(f"{word} without a text")
    rest = rest[1:]
    code = None
    if found := _CODE.match(rest):
        arguments = _Reader(found[2]).values(b"") if found[2] is not None else ()
        code = found[1].decode(), arguments
        rest = rest[found.end() :].removeprefix(b" ")
    elif rest.startswith(b"["):
        raise Malformed(f"no response code: {rest[:100]!r}")
    if not _TEXT.fullmatch(rest):
        raise Malformed(f"no text: {rest[:200]!r}")
    return Response(tag, (word,), code, rest)


class _Reader:
    """Goes through the octets of one response."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def values(self, end: bytes) -> tuple[Value, ...]:
        """Values up to `end`, one space between them; lists may stand side by side (RFC 3501 §9 body)."""
        out: list[Value] = []
        while self.octets[self.at : self.at + 1] != end:
            if out:
                after_list = self.octets[self.at - 1 : self.at] == b")"
                if self.octets[self.at : self.at + 1] == b" ":
                    self.at += 1
                elif not (after_list and self.octets[self.at : self.at + 1] == b"("):
                    raise self._malformed("no space")
            out.append(self._value())
        self.at += len(end)
        return tuple(out)

    def _value(self) -> Value:
        first = self.octets[self.at : self.at + 1]
        if first == b"(":
            self.at += 1
            return self.values(b")")
        if found := _QUOTED.match(self.octets, self.at):
            self.at = found.end()
            if any(octet >= 0x80 for octet in found[1]):
                raise self._malformed("8-bit octets in a quoted string")
            return _ESCAPED.sub(rb"\1", found[1])
        if found := _LITERAL.match(self.octets, self.at):
            self.at = found.end() + int(found[1])
            return self.octets[found.end() : self.at]
        return self._atom()

    def _atom(self) -> str | None:
        start = self.at
        while True:
            if found := _ATOM.match(self.octets, self.at):
                self.at = found.end()
            if self.octets[self.at : self.at + 1] != b"[":
                break
            self.at += 1
            self._section()
        atom = self.octets[start : self.at].decode("ascii")
        if not atom:
            raise self._malformed("no value")
        return None if atom.upper() == "NIL" else atom

    def _section(self) -> None:
        """Over what stands in the brackets of BODY[…], the closing one included."""
        self.values(b"]")

    def _malformed(self, what: str) -> Malformed:
        return Malformed(f"{what} at {self.octets[max(self.at - 60, 0) : self.at + 60]!r}")
