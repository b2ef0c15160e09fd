"""Let only people who have logged in write to team@."""

from hub import Reject, hookimpl


@hookimpl
async def smtp_rcpt(session, recipient):
    if recipient.local == "team" and session.identity is None:
        return Reject("5.7.1", "team@ takes mail from the team alone: log in to send it")
