"""A whole hub to attack, and what must hold of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.config.tables.tls import TlsTable
from hub.testing.running import RunningHub, running_hub
from tests.conftest import Client

Start = Callable[..., Awaitable[RunningHub]]
PROXIED = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n"
"""Makes a connection one from another machine."""


@pytest.fixture
async def start(tmp_path: Path, certificate: TlsTable) -> AsyncIterator[Start]:
    """Starts a hub with TLS; tables of the configuration by keyword. It must still serve in the end.

    Listeners that begin with `far-` stand behind a proxy: their clients are elsewhere.
    """
    files = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    listeners: dict[str, Mapping[str, object]] = {}
    for protocol in ("smtp", "submission", "imap"):
        listeners[protocol] = {"protocol": protocol, "bind": ["127.0.0.1:0"]}
        listeners[f"far-{protocol}"] = {**listeners[protocol], "proxy_protocol": ["127.0.0.1"]}
    async with AsyncExitStack() as stack:

        async def one(plugins: Mapping[str, str] | None = None, **tables: object) -> RunningHub:
            (tmp_path / "plugins.d").mkdir(mode=0o700)
            for name, text in (plugins or {}).items():
                (tmp_path / "plugins.d" / name).write_text(text)
            said = {"listeners": listeners, "tls": files, **tables}
            hub = await stack.enter_async_context(running_hub(tmp_path, tables=said))
            stack.push_async_callback(still_serves, hub)
            return hub

        with capture_logs() as logs:
            yield one
            await stack.aclose()
        assert [line for line in logs if line["log_level"] in ("error", "critical")] == []


async def still_serves(hub: RunningHub) -> None:
    code, text = await hub.send(to="bob@example.test")
    assert code == 250, text
    assert hub.hub.kernel.budget.held == 0


async def attack(hub: RunningHub, listener: str = "smtp") -> Client:
    """A connection that was greeted, from elsewhere where the listener's name says so."""
    client = Client(*await asyncio.open_connection("127.0.0.1", hub.port(listener), limit=1 << 26))
    if listener.startswith("far-"):
        await client.send(PROXIED)
    if not listener.endswith("imap"):
        assert (await client.reply()).startswith("220")
    else:
        assert (await client.reader.readline()).startswith(b"* OK")
    return client


async def rest(client: Client) -> bytes:
    """All that the server still says until it closes."""
    async with asyncio.timeout(30):
        try:
            return await client.reader.read()
        except ConnectionResetError:
            return b""
