"""What a domain should have in DNS, as the hub and its plugins say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_STRING: Final = 250
"""Octets of one string of a TXT record; 255 are the most (RFC 1035 §3.3)."""


def txt_data(text: str) -> str:
    """A TXT record's text as a zone file has it: one string, or several if it is long."""
    pieces = [text[at : at + _STRING] for at in range(0, len(text), _STRING)]
    quoted = (piece.replace("\\", "\\\\").replace('"', '\\"') for piece in pieces)
    return " ".join(f'"{piece}"' for piece in quoted)


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record that a domain needs. `hub dns` prints and checks it.

    name: in full, without the last dot. data: as a zone file has it; of TXT the bare text, of any length.
    why: what it is for, in a few words. begins: of TXT, any text that begins so is as good, and there may be
    one alone; empty where it has to be this very text. optional: mail flows as well without it.

    A plugin adds some by an entry point of the group `hub.dns`, under its own name, that leads to
    `async def records(context: CommandContext, domain: str) -> Sequence[DnsRecord]`.
    """

    name: str
    kind: str
    data: str
    why: str
    begins: str = ""
    optional: bool = False
