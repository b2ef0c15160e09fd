"""Growth: whether a mail costs more in a large mailbox or among many accounts, and what opening one costs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from bench import hub_server
from bench.arithmetic import exponent
from bench.cpu import settled_seconds
from bench.figure import HUB, Figure, Goal
from bench.filling import account, add_accounts, fill_mailbox
from bench.hub_server import Hub
from bench.imap_rows import fetch
from bench.open_loop import Mail, send_on_time
from bench.options import Options
from bench.report import Report
from bench.rounds import Round, Values, interleave, joined
from bench.smtp import deliver
from bench.smtp_source import Load
from bench.svg import Lines

SESSIONS: Final = 20
SEED: Final = 9051
FLAT: Final = Goal(1.25)
"""How many times the cost of the smallest the largest may cost; what is less is noise."""
LINEAR: Final = Goal(1.1)
"""What is told for every message, may cost as much for each in a large mailbox, not more."""


def measure(options: Options) -> Report:
    """A hub for every size, filled before it starts. NotStarted, LoadFailed, Lost, Unhappy, Missing."""
    messages = max(1, options.messages // 2)
    works: dict[str, Callable[[], Values]] = {}
    with ExitStack() as stack:
        for rows in options.rows:
            hub = _hub(stack, options, f"{rows}-rows", partial(fill_mailbox, count=rows))
            works[f"{rows} rows"] = partial(_mailbox, hub, rows, Load(messages, 4096))
        for accounts in options.accounts:
            hub = _hub(stack, options, f"{accounts}-accounts", partial(add_accounts, count=accounts))
            works[f"{accounts} accounts"] = partial(_accounts, hub, _recipients(accounts, messages))
        for work in works.values():
            work()  # the first mail of all pays for what is loaded then
        rounds = joined(interleave(works, options.rounds, options.say), HUB, partial(_compared, options))
        setup = {key: value for key, value in hub.setup.items() if key != "delivery"}
    return Report(
        area="growth",
        title="Growth: mailboxes and directories of all sizes",
        setups={HUB: setup},
        figures=[*_summary(options, rounds), *_details(options, rounds)],
        notes=[
            f"Each size is a hub of its own, filled through its storage. {messages:,} mails of 4 KiB per "
            f"round, {SESSIONS} sessions, reused: into one mailbox, from which they are expunged again; or "
            "each to an account picked at random, by the generator of the latency area.",
            f"Flat is a CPU per mail at the largest of at most {FLAT.limit:g} times that at the smallest; "
            "the exponent is the slope of both logarithms over all sizes, 0 for what does not grow and 1 for "
            "what grows alike.",
            "With one account, all that is known of it is in caches, and a group commit writes its row once; "
            "among many, nearly every mail is for another.",
            "SELECT and FETCH tell something of every message.",
        ],
        charts=[
            _chart("cpu", "What a mail costs", "CPU µs/mail", rounds, options),
            _chart("rate", "Mail taken", "mails/s", rounds, options),
            _reading(rounds, options),
        ],
    )


def _hub(stack: ExitStack, options: Options, name: str, prepare: hub_server.Prepare) -> Hub:
    options.say(f"making {name.replace('-', ' ')}")
    return stack.enter_context(hub_server.running(options.folder / name, options.workers, prepare=prepare))


def _mailbox(hub: Hub, rows: int, load: Load) -> Values:
    values = deliver(hub, load)
    with hub.log_in() as client:
        client.ask("SELECT INBOX")
        client.ask(f"STORE {rows + 1}:* +FLAGS.SILENT (\\Deleted)")
        client.ask("EXPUNGE")
    with hub.log_in() as client:
        began = time.monotonic()
        client.ask("SELECT INBOX")
        select = (time.monotonic() - began) * 1000
        return {
            "rate": values["rate"],
            "cpu": values["cpu"],
            "select": select,
            "flags": fetch(client, "FLAGS", rows),
        }


def _accounts(hub: Hub, recipients: Sequence[str]) -> Values:
    used = settled_seconds(hub.pid)
    answered = send_on_time(Mail(hub.port, [0.0] * len(recipients), recipients, sessions=SESSIONS))
    used = settled_seconds(hub.pid) - used
    return {"rate": len(recipients) / answered.seconds, "cpu": used / len(recipients) * 1e6}


def _recipients(accounts: int, messages: int) -> Sequence[str]:
    pick = random.Random(SEED)
    return [account(pick.randrange(accounts)) for _ in range(messages)]


def _sizes(options: Options) -> Mapping[str, Sequence[int]]:
    return {"rows": options.rows, "accounts": options.accounts}


def _compared(options: Options, values: Values) -> Values:
    """What sizes are to each other, from the values of all."""
    found: dict[str, float] = {}
    for what, sizes in _sizes(options).items():
        cpu = [(size, values[f"cpu {size} {what}"]) for size in sizes]
        if all(cost for _, cost in cpu):  # too little mail costs no tick of the clock
            found[f"cpu ratio {what}"] = cpu[-1][1] / cpu[0][1]
            found[f"cpu exponent {what}"] = exponent(cpu)
    for key in ("select", "flags"):
        found[f"{key} exponent"] = exponent([(size, values[f"{key} {size} rows"]) for size in options.rows])
    return found


def _summary(options: Options, rounds: Sequence[Round]) -> Sequence[Figure]:
    figures = []
    for what, sizes in _sizes(options).items():
        name = f"CPU per mail, {sizes[-1]:,} {what} against {sizes[0]:,}"
        figures += [
            Figure(name, "times", f"cpu ratio {what}", rounds, FLAT),
            Figure(f"CPU per mail over {what}", "exponent", f"cpu exponent {what}", rounds),
        ]
    return [
        *figures,
        Figure("SELECT over rows", "exponent", "select exponent", rounds, LINEAR),
        Figure("FETCH 1:* FLAGS over rows", "exponent", "flags exponent", rounds, LINEAR),
    ]


def _details(options: Options, rounds: Sequence[Round]) -> Sequence[Figure]:
    return [
        Figure(f"{size:,} {what}: {name}", unit, f"{key} {size} {what}", rounds)
        for what, sizes in _sizes(options).items()
        for name, unit, key in _COLUMNS
        for size in sizes
        if what == "rows" or key in ("rate", "cpu")
    ]


_COLUMNS: Final = (
    ("delivery", "mails/s", "rate"),
    ("delivery", "CPU µs/mail", "cpu"),
    ("SELECT", "ms", "select"),
    ("FETCH 1:* FLAGS", "ms", "flags"),
)


def _points(
    key: str, what: str, sizes: Sequence[int], rounds: Sequence[Round]
) -> Sequence[tuple[float, float]]:
    return [
        (size, value)
        for size in sizes
        if (value := Figure("", "", f"{key} {size} {what}", rounds).median(HUB))
    ]


def _chart(key: str, title: str, unit: str, rounds: Sequence[Round], options: Options) -> Lines:
    series = {f"by {what}": _points(key, what, sizes, rounds) for what, sizes in _sizes(options).items()}
    return Lines(key, f"{title}, by messages in the mailbox and by accounts", "how many", unit, series, True)


def _reading(rounds: Sequence[Round], options: Options) -> Lines:
    names = {"select": "SELECT", "flags": "FETCH 1:* FLAGS"}
    series = {name: _points(key, "rows", options.rows, rounds) for key, name in names.items()}
    return Lines("reading", "Opening a mailbox", "messages in it", "ms", series, True, True)
