"""Where ours reads a message of the corpus otherwise than Dovecot 2.3, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Explained:
    """messages: by name; attributes: what the names of those that differ begin with; reason: with the RFC's section."""

    messages: frozenset[str]
    attributes: tuple[str, ...]
    reason: str

    def covers(self, attribute: str) -> bool:
        """Whether it speaks of this attribute."""
        return attribute.startswith(self.attributes)


EXPLAINED: Final[tuple[Explained, ...]] = ()
