"""A hub of two workers that is killed while mail comes in and events go out."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from hub.testing.load import mail_load
from hub.testing.ports import free_port
from hub.testing.running import running_hub

from .conftest import HUB, SECRET, Receiver


async def serve(folder: Path) -> asyncio.subprocess.Process:
    """A group of processes of its own, which is killed as a whole."""
    with (folder / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            HUB, "-c", folder / "hub.toml", "serve", stdout=log, stderr=log, start_new_session=True
        )


async def end(process: asyncio.subprocess.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    await process.wait()


async def forget_leases(folder: Path) -> None:
    """What the dead held runs out after thirty seconds, which this test does not wait for."""
    same_store = {"hub": {"data_dir": str(folder / "data")}}
    async with running_hub(folder / "between", tables=same_store, accounts=()) as hub:
        kv = hub.hub.kernel.services.storage.kv("webhooks")
        for key, _ in await kv.scan("lease/"):
            await kv.set(key, None)


@pytest.mark.proves("observing: a hub that is killed while mail flows loses no webhook event")
async def test_a_hub_that_is_killed_loses_no_event(tmp_path: Path, receiver: Receiver) -> None:
    port = free_port()
    tables = {
        "hub": {"workers": 2},
        "listeners": {"smtp": {"protocol": "smtp", "bind": [f"127.0.0.1:{port}"]}},
        "plugins": {"webhooks": {"endpoints": {"crm": {"url": receiver.url, "secret": SECRET}}}},
    }
    async with running_hub(tmp_path, plugins=["webhooks"], tables=tables):
        pass  # which has made the accounts, and hub.toml
    process = await serve(tmp_path)
    try:
        async with asyncio.timeout(60), mail_load(port, sessions=1, size=100) as load:
            await receiver.some(20)
            await end(process, signal.SIGKILL)
            await forget_leases(tmp_path)
            process = await serve(tmp_path)
            await load.until_accepted(20)
        accepted = {str(number) for number in load.accepted}
        attempts = await receiver.until(lambda all_: accepted <= {each.subject for each in all_})
    finally:
        await end(process, signal.SIGTERM)
    ids = {each.subject: each.id for each in attempts}
    assert len(set(ids.values())) == len(ids)
    assert all(ids[each.subject] == each.id for each in attempts)  # who sends again says the same
