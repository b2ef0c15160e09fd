"""`hub queue bounces`: how mail to each domain fares."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner, Result

from hub.cli.main import main
from hub.relay.tally import KEPT_DAYS, MOST_DOMAINS, NAMESPACE, OTHERS, Tally, fared
from hub.services.clock import SystemClock
from hub.testing.running import RunningHub, running_hub

DAY = 86400.0


async def command(hub: RunningHub, *arguments: str) -> Result:
    words = ["--config", str(hub.folder / "hub.toml"), "queue", "bounces", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, words)


async def test_domains_are_shown_with_what_became_of_their_mail(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        assert (await command(hub)).output == "Nothing was sent.\n"
        kv, clock = hub.hub.kernel.services.storage.kv(NAMESPACE), SystemClock()
        workers = [Tally(kv, clock), Tally(kv, clock)]
        for tally in workers:
            for outcome in ("sent", "sent", "deferred greylist", "bounced quota", "bounced spam"):
                tally.add("Elsewhere.example", outcome)
        workers[0].add("well.example", "sent")
        await asyncio.gather(*(tally.flush() for tally in workers))
        await workers[0].flush()
        lines = (await command(hub)).output.splitlines()
        (bad,) = [line.split() for line in lines if "elsewhere.example" in line]
        assert bad[1:] == ["4", "2:", "greylist", "2", "4:", "quota", "2,", "spam", "2"]
        (well,) = [line.split() for line in lines if "well.example" in line]
        assert well[1:] == ["1", "0", "0"]
        said = json.loads((await command(hub, "--domain", "WELL.example", "--days", "1", "--json")).output)
        assert said == {"well.example": {"sent": 1}}


class Turned(SystemClock):
    """The machine's time, some seconds ahead."""

    seconds = 0.0

    def time(self) -> float:
        return super().time() + self.seconds


async def test_what_is_kept_is_bounded_in_domains_and_days(tmp_path: Path) -> None:
    clock = Turned()
    async with running_hub(tmp_path, clock=clock) as hub:
        kv = hub.hub.kernel.services.storage.kv(NAMESPACE)
        tally = Tally(kv, clock)
        for number in range(MOST_DOMAINS + 50):
            tally.add(f"d{number}.example", "sent")
        await asyncio.gather(*(tally.flush() for _ in range(20)))
        found = await fared(kv, 1, clock.time())
        assert len(found) == MOST_DOMAINS + 1
        assert found[OTHERS]["sent"] == 50
        clock.seconds = KEPT_DAYS * DAY
        assert await fared(kv, KEPT_DAYS, clock.time()) == {}
        tally.add("one.example", "sent")
        await tally.flush()
        assert list(await fared(kv, KEPT_DAYS, clock.time())) == ["one.example"]
