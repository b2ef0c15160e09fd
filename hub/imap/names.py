"""Mailbox names: modified UTF-7 (RFC 3501 §5.1.3), INBOX in any case, and the wildcards of LIST."""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Callable

SEPARATOR = "/"
MAX_NAME = 1000  # octets of UTF-8

_ENCODED = re.compile(rb"&([^&-]*+)-")
_BASE64 = re.compile(rb"[A-Za-z0-9+,]*+")
_TO_ENCODE = re.compile(r"[^\x20-\x7e]++|&")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def decode_name(octets: bytes, *, utf8: bool = False) -> str:
    """The name of a mailbox as a client writes it. ValueError, with a sentence, for what is no name.

    utf8: as one writes it that has enabled UTF-8, to whom an `&` is nothing special. 8-bit octets are against
    the rules without that and read as UTF-8; so does an `&` that begins nothing.
    """
    try:
        text = octets.decode("utf-8")
        if not utf8 and text.isascii() and "&" in text:
            text = _decode_utf7(octets)
    except UnicodeDecodeError:
        if utf8:
            raise ValueError("A mailbox name is written in UTF-8 (RFC 6855 3)") from None
        raise ValueError("A mailbox name is written in modified UTF-7 (RFC 3501 5.1.3)") from None
    return canonical(text)


def canonical(name: str) -> str:
    """INBOX, and INBOX before the first separator, in capitals; letters composed as in Net-Unicode (RFC
    5198 §2)."""
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    first, separator, rest = name.partition(SEPARATOR)
    return "INBOX" + separator + rest if first.upper() == "INBOX" else name


def encode_name(name: str) -> bytes:
    """The name in modified UTF-7."""
    if name.isascii() and name.isprintable() and "&" not in name:
        return name.encode("ascii")
    return _TO_ENCODE.sub(_encode_run, name).encode("ascii")


def check_new(name: str) -> None:
    """ValueError, with a sentence, for a name that no mailbox may be given."""
    if not name:
        raise ValueError("A mailbox needs a name")
    if len(name.encode()) > MAX_NAME:
        raise ValueError(f"The name is longer than {MAX_NAME} octets")
    if _CONTROL.search(name) or "*" in name or "%" in name:
        raise ValueError("A mailbox name has no control characters and no * or %")
    if name.startswith("\\"):  # that is how a special use begins where mail is delivered by it
        raise ValueError("A mailbox name does not begin with a backslash")
    if not all(name.split(SEPARATOR)):
        raise ValueError("A part of the name, between two slashes or at an end, is empty")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a name matches a LIST pattern; the time is linear in the name for each wildcard, whatever
    they are."""
    parts = tuple(re.findall(r"[*%]+|[^*%]+", canonical(pattern)))
    literals = [part for part in parts if part[0] not in "*%"]

    def matches(name: str) -> bool:
        if sum(map(len, literals)) > len(name):
            return False
        return _matches(parts, name)

    return matches


def _matches(parts: tuple[str, ...], name: str) -> bool:
    """Keep the set of offsets up to which the name can be matched, part by part, as sorted lists without
    doubles."""
    reached = [0]
    for part in parts:
        if part[0] in "*%":
            reached = _spread(reached, name, "*" in part)
        else:
            reached = [at + len(part) for at in reached if name.startswith(part, at)]
        if not reached:
            return False
    return reached[-1] == len(name)


def _spread(reached: list[int], name: str, across: bool) -> list[int]:
    """All offsets that a wildcard can end at: to the end, or for `%` to the next separator."""
    if across:
        return list(range(reached[0], len(name) + 1))
    out: list[int] = []
    end = -1
    for at in reached:
        start = max(at, end + 1)
        if at > end:
            end = name.find(SEPARATOR, at)
            end = len(name) if end < 0 else end
        out.extend(range(start, end + 1))
    return out


def _decode_utf7(octets: bytes) -> str:
    if octets.count(b"&") != len(_ENCODED.findall(octets)):
        return octets.decode("ascii")
    out: list[str] = []
    end = 0
    for match in _ENCODED.finditer(octets):
        out.append(octets[end : match.start()].decode("ascii"))
        out.append(_decode_run(match[1]) if match[1] else "&")
        end = match.end()
    return "".join(out) + octets[end:].decode("ascii")


def _decode_run(run: bytes) -> str:
    if not _BASE64.fullmatch(run):
        raise ValueError("A mailbox name is written in modified UTF-7 (RFC 3501 5.1.3)")
    try:
        padded = run.replace(b",", b"/") + b"=" * (-len(run) % 4)
        return binascii.a2b_base64(padded).decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("A mailbox name is written in modified UTF-7 (RFC 3501 5.1.3)") from None


def _encode_run(match: re.Match[str]) -> str:
    if match[0] == "&":
        return "&-"
    encoded = binascii.b2a_base64(match[0].encode("utf-16-be"), newline=False).rstrip(b"=")
    return "&" + encoded.replace(b"/", b",").decode("ascii") + "-"
