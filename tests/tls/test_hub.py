"""Certificates in a hub that serves: installed by plugins, dropped in by hand, in all workers."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from hub.testing.running import running_hub
from hub.tls.installed import install
from tests.reload.conftest import Client, until
from tests.tls.authority import Authority

LISTENERS = {
    "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"]},
    "imaps": {"protocol": "imaps", "bind": ["127.0.0.1:0"]},
}


async def offers_tls(port: int) -> bool:
    """Whether EHLO says STARTTLS."""
    client = await Client.connect(port)
    said = await client.smtp("EHLO c.example.test")
    client.writer.close()
    return "STARTTLS" in said


async def certificate(port: int, context: ssl.SSLContext) -> bytes:
    """What an implicit listener shows."""
    client = await Client.connect(port, context)
    client.writer.close()
    return client.certificate()


async def test_tls_is_offered_once_a_certificate_is_installed(tmp_path: Path, authority: Authority) -> None:
    async with running_hub(tmp_path, tables={"listeners": LISTENERS}) as hub:
        assert not await offers_tls(hub.port("smtp"))
        issued = authority.issue("mx.example.test")
        plugin = hub.plugin("storage-sql")
        await plugin.install_certificate("mx.example.test", issued.chain, issued.key)
        assert await offers_tls(hub.port("smtp"))
        trusting = ssl.create_default_context(cafile=str(authority.file))
        trusting.check_hostname = False
        assert await certificate(hub.port("imaps"), trusting) == issued.der
        # Whatever is saved there serves by itself.
        renewed = authority.issue("mx.example.test")
        await asyncio.to_thread(install, hub.folder / "data", "mx.example.test", renewed.chain, renewed.key)

        async def is_served() -> bool:
            return await certificate(hub.port("imaps"), trusting) == renewed.der

        await until(is_served)
        await plugin.remove_certificate("mx.example.test")
        assert not await offers_tls(hub.port("smtp"))
