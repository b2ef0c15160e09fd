"""What a command is: its name, when it may come, and the function that does it."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from hub.imap.replies import Reply
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader


class State(enum.Enum):
    """When a command may come (RFC 3501 §3)."""

    ANY = "at any time"
    NOT_AUTHENTICATED = "before login"
    AUTHENTICATED = "after login"
    SELECTED = "with a mailbox open"


Run: TypeAlias = Callable[[ImapSession, Reader], Awaitable[Reply | None]]
"""Reads its arguments from the reader, writes untagged responses, gives the tagged one; None if that
comes later."""


@dataclass(frozen=True, slots=True)
class Command:
    """One row of a family's table.

    renumbers: EXPUNGE may be told behind it (RFC 3501 §7.4.1). asked: plugins may refuse it. streams: it
    reads its literals itself, the reader ends before the first one. with_uid: flags that it tells come
    with UIDs. attended: it may be long at work without a word, and sends no literals, so that the client is
    told of its progress meanwhile (RFC 9585).
    """

    name: str
    run: Run
    state: State
    renumbers: bool = True
    asked: bool = True
    streams: bool = False
    with_uid: bool = False
    attended: bool = False
