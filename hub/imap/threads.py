"""Threads of messages: ORDEREDSUBJECT and REFERENCES (RFC 5256 §3), each step as it is written there.

A thread is a tree of nodes. Every walk is a loop, for a thread may be as deep as a mailbox is long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

from hub.imap.forest import Branch, Forest


class Threaded(NamedTuple):
    """What THREAD knows of a message. number: how the client calls it, ascending as they have arrived.

    sent: seconds since the epoch. subject: the base subject. id: empty for none.
    references: the oldest first.
    """

    number: int
    sent: int
    subject: bytes
    is_reply: bool = False
    id: bytes = b""
    references: Sequence[bytes] = ()


class Node(Branch):
    """A message in its thread; without one a dummy, for a message that is not there."""

    __slots__ = ("children", "is_parent", "message")

    def __init__(self, message: Threaded | None = None, children: list[Node] | None = None) -> None:
        super().__init__()
        self.message = message
        self.is_parent = False  # or was one
        self.children = [] if children is None else children

    @property
    def first(self) -> Threaded:
        """The message, or that of a dummy's first child."""
        node = self
        while node.message is None:
            node = node.children[0]
        return node.message


Algorithm: TypeAlias = Callable[[Sequence[Threaded]], list[Node]]


def by_subject(messages: Sequence[Threaded]) -> list[Node]:
    """ORDEREDSUBJECT: who shares a base subject answers the first one."""
    ordered = sorted(messages, key=lambda each: (each.subject, each.sent, each.number))
    roots = []
    for _, group in groupby(ordered, key=lambda each: each.subject):
        first, *rest = group
        roots.append(Node(first, [Node(each) for each in rest]))
    return sorted(roots, key=_age)


def by_references(messages: Sequence[Threaded]) -> list[Node]:
    """REFERENCES: who answers whom, and what shares a base subject."""
    roots = _pruned(_rooted(_linked(messages)))
    for root in roots:
        if root.message is None:
            root.children.sort(key=_age)
    roots.sort(key=_age)  # step 4
    roots = _gathered(roots)
    _sort_siblings(roots)
    return sorted(roots, key=_age)


def _age(node: Node) -> tuple[int, int]:
    first = node.message or node.first
    return first.sent, first.number


# -- step 1: who answers whom ----------------------------------------------------------------------


def _linked(messages: Sequence[Threaded]) -> list[Node]:
    by_id: dict[bytes, Node] = {}
    nodes: list[Node] = []
    forest = Forest(nodes)
    for message in messages:
        node = by_id.get(message.id) if message.id else None
        if node is None or node.message is not None:  # no id, a new one, or one that was there before
            node = Node(message)
            nodes.append(node)
            if message.id and message.id not in by_id:
                by_id[message.id] = node
        if node.message is None:
            node.message = message
        parent: Node | None = None
        for reference in message.references:
            child = by_id.get(reference)
            if child is None:
                child = by_id[reference] = Node()
                nodes.append(child)
            if parent is not None and child.parent is None:
                _link(forest, child, parent)
            parent = child
        # The message itself knows best whom it answers.
        if node.parent is not parent:
            if node.parent is not None:
                forest.cut(node)
            if parent is not None:
                _link(forest, node, parent)
    return nodes


def _link(forest: Forest, root: Node, parent: Node) -> None:
    """Unless that would be a loop; who has no children is above nobody."""
    if root is parent or (root.is_parent and forest.root(parent) is root):
        return
    forest.link(root, parent)
    parent.is_parent = True


def _rooted(nodes: Sequence[Node]) -> list[Node]:
    """Step 2: those without a parent; all others are with theirs."""
    roots: list[Node] = []
    for node in nodes:
        parent = node.parent
        (parent.children if isinstance(parent, Node) else roots).append(node)
    return roots


# -- step 3: dummies go ----------------------------------------------------------------------------


def _pruned(roots: Sequence[Node]) -> list[Node]:
    for node in _deepest_first(roots):
        dummies = [child for child in node.children if child.message is None]
        if dummies:
            # The longest list is taken as it is: dummies below dummies may all have long ones.
            merged = [child for child in node.children if child.message is not None]
            for dummy in dummies:
                if len(dummy.children) > len(merged):
                    merged, dummy.children = dummy.children, merged
                merged += dummy.children
            node.children = merged
    kept_roots: list[Node] = []
    for root in roots:
        if root.message is not None or len(root.children) > 1:
            kept_roots.append(root)
        else:
            kept_roots += root.children
    return kept_roots


def _deepest_first(roots: Iterable[Node]) -> list[Node]:
    """Every node, each behind all that is below it."""
    found = list(roots)
    for node in found:  # which grows meanwhile
        if node.children:
            found += node.children
    found.reverse()
    return found


# -- step 5: threads with the same subject ---------------------------------------------------------


def _gathered(roots: Sequence[Node]) -> list[Node]:
    table: dict[bytes, Node] = {}
    for root in roots:
        subject = root.first.subject
        known = table.get(subject)
        if subject and (known is None or _is_better(root, known)):
            table[subject] = root
    kept: dict[int, Node] = {id(root): root for root in roots}
    for root in roots:
        subject = root.first.subject
        known = table[subject] if subject else root
        if known is root:
            continue
        del kept[id(root)]
        if known.message is None:
            known.children += root.children if root.message is None else [root]
        elif _is_reply(root) and not _is_reply(known):
            known.children.append(root)
        else:
            del kept[id(known)]
            table[subject] = both = Node(None, [known, root])
            kept[id(both)] = both
    return list(kept.values())


def _is_better(root: Node, known: Node) -> bool:
    """Whether it stands for the subject rather than the one that does now."""
    if known.message is None:
        return False
    return root.message is None or (_is_reply(known) and not _is_reply(root))


def _is_reply(root: Node) -> bool:
    return root.message is not None and root.message.is_reply


# -- step 6, and what is told ----------------------------------------------------------------------


def _sort_siblings(roots: Sequence[Node]) -> None:
    for node in _deepest_first(roots):
        if len(node.children) > 1:
            node.children.sort(key=_age)


def render(root: Node) -> Iterator[bytes]:
    """A thread as THREAD tells it, in pieces: `(2 3 (4)(5 6))`."""
    if not root.children:
        yield b"(%d)" % root.first.number
        return
    pending: list[Node | bytes] = [b")", root, b"("]
    glue = b""
    while pending:
        item = pending.pop()
        if isinstance(item, bytes):
            yield item
            glue = b""
            continue
        if item.message is not None:
            yield b"%b%d" % (glue, item.message.number)
            glue = b" "
        if len(item.children) == 1:
            pending.append(item.children[0])
        elif item.children:
            yield glue
            for child in reversed(item.children):
                pending += (b")", child, b"(")
