"""Which protocol is spoken by whom: the hub's own ones, and those of plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from hub.accepting.arrival import Make
from hub.accepting.server import accept
from hub.config.tables.listeners import Listener
from hub.http import server as http_server
from hub.imap import server as imap_server
from hub.listening import Bound, Server
from hub.loading.generation import Generation
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.smtp import lmtp
from hub.smtp import server as smtp_server
from hub.stream import server as stream_server

Factory = Callable[[Kernel, str, Listener], Make]
FACTORIES: Final[Mapping[str, Factory]] = {
    "smtp": smtp_server.factory,
    "submission": smtp_server.factory,
    "submissions": smtp_server.factory,
    "lmtp": lmtp.factory,
    "imap": imap_server.factory,
    "imaps": imap_server.factory,
    "http": http_server.factory,
    "https": http_server.factory,
}

_log = get_logger(area="hub")


async def speak(kernel: Kernel, bound: Bound) -> Server:
    """Serve who connects to the socket. OSError."""
    speaks = FACTORIES.get(bound.listener.protocol, stream_server.factory)
    make = speaks(kernel, bound.name, bound.listener)
    return await accept(kernel, bound, make)


def tell_unheard(current: Generation, bounds: Iterable[Bound]) -> None:
    """Plugins that answer HTTP where nobody can ask are probably meant otherwise."""
    spoken = {bound.listener.base for bound in bounds}
    if current.routes.plugins and "http" not in spoken:
        _log.warning("no listener speaks HTTP", plugins=", ".join(current.routes.plugins))
    for name, speaker in current.speakers.items():
        if name not in spoken:
            kind = speaker.kind
            _log.info("no listener speaks it", protocol=name, port=kind.port, tls_port=kind.tls_port)
