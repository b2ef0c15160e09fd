"""Guessing in several protocols, seen from outside."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hub_plugin_auth_guard import Guard, Settings, records
from hub_plugin_auth_guard.records import FailedLogin
from hub_plugin_auth_guard.tables import METADATA

from hub.testing.clock import ManualClock
from hub.testing.dialogue import dialogue
from hub.testing.running import RunningHub, running_hub

HELLO = "EHLO client.example.test"
GUESSER = "127.0.0.7"
SCRAM = "AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,,n=alice@example.test,r=abcdefgh").decode()


def login(password: str = "demo", user: str = "alice@example.test") -> str:
    return "AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def hub_with(
    folder: Path,
    clock: ManualClock,
    settings: Mapping[str, object] | None = None,
    tables: Mapping[str, object] | None = None,
) -> AbstractAsyncContextManager[RunningHub]:
    table = {"exempt": ["127.0.0.1"], "failures": 3, **(settings or {})}
    return running_hub(
        folder,
        plugins=["auth-guard"],
        tables={"plugins": {"auth-guard": table}, **(tables or {})},
        clock=clock,
        accounts=() if (folder / "data").exists() else ("alice@example.test",),
    )


async def imap(hub: RunningHub, *commands: str, source: str = GUESSER) -> list[str]:
    """The greeting and the last line to each command; fewer if the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("imap"), local_addr=(source, 0))
    lines = [(await reader.readline()).decode()]
    for command in commands:
        writer.write(f"a {command}\r\n".encode())
        lines.append((await reader.readline()).decode())
    writer.close()
    await writer.wait_closed()
    return lines


async def guess(hub: RunningHub, times: int = 3) -> None:
    for number in range(times):
        reply = (await dialogue(hub.port("submission"), [HELLO, login(f"guess {number}")], source=GUESSER))[
            -1
        ]
        assert reply.startswith("535")
    await hub.told()


async def greeting(hub: RunningHub, listener: str = "submission", source: str = GUESSER) -> str:
    return (await dialogue(hub.port(listener), source=source))[0][:3]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.mark.proves(
    "authentication: who guesses passwords, in whichever protocols, is banned for a while in all of them"
)
async def test_failures_of_all_protocols_count_together_and_ban_in_all(
    tmp_path: Path, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with hub_with(tmp_path, clock) as hub:
        await guess(hub, 1)
        refused = await imap(hub, "LOGIN alice@example.test guess")
        assert refused[1].startswith("a NO [AUTHENTICATIONFAILED]")
        await hub.told()
        assert await greeting(hub) == "220"
        await imap(hub, "AUTHENTICATE PLAIN " + base64.b64encode(b"\0alice\0x").decode())
        await hub.told()
        told = capsys.readouterr().out
        assert told.count("login failed ") == 3
        assert told.count("reason='wrong password'") == 3
        banned = "421 4.7.0 too many failed logins from your address, try again later"
        assert await dialogue(hub.port("submission"), [HELLO], source=GUESSER) == [banned]
        assert await dialogue(hub.port("smtp"), [HELLO], source=GUESSER) == [banned]
        assert await imap(hub) == [
            "* BYE [UNAVAILABLE] too many failed logins from your address, try again later\r\n"
        ]
        assert await greeting(hub, source="127.0.0.8") == "220"
        await clock.turn(3599)
        assert await greeting(hub) == "421"
        await clock.turn(2)
        assert await greeting(hub) == "220"
        assert (await imap(hub, "LOGIN alice@example.test demo"))[1].startswith("a OK")


async def test_a_banned_client_is_refused_in_protocols_of_plugins_too(
    tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "plugins.d").mkdir(mode=0o700)
    (tmp_path / "plugins.d" / "hello.py").write_text(
        "from hub import ListenerKind, hookimpl\n"
        "async def serve(session):\n    session.write(b'hello\\r\\n')\n"
        "@hookimpl\ndef provide_listeners():\n    return [ListenerKind('hello', serve, port=1)]\n"
    )
    names = ("smtp", "submission", "hello")
    listeners = {name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in names}
    async with hub_with(tmp_path, clock, tables={"listeners": listeners}) as hub:
        assert (await dialogue(hub.port("hello"), source=GUESSER)) == ["hello"]
        await guess(hub)
        said = "too many failed logins from your address, try again later"
        assert (await dialogue(hub.port("hello"), source=GUESSER)) == [said]
        assert (await dialogue(hub.port("hello"), source="127.0.0.8")) == ["hello"]


async def test_who_is_connected_already_does_not_get_in_either(tmp_path: Path, clock: ManualClock) -> None:
    async with hub_with(tmp_path, clock) as hub:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", hub.port("submission"), local_addr=(GUESSER, 0)
        )

        async def say(command: str) -> str:
            writer.write(command.encode() + b"\r\n")
            while (line := (await reader.readline()).decode())[3:4] == "-":
                pass
            return line[:3]

        await reader.readline()
        assert await say(HELLO) == "250"
        assert await say(SCRAM) == "334"
        assert await say("*") == "501"
        await guess(hub)
        assert await say(login()) == "535"
        assert await say(SCRAM) == "535"
        writer.close()
        await writer.wait_closed()


