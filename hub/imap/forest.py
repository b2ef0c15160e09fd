"""Trees that are joined and cut while one asks for their roots.

A climb from node to node is the fastest there is where threads are as deep as mail's are. Who makes it climb
without end is answered by a link-cut tree (Sleator and Tarjan, 1983): paths are splay trees, by depth, and
every question takes logarithmic time, amortised.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

CLIMB: Final = 20
"""Steps that may be climbed for each question before there is a link-cut tree."""


class Branch:
    """What stands in a forest. parent: None for a root.

    The others are of the link-cut tree: `_upper` and `_lower` are on the same path, `_over` is what has this
    one there, or what the path hangs on.
    """

    __slots__ = ("_lower", "_over", "_upper", "parent")

    def __init__(self) -> None:
        self.parent: Branch | None = None
        self._upper: Branch | None = None
        self._lower: Branch | None = None
        self._over: Branch | None = None


class Forest:
    """Knows in which trees its branches stand. branches: all there are, also those to come."""

    def __init__(self, branches: Iterable[Branch]) -> None:
        self._branches = branches
        self._is_linked = False
        self._credit = 0

    def link(self, root: Branch, parent: Branch) -> None:
        """Put a tree below a node that is not in it."""
        root.parent = parent
        if self._is_linked:
            if root._upper is not None or root._lower is not None or root._over is not None:
                _access(root)
            root._over = parent

    def cut(self, branch: Branch) -> None:
        """Make a tree of its own of a node with all below it."""
        branch.parent = None
        if self._is_linked:
            _access(branch)
            upper, branch._upper = branch._upper, None
            if upper is not None:
                upper._over = None

    def root(self, branch: Branch) -> Branch:
        """Of the tree that the node stands in."""
        self._credit += CLIMB
        at = branch
        while not self._is_linked:
            if at.parent is None:
                return at
            at = at.parent
            self._credit -= 1
            if self._credit < 0:
                self._begin()
        return _root(branch)

    def _begin(self) -> None:
        """Every node is a path of its own at first."""
        self._is_linked = True
        for branch in self._branches:
            branch._over = branch.parent


def _root(branch: Branch) -> Branch:
    _access(branch)
    at = branch
    while at._upper is not None:
        at = at._upper
    _splay(at)
    return at


def _access(branch: Branch) -> None:
    """Make one path of all from the root down to the branch, which becomes the top of its splay tree."""
    below: Branch | None = None
    at: Branch | None = branch
    while at is not None:
        _splay(at)
        at._lower = below
        below, at = at, at._over
    _splay(branch)


def _splay(branch: Branch) -> None:
    while (over := branch._over) is not None and _is_part(branch, over):
        beyond = over._over
        if beyond is not None and _is_part(over, beyond):
            is_straight = (over._upper is branch) == (beyond._upper is over)
            _rotate(over if is_straight else branch)
        _rotate(branch)


def _is_part(branch: Branch, over: Branch) -> bool:
    return over._upper is branch or over._lower is branch


def _rotate(branch: Branch) -> None:
    over = branch._over
    assert over is not None
    beyond = over._over
    if beyond is not None:
        if beyond._upper is over:
            beyond._upper = branch
        elif beyond._lower is over:
            beyond._lower = branch
    if over._upper is branch:
        moved = over._upper = branch._lower
        branch._lower = over
    else:
        moved = over._lower = branch._upper
        branch._upper = over
    if moved is not None:
        moved._over = over
    over._over, branch._over = branch, beyond
