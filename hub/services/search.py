"""Which messages are worth reading when a text is searched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.mail.login import AccountRef
from hub.mail.relevance import Occurrences
from hub.services.storage import Mailbox


@dataclass(frozen=True, slots=True)
class Narrowed:
    """uids: of messages that may hold the text. upto: no other message up to this UID holds it; what comes
    behind it is not indexed yet.
    """

    uids: frozenset[int]
    upto: int


@dataclass(frozen=True, slots=True)
class Counted:
    """counts: by UID, of each message that has any of the words. untold: UIDs of those that the index knows
    nothing of. upto: as that of `Narrowed`.
    """

    counts: Mapping[int, Occurrences]
    untold: frozenset[int]
    upto: int


class Search(Protocol):
    """The choose-one service that narrows IMAP SEARCH, entered by the hub as an async context manager.

    It decides nothing: a message that it names is read and may turn out not to match, so answers are the same
    without it.
    """

    async def narrow(self, mailbox: int, needle: bytes) -> Narrowed | None:
        """For a piece of `SearchText.everything` of messages in the mailbox of that id.

        None if the index does not tell, as of a needle that is too short for it.
        """

    async def count(self, mailbox: int, words: Sequence[str]) -> Counted | None:
        """How often messages of the mailbox say these words of `hub.mail.relevance` in all that
        `SearchText.everything` has, folded; for FUZZY (RFC 6203).

        None if the index does not tell, as of a word that is too short for it.
        """

    async def indexed(self, mailboxes: Sequence[int]) -> Mapping[int, int]:
        """Up to which UID each is indexed; without those that are not at all."""

    async def reindex(self, account: AccountRef, mailbox: Mailbox) -> None:
        """Index a mailbox anew; until that is done, what is behind is not indexed yet."""
