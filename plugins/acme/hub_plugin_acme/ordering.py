"""One order, from the first request to the certificate (RFC 8555 §7.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from hub import Clock, Plugin
from hub_plugin_acme.keys import make_key, make_request
from hub_plugin_acme.orders import Authorization, Issued, Order, Refused
from hub_plugin_acme.proving import chosen, proof
from hub_plugin_acme.records import Account, Records
from hub_plugin_acme.settings import Settings, Wanted

if TYPE_CHECKING:
    from hub_plugin_acme.ca import Ca

T = TypeVar("T")

PATIENCE: Final = 600.0
"""Seconds for a whole order, waiting for DNS included."""
FIRST_LOOK: Final = 0.1
LONGEST_LOOK: Final = 5.0
"""Seconds between two looks at what an authority works on; each pause is half as long again."""


class Blocking:
    """Two threads for what blocks, so that an authority that hangs holds up nothing but orders."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="acme")

    def __enter__(self) -> Blocking:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever still waits for an authority ends with its own deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, function: Callable[..., T], *arguments: object) -> T:
        """Call it there."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


@asynccontextmanager
async def opened(blocking: Blocking, records: Records, settings: Settings) -> AsyncIterator[Ca]:
    """The authority, with an account there that is made if there is none. Refused."""
    from hub_plugin_acme.ca import Ca

    account = await records.account(settings.url)
    if account is None:
        account = Account(await blocking(make_key, "ecdsa"))
        await records.keep_account(settings.url, account)  # first, so that no account is made twice
    ca = await blocking(Ca, settings.url, settings.ca_file, account.key, account.address)
    try:
        if account.address is None:
            if ca.terms and not settings.terms_agreed:
                raise Refused(
                    f"the terms of service are not agreed to: {ca.terms}",
                    "Read them, and set plugins.acme.terms_agreed = true.",
                )
            address = await blocking(ca.register, settings.contact, settings.external_account)
            await records.keep_account(settings.url, Account(account.key, address))
        yield ca
    finally:
        ca.close()


async def forget_account(records: Records, settings: Settings) -> None:
    """The authority does not know it any more; its key makes a new one there."""
    account = await records.account(settings.url)
    if account is not None:
        await records.keep_account(settings.url, Account(account.key))


async def obtain(plugin: Plugin, blocking: Blocking, ca: Ca, wanted: Wanted, replaces: str | None) -> Issued:
    """A certificate with a key of its own. Refused, OSError."""
    try:
        async with asyncio.timeout(PATIENCE):
            order = await blocking(ca.order, wanted.names, replaces)
            async with AsyncExitStack() as proofs:
                await _prove(plugin, blocking, ca, wanted, order, proofs)
            key = await blocking(make_key, wanted.key)
            order = await _finish(plugin.clock, blocking, ca, order, make_request(key, wanted.names))
            assert order.certificate is not None
            return Issued(await blocking(ca.download, order.certificate), key)
    except TimeoutError:
        raise Refused(f"the order was not done within {PATIENCE:.0f} seconds") from None


async def _prove(
    plugin: Plugin, blocking: Blocking, ca: Ca, wanted: Wanted, order: Order, proofs: AsyncExitStack
) -> None:
    """Show all names at once, then have them looked at."""
    pending = []
    for url in order.authorizations:
        authorization = await blocking(ca.authorization, url)
        if authorization.status == "valid":  # of an earlier order
            continue
        challenge = chosen(authorization, wanted.challenge)
        await proofs.enter_async_context(proof(plugin, authorization.name, challenge))
        pending.append((authorization, challenge))
    for _, challenge in pending:
        await blocking(ca.answer, challenge)
    for authorization, _ in pending:
        await _wait_for(plugin.clock, blocking, ca, authorization)


async def _wait_for(clock: Clock, blocking: Blocking, ca: Ca, authorization: Authorization) -> None:
    async for _ in _looks(clock):
        now = await blocking(ca.authorization, authorization.url)
        if now.status == "valid":
            return
        if now.status != "pending":
            why = now.trouble or Refused(f"it is {now.status}")
            raise Refused(f"{now.name}: {why}", why.advice, later=why.later)


async def _finish(clock: Clock, blocking: Blocking, ca: Ca, order: Order, request: bytes) -> Order:
    """Have it made, and wait until it is."""
    requested = False
    async for _ in _looks(clock):
        if order.status == "valid" and order.certificate is not None:
            break
        if order.status == "invalid":
            raise order.trouble or Refused("the order has failed, and the authority does not say why")
        if order.status == "ready" and not requested:
            order, requested = await blocking(ca.finalize, order, request), True
        else:
            order = await blocking(ca.look, order)
    return order


async def _looks(clock: Clock) -> AsyncIterator[None]:
    pause = FIRST_LOOK
    while True:
        yield
        await clock.sleep(pause)
        pause = min(pause * 1.5, LONGEST_LOOK)
