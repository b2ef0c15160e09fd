"""A plugin's small shared state, kept by the storage driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Kv(Protocol):
    """Keys are text of up to 255 octets, values up to 64 KiB; each plugin has its own name space.

    What is written is durable when the call returns. An expired key is gone for every reader, though it may
    still take space.
    """

    async def get(self, key: str) -> bytes | None:
        """The value, None if there is none or it has expired."""

    async def set(self, key: str, value: bytes | None, *, expires: float | None = None) -> None:
        """Write a value, or remove the key with None. expires: seconds from now."""

    async def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes | None, *, expires: float | None = None
    ) -> bool:
        """Write only if the value is still `expected` (None: there is none); whether it was written."""

    async def scan(self, prefix: str) -> Sequence[tuple[str, bytes]]:
        """All keys with the prefix and their values, by key."""

    def count(self, key: str, amount: int = 1, *, window: float) -> int:
        """Add to a counter that starts anew every `window` seconds; what it stands at now.

        Never waits: adds up in memory and reaches the store, and so the other workers, within 100 ms.
        """
