"""What all scopes share of the hub around them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from hub.dispatch.step import Observe
from hub.hooks.plugin import Implementation
from hub.mail.address import Address
from hub.services.blobs import Blobs
from hub.services.clock import Clock
from hub.services.directory import Directory
from hub.services.dns import Dns
from hub.services.storage import Storage

Call: TypeAlias = Callable[[str, Mapping[str, object]], Awaitable[object]]
"""Fires a hook of the generation that serves now. LookupError, TypeError."""

Ask: TypeAlias = Callable[[str, str, Mapping[str, object]], Awaitable[Sequence[object]]]
"""Asks a plugin, by name, a question in every worker; the answers. RuntimeError if there is none."""


Status: TypeAlias = Callable[[], Awaitable[Mapping[str, object]]]
"""Says what `hub status` says. RuntimeError."""


class Certify(Protocol):
    """Keeps certificates."""

    def __call__(self, name: str, pair: tuple[bytes, bytes] | None, alpn: str | None, /) -> Awaitable[None]:
        """Serve a chain and its key under a name from now on, or no more. ValueError, OSError."""


async def no_certify(name: str, pair: tuple[bytes, bytes] | None, alpn: str | None, /) -> None:
    """Of a scope without a hub. RuntimeError."""
    raise RuntimeError("there is no hub around this scope that could serve a certificate")


Submit: TypeAlias = Callable[[Address | None, Sequence[Address], bytes], Awaitable[str]]
"""Keeps a message for its recipients; its id. LookupError, ValueError."""


async def no_submission(reverse_path: Address | None, recipients: Sequence[Address], message: bytes) -> str:
    """Of a scope without a hub. RuntimeError."""
    raise RuntimeError("there is no hub around this scope that could send mail")


async def no_status() -> Mapping[str, object]:
    """Of a scope without a hub. RuntimeError."""
    raise RuntimeError("there is no hub around this scope that could say how it does")


def _implementations(hook: str) -> Mapping[str, Implementation]:
    raise LookupError(f"nobody can be asked for {hook}: no plugin is running")


@dataclass(slots=True)
class Surroundings:
    """What all scopes share.

    tell: fires a NOTIFY hook. storage, blobs: None until their drivers are open. directory: the one that
    serves. certify: installs and removes certificates.
    """

    data_dir: Path
    clock: Clock
    dns: Dns
    call: Call
    ask: Ask
    tell: Callable[[str, Mapping[str, object]], None]
    loop: asyncio.AbstractEventLoop
    storage: Storage | None = field(default=None)
    status: Status = field(default=no_status)
    certify: Certify = field(default=no_certify)
    implementations: Callable[[str], Mapping[str, Implementation]] = field(default=_implementations)
    directory: Directory | None = field(default=None)
    observe: Observe | None = None
    submit: Submit = field(default=no_submission)
    blobs: Blobs | None = field(default=None)
    hostname: Callable[[], str] = field(default=socket.gethostname)

    def need_storage(self) -> Storage:
        """The storage driver; RuntimeError while it is still being opened."""
        if self.storage is None:
            raise RuntimeError("the storage is not open yet: its own plugin and driver cannot use it")
        return self.storage

    def need_blobs(self) -> Blobs:
        """The driver of the messages' bytes; RuntimeError while it is still being opened."""
        if self.blobs is None:
            raise RuntimeError("the blobs are not open yet: what opens before them can read no message")
        return self.blobs
