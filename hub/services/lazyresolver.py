"""Questions to DNS for whoever will hardly ask one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.config.tables.dns import DnsTable
from hub.services.dns import DnsAnswer

if TYPE_CHECKING:
    from hub.services.resolver import Resolver


class LazyResolver:
    """A `Dns` as the settings say, which loads what it asks with at the first question: a tenth of a verb."""

    def __init__(self, settings: DnsTable) -> None:
        self._settings = settings
        self._resolver: Resolver | None = None

    async def query(self, name: str, kind: str) -> DnsAnswer:
        """As `Dns.query`."""
        if self._resolver is None:
            from hub.services.resolver import Resolver

            self._resolver = Resolver(**dict(self._settings))
        return await self._resolver.query(name, kind)
