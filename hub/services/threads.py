"""Which messages belong to one conversation: they share ids in Message-ID, References or In-Reply-To."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Threads(Protocol):
    """The storage's part of it: the keys of an account's messages, and which thread each is in.

    A key is a number made of an id, `hub.imap.conversations.thread_keys`. What is known stays known when its
    message is gone, so that an answer to it finds its thread.
    """

    async def threads(self, mailbox: int, keys: Sequence[int]) -> Mapping[int, int]:
        """The thread of each of these messages of the mailbox's account that was joined to one, by its own
        key.
        """

    async def join_threads(self, mailbox: int, messages: Sequence[Sequence[int]]) -> None:
        """Put messages, each given by its keys with its own as the last, into threads. MailboxMissing.

        Messages that share a key are in one thread; who shares one with two threads makes them one, which
        goes by the number of the larger, unless both have grown large already. A new thread's number is the
        first key of its message. No change of the mailbox: it takes no modseq and is not logged.
        """
