"""What users say by moving mail: into Junk it is spam, out of it ham; spamd learns from that (TELL).

what the hub itself put into Junk ─► noted, taught nothing
moved into Junk ─► spam, unless it is noted as such     moved elsewhere from there ─► ham
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Final

from hub import BlobGone, ChangeKind, LogEntry, Plugin, StoredMessage
from hub_plugin_spamassassin.conversation import Conversation, Lesson, SpamdAway, SpamdError

KEEP: Final = 60 * 86400.0
"""Seconds for which it is known what a message counts as."""
TRIES: Final = 5
"""After so many a message that spamd does not answer about is left out."""
_SAYS_NOTHING: Final = frozenset({"\\Trash", "\\Drafts", "\\Sent"})
# What the hub has added would teach spamd its own verdict.
_OURS: Final = ("Delivered-To", "X-Hub-Checks", "X-Spam-Status", "X-Virus-Scanned")


class Teacher:
    """Follows the log, one message after the other. max_size: larger ones are left out."""

    def __init__(self, plugin: Plugin, conversation: Conversation, timeout: float, max_size: int) -> None:
        self._plugin = plugin
        self._conversation = conversation
        self._timeout = timeout
        self._max_size = max_size
        self._failed: tuple[int, int] = 0, 0

    async def follow(self, entries: Sequence[LogEntry]) -> None:
        """Raises SpamdAway while spamd does not answer: the same entries come again."""
        for entry in entries:
            if entry.kind in (ChangeKind.DELIVERED, ChangeKind.APPENDED):
                async for stored in self._plugin.messages(entry):
                    await self._consider(entry, stored)

    async def _consider(self, entry: LogEntry, stored: StoredMessage) -> None:
        use = stored.mailbox.special_use
        if use in _SAYS_NOTHING or (entry.kind is ChangeKind.DELIVERED and use != "\\Junk"):
            return
        key = _key(stored)
        known = await self._plugin.kv.get(key)
        now: Lesson = "spam" if use == "\\Junk" else "ham"
        if known == now.encode() or (known is None and now == "ham"):
            return
        if entry.kind is ChangeKind.APPENDED and stored.size <= self._max_size:
            try:
                await self._teach(entry, stored, now)
            except BlobGone:
                return
        await self._plugin.kv.set(key, now.encode(), expires=KEEP)

    async def _teach(self, entry: LogEntry, stored: StoredMessage, what: Lesson) -> None:
        whole = await stored.bytes(self._max_size)
        message = stored.headers.omit(_OURS) + b"\r\n" + whole[len(stored.headers.block) :]
        try:
            async with asyncio.timeout(self._timeout):
                learned = await self._conversation.teach(message, what)
        except (SpamdAway, OSError, TimeoutError) as error:
            position, tries = self._failed
            self._failed = entry.position, tries + 1 if position == entry.position else 1
            if self._failed[1] < TRIES:
                raise SpamdAway(f"{type(error).__name__}: {error}") from error
            self._say("a message was not learned from", stored, what, reason=str(error))
        except SpamdError as error:  # it will say the same again, as without --allow-tell
            self._say("spamd does not learn", stored, what, reason=str(error))
        else:
            self._plugin.log.info("learned", message_id=stored.item.message_id, what=what, new=learned)

    def _say(self, event: str, stored: StoredMessage, what: Lesson, reason: str) -> None:
        self._plugin.log.error(event, message_id=stored.item.message_id, what=what, reason=reason)


def _key(stored: StoredMessage) -> str:
    """One for each copy of a message that a user can move; it names nobody."""
    account = stored.account
    parts = "\0".join((account.tenant, account.key, stored.item.message_id))
    return f"counts/{hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()}"
