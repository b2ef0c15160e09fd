"""A header block as offsets into its bytes (RFC 5322 §2.2, RFC 6532); values are cut out on demand.

Every scan is linear in the block, whatever is in it, and nothing here raises on what a message contains.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from hub.mail.encoded import decode_words
from hub.mail.mailboxes import Mailbox, addresses

__all__ = ["Field", "Headers", "Mailbox", "addresses", "split_head"]

_BLANK_LINE = re.compile(rb"\n\r?\n")
# One field: its name if the line has one (obsolete blanks before the colon, RFC 5322 §4.5), then the line and
# those that continue it. Possessive, so that each octet is looked at once or twice.
_FIELD = re.compile(rb"(?:([!-9;-~]++)[ \t]*+:)?+([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?+")
_NAMED = re.compile(rb"^([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.MULTILINE)
_NAME = re.compile(rb"[!-9;-~]++")
_COLON = re.compile(rb"[ \t]*+:")
_FOLD = re.compile(rb"\r?\n")
_ENDED = re.compile(rb"(?:\A|\n)\r?\n\Z")


class Field(NamedTuple):
    """Offsets of one header field: its name, its value after the colon up to the line end, the next field.

    A line without a colon, or with a name that cannot be one, is kept with an empty name and all of itself as
    value.
    """

    name_start: int
    name_end: int
    value_start: int
    value_end: int
    end: int


def split_head(data: bytes) -> int:
    """The offset of the body: after the first blank line, which belongs to the header block (RFC 5322 §2.1).

    0 octets of header and the blank line if `data` begins with one; all of `data` if it has none.
    """
    if data.startswith(b"\r\n"):
        return 2
    if data.startswith(b"\n"):
        return 1
    match = _BLANK_LINE.search(data)
    return match.end() if match else len(data)


class Headers:
    """One header block, with or without the blank line that ends it; what follows that is not looked at.

    A lookup of one name searches the bytes; who has asked for the table has all lookups from there.
    Names are compared without case. `get` gives text, `raw` octets; both unfolded and without outer blanks.
    """

    __slots__ = ("_fields", "_search", "_table", "block")

    def __init__(self, block: bytes) -> None:
        self.block = block[: split_head(block)]
        self._search: bytes | None = None
        self._fields: tuple[Field, ...] | None = None
        self._table: dict[bytes, list[bytes]] | None = None

    def get(self, name: str) -> str | None:
        """Text of the first field of that name on one line, encoded words decoded (RFC 2047); else None."""
        value = self.raw(name)
        return None if value is None else decode_words(value)

    def get_all(self, name: str) -> list[str]:
        """Text of every field of that name, in order."""
        return [decode_words(value) for value in self.raw_all(name)]

    def raw(self, name: str) -> bytes | None:
        """Octets of the first field of that name, unfolded; else None."""
        return next(self._values(name), None)

    def raw_all(self, name: str) -> list[bytes]:
        """Octets of every field of that name, in order, unfolded."""
        return list(self._values(name))

    def names(self) -> list[str]:
        """The name of each field as it is written, in order, repeated where the field is."""
        return [name.decode("ascii") for name, _ in self]

    def __contains__(self, name: str) -> bool:
        return next(self._values(name), None) is not None

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Name and value of each field as they stand, with folds and outer blanks; without garbage lines."""
        block = self.block
        for start, name_end, value_start, value_end, _ in self.fields:
            if name_end > start:
                yield block[start:name_end], block[value_start:value_end]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Offsets of every field and garbage line, in order, up to the blank line."""
        if self._fields is None:
            self._fields = tuple(_scan(self.block))
        return self._fields

    @property
    def table(self) -> Mapping[bytes, Sequence[bytes]]:
        """Octets of all fields, unfolded, by their lower-cased names; for who asks for many of them."""
        if self._table is None:
            self._table = _collected(_NAMED.findall(self.block))
        return self._table

    def few(self, names: tuple[bytes, ...]) -> Mapping[bytes, Sequence[bytes]]:
        """As `table`, whose fields are passed over but for these lower-cased names: it takes a third of the
        time, for who asks for nothing else."""
        return _collected(_any_of(names).findall(self.block)) if self._table is None else self._table

    @property
    def is_ended(self) -> bool:
        """Whether a blank line ends it: a message without a body may have none."""
        return _ENDED.search(self.block, max(len(self.block) - 3, 0)) is not None

    def select(self, names: Collection[str]) -> bytes:
        """The fields of these names as they stand, with line ends (HEADER.FIELDS of RFC 3501 §6.4.5)."""
        wanted = _lowered(names)
        return self._joined(field for field in self.fields if self._name(field) in wanted)

    def omit(self, names: Collection[str]) -> bytes:
        """All fields but those of these names, as they stand (HEADER.FIELDS.NOT of RFC 3501 §6.4.5)."""
        unwanted = _lowered(names)
        return self._joined(field for field in self.fields if self._name(field) not in unwanted)

    def without(self, numbers: Collection[int]) -> bytes:
        """The whole block, blank line included, but for the fields at these places in `fields`."""
        kept = [field for number, field in enumerate(self.fields) if number not in numbers]
        end = self.fields[-1].end if self.fields else 0
        return self._joined(kept) + self.block[end:]

    def _name(self, field: Field) -> bytes:
        return self.block[field.name_start : field.name_end].lower()

    def _joined(self, fields: Iterable[Field]) -> bytes:
        return b"".join(self.block[field.name_start : field.end] for field in fields)

    def _values(self, name: str) -> Iterator[bytes]:
        """Find the name at line starts; every candidate costs no more than the blanks behind it."""
        key = name.lower().encode("utf-8", "replace")
        if self._table is not None:
            yield from self._table.get(key, ())
            return
        if not _NAME.fullmatch(key):
            return
        if self._search is None:
            self._search = b"\n" + self.block.lower()
        search, key = self._search, b"\n" + key
        at = search.find(key)
        while at >= 0:
            at += len(key)
            colon = _COLON.match(search, at)
            if colon:
                start = colon.end() - 1  # `search` is one octet ahead of the block
                end = _value_end(self.block, start)
                value = self.block[start:end]
                yield _FOLD.sub(b"", value).strip(b" \t\r")
                at = end
            at = search.find(key, at)


@lru_cache(maxsize=16)
def _any_of(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(
        rb"^(%b)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)" % b"|".join(map(re.escape, names)),
        re.IGNORECASE | re.MULTILINE,
    )


def _collected(found: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    table: dict[bytes, list[bytes]] = {}
    for written, value in found:
        unfolded = (_FOLD.sub(b"", value) if b"\n" in value else value).strip(b" \t\r")
        name = written.lower()
        if name in table:
            table[name].append(unfolded)
        else:
            table[name] = [unfolded]
    return table


def _value_end(block: bytes, start: int) -> int:
    """The offset of the line feed that ends a value, or of the end of the block."""
    end = block.find(b"\n", start)
    while end >= 0 and block[end + 1 : end + 2] in (b" ", b"\t"):
        end = block.find(b"\n", end + 1)
    return len(block) if end < 0 else end


def _scan(block: bytes) -> Iterator[Field]:
    at, size = 0, len(block)
    match = _FIELD.match
    while at < size:
        found = match(block, at)
        assert found is not None  # every part of the pattern may be empty
        value_start, value_end = found.span(2)
        end = found.end()
        name_end = at
        if found.start(1) >= 0:
            name_end = found.end(1)
        elif block[at:value_end] in (b"", b"\r"):
            return
        if block[value_end - 1 : value_end] == b"\r" and value_end > value_start:
            value_end -= 1
        yield Field(at, name_end, value_start, value_end, end)
        at = end


def _lowered(names: Collection[str]) -> frozenset[bytes]:
    return frozenset(name.lower().encode("utf-8", "replace") for name in names)
