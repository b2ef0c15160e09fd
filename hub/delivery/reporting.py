"""Reports made durable, for whoever commits what they report on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from hub.delivery.accept import Content, Recipient, keep
from hub.delivery.reports import About, Kind, Told, report
from hub.loading.kernel import Kernel
from hub.mail.address import Address
from hub.mail.envelope import Envelope
from hub.mail.ident import new_id
from hub.services.directory import Resolution
from hub.services.storage import Acceptance


async def keep_report(kernel: Kernel, kind: Kind, about: About, told: Sequence[Told]) -> Acceptance | None:
    """A report on its way, its bytes durable; None if nobody has the address that it would go to.

    Who has committed it settles its blob. What the store and the directory raise.
    """
    found = await leads_to(kernel, about.to)
    if found is None:
        return None
    identity = new_id()
    hostname, now = kernel.settings.hub.hostname, kernel.services.clock.time()
    content = Content(*report(kind, about, told, hostname, identity, now))
    envelope = Envelope(identity, None, (about.to,))
    return await keep(kernel, envelope, [Recipient(about.to, found)], content, sender=None)


async def all_or_none(kernel: Kernel, making: AsyncIterator[Acceptance | None]) -> Sequence[Acceptance]:
    """Those that are made, one after the other; if one cannot be, nobody will commit those before it."""
    made: list[Acceptance] = []
    try:
        async for each in making:
            made += [each] if each is not None else []
    except BaseException:
        for each in made:
            kernel.services.blobs.settle(each.blob)
        raise
    return made


async def leads_to(kernel: Kernel, address: Address) -> Resolution | None:
    """Where mail of the hub's own goes."""
    directory = kernel.services.directory
    if not address.domain or await directory.is_local(address.domain):
        return await directory.resolve(address)
    return Resolution(forwards=(address,))
