"""Who has arrived, where the socket alone does not say it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeAlias

Endpoint: TypeAlias = tuple[str, int]
"""Address and port."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A connection that was looked at before its protocol begins.

    via: the proxy that speaks for the client, None without one. counted: where the census counts the
    session, None if it does not yet.
    """

    peer: Endpoint
    local: Endpoint
    via: Endpoint | None
    counted: int | None


class Make(Protocol):
    """Makes the protocol of one connection; without an arrival its transport says who it is."""

    def __call__(self, arrival: Arrival | None = None) -> asyncio.BaseProtocol: ...


def ends(transport: asyncio.BaseTransport, arrival: Arrival | None) -> tuple[Endpoint, Endpoint]:
    """Who speaks with which of our addresses on a connection that has just been made."""
    if arrival is not None:
        return arrival.peer, arrival.local
    peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    return _endpoint(peer), _shared(_endpoint(local))


def _endpoint(name: object) -> Endpoint:
    """Of a socket's name; a Unix socket's are this machine's."""
    if isinstance(name, tuple):
        return str(name[0]), int(name[1])
    return ("127.0.0.1", 0) if isinstance(name, str | bytes) else ("", 0)  # it is gone already


@lru_cache(maxsize=256)
def _shared(local: Endpoint) -> Endpoint:
    """One object for all connections to an address, of which there may be many that do nothing."""
    return local
