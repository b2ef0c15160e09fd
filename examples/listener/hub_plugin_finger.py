"""A protocol of its own: finger (RFC 1288) says how much mail an address has got today."""

import asyncio
import hashlib
from functools import partial
from ipaddress import IPv4Address, IPv6Address

from pydantic import BaseModel, ConfigDict, Field

from hub import Envelope, Plugin, hookimpl

PATIENCE = 5.0
"""Seconds that a client has to ask, and to take the answer."""
DAY = 86400.0


class Settings(BaseModel):
    """[plugins.finger]"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: IPv4Address | IPv6Address = Field(
        default=IPv4Address("127.0.0.1"), description="Where it listens."
    )
    port: int = Field(default=7979, ge=0, le=65535, description="The port; finger's own, 79, is privileged.")


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """The server is closed with the scope.

    `reuse_port` lets the next version of the plugin, and other workers, listen on the same port meanwhile.
    """
    settings = plugin.settings(Settings)
    answer = partial(_answer, plugin)
    await plugin.enter(
        await asyncio.start_server(answer, str(settings.address), settings.port, limit=512, reuse_port=True)
    )


@hookimpl
async def message_accepted(plugin: Plugin, envelope: Envelope) -> None:
    """The counts are the same for all workers, and begin anew every day."""
    for recipient in envelope.recipients:
        plugin.kv.count(_key(str(recipient)), window=DAY)


async def _answer(plugin: Plugin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One line is asked, one is answered; whoever takes too long is left alone."""
    try:
        async with asyncio.timeout(PATIENCE):
            asked = (await reader.readline()).decode("utf-8", "replace").strip()
            count = plugin.kv.count(_key(asked), 0, window=DAY)
            writer.write(f"{count} today\r\n".encode())
            await writer.drain()
    except (TimeoutError, OSError, ValueError) as error:  # ValueError: a line without an end
        plugin.log.debug("not answered", reason=type(error).__name__)
    finally:
        writer.close()


def _key(address: str) -> str:
    """Keys have at most 255 octets, addresses may be longer."""
    return hashlib.sha256(address.lower().encode()).hexdigest()
