"""Mail of the hub's own making: written by a plugin, kept and sent on as any other."""

from __future__ import annotations

from collections.abc import Sequence

from hub.delivery.accept import Content, Recipient, commit, keep
from hub.loading.kernel import Kernel
from hub.mail.address import Address
from hub.mail.envelope import Envelope
from hub.mail.ident import new_id
from hub.services.directory import Resolution


async def submit(
    kernel: Kernel, reverse_path: Address | None, recipients: Sequence[Address], content: bytes
) -> str:
    """Keep a whole message for all its recipients, here and elsewhere; its id.

    LookupError if one of them is not here, ValueError for what is no message; then nothing of it is kept.
    """
    at = content.find(b"\r\n\r\n") + 4
    if at < 4 or not recipients:
        raise ValueError("a message has recipients, and an empty line after its header")
    found = [Recipient(each, await _resolve(kernel, each)) for each in recipients]
    envelope = Envelope(new_id(), reverse_path, tuple(recipients))
    acceptance = await keep(kernel, envelope, found, Content(content[:at], content[at:]), sender=None)
    try:
        await commit(kernel.services.storage, acceptance)
    finally:
        kernel.services.blobs.settle(acceptance.blob)
    return envelope.id


async def _resolve(kernel: Kernel, recipient: Address) -> Resolution:
    directory = kernel.services.directory
    if not await directory.is_local(recipient.domain):
        return Resolution(forwards=(recipient,))
    found = await directory.resolve(recipient)
    if found is None:
        raise LookupError(f"there is no {recipient} here")
    return found
