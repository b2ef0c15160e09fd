"""What a FETCH asks for (RFC 3501 §6.4.5), parsed, and each thing rendered for one message."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from types import MappingProxyType

from hub.imap.bodystructure import body_structure
from hub.imap.contents import Contents, Large
from hub.imap.envelope import envelope
from hub.imap.render import internal_date
from hub.imap.replies import bad
from hub.imap.sections import Section, Which, parse_section, pieces
from hub.imap.tokens import Reader
from hub.mail.headers import Headers

_NAME = re.compile(rb"[A-Za-z0-9.]++")
_MAX_ATTRIBUTES = 200


class Kind(enum.Enum):
    """What an attribute is made from."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    MODSEQ = b"MODSEQ"
    INTERNALDATE = b"INTERNALDATE"
    SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    SECTION = b"BODY["


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing asked for. section: for Kind.SECTION; peek: it does not set \\Seen."""

    kind: Kind
    section: Section | None = None
    peek: bool = True


_FAST = (Attribute(Kind.FLAGS), Attribute(Kind.INTERNALDATE), Attribute(Kind.SIZE))
_ALL = (*_FAST, Attribute(Kind.ENVELOPE))
_MACROS = MappingProxyType({b"ALL": _ALL, b"FAST": _FAST, b"FULL": (*_ALL, Attribute(Kind.BODY))})
_SIMPLE = MappingProxyType({kind.value: Attribute(kind) for kind in Kind if kind is not Kind.SECTION})
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
    if name in (b"BODY", b"BODY.PEEK") and reader.peek() == b"[":
        return Attribute(Kind.SECTION, parse_section(reader), peek=name == b"BODY.PEEK")
    simple = _SIMPLE.get(name) or _RFC822.get(name)
    if simple is None:
        known = b" ".join([*_SIMPLE, *_RFC822, b"BODY[section]"]).decode()
        raise bad(f"There is no {name.decode()[:40]} to fetch; there is {known}")
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


async def render(attribute: Attribute, contents: Contents) -> bytes | Large:
    """Name and value of an attribute that is made from the message. BlobGone."""
    item = contents.item
    match attribute.kind:
        case Kind.INTERNALDATE:
            return b"INTERNALDATE " + internal_date(item.internal_date)
        case Kind.SIZE:
            return b"RFC822.SIZE %d" % item.size
        case Kind.ENVELOPE:
            return b"ENVELOPE " + envelope(Headers(item.lines + await contents.head()))
        case Kind.BODY | Kind.BODYSTRUCTURE:
            structure = await contents.structure()
            extended = attribute.kind is Kind.BODYSTRUCTURE
            rendered = body_structure(structure.root, await contents.blob(), extended=extended)
            return b"%b %b" % (attribute.kind.value, rendered)
        case _:
            assert attribute.section is not None
            return await _section(attribute.section, contents)


async def _section(section: Section, contents: Contents) -> bytes | Large:
    head = structure = None
    if section.needs_structure:
        structure = await contents.structure()
        head = await contents.blob() if section.needs_head else None
    elif section.needs_head:
        head = await contents.head()
    found = pieces(section, contents.item, head, structure)
    if found is None:
        return section.label + b" NIL"
    return await contents.literal(section.label, found)
