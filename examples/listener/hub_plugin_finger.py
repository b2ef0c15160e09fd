"""A protocol of its own: finger (RFC 1288) says how much mail an address has got today."""

import hashlib

from hub import Envelope, ListenerKind, ListenerSession, Plugin, hookimpl

DAY = 86400.0


@hookimpl
def provide_listeners() -> list[ListenerKind]:
    """Any listener with protocol = "finger" is served by this plugin."""
    return [ListenerKind("finger", finger, port=79, timeout=5.0)]


async def finger(plugin: Plugin, session: ListenerSession) -> None:
    """One line is asked, one is answered; the hub closes the connection."""
    asked = (await session.readline(512)).decode("utf-8", "replace").strip()
    count = plugin.kv.count(_key(asked), 0, window=DAY)
    session.record("finger", "answered")
    session.write(f"{count} today\r\n".encode())


@hookimpl
async def message_accepted(plugin: Plugin, envelope: Envelope) -> None:
    """The counts are the same for all workers, and begin anew every day."""
    for recipient in envelope.recipients:
        plugin.kv.count(_key(str(recipient)), window=DAY)


def _key(address: str) -> str:
    """Keys have at most 255 octets, addresses may be longer."""
    return hashlib.sha256(address.lower().encode()).hexdigest()
