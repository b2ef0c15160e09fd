"""Criteria that read fewer messages: an index says which of them cannot hold a text."""

from __future__ import annotations

from hub.imap.criteria import And, Indexes, Leaf, Level, Node, Table, leaves, rewritten
from hub.services.search import Narrowed, Search


async def narrowed(criteria: Node, search: Search, mailbox: int) -> Node:
    """The same criteria with the same answer, in which each test of a body is asked of few messages."""
    needles = {leaf.needle for leaf in leaves(criteria) if leaf.level is Level.BODY and leaf.needle}
    known: dict[bytes, Narrowed] = {}
    for needle in needles:
        found = await search.narrow(mailbox, needle)
        if found is not None:
            known[needle] = found

    def change(leaf: Leaf) -> Node:
        may = known.get(leaf.needle) if leaf.level is Level.BODY else None
        return leaf if may is None else And((_may_match(may), leaf))

    return rewritten(criteria, change) if known else criteria


def _may_match(found: Narrowed) -> Leaf:
    """Those that the index names, and those that it does not know yet."""

    def select(table: Table, among: Indexes) -> Indexes:
        uids = table.uids
        return {at for at in among if uids[at] > found.upto or uids[at] in found.uids}

    return Leaf(Level.STATE, select)
