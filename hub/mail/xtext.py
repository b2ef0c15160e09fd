"""The encodings of values in ESMTP parameters: xtext (RFC 3461 §4) and its sister for UTF-8 (RFC 6533 §3)."""

from __future__ import annotations

import re
from typing import Final

_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*+")
_HEX: Final = re.compile(r"(?:\+[0-9A-F]{2})+")
_UTF8_XTEXT: Final = re.compile(r"(?:[^\x00-\x20+=\\\x7f]|\\x\{[0-9A-F]{2,6}\})*+")
_EMBEDDED: Final = re.compile(r"\\x\{([0-9A-F]{2,6})\}")


def decode_xtext(text: str) -> str:
    """The text, in which `+` and two hexadecimal digits stand for an octet.

    ValueError if it is no xtext, or not UTF-8 once it is decoded.
    """
    if not _XTEXT.fullmatch(text):
        raise ValueError("not xtext")
    return _HEX.sub(lambda found: bytes.fromhex(found[0].replace("+", "")).decode(), text)


def decode_utf8_xtext(text: str) -> str:
    """The text, in which `\\x{…}` stands for a character; others outside ASCII may stand for themselves.

    ValueError if it is not written like that.
    """
    if not _UTF8_XTEXT.fullmatch(text):
        raise ValueError("not utf-8-addr-xtext")
    decoded = _EMBEDDED.sub(lambda found: chr(int(found[1], 16)), text)
    decoded.encode()  # UnicodeEncodeError for half a surrogate pair
    return decoded


def encode_xtext(text: str) -> str:
    """The text as xtext: `+` and two hexadecimal digits for what cannot stand for itself."""
    return "".join(
        chr(octet) if 33 <= octet <= 126 and octet not in b"+=" else f"+{octet:02X}"
        for octet in text.encode()
    )
