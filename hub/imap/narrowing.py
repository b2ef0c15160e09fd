"""Criteria that read fewer messages: an index says which of them cannot hold a text."""

from __future__ import annotations

from hub.imap.criteria import And, Indexes, Leaf, Level, Node, Or, Table, leaves, rewritten
from hub.imap.fuzzy import Loose
from hub.mail.relevance import has_enough
from hub.services.search import Counted, Narrowed, Search


async def narrowed(criteria: Node, search: Search, mailbox: int) -> Node:
    """The same criteria with the same answer, in which each test of a body is asked of few messages."""
    tests = [leaf for leaf in leaves(criteria) if leaf.level is Level.BODY]
    known: dict[bytes, Narrowed] = {}
    for needle in {leaf.needle for leaf in tests if leaf.needle}:
        if (found := await search.narrow(mailbox, needle)) is not None:
            known[needle] = found
    counted: dict[Loose, Counted] = {}
    for loose in [leaf.loose for leaf in tests if leaf.loose is not None and leaf.loose.words]:
        if (told := await search.count(mailbox, loose.words)) is not None:
            counted[loose] = told

    def change(leaf: Leaf) -> Node:
        if leaf.level is not Level.BODY:
            return leaf
        if leaf.loose is not None and (said := counted.get(leaf.loose)) is not None:
            return _loosely(leaf, leaf.loose, said)
        may = known.get(leaf.needle)
        return leaf if may is None else And((_may_match(may), leaf))

    return rewritten(criteria, change) if known or counted else criteria


def _loosely(leaf: Leaf, loose: Loose, found: Counted) -> Node:
    said, untold = _says(loose, found), _is_untold(found)
    # What a whole message says is all that is asked about here; of a part of it, it is the most.
    return Or((said, And((untold, leaf)))) if loose.whole else And((Or((said, untold)), leaf))


def _says(loose: Loose, found: Counted) -> Leaf:
    """Those that the index knows to have enough of the words."""

    def select(table: Table, among: Indexes) -> Indexes:
        uids, counts = table.uids, found.counts
        there = [at for at in among if uids[at] in counts]
        if loose.whole:
            return {at for at in there if loose.notes(table, uids[at], counts[uids[at]])}
        return {at for at in there if has_enough(counts[uids[at]])}

    return Leaf(Level.STATE, select)


def _is_untold(found: Counted) -> Leaf:
    """Those that it knows nothing of."""

    def select(table: Table, among: Indexes) -> Indexes:
        uids = table.uids
        return {at for at in among if uids[at] > found.upto or uids[at] in found.untold}

    return Leaf(Level.STATE, select)


def _may_match(found: Narrowed) -> Leaf:
    """Those that the index names, and those that it does not know yet."""

    def select(table: Table, among: Indexes) -> Indexes:
        uids = table.uids
        return {at for at in among if uids[at] > found.upto or uids[at] in found.uids}

    return Leaf(Level.STATE, select)
