"""Refuse mail to nobody@."""

from hub import Reject, hookimpl


@hookimpl
async def smtp_rcpt(recipient):
    if recipient.local == "nobody":
        return Reject("5.1.1", "nobody is not here")
