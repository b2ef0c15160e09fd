"""Take large messages only from people who have logged in."""

from hub import Reject, hookimpl

LIMIT = 10_000_000


@hookimpl
async def smtp_mail(session, envelope):
    if session.identity is None and (envelope.size or 0) > LIMIT:
        return Reject("5.3.4", f"from outside at most {LIMIT} octets are taken")
