"""Summaries made of messages: all that clients ask of what they list."""

from __future__ import annotations

from hub.imap.bodystructure import body_structure
from hub.imap.envelope import envelope
from hub.imap.render import string
from hub.mail.headers import Headers
from hub.mail.preview import preview
from hub.mail.searchtext import listed_fields
from hub.mail.sortkeys import sort_keys
from hub.mail.structure import Structure
from hub.services.summary import KEPT, Heading, Outline, Summary


def make_summary(lines: bytes, head: bytes, data: bytes, structure: Structure) -> Summary:
    """lines: the item's own; head: the header block; data: what the structure's offsets count in, head
    included. Never raises."""
    headers = Headers(lines + head)
    keys = sort_keys(headers)  # first, for it makes a table of all fields
    heading = Heading(_kept(envelope(headers)), keys, _kept(listed_fields(headers)))
    return Summary(heading, make_outline(data, structure))


def make_outline(data: bytes, structure: Structure) -> Outline:
    """What the parts say."""
    root = structure.root
    return Outline(
        body=_kept(body_structure(root, data, extended=False)),
        bodystructure=_kept(body_structure(root, data, extended=True)),
        preview=preview_string(data, structure),
    )


def preview_string(data: bytes, structure: Structure) -> bytes:
    """The octets of a PREVIEW; some charsets decode to halves of characters, which no text has."""
    return string(preview(structure.root, data).encode("utf-8", "replace"))


def _kept(octets: bytes) -> bytes | None:
    return octets if len(octets) <= KEPT else None
