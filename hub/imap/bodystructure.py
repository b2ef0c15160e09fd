"""BODY and BODYSTRUCTURE (RFC 3501 §7.4.2): the tree of parts as nested lists."""

from __future__ import annotations

from hub.imap.envelope import envelope
from hub.imap.render import NIL, nstring, string
from hub.mail.headers import Headers
from hub.mail.parameters import Parameters, joined
from hub.mail.structure import Part


def body_structure(part: Part, data: bytes, *, extended: bool) -> bytes:
    """One part and all below it. data: the octets that the part's offsets count in; extended:
    BODYSTRUCTURE, not BODY."""
    if part.is_multipart:
        fields = [b"".join([body_structure(child, data, extended=extended) for child in part.children])]
        fields.append(string(part.subtype))
        if extended:
            fields += [_parameters(part.parameters), *_disposition(part)]
        return b"(%b)" % b" ".join(fields)
    fields = [
        string(part.type),
        string(part.subtype),
        _parameters(part.parameters),
        nstring(part.id),
        nstring(part.description),
        string(part.encoding or b"7BIT"),
        b"%d" % part.size,
    ]
    if part.is_message:
        message = part.children[0]
        headers = Headers(data[message.header_start : message.body_start])
        fields += [envelope(headers), body_structure(message, data, extended=extended), b"%d" % part.lines]
    elif part.type.lower() == b"text":
        fields.append(b"%d" % part.lines)
    if extended:
        fields += [nstring(part.md5), *_disposition(part)]
    return b"(%b)" % b" ".join(fields)


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return NIL
    pairs = [b"%b %b" % (string(name), string(value)) for name, value in joined(parameters)]
    return b"(%b)" % b" ".join(pairs)


def _disposition(part: Part) -> tuple[bytes, bytes, bytes]:
    """The extension data that all kinds of parts end with: disposition, language, location."""
    disposition = NIL
    if part.disposition is not None:
        disposition = b"(%b %b)" % (string(part.disposition), _parameters(part.disposition_parameters))
    language = NIL
    if part.language:
        language = b"(%b)" % b" ".join(map(string, part.language))
    return disposition, language, nstring(part.location)
