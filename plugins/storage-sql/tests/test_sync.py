"""What is answered was synced before: seen by failing and by counting the system's own calls."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_plugin_storage_sql import SqlStorage

from hub import AccountRef
from hub.testing.clock import ManualClock
from hub.testing.scopes import make_scope

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

DELIVER = "hub.testing.contracts.storage_peer"


def deliver(folder: Path, prefix: str, count: int, *strace: str) -> subprocess.CompletedProcess[str]:
    """Another process that delivers one message after the other under strace, and tells of each answer."""
    task = {
        "driver": "hub_plugin_storage_sql:SqlStorage",
        "folder": str(folder),
        "settings": {},
        "do": "deliver",
        "prefix": prefix,
        "count": count,
        "at_once": 1,
        "accounts": ["alice"],
    }
    return subprocess.run(
        ["strace", "-f", "-qq", *strace, sys.executable, "-m", DELIVER, json.dumps(task)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def answered(process: subprocess.CompletedProcess[str]) -> list[str]:
    return [json.loads(line)["id"] for line in process.stdout.splitlines()]


async def stored(folder: Path) -> list[str]:
    async with SqlStorage(make_scope("storage-sql", folder, ManualClock())) as storage:
        mailbox = await storage.mailbox(AccountRef("default", "alice"), "INBOX")
        assert mailbox is not None
        return [item.message_id for item in await storage.items(mailbox.id, [(1, 10**6)])]


@pytest.mark.proves("store: every answer has a sync before it, shown by strace")
def test_every_answer_has_a_sync_of_its_own_before_it(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    ran = deliver(
        tmp_path / "store",
        "m",
        20,
        "-e",
        "trace=fdatasync,fsync,write",
        "-e",
        "status=successful",
        "-o",
        str(calls),
    )
    assert len(answered(ran)) == 20, ran.stderr
    synced, unsynced_answers, answers = False, 0, 0
    for line in calls.read_text().splitlines():
        if "sync(" in line:
            synced = True
        elif 'write(1, "{' in line:
            answers += 1
            unsynced_answers += not synced
            synced = False
    assert (answers, unsynced_answers) == (20, 0)


async def test_a_sync_that_fails_is_never_answered_as_stored(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    inject = (
        "-e",
        "trace=fdatasync,fsync",
        "-e",
        "inject=fdatasync,fsync:error=EIO:when=8+",
        "-o",
        "/dev/null",
    )
    told = answered(deliver(folder, "before", 10, "-o", "/dev/null"))
    assert len(told) == 10
    failed = deliver(folder, "failing", 1000, *inject)
    assert failed.returncode != 0
    assert "OSError: [Errno 5]" in failed.stderr
    assert 0 < len(answered(failed)) < 20
    told += answered(failed)
    found = await stored(folder)
    assert len(found) == len(set(found))
    assert set(told) <= set(found)
    # At most the one message whose fate the failed sync left open is there besides.
    assert len(set(found) - set(told)) <= 1
