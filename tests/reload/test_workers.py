"""Several workers take a new configuration together, or none of them does."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.crew import Crew, serving, until

from .conftest import Connect, certify, edit, save, unverified

LISTENERS = {
    "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"]},
    "imap": {"protocol": "imap", "bind": ["127.0.0.1:0"]},
}


UNREACHABLE = 'more = {protocol = "smtp", bind = ["192.0.2.1:25"]}'


async def sizes(crew: Crew) -> set[str]:
    """What the workers announce."""
    found = set()
    for worker in range(2):
        async with crew.connected(worker) as client:
            client.writer.write(b"EHLO c.example.test\r\n")
            while (line := await client.line())[3:4] == "-":
                if line[4:9] == "SIZE ":
                    found.add(line[9:])
    return found


@pytest.mark.proves(
    "configuration: with several workers all take it or none does, on SIGHUP or when it is saved"
)
@pytest.mark.parametrize("how", ["saved", "SIGHUP", "reload"])
async def test_all_workers_take_a_limit(tmp_path: Path, how: str) -> None:
    async with serving(tmp_path, tables={"smtp": {"max_size": 5_000_000}, "listeners": LISTENERS}) as crew:
        async with crew.connected(0) as first, crew.connected(1) as second:
            assert await sizes(crew) == {"5000000"}
            edit(tmp_path / "hub.toml", ("5000000", "4000"))
            if how == "SIGHUP":
                crew.process.send_signal(signal.SIGHUP)
            elif how == "reload":
                assert (await crew.ask("reload"))["errors"] == []  # or the watcher was first

            async def taken() -> bool:
                return await sizes(crew) == {"4000"}

            await until(taken)
            for client in (first, second):
                assert (await client.send("still here"))[:3] == "250"
        (said, *_) = crew.log("config changed")
        assert said["change"] == "smtp.max_size: 5000000 → 4000  (hub.toml:2)"


async def test_a_listener_is_opened_in_all_workers_and_kept_by_who_is_replaced(tmp_path: Path) -> None:
    async with serving(tmp_path, tables={"listeners": LISTENERS}) as crew:
        door = 'listeners = { more = {protocol = "smtp", bind = ["127.0.0.1:0"]},'
        edit(tmp_path / "hub.toml", ("listeners = {", door))
        assert (await crew.ask("reload"))["errors"] == []
        port = await crew.port("more")
        for worker in range(2):
            async with crew.connected(worker, "more") as client:
                said = await client.send("through a new door")
                assert said[:3] == "250", said
        os.kill((await crew.pids())[1], signal.SIGKILL)

        async def replaced() -> bool:
            return await crew.all_serve() and (await crew.workers())[1]["restarts"] == 1

        await until(replaced)
        assert await crew.port("more") == port
        async with crew.connected(1, "more") as client:
            assert (await client.send("again"))[:3] == "250"
            edit(tmp_path / "hub.toml", (door, door.replace("more", "other").replace("0.0.1", "0.0.2")))
            assert (await crew.ask("reload"))["errors"] == []
            assert (await client.send("the door is closed behind me"))[:3] == "250"
            with pytest.raises(OSError, match="Connect call failed"):
                await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.2", await crew.port("other"))
        assert (await reader.readline()).startswith(b"220 ")
        writer.close()


async def test_none_takes_what_one_cannot_have(tmp_path: Path, connect: Connect) -> None:
    first = certify(tmp_path)
    tls = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    listeners = {**LISTENERS, "imaps": {"protocol": "imaps", "bind": ["127.0.0.1:0"]}}
    async with serving(tmp_path, tables={"tls": tls, "listeners": listeners}) as crew:

        async def certificates() -> set[bytes]:
            port = await crew.port("imaps")
            return {(await connect(port, unverified())).certificate() for _ in range(8)}

        sane = (tmp_path / "hub.toml").read_text()
        for old, new, said in (
            ("listeners = {", "listenrs = {", "hub.toml:1: listenrs: unknown key. Did you mean 'listeners'?"),
            ("cert.pem", "gone.pem", "gone.pem: No such file or directory"),
            ("listeners = {", f"listeners = {{ {UNREACHABLE}, ", "Cannot assign requested address"),
            ("hub = {", "plugins.nobody = {}\nhub = {", "there is no plugin 'nobody'"),
        ):
            assert old in sane
            save(tmp_path / "hub.toml", sane.replace(old, new))
            report = await crew.ask("reload")
            assert said in str(report["errors"])
            assert await certificates() == {first}
        save(tmp_path / "hub.toml", sane)
        second = certify(tmp_path)

        async def renewed() -> bool:
            return await certificates() == {second}

        await until(renewed)
        assert second != first
        assert crew.process.returncode is None
        assert [worker["restarts"] for worker in await crew.workers()] == [0, 0]
