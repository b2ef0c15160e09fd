"""XCLIENT: who is trusted speaks for others, and the session begins anew as theirs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.config.tables.listeners import Listener
from hub.config.tables.sessions import SmtpTable
from hub.hooks.markers import hookimpl
from hub.hooks.session import Session
from hub.mail.verdict import Reject, Verdict
from hub.smtp.server import SmtpProtocol
from hub.testing.running import running_hub
from tests.conftest import Client, World, connected
from tests.peers.swaks import needs_swaks, swaks

OFFER = "XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT"


def session(world: World) -> Session:
    (found,) = world.kernel.connections._open
    assert isinstance(found, SmtpProtocol)
    return found._dialogue.session


async def listen(world: World, protocol: str = "smtp", *trusted: str) -> int:
    return await world.listen(protocol, xclient=trusted or ("127.0.0.0/8",))


async def test_it_is_offered_to_the_trusted_alone(world: World) -> None:
    async with connected(await listen(world)) as client:
        assert f"250-{OFFER}\n" in await client.ask("EHLO relay.example")
    async with connected(await listen(world, "submission")) as client:
        assert f"250-{OFFER} LOGIN\n" in await client.ask("EHLO relay.example")
    async with connected(await listen(world, "smtp", "192.0.2.0/24")) as client:
        assert "XCLIENT" not in await client.ask("EHLO relay.example")
        assert await client.ask("XCLIENT ADDR=192.0.2.7") == "550 5.7.0 You may not speak for others"


@pytest.mark.proves("mail: a trusted relay says for whom it speaks (XCLIENT)")
async def test_session_begins_anew_as_the_clients(world: World) -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    @hookimpl
    async def smtp_connect(session: Session) -> Verdict | None:
        seen.append((session.peer[0], session.peer_name, session.greeting))
        return None

    world.plugins(smtp_connect)
    async with connected(await listen(world)) as client:
        said = await client.ask(
            "XCLIENT NAME=client.example.org ADDR=192.0.2.7 PORT=4711 DESTADDR=192.0.2.1 DESTPORT=25"
        )
        assert said == "220 mx.example.test ESMTP"
        assert seen == [("127.0.0.1", None, None), ("192.0.2.7", "client.example.org", None)]
        assert (await client.ask("MAIL FROM:<a@b.example>")).startswith("503 5.5.1")
        assert OFFER in await client.ask("EHLO c.example")  # it may speak for the next one
        await client.submit(b"A: b\r\n\r\n")
        assert session(world).local == ("192.0.2.1", 25)
        assert (await client.ask("XCLIENT ADDR=IPV6:2001:db8::7 NAME=[UNAVAILABLE]")).startswith("220")
        assert session(world).peer == ("2001:db8::7", 0)
        assert session(world).peer_name is None
    assert b"Received: from c.example (client.example.org [192.0.2.7])" in world.message


async def test_client_that_plugins_do_not_want_is_refused(world: World) -> None:
    @hookimpl
    async def smtp_connect(session: Session) -> Verdict | None:
        return Reject("5.7.1", "not you") if session.peer[0] == "192.0.2.7" else None

    @hookimpl
    async def smtp_helo(name: str) -> Verdict | None:
        return Reject("5.7.1", "what a name") if name == "spam.example" else None

    world.plugins(smtp_connect, smtp_helo)
    async with connected(await listen(world)) as client:
        assert (await client.ask("XCLIENT ADDR=192.0.2.8 HELO=spam.example")).startswith("550 5.7.1 what")
        assert (await client.ask("XCLIENT ADDR=192.0.2.7")).startswith("554 5.7.1 not you")
        assert await client.reader.read() == b""


async def test_helo_and_proto_stand_for_a_greeting(world: World) -> None:
    async with connected(await listen(world)) as client:
        await client.ask("XCLIENT ADDR=192.0.2.7 HELO=mail+2Eexample PROTO=SMTP")
        assert (await client.submit(b"A: b\r\n\r\n")).startswith("250")
    assert b"Received: from mail.example ([192.0.2.7])\r\n\tby mx.example.test with SMTP id" in world.message


async def test_relay_logs_clients_in_where_they_may_log_in(world: World) -> None:
    async with connected(await listen(world, "submission")) as client:
        assert (await client.ask("XCLIENT LOGIN=mallory@example.test")).startswith("501 5.7.8")
        assert (await client.ask("XCLIENT ADDR=192.0.2.7 LOGIN=alice@example.test")).startswith("220")
        assert "AUTH" not in await client.ask("EHLO c.example")
        assert (await client.submit(b"A: b\r\n\r\n", sender="alice@example.test")).startswith("250")
        assert (await client.ask("MAIL FROM:<bob@example.test>")).startswith("553 5.7.1")
        assert (await client.ask("XCLIENT ADDR=192.0.2.8 LOGIN=[UNAVAILABLE]")).startswith("220")
        await client.ask("EHLO c.example")
        assert (await client.ask("MAIL FROM:<alice@example.test>")).startswith("530")
    async with connected(await listen(world)) as client:
        assert (await client.ask("XCLIENT LOGIN=alice@example.test")).startswith("501 5.5.4")


@pytest.mark.parametrize(
    "argument",
    [
        "", "ADDR", "ADDR=", "ADDR=192.0.2.256", "ADDR=2001:db8::7", "ADDR=IPV6:192.0.2.7",
        "ADDR=IPV6:fe80::1%lo", "ADDR=192.0.2.7 ADDR=192.0.2.8", "PORT=65536", "PORT=-1", "PORT=x",
        "PROTO=HTTP", "NAME=a+0Db", "NAME=a+ZZ", "NAME=a+FFb", "NAME=two+20words", "HELO=two+20words",
        "COLOUR=red", "ADDR=192.0.2.7 COLOUR=red", "=", "+41=x",
    ],
)  # fmt: skip
async def test_what_is_not_right_changes_nothing(world: World, argument: str) -> None:
    async with connected(await listen(world)) as client:
        assert (await client.ask(f"XCLIENT {argument}")).startswith("501 5.5.4")
        assert session(world).peer[0] == "127.0.0.1"
        assert (await client.ask("MAIL FROM:<a@b.example>")).startswith("250")
        assert (await client.ask("XCLIENT ADDR=192.0.2.7")).startswith("503 5.5.1")
        assert session(world).peer[0] == "127.0.0.1"


async def test_what_plugins_kept_of_the_one_before_is_gone(world: World) -> None:
    async with connected(await listen(world)) as client:
        before = session(world).stash
        await client.ask("XCLIENT ADDR=192.0.2.7")
        assert session(world).stash is not before


async def test_session_counts_as_the_clients(world: World) -> None:
    world.settings(smtp=SmtpTable(max_sessions_per_address=1, exempt=("127.0.0.0/8",)))
    port = await listen(world)
    async with connected(port) as first, connected(port) as second:
        assert (await first.ask("XCLIENT ADDR=192.0.2.7")).startswith("220")
        assert (await second.ask("XCLIENT ADDR=192.0.2.8")).startswith("220")
        assert (await second.ask("XCLIENT ADDR=192.0.2.7")).startswith("421 4.7.0 Too many sessions")
        assert await second.reader.read() == b""
        assert (await first.ask("XCLIENT ADDR=192.0.2.8")).startswith("220")


def test_imap_has_no_xclient() -> None:
    with pytest.raises(
        ValueError, match="has xclient, which imap does not have; proxy_protocol works for all"
    ):
        Listener.model_validate({"protocol": "imap", "bind": ["127.0.0.1:0"], "xclient": ["10.0.0.0/8"]})


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("10.0.0.1/8", 'names a host and a network at once; the network is "10.0.0.0/8"'),
        ("localhost", 'should be a network such as "10.0.0.0/8"'),
        ("10.0.0.0/33", 'should be a network such as "10.0.0.0/8"'),
    ],
)
def test_network_that_is_none_is_explained(network: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Listener.model_validate({"protocol": "smtp", "bind": ["127.0.0.1:0"], "xclient": [network]})


@needs_swaks
async def test_swaks_speaks_for_others(tmp_path: Path) -> None:
    listeners = {
        "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"], "xclient": ["127.0.0.1"]},
        "imap": {"protocol": "imap", "bind": ["127.0.0.1:0"]},
    }
    async with running_hub(tmp_path, tables={"listeners": listeners}) as hub:
        status, output = await swaks(
            "--server", f"127.0.0.1:{hub.port()}", "--from", "a@b.example", "--to", "alice@example.test",
            "--xclient-addr", "192.0.2.7", "--xclient-name", "client.example.org", "--ehlo", "c.example",
        )  # fmt: skip
        assert status == 0, output
        (message,) = await hub.mailbox()
        assert b"Received: from c.example (client.example.org [192.0.2.7])" in message


async def test_it_may_come_before_the_greeting(world: World) -> None:
    client = Client(*await asyncio.open_connection("127.0.0.1", await listen(world)))
    await client.reply()
    assert (await client.ask("XCLIENT ADDR=192.0.2.7 NAME=[UNAVAILABLE]")).startswith("220")
    assert (await client.ask("EHLO c.example")).startswith("250")
    await client.close()
