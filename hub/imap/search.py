"""SEARCH and UID SEARCH (RFC 3501 §6.4.4): criteria are parsed, then asked of each message."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

from hub.imap import criteria
from hub.imap.command import Command, State
from hub.imap.contents import SMALL, Contents
from hub.imap.criteria import DAY, Candidate, Criterion, Level
from hub.imap.replies import EXPUNGE_ISSUED, Refused, Reply, bad, ok
from hub.imap.session import ImapSession
from hub.imap.sets import compress
from hub.imap.tokens import Reader
from hub.imap.view import View
from hub.log import get_logger
from hub.mail.headers import Headers
from hub.services.blobs import BlobGone
from hub.services.storage import Item

_BATCH: Final = 256
_MAX_DEPTH: Final = 100
_MAX_KEYS: Final = 1000
_CHARSETS: Final = (b"US-ASCII", b"UTF-8")

_log = get_logger(area="imap")

_Compare = Callable[[int, int], bool]

_FLAGS = MappingProxyType(
    {
        b"ANSWERED": "\\Answered",
        b"DELETED": "\\Deleted",
        b"DRAFT": "\\Draft",
        b"FLAGGED": "\\Flagged",
        b"SEEN": "\\Seen",
    }
)
_HEADERS = MappingProxyType(
    {name.encode(): name.capitalize() for name in ("BCC", "CC", "FROM", "SUBJECT", "TO")}
)
_DATES: MappingProxyType[bytes, tuple[Callable[[_Compare, int], Criterion], _Compare]] = MappingProxyType(
    {
        b"BEFORE": (criteria.internal_day, operator.lt),
        b"ON": (criteria.internal_day, operator.eq),
        b"SINCE": (criteria.internal_day, operator.ge),
        b"SENTBEFORE": (criteria.sent_day, operator.lt),
        b"SENTON": (criteria.sent_day, operator.eq),
        b"SENTSINCE": (criteria.sent_day, operator.ge),
    }
)
_SIZES = MappingProxyType({b"LARGER": operator.gt, b"SMALLER": operator.lt})


class _Parser:
    """Reads search keys; knows the charset of their strings and how many there were."""

    def __init__(self, reader: Reader, view: View) -> None:
        self._reader = reader
        self._view = view
        self._charset = "utf-8"
        self._keys = 0

    def run(self) -> Criterion:
        """All keys up to the end of the command."""
        reader = self._reader
        reader.space()
        start = reader.at
        if reader.peek().isalpha() and reader.word("a search key") == b"CHARSET":
            reader.space()
            self._charset = _charset(reader)
            reader.space()
        else:
            reader.at = start
        found = [self._key(0)]
        while not reader.at_end():
            reader.space()
            found.append(self._key(0))
        return criteria.conjunction(found)

    def _key(self, depth: int) -> Criterion:
        self._keys += 1
        if depth > _MAX_DEPTH or self._keys > _MAX_KEYS:
            raise bad(f"A search has at most {_MAX_KEYS} keys, nested {_MAX_DEPTH} deep")
        reader = self._reader
        if reader.take(b"("):
            found = [self._key(depth + 1)]
            while not reader.take(b")"):
                reader.space()
                found.append(self._key(depth + 1))
            return criteria.conjunction(found)
        if reader.peek().isdigit() or reader.peek() == b"*":
            return criteria.is_among(self._view.by_numbers(reader.sequence_set()))
        return self._named(reader.word("a search key"), depth)

    def _named(self, word: bytes, depth: int) -> Criterion:
        reader = self._reader
        if flag := _FLAGS.get(word):
            return criteria.has_flag(flag)
        if flag := _FLAGS.get(word.removeprefix(b"UN")):
            return criteria.negation(criteria.has_flag(flag))
        if word in (b"ALL", b"OLD"):  # nothing is \Recent here, as in RFC 9051
            return criteria.leaf(Level.STATE, lambda candidate: True)
        if word in (b"NEW", b"RECENT"):
            return criteria.leaf(Level.STATE, lambda candidate: False)
        if word not in _WITH_ARGUMENT:
            raise bad(f"There is no search key {word.decode()[:40]} (RFC 3501 6.4.4)")
        reader.space()
        if word == b"NOT":
            return criteria.negation(self._key(depth + 1))
        if word == b"OR":
            first = self._key(depth + 1)
            reader.space()
            return criteria.disjunction([first, self._key(depth + 1)])
        return self._with_argument(word)

    def _with_argument(self, word: bytes) -> Criterion:
        reader = self._reader
        if word == b"UID":
            return criteria.is_among(self._view.by_uids(reader.sequence_set()))
        if word in (b"KEYWORD", b"UNKEYWORD"):
            has = criteria.has_flag(reader.atom("a keyword").decode("ascii"))
            return has if word == b"KEYWORD" else criteria.negation(has)
        if word in _DATES:
            make, compare = _DATES[word]
            return make(compare, reader.date() // DAY)
        if word in _SIZES:
            return criteria.message_size(_SIZES[word], reader.number())
        if word == b"HEADER":
            name = reader.astring("the name of a header field").decode("latin-1")
            reader.space()
            return criteria.header_has(name, self._text())
        if word in _HEADERS:
            return criteria.header_has(_HEADERS[word], self._text())
        return criteria.body_has(self._text()) if word == b"BODY" else criteria.text_has(self._text())

    def _text(self) -> str:
        return self._reader.text("the text to search for", self._charset)


_WITH_ARGUMENT = frozenset(
    (
        *_HEADERS,
        *_DATES,
        *_SIZES,
        b"NOT",
        b"OR",
        b"UID",
        b"KEYWORD",
        b"UNKEYWORD",
        b"HEADER",
        b"BODY",
        b"TEXT",
    )
)


def _charset(reader: Reader) -> str:
    name = reader.astring("a charset").upper()
    if name not in _CHARSETS:
        raise Refused(Reply(b"NO", b"Search in US-ASCII or UTF-8", b"BADCHARSET (%b)" % b" ".join(_CHARSETS)))
    return name.decode("ascii")


async def _search(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=False)


async def _uid_search(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=True)


async def _run(session: ImapSession, reader: Reader, *, by_uid: bool) -> Reply:
    view, out = session.mailbox, session.out
    criterion = _Parser(reader, view).run()
    found, missing = await evaluate(session, criterion)
    out.send(b"* SEARCH")
    for start in range(0, len(found), 1000):
        numbers = [view.uids[at] if by_uid else at + 1 for at in found[start : start + 1000]]
        out.send(b" " + b" ".join([b"%d" % number for number in numbers]))
        await out.flow()
    out.send(b"\r\n")
    if missing and not by_uid:
        return ok(b"Searched, but some messages were expunged meanwhile", EXPUNGE_ISSUED.code)
    return ok(b"Searched")


async def evaluate(session: ImapSession, criterion: Criterion) -> tuple[list[int], bool]:
    """The indexes of the messages that match, ascending, and whether some that were asked about are gone."""
    view = session.mailbox
    found: list[int] = []
    missing = False
    for start in range(0, len(view), _BATCH):
        undecided: dict[int, Candidate] = {}
        matching: list[int] = []
        for at in range(start, min(start + _BATCH, len(view))):
            candidate = Candidate(at, view.uids[at], view.flags[at])
            answer = criterion(candidate, Level.STATE)
            if answer:
                matching.append(at)
            elif answer is None:
                undecided[candidate.uid] = candidate
        if undecided:
            items = await session.storage.items(view.id, compress(undecided), view.place.viewer)
            missing = missing or len(items) < len(undecided)
            matching += await _matching(session, criterion, undecided, items)
            matching.sort()
        found += matching
        await session.out.flow()
    return found, missing


async def _matching(
    session: ImapSession, criterion: Criterion, undecided: dict[int, Candidate], items: Sequence[Item]
) -> list[int]:
    """Ask about messages whose flags do not tell."""
    matching: list[int] = []
    for item in items:
        candidate = undecided.get(item.uid)
        if candidate is None:
            continue
        candidate.item = item
        try:
            if await _decide(criterion, candidate, Contents(session, item)):
                matching.append(candidate.at)
        except BlobGone:
            _log.error("a message cannot be read", blob=item.blob, exc_info=True)
        await session.out.flow()
    return matching


async def _decide(criterion: Criterion, candidate: Candidate, contents: Contents) -> bool:
    """Read more of the message until the criterion is decided. BlobGone."""
    answer = criterion(candidate, Level.ITEM)
    if answer is None:
        candidate.headers = Headers(contents.item.lines + await contents.head())
        answer = criterion(candidate, Level.HEAD)
    if answer is None:
        data = await contents.blob()
        structure = await contents.structure()
        if len(data) <= SMALL:
            candidate.body = criteria.body_texts(structure, data)
        else:
            candidate.body = await asyncio.to_thread(criteria.body_texts, structure, data)
        answer = criterion(candidate, Level.BODY)
    return bool(answer)


COMMANDS = (
    Command("SEARCH", _search, State.SELECTED, renumbers=False),
    Command("UID SEARCH", _uid_search, State.SELECTED),
)
