"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.rounds import Say


@dataclass(frozen=True, slots=True)
class Options:
    """rounds: that count. messages: of 4 KiB per server and round. mailbox: messages in the one that is read.

    workers: the hub's. folder: where the servers keep their data. say: told what goes on.
    """

    rounds: int
    messages: int
    mailbox: int
    workers: int
    folder: Path
    say: Say
