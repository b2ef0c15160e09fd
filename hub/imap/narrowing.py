"""Criteria that read fewer messages: an index says which of them cannot hold a text."""

from __future__ import annotations

from collections.abc import Mapping

from hub.imap.criteria import And, Indexes, Leaf, Level, Node, Or, Table, leaves, rewritten
from hub.imap.fuzzy import Loose
from hub.mail.relevance import has_enough
from hub.services.search import Counted, Narrowed, Search


async def narrowed(criteria: Node, search: Search, mailbox: int) -> Node:
    """The same criteria with the same answer, in which each test of a body is asked of few messages."""
    needles = {leaf.needle for leaf in leaves(criteria) if leaf.level is Level.BODY and leaf.needle}
    known: dict[bytes, Narrowed] = {}
    for needle in needles:
        found = await search.narrow(mailbox, needle)
        if found is not None:
            known[needle] = found
    counted: dict[Loose, Counted] = {}
    for leaf in leaves(criteria):
        loose = leaf.loose if leaf.level is Level.BODY else None
        if (
            loose is not None
            and loose.words
            and (told := await search.count(mailbox, loose.words)) is not None
        ):
            counted[loose] = told
    if not known and not counted:
        return criteria
    return rewritten(criteria, lambda leaf: _leaf(leaf, known, counted))


def _leaf(leaf: Leaf, known: Mapping[bytes, Narrowed], counted: Mapping[Loose, Counted]) -> Node:
    if leaf.level is not Level.BODY:
        return leaf
    if leaf.loose is not None and leaf.loose in counted:
        found = counted[leaf.loose]
        said = _says(leaf.loose, found)
        # What a whole message says is all that is asked about here; of a part of it, it is the most.
        if leaf.loose.whole:
            return Or((said, And((_is_untold(found), leaf))))
        return And((Or((said, _is_untold(found))), leaf))
    narrow = known.get(leaf.needle)
    return leaf if narrow is None else And((_may_match(narrow), leaf))


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
