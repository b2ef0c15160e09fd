"""What clients ask of every message they list, worked out once and kept beside its row."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from hub.services.storage import UidRanges

SUMMARY_VERSION: Final = 1
"""Of how summaries are made. What was made otherwise counts as not made."""

KEPT: Final = 16 << 10
"""Octets of an answer that is worth keeping: rows of many messages are in memory at once."""

Row: TypeAlias = tuple[Any, ...]
"""A UID and the values of the columns that were asked for."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What the header block says.

    envelope: the octets of an IMAP ENVELOPE, None if it has more than `KEPT`. subject: the base subject
    (RFC 5256 §2.1); is_reply: whether it was a reply's or a forward's. from_, to, cc: the local part of the
    first address; from_name, to_name: its name as RFC 5957 displays it. All these sort by code point as
    i;unicode-casemap does (RFC 5051). sent: of Date, seconds since the epoch; None if that is not readable.
    message_id: without brackets, empty if it has none that is valid. references: the ids of its ancestors,
    the oldest first, with a space between.
    """

    envelope: bytes | None
    subject: str
    is_reply: bool
    from_: str
    to: str
    cc: str
    from_name: str
    to_name: str
    sent: int | None
    message_id: str
    references: str


@dataclass(frozen=True, slots=True)
class Outline:
    """What the whole message says: the octets of IMAP's BODY, BODYSTRUCTURE and PREVIEW (RFC 8970).

    None stands for more than `KEPT` octets.
    """

    body: bytes | None
    bodystructure: bytes | None
    preview: bytes


@dataclass(frozen=True, slots=True)
class Summary:
    """outline: None as long as nobody has looked at more than the header block."""

    heading: Heading
    outline: Outline | None = None


class MessageColumn(enum.Enum):
    """What can be read of many messages at once; the first ones are the item's own and always there."""

    SIZE = "size"
    INTERNAL_DATE = "internal_date"
    SAVED_AT = "saved_at"
    MESSAGE_ID = "message_id"
    """The hub's own id of the message, not that of its header."""
    MODSEQ = "modseq"
    LINES = "lines"
    HEAD_SIZE = "head_size"
    BLOB = "blob"
    ENVELOPE = "envelope"
    SUBJECT = "subject"
    IS_REPLY = "is_reply"
    FROM = "from_"
    TO = "to"
    CC = "cc"
    FROM_NAME = "from_name"
    TO_NAME = "to_name"
    SENT = "sent"
    ID = "header_id"
    """`Heading.message_id`."""
    REFERENCES = "references"
    BODY = "body"
    BODYSTRUCTURE = "bodystructure"
    PREVIEW = "preview"


class Summaries(Protocol):
    """The storage's part of it: summaries lie beside items, and are copied and removed with them."""

    async def columns(self, mailbox: int, uids: UidRanges, columns: Sequence[MessageColumn]) -> Sequence[Row]:
        """A row for each item of those UIDs that is there, by UID.

        None stands for what of a summary was not made yet. `MessageColumn.SUBJECT` tells, which else is text.
        """

    async def keep_summaries(self, mailbox: int, made: Mapping[int, Summary]) -> None:
        """Keep them by UID, in place of older ones; for items that are gone, nothing. MailboxMissing.

        No change of the mailbox: it takes no modseq and is not logged.
        """
