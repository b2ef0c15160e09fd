"""Hooks: what a plugin that does nothing adds to the cost of a mail, per hook that it is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from bench import hub_server, plugins
from bench.figure import HUB, Figure
from bench.hub_server import Hub
from bench.options import Options
from bench.plugins import MAIL_PATH
from bench.report import Report
from bench.rounds import Round, Values, interleave
from bench.smtp import deliver
from bench.smtp_source import Load
from bench.svg import Bars, Lines

COUNTS: Final = (0, 1, 10, 35)
SHARE: Final = 8
"""One in so many of the messages is sent for each number of plugins."""


def measure(options: Options) -> Report:
    """Change the plugins, send mail, again and again. NotStarted, NotLoaded, LoadFailed, Lost."""
    load = Load(max(1, options.messages // SHARE), 4096, reuse=False)
    with ExitStack() as stack:
        hubs = hub_server.all_running(stack, options)
        for hub in hubs.values():
            deliver(hub, load)
        works: dict[str, Callable[[], Values]] = {
            subject: partial(_together, hub, load) for subject, hub in hubs.items()
        }
        works[HUB] = lambda: {**_together(hubs[HUB], load), **_apart(hubs[HUB], load)}
        rounds = interleave(works, options.rounds, options.say)
    return Report(
        area="hooks",
        title=f"Hooks: plugins that do nothing, on the {len(MAIL_PATH)} hooks of a mail's path",
        setups={subject: hub.setup for subject, hub in hubs.items()},
        figures=[
            *(Figure(f"a mail with {count} plugins", "CPU µs", f"all {count}", rounds) for count in COUNTS),
            *(
                Figure(f"a step, {count} plugins on every hook", "CPU µs", f"step {count}", rounds)
                for count in COUNTS[1:]
            ),
            *(
                Figure(f"a step of {hook}, {COUNTS[-1]} plugins", "CPU µs", hook, rounds)
                for hook in MAIL_PATH
            ),
        ],
        notes=[
            f"{load.messages:,} mails of 4 KiB, each over a connection of its own, 20 sessions, so that "
            "every hook is called once per mail. A step is one plugin on one hook; its cost is the CPU per "
            "mail above that without such plugins, over the number of steps.",
        ],
        charts=[_lines(rounds, list(hubs)), _bars(rounds)],
    )


def _together(hub: Hub, load: Load) -> Values:
    """Each number of plugins on all hooks at once."""
    cpu = {count: _cpu(hub, load, count, list(MAIL_PATH)) for count in COUNTS}
    steps = {f"step {count}": (cpu[count] - cpu[0]) / (count * len(MAIL_PATH)) for count in COUNTS if count}
    return {**{f"all {count}": each for count, each in cpu.items()}, **steps}


def _apart(hub: Hub, load: Load) -> Values:
    """As many as there are at most, on one hook after the other."""
    most = COUNTS[-1]
    without = _cpu(hub, load, 0, [])
    return {hook: (_cpu(hub, load, most, [hook]) - without) / most for hook in MAIL_PATH}


def _cpu(hub: Hub, load: Load, count: int, hooks: Sequence[str]) -> float:
    plugins.replace_all(hub, count, hooks)
    return deliver(hub, load)["cpu"]


def _lines(rounds: Sequence[Round], subjects: Sequence[str]) -> Lines:
    series = {
        subject: [
            (float(count), value)
            for count in COUNTS
            if (value := Figure("", "", f"all {count}", rounds).median(subject)) is not None
        ]
        for subject in subjects
    }
    title = "What a mail costs with plugins on every hook of its path"
    return Lines("plugins", title, "plugins that do nothing", "CPU µs/mail", series)


def _bars(rounds: Sequence[Round]) -> Bars:
    series = {HUB: [Figure("", "", hook, rounds).median(HUB) for hook in MAIL_PATH]}
    groups = [hook.replace("message_", "").replace("session_", "") for hook in MAIL_PATH]
    return Bars("steps", f"What a step costs, {COUNTS[-1]} plugins on one hook", "CPU µs", groups, series)
