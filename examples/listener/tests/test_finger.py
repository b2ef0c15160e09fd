"""Asking a real hub, on a port that is held so that nobody else takes it."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.testing.observed import Observed
from hub.testing.running import running_hub

TREE = Path(__file__).parents[1]


@pytest.fixture
def port() -> Iterator[int]:
    """A free one; who only binds it hears nothing, and others may with SO_REUSEPORT."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def ask(port: int, line: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(line)
    answer = await reader.read()
    writer.close()
    return answer


async def test_mail_is_counted_on_when_the_plugin_is_replaced(tmp_path: Path, port: int) -> None:
    tables = {"plugins": {"finger": {"port": port}}}
    observed = Observed()
    async with running_hub(
        tmp_path, plugins=["finger"], trees=[TREE], tables=tables, observed=observed
    ) as hub:
        assert await ask(port, b"alice@example.test\r\n") == b"0 today\r\n"
        await hub.send()
        await hub.until_called("message_accepted")
        assert await ask(port, b"Alice@example.test\r\n") == b"1 today\r\n"
        config = (tmp_path / "hub.toml").read_text()
        changed = config.replace(f"port = {port}", f'port = {port}, address = "127.0.0.1"')
        (tmp_path / "hub.toml").write_text(changed)
        report = await hub.reload()
        assert report["changed"] == {"finger": "replaced"}
        assert await ask(port, b"alice@example.test\r\n") == b"1 today\r\n"
        assert await ask(port, b"x" * 2000 + b"\r\n") == b""
        assert hub.failures == []
