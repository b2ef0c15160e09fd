"""`value; name=value` as Content-Type and Content-Disposition have it (RFC 2045 §5.1, RFC 2231)."""

from __future__ import annotations

import re
from itertools import count
from urllib.parse import quote_from_bytes, unquote_to_bytes

from hub.mail.encoded import decode_charset, decode_words, on_one_line
from hub.mail.mailboxes import comment_end

Parameters = tuple[tuple[bytes, bytes], ...]

_BLANK = re.compile(rb"\s*+")
_VALUE = re.compile(rb"[^;(]*+")
_STOP = re.compile(rb"[;(]")
# An unquoted value with blanks in it is against the rules and common in file names; it ends at the semicolon.
_PARAMETER = re.compile(rb'([^\s;=()"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)|([^;(]*+))', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
# RFC 2231 §7, attribute-char, beside letters and digits
_UNESCAPED = "!#$&+-.^_`{|}~"
_SECTION = re.compile(rb"\*(0|[1-9][0-9]{0,3})(\*?)")


def parse_value(value: bytes) -> tuple[bytes, Parameters]:
    """The value before the first semicolon and the parameters as they stand, quoting and comments removed.

    Names of RFC 2231 keep their asterisks: `find_parameter` puts those together. Never raises; linear.
    """
    main = _VALUE.match(value, _skip(value, 0))
    assert main is not None  # it may be empty
    found: list[tuple[bytes, bytes]] = []
    at = _behind_semicolon(value, main.end())
    while at >= 0:
        match = _PARAMETER.match(value, _skip(value, at))
        if match:
            quoted, plain = match[2], match[3]
            text = plain.strip() if quoted is None else _QUOTED_PAIR.sub(rb"\1", quoted)
            found.append((match[1], text))
            at = match.end()
        at = _behind_semicolon(value, at)
    return main[0].strip(), tuple(found)


def _skip(value: bytes, at: int) -> int:
    """The offset of what follows any blanks and comments."""
    while True:
        blank = _BLANK.match(value, at)
        assert blank is not None  # it may be empty
        at = blank.end()
        if value[at : at + 1] != b"(":
            return at
        at = comment_end(value, at + 1)[0]


def _behind_semicolon(value: bytes, at: int) -> int:
    """The offset behind the next semicolon that is in no comment, or -1."""
    while stop := _STOP.search(value, at):
        if stop[0] == b";":
            return stop.end()
        at = comment_end(value, stop.end())[0]
    return -1


def joined(parameters: Parameters) -> Parameters:
    """The parameters with those that came in pieces (`name*0`, `name*1`) put together behind the others.

    What has an encoded piece (`name*0*`) is a `name*`, and its other pieces are encoded too (RFC 2231 §4.1).
    Pieces behind a gap, or without a first one, are left as they stand.
    """
    pieces: dict[bytes, dict[int, tuple[bytes, bytes, bool]]] = {}
    for key, value in parameters:
        name, star, suffix = key.partition(b"*")
        if section := _SECTION.fullmatch(star + suffix):
            found = pieces.setdefault(name.lower(), {})
            found.setdefault(int(section[1]), (key, value, bool(section[2])))
    if not pieces:
        return parameters
    used: set[bytes] = set()
    whole: list[tuple[bytes, bytes]] = []
    for found in pieces.values():
        run = [found[number] for number in range(next(i for i in count() if i not in found))]
        if not run:
            continue
        used.update(key for key, _, _ in run)
        name = run[0][0].partition(b"*")[0]
        if any(extended for _, _, extended in run):
            octets = (value if extended else _escaped(value) for _, value, extended in run)
            whole.append((name + b"*", b"".join(octets)))
        else:
            whole.append((name, b"".join(value for _, value, _ in run)))
    return (*(pair for pair in parameters if pair[0] not in used), *whole)


def _escaped(value: bytes) -> bytes:
    return quote_from_bytes(value, safe=_UNESCAPED).encode("ascii")


def find_parameter(parameters: Parameters, name: bytes) -> str | None:
    """Text of a parameter on one line, decoded (RFC 2231); None without one. name: in lower case.

    In a plain value encoded words are decoded, although RFC 2047 §5 forbids them there.
    """
    found = find_octets(parameters, name)
    if found is None:
        return None
    octets, charset = found
    return decode_words(octets) if charset is None else on_one_line(decode_charset(octets, charset))


def find_octets(parameters: Parameters, name: bytes) -> tuple[bytes, str | None] | None:
    """Octets of a parameter, put together from its sections, and their charset, None for a plain one.

    An extended form (`name*`) wins over sections (`name*0`), these over the plain form. name: in lower case.
    """
    plain: bytes | None = None
    sections: dict[int, tuple[bytes, bool]] = {}
    for key, value in parameters:
        lowered = key.lower()
        if not lowered.startswith(name):
            continue
        suffix = lowered[len(name) :]
        if not suffix:
            plain = value if plain is None else plain
        elif suffix == b"*":
            return _assembled([(value, True)])
        elif section := _SECTION.fullmatch(suffix):
            sections.setdefault(int(section[1]), (value, bool(section[2])))
    if 0 in sections:
        last = next(i for i in count() if i not in sections)
        return _assembled([sections[i] for i in range(last)])
    return None if plain is None else (plain, None)


def _assembled(sections: list[tuple[bytes, bool]]) -> tuple[bytes, str]:
    """The first section, if extended, begins with `charset'language'` (RFC 2231 §4)."""
    charset = b""
    first, is_extended = sections[0]
    if is_extended and first.count(b"'") >= 2:
        charset, _, first = first.split(b"'", 2)
    sections = [(first, is_extended), *sections[1:]]
    octets = b"".join(unquote_to_bytes(value) if extended else value for value, extended in sections)
    return octets, charset.decode("latin-1")
