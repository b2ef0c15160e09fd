"""How much is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.rounds import Say


@dataclass(frozen=True, slots=True)
class Options:
    """rounds: that count. messages: of 4 KiB per server and round. mailbox: messages in the one that is read.

    workers: the hub's. seconds: of mail at a steady rate. connections: that idle; costly: with TLS or login.
    rows: sizes of mailboxes, accounts: numbers of them, both ascending, for what should not grow with them.
    folder: where the servers keep their data. say: told what goes on.
    """

    rounds: int
    messages: int
    mailbox: int
    workers: int
    seconds: float
    connections: int
    costly: int
    rows: Sequence[int]
    accounts: Sequence[int]
    folder: Path
    say: Say
