"""What methods of authentication say of a message, and the header field that tells it (RFC 8601)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hub.mail.mailboxes import comment_end
from hub.mail.stash import Stash, StashKey

FIELD: Final = "Authentication-Results"
_WIDTH: Final = 76
_MAX_VALUE: Final = 400
_TOKEN: Final = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+")  # RFC 2045 §5.1
_PVALUE: Final = re.compile(rf"(?:{_TOKEN.pattern})?@?{_TOKEN.pattern}")
_KEYWORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_BLANK: Final = re.compile(rb"[ \t\r\n]*+")
_ID: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"|([^ \t\r\n;()"]++)', re.DOTALL)
_OPENING: Final = re.compile(rb'[("]')
_CLOSED_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AuthResult:
    """One `resinfo` of Authentication-Results.

    method: `spf`, `dkim`, … result: `pass`, `fail`, … of that method's registry. reason: why, for people.
    properties: (ptype, property, value), such as `("smtp", "mailfrom", "example.org")`.
    """

    method: str
    result: str
    reason: str = ""
    properties: Sequence[tuple[str, str, str]] = ()


Pending: TypeAlias = asyncio.Future[Sequence[AuthResult]]
AUTH_RESULTS: Final = StashKey[Pending]()
AUTH_RESULTS.bind("hub.auth_results", "hub")
"""On the stash of an envelope from MAIL on: what will have been found once the message is there."""


async def auth_results(stash: Stash) -> Sequence[AuthResult]:
    """What authentication has found of a message, waited for; nothing where nobody looks.

    For checks of the same message, which run beside it: `await auth_results(envelope.stash)`.
    """
    pending = stash.get(AUTH_RESULTS)
    return () if pending is None else await asyncio.shield(pending)


def results_field(authserv_id: str, results: Iterable[AuthResult]) -> str:
    """The value of an Authentication-Results field, folded; whatever is in the results stays a value.

    >>> results_field("mx.example.org", [AuthResult("spf", "pass", "", [("smtp", "helo", "a.example")])])
    'mx.example.org;\\r\\n\\tspf=pass smtp.helo=a.example'
    """
    parts = [_resinfo(each) for each in results]
    if not parts:
        return f"{_value(authserv_id)}; none"
    return f"{_value(authserv_id)};\r\n\t" + ";\r\n\t".join(parts)


def _resinfo(result: AuthResult) -> str:
    words = [f"{_keyword(result.method)}={_keyword(result.result)}"]
    if result.reason:
        words.append(f"reason={_value(result.reason)}")
    words += [f"{_keyword(kind)}.{_keyword(name)}={_value(value)}" for kind, name, value in result.properties]
    lines, line = [], words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}"
    return "\r\n\t ".join([*lines, line])


def _keyword(text: str) -> str:
    if not _KEYWORD.fullmatch(text):
        raise ValueError(f"{text!r} is no keyword of Authentication-Results (RFC 8601 §2.2)")
    return text


def _value(text: str) -> str:
    """A token, an address, or a quoted string of ASCII that ends nothing (RFC 5322 §3.2.4)."""
    shown = "".join(char if " " <= char <= "~" else "?" for char in text[:_MAX_VALUE])
    if _PVALUE.fullmatch(shown):
        return shown
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


def claims_authserv_id(value: bytes, authserv_id: str) -> bool:
    """Whether the value of an Authentication-Results field speaks for us (RFC 8601 §5).

    What cannot be read might be taken for it by others, and so does.
    """
    match = _ID.match(value, _after_comments(value, 0))
    if match is None:
        return True
    named = _QUOTED_PAIR.sub(rb"\1", match[1]) if match[2] is None else match[2]
    rest = value[_after_comments(value, match.end()) :]
    if not re.match(rb"[0-9;]|\Z", rest):  # a version may stand there
        return True
    return named.lower().rstrip(b".") == authserv_id.lower().encode()


def states_result(value: str, method: str, result: str) -> bool:
    """Whether the value of such a field says that, outside of all comments and quoted strings.

    >>> states_result('mx.example.org; spf=fail; dmarc=pass header.from="a"', "dmarc", "pass")
    True
    >>> states_result('mx.example.org; spf=fail (; dmarc=pass) reason="; dmarc=pass"', "dmarc", "pass")
    False
    """
    octets, kept, at = value.encode(), [], 0
    while at < len(octets):
        mark = _OPENING.search(octets, at)
        start = mark.start() if mark else len(octets)
        kept.append(octets[at:start])
        if mark is None:
            break
        if mark[0] == b"(":
            at, _ = comment_end(octets, mark.end())
        else:
            closed = _CLOSED_STRING.match(octets, start)
            at = closed.end() if closed else len(octets)
            kept.append(b'""')
    text = b" ".join(kept).decode("utf-8", "replace").lower()
    return any(
        re.match(rf"\s*{re.escape(method)}(?:\s*/\s*[0-9]+)?\s*=\s*{re.escape(result)}(?![\w-])", each)
        for each in text.split(";")[1:]
    )


def _after_comments(value: bytes, at: int) -> int:
    """The offset behind blanks and comments (RFC 5322 §3.2.2)."""
    while True:
        blank = _BLANK.match(value, at)
        at = blank.end() if blank else at
        if value[at : at + 1] != b"(":
            return at
        at, _ = comment_end(value, at + 1)
