"""Signed on its way out, sealed on its way through; keys that come and go in a real DNS that is changed."""

from __future__ import annotations

import asyncio
import json
import smtplib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.message
import dns.query
import pytest
from hub_plugin_dkim_sign.ring import Rings
from hub_plugin_dkim_sign.rotation import advance_all, rotate

from hub import Address, Message, verify_arc, verify_dkim
from hub.testing.clock import ManualClock
from hub.testing.running import DRIVERS, PASSWORD, RunningHub, running_hub
from tests.nursery import HubProcess, fork_hub
from tests.peers.knot import changing, needs_knot
from tests.peers.sink import needs_sink, sinking

DOMAIN = "example.test"
HUB = "mx.example.test"
SECRET = "c2VjcmV0LXRoYXQtbm9ib2R5LWtub3dz"
ALICE = f"alice@{DOMAIN}"
MAIL = b"From: Alice <alice@example.test>\r\nTo: carol@example.com\r\nSubject: Dinner\r\n\r\nAt eight?\r\n"


@asynccontextmanager
async def signing(folder: Path, hop: int | None = None) -> AsyncIterator[RunningHub]:
    """A hub whose DNS takes its updates. hop: the port of a server that is sent all mail."""
    with changing({DOMAIN: []}, "hub.", SECRET) as server:
        settings = {
            "overlap": "1h",
            "update": {"server": server, "key_name": "hub.", "key": SECRET, "ttl": 60},
        }
        tables: dict[str, object] = {
            "hub": {"hostname": HUB, "plugins": ["dkim-sign", *DRIVERS]},
            "dns": {"nameservers": [server]},
            "plugins": {"dkim-sign": settings},
        }
        if hop is not None:
            tables["relay"] = {"routes": {"*": f"127.0.0.1:{hop}"}}
        # The command goes by the machine's clock, so the hub's begins there.
        async with running_hub(folder, tables=tables, clock=ManualClock(time.time())) as running:
            yield running


async def relayed(
    running: RunningHub, raw: bytes, sender: str | None = ALICE, reverse_path: str | None = ALICE
) -> Message:
    """What a server would be sent."""
    head, _, body = raw.partition(b"\r\n\r\n")
    message = Message(head + b"\r\n\r\n", body)
    plugin = running.plugin("dkim-sign")
    account = await plugin.directory.account(sender) if sender else None
    given = await plugin.call(
        "rewrite_relayed",
        sender=account.ref if account else None,
        reverse_path=Address.parse(reverse_path) if reverse_path else None,
        recipients=(Address.parse("carol@example.com"),),
        message=message,
    )
    assert isinstance(given, Message)
    return given


def rings_of(running: RunningHub) -> Rings:
    plugin = running.plugin("dkim-sign")
    return Rings(plugin.kv, plugin.clock)


async def turn(running: RunningHub, seconds: float) -> None:
    assert isinstance(running.clock, ManualClock)
    await running.clock.turn(seconds)


async def ready(running: RunningHub, *domains: str) -> None:
    """New keys for the domains, published and in use."""
    plugin = running.plugin("dkim-sign")
    for domain in domains:
        await rotate(plugin, rings_of(running), domain)
    await advance_all(plugin, rings_of(running))
    await turn(running, 10)


async def states(running: RunningHub) -> list[tuple[str, str]]:
    return [(key.kind, key.state) for key in await rings_of(running).read(DOMAIN)]


@needs_knot
@pytest.mark.proves(
    "Mail authentication: mail of accounts is signed, with keys that the hub makes and publishes"
)
async def test_mail_of_an_account_is_signed_twice(tmp_path: Path) -> None:
    async with signing(tmp_path) as running:
        plugin = running.plugin("dkim-sign")
        first = await relayed(running, MAIL)
        assert "DKIM-Signature" not in first.headers  # nobody could verify it yet
        assert await states(running) == [("rsa", "waiting"), ("ed25519", "waiting")]
        await advance_all(plugin, rings_of(running))
        await turn(running, 10)
        signed = await relayed(running, MAIL)
        results = await verify_dkim(signed, plugin.dns, running.clock.time())
        assert [(each.status, each.domain) for each in results] == [("pass", DOMAIN)] * 2
        assert {each.algorithm for each in results} == {"rsa-sha256", "ed25519-sha256"}


