"""Checks: what a mail waits for when several of them run, each of a latency that is known."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Final, cast

from bench import hub_server
from bench.figure import HUB, Figure, Goal
from bench.hub_server import Hub
from bench.options import Options
from bench.plugins import NotLoaded
from bench.report import Report
from bench.rounds import Values, interleave
from bench.server import DOMAIN, HOST, MAILBOX
from bench.smtp import Lost

WAITS: Final = (0.010, 0.020, 0.030, 0.040)
"""Seconds that the checks take, the slowest last; the first waits in a thread, the others on the loop."""
SHARE: Final = 80
"""One in so many of the messages is sent for each set of checks."""
GOAL: Final = Goal(1.1)

_HEAD: Final = '"""Waits."""\n\nimport asyncio\nimport time\n\nfrom hub import hookimpl\n\n\n@hookimpl\n'
_IN_A_THREAD: Final = "def check_message():\n    time.sleep({})\n"
_ON_THE_LOOP: Final = "async def check_message():\n    await asyncio.sleep({})\n"


def measure(options: Options) -> Report:
    """The same mails without checks, with the slowest alone, and with all. NotStarted, NotLoaded, Lost."""
    count = max(5, options.messages // SHARE)
    with hub_server.running(options.folder / "hub", 1) as hub:
        rounds = interleave({HUB: partial(_round, hub, count)}, options.rounds, options.say)
    waits = " ms, ".join(f"{each * 1000:g}" for each in WAITS)
    return Report(
        area="checks",
        title=f"Checks: {len(WAITS)} of them side by side, which take {waits} ms",
        setups={HUB: hub.setup},
        figures=[
            Figure("all of them, to the slowest alone", "ratio", "ratio", rounds, GOAL),
            Figure("a mail with all of them, median", "ms", "all", rounds),
            Figure("with the slowest alone, median", "ms", "slowest", rounds),
            Figure("without any, median", "ms", "none", rounds),
        ],
        notes=[
            f"From the end of DATA to its 250, {count} mails of 4 KiB over one connection, one after the "
            "other, for each set of checks. One after the other, the checks would take "
            f"{sum(WAITS) * 1000:g} ms.",
        ],
    )


def _round(hub: Hub, count: int) -> Values:
    none = _latency(hub, count, ())
    slowest = _latency(hub, count, WAITS[-1:])
    together = _latency(hub, count, WAITS)
    return {"none": none, "slowest": slowest, "all": together, "ratio": together / slowest}


def _latency(hub: Hub, count: int, waits: Sequence[float]) -> float:
    """Milliseconds, the median."""
    _replace_checks(hub, waits)
    text = f"Subject: checked\r\n\r\n{('x' * 70 + chr(13) + chr(10)) * 57}".encode()
    taken: list[float] = []
    with smtplib.SMTP(HOST, hub.port, timeout=30) as client:
        client.ehlo(f"client.{DOMAIN}")
        for _ in range(count):
            client.mail(f"sender@client.{DOMAIN}")
            client.rcpt(MAILBOX)
            client.docmd("DATA")
            began = time.perf_counter()
            client.send(text + b".\r\n")
            code, reply = client.getreply()
            taken.append(time.perf_counter() - began)
            if code != 250:
                raise Lost(f"a mail was answered with {code} {reply.decode('utf-8', 'replace')}")
    return median(taken) * 1000


def _replace_checks(hub: Hub, waits: Sequence[float]) -> None:
    for path in hub.watched.glob("waits_*.py"):
        path.unlink()
    for number, seconds in enumerate(waits):
        body = _IN_A_THREAD if seconds == WAITS[0] else _ON_THE_LOOP
        (hub.watched / f"waits_{number}.py").write_text(_HEAD + body.format(seconds))
    hub.ask("reload")
    live = cast("Sequence[dict[str, object]]", hub.ask("plugins"))
    if (found := sum(str(each["name"]).startswith("waits-") for each in live)) != len(waits):
        raise NotLoaded(f"the hub has {found} of {len(waits)} checks that wait")
