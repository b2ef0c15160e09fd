"""What an SMTP client asks for, in the order of the protocol (RFC 5321 §3)."""

from __future__ import annotations

from hub.hooks.markers import FIRST, TEMPFAIL, hookspec
from hub.hooks.plugin import Plugin
from hub.hooks.session import Session
from hub.mail.address import Address
from hub.mail.envelope import Envelope
from hub.mail.verdict import Verdict


@hookspec(FIRST, on_failure=TEMPFAIL, timeout=10)
async def smtp_connect(plugin: Plugin, session: Session) -> Verdict | None:
    """A client has connected and has not been greeted yet (RFC 5321 §3.1).

    Reject answers 554 and closes, Defer answers 421 and closes. If nobody answers, the client is greeted.
    """


@hookspec(FIRST, on_failure=TEMPFAIL, timeout=10)
async def smtp_helo(plugin: Plugin, session: Session, name: str) -> Verdict | None:
    """The client says what it is called, by HELO or EHLO (RFC 5321 §4.1.1.1); `name` is its argument,
    unverified.

    Reject answers 550, Defer 450. If nobody answers, the greeting is accepted: RFC 5321 §4.1.4 lets a
    server not refuse mail only because the name does not resolve.
    """


@hookspec(FIRST, on_failure=TEMPFAIL, timeout=30)
async def smtp_mail(plugin: Plugin, session: Session, envelope: Envelope) -> Verdict | None:
    """A transaction begins (RFC 5321 §4.1.1.2); `envelope.reverse_path` is the sender, None for `<>`.

    Reject answers 550, Defer 450. The core then decides whether a logged-in account may use the sender, and
    on the size.
    """


@hookspec(FIRST, on_failure=TEMPFAIL, timeout=30)
async def smtp_rcpt(
    plugin: Plugin, session: Session, envelope: Envelope, recipient: Address
) -> Verdict | None:
    """One more recipient is asked for (RFC 5321 §4.1.1.3); `envelope.recipients` holds those accepted before.

    Reject answers 550, Defer 450, for this recipient alone. The core then decides on relaying, on whether
    the recipient exists, and on the quota; no plugin can turn that off.

        @hookimpl
        async def smtp_rcpt(recipient):
            if recipient.local == "nobody":
                return Reject("5.1.1", "nobody is not here")
    """
