"""Reload: from saving a plugin's file to the first mail that it judges."""

from __future__ import annotations

import itertools
import re
import smtplib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Final

from bench import hub_server, plugins
from bench.figure import Figure, Goal
from bench.hub_server import PLUGINS, Hub
from bench.options import Options
from bench.report import Report
from bench.rounds import Values, interleave
from bench.server import DOMAIN, HOST, MAILBOX

PATIENCE: Final = 30.0
TOTAL: Final = 35
"""Plugins that are loaded."""
SAVES: Final = 5
"""How often the file is saved in one round."""

_LOADED: Final = re.compile(rb"plugins loaded .*'judge': .* seconds=([0-9.e-]+)")
_PLUGIN = """from hub import Reject, hookimpl


@hookimpl
async def smtp_rcpt(recipient):
    if recipient.local == "reader+{number}":
        return Reject("5.7.1", "saved as {number}")
"""


class NeverLive(Exception):
    """The saved plugin judged nothing in time."""


def measure(options: Options) -> Report:
    """Save a plugin again and again while a client keeps asking. NotStarted, NeverLive, NotLoaded."""
    numbers = itertools.count(1)
    with ExitStack() as stack:
        hubs = hub_server.all_running(stack, options)
        for hub in hubs.values():
            plugins.replace_all(hub, TOTAL - len(PLUGINS) - 1, list(plugins.MAIL_PATH))
            _live(hub, numbers)  # the one that is saved
        works = {subject: partial(_save, hub, numbers) for subject, hub in hubs.items()}
        rounds = interleave(works, options.rounds, options.say)
    loaded = f"{', '.join(PLUGINS)}, {TOTAL - len(PLUGINS)} in the watched folder"
    return Report(
        area="reload",
        title=f"Reload of one plugin of {TOTAL}",
        setups={subject: {**hub.setup, "plugins": loaded} for subject, hub in hubs.items()},
        figures=[
            Figure("saved → the next mail is judged by it", "ms", "live", rounds, Goal(300)),
            Figure("the work of a reload", "ms", "work", rounds, Goal(200)),
        ],
        notes=[
            "Live: seen from outside, by a client that repeats MAIL and RCPT. Work: what the slowest "
            f"worker logs, from looking at the disk to the swap. The slowest of {SAVES} saves counts.",
            f"All but those named in the configuration are on all {len(plugins.MAIL_PATH)} hooks of a mail's "
            "path and do nothing; one of them is saved.",
        ],
    )


def _save(hub: Hub, numbers: Iterator[int]) -> Values:
    live, work = [], []
    for _ in range(SAVES):
        seen = hub.log.stat().st_size
        live.append(_live(hub, numbers))
        work.append(_work(hub, seen))
    return {"live": max(live), "work": max(work)}


def _work(hub: Hub, seen: int) -> float:
    """Milliseconds of the slowest worker's reload, once all have logged it past octet `seen`. NeverLive."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        loaded = _LOADED.findall(hub.log.read_bytes()[seen:])
        if len(loaded) >= hub.workers:
            return max(map(float, loaded)) * 1000
        time.sleep(0.01)
    raise NeverLive(f"not every worker says within {PATIENCE:g} s that it has loaded what was saved")


def _live(hub: Hub, numbers: Iterator[int]) -> float:
    """Milliseconds from the save to the plugin's first verdict. NeverLive."""
    number = next(numbers)
    local, _, domain = MAILBOX.partition("@")
    # In the conversation before the clock starts.
    with smtplib.SMTP(HOST, hub.port, f"client.{DOMAIN}") as client:
        client.ehlo()
        (hub.watched / "judge.py").write_text(_PLUGIN.format(number=number))
        began = time.monotonic()
        while time.monotonic() < began + PATIENCE:
            client.mail(f"sender@client.{DOMAIN}")
            code, text = client.rcpt(f"{local}+{number}@{domain}")
            if code == 550 and f"saved as {number}".encode() in text:
                return (time.monotonic() - began) * 1000
            client.rset()
            time.sleep(0.001)
    raise NeverLive(f"a plugin was saved {PATIENCE:g} s ago and judges nothing")
