"""FUZZY (RFC 6203): a text is found by half of its words, wherever they stand, without case and diacritics.

What is searched for as it stands is always among what is found so. How often the words are said is noted
while messages are asked, and the scores are made of that once all are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hub.imap.criteria import Indexes, Leaf, Level, Table
from hub.mail.casemap import casemap
from hub.mail.relevance import Occurrences, has_enough, occurrences, relevance, words
from hub.mail.relevance import folded as without_marks
from hub.mail.searchtext import LISTED, SearchText, listed_values
from hub.services.summary import MessageColumn

EXACT: Final = 100
"""The score of what was found by keys that have no text."""


class Loose:
    """The text of one key. words: of `hub.mail.relevance`. whole: it may stand anywhere in a message."""

    __slots__ = ("_mapped", "whole", "words")

    def __init__(self, text: str, *, whole: bool = False) -> None:
        self._mapped = casemap(text)
        self.words = words(self._mapped)
        self.whole = whole

    def finds(self, table: Table, uid: int, mapped: bytes) -> bool:
        """Whether the message is found by a text of it, which was mapped by `casemap`."""
        if not self.words:
            return self._mapped in mapped
        return self.notes(table, uid, occurrences(without_marks(mapped), self.words))

    def notes(self, table: Table, uid: int, said: Occurrences) -> bool:
        """Whether the message is found by what it says of the words."""
        if any(said.counts):
            table.said(self)[uid] = said
        return has_enough(said)


def field_like(name: str, text: str) -> Leaf:
    """The text in a decoded field."""
    loose = Loose(text)
    field = name.lower().encode("utf-8", "replace")
    if field not in LISTED:
        return _by_text(Level.HEAD, loose, lambda message: message.field(name))
    capitals = field.upper()

    def select(table: Table, among: Indexes) -> Indexes:
        fields, uids = table.column(MessageColumn.FIELDS), table.uids
        return {
            at
            for at in among
            if (values := listed_values(fields[uids[at]], capitals))
            and loose.finds(table, uids[at], b"\n".join(values))
        }

    return Leaf(Level.ROW, select, (MessageColumn.FIELDS,), loose=loose)


def body_like(text: str) -> Leaf:
    """The text in the decoded text parts."""
    return _by_text(Level.BODY, Loose(text), SearchText.body)


def text_like(text: str) -> Leaf:
    """The text in the header or in the body."""
    return _by_text(Level.BODY, Loose(text, whole=True), SearchText.everything)


def _by_text(level: Level, loose: Loose, part: Callable[[SearchText], bytes | None]) -> Leaf:
    def select(table: Table, among: Indexes) -> Indexes:
        (at,) = among  # it is one message here
        mapped = part(table.text)
        return among if mapped is not None and loose.finds(table, table.uids[at], mapped) else frozenset()

    return Leaf(level, select, loose=loose)


def scores(said: Mapping[Loose, Mapping[int, Occurrences]], uids: Sequence[int], messages: int) -> list[int]:
    """How well each of these goes with what was searched for, from 1 to 100 (RFC 6203 §4): with several
    texts, their mean. messages: how many there are in the mailbox."""
    by_text = [relevance(occurrences, messages) for occurrences in said.values()]
    made = [[scored[uid] for scored in by_text if uid in scored] for uid in uids]
    return [round(sum(each) / len(each)) if each else EXACT for each in made]
