"""Flags as they stand in a row, and back, with every set of them in memory once."""

from __future__ import annotations

from functools import lru_cache

SEEN = "\\Seen"
DELETED = "\\Deleted"


@lru_cache(4096)
def decoded(text: str) -> frozenset[str]:
    """The set behind a row's text; equal texts share one set."""
    return frozenset(text.split(" ")) if text else frozenset()


@lru_cache(4096)
def encoded(flags: frozenset[str]) -> str:
    """The one text of a set. ValueError for what is no flag."""
    for flag in flags:
        if not flag or not flag.isprintable() or " " in flag:
            raise ValueError(f"{flag!r} is no flag: one is made of printable characters without a space")
    return " ".join(sorted(flags))
