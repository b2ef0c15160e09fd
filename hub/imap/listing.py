"""FETCH of many messages: rows as tuples, column by column, joined into large pieces.

What the view, the index and the summaries know costs a message a few steps of C, and so do the octets of
small messages, of which neighbours are read together. All else is read message by message by `contents`.

    columns ─► rows ─► chunks ─┬─► cells, one for each attribute ─► one piece of octets
                               └─► what is large, or cannot be read so
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from operator import add
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from hub.imap.attributes import Attribute, Kind
from hub.imap.contents import SMALL, TOGETHER, lawful
from hub.imap.render import NIL, internal_date
from hub.imap.sections import Section, Which, selected
from hub.services.summary import MessageColumn, Row

_SUMMARY: Final = MappingProxyType(
    {
        Kind.ENVELOPE: MessageColumn.ENVELOPE,
        Kind.BODY: MessageColumn.BODY,
        Kind.BODYSTRUCTURE: MessageColumn.BODYSTRUCTURE,
        Kind.PREVIEW: MessageColumn.PREVIEW,
    }
)
_OCTETS: Final = b"\0"
"""Where a template is cut, for octets to stand there: in no label."""
_BLOB: Final = (MessageColumn.LINES, MessageColumn.HEAD_SIZE, MessageColumn.SIZE, MessageColumn.BLOB)

Values: TypeAlias = Iterable[Any]

_date = lru_cache(maxsize=1024)(internal_date)
# kind → its column, how it is written, and what makes octets or a number of the column's value.
_ROW: Final[MappingProxyType[Kind, tuple[MessageColumn, bytes, Callable[[Any], Any] | None]]] = (
    MappingProxyType(
        {
            Kind.INTERNALDATE: (MessageColumn.INTERNAL_DATE, b"%b", _date),
            Kind.SAVEDATE: (MessageColumn.SAVED_AT, b"%b", _date),
            Kind.SIZE: (MessageColumn.SIZE, b"%d", None),
            Kind.EMAILID: (MessageColumn.MESSAGE_ID, b"(%b)", str.encode),
        }
    )
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of the rows, whose octets may be in memory together. octets: of each row's blob, if any are
    wanted. numbers: what stands before FETCH. flags: rendered. modseqs: as far as the client was told.
    threads: by UID, if they are wanted."""

    rows: Sequence[Row]
    numbers: Sequence[int]
    flags: Sequence[bytes]
    modseqs: Sequence[int]
    octets: Sequence[bytes]
    threads: Mapping[int, bytes]


