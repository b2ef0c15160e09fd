"""When disk or system refuse: the sender keeps its mail, nothing is lost, and the hub goes on afterwards."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from hub.testing.load import MailLoad, mail_load
from tests.crew import until
from tests.store.killable import Killable, ended, killable

SIZE = 2_000
NO_RESERVE = {
    "plugins": {
        "blobs-segment": {"segment_size": 100_000, "keep_free": 0},
        "storage-sql": {"reserve": 0},
    }
}
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace injects the failure")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


async def refusals(load: MailLoad, more: int) -> list[str]:
    """The replies to so many more refused messages."""
    before = set(load.refused)

    async def enough() -> bool:
        return len(load.refused) >= len(before) + more

    await until(enough, 40)
    return [reply for number, reply in load.refused.items() if number not in before]


async def assert_all_there(hub: Killable, load: MailLoad) -> None:
    """What was answered is there, what was refused is not."""
    await hub.assert_clean(deep=True)
    found = await hub.items()
    assert set(load.accepted) - set(found) == set()
    assert set(found) - set(load.accepted) <= load.unanswered
    body = ("x" * 70 + "\r\n") * (SIZE // 72)
    assert [number for number, (_, text) in found.items() if text != body] == []


async def survived(
    hub: Killable, trouble: AbstractAsyncContextManager[None], *, more: int = 20
) -> tuple[MailLoad, list[str]]:
    """Mail before, in and after a trouble; what came of it, and how mail was refused while it lasted."""
    await hub.start()
    async with mail_load(hub.port, sessions=6, size=SIZE) as load:
        await load.until_accepted(30)
        async with trouble:
            replies = await refusals(load, more)
        await load.until_accepted(150)  # well into new segments
    await hub.stop()
    await assert_all_there(hub, load)
    return load, replies


@asynccontextmanager
async def injected(hub: Killable, *what: str) -> AsyncIterator[None]:
    """The system's calls fail as strace is told, in the hub that serves."""
    options = [word for each in what for word in ("-e", each)]
    strace = await asyncio.create_subprocess_exec(
        "strace", "-f", "-qq", "-o", "/dev/null", *options, "-p", str(hub.pid), stderr=asyncio.subprocess.PIPE
    )
    try:
        yield
    finally:
        strace.terminate()
        await strace.wait()


@needs_strace
@pytest.mark.proves("store: a sync that fails costs the sender a 451, and never a message")
async def test_a_failing_sync_refuses_mail_and_loses_none(tmp_path: Path) -> None:
    async with killable(tmp_path, tables=NO_RESERVE) as hub:
        trouble = injected(hub, "trace=fdatasync,fsync", "inject=fdatasync,fsync:error=EIO")
        _, replies = await survived(hub, trouble)
        assert {reply[:9] for reply in replies} == {"451 4.3.0"}


@needs_strace
async def test_now_and_then_a_failing_sync_loses_nothing(tmp_path: Path) -> None:
    async with killable(tmp_path, tables=NO_RESERVE) as hub:
        trouble = injected(hub, "trace=fdatasync,fsync", "inject=fdatasync,fsync:error=EIO:when=3+7")
        _, replies = await survived(hub, trouble, more=10)
        assert {reply[:9] for reply in replies} == {"451 4.3.0"}


@needs_strace
async def test_a_disk_that_has_become_read_only_refuses_mail_and_loses_none(tmp_path: Path) -> None:
    """As after an error of the file system: what is open for writing cannot be written to any more."""
    async with killable(tmp_path, tables=NO_RESERVE) as hub:
        calls = "pwrite64,pwritev,fchmod,unlink,ftruncate"
        trouble = injected(hub, f"trace={calls}", f"inject={calls}:error=EROFS")
        _, replies = await survived(hub, trouble)
        assert {reply[:9] for reply in replies} == {"451 4.3.0"}


@pytest.mark.proves("store: too many open files cost the sender a 451, and never a message")
async def test_too_many_open_files_refuse_mail_and_lose_none(tmp_path: Path) -> None:
    async with killable(tmp_path, tables=NO_RESERVE) as hub:

        @asynccontextmanager
        async def no_files_left() -> AsyncIterator[None]:
            old = resource.prlimit(hub.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, (8, old[1]))
            try:
                yield
            finally:
                resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, old)

        _, replies = await survived(hub, no_files_left())
        assert {reply[:9] for reply in replies} == {"451 4.3.0"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "none", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def remount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", path], check=True)


@needs_root
@pytest.mark.proves("store: a full disk costs the sender a 452 4.3.1, and never a message")
async def test_a_full_disk_refuses_mail_and_loses_none(tmp_path: Path, disk: Path) -> None:
    async with killable(tmp_path, data=disk / "data", tables=NO_RESERVE) as hub:

        @asynccontextmanager
        async def full() -> AsyncIterator[None]:
            try:
                yield  # it fills by the mail itself
            finally:
                remount(disk, "size=64m")

        _, replies = await survived(hub, full(), more=50)
        assert {reply[:9] for reply in replies} == {"452 4.3.1"}


@needs_root
async def test_a_hub_on_a_read_only_disk_says_so_and_serves_once_it_can_be_written(
    tmp_path: Path, disk: Path
) -> None:
    async with killable(tmp_path, data=disk / "data", tables=NO_RESERVE) as hub:
        await hub.start()
        async with mail_load(hub.port, sessions=2, size=SIZE) as load:
            await load.until_accepted(20)
        await hub.stop()
        remount(disk, "ro")
        log = tmp_path / "log"
        log.write_text("")
        await ended(hub.run("serve"))
        assert "Read-only file system" in log.read_text()
        remount(disk, "rw")
        await hub.start()
        await hub.stop()
        await assert_all_there(hub, load)
