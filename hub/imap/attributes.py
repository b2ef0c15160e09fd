"""What a FETCH asks for (RFC 9051 §6.4.5 and the extensions that add to it), parsed."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from types import MappingProxyType

from hub.imap.replies import bad
from hub.imap.sections import Section, Which, parse_binary, parse_section
from hub.imap.tokens import Reader

_NAME = re.compile(rb"[A-Za-z0-9.]++")
_MAX_ATTRIBUTES = 200


class Kind(enum.Enum):
    """What an attribute is made from; the value is its name in the answer, for all but sections."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    MODSEQ = b"MODSEQ"  # RFC 7162
    INTERNALDATE = b"INTERNALDATE"
    SAVEDATE = b"SAVEDATE"  # RFC 8514
    SIZE = b"RFC822.SIZE"
    EMAILID = b"EMAILID"  # RFC 8474
    THREADID = b"THREADID"
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    PREVIEW = b"PREVIEW"  # RFC 8970
    SECTION = b"BODY["
    BINARY = b"BINARY["  # RFC 3516
    BINARY_SIZE = b"BINARY.SIZE["


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing asked for. section: of sections; peek: it does not set \\Seen; lazy: only if it is made."""

    kind: Kind
    section: Section | None = None
    peek: bool = True
    lazy: bool = False

    @property
    def label(self) -> bytes:
        """What stands before the value."""
        return self.kind.value if self.section is None else self.section.label


_SECTIONS = frozenset((Kind.SECTION, Kind.BINARY, Kind.BINARY_SIZE))
_FAST = (Attribute(Kind.FLAGS), Attribute(Kind.INTERNALDATE), Attribute(Kind.SIZE))
_ALL = (*_FAST, Attribute(Kind.ENVELOPE))
_MACROS = MappingProxyType({b"ALL": _ALL, b"FAST": _FAST, b"FULL": (*_ALL, Attribute(Kind.BODY))})
_SIMPLE = MappingProxyType({kind.value: Attribute(kind) for kind in Kind if kind not in _SECTIONS})
_RFC822 = MappingProxyType(
    {
        b"RFC822": Attribute(Kind.SECTION, Section((), Which.ALL, (), None, b"RFC822"), peek=False),
        b"RFC822.HEADER": Attribute(Kind.SECTION, Section((), Which.HEADER, (), None, b"RFC822.HEADER")),
        b"RFC822.TEXT": Attribute(
            Kind.SECTION, Section((), Which.TEXT, (), None, b"RFC822.TEXT"), peek=False
        ),
    }
)


def parse_attributes(reader: Reader) -> tuple[Attribute, ...]:
    """A macro, one attribute, or a list of them in parentheses; each once."""
    if not reader.take(b"("):
        start = reader.at
        macro = _MACROS.get(reader.match(_NAME, "ALL, FAST, FULL or what to fetch")[0].upper())
        if macro is not None:
            return macro
        reader.at = start
        return (_attribute(reader),)
    found: dict[Attribute, None] = {}
    while not reader.take(b")"):
        found[_attribute(reader)] = None
        if len(found) > _MAX_ATTRIBUTES:
            raise bad(f"More than {_MAX_ATTRIBUTES} things to fetch at once")
        if reader.peek() == b" ":
            reader.space()
    if not found:
        raise bad("Nothing to fetch stands in the parentheses")
    return tuple(found)


def _attribute(reader: Reader) -> Attribute:
    name = reader.match(_NAME, "what to fetch, such as FLAGS or BODY[]")[0].upper()
    if reader.peek() == b"[":
        if name in (b"BODY", b"BODY.PEEK"):
            return Attribute(Kind.SECTION, parse_section(reader), peek=name == b"BODY.PEEK")
        if name in (b"BINARY", b"BINARY.PEEK"):
            return Attribute(Kind.BINARY, parse_binary(reader, b"BINARY"), peek=name == b"BINARY.PEEK")
        if name == b"BINARY.SIZE":
            return Attribute(Kind.BINARY_SIZE, parse_binary(reader, name))
    simple = _SIMPLE.get(name) or _RFC822.get(name)
    if simple is None:
        known = b" ".join([*_SIMPLE, *_RFC822, b"BODY[section]", b"BINARY[part]"]).decode()
        raise bad(f"There is no {name.decode()[:40]} to fetch; there is {known}")
    if simple.kind is Kind.PREVIEW and reader.take(b" ("):
        if not reader.take(b"LAZY)"):
            raise bad("PREVIEW has one modifier, LAZY (RFC 8970)")
        return Attribute(Kind.PREVIEW, lazy=True)
    return simple


def without_flags(attributes: tuple[Attribute, ...]) -> bool:
    """Whether nobody asked for the flags."""
    return all(attribute.kind is not Kind.FLAGS for attribute in attributes)


def with_modseq(attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    """CHANGEDSINCE answers with modseqs in any case (RFC 7162 §3.1.4.1)."""
    modseq = Attribute(Kind.MODSEQ)
    return attributes if modseq in attributes else (*attributes, modseq)


def with_uid(attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    """UID FETCH answers with UIDs in any case (RFC 3501 §6.4.8)."""
    rest = [attribute for attribute in attributes if attribute.kind is not Kind.UID]
    return (Attribute(Kind.UID), *rest)
