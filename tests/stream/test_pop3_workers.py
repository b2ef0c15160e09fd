"""POP3 on two workers: one session at a time for each maildrop, and the same unique ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crew import ALICE, Client, serving

LISTENERS = {name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in ("smtp", "pop3")}


async def say(client: Client, command: str) -> str:
    client.writer.write(command.encode() + b"\r\n")
    return await client.line()


async def log_in(client: Client) -> str:
    assert (await say(client, f"USER {ALICE}")).startswith("+OK")
    return await say(client, "PASS demo")


async def ids(client: Client) -> list[str]:
    assert (await say(client, "UIDL")).startswith("+OK")
    found = []
    while (line := await client.line()) != ".":
        found.append(line)
    return found


@pytest.mark.proves("pop3: one session at a time for each maildrop, on all workers and nodes")
async def test_a_maildrop_is_one_sessions_whichever_worker_has_it(tmp_path: Path) -> None:
    async with serving(tmp_path, tables={"listeners": LISTENERS}, enabled=("pop3",)) as crew:
        async with crew.connected(0) as sender:
            for subject in ("one", "two"):
                assert (await sender.send(subject)).startswith("250")
        async with crew.connected(0, "pop3") as here, crew.connected(1, "pop3") as there:
            assert (await log_in(here)).startswith("+OK 2 messages")
            assert (await log_in(there)).startswith("-ERR [IN-USE]")
            first = await ids(here)
            assert (await say(here, "QUIT")).startswith("+OK")
            assert await here.reader.read() == b""
            assert (await log_in(there)).startswith("+OK 2 messages")
            assert await ids(there) == first
            assert len(set(first)) == 2
