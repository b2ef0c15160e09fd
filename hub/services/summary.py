"""What clients ask of every message they list, worked out once and kept beside its row."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from hub.mail.sortkeys import SortKeys

if TYPE_CHECKING:
    from hub.services.storage import UidRanges

SUMMARY_VERSION: Final = 2
"""Of how summaries are made. What was made otherwise counts as not made."""

KEPT: Final = 16 << 10
"""Octets of an answer that is worth keeping: rows of many messages are in memory at once."""

Row: TypeAlias = tuple[Any, ...]
"""A UID and the values of the columns that were asked for."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What the header block says. envelope: octets of an IMAP ENVELOPE; fields: those of
    `hub.mail.searchtext.listed_fields`; None if there are more than `KEPT`."""

    envelope: bytes | None
    keys: SortKeys
    fields: bytes | None


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
    """This and the next ones are the fields of `SortKeys`."""
    IS_REPLY = "is_reply"
    SENDER = "sender"
    TO = "to"
    CC = "cc"
    SENDER_NAME = "sender_name"
    TO_NAME = "to_name"
    SENT = "sent"
    """Seconds since the epoch, None without a readable Date."""
    SENT_DAY = "sent_day"
    HEADER_ID = "header_id"
    """The id in the message's header."""
    REFERENCES = "references"
    """Ids with a line feed between."""
    FIELDS = "fields"
    """The fields that are searched for most, decoded and mapped; None also if they are too long for it."""
    BODY = "body"
    BODYSTRUCTURE = "bodystructure"
    PREVIEW = "preview"


class Summaries(Protocol):
    """The storage's part of it: summaries lie beside items, and are copied and removed with them."""

    async def columns(self, mailbox: int, uids: UidRanges, columns: Sequence[MessageColumn]) -> Sequence[Row]:
        """A row for each item of those UIDs that is there, by UID.

        None stands for what of a summary was not made yet. `SUBJECT` tells, which else is there.
        """

    async def keep_summaries(self, mailbox: int, made: Mapping[int, Summary]) -> None:
        """Keep them by UID, in place of older ones; for items that are gone, nothing. MailboxMissing.

        No change of the mailbox: it takes no modseq and is not logged.
        """
