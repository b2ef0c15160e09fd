"""A message made to go where it could not as it is: one with binary parts into one of lines (RFC 3030 §3),
for wherever 8BITMIME goes, and one with octets beyond ASCII into one without (RFC 6152 §3).

    body:   lines │ header of a part │ binary octets │ lines │ …
              │      │ its encoding       │ base64, or quoted-printable for text
              └──────┴─ as they stand ────┴───────────► pieces, in order, never the whole

A part changes only where it has to: its octets do not go, or its label says so. Multiparts and messages in
messages are only labelled anew, for nothing else is allowed (RFC 2045 §6.4).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hub.mail.headers import Headers
from hub.mail.lines import has_bare_line_end, is_lines, steps
from hub.mail.parameters import parse_value
from hub.mail.structure import MAX_PARTS, Part, Structure

_ENCODING: Final = "content-transfer-encoding"
_TYPE: Final = re.compile(rb"[^\s/]++/[^\s/]++\Z")
_BASE64_STEP: Final = 57 * 4096  # lines of 76 characters
_MAX_QUOTED: Final = 256 * 1024
"""A text longer than this becomes base64."""


class NotMime(ValueError):
    """The message cannot be made into lines; says why."""


@dataclass(frozen=True, slots=True)
class _Edit:
    """What stands in place of the octets [start:end] of the body: `text`, or without one these in base64."""

    start: int
    end: int
    text: bytes | None


@dataclass(frozen=True, slots=True)
class _Form:
    """What a message is to be. label: of parts that are so; beyond: labels that say more than that."""

    label: bytes
    beyond: frozenset[bytes]

    def fits(self, body: bytes | memoryview, start: int, end: int) -> bool:
        """Whether these octets are so."""
        if self is _SEVEN_BIT and not all(piece.isascii() for piece in steps(body, start, end)):
            return False
        return is_lines(body, start, end)


_EIGHT_BIT: Final = _Form(b"8bit", frozenset((b"binary",)))
_SEVEN_BIT: Final = _Form(b"7bit", frozenset((b"binary", b"8bit")))
_UNTOUCHED: Final = frozenset(("multipart/signed", "multipart/encrypted"))


def reencode(head: bytes, body: bytes | memoryview) -> tuple[bytes, Iterator[bytes]] | None:
    """The new header block and the pieces of the new body, which is lines; None if nothing has to change.

    head: the header block and the blank line that ends it. NotMime, from the iterator too. Takes as long as
    reading the message does, so call both from a thread.
    """
    new_head, edits = _edited(head, body, _EIGHT_BIT)
    if edits or new_head is not head:
        return new_head, _pieces(body, edits)
    for _ in _copied(body, 0, len(body)):
        pass
    return None


def narrow(head: bytes, body: bytes | memoryview) -> tuple[bytes, Iterator[bytes]]:
    """A header block and pieces of a body that have no octets beyond ASCII, for a message that has some.

    What is signed or encrypted is not touched, nor are header fields: NotMime, from the iterator too.
    """
    new_head, edits = _edited(head, body, _SEVEN_BIT)
    if not new_head.isascii():
        raise NotMime("its header block has octets beyond ASCII")
    return new_head, _ascii(_pieces(body, edits))


def _ascii(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if not piece.isascii():
            raise NotMime("octets beyond ASCII stand outside of its parts, or in a header of theirs")
        yield piece


def _edited(head: bytes, body: bytes | memoryview, form: _Form) -> tuple[bytes, Sequence[_Edit]]:
    """The new header block, the same one if it does not change, and what changes in the body."""
    if has_bare_line_end(head):
        raise NotMime("a line of the header block does not end in CR LF")
    root = Structure(body, head).root
    parts = list(root.walk())
    if len(parts) >= MAX_PARTS:
        raise NotMime("it has too many parts")
    new_head, edits = head, list[_Edit]()
    for part in parts:
        block = head if part is root else bytes(body[part.header_start : part.body_start])
        change = _change(part, block, body, form, is_root=part is root)
        if change is None:
            continue
        label, content = change
        block = _labelled(block, label)
        if part is not root:
            edits.append(_Edit(part.header_start, part.body_start, block))
        else:
            new_head = block if "MIME-Version" in Headers(block) else b"MIME-Version: 1.0\r\n" + block
        if content is not None or label == b"base64":
            edits.append(_Edit(part.body_start, part.body_end, content))
    return new_head, edits


def _change(
    part: Part, block: bytes, body: bytes | memoryview, form: _Form, *, is_root: bool
) -> tuple[bytes, bytes | None] | None:
    """A part's new transfer encoding, and its octets in that if it is quoted-printable."""
    headers = Headers(block)
    named = parse_value(headers.raw(_ENCODING) or b"7bit")[0].lower()
    start, end = part.body_start, part.body_end
    is_labelled = named in form.beyond
    if form is _SEVEN_BIT and part.content_type in _UNTOUCHED and not form.fits(body, start, end):
        raise NotMime("what is signed or encrypted may not be changed")
    if part.children:
        changes = is_labelled and (form is _EIGHT_BIT or not form.fits(body, start, end))
        return (form.label, None) if changes else None
    if form.fits(body, start, end):
        return (form.label, None) if is_labelled and form is _EIGHT_BIT else None
    if named not in (b"7bit", b"8bit", b"binary"):
        raise NotMime(
            f"a part encoded as {named[:20].decode('ascii', 'backslashreplace')} is not made of lines"
        )
    declared = _TYPE.match(parse_value(headers.raw("Content-Type") or b"")[0].lower())
    kind = declared[0].decode() if declared else "text/plain"
    if kind != part.content_type or kind.startswith(("multipart/", "message/")):
        raise NotMime(f"a part of type {kind[:60]} holds octets that do not go and may not be encoded")
    if kind.startswith("text/") and end - start <= _MAX_QUOTED:
        text = bytes(body[start:end])
        quoted = _quoted(text)
        if quoted and len(quoted) * 3 <= len(text) * 4 and not (is_root and not text.endswith(b"\r\n")):
            return b"quoted-printable", quoted
    return b"base64", None