@needs_knot
@needs_sink
async def test_the_next_hop_gets_signatures_that_hold(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink") as sink:
        async with signing(tmp_path, sink.port) as running:
            await ready(running, DOMAIN)

            def submit(client: smtplib.SMTP) -> None:
                client.login(ALICE, PASSWORD)
                client.sendmail(ALICE, ["carol@example.com"], MAIL)

            await running.smtp(submit, "submission")
            async with asyncio.timeout(30):
                while not any("At eight?" in each for each in sink.messages()):  # whole, not only begun
                    await turn(running, 5)
            head, _, body = sink.messages()[0].replace("\n", "\r\n").partition("\r\n\r\n")
            taken = Message(f"{head}\r\n\r\n".encode(), body.encode())
            dns = running.plugin("dkim-sign").dns
            results = await verify_dkim(taken, dns, running.clock.time())
            assert [each.status for each in results] == ["pass", "pass"]


@needs_knot
async def test_nothing_foreign_is_signed_as_ours(tmp_path: Path) -> None:
    async with signing(tmp_path) as running:
        await ready(running, DOMAIN)
        passed_on = await relayed(running, b"Received: from a\r\n" + MAIL, None)
        assert "DKIM-Signature" not in passed_on.headers
        bob = await relayed(running, MAIL, f"bob@{DOMAIN}")
        assert "DKIM-Signature" not in bob.headers
        two = MAIL.replace(b"From: ", b"From: eve@example.com\r\nFrom: ")
        assert "DKIM-Signature" not in (await relayed(running, two)).headers


@needs_knot
async def test_reports_of_the_hub_are_signed_and_forged_ones_are_not(tmp_path: Path) -> None:
    async with signing(tmp_path) as running:
        await ready(running, HUB)
        report = MAIL.replace(ALICE.encode(), f"MAILER-DAEMON@{HUB}".encode())
        ours = await relayed(running, report, None, None)
        assert ours.headers.raw("DKIM-Signature")
        forged = await relayed(running, b"Received: from eve\r\n" + report, None, None)
        assert "DKIM-Signature" not in forged.headers


@needs_knot
@pytest.mark.proves("Mail authentication: mail that is passed on is sealed by ARC")
async def test_what_is_passed_on_is_sealed(tmp_path: Path) -> None:
    async with signing(tmp_path) as running:
        await ready(running, HUB)
        plugin = running.plugin("dkim-sign")
        found = f"Authentication-Results: {HUB}; spf=pass smtp.mailfrom=example.com\r\n".encode()
        foreign = b"Authentication-Results: mx.example.net; spf=fail\r\n" + found + b"Received: x\r\n" + MAIL
        sealed = await relayed(running, foreign, None)
        chain = await verify_arc(sealed, plugin.dns, running.clock.time())
        assert (chain.status, chain.domains) == ("pass", (HUB,))
        assert chain.results == (f"{HUB}; spf=pass smtp.mailfrom=example.com",)
        forged = await relayed(running, b"Received: x\r\n" + found + MAIL, None)
        chain = await verify_arc(forged, plugin.dns, running.clock.time())
        assert chain.results == (f"{HUB}; none",)
        again = await relayed(running, sealed.bytes(), None)
        chain = await verify_arc(again, plugin.dns, running.clock.time())
        assert (chain.status, chain.instance) == ("pass", 2)


@needs_knot
@pytest.mark.proves("Mail authentication: keys are rotated, published in DNS by update, and retired")
async def test_two_keys_overlap_while_they_are_rotated(tmp_path: Path) -> None:
    async with signing(tmp_path) as running:
        plugin = running.plugin("dkim-sign")
        rings = rings_of(running)
        await ready(running, DOMAIN)
        signed = await relayed(running, MAIL)
        old = await rings.read(DOMAIN)
        await rotate(plugin, rings, DOMAIN)
        assert [state for _, state in await states(running)] == ["active"] * 2 + ["waiting"] * 2
        await rotate(plugin, rings, DOMAIN)  # those that wait are enough
        assert len(await rings.read(DOMAIN)) == 4
        await advance_all(plugin, rings_of(running))
        assert [state for _, state in await states(running)] == ["retiring"] * 2 + ["active"] * 2
        await turn(running, 10)
        newer = await relayed(running, MAIL)
        before = await verify_dkim(signed, plugin.dns, running.clock.time())
        after = await verify_dkim(newer, plugin.dns, running.clock.time())
        assert {each.status for each in (*before, *after)} == {"pass"}
        assert not {each.selector for each in before} & {each.selector for each in after}
        await turn(running, 3700)
        await advance_all(plugin, rings_of(running))
        assert [state for _, state in await states(running)] == ["retired"] * 2 + ["active"] * 2
        assert not any(key.pem for key in await rings.read(DOMAIN) if key.state == "retired")
        assert not asked(server_of(running), old[0].name(DOMAIN))


def server_of(running: RunningHub) -> str:
    return running.config.settings.dns.nameservers[0]


def asked(server: str, name: str) -> bool:
    """Whether the server itself has the text."""
    host, _, port = server.partition(":")
    query = dns.message.make_query(name, "TXT")
    return bool(dns.query.udp(query, host, port=int(port), timeout=5).answer)


@needs_knot
async def test_a_dns_that_refuses_leaves_the_keys_waiting(tmp_path: Path) -> None:
    async with signing(tmp_path) as running:
        plugin = running.plugin("dkim-sign")
        server = server_of(running)
        wrong = {"server": server, "key_name": "other.", "key": SECRET}
        await running.configure("dkim-sign", {"update": wrong})
        plugin = running.plugin("dkim-sign")
        assert "DKIM-Signature" not in (await relayed(running, MAIL)).headers
        await advance_all(plugin, rings_of(running))
        assert await states(running) == [("rsa", "waiting"), ("ed25519", "waiting")]


@needs_knot
async def test_old_keys_are_kept_until_dns_has_let_go_of_them(tmp_path: Path) -> None:
    async with signing(tmp_path) as running:
        rings = rings_of(running)
        await ready(running, DOMAIN)
        old = (await rings.read(DOMAIN))[0].name(DOMAIN)
        await rotate(running.plugin("dkim-sign"), rings, DOMAIN)
        await advance_all(running.plugin("dkim-sign"), rings)
        server = server_of(running)
        wrong = {"server": server, "key_name": "other.", "key": SECRET}
        await running.configure("dkim-sign", {"overlap": "1h", "update": wrong})
        await turn(running, 3700)
        await advance_all(running.plugin("dkim-sign"), rings_of(running))
        assert [state for _, state in await states(running)] == ["retiring"] * 2 + ["active"] * 2
        assert asked(server, old)
        right = {"server": server, "key_name": "hub.", "key": SECRET}
        await running.configure("dkim-sign", {"overlap": "1h", "update": right})
        await advance_all(running.plugin("dkim-sign"), rings_of(running))
        assert [state for _, state in await states(running)] == ["retired"] * 2 + ["active"] * 2
        assert not asked(server, old)


@needs_knot
@pytest.mark.proves("Mail authentication: `hub dkim` lists, makes, rotates and retires keys")
async def test_the_command_works_beside_a_running_hub(tmp_path: Path) -> None:
    async with signing(tmp_path) as running:
        config = running.folder / "hub.toml"

        async def hub(*words: str) -> str:
            log = tmp_path / "said"
            log.write_bytes(b"")
            process = HubProcess(fork_hub("-c", config, *words, log=log, folder=tmp_path))
            assert await process.wait() == 0, log.read_text()
            return log.read_text()

        assert "New keys sign once" in await hub("dkim", "generate", DOMAIN)
        shown = json.loads(await hub("dkim", "rotate", DOMAIN, "--json"))
        assert [key["state"] for key in shown[DOMAIN]] == ["active", "active"]
        assert "pem" not in shown[DOMAIN][0]
        assert (await relayed(running, MAIL)).headers.raw("DKIM-Signature")
        said = await hub("dkim", "show", DOMAIN)
        assert f"{shown[DOMAIN][0]['selector']}._domainkey.{DOMAIN}. TXT" in said
        await hub("dkim", "rotate")
        retired = json.loads(await hub("dkim", "retire", DOMAIN, "--json"))
        assert [key["state"] for key in retired[DOMAIN]] == ["retired"] * 2 + ["active"] * 2
        assert "retired since" in await hub("dkim", "list")
        await turn(running, 10)
        signed = tmp_path / "signed.eml"
        signed.write_bytes((await relayed(running, MAIL)).bytes())
        steps = await hub("explain", "dkim", str(signed))
        assert steps.count("  pass") == 2
        assert "there is no ARC set" in await hub("explain", "arc", str(signed))
        zone = await hub("dns", "records", DOMAIN)
        assert f"{shown[DOMAIN][0]['selector']}._domainkey" not in zone  # it is retired
        assert zone.count("_domainkey") == 2
