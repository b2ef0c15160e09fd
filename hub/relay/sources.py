"""The addresses that mail is sent from: which of them a sender's goes out from, in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.config.tables.relay import SourceTable
from hub.loading.traffic import Traffic
from hub.mail.address import Address
from hub.relay.limits import Gate
from hub.relay.static import sends

UNLIMITED: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Source:
    """address: None lets the system choose. hello: the name to greet with from there."""

    address: str | None
    hello: str
    gate: Gate

    def reaches(self, address: str) -> bool:
        """Whether both are IPv4, or IPv6."""
        return self.address is None or (":" in self.address) == (":" in address)


class Sources:
    """Those of one process. hostname: what is greeted with where nothing else is said."""

    def __init__(self, hostname: str, tables: Mapping[str, SourceTable], traffic: Traffic) -> None:
        self._tables = tables
        self._turn = 0
        self._sources = {
            address: Source(
                address,
                table.hello or hostname,
                Gate(
                    traffic,
                    f"from {address}",
                    UNLIMITED if table.connections is None else table.connections,
                    table.per_minute,
                ),
            )
            for address, table in tables.items()
        }
        self._any = Source(None, hostname, Gate(traffic, "from any", UNLIMITED))

    def of(self, reverse_path: Address | None) -> Sequence[Source]:
        """Those that name the sender, or else those that name nobody."""
        named = [key for key, table in self._tables.items() if sends(table.senders, reverse_path)]
        found = named or [key for key, table in self._tables.items() if not table.senders]
        return [self._sources[key] for key in found] or [self._any]

    def next(self, sources: Sequence[Source], address: str) -> Source | None:
        """The one whose turn it is of those that reach an address, rather one that has room."""
        usable = [source for source in sources if source.reaches(address)]
        if not usable:
            return None
        self._turn += 1
        turned = (usable[(self._turn + at) % len(usable)] for at in range(len(usable)))
        return next((source for source in turned if not source.gate.is_full), usable[0])
