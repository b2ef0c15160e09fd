"""Views of mailboxes that no storage has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from hub.imap.mirror import Mirror
from hub.imap.place import Place
from hub.imap.snapshot import loaded
from hub.imap.view import View
from hub.mail.login import AccountRef
from hub.services.states import NO_STATES, ItemState, States
from hub.services.storage import Mailbox, MailboxChanges, Storage


@dataclass
class Happened:
    """A storage that knows of these changes and of nothing else."""

    happened: MailboxChanges

    async def changes(self, mailbox: int, since: int, viewer: AccountRef | None) -> MailboxChanges:
        return self.happened


def view_of(uids: Sequence[int], happened: MailboxChanges | None = None) -> View:
    """A view of messages without flags, at modseq 5, to whom those changes have happened since."""
    mailbox = Mailbox(1, "INBOX", 7, 100, 5, len(uids), 0, 0, None, False)
    place = Place("INBOX", mailbox, AccountRef("default", "anna"))
    storage = cast(Storage, Happened(happened or MailboxChanges(5, 100, NO_STATES, ())))
    newest = loaded(States.of(ItemState(uid, frozenset(), 1) for uid in uids), 5)
    mirror = Mirror(lambda: storage, (1, None), newest, is_loaded=True)
    return View(place, mirror, lambda: None, read_only=False)
