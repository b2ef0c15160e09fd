"""Who else may see a mailbox (RFC 4314)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from hub.mail.login import AccountRef

if TYPE_CHECKING:
    from hub.services.storage import Mailbox

RIGHTS: Final = "lrswipkxtea"
"""Every right there is (RFC 4314 §2.1), in the order in which they are written; an owner has them all."""

ANYONE: Final = "anyone"
"""The identifier of whoever has logged in, of the owner's tenant."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A mailbox of somebody else. account: whose it is. rights: what was asked for may do, of `RIGHTS`."""

    account: AccountRef
    mailbox: Mailbox
    rights: str


class Sharing(Protocol):
    """The storage's part of access control: it keeps lists, and knows of no address what it stands for."""

    async def rights(self, mailbox: int) -> Mapping[str, str]:
        """Identifier → rights, the owner's left out. An identifier with `-` before it takes rights away.

        MailboxMissing.
        """

    async def set_rights(self, mailbox: int, identifier: str, rights: str) -> None:
        """Replace what one identifier has; empty takes it off the list. Logged as RIGHTS.

        MailboxMissing; ValueError for what is none of `RIGHTS`.
        """

    async def shared_with(
        self, tenant: str, identifiers: Sequence[str], viewer: AccountRef | None = None
    ) -> Sequence[Shared]:
        """Every mailbox of the tenant that one of the identifiers may do something with, by account and name.

        The rights are those of all the identifiers together, less what is taken away; without any that are
        left, a mailbox is not among them. viewer: whose count `unseen` is, the owner's without one.
        """
