"""IMAP: opening a large mailbox and listing what is in it."""

from __future__ import annotations

import time

from bench import hub_server
from bench.figure import HUB, Figure
from bench.hub_server import Hub
from bench.imap_client import ImapClient
from bench.options import Options
from bench.report import Report
from bench.rounds import Values, interleave
from bench.smtp import deliver
from bench.smtp_source import Load


class Missing(Exception):
    """An answer does not have a line for every message."""


def measure(options: Options) -> Report:
    """Fill a mailbox over SMTP, then read it. NotStarted, LoadFailed, Lost, Unhappy, Missing."""
    with hub_server.running(options.folder / "hub", options.workers) as hub:
        options.say(f"filling a mailbox with {options.mailbox} messages")
        deliver(hub, Load(options.mailbox, 4096))
        rounds = interleave({HUB: lambda: _read(hub, options.mailbox)}, options.rounds, options.say)
        setup = hub.setup
    names = {
        "select": "connect, LOGIN and SELECT",
        "flags": "FETCH 1:* FLAGS",
        "envelope": "FETCH 1:* ENVELOPE",
        "envelope again": "FETCH 1:* ENVELOPE, again",
    }
    return Report(
        area="imap",
        title=f"IMAP: a mailbox of {options.mailbox:,} messages of 4 KiB",
        setups={HUB: setup},
        figures=[Figure(name, "ms", key, rounds) for key, name in names.items()],
    )


def _read(hub: Hub, messages: int) -> Values:
    """Milliseconds until the tagged OK was there."""
    began = time.monotonic()
    client = hub.log_in()
    with client:
        client.ask("SELECT INBOX")
        select = (time.monotonic() - began) * 1000
        return {
            "select": select,
            "flags": fetch(client, "FLAGS", messages),
            "envelope": fetch(client, "ENVELOPE", messages),
            "envelope again": fetch(client, "ENVELOPE", messages),
        }


def fetch(client: ImapClient, item: str, messages: int) -> float:
    """Milliseconds for one item of every message. Missing, Unhappy."""
    began = time.monotonic()
    answer = client.ask(f"FETCH 1:* {item}")
    milliseconds = (time.monotonic() - began) * 1000
    if (lines := answer.count(f" FETCH ({item} ".encode())) != messages:
        raise Missing(f"FETCH {item} told of {lines} of {messages} messages")
    return milliseconds
