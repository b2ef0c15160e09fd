"""Headers in UTF-8 for clients that have not said UTF8 (RFC 6856 §4): the same in ASCII, after RFC 6857."""

import re
from collections.abc import AsyncIterator
from email.header import Header
from typing import Final
from urllib.parse import quote

from hub import Headers, addresses

_ADDRESSED: Final = re.compile(r"(?:resent-)?(?:from|to|cc|bcc|sender|reply-to)", re.IGNORECASE)
_PARAMETER: Final = re.compile(r'(;\s*)([!#$&+\-^_`{|}~0-9A-Za-z.]+)=("(?:[^"\\]|\\.)*+"|[^;\s"]+)')
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_UNFOLDED: Final = re.compile(r"\r?\n[ \t]*")


def is_international(block: bytes) -> bool:
    """Whether a header block is in UTF-8; octets that are none are nobody's standard, and stay."""
    if block.isascii():
        return False
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


async def downgraded(headers: Headers, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a message, the header block, which is the first, in ASCII."""
    await anext(pieces)
    yield ascii_block(headers)
    async for piece in pieces:
        yield piece


def ascii_block(headers: Headers) -> bytes:
    """The header block with each field in ASCII."""
    block, at, out = headers.block, 0, bytearray()
    for field in headers.fields:
        line = block[field.name_start : field.end]
        out += block[at : field.name_start]
        at = field.end
        if line.isascii():
            out += line
            continue
        name = block[field.name_start : field.name_end].decode()
        value = _UNFOLDED.sub(" ", block[field.value_start : field.value_end].decode()).strip()
        out += _field(name, value).encode("ascii", "replace")
    return bytes(out + block[at:])


def _field(name: str, value: str) -> str:
    if not name:
        return ""
    if _ADDRESSED.fullmatch(name):
        return f"{name}: {', '.join(_listed(value))}\r\n"
    if name.lower().startswith("content-"):
        return f"{name}: {_PARAMETER.sub(_parameter, value)}\r\n"
    return f"{name}: {_words(value, len(name) + 2)}\r\n"


def _listed(value: str) -> list[str]:
    """Each mailbox; one that cannot be written is a group of nobody (RFC 6857 §3.1.4)."""
    found = []
    for each in addresses(value):
        if each.local is None or each.host is None:
            continue
        shown = (each.name or b"").decode("utf-8", "replace")
        where = f"{each.local.decode('utf-8', 'replace')}@{each.host.decode('utf-8', 'replace')}"
        if where.isascii():
            found.append(f"{_phrase(shown)} <{where}>" if shown else where)
        else:
            found.append(f"{_phrase(f'{shown} {where} removed'.strip())}:;")
    return found


def _phrase(text: str) -> str:
    if not text.isascii():
        return _words(text, 12)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _words(text: str, used: int) -> str:
    """RFC 2047, folded."""
    return Header(text, "utf-8", header_name="x" * used).encode(linesep="\r\n")


def _parameter(found: re.Match[str]) -> str:
    """RFC 2231 §4."""
    before, name, value = found.groups()
    if value.isascii():
        return found[0]
    text = _QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value
    return f"{before}{name}*=utf-8''{quote(text, safe='')}"
