"""A search program (RFC 9051 §6.4.4, RFC 3501 §6.4.4): its charset and its keys, read into criteria."""

from __future__ import annotations

import operator
from types import MappingProxyType
from typing import Final

from hub.imap import fuzzy, keys
from hub.imap.criteria import EVERY, NONE, Leaf, Node, Not, Or, conjunction, dearest
from hub.imap.replies import UID_REQUIRED, Refused, Reply, bad
from hub.imap.sets import SAVED, STAR
from hub.imap.tokens import Reader
from hub.imap.view import View
from hub.mail.encoded import charset_codec
from hub.mail.sentdate import DAY
from hub.services.summary import MessageColumn

_MAX_DEPTH: Final = 100
_MAX_KEYS: Final = 1000
_MAX_MODSEQ: Final = 1 << 63

_FLAGS = MappingProxyType(
    {
        b"ANSWERED": "\\Answered",
        b"DELETED": "\\Deleted",
        b"DRAFT": "\\Draft",
        b"FLAGGED": "\\Flagged",
        b"SEEN": "\\Seen",
    }
)
# Nothing is \Recent here, as in RFC 9051; and every message has its day (RFC 8514).
_CONSTANT: MappingProxyType[bytes, Node] = MappingProxyType(
    {b"ALL": EVERY, b"OLD": EVERY, b"SAVEDATESUPPORTED": EVERY, b"NEW": NONE, b"RECENT": NONE}
)
_HEADERS = MappingProxyType({name.encode(): name for name in ("BCC", "CC", "FROM", "SUBJECT", "TO")})
_DATES = MappingProxyType(
    {
        b"BEFORE": (MessageColumn.INTERNAL_DATE, operator.lt),
        b"ON": (MessageColumn.INTERNAL_DATE, operator.eq),
        b"SINCE": (MessageColumn.INTERNAL_DATE, operator.ge),
        b"SAVEDBEFORE": (MessageColumn.SAVED_AT, operator.lt),
        b"SAVEDON": (MessageColumn.SAVED_AT, operator.eq),
        b"SAVEDSINCE": (MessageColumn.SAVED_AT, operator.ge),
    }
)
_SENT = MappingProxyType({b"SENTBEFORE": operator.lt, b"SENTON": operator.eq, b"SENTSINCE": operator.ge})
_SIZES = MappingProxyType({b"LARGER": operator.gt, b"SMALLER": operator.lt})
_AGES = MappingProxyType({b"OLDER": operator.le, b"YOUNGER": operator.ge})
_OTHERS = (
    b"FUZZY", b"NOT", b"OR", b"UID", b"KEYWORD", b"UNKEYWORD", b"HEADER", b"BODY", b"TEXT", b"MODSEQ",
    b"EMAILID", b"THREADID",
)  # fmt: skip
_WITH_ARGUMENT = frozenset((*_HEADERS, *_DATES, *_SENT, *_SIZES, *_AGES, *_OTHERS))


