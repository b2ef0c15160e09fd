"""`BODY[1.2.HEADER.FIELDS (From)]<0.100>` (RFC 3501 §6.4.5): which octets of a message are meant.

A stored message is read as pieces: its own lines, then a blob of header block and body. A section is a
list of such pieces, so that what is large can be sent without being in memory.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from hub.imap.render import astring
from hub.imap.replies import bad
from hub.imap.tokens import Reader
from hub.mail.headers import Headers
from hub.mail.structure import Part, Structure
from hub.services.storage import Item

_PART = re.compile(rb"[1-9][0-9]{0,8}+(?:\.[1-9][0-9]{0,8}+)*+")
_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)
_PARTIAL = re.compile(rb"<([0-9]{1,10}+)\.([0-9]{1,10}+)>")
_MAX_DEPTH = 200
_MAX_NAMES = 1000


class Which(enum.Enum):
    """What of the message or part a section names."""

    ALL = b""
    HEADER = b"HEADER"
    FIELDS = b"HEADER.FIELDS"
    FIELDS_NOT = b"HEADER.FIELDS.NOT"
    TEXT = b"TEXT"
    MIME = b"MIME"


class Span(NamedTuple):
    """Octets of the blob."""

    offset: int
    length: int


Piece: TypeAlias = bytes | Span


@dataclass(frozen=True, slots=True)
class Section:
    """A parsed section. path: () is the message itself; partial: offset and length; label: the name of
    the answer."""

    path: tuple[int, ...]
    which: Which
    names: tuple[str, ...]
    partial: tuple[int, int] | None
    label: bytes

    @property
    def needs_structure(self) -> bool:
        """Whether the parts of the message must be known."""
        return bool(self.path) or self.which is Which.MIME

    @property
    def needs_head(self) -> bool:
        """Whether the header block itself must be read, beside what is sent."""
        return self.which in (Which.FIELDS, Which.FIELDS_NOT)


def parse_section(reader: Reader) -> Section:
    """What follows `BODY`: the brackets and a partial range, if there is one."""
    reader.expect(b"[", "[ and a section")
    path: tuple[int, ...] = ()
    if reader.peek().isdigit():
        path = _path(reader)
        which = _which(reader) if reader.take(b".") else Which.ALL
    else:
        which = Which.ALL if reader.peek() == b"]" else _which(reader)
    if which is Which.MIME and not path:
        raise bad("MIME stands behind a part number, as in BODY[1.MIME]")
    names: tuple[str, ...] = ()
    if which in (Which.FIELDS, Which.FIELDS_NOT):
        reader.space()
        names = _names(reader)
    reader.expect(b"]", "] behind the section")
    partial = _partial(reader)
    return Section(path, which, names, partial, b"BODY" + _label(path, which, names, partial))


def parse_binary(reader: Reader, name: bytes) -> Section:
    """What follows `BINARY` or `BINARY.SIZE`: part numbers alone (RFC 3516 §4.2)."""
    reader.expect(b"[", "[ and part numbers")
    path = () if reader.peek() == b"]" else _path(reader)
    reader.expect(b"]", "] behind the part numbers")
    partial = None if name == b"BINARY.SIZE" else _partial(reader)
    return Section(path, Which.ALL, (), partial, name + _label(path, Which.ALL, (), partial))


def _path(reader: Reader) -> tuple[int, ...]:
    path = tuple(map(int, reader.match(_PART, "part numbers such as 1.2")[0].split(b".")))
    if len(path) > _MAX_DEPTH:
        raise bad("No message is nested that deeply")
    return path


def _partial(reader: Reader) -> tuple[int, int] | None:
    if reader.peek() != b"<":
        return None
    found = reader.match(_PARTIAL, "a range such as <0.1024>")
    partial = int(found[1]), int(found[2])
    if not 0 < partial[1] < 1 << 32:
        raise bad("A range has one octet or more")
    return partial


def _which(reader: Reader) -> Which:
    return Which(reader.match(_TEXT, "HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or MIME")[0].upper())


def _names(reader: Reader) -> tuple[str, ...]:
    reader.expect(b"(", "field names in parentheses")
    names: list[str] = []
    while not reader.take(b")"):
        names.append(reader.astring("a field name").decode("latin-1"))
        if len(names) > _MAX_NAMES:
            raise bad(f"More than {_MAX_NAMES} field names")
        if reader.peek() == b" ":
            reader.space()
    if not names:
        raise bad("At least one field name is wanted")
    return tuple(names)


def _label(
    path: tuple[int, ...], which: Which, names: Sequence[str], partial: tuple[int, int] | None
) -> bytes:
    words = [b"%d" % number for number in path]
    if which is not Which.ALL:
        words.append(which.value)
    label = b".".join(words)
    if names:
        label += b" (%b)" % b" ".join([astring(name.encode("latin-1")) for name in names])
    origin = b"" if partial is None else b"<%d>" % partial[0]
    return b"[%b]%b" % (label, origin)


def pieces(
    section: Section, item: Item, head: bytes | None, structure: Structure | None
) -> list[Piece] | None:
    """The octets of a section, None if the message has no such part.

    head: the blob's header block, or of a part the octets of the whole blob, where `needs_head` says so.
    structure: where `needs_structure` does.
    """
    found = _message(section, item, head) if structure is None else _part(section, item, head, structure)
    if found is None or section.partial is None:
        return found
    return cut(found, *section.partial)


def size(parts: Iterable[Piece]) -> int:
    """How many octets the pieces have."""
    return sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in parts)


def cut(parts: Iterable[Piece], start: int, length: int) -> list[Piece]:
    """The part of the pieces from an offset on, of at most `length` octets."""
    out: list[Piece] = []
    for piece in parts:
        have = len(piece) if isinstance(piece, bytes) else piece.length
        low, high = min(start, have), min(start + length, have)
        if high > low:
            out.append(piece[low:high] if isinstance(piece, bytes) else Span(piece.offset + low, high - low))
        length -= high - low
        start = max(start - have, 0)
    return out


def _message(section: Section, item: Item, head: bytes | None) -> list[Piece]:
    body_size = item.size - len(item.lines) - item.head_size
    match section.which:
        case Which.ALL:
            return [item.lines, Span(0, item.head_size + body_size)]
        case Which.TEXT:
            return [Span(item.head_size, body_size)]
        case Which.HEADER | Which.MIME:
            return [item.lines, Span(0, item.head_size)]
        case _:
            assert head is not None
            return [selected(section, item.lines + head[: item.head_size])]


def _part(section: Section, item: Item, data: bytes | None, structure: Structure) -> list[Piece] | None:
    part = structure.part(section.path)
    if part is None:
        return None
    if section.which is Which.ALL:
        return [Span(part.body_start, part.size)]
    if section.which is Which.MIME:
        mime: list[Piece] = [Span(part.header_start, part.body_start - part.header_start)]
        return [item.lines, *mime] if part.header_start == 0 else mime
    message = _carried(part)
    if message is None:
        return None
    if section.which is Which.TEXT:
        return [Span(message.body_start, message.size)]
    if section.which is Which.HEADER:
        return [Span(message.header_start, message.body_start - message.header_start)]
    assert data is not None
    return [selected(section, data[message.header_start : message.body_start])]


def _carried(part: Part) -> Part | None:
    """RFC 3501 §6.4.5: HEADER and TEXT of a part are those of the message that it carries."""
    return part.children[0] if part.is_message else None


def selected(section: Section, block: bytes) -> bytes:
    """The wanted fields, and the blank line unless the message itself has none (RFC 3501 §6.4.5)."""
    headers = Headers(block)
    fields = headers.select(section.names) if section.which is Which.FIELDS else headers.omit(section.names)
    return fields + b"\r\n" if headers.is_ended else fields