class Listing:
    """What is asked of each message, worked out once for a command.

    columns: to be read of each. reads: whether octets of blobs are needed, and `whole` whether all of them.
    made: the summary's columns by kind. None of it works where a message has to be taken apart.
    """

    def __init__(self, attributes: Sequence[Attribute], word: bytes) -> None:
        """word: FETCH or UIDFETCH."""
        self.attributes = attributes
        sections = [each.section for each in attributes if each.section is not None]
        self.reads = bool(sections)
        self.whole = any(each.which in (Which.ALL, Which.TEXT) for each in sections)
        wanted = [_ROW[each.kind][0] for each in attributes if each.kind in _ROW]
        self.made = {each.kind: _SUMMARY[each.kind] for each in attributes if each.kind in _SUMMARY}
        self.columns = tuple(dict.fromkeys((*wanted, *self.made.values(), *(_BLOB if self.reads else ()))))
        self._places = {column: at for at, column in enumerate(self.columns, 1)}
        formats = [b"%b %b" % (each.label.replace(b"%", b"%%"), _format(each)) for each in attributes]
        line = b"* %%d %b (%b)\r\n" % (word, b" ".join(formats))
        *before, end = line.split(_OCTETS)
        self._templates = [each + b"{%d}\r\n" for each in before] + [end]

    @staticmethod
    def can(attributes: Sequence[Attribute]) -> bool:
        """Whether all of it is known without taking messages apart."""
        return not any(
            each.kind in (Kind.BINARY, Kind.BINARY_SIZE)
            or (each.section is not None and each.section.needs_structure)
            for each in attributes
        )

    def column(self, rows: Sequence[Row], column: MessageColumn) -> list[Any]:
        """One value of each row."""
        at = self._places[column]
        return [row[at] for row in rows]

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """How many octets of each row's blob are needed."""
        if not self.whole:
            return self.column(rows, MessageColumn.HEAD_SIZE)
        size, lines = self._places[MessageColumn.SIZE], self._places[MessageColumn.LINES]
        return [row[size] - len(row[lines]) for row in rows]

    def incomplete(self, rows: Sequence[Row]) -> dict[int, list[Kind]]:
        """Which rows lack what of a summary, by their number."""
        missing: dict[int, list[Kind]] = {}
        for kind, column in self.made.items():
            values = self.column(rows, column)
            if None in values:
                for number, found in enumerate(values):
                    if found is None:
                        missing.setdefault(number, []).append(kind)
        return missing

    def completed(self, row: Row, values: Mapping[Kind, bytes]) -> Row:
        """The row with what was made since; what was not made is NIL."""
        complete = list(row)
        for kind, column in self.made.items():
            at = self._places[column]
            if complete[at] is None:
                complete[at] = values.get(kind, NIL)
        return tuple(complete)

    def render(self, chunk: Chunk) -> bytes:
        """All responses in one piece."""
        cells: list[Values] = [chunk.numbers]  # those of the template that comes next
        pieces: list[Iterable[bytes]] = []
        templates = iter(self._templates)
        for attribute in self.attributes:
            if attribute.section is None:
                cells.append(self._cell(attribute, chunk))
                continue
            octets = self._sections(attribute.section, chunk)
            pieces += [_filled(next(templates), (*cells, map(len, octets))), octets]
            cells = []
        end = next(templates)
        if not pieces:
            return b"".join(_filled(end, cells))
        pieces.append(_filled(end, cells) if cells else repeat(end % ()))
        # No other cell has a NUL, and what stands for one is as long.
        return lawful(b"".join(chain.from_iterable(zip(*pieces, strict=False))))

    def _cell(self, attribute: Attribute, chunk: Chunk) -> Values:
        if attribute.kind is Kind.UID:
            return [row[0] for row in chunk.rows]
        if attribute.kind is Kind.FLAGS:
            return chunk.flags
        if attribute.kind is Kind.MODSEQ:
            return chunk.modseqs
        if attribute.kind is Kind.THREADID:
            return [thread_value(chunk.threads, row[0]) for row in chunk.rows]
        if attribute.kind in self.made:
            return self.column(chunk.rows, self.made[attribute.kind])
        column, _, shown = _ROW[attribute.kind]
        values = self.column(chunk.rows, column)
        return values if shown is None else map(shown, values)

    def _sections(self, section: Section, chunk: Chunk) -> Sequence[bytes]:
        """As `sections.pieces` does for one message, of octets that are there already."""
        lines = self.column(chunk.rows, MessageColumn.LINES)
        octets = chunk.octets
        if section.which is Which.ALL:
            found = list(map(add, lines, octets)) if any(lines) else octets
        else:
            heads = self.column(chunk.rows, MessageColumn.HEAD_SIZE)
            if section.which is Which.TEXT:
                found = [each[head:] for head, each in zip(heads, octets, strict=True)]
            else:
                blocks = [own + each[:head] for own, head, each in zip(lines, heads, octets, strict=True)]
                is_all = section.which is Which.HEADER
                found = blocks if is_all else [selected(section, block) for block in blocks]
        if section.partial is None:
            return found
        start, length = section.partial
        return [each[start : start + length] for each in found]


def _filled(template: bytes, cells: Sequence[Values]) -> Iterable[bytes]:
    return map(template.__mod__, zip(*cells, strict=True))


def thread_value(threads: Mapping[int, bytes], uid: int) -> bytes:
    """NIL for what could not be read (RFC 8474 §5.2)."""
    thread = threads.get(uid)
    return NIL if thread is None else b"(%b)" % thread


def chunks(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ranges of messages that are read together; what is large makes one of its own."""
    start = together = 0
    for at, length in enumerate(lengths):
        together += length
        if at > start and (length > SMALL or together > TOGETHER):
            yield start, at
            start, together = at, length
        if length > SMALL:
            yield at, at + 1
            start, together = at + 1, 0
    if start < len(lengths):
        yield start, len(lengths)


def _format(attribute: Attribute) -> bytes:
    if attribute.section is not None:
        return _OCTETS
    if attribute.kind is Kind.UID:
        return b"%d"
    if attribute.kind is Kind.MODSEQ:
        return b"(%d)"
    return _ROW[attribute.kind][1] if attribute.kind in _ROW else b"%b"
