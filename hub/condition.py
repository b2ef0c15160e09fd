"""How one process of the hub does, for `hub status`."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Final

from hub.listening import Bound
from hub.loading.kernel import Kernel
from hub.loading.loader import Loader
from hub.services.resolver import Resolver
from hub.version import __version__

COUNTING: Final = 3.0
"""Seconds that `status` waits for what the store holds, less than a supervisor waits for a worker."""


async def condition(
    kernel: Kernel, loader: Loader, dns: Resolver, bounds: Sequence[Bound], uptime: float
) -> Mapping[str, object]:
    """The fields of `hub status` of one process. uptime: seconds since it began."""
    said = dict(kernel.services.storage.status())
    trouble = None if (wrong := said.pop("trouble", "none")) == "none" else wrong
    unsigned = dns.trouble
    return {
        "version": __version__,
        "hostname": kernel.settings.hub.hostname,
        "pid": os.getpid(),
        "uptime": uptime,
        "generation": kernel.generations.current.number,
        "rolled_back": loader.rolled_back,
        "sessions": len(kernel.connections),
        "draining": loader.draining,
        "listeners": [
            {
                "name": bound.name,
                "protocol": bound.listener.protocol,
                "address": bound.shown,
                "tls": bound.listener.tls,
            }
            for bound in bounds
        ],
        "unwell": {each["name"]: each["health"] for each in loader.plugins() if each["health"] != "ok"},
        "plugins": loader.healths(),
        "storage": said,
        "dependencies": [
            *loader.dependencies(),
            {"plugin": said.get("driver"), "name": said.get("location"), "trouble": trouble},
            *([{"plugin": "hub", "name": "DNSSEC", "trouble": unsigned}] if unsigned else ()),
        ],
        **await _held(kernel),
        "set_aside": len(kernel.judging.set_aside),
    }


async def _held(kernel: Kernel) -> Mapping[str, object]:
    """`store` and `queue`, or what kept them from being counted."""
    services = kernel.services
    folder = kernel.settings.hub.data_dir
    try:
        async with asyncio.timeout(COUNTING):
            totals, blobs = await services.storage.totals(), await services.blobs.status()
    except Exception as error:
        reason = f"cannot be counted: {type(error).__name__}: {error}".removesuffix(": ")
        return {"store": {"trouble": reason}, "queue": {"trouble": reason}}
    disk = shutil.disk_usage(folder)
    age = None if totals.oldest is None else services.clock.time() - totals.oldest
    return {
        "store": {
            "messages": totals.messages,
            "octets": totals.size,
            "free": disk.free,
            "disk": disk.total,
            "blobs": dict(blobs),
        },
        "queue": {"rows": totals.queued, "age": age},
    }
