"""One command as tokens: a cursor over its lines and the literals between them (RFC 3501 §9).

Every pattern is possessive, so that reading costs a constant per octet, whatever the octets are.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

from hub.imap.names import decode_name
from hub.imap.render import MONTHS, SYSTEM_FLAGS
from hub.imap.replies import bad
from hub.imap.sets import SAVED, SET, parse_set

LITERAL = re.compile(rb"~?+\{([0-9]{1,10}+)(\+?)\}\Z")  # RFC 7888: {5+} is sent without waiting
TAG = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")
_ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_LIST_MAILBOX = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*+)"')
_QUOTED_PAIR = re.compile(rb'\\(["\\])')
_NUMBER = re.compile(rb"[0-9]{1,20}+")
_FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")
_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})("?)')
_DATE_TIME = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
MAX_FLAG = 200
MAX_FLAGS = 100
_SYSTEM_FLAGS = MappingProxyType({flag.lower().encode(): flag for flag in SYSTEM_FLAGS})


class Reader:
    """Where one command has been read up to. `pieces`: its lines without line ends; `literals`: what
    stood between them. utf8: whether the client has enabled it (RFC 6855).

    Each method reads one thing and stands behind it; what is not there is BAD, with a text that says what
    was expected.
    """

    __slots__ = ("_literals", "_piece", "_pieces", "_utf8", "at", "line")

    def __init__(self, pieces: list[bytes], literals: list[bytes], *, utf8: bool = False) -> None:
        self._pieces = pieces
        self._literals = literals
        self._utf8 = utf8
        self._piece = 0
        self.line = pieces[0]
        self.at = 0

    # -- where the cursor stands -------------------------------------------------------------------

    def peek(self) -> bytes:
        """The next octet, empty at the end."""
        return self.line[self.at : self.at + 1]

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.at == len(self.line) and self._piece == len(self._pieces) - 1

    def end(self) -> None:
        """Nothing may be left."""
        if not self.at_end():
            raise bad(f"Something is left behind the command, at {self._shown()}")

    def at_literal(self) -> bool:
        """Whether a literal comes next, or a binary one, `~{5}` (RFC 3516)."""
        return self.line.startswith((b"{", b"~{"), self.at)

    def take(self, octets: bytes) -> bool:
        """Pass over these octets if they come next."""
        if self.line.startswith(octets, self.at):
            self.at += len(octets)
            return True
        return False

    def expect(self, octets: bytes, what: str) -> None:
        """These octets come next."""
        if not self.take(octets):
            raise bad(f"Expected {what}, found {self._shown()}")

    def space(self) -> None:
        """One blank; clients that send two are forgiven."""
        start = self.at
        while self.line.startswith(b" ", self.at):
            self.at += 1
        if self.at == start:
            raise bad(f"Expected a space, found {self._shown()}")

    def match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        """What the pattern finds here."""
        found = pattern.match(self.line, self.at)
        if found is None:
            raise bad(f"Expected {what}, found {self._shown()}")
        self.at = found.end()
        return found

    # -- strings -----------------------------------------------------------------------------------

    def atom(self, what: str = "an atom") -> bytes:
        """Octets without blanks or specials."""
        return self.match(_ATOM, what)[0]

    def word(self, what: str) -> bytes:
        """An atom in capitals."""
        return self.atom(what).upper()

    def take_word(self, word: bytes) -> bool:
        """Pass over this atom if it comes next, in any case of letters."""
        found = _ATOM.match(self.line, self.at)
        if found is None or found[0].upper() != word:
            return False
        self.at = found.end()
        return True

    def string(self, what: str = "a string") -> bytes:
        """Quoted, or a literal."""
        if self.peek() == b'"':
            quoted = self.match(_QUOTED, f'{what}, closed by " and with a backslash before " and \\ only')[1]
            return _QUOTED_PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted
        if self.at_literal() and self._piece < len(self._literals):
            found = LITERAL.match(self.line, self.at)
            if found:
                literal = self._literals[self._piece]
                self._piece += 1
                self.line, self.at = self._pieces[self._piece], 0
                return literal
        raise bad(f"Expected {what}, found {self._shown()}")

    def astring(self, what: str = "a string") -> bytes:
        """An atom, which may hold `]`, or a string."""
        if self.peek() == b'"' or self.at_literal():
            return self.string(what)
        return self.match(_ASTRING, what)[0]

    def text(self, what: str, charset: str = "utf-8") -> str:
        """An astring as text."""
        try:
            return self.astring(what).decode(charset)
        except UnicodeDecodeError:
            raise bad(f"{what[0].upper()}{what[1:]} is not valid {charset.upper()}") from None

    def mailbox(self) -> str:
        """A mailbox name, decoded and with INBOX in capitals."""
        return self._name(self.astring("a mailbox name"))

    def mailboxes(self) -> tuple[str, ...]:
        """The name of one mailbox, or of several in parentheses (RFC 5465 §8)."""
        if not self.take(b"("):
            return (self.mailbox(),)
        names = [self.mailbox()]
        while not self.take(b")"):
            self.space()
            names.append(self.mailbox())
        return tuple(names)

    def list_mailbox(self) -> str:
        """A LIST pattern, decoded."""
        if self.peek() == b'"' or self.at_literal():
            return self._name(self.string("a mailbox pattern"))
        return self._name(self.match(_LIST_MAILBOX, "a mailbox pattern")[0])

    def _name(self, octets: bytes) -> str:
        try:
            return decode_name(octets, utf8=self._utf8)
        except ValueError as error:
            raise bad(str(error)) from None

    # -- numbers, sets, flags, dates ---------------------------------------------------------------

    def number(self, what: str = "a number", limit: int = 1 << 32) -> int:
        """Below the limit, which is that of 32 bits unless said otherwise."""
        number = int(self.match(_NUMBER, what)[0])
        if number >= limit:
            raise bad(f"The number {number} is too large")
        return number

    def sequence_set(self) -> list[tuple[int, int]]:
        """Ranges as they are written; STAR stands for `*`, SAVED for `$`."""
        if self.take(b"$"):
            return list(SAVED)
        found = self.match(SET, "a sequence set such as 1:4,7 or 10:*")
        try:
            return parse_set(found[0])
        except ValueError as error:
            raise bad(f"{error} in the sequence set is larger than 4294967295") from None

    def flag(self) -> str | None:
        """A flag in its usual spelling; None for \\Recent, which nobody can set."""
        octets = self.match(_FLAG, "a flag")[0]
        if not octets.startswith(b"\\"):
            if len(octets) > MAX_FLAG:
                raise bad(f"A keyword has at most {MAX_FLAG} characters")
            return octets.decode("ascii")
        lowered = octets.lower()
        if lowered == b"\\recent":
            return None
        flag = _SYSTEM_FLAGS.get(lowered)
        if flag is None:
            raise bad(
                f"{octets.decode('ascii')[:40]} is no flag of RFC 3501 2.3.2; keywords have no backslash"
            )
        return flag

    def flags(self, *, bare: bool = False) -> frozenset[str]:
        """A list in parentheses; with `bare`, parentheses may be left out."""
        found: set[str | None] = set()
        closing = self.take(b"(")
        if not closing and not bare:
            raise bad(f"Expected a list of flags in parentheses, found {self._shown()}")
        while not (closing and self.take(b")")):
            found.add(self.flag())
            if len(found) > MAX_FLAGS:
                raise bad(f"More than {MAX_FLAGS} flags at once")
            if self.peek() == b" ":
                self.space()
            elif not closing:
                break
        found.discard(None)
        return frozenset(flag for flag in found if flag is not None)

    def date(self) -> int:
        """`1-Feb-2026`, with or without quotes, as seconds since the epoch at its midnight in UTC."""
        found = self.match(_DATE, "a date such as 1-Feb-2026")
        if found[1] != found[5]:
            raise bad("A date such as 1-Feb-2026 is quoted at both ends or not at all")
        return int(_moment(found[2], found[3], found[4]).timestamp())

    def date_time(self) -> int:
        """`"01-Feb-2026 12:00:00 +0100"` as seconds since the epoch."""
        found = self.match(_DATE_TIME, 'a date such as "01-Feb-2026 12:00:00 +0100"')
        offset = timedelta(hours=int(found[8]), minutes=int(found[9]))
        try:
            moment = _moment(found[1], found[2], found[3]).replace(
                hour=int(found[4]),
                minute=int(found[5]),
                second=min(int(found[6]), 59),
                tzinfo=timezone(-offset if found[7] == b"-" else offset),
            )
            return int(moment.timestamp())
        except (ValueError, OverflowError):
            raise bad("There is no such time or time zone") from None

    def _shown(self) -> str:
        if self.at >= len(self.line):
            return "the end of the line"
        return repr(self.line[self.at : self.at + 20].decode("ascii", "replace").replace("\ufffd", "?"))


def _moment(day: bytes, month: bytes, year: bytes) -> datetime:
    try:
        return datetime(int(year), MONTHS.index(month.capitalize()) + 1, int(day), tzinfo=UTC)
    except ValueError:
        raise bad("There is no such day") from None
