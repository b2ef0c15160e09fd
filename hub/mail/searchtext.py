"""What SEARCH looks for text in: header fields, text parts and names of attachments, decoded and mapped.

Whether a message can have a text at all is mostly told by its octets, at a fraction of the cost of decoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hub.mail.casemap import casemap
from hub.mail.encoded import decode_words
from hub.mail.headers import Headers
from hub.mail.structure import Structure, text

LISTED: Final = frozenset((b"bcc", b"cc", b"from", b"list-id", b"message-id", b"subject", b"to"))
"""Fields that are searched for so often that they are kept decoded and mapped."""

# Of a message in ASCII that has none of these, each text is a piece of it as it stands.
_ENCODED: Final = (b"=?", b"BASE64", b"QUOTED-PRINTABLE", b"*=", b"*0")
_IN_PARTS = re.compile(rb"MULTIPART|MESSAGE(?!-ID)")
_CHARSET: Final = b"CHARSET"
_LIKE_ASCII = re.compile(rb'CHARSET(?:["= ]*+(?:US-ASCII|UTF-8|ISO-8859|WINDOWS-125)|(?!\s*+=))')
_TEXT = re.compile(rb"^CONTENT-TYPE[ \t]*+:[ \t\r\n]*+TEXT/", re.MULTILINE)
_NAME = re.compile(rb"NAME[*0-9\s]*+=")
_NOT_FOLDED = re.compile(rb"[^\s]++")


class SearchText:
    """One message as it is searched. head: its header block, own lines included. body: what follows it, None
    if it is not at hand."""

    __slots__ = ("_body", "_body_text", "_head", "_header_text", "_raw")

    def __init__(self, head: bytes, body: bytes | None = None) -> None:
        self._head = head
        self._body = body
        self._header_text: bytes | None = None
        self._body_text: bytes | None = None
        self._raw: bytes | None = None

    @property
    def headers(self) -> Headers:
        """The header block as fields."""
        return Headers(self._head)

    def field_has(self, name: str, needle: bytes) -> bool:
        """Whether a field of that name has the needle, which may be empty, in its mapped value."""
        return any(needle in casemap(value) for value in self.headers.get_all(name))

    def field(self, name: str) -> bytes | None:
        """The mapped values of the fields of that name, None if there are none."""
        values = self.headers.get_all(name)
        return b"\n".join([casemap(value) for value in values]) if values else None

    def has(self, needle: bytes) -> bool:
        """TEXT: in the header or in the body."""
        return self._may_have(needle) and (needle in self._decoded() or needle in self._head_decoded())

    def body_has(self, needle: bytes) -> bool:
        """BODY: in a text part, or in the header of a part or of a message within."""
        return self._may_have(needle) and needle in self._decoded()

    def body(self) -> bytes:
        """All that `body_has` looks in."""
        return self._decoded()

    def everything(self) -> bytes:
        """All that `has` looks in: whatever is found there is a piece of it."""
        return self._head_decoded() + b"\n" + self._decoded()

    def _may_have(self, needle: bytes) -> bool:
        """Whether it is worth decoding."""
        raw = self._look()
        return not raw or needle in raw or _NOT_FOLDED.fullmatch(needle) is None

    def _look(self) -> bytes:
        """The message in capitals if each text in it is a piece of that, else nothing."""
        if self._raw is None:
            raw = self._head + (self._body or b"")
            self._raw = raw.upper() if raw.isascii() else b""
            # What has no parts says in its header how all of it is encoded.
            head = self._raw[: len(self._head)]
            has_parts = _IN_PARTS.search(head) is not None
            if not _is_plain(self._raw if has_parts else head):
                self._raw = b""
            elif self._raw and not has_parts and _is_text(head):
                self._body_text = self._raw[len(head) :]
        return self._raw

    def _head_decoded(self) -> bytes:
        if self._header_text is None:
            self._header_text = header_text(self.headers)
        return self._header_text

    def _decoded(self) -> bytes:
        self._look()
        if self._body_text is None:
            body = self._body or b""
            self._body_text = b"\n".join(body_texts(Structure(body, self._head), body))
        return self._body_text


def _is_plain(raw: bytes) -> bool:
    """Whether nothing in it is encoded. raw: in capitals."""
    if any(mark in raw for mark in _ENCODED) or (b"NAME=" in raw and b"\\" in raw):
        return False
    return _CHARSET not in raw or raw.count(_CHARSET) == len(_LIKE_ASCII.findall(raw))


def _is_text(head: bytes) -> bool:
    """Whether the body is a text without a name, of a message that has no parts. head: in capitals."""
    types = head.count(b"CONTENT-TYPE")
    return (not types or (types == 1 and _TEXT.search(head) is not None)) and _NAME.search(head) is None


def header_text(headers: Headers) -> bytes:
    """A header block as decoded, mapped lines."""
    return b"\n".join([_line(name, value) for name, value in headers])


def listed_fields(headers: Headers) -> bytes:
    """The lines of those fields that are `LISTED`."""
    lines = [
        _line(name, value) for name, values in headers.table.items() if name in LISTED for value in values
    ]
    return b"\n".join(lines)


def listed_has(fields: bytes, name: bytes, needle: bytes) -> bool:
    """Whether a listed field has the needle. fields: of `listed_fields`; name: in capitals."""
    return any(needle in value for value in listed_values(fields, name))


def listed_values(fields: bytes, name: bytes) -> list[bytes]:
    """The values of a listed field, mapped. fields: of `listed_fields`; name: in capitals."""
    begin = name + b":"
    return [line[len(begin) + 1 :] for line in fields.split(b"\n") if line.startswith(begin)]


def body_texts(structure: Structure, data: bytes) -> Iterator[bytes]:
    """Every text part, and the headers of the messages and parts below the top with names of attachments."""
    for part in structure.walk():
        if part is not structure.root:
            yield header_text(Headers(data[part.header_start : part.body_start]))
        if part.filename:
            yield casemap(part.filename)
        if part.type.lower() == b"text":
            yield casemap(text(part, data))


def _line(name: bytes, value: bytes) -> bytes:
    unfolded = value.replace(b"\r", b"").replace(b"\n", b"").strip(b" \t")
    return casemap(name.decode("ascii") + ": " + decode_words(unfolded))
