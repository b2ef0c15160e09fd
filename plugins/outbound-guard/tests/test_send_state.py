"""XSENDSTATE: a mail client asks whether what its account sends goes out."""

from __future__ import annotations

from imaplib import IMAP4
from pathlib import Path

from hub_plugin_outbound_guard.held import Held, hold

from hub import Address, Plugin
from hub.testing.running import running_hub


async def test_a_client_is_told_that_its_account_is_held(tmp_path: Path) -> None:
    def ask(client: IMAP4) -> list[object]:
        assert client.xatom("XSENDSTATE")[0] == "OK"
        return client.response("XSENDSTATE")[1]

    async with running_hub(tmp_path, plugins=["outbound-guard"]) as hub:
        assert await hub.imap(ask) == [b"FREE"]
        plugin: Plugin = hub.hub.loader.generations.current.plugins["outbound-guard"]
        found = await plugin.directory.resolve(Address("alice", "example.test"))
        assert found is not None
        account = found.accounts[0].ref
        held = Held(account.tenant, account.key, "alice@example.test", "domains", "too many", 0.0, 3600.0)
        assert await hold(plugin, held)
        assert await hub.imap(ask) == [b"HELD"]
