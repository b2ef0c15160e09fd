"""Protocols that plugins speak, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import cast

import pytest

from hub.hooks.listeners import ListenerKind
from hub.testing.running import running_hub
from tests.stream.conftest import Connect, EchoHub, echo_source


@pytest.mark.proves("plugins: a plugin speaks a protocol of its own, and is replaced under open sessions")
async def test_a_session_ends_with_the_code_that_it_began_with(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub() as hub:
        old = await connect(hub)
        assert await old.line() == "hello"
        assert await old.ask("a word") == "said a word"
        (hub.plugins_dir / "echo.py").write_text(echo_source().replace('WORD = b"said"', 'WORD = b"heard"'))
        report = await hub.reload()
        assert (report["errors"], report["changed"]) == ([], {"echo": "replaced"})
        new = await connect(hub)
        assert [await new.line(), await new.ask("a word")] == ["hello", "heard a word"]
        assert await old.ask("another") == "said another"
        assert hub.hub.loader.draining == 1
        assert await old.ask("QUIT") == "bye"
        assert await old.rest() == b""
        while hub.hub.loader.draining:
            await asyncio.sleep(0)
        assert await new.ask("QUIT") == "bye"
        assert hub.failures == []


async def test_a_session_is_told_of_counted_and_traced(echo_hub: EchoHub, connect: Connect) -> None:
    watch = """
from hub import hookimpl

@hookimpl
async def session_opened(session): ...

@hookimpl
async def session_closed(session): ...
"""
    async with echo_hub(plugins={"watch": watch}) as hub:
        client = await connect(hub)
        await client.line()
        await client.ask("a word")
        assert await client.ask("QUIT") == "bye"
        await client.rest()
        (opened,) = await hub.until_called("session_opened")
        (closed,) = await hub.until_called("session_closed")
        assert opened.arguments["session"] is closed.arguments["session"]
        said = [(each.kind, each.name, each.outcome) for each in hub.spans]
        assert said == [
            ("session", "echo", "opened"),
            ("command", "a", "ok"),
            ("command", "QUIT", "ok"),
            ("session", "echo", "closed"),
        ]


async def test_commands_sent_together_are_answered_in_order_wherever_they_are_cut(
    echo_hub: EchoHub, connect: Connect
) -> None:
    asked = b"one\r\ntwo\nthree\r\n"
    async with echo_hub() as hub:
        for cut in range(len(asked) + 1):
            client = await connect(hub)
            client.writer.write(asked[:cut])
            await client.line()
            client.writer.write(asked[cut:])
            client.writer.write_eof()
            assert await client.rest() == b"said one\r\nsaid two\r\nsaid three\r\n"


async def test_a_line_that_is_too_long_is_skipped_and_nothing_else(
    echo_hub: EchoHub, connect: Connect
) -> None:
    async with echo_hub() as hub:
        client = await connect(hub)
        await client.line()
        for size in (65, 100, 70_000, 1_000_000):
            client.writer.write(b"x" * size + b"\r\nshort\r\n")
            assert [await client.line(), await client.line()] == ["too long", "said short"]


async def test_octets_are_read_as_they_come(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub() as hub:
        client = await connect(hub)
        await client.line()
        client.writer.write(b"READ 3\r\nabcQUIT\r\n")
        assert [await client.line(), await client.line()] == ["read abc", "bye"]


async def test_a_plugin_that_fails_ends_its_session_without_a_word_of_why(
    echo_hub: EchoHub, connect: Connect
) -> None:
    async with echo_hub() as hub:
        client = await connect(hub)
        await client.line()
        assert await client.ask("FAIL") == "BROKEN Something went wrong in the server"
        assert await client.rest() == b""
        assert await (await connect(hub)).line() == "hello"
        (failed,) = [each for each in hub.spans if each.outcome == "failed"]
        assert (failed.plugin, failed.detail) == ("echo", "RuntimeError: as asked")


async def test_there_are_so_many_sessions_and_no_more(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub(kind="limits=SessionLimits(max_sessions=2)") as hub:
        first, second = await connect(hub), await connect(hub)
        assert [await first.line(), await second.line()] == ["hello", "hello"]
        refused = await connect(hub)
        assert await refused.line() == "FULL There are too many sessions, try again later"
        assert await first.ask("QUIT") == "bye"
        for left in (first, refused):
            left.writer.close()
        while len(hub.hub.kernel.connections) > 1:
            await asyncio.sleep(0)
        assert await (await connect(hub)).line() == "hello"


async def test_an_address_has_so_many_sessions(echo_hub: EchoHub, connect: Connect) -> None:
    limits = "limits=SessionLimits(max_sessions_per_address=1, exempt=())"
    async with echo_hub(kind=limits) as hub:
        first = await connect(hub)
        assert await first.line() == "hello"
        assert await (await connect(hub)).line() == "FULL There are too many sessions from your address"
        other = await connect(hub, local_addr=("127.0.0.2", 0))
        assert await other.line() == "hello"


@pytest.mark.parametrize(
    ("verdict", "said"), [("Reject", "UNWANTED"), ("Defer", "LATER")], ids=["reject", "defer"]
)
async def test_a_plugin_may_refuse_a_client(
    echo_hub: EchoHub, connect: Connect, verdict: str, said: str
) -> None:
    code = "5.7.1" if verdict == "Reject" else "4.7.0"
    guard = f"""
