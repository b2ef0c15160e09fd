"""STARTTLS: nothing crosses the line between clear text and TLS, either way; no password before it."""

from __future__ import annotations

import ssl

import pytest

from hub.config.tables.tls import TlsTable
from tests.attacks.conftest import Start, attack, rest

NOTER = '''"""Write down who tried to log in."""
from hub import hookimpl

@hookimpl(tryfirst=True)
async def authenticate(plugin, credentials):
    (plugin.data_dir / "tried").write_text(credentials.username)
'''


@pytest.fixture
def trusting(certificate: TlsTable) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.certificate)


@pytest.mark.parametrize(
    "injected",
    [
        b"NOOP\r\n",
        b"EHLO injected.example\r\n",
        b"MAIL FROM:<m@attacker.example>\r\n",
        b"\r\n",
        b"\0",
        b"x" * 5000,
    ],
)
async def test_command_injection(start: Start, injected: bytes) -> None:
    """CVE-2011-0411 and its kind: what came in the same packet is not obeyed, the connection ends."""
    hub = await start()
    client = await attack(hub)
    await client.ask("EHLO victim.example")
    await client.send(b"STARTTLS\r\n" + injected)
    assert (await client.reply()).startswith("554 5.5.1 Nothing may follow STARTTLS")
    assert await rest(client) == b""
    await client.close()


async def test_command_injection_into_imap(start: Start) -> None:
    hub = await start()
    client = await attack(hub, "imap")
    await client.send(b"a STARTTLS\r\nb NOOP\r\n")
    said = await rest(client)
    assert said.startswith(b"a BAD Nothing may follow STARTTLS")
    assert b"b OK" not in said
    await client.close()


async def test_response_injection(start: Start, trusting: ssl.SSLContext) -> None:
    """No reply from before the handshake is left over to be read as one that TLS protects."""
    hub = await start(smtp={"max_errors": 100})
    client = await attack(hub)
    await client.send(b"EHLO victim.example\r\nNOOP\r\nNOPE\r\nVRFY x\r\nSTARTTLS\r\n")
    assert [(await client.reply())[:3] for _ in range(5)] == ["250", "250", "500", "252", "220"]
    await client.writer.start_tls(trusting, server_hostname="mx.example.test")
    assert await client.ask("NOOP first") == "250 2.0.0 OK"
    assert (await client.ask("QUIT")).startswith("221")
    assert await rest(client) == b""
    await client.close()


async def test_nothing_is_remembered_from_before(start: Start, trusting: ssl.SSLContext) -> None:
    hub = await start()
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    await client.ask("MAIL FROM:<a@attacker.example>")
    await client.ask("RCPT TO:<alice@example.test>")
    await client.ask("STARTTLS")
    await client.writer.start_tls(trusting, server_hostname="mx.example.test")
    assert (await client.ask("DATA")).startswith("503")
    assert (await client.ask("MAIL FROM:<a@attacker.example>")).startswith("503 5.5.1 Say EHLO")
    assert "STARTTLS" not in await client.ask("EHLO victim.example")
    await client.close()


@pytest.mark.parametrize(
    "command",
    [
        "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v",
        "AUTH LOGIN YWxpY2VAZXhhbXBsZS50ZXN0",
        "AUTH SCRAM-SHA-256",
    ],
)
async def test_auth_before_tls(start: Start, command: str) -> None:
    """From another machine: it is not offered, not taken, and no plugin sees the password."""
    hub = await start(plugins={"noter.py": NOTER})
    client = await attack(hub, "far-submission")
    assert "AUTH" not in await client.ask("EHLO client.example")
    assert (await client.ask(command)).startswith("538 5.7.11 Say STARTTLS first")
    assert (await client.ask("MAIL FROM:<alice@example.test>")).startswith("530")
    await client.close()
    assert not list(hub.folder.glob("data/**/tried"))


async def test_login_before_tls_in_imap(start: Start) -> None:
    hub = await start(plugins={"noter.py": NOTER})
    client = await attack(hub, "far-imap")
    for command in (
        b"a LOGIN alice@example.test demo",
        b"a AUTHENTICATE PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v",
    ):
        await client.send(command + b"\r\n")
        assert (await client.reader.readline()).startswith(b"a NO [PRIVACYREQUIRED]")
    await client.close()
    assert not list(hub.folder.glob("data/**/tried"))


async def test_auth_after_tls_is_what_the_noter_sees(start: Start, trusting: ssl.SSLContext) -> None:
    """So that the tests above can fail."""
    hub = await start(plugins={"noter.py": NOTER})
    client = await attack(hub, "far-submission")
    await client.ask("EHLO client.example")
    await client.ask("STARTTLS")
    await client.writer.start_tls(trusting, server_hostname="mx.example.test")
    await client.ask("EHLO client.example")
    assert (await client.ask("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v")).startswith("235")
    await client.close()
    (tried,) = hub.folder.glob("data/**/tried")
    assert tried.read_text() == "alice@example.test"
