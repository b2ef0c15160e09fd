"""A message is on its way to another server."""

from __future__ import annotations

from collections.abc import Sequence

from hub.hooks.markers import CHAIN, TEMPFAIL, hookspec
from hub.hooks.plugin import Plugin
from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.mail.message import Message


@hookspec(CHAIN, on_failure=TEMPFAIL, timeout=30, carry="message")
async def rewrite_relayed(
    plugin: Plugin,
    sender: AccountRef | None,
    reverse_path: Address | None,
    recipients: Sequence[Address],
    message: Message,
) -> Message | None:
    """Change a message as the last thing before a server takes it: sign it.

    It runs for each try, once the server is known and has told what it can take; nothing is changed after
    it. `recipients` are those behind that server. `sender` is the account that handed the message in, None
    for what came from elsewhere and is passed on, and for the hub's own reports. Return a new `Message`, or
    None to leave it as it is. What is stored does not change. A failed step defers the message.

        @hookimpl
        async def rewrite_relayed(message):
            return message.under("X-Sent-By: the office\\r\\n")
    """
