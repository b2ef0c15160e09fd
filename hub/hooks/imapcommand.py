"""A command that a plugin adds to IMAP, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

ImapState: TypeAlias = Literal["any", "not-authenticated", "authenticated", "selected"]
"""When a command may come (RFC 9051 §3)."""

_NAME: Final = re.compile(r"[A-Z][A-Z0-9.-]{0,39}")
_CAPABILITY: Final = re.compile(r"[A-Z][A-Za-z0-9.=+-]{0,59}")
_LINE: Final = re.compile(r"[ -~]+")
_MAX_LINES: Final = 10_000


@dataclass(frozen=True, slots=True)
class ImapAnswer:
    """What a client is told. ValueError for what cannot stand on a line.

    text: a sentence for a human. untagged: lines that come before it, without `* ` and line end. condition:
    NO for what was understood and cannot be done, BAD for what was not. code: what stands in the brackets
    (RFC 5530), without them.
    """

    text: str
    untagged: tuple[str, ...] = ()
    condition: Literal["OK", "NO", "BAD"] = "OK"
    code: str = ""

    def __post_init__(self) -> None:
        if self.condition not in ("OK", "NO", "BAD"):
            raise ValueError(f"ImapAnswer: the condition is OK, NO or BAD, not {self.condition!r}")
        if len(self.untagged) > _MAX_LINES:
            raise ValueError(f"ImapAnswer: more than {_MAX_LINES} lines")
        for line in (self.text, *self.untagged, *((self.code,) if self.code else ())):
            if not _LINE.fullmatch(line):
                raise ValueError(f"ImapAnswer: {line[:60]!r} is no line of printable ASCII")
        if "]" in self.code:
            raise ValueError("ImapAnswer: a code holds no ]")


@dataclass(frozen=True, slots=True)
class ImapCommand:
    """A command, and the function that does it. ValueError.

    name: in capitals. handler: names what it needs of `plugin`, `session` and `arguments`, and returns an
    ImapAnswer; an `async def`, or a plain `def` that runs in the plugin's threads. arguments: a tuple of what
    stands behind the name, atoms and strings as text, a list in parentheses as a tuple. capability: the word
    that tells clients of it. timeout: seconds that the handler has.
    """

    name: str
    handler: Callable[..., Awaitable[ImapAnswer] | ImapAnswer]
    capability: str = ""
    state: ImapState = "authenticated"
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name == "UID":
            raise ValueError(f"ImapCommand({self.name!r}): a name is one word in capitals, such as XSTATE")
        if self.capability and not _CAPABILITY.fullmatch(self.capability):
            raise ValueError(f"ImapCommand({self.name!r}): {self.capability!r} is no capability")
        if not self.timeout > 0:
            raise ValueError(f"ImapCommand({self.name!r}): timeout={self.timeout:g} leaves no time")
