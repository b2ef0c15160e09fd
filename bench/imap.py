"""IMAP: what clients do with a large mailbox, beside Dovecot's maildir and sdbox."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench import dovecot, hub_server
from bench.dovecot import Dovecot
from bench.figure import HUB, Figure, Goal
from bench.hub_server import PASSWORD, Hub
from bench.idle import Idle, holding
from bench.imap_rows import Missing, Rows, rows
from bench.options import Options
from bench.report import Report
from bench.resident import tree_memory
from bench.rounds import Values, interleave
from bench.server import MAILBOX

__all__ = ["Missing", "measure"]

USUAL: Final = 10_000
"""Messages in the mailbox; the report of any other number is a page of its own."""
PEER: Final = "Dovecot"
BACKENDS: Final = ("maildir", "sdbox")
PEERS_SESSIONS: Final = 100
"""Dovecot has a process for each, and by default not many more than these."""

_AHEAD: Final = Goal(1, PEER, most=True)
_TWICE: Final = Goal(0.5, PEER, most=True)
_GOALS: Final = MappingProxyType(
    {
        "first": _TWICE,
        "warm": _TWICE,
        "body": Goal(2, PEER),
        "append 1": Goal(2, PEER),
        "append 10": Goal(2, PEER),
        "store": Goal(2.5, f"{PEER} sdbox", most=True),
        "told": Goal(5),
        "text indexed": Goal(30),
    }
)


def measure(options: Options) -> Report:
    """Each round fills a mailbox of its own. NotStarted, Unhappy, Missing, NotHeld."""
    with ExitStack() as stack:
        hub = stack.enter_context(hub_server.running(options.folder / "hub", options.workers))
        indexed = stack.enter_context(
            hub_server.running(options.folder / "indexed", options.workers, prepare=_with_index)
        )
        peers = _peers(stack, options)
        works = {HUB: partial(_hub, hub, indexed, options)}
        works |= {name: partial(_dovecot, peer, options) for name, peer in peers.items()}
        rounds = interleave(works, options.rounds, options.say)
    why = dovecot.missing()
    return Report(
        area="imap" if options.mailbox == USUAL else f"imap-{options.mailbox}",
        title=f"IMAP: a mailbox of {options.mailbox:,} messages of 4 KiB",
        setups={HUB: hub.setup, **{name: peer.setup for name, peer in peers.items()}},
        figures=[
            Figure(name, unit, key, rounds, _GOALS.get(key, _AHEAD) if peers else None)
            for key, name, unit in rows()
        ],
        notes=[
            "Each round appends two mailboxes of its own. One is read at once; the other, to which all else "
            "is done, once the server rests: the hub works out envelopes after the delivery.",
            "With the index: another hub, with the plugin search-fts, once it has indexed a mailbox alike.",
            "Logins are known to both, as after any login.",
            "The hub syncs what it says OK to; Dovecot does by default what it calls optimized.",
            f"Sessions in IDLE: how much the proportional set size grows with {_idlers(options)} of them, "
            f"with {PEERS_SESSIONS} of {PEER}'s.",
            *([] if why is None else [f"Without a peer: {why}."]),
        ],
    )


def _peers(stack: ExitStack, options: Options) -> Mapping[str, Dovecot]:
    if dovecot.missing() is not None:
        return {}
    return {
        f"{PEER} {backend}": stack.enter_context(dovecot.running(options.folder / backend, backend))
        for backend in BACKENDS
    }


def _idlers(options: Options) -> int:
    return max(1, options.costly // 2)


def _with_index(config: Path) -> None:
    with config.open("a") as file:
        file.write('\n[services]\nsearch = "search-fts"\n')


def _hub(hub: Hub, indexed: Hub, options: Options) -> Values:
    values = Rows(hub, options.mailbox).run()
    found = Rows(indexed, options.mailbox).find(partial(_until_indexed, indexed))
    idle = Idle(hub.imap_port, _idlers(options), "idle", login=f'{MAILBOX} "{PASSWORD}"')
    return {**values, "text indexed": found, "idle": _each(hub.pid, idle)}


def _until_indexed(hub: Hub) -> None:
    while json.loads(hub.verb("search", "status", "--json"))["behind"]:
        time.sleep(0.5)


def _dovecot(peer: Dovecot, options: Options) -> Values:
    values = Rows(peer, options.mailbox).run()
    count = min(_idlers(options), PEERS_SESSIONS)
    before = tree_memory(peer.pid).proportional
    with ExitStack() as stack:  # so few that this process holds them
        for _ in range(count):
            client = stack.enter_context(peer.log_in())
            client.ask("SELECT INBOX")
            client.idle()
        return {**values, "idle": (tree_memory(peer.pid).proportional - before) / count}


def _each(pid: int, idle: Idle) -> float:
    """KiB that a session more costs. NotHeld."""
    before = tree_memory(pid).proportional
    with holding(idle):
        return (tree_memory(pid).proportional - before) / idle.count
