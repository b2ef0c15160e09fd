"""SCRAM-SHA-256 by AUTH, as in every other protocol."""

import asyncio
import base64

import pytest
from scramp import ScramClient

from hub.testing.running import RunningHub


async def exchange(hub: RunningHub, password: str) -> str:
    """The last line of the answer to AUTH SCRAM-SHA-256."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("pop3"))

    async def ask(line: bytes) -> bytes:
        writer.write(line + b"\r\n")
        async with asyncio.timeout(20):
            return (await reader.readline()).rstrip()

    def encoded(text: str) -> bytes:
        return base64.b64encode(text.encode())

    await reader.readline()
    client = ScramClient(["SCRAM-SHA-256"], "alice@example.test", password)
    said = await ask(b"AUTH SCRAM-SHA-256 " + encoded(client.get_client_first()))
    client.set_server_first(base64.b64decode(said[2:]).decode())
    said = await ask(encoded(client.get_client_final()))
    if said.startswith(b"+ "):
        client.set_server_final(base64.b64decode(said[2:]).decode())
        said = await ask(b"")
    writer.close()
    await writer.wait_closed()
    return said.decode()


@pytest.mark.proves("pop3: AUTH with the mechanisms of SMTP and IMAP")
async def test_a_password_that_is_never_sent_logs_in(hub: RunningHub) -> None:
    assert (await exchange(hub, "demo")).startswith("+OK 2 messages")
    assert await exchange(hub, "wrong") == "-ERR [AUTH] Wrong user name or password"
