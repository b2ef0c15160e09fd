"""The tests behind the search keys (RFC 9051 §6.4.4, RFC 5032, RFC 8514, RFC 8474, RFC 7162)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from hub.imap.criteria import Indexes, Leaf, Level, Table
from hub.imap.sets import Ranges, holds, merge, starless, uid_spans
from hub.mail.casemap import casemap
from hub.mail.searchtext import LISTED, SearchText, listed_has
from hub.mail.sentdate import DAY
from hub.services.summary import MessageColumn

Compare: TypeAlias = Callable[[int, int], bool]


def has_flag(flag: str) -> Leaf:
    """A flag, in any case of letters."""
    lowered = flag.lower()

    def select(table: Table, among: Indexes) -> Indexes:
        flags = table.flags
        kinds = {flags[at] for at in among} if _few(among, flags) else set(flags)
        wanted = {kind for kind in kinds if any(each.lower() == lowered for each in kind)}
        return {at for at in among if flags[at] in wanted} if wanted else frozenset()

    return Leaf(Level.STATE, select)


def has_number(ranges: Ranges) -> Leaf:
    """Membership in a set of sequence numbers, in whichever mailbox is asked; those that are not there are
    passed over (RFC 7377 §2)."""

    def select(table: Table, among: Indexes) -> Indexes:
        count = len(table.uids)
        spans = [(low - 1, min(high, count)) for low, high in merge(starless(ranges, count)) if low <= count]
        return among & frozenset(at for start, end in spans for at in range(start, end))

    return Leaf(Level.STATE, select)


def has_uid(ranges: Ranges) -> Leaf:
    """Membership in a set of UIDs, in whichever mailbox is asked."""
    known: Sequence[int] = ()
    chosen: Indexes = frozenset()

    def select(table: Table, among: Indexes) -> Indexes:
        nonlocal known, chosen
        if known is not table.uids:
            if _few(among, table.uids):
                uids = table.uids
                there = merge(starless(ranges, uids[-1]))
                return {at for at in among if holds(there, uids[at])}
            known = table.uids
            spans = uid_spans(known, ranges)
            chosen = frozenset(at for start, end in spans for at in range(start, end))
        return among & chosen

    return Leaf(Level.STATE, select)


def _few(among: Indexes, all_of_them: Sequence[Any]) -> bool:
    """Whether looking at each costs less than looking at the whole mailbox at once."""
    return len(among) * 8 < len(all_of_them)


def _by_column(column: MessageColumn, test: Callable[[Any], bool]) -> Leaf:
    def select(table: Table, among: Indexes) -> Indexes:
        values, uids = table.column(column), table.uids
        return {at for at in among if test(values[uids[at]])}

    return Leaf(Level.ROW, select, (column,))


def day_of(column: MessageColumn, compare: Compare, day: int) -> Leaf:
    """INTERNALDATE or SAVEDATE, its time disregarded; days since the epoch in UTC."""
    return _by_column(column, lambda seconds: compare(seconds // DAY, day))


def received(compare: Compare, moment: int) -> Leaf:
    """INTERNALDATE; seconds since the epoch."""
    return _by_column(MessageColumn.INTERNAL_DATE, lambda seconds: compare(seconds, moment))


def message_size(compare: Compare, octets: int) -> Leaf:
    """RFC822.SIZE."""
    return _by_column(MessageColumn.SIZE, lambda size: compare(size, octets))


def modseq_from(modseq: int) -> Leaf:
    """Changed at this modseq or later."""

    def select(table: Table, among: Indexes) -> Indexes:
        modseqs = table.modseqs
        return {at for at in among if modseqs[at] >= modseq}

    return Leaf(Level.STATE, select)


def email_id(wanted: str) -> Leaf:
    """The hub's id of the message, the same for every copy."""
    return _by_column(MessageColumn.MESSAGE_ID, lambda value: value == wanted)


def thread_id(wanted: str) -> Leaf:
    """The conversation that the message belongs to (RFC 8474 §5.2); which messages do is found out before."""
    return Leaf(Level.STATE, lambda table, among: frozenset(), thread=wanted.encode())


def in_thread(uids: AbstractSet[int]) -> Leaf:
    """The messages of a conversation."""
    return Leaf(Level.STATE, lambda table, among: {at for at in among if table.uids[at] in uids})


def sent_day(compare: Compare, day: int) -> Leaf:
    """The Date field, its time and zone disregarded; without a readable one a message never matches."""
    return _by_column(MessageColumn.SENT_DAY, lambda sent: sent is not None and compare(sent, day))


def _by_text(level: Level, holds: Callable[[SearchText], bool], needle: bytes = b"") -> Leaf:
    def select(table: Table, among: Indexes) -> Indexes:
        return among if holds(table.text) else frozenset()  # among is one message here

    return Leaf(level, select, (), needle)


def header_has(name: str, needle: str) -> Leaf:
    """A substring of a decoded field; without a needle, whether the field is there."""
    mapped = casemap(needle)
    field = name.lower().encode("utf-8", "replace")
    if field not in LISTED:
        return _by_text(Level.HEAD, lambda text: text.field_has(name, mapped))
    capitals = field.upper()

    def select(table: Table, among: Indexes) -> Indexes:
        fields, uids = table.column(MessageColumn.FIELDS), table.uids
        holding = [at for at in among if mapped in fields[uids[at]]]  # few, mostly
        return {at for at in holding if listed_has(fields[uids[at]], capitals, mapped)}

    return Leaf(Level.ROW, select, (MessageColumn.FIELDS,))


def body_has(needle: str) -> Leaf:
    """A substring of one of the decoded text parts."""
    mapped = casemap(needle)
    return _by_text(Level.BODY, lambda text: text.body_has(mapped), mapped)


def text_has(needle: str) -> Leaf:
    """A substring of the header or of the body."""
    mapped = casemap(needle)
    return _by_text(Level.BODY, lambda text: text.has(mapped), mapped)
