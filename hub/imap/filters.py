"""Which mailboxes a command is about: what NOTIFY (RFC 5465 §6) and ESEARCH (RFC 7377 §2.2) name alike."""

from __future__ import annotations

import enum
from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from hub.imap.names import SEPARATOR
from hub.imap.replies import bad
from hub.imap.tokens import Reader


class Filter(enum.Enum):
    """The value is the word in the command, in capitals."""

    SELECTED = b"SELECTED"
    SELECTED_DELAYED = b"SELECTED-DELAYED"
    INBOXES = b"INBOXES"
    PERSONAL = b"PERSONAL"
    SUBSCRIBED = b"SUBSCRIBED"
    SUBTREE = b"SUBTREE"
    SUBTREE_ONE = b"SUBTREE-ONE"
    MAILBOXES = b"MAILBOXES"


OF_SELECTED: Final = frozenset((Filter.SELECTED, Filter.SELECTED_DELAYED))
NAMED: Final = frozenset((Filter.SUBTREE, Filter.SUBTREE_ONE, Filter.MAILBOXES))
"""Names of mailboxes follow."""
_WORDS: Final = MappingProxyType({each.value: each for each in Filter})


def read_filter(reader: Reader, *, delayed: bool) -> tuple[Filter, tuple[str, ...]]:
    """A filter and the names behind it, if it has any. delayed: whether SELECTED-DELAYED is one. BAD."""
    word = reader.word("which mailboxes, such as personal")
    found = _WORDS.get(word)
    if found is None or (found is Filter.SELECTED_DELAYED and not delayed):
        there = [each for each in _WORDS if delayed or each != Filter.SELECTED_DELAYED.value]
        raise bad(f"There is no filter {word.decode()[:40]}; there is {b' '.join(there).decode().lower()}")
    if found not in NAMED:
        return found, ()
    reader.space()
    return found, reader.mailboxes()


def is_below(name: str, roots: Collection[str], *, one_level: bool) -> bool:
    """Whether a name lies below one of these; in as many steps as it has levels."""
    parent = name.rpartition(SEPARATOR)[0]
    while parent and parent not in roots and not one_level:
        parent = parent.rpartition(SEPARATOR)[0]
    return bool(parent) and parent in roots
