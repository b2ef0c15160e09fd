"""One session at a time for each maildrop (RFC 1939 §4), on all workers and nodes.

    lock/<account> ──► the worker that holds it, and for which session
    worker/<worker> ──► is there as long as the worker lives, which says so again and again

So a thousand idle sessions cost one write every ten seconds, and the locks of a worker that has died are free
half a minute later.
"""

import secrets
from typing import Final

from hub import AccountRef, Kv

BEAT: Final = 10.0
LIFETIME: Final = 30.0
"""Seconds after which a worker that has said nothing counts as gone."""


class Locks:
    """Of one worker. name: its own, which its successor after a reload goes on with."""

    def __init__(self, kv: Kv, name: str | None = None) -> None:
        self._kv = kv
        self.name = name or secrets.token_hex(8)

    async def beat(self) -> None:
        """This worker lives."""
        await self._kv.set(f"worker/{self.name}", b"1", expires=LIFETIME)

    async def take(self, account: AccountRef, session: str) -> bool:
        """Lock the maildrop of an account for a session; False while another one has it."""
        key, own = _key(account), f"{self.name} {session}".encode()
        held = await self._kv.get(key)
        if held is not None and await self._lives(held):
            return False
        await self.beat()  # before the first of its locks can be looked at
        return await self._kv.compare_and_set(key, held, own)

    async def free(self, account: AccountRef, session: str) -> None:
        """The session has ended."""
        await self._kv.compare_and_set(_key(account), f"{self.name} {session}".encode(), None)

    async def _lives(self, held: bytes) -> bool:
        worker = held.decode().partition(" ")[0]
        return await self._kv.get(f"worker/{worker}") is not None


def _key(account: AccountRef) -> str:
    return f"lock/{account.tenant}/{account.key}"
