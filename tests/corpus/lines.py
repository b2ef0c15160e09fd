"""Messages whose lines are odd: no header, no body, no line end, bare CR and LF, NUL, dots."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_FROM: Final = b"From: ann@example.org\r\n"

LINES: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "plain": _FROM + b"Subject: plain\r\n\r\nwords\r\n",
        "no body": _FROM + b"Subject: no body\r\n\r\n",
        "no blank line": _FROM + b"Subject: no blank line\r\n",
        "no line end": _FROM + b"Subject: no line end",
        "no line end in the body": _FROM + b"\r\nwords",
        "no header": b"\r\nwords\r\n",
        "no header and blank lines": b"\r\n\r\n\r\nwords\r\n",
        "one octet": b"x",
        "one line end": b"\r\n",
        "words alone": b"words without a header\r\nand more\r\n",
        "empty lines in the body": _FROM + b"\r\n\r\n\r\n\r\n",
        "blank line of blanks": _FROM + b"Subject: x\r\n \r\nX-More: y\r\n\r\nwords\r\n",
        "bare line feeds": b"From: ann@example.org\nSubject: bare\n\nwords\nmore\n",
        "bare line feeds in parts": (
            b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n"
        ),
        "both line ends": _FROM + b"Subject: both\n\r\nwords\nmore\r\n",
        "bare line feeds in the body": _FROM + b"\r\none\ntwo\n\nthree\r\n",
        "carriage returns alone": b"From: ann@example.org\rSubject: x\r\rwords\r",
        "carriage return in a field": _FROM + b"Subject: a\rb\r\n\r\nwords\r\n",
        "carriage return in the body": _FROM + b"\r\na\rb\r\r\nc\r\n",
        "NUL in the body": _FROM + b"\r\na\x00b\r\n",
        "eight bits in the body": _FROM + b"\r\nGr\xfc\xdfe \xff\xfe\r\n",
        "lines of dots": _FROM + b"\r\n.\r\n..\r\n...x\r\n",
        "long lines": _FROM + b"\r\n" + b"x" * 5000 + b"\r\n" + b"y" * 998 + b"\r\n",
        "From at the start of a line": _FROM + b"\r\nFrom here on\r\n>From there\r\n",
        "hyphens": _FROM
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--\r\n---\r\n--b\r\n\r\n--\r\n-- \r\n--b--\r\n",
        "carriage return before a boundary": (
            _FROM + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\r\n--b--\r\n"
        ),
        "boundary at the very end": _FROM
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--",
        "boundary without its line end": _FROM
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b",
        "a thousand lines": _FROM + b"\r\n" + b"line\r\n" * 1000,
        "hundred thousand octets": _FROM + b"\r\n" + (b"z" * 76 + b"\r\n") * 1282,
    }
)
