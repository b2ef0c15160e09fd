"""A whole message is there and has not been answered yet."""

from __future__ import annotations

from hub.hooks.markers import COLLECT, TEMPFAIL, hookspec
from hub.hooks.plugin import Plugin
from hub.hooks.session import Session
from hub.mail.envelope import Envelope
from hub.mail.message import Message
from hub.mail.verdict import Finding


@hookspec(COLLECT, on_failure=TEMPFAIL, timeout=60)
async def check_message(
    plugin: Plugin, session: Session, envelope: Envelope, message: Message
) -> Finding | None:
    """Judge a message between its last octet and the reply to it.

    All plugins run side by side. Reject beats Defer beats the sum of the scores, which is compared with
    `[checks] junk_score` and `reject_score`, or with what a recipient's domain or account has there; None is
    no opinion. A failed check counts as Defer unless the operator says `on_failure = "skip"`. The headers of
    all findings are put on top of the message, and the reasons in X-Hub-Checks; fields that a finding
    `removes` are gone. If only some recipients would refuse the message, they find it in Junk; in LMTP each
    is answered.

    `@hookimpl(score=(0, 5))` promises that an implementation adds that much and does nothing else. Without
    it a score below 0 counts as 0. Who still runs is cancelled once nothing it may say can change the
    outcome.

        @hookimpl
        async def check_message(message):
            if "lottery" in (message.headers.get("Subject") or "").lower():
                return Finding(score=3.0, reasons=("lottery in the subject",))
    """