def _quoted(text: bytes) -> bytes:
    """A text in quoted-printable (RFC 2045 §6.7); empty if one of its lines does not end in CR LF."""
    if has_bare_line_end(text):
        return b""
    quoted = binascii.b2a_qp(text, istext=True)
    # Its own line ends are those that it sees in the text; where there are none, a bare LF.
    return quoted if b"\r\n" in text else quoted.replace(b"\n", b"\r\n")


def _labelled(block: bytes, label: bytes) -> bytes:
    """The same header block with this Content-Transfer-Encoding and no other."""
    field = b"Content-Transfer-Encoding: " + label + b"\r\n"
    pieces: list[bytes] = []
    end, is_said = 0, False
    for name_start, name_end, _, _, end in Headers(block).fields:
        if block[name_start:name_end].lower() != _ENCODING.encode():
            pieces.append(block[name_start:end])
        elif not is_said:
            pieces.append(field)
            is_said = True
    if not is_said:
        pieces.append(field)
    return b"".join(pieces) + block[end:]


def _pieces(body: bytes | memoryview, edits: Sequence[_Edit]) -> Iterator[bytes]:
    at = 0
    for edit in edits:
        yield from _copied(body, at, edit.start)
        if edit.text is None:
            yield from _base64(body, edit.start, edit.end)
            if edit.end == len(body):
                yield b"\r\n"
        elif has_bare_line_end(edit.text):
            raise NotMime("a line of a part's header does not end in CR LF")
        else:
            yield edit.text
        at = edit.end
    yield from _copied(body, at, len(body))


def _copied(body: bytes | memoryview, start: int, end: int) -> Iterator[bytes]:
    for piece in steps(body, start, end):
        if has_bare_line_end(piece):
            raise NotMime("a line outside of binary parts does not end in CR LF")
        yield piece


def _base64(body: bytes | memoryview, start: int, end: int) -> Iterator[bytes]:
    """Lines of 76 characters with CR LF between them (RFC 2045 §6.8)."""
    for at in range(start, end, _BASE64_STEP):
        text = binascii.b2a_base64(body[at : min(at + _BASE64_STEP, end)], newline=False)
        lines = b"\r\n".join([text[i : i + 76] for i in range(0, len(text), 76)])
        yield lines if at == start else b"\r\n" + lines
