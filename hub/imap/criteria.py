"""Search criteria as a tree that is asked of many messages at once, with as little of them as will do.

A set of messages, by their indexes, comes in; those that match come out, and those of which more must be
known: first flags and UIDs alone, then columns of the index, then the header blocks, then the bodies.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from hub.mail.searchtext import SearchText
from hub.services.summary import MessageColumn

if TYPE_CHECKING:
    from hub.imap.fuzzy import Loose
    from hub.mail.relevance import Occurrences

Indexes: TypeAlias = AbstractSet[int]


class Level(enum.IntEnum):
    """How much of a message is at hand; each includes those before it."""

    STATE = 0  # UID and flags
    ROW = 1  # the columns that the criteria ask for
    HEAD = 2
    BODY = 3


class Table(Protocol):
    """Messages by their index. text: of the one message that is asked about from Level.HEAD on."""

    @property
    def uids(self) -> Sequence[int]:
        """Ascending."""

    @property
    def flags(self) -> Sequence[frozenset[str]]:
        """In step with the UIDs."""

    @property
    def modseqs(self) -> Sequence[int]:
        """In step with the UIDs."""

    @property
    def text(self) -> SearchText:
        """What the message says."""

    def column(self, column: MessageColumn) -> Mapping[int, Any]:
        """By UID."""

    def said(self, loose: Loose) -> dict[int, Occurrences]:
        """How often messages say what FUZZY looks for, by UID; to add to."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One test. select: which of these match; columns: what it asks of them.

    needle: mapped text without which a message cannot match. loose: what FUZZY looks for. thread: the
    THREADID that it asks for, which is found out before.
    """

    level: Level
    select: Callable[[Table, Indexes], Indexes]
    columns: tuple[MessageColumn, ...] = ()
    needle: bytes = b""
    loose: Loose | None = None
    thread: bytes = b""


@dataclass(frozen=True, slots=True)
class Not:
    """All others."""

    node: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of them; asked in this order."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    nodes: tuple[Node, ...]


Node: TypeAlias = Leaf | Not | And | Or

EVERY = And(())
NONE = Or(())


def conjunction(nodes: Sequence[Node]) -> Node:
    """AND, what costs least first."""
    return nodes[0] if len(nodes) == 1 else And(tuple(sorted(nodes, key=dearest)))


def leaves(node: Node) -> Iterator[Leaf]:
    """Every test in the tree."""
    match node:
        case Leaf():
            yield node
        case Not():
            yield from leaves(node.node)
        case And() | Or():
            for each in node.nodes:
                yield from leaves(each)


def rewritten(node: Node, change: Callable[[Leaf], Node]) -> Node:
    """The same tree with other tests."""
    match node:
        case Leaf():
            return change(node)
        case Not():
            return Not(rewritten(node.node, change))
        case And():
            return And(tuple(rewritten(each, change) for each in node.nodes))
        case Or():
            return Or(tuple(rewritten(each, change) for each in node.nodes))


def dearest(node: Node) -> Level:
    """The level at which all is decided."""
    return max((leaf.level for leaf in leaves(node)), default=Level.STATE)


def split(node: Node, table: Table, among: Indexes, level: Level) -> tuple[Indexes, Indexes]:
    """Those that match, and those that this level does not tell about."""
    match node:
        case Leaf():
            if node.level > level:
                return frozenset(), among
            return node.select(table, among), frozenset()
        case Not():
            yes, unknown = split(node.node, table, among, level)
            return among - yes - unknown, unknown
        case And():
            return _all(node.nodes, table, among, level)
        case Or():
            return _any(node.nodes, table, among, level)


def _all(nodes: Sequence[Node], table: Table, among: Indexes, level: Level) -> tuple[Indexes, Indexes]:
    yes, possible = among, among
    for node in nodes:
        if not possible:
            break
        found, unknown = split(node, table, possible, level)
        yes, possible = yes & found, found | unknown
    return yes, possible - yes


def _any(nodes: Sequence[Node], table: Table, among: Indexes, level: Level) -> tuple[Indexes, Indexes]:
    yes: Indexes = frozenset()
    unknown: Indexes = frozenset()
    rest = among
    for node in nodes:
        if not rest:
            break
        found, open_ = split(node, table, rest, level)
        yes, unknown, rest = yes | found, (unknown | open_) - found, rest - found
    return yes, unknown
