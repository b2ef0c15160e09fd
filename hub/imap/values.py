"""What FETCH says of one message that was read for it."""

from __future__ import annotations

from hub.imap.attributes import Attribute, Kind
from hub.imap.binary import binary, binary_size
from hub.imap.bodystructure import body_structure
from hub.imap.contents import Contents, Large
from hub.imap.envelope import envelope
from hub.imap.render import NIL, internal_date
from hub.imap.sections import Section, pieces
from hub.imap.summaries import preview_string
from hub.mail.headers import Headers


async def value(attribute: Attribute, contents: Contents) -> bytes | Large:
    """What stands behind the label. BlobGone, Refused."""
    item = contents.item
    match attribute.kind:
        case Kind.INTERNALDATE:
            return internal_date(item.internal_date)
        case Kind.SAVEDATE:
            return internal_date(item.saved_at)
        case Kind.SIZE:
            return b"%d" % item.size
        case Kind.EMAILID:
            return b"(%b)" % item.message_id.encode()
        case _:
            return await _of_message(attribute, contents)


async def _of_message(attribute: Attribute, contents: Contents) -> bytes | Large:
    match attribute.kind:
        case Kind.ENVELOPE:
            return envelope(Headers(contents.item.lines + await contents.head()))
        case Kind.BODY | Kind.BODYSTRUCTURE:
            structure = await contents.structure()
            extended = attribute.kind is Kind.BODYSTRUCTURE
            return body_structure(structure.root, await contents.blob(), extended=extended)
        case Kind.PREVIEW:
            return preview_string(await contents.blob(), await contents.structure())
    assert attribute.section is not None
    match attribute.kind:
        case Kind.BINARY:
            return await binary(attribute.section, contents)
        case Kind.BINARY_SIZE:
            return await binary_size(attribute.section, contents)
        case _:
            return await _section(attribute.section, contents)


async def _section(section: Section, contents: Contents) -> bytes | Large:
    head = structure = None
    if section.needs_structure:
        structure = await contents.structure()
        head = await contents.blob() if section.needs_head else None
    elif section.needs_head:
        head = await contents.head()
    found = pieces(section, contents.item, head, structure)
    return NIL if found is None else await contents.literal(found)
