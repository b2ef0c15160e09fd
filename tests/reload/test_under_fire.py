"""Mail flows from many sessions while a plugin is rewritten again and again, good and broken by turns."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from hub.testing.load import HEADER, mail_load
from tests.crew import Client, Crew, save, serving, until
from tests.soak import Soak

PLUGINS = 35
SESSIONS = 50

BYSTANDER = '''"""One of many."""
from hub import Finding, hookimpl

@hookimpl
async def smtp_mail():
    return None

@hookimpl
async def check_message():
    return Finding(score=0.01)
'''

STAMP = '''"""Says which version of it looked at a message, at RCPT and at the end."""
from hub import Finding, StashKey, hookimpl

VERSION = "{version}"
SEEN = StashKey()

@hookimpl
async def plugin_start(plugin):
    plugin.stash[SEEN] = VERSION

@hookimpl
async def smtp_rcpt(plugin, envelope):
    envelope.stash[SEEN] = VERSION

@hookimpl
async def check_message(plugin, envelope):
    said = (envelope.stash[SEEN], VERSION, plugin.stash[SEEN])
    return Finding(headers=(("X-Versions", " ".join(said)),))
'''

BROKEN = (
    ("\ndef (", "SyntaxError"),
    ("\n@hookimpl\nasync def smtp_rctp(): ...\n", "there is no hook 'smtp_rctp'"),
    ("\n@hookimpl\nasync def smtp_mail(sendr): ...\n", "smtp_mail has no argument 'sendr'"),
    ("\nimport not_there\n", "ModuleNotFoundError"),
    ("\n1 / 0\n", "ZeroDivisionError"),
)


def resident(pid: int) -> int:
    """KiB."""
    found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


async def pids(crew: Crew) -> list[int]:
    return await crew.pids() or [crew.process.pid]


async def has_version(crew: Crew, version: str) -> bool:
    """Whether all workers serve with this text of the plugin."""
    plugins = cast("list[Mapping[str, object]]", await crew.ask("plugins"))
    (stamp,) = [plugin for plugin in plugins if plugin["name"] == "stamp"]
    return stamp["version"] == version and "differs" not in stamp


class Log:
    """What the hub logs about reloads, each line read once."""

    def __init__(self, crew: Crew) -> None:
        self._file = (crew.folder / "log").open()
        self._rest = ""
        self.refused: list[str] = []
        self.work: list[float] = []

    def read(self) -> None:
        """Take what is new."""
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        for text in lines:
            line = json.loads(text) if text.startswith("{") else {}
            if line.get("event") == "reload refused":
                self.refused.append(str(line["reason"]))
            elif line.get("event") == "plugins loaded":
                self.work.append(cast("float", line["seconds"]))

    def close(self) -> None:
        """No more."""
        self._file.close()


async def rewrite(crew: Crew, log: Log, number: int, workers: int) -> float | None:
    """Save the plugin once more and wait until it is live, or refused; seconds from the save to live."""
    file = crew.folder / "plugins.d" / "stamp.py"
    text = STAMP.format(version=number)
    if number % 2:
        fault, reason = BROKEN[number // 2 % len(BROKEN)]
        log.read()
        before = len(log.refused)
        save(file, text + fault)

        async def told() -> bool:
            log.read()
            assert all(reason in said for said in log.refused[before:])
            return len(log.refused) - before >= workers

        await until(told, 30)
        return None
    save(file, text)
    began = time.monotonic()
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    await until(lambda: has_version(crew, version), 30)
    return time.monotonic() - began


async def stamps(crew: Crew) -> Counter[tuple[int, str]]:
    """Number of the message and the versions that it carries, of all that were delivered."""
    client = Client(*await asyncio.open_connection("127.0.0.1", await crew.port("imap"), limit=1 << 20))
    await client.line()
    await client.imap("LOGIN alice@example.test demo")
    await client.imap("EXAMINE INBOX")
    client.writer.write(f"a UID FETCH 1:* BODY.PEEK[HEADER.FIELDS ({HEADER} X-Versions)]\r\n".encode())
    found: Counter[tuple[int, str]] = Counter()
    number, versions = 0, ""
    while not (line := await client.line()).startswith("a "):
        name, _, value = line.partition(": ")
        if name == HEADER:
            number = int(value)
        elif name == "X-Versions":
            versions = value
        elif not line:
            found[number, versions] += 1
            number, versions = 0, ""
    assert line.startswith("a OK"), line
    client.writer.close()
    return found


@pytest.mark.soak(alone=True)
@pytest.mark.proves(
    "plugins: saved again and again under load, good or broken, one costs no mail and no session, and each "
    "message is judged by exactly one version"
)
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_plugin_is_rewritten_again_and_again_while_mail_flows(
    tmp_path: Path, soak: Soak, workers: int
) -> None:
    rounds = soak.times(100 if workers == 1 else 20, soak=1000 if workers == 1 else 400)
    plugins = {f"bystander_{n}.py": BYSTANDER for n in range(PLUGINS - 4)}
    plugins["stamp.py"] = STAMP.format(version=0)
    # One session sends more here than any client would.
    limits = {"smtp": {"max_commands": 10_000_000}}
    async with serving(tmp_path, plugins=plugins, tables=limits, workers=workers) as crew:
        assert len(cast("list[object]", await crew.ask("plugins"))) == PLUGINS
        live: list[float] = []
        before, grown = 0, 0.0
        log = Log(crew)
        log.read()
        log.work.clear()  # of the start
        async with mail_load(await crew.port("smtp"), sessions=SESSIONS) as load:
            await load.until_accepted(SESSIONS)
            for number in range(1, rounds + 1):
                took = await rewrite(crew, log, number, workers)
                if took is not None:
                    live.append(took)
                await load.until_accepted(1)
                if number == rounds // 4:
                    before = sum(map(resident, await pids(crew)))
            grown = sum(map(resident, await pids(crew))) / before - 1
        assert load.refused == {}
        assert load.unanswered == set()
        assert load.dropped == 0
        found = await stamps(crew)
        assert {number for number, _ in found} == set(load.accepted)
        assert set(found.values()) == {1}
        assert sum(found.values()) == len(load.accepted)
        judged = {versions for _, versions in found}
        assert judged <= {f"{version} {version} {version}" for version in range(0, rounds + 1, 2)}
        assert len(judged) > rounds // 4
        log.read()
        log.close()
        work = log.work
        soak.found(
            f"{workers} workers: rewritten", f"{rounds} times, {len(load.accepted)} messages meanwhile"
        )
        soak.found(
            f"{workers} workers: save to live, reload work",
            f"median {statistics.median(live) * 1000:.0f} ms, {statistics.median(work) * 1000:.0f} ms; "
            f"worst {max(live) * 1000:.0f} ms, {max(work) * 1000:.0f} ms",
        )
        soak.found(f"{workers} workers: RSS growth", f"{grown:.1%} of {before // 1024} MiB")
        if soak.long:  # nobody else is at work on the machine
            assert grown < 0.05
            assert statistics.median(live) < 0.3
            assert statistics.median(work) < 0.2
        else:
            assert grown < 0.5