from hub import {verdict}, hookimpl

@hookimpl
async def listener_connect(session):
    return {verdict}("{code}", "not you, " + session.peer[0])
"""
    async with echo_hub(plugins={"guard": guard}) as hub:
        client = await connect(hub)
        assert await client.line() == f"{said} not you, 127.0.0.1"
        assert await client.rest() == b""


async def test_who_says_nothing_is_left_at_the_deadline(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub(kind="timeout=100.0") as hub:
        client = await connect(hub)
        await client.line()
        client.writer.write(b"half a li")
        loop, connections = asyncio.get_running_loop(), hub.hub.kernel.connections
        (session,) = connections._open
        while not (waits := session.deadline):  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        assert 90 < waits - loop.time() <= 100
        session.look(loop.time() + 99)
        client.writer.write(b"ne\r\n")
        assert await client.line() == "said half a line"
        session.look(loop.time() + 101)
        assert await client.line() == "SILENT You took too long"


async def test_who_never_logs_in_has_one_deadline_for_it(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub(kind="timeout=1000.0, login_timeout=50.0") as hub:
        client = await connect(hub)
        await client.line()
        await client.ask("a word")
        (session,) = hub.hub.kernel.connections._open
        now = asyncio.get_running_loop().time()
        assert session.deadline - now <= 50  # type: ignore[attr-defined]
        assert await client.ask("LOGIN alice@example.test demo") == "welcome alice@example.test"
        await client.ask("a word")
        assert session.deadline - now > 900  # type: ignore[attr-defined]


async def test_a_client_that_does_not_read_holds_only_so_much(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub() as hub:
        client = await connect(hub)
        await client.line()
        client.writer.write(b"FLOOD 10000\r\n")
        (session,) = hub.hub.kernel.connections._open
        while not session.session.outgoing.blocked:  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        assert session._transport.get_write_buffer_size() < 1 << 20  # type: ignore[attr-defined]
        session.look(asyncio.get_running_loop().time() + 301)
        assert len(await client.rest()) < 655_360_000
        other = await connect(hub)
        assert await other.line() == "hello"


async def test_a_hub_that_stops_says_so(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub() as hub:
        client = await connect(hub)
        await client.line()
    assert await client.line() == "STOPPING The server is shutting down"
    assert await client.rest() == b""


async def test_a_login_is_the_same_as_in_every_protocol(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub() as hub:
        client = await connect(hub)
        await client.line()
        assert "PLAIN" in (await client.ask("MECHANISMS")).split()
        assert await client.ask("LOGIN alice@example.test wrong") == "REFUSED"
        assert await client.ask("LOGIN alice@example.test demo") == "welcome alice@example.test"
        details = [each.detail for each in hub.spans if each.name == "login"]
        assert len(details) == 2


async def test_no_password_is_asked_for_in_the_clear_from_elsewhere(
    echo_hub: EchoHub, connect: Connect, tmp_path: Path
) -> None:
    listeners = {"echo": {"protocol": "echo", "bind": ["127.0.0.1:0"], "proxy_protocol": ["127.0.0.0/8"]}}
    async with echo_hub(tables={"listeners": listeners}) as hub:
        client = await connect(hub)
        client.writer.write(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 110\r\n")
        assert await client.line() == "hello"
        assert await client.ask("MECHANISMS") == ""
        assert await client.ask("LOGIN alice@example.test demo") == "EXPOSED"
        assert [each.detail for each in hub.spans if each.outcome == "opened"] == ["192.0.2.1:4711"]


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "certificate.pem"))


async def test_tls_is_begun_by_a_command(echo_hub: EchoHub, connect: Connect, tmp_path: Path) -> None:
    async with echo_hub(tls=True) as hub:
        client = await connect(hub)
        await client.line()
        assert await client.ask("TLS?") == "echo False True"
        assert await client.ask("TLS") == "go"
        await client.writer.start_tls(trusting(tmp_path), server_hostname="localhost")
        assert await client.ask("TLS?") == "echo True False"


async def test_what_comes_before_the_handshake_is_not_read_as_if_tls_had_protected_it(
    echo_hub: EchoHub,
    connect: Connect,
) -> None:
    async with echo_hub(tls=True) as hub:
        client = await connect(hub)
        await client.line()
        client.writer.write(b"TLS\r\nLOGIN mallory x\r\n")
        assert await client.line() == "TLS Nothing may follow the command before the TLS handshake"
        assert await client.rest() == b""


async def test_tls_comes_first_where_the_protocol_says_so(
    echo_hub: EchoHub, connect: Connect, tmp_path: Path
) -> None:
    async with echo_hub(tls=True) as hub:
        client = await connect(hub, "echos", ssl=trusting(tmp_path), server_hostname="localhost")
        assert await client.line() == "hello"
        assert await client.ask("TLS?") == "echos True False"
        (session,) = hub.hub.kernel.connections._open
        assert session._cell is not None  # type: ignore[attr-defined] # counted once, before the handshake


@pytest.mark.parametrize("protocol", ["pop9", "quietes", "lmtps"])
async def test_a_listener_that_nobody_serves_is_an_error_with_its_line(
    echo_hub: EchoHub, connect: Connect, tmp_path: Path, protocol: str
) -> None:
    async with echo_hub() as hub:
        config = tmp_path / "hub.toml"
        other = f'other = {{protocol = "{protocol}", bind = ["127.0.0.1:0"]}}'
        config.write_text(config.read_text().replace("listeners = {", f"listeners = {{{other}, "))
        report = await hub.reload()
        (error,) = cast("list[str]", report["errors"])
        assert "hub.toml:" in error
        assert f"no plugin that is enabled speaks {protocol}" in error
        client = await connect(hub)
        assert await client.line() == "hello"


async def test_a_plugin_whose_protocol_is_listened_for_stays(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub() as hub:
        (hub.plugins_dir / "echo.py").unlink()
        report = await hub.reload()
        assert "no plugin that is enabled speaks echo" in str(report["errors"])
        assert await (await connect(hub)).line() == "hello"


async def test_two_plugins_cannot_speak_the_same(echo_hub: EchoHub, connect: Connect) -> None:
    async with echo_hub() as hub:
        (hub.plugins_dir / "parrot.py").write_text(echo_source())
        report = await hub.reload()
        assert "'parrot' wants to speak echo, and the plugin 'echo' does already" in str(report["errors"])


async def test_what_serves_is_an_async_function(tmp_path: Path) -> None:
    async with running_hub(tmp_path, accounts=()) as hub:
        (hub.plugins_dir / "odd.py").write_text(
            "from hub import ListenerKind, hookimpl\n"
            "def serve(session): ...\n"
            "@hookimpl\ndef provide_listeners():\n    return [ListenerKind('odd', serve, port=1)]\n"
        )
        report = await hub.reload()
        assert "what serves odd is not an `async def`" in str(report["errors"])


async def _serve() -> None: ...


@pytest.mark.parametrize("name", ["imap", "whois", "POP3", "", "s", "a b"])
def test_a_protocol_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match="ListenerKind"):
        ListenerKind(name, _serve, port=1)


def test_a_timeout_leaves_time() -> None:
    with pytest.raises(ValueError, match="leaves no time"):
        ListenerKind("echo", _serve, port=1, timeout=0)
