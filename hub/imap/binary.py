"""BINARY: parts without their transfer encoding (RFC 3516)."""

from __future__ import annotations

import asyncio
from typing import Final

from hub.imap.contents import SMALL, Contents
from hub.imap.replies import Refused, Reply
from hub.imap.sections import Section
from hub.mail.parameters import parse_value
from hub.mail.structure import Part, decoded

_KNOWN: Final = frozenset((b"", b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable"))


async def binary(section: Section, contents: Contents) -> bytes:
    """The octets as a string, or as literal8 if NUL is among them; NIL without such a part. BlobGone,
    Refused."""
    octets = await _octets(section, contents)
    if octets is None:
        return b"NIL"
    if section.partial is not None:
        start, length = section.partial
        octets = octets[start : start + length]
    return b"%b{%d}\r\n%b" % (b"~" if b"\0" in octets else b"", len(octets), octets)


async def binary_size(section: Section, contents: Contents) -> bytes:
    """How many octets there are; 0 without such a part, for the answer is a number. BlobGone, Refused."""
    octets = await _octets(section, contents)
    return b"%d" % len(octets or b"")


async def _octets(section: Section, contents: Contents) -> bytes | None:
    data = await contents.blob()
    if not section.path:  # RFC 9051 §6.4.5: the whole message, as it is
        return contents.item.lines + data
    part = (await contents.structure()).part(section.path)
    if part is None:
        return None
    _require_known(part)
    if part.size <= SMALL:
        return decoded(part, data)
    return await asyncio.to_thread(decoded, part, data)


def _require_known(part: Part) -> None:
    encoding = b"" if part.encoding is None else parse_value(part.encoding)[0].lower()
    if encoding not in _KNOWN:
        text = b"The part is encoded in a way that is not known here; fetch it with BODY"
        raise Refused(Reply(b"NO", text, b"UNKNOWN-CTE"))
