"""What a handshake has agreed on, as sessions and plugins see it."""

from __future__ import annotations

import asyncio
import ssl

from hub.hooks.session import TlsInfo


def tls_info(transport: asyncio.BaseTransport) -> TlsInfo | None:
    """None on a plain connection."""
    agreed: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    cipher = agreed.cipher() if agreed is not None else None
    if agreed is None or cipher is None:
        return None
    return TlsInfo(agreed.version() or "", cipher[0])
