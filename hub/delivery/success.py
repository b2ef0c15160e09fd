"""Reports of what goes well here and now, to who asked by NOTIFY=SUCCESS (RFC 3461 §5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.delivery.accept import Content, Recipient
from hub.delivery.forged import seems_forged
from hub.delivery.reporting import all_or_none, keep_report
from hub.delivery.reports import About, Kind, Told
from hub.loading.kernel import Kernel
from hub.mail.dsn import NO_DSN
from hub.mail.envelope import Envelope
from hub.mail.login import AccountRef
from hub.services.storage import Acceptance

_SAID: Final[dict[Kind, tuple[str, str]]] = {
    "delivered": ("2.1.5", "It lies in the mailbox."),
    "expanded": ("2.1.5", "The address leads to several, each of which gets the mail."),
}


async def success_reports(
    kernel: Kernel,
    envelope: Envelope,
    recipients: Sequence[Recipient],
    content: Content,
    headers: Sequence[tuple[str, str]],
    sender: AccountRef | None,
) -> Sequence[Acceptance]:
    """Those that are due with the acceptance of a message, for its commit.

    headers: what is put on top of it. sender: who has logged in. What the store and the directory raise.
    """
    if envelope.dsn is NO_DSN or envelope.reverse_path is None:
        return ()
    told: dict[Kind, list[Told]] = {}
    for each in recipients:
        parameters = envelope.dsn.recipients.get(each.address)
        if parameters is not None and "SUCCESS" in (parameters.notify or ()) and (kind := _kind(each)):
            told.setdefault(kind, []).append(Told(each.address, parameters.original, *_SAID[kind]))
    if not told:
        return ()
    head = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers) + content.head
    if sender is None and seems_forged(head):
        return ()
    now = kernel.services.clock.time()
    about = About(envelope.reverse_path, now, content.head, envid=envelope.dsn.envid)
    making = (await keep_report(kernel, kind, about, each) for kind, each in told.items())
    return await all_or_none(kernel, making)


def _kind(recipient: Recipient) -> Kind | None:
    """None for one address elsewhere: the next server answers for that."""
    accounts, forwards = recipient.resolution.accounts, recipient.resolution.forwards
    if not forwards:
        return "delivered"
    return "expanded" if len(accounts) + len(forwards) > 1 else None