class Program:
    """Reads search keys. view: the selected mailbox, None if they are asked in others; numbered: whether
    these have sequence numbers.

    now: seconds since the epoch. with_modseq, with_fuzzy: whether a key has asked for modseqs, or for scores
    (RFC 6203). by_last: whether one has a `*` that another message may come to be. lasting: whether nothing
    about a message changes as time goes by.
    """

    def __init__(self, reader: Reader, view: View | None, now: int, *, numbered: bool = True) -> None:
        self._reader = reader
        self._view = view
        self._numbered = numbered
        self._now = now
        self._charset = "utf-8"
        self._keys = 0
        self.with_modseq = False
        self.by_last = False
        self.with_fuzzy = False
        self._loosely = False
        self.lasting = True

    def read(self) -> Node:
        """All keys up to the end of the command, behind `CHARSET name` if that is there."""
        reader = self._reader
        if reader.take_word(b"CHARSET"):
            reader.space()
            self.read_charset()
        return self.read_keys()

    def read_charset(self) -> None:
        """Its name and the space behind it (RFC 2978)."""
        reader = self._reader
        name = reader.astring("a charset").decode("latin-1")
        codec = "us-ascii" if name.upper() in ("US-ASCII", "ASCII") else charset_codec(name)
        if codec is None:
            reply = b"That charset is not known here, UTF-8 holds every text"
            raise Refused(Reply(b"NO", reply, b"BADCHARSET (US-ASCII UTF-8)"))
        self._charset = codec
        reader.space()

    def read_keys(self) -> Node:
        """All keys up to the end of the command."""
        reader = self._reader
        found = [self._key(0)]
        while not reader.at_end():
            reader.space()
            found.append(self._key(0))
        return conjunction(found)

    def _key(self, depth: int) -> Node:
        self._keys += 1
        if depth > _MAX_DEPTH or self._keys > _MAX_KEYS:
            raise bad(f"A search has at most {_MAX_KEYS} keys, nested {_MAX_DEPTH} deep")
        reader = self._reader
        if reader.take(b"("):
            found = [self._key(depth + 1)]
            while not reader.take(b")"):
                reader.space()
                found.append(self._key(depth + 1))
            return conjunction(found)
        if reader.peek().isdigit() or reader.peek() in (b"*", b"$"):
            return self._numbers()
        return self._named(reader.word("a search key"), depth)

    def _named(self, word: bytes, depth: int) -> Node:
        reader = self._reader
        if flag := _FLAGS.get(word):
            return keys.has_flag(flag)
        if flag := _FLAGS.get(word.removeprefix(b"UN")):
            return Not(keys.has_flag(flag))
        if (constant := _CONSTANT.get(word)) is not None:
            return constant
        if word not in _WITH_ARGUMENT:
            raise bad(f"There is no search key {word.decode()[:40]} (RFC 9051 6.4.4)")
        reader.space()
        match word:
            case b"FUZZY":
                return self._fuzzy(depth)
            case b"NOT":
                return Not(self._key(depth + 1))
            case b"OR":
                first = self._key(depth + 1)
                reader.space()
                return Or(tuple(sorted((first, self._key(depth + 1)), key=dearest)))
        return self._dated(word) or self._with_text(word) or self._with_value(word)

    def _fuzzy(self, depth: int) -> Node:
        """A key whose texts are looked for loosely; all else in it is meant as it is said (RFC 6203 §5)."""
        outside, self._loosely = self._loosely, True
        self.with_fuzzy = True
        found = self._key(depth + 1)
        self._loosely = outside
        return found

    def _dated(self, word: bytes) -> Node | None:
        reader = self._reader
        if word in _DATES:
            column, compare = _DATES[word]
            return keys.day_of(column, compare, reader.date() // DAY)
        if word in _SENT:
            return keys.sent_day(_SENT[word], reader.date() // DAY)
        if word in _AGES:
            seconds = reader.number("a number of seconds")
            if not seconds:
                raise bad(f"{word.decode()} takes a number of seconds from 1 on (RFC 5032)")
            self.lasting = False
            return keys.received(_AGES[word], self._now - seconds)
        return None

    def _with_text(self, word: bytes) -> Node | None:
        reader = self._reader
        if word == b"HEADER":
            name = reader.astring("the name of a header field").decode("latin-1")
            reader.space()
            return self._in_field(name)
        if word in _HEADERS:
            return self._in_field(_HEADERS[word])
        if word == b"BODY":
            return (fuzzy.body_like if self._loosely else keys.body_has)(self._text())
        if word == b"TEXT":
            return (fuzzy.text_like if self._loosely else keys.text_has)(self._text())
        return None

    def _in_field(self, name: str) -> Node:
        text = self._text()
        return fuzzy.field_like(name, text) if self._loosely and text else keys.header_has(name, text)

    def _text(self) -> str:
        return self._reader.text("the text to search for", self._charset)

    def _with_value(self, word: bytes) -> Node:
        reader = self._reader
        match word:
            case b"UID":
                return self._uids()
            case b"KEYWORD" | b"UNKEYWORD":
                has = keys.has_flag(reader.atom("a keyword").decode("ascii"))
                return has if word == b"KEYWORD" else Not(has)
            case b"EMAILID":
                return keys.email_id(reader.atom("an EMAILID").decode("ascii"))
            case b"THREADID":
                return keys.thread_id(reader.atom("a THREADID").decode("ascii"))
            case b"MODSEQ":
                return self._modseq()
        return keys.message_size(_SIZES[word], reader.number())

    def _numbers(self) -> Leaf:
        """Which messages they mean is settled now, whatever happens to the numbers (RFC 5267 §4.3)."""
        ranges = self._reader.sequence_set()
        view = self._view
        if view is not None:
            return keys.has_uid(view.uid_ranges(view.by_numbers(ranges, lenient=True)))
        if ranges == SAVED:
            raise bad("$ means the selected mailbox alone")
        if not self._numbered:
            raise Refused(UID_REQUIRED)
        return keys.has_number(ranges)

    def _uids(self) -> Leaf:
        ranges = self._reader.sequence_set()
        if ranges != SAVED:
            self.by_last = self.by_last or any(STAR in pair for pair in ranges)
            return keys.has_uid(ranges)
        if self._view is None:
            raise bad("$ means the selected mailbox alone")
        return keys.has_uid(self._view.uid_ranges(self._view.by_uids(ranges)))

    def _modseq(self) -> Leaf:
        """RFC 7162 §3.1.5; a message has one modseq for all its flags, so which flag is meant is ignored."""
        reader = self._reader
        if reader.peek() == b'"':
            reader.string("the name of a flag")
            reader.space()
            if reader.word("priv, shared or all") not in (b"PRIV", b"SHARED", b"ALL"):
                raise bad("Behind the name of a flag stands priv, shared or all (RFC 7162 3.1.5)")
            reader.space()
        self.with_modseq = True
        return keys.modseq_from(reader.number("a modseq", _MAX_MODSEQ))
