"""Who has arrived, where the socket alone does not say it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Arrival:
    """A connection that was looked at before its protocol begins.

    via: the proxy that speaks for the client, None without one. counted: where the census counts the
    session, None if it does not yet.
    """

    peer: tuple[str, int]
    local: tuple[str, int]
    via: tuple[str, int] | None
    counted: int | None


class Make(Protocol):
    """Makes the protocol of one connection; without an arrival its transport says who it is."""

    def __call__(self, arrival: Arrival | None = None) -> asyncio.BaseProtocol: ...


def endpoint(name: object) -> tuple[str, int]:
    """Address and port out of a transport's `peername` or `sockname`; a Unix socket's are this machine's."""
    if isinstance(name, tuple):
        return str(name[0]), int(name[1])
    return ("127.0.0.1", 0) if isinstance(name, str) else ("", 0)  # it is gone already
