"""The mailboxes of From, To and the like (RFC 5322 §3.4, §4.4), as ENVELOPE wants them (RFC 3501 §7.4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

# Possessive throughout; a quoted string or a domain literal that is not closed reaches to the end.
_TOKEN = re.compile(
    rb"(?P<blank>[ \t\r\n]++)"
    rb'|"(?P<quoted>(?:[^"\\]|\\.)*+)(?:"|\\?\Z)'
    rb"|(?P<literal>\[[^\]]*+\]?+)"
    rb'|(?P<atom>[^ \t\r\n"(),:;<>@\[.]++)'
    rb"|(?P<special>.)",
    re.DOTALL,
)
_COMMENT_MARK = re.compile(rb"\\.|[()]", re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")


class Mailbox(NamedTuple):
    """One address as octets of the message: quoting removed, encoded words left as they are.

    name: the display name, or the comment behind an address without one. route: the obsolete source route.
    host: empty if the address has none. These are the fields of ENVELOPE's address structure, None being
    NIL: a group starts with host None and its name in `local`, and ends with all four None.
    """

    name: bytes | None
    route: bytes | None
    local: bytes | None
    host: bytes | None

    @property
    def is_group_mark(self) -> bool:
        """Whether this is no address but the start or the end of a group."""
        return self.host is None


class _Token(NamedTuple):
    kind: str  # "quoted", "literal", "atom", "comment", or the special character itself
    text: bytes
    gap: bool  # blanks or a comment stand before it


def addresses(value: str | bytes) -> list[Mailbox]:
    """Every mailbox of an address list, in order, with a mark at each start and end of a group.

    Reads what is malformed as well as it can and never raises; no mailbox is left out because of a neighbour,
    so that a check of From sees all that a reader might show. The time is linear in the value.
    """
    octets = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    parser = _Parser()
    for token in _tokens(_FOLD.sub(b"", octets)):
        parser.feed(token)
    return parser.finish()


def _tokens(octets: bytes) -> Iterator[_Token]:
    at, gap = 0, False
    while at < len(octets):
        match = _TOKEN.match(octets, at)
        assert match is not None  # the last alternative takes any octet
        kind = str(match.lastgroup)
        at = match.end()
        if kind == "blank":
            gap = True
            continue
        text = match[kind]
        if text == b"(" and kind == "special":
            start = at
            at, closed = comment_end(octets, at)
            yield _Token("comment", _QUOTED_PAIR.sub(rb"\1", octets[start : at - closed]), gap)
            gap = True
            continue
        if kind == "quoted":
            text = _QUOTED_PAIR.sub(rb"\1", text)
        elif kind == "special":
            kind = text.decode("latin-1")
        yield _Token(kind, text, gap)
        gap = False


def comment_end(octets: bytes, at: int) -> tuple[int, int]:
    """The offset behind an open comment, in which comments may nest, and 1 if it is closed there, else 0."""
    depth = 1
    for mark in _COMMENT_MARK.finditer(octets, at):
        if mark[0] == b"(":
            depth += 1
        elif mark[0] == b")":
            depth -= 1
            if not depth:
                return mark.end(), 1
    return len(octets), 0


@dataclass(slots=True)
class _Parser:
    """Collects the tokens of one mailbox: `outer` before the angle bracket, `inner` within it, else None."""

    found: list[Mailbox] = field(default_factory=list)
    outer: list[_Token] = field(default_factory=list)
    inner: list[_Token] | None = None
    route: bytes | None = None
    comment: bytes | None = None
    has_at: bool = False  # `outer` holds an @
    in_route: bool = False  # `inner` began with an @ and its colon is still to come
    in_group: bool = False
    after_angle: bool = False

    def feed(self, token: _Token) -> None:
        """Take the next token."""
        kind = token.kind
        if kind == "comment":
            self.comment = token.text
        elif kind == ";" or (kind == "," and not self.in_route):
            self._flush()
            if kind == ";":
                self._end_group()
        elif kind == "<":
            if self.inner or (self.after_angle and self.has_at):
                self._flush()
            elif self.after_angle:
                self.outer = []
            self.inner = []
        elif self.inner is not None:
            self._feed_inner(token, self.inner)
        elif kind == ":" and not self.in_group and not self.has_at:
            self.found.append(Mailbox(None, None, _phrase(self.outer) or b"", None))
            self.outer, self.comment, self.in_group = [], None, True
        else:
            self.has_at = self.has_at or kind == "@"
            self.outer.append(token)

    def finish(self) -> list[Mailbox]:
        """End the list; all that was found."""
        self._flush()
        self._end_group()
        return self.found

    def _feed_inner(self, token: _Token, inner: list[_Token]) -> None:
        if token.kind == ">":
            self._flush()
            self.after_angle = True
        elif token.kind == ":" and self.in_route:
            self.route, self.inner, self.in_route = _joined(inner), [], False
        else:
            if not inner and self.route is None and token.kind == "@":
                self.in_route = True
            inner.append(token)

    def _end_group(self) -> None:
        if self.in_group:
            self.found.append(Mailbox(None, None, None, None))
            self.in_group = False

    def _flush(self) -> None:
        if self.inner is not None:
            _, local, host = _addr_spec(self.inner)
            self.found.append(Mailbox(_phrase(self.outer) or self.comment, self.route, local, host))
        elif self.outer and (self.has_at or not self.after_angle):  # not for words behind `<a@b>`
            words, local, host = _addr_spec(self.outer)
            self.found.append(Mailbox(_phrase(words) or self.comment, None, local, host))
        self.outer, self.inner, self.route, self.comment = [], None, None, None
        self.has_at = self.in_route = self.after_angle = False


def _addr_spec(tokens: list[_Token]) -> tuple[list[_Token], bytes, bytes]:
    """The words before an address, its local part, its host: split at the last @, blanks only around dots."""
    at = next((i for i in range(len(tokens) - 1, -1, -1) if tokens[i].kind == "@"), len(tokens))
    start = max(at - 1, 0)
    while start > 0 and _continues(tokens, start):
        start -= 1
    end = at + 1
    while end < len(tokens) and (end == at + 1 or _continues(tokens, end)):
        end += 1
    return tokens[:start], _joined(tokens[start:at]), _joined(tokens[at + 1 : end])


def _continues(tokens: list[_Token], i: int) -> bool:
    return not tokens[i].gap or tokens[i].kind == "." or tokens[i - 1].kind == "."


def _joined(tokens: list[_Token]) -> bytes:
    return b"".join(token.text for token in tokens)


def _phrase(tokens: list[_Token]) -> bytes | None:
    """The words of a display name, one space where any blanks stood; None without words."""
    return b"".join(b" " + token.text if token.gap else token.text for token in tokens).strip() or None
