"""What users and the operator note down about mailboxes and the server (RFC 5464)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hub.mail.login import AccountRef


class Annotations(Protocol):
    """The storage's part of METADATA. Entries are lower case and begin with `/private/` or `/shared/`.

    A private one is its viewer's own, a shared one of the mailbox is the same for all who may see that.
    """

    async def annotations(self, viewer: AccountRef, mailbox: int | None) -> Mapping[str, bytes]:
        """Entry → value, of a mailbox or, for None, of the viewer's own account. MailboxMissing."""

    async def annotate(
        self, viewer: AccountRef, mailbox: int | None, values: Mapping[str, bytes | None]
    ) -> None:
        """Set entries, all or none; None removes one. Logged as ANNOTATED. MailboxMissing."""