async def test_failures_count_in_a_window_that_slides(tmp_path: Path, clock: ManualClock) -> None:
    async with hub_with(tmp_path, clock, {"within": "10min"}) as hub:
        await guess(hub, 2)
        await clock.turn(599)
        assert await greeting(hub) == "220"
        await clock.turn(2)
        await guess(hub, 2)
        assert await greeting(hub) == "220"
        await clock.turn(300)
        await guess(hub, 1)
        assert await greeting(hub) == "421"


@pytest.mark.proves("authentication: bans survive a restart of the hub")
async def test_a_ban_survives_a_restart_and_so_does_the_count(tmp_path: Path, clock: ManualClock) -> None:
    async with hub_with(tmp_path, clock) as hub:
        await guess(hub, 2)
    async with hub_with(tmp_path, clock) as hub:
        await guess(hub, 1)
        assert await greeting(hub) == "421"
    async with hub_with(tmp_path, clock) as hub:
        assert await greeting(hub) == "421"
        await clock.turn(3601)
        assert await greeting(hub) == "220"


async def test_loopback_is_never_banned_unless_the_operator_says_otherwise(
    tmp_path: Path, clock: ManualClock
) -> None:
    tables = {"plugins": {"auth-guard": {"failures": 1}}}
    async with running_hub(tmp_path, plugins=["auth-guard"], tables=tables, clock=clock) as hub:
        await guess(hub, 4)
        assert await greeting(hub) == "220"


# -- without a hub ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", None),
        ("client.example", None),
    ],
)
def test_what_one_customer_has_is_counted_as_one(host: str, network: str | None) -> None:
    assert records.network_of(host) == network


async def test_what_is_old_is_forgotten_and_what_is_too_much_too(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_FAILURES", 2)
    async with hub_with(tmp_path, clock) as hub:
        scope = hub.hub.kernel.generations.current.plugins["auth-guard"]
        tables = await scope.tables(METADATA)
        guard = Guard(Settings(failures=2, ban=30, keep=60), tables, clock)

        async def left() -> list[str]:
            found = await tables.read(lambda connection: records.failures(connection, None, 10))
            return [each.client for each in found]

        for number in range(4):
            await guard.note(f"192.0.2.{number}", "alice", "imap", "LOGIN", "wrong password")
            await clock.turn(1)
        await guard.expire()
        assert await left() == ["192.0.2.3/32", "192.0.2.2/32"]
        for _ in range(2):
            await guard.note("192.0.2.9", "alice", "imap", "LOGIN", "wrong password")
        assert guard.is_banned("192.0.2.9")
        assert await guard.note("192.0.2.9", "alice", "imap", "LOGIN", "wrong password") is None
        await clock.turn(61)
        await guard.expire()
        assert await left() == []
        assert await tables.read(lambda connection: records.bans(connection, 0)) == []


async def test_workers_learn_of_each_others_bans_and_names_are_kept_as_they_may_be_printed(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with hub_with(tmp_path, clock) as hub:
        scope = hub.hub.kernel.generations.current.plugins["auth-guard"]
        tables = await scope.tables(METADATA)
        settings = Settings(failures=1, exempt=())
        one, other = (Guard(settings, tables, clock) for _ in range(2))
        ban = await one.note(
            "2001:db8::1", "al\0ice\x1b\ud800" + "x" * 300, "imap", "LOGIN", "wrong password"
        )
        assert ban is not None
        assert ban.network == "2001:db8::/64"
        assert one.is_banned("2001:db8::ffff")
        assert not other.is_banned("2001:db8::1")
        await other.refresh()
        assert other.is_banned("2001:db8::1")
        (failure,) = await tables.read(lambda connection: records.failures(connection, None, 10))
        assert isinstance(failure, FailedLogin)
        assert failure.username == ("al\ufffdice\ufffd\ufffd" + "x" * 300)[:255]


async def test_hubs_on_one_postgres_share_their_bans(
    tmp_path: Path, clock: ManualClock, postgres_url: str
) -> None:
    tables = {
        "services": {"blobs": "blobs-sql"},
        "plugins": {
            "auth-guard": {"exempt": ["127.0.0.1"], "failures": 3},
            "storage-sql": {"url": postgres_url},
        },
    }
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with running_hub(tmp_path / "one", plugins=["auth-guard"], tables=tables, clock=clock) as one:
        await guess(one)
        assert await greeting(one) == "421"
        two = running_hub(tmp_path / "two", plugins=["auth-guard"], tables=tables, clock=clock, accounts=())
        async with two as other:
            assert await greeting(other) == "421"
