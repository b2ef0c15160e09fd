"""What the tests of reloading share: waiting for something to become true, certificates, a TLS client."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar, cast

import pytest

from hub.control import inquire
from hub.testing.running import RunningHub

T = TypeVar("T")


async def until(what: Callable[[], Awaitable[T]], seconds: float = 15.0) -> T:
    """What it gives as soon as that is true."""
    async with asyncio.timeout(seconds):
        while not (found := await what()):
            await asyncio.sleep(0.01)
    return found


def save(file: Path, text: str) -> None:
    """As editors do: beside it, then renamed."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text)
    beside.replace(file)


def edit(file: Path, *pairs: tuple[str, str]) -> None:
    """Save it with some texts replaced, each of which it has."""
    text = file.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    save(file, text)


async def taken(hub: RunningHub, size: int) -> None:
    """Wait until `smtp.max_size` is that."""

    async def holds() -> bool:
        return hub.hub.kernel.settings.smtp.max_size == size

    await until(holds)


async def ask(hub: RunningHub, verb: str, **arguments: object) -> Mapping[str, object]:
    """What the control socket answers."""
    control = hub.folder / "data" / "control.sock"
    return cast("Mapping[str, object]", await inquire(control, verb, timeout=60, **arguments))


class Client:
    """One connection that speaks lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext | None = None) -> "Client":
        """Connected and greeted, over TLS if there is a context."""
        name = "mx.example.test" if context else None
        client = cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name))
        assert (await client.line())[:3] in ("220", "* O")
        return client

    async def line(self) -> str:
        """Without its end; EOFError at the end of the connection."""
        async with asyncio.timeout(15):
            if not (line := await self.reader.readline()):
                raise EOFError
        return line.decode().rstrip("\r\n")

    async def smtp(self, command: str) -> str:
        """The whole reply."""
        self.writer.write(command.encode() + b"\r\n")
        lines = [await self.line()]
        while lines[-1][3:4] == "-":
            lines.append(await self.line())
        return "\n".join(lines)

    async def send(self, to: str = "alice@example.test") -> str:
        """The reply to a message, or what refused it."""
        for command in ("MAIL FROM:<bob@example.test>", f"RCPT TO:<{to}>", "DATA"):
            if (reply := await self.smtp(command))[:1] not in "23":
                await self.smtp("RSET")
                return reply
        return await self.smtp("Subject: words\r\n\r\nwords\r\n.")

    def certificate(self) -> bytes:
        """The server's, as it came."""
        return cast("bytes", self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True))


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """`Client.connect`; all of them are closed at the end."""
    clients: list[Client] = []

    async def connect(port: int, context: ssl.SSLContext | None = None) -> Client:
        clients.append(await Client.connect(port, context))
        return clients[-1]

    yield connect
    for client in clients:
        client.writer.close()


def unverified() -> ssl.SSLContext:
    """A client's context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def certify(folder: Path, certificate: str = "cert.pem", key: str = "key.pem") -> bytes:
    """Make a new certificate and its key there, under temporary names first; the certificate as DER."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(
        [*command.split(), "-subj", "/CN=mx.example.test",
         "-keyout", str(folder / "key.new"), "-out", str(folder / "cert.new")],
        check=True, capture_output=True,
    )  # fmt: skip
    made = ssl.PEM_cert_to_DER_cert((folder / "cert.new").read_text())
    (folder / "key.new").replace(folder / key)
    (folder / "cert.new").replace(folder / certificate)
    return made
