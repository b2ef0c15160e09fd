"""What a plugin answers, asked by its own commands and by itself, in one worker and in two."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import cast

import click
import pytest
from click.testing import CliRunner, Result

from hub import AccountRef, CommandContext
from hub.cli.context import Context
from hub.testing.running import running_hub
from tests.crew import serving

COUNTING = '''"""Counts recipients, and says so."""
import os
from hub import hookimpl

@hookimpl
async def plugin_start(plugin):
    seen = []

    async def pids(arguments):
        return {"pid": os.getpid(), **arguments}

    async def everywhere(arguments):
        return sorted(each["pid"] for each in await plugin.ask("pids"))

    async def broken(arguments):
        return 1 / 0

    plugin.answer("pids", pids)
    plugin.answer("everywhere", everywhere)
    plugin.answer("broken", broken)
    await plugin.kv.set("kept", b"yes")
'''


@click.command()
@click.argument("question")
@click.pass_obj
def ask(context: CommandContext, question: str) -> None:
    click.echo(context.ask_plugin("counting", question, why="to know"))


@click.command()
@click.argument("name")
@click.pass_obj
def kept(context: CommandContext, name: str) -> None:
    async def look() -> bytes | None:
        async with context.open_plugin(name) as plugin:
            return await plugin.kv.get("kept")

    click.echo(context.run(look()))


@click.command()
@click.argument("name")
@click.pass_obj
def subjects(context: CommandContext, name: str) -> None:
    async def look() -> list[str | None]:
        async with context.open_plugin(name) as plugin:
            entry = json.loads(await plugin.kv.get("entry") or b"")
            account = AccountRef(*entry["account"])
            found = [await plugin.message(account, "INBOX", uid) for uid in (1, 2)]
            whose = await plugin.directory.account_of(account)
            told = [each.headers.get("Subject") if each else None for each in found]
            return [*told, str(whose.address) if whose else None]

    click.echo(context.run(look()))


async def call(folder: Path, command: click.Command, argument: str) -> Result:
    context = Context(folder / "hub.toml")
    return await asyncio.to_thread(CliRunner().invoke, command, [argument], obj=context)


async def test_a_command_asks_the_plugin_that_runs_and_reads_what_it_has_stored(tmp_path: Path) -> None:
    (tmp_path / "plugins.d").mkdir(mode=0o700)
    (tmp_path / "plugins.d" / "counting.py").write_text(COUNTING)
    async with running_hub(tmp_path):
        assert (await call(tmp_path, ask, "pids")).output == f"[{{'pid': {os.getpid()}, 'why': 'to know'}}]\n"
        assert (await call(tmp_path, ask, "everywhere")).output == f"[[{os.getpid()}]]\n"
        wrong = await call(tmp_path, ask, "pid")
        assert wrong.exit_code == 1
        assert "counting answers no 'pid'" in wrong.output
        assert "'pids'" in wrong.output
        broken = await call(tmp_path, ask, "broken")
        assert "could not answer 'broken'" in broken.output
        assert (await call(tmp_path, kept, "counting")).output == "yes\n"
    none = await call(tmp_path, ask, "pids")
    assert (none.exit_code, "no hub is running" in none.output) == (1, True)
    assert (await call(tmp_path, kept, "counting")).output == "yes\n"
    assert "there is no plugin 'other'" in (await call(tmp_path, kept, "other")).output


NOTING = '''"""Notes who got a message."""
import json
from hub import hookimpl

@hookimpl
async def message_delivered(plugin, account):
    await plugin.kv.set("entry", json.dumps({"account": [account.tenant, account.key]}).encode())
'''


async def test_a_command_reads_messages_beside_a_hub_and_without_one(tmp_path: Path) -> None:
    (tmp_path / "plugins.d").mkdir(mode=0o700)
    (tmp_path / "plugins.d" / "noting.py").write_text(NOTING)
    said = "['Hello', None, 'alice@example.test']\n"
    async with running_hub(tmp_path) as hub:
        assert (await hub.send())[0] == 250
        kv = hub.hub.kernel.services.storage.kv("noting")
        async with asyncio.timeout(10):
            while await kv.get("entry") is None:
                await asyncio.sleep(0.01)
        assert (await call(tmp_path, subjects, "noting")).output.endswith(said)
    assert (await call(tmp_path, subjects, "noting")).output.endswith(said)


@pytest.mark.proves("plugins: one answers for all workers, asked by its own command or by itself")
async def test_every_worker_answers(tmp_path: Path) -> None:
    async with serving(tmp_path, plugins={"counting.py": COUNTING}) as crew:
        pids = sorted(await crew.pids())
        said = (await call(tmp_path, ask, "pids")).output
        assert all(f"'pid': {pid}" in said for pid in pids)
        assert (await call(tmp_path, ask, "everywhere")).output == f"{[pids, pids]}\n"
        assert "counting answers no 'x'" in (await call(tmp_path, ask, "x")).output
        assert len(cast("list[object]", pids)) == 2
