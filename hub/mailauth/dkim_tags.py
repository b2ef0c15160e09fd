"""`tag=value; tag=value`, as signatures and key records are written (RFC 6376 §3.2)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

_BLANKS: Final = b" \t\r\n"
_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*+")


def parse_tags(text: bytes) -> Mapping[str, str]:
    """The tags of a list in their order; ValueError for what is none, or names one twice.

    Values have no outer blanks, and folds within are as they came. Octets beyond ASCII are UTF-8 (RFC 8616).

        >>> parse_tags(b"v=1; a=rsa-sha256;")
        {'v': '1', 'a': 'rsa-sha256'}
    """
    tags: dict[str, str] = {}
    specs = text.split(b";")
    if not specs[-1].strip(_BLANKS):
        specs.pop()  # a semicolon may end the list
    for spec in specs:
        key, equals, value = spec.partition(b"=")
        key = key.strip(_BLANKS)
        if not equals or not _NAME.fullmatch(key):
            raise ValueError(f"{spec.strip(_BLANKS)[:40]!r} is no tag=value")
        name = key.decode("ascii")
        if name in tags:
            raise ValueError(f"{name}= is there twice")
        try:
            tags[name] = value.strip(_BLANKS).decode()
        except UnicodeDecodeError:
            raise ValueError(f"{name}= is not UTF-8") from None
    return tags


def without_value(field: bytes, tag: bytes) -> bytes:
    """A header field with the value of one tag taken out, blanks around it too (RFC 6376 §3.7)."""
    name, colon, value = field.partition(b":")
    specs = value.split(b";")
    for at, spec in enumerate(specs):
        key, equals, _ = spec.partition(b"=")
        if equals and key.strip(_BLANKS) == tag:
            specs[at] = key + equals
            break
    return name + colon + b";".join(specs)


def decode_base64(value: str) -> bytes:
    """Octets of a value that may be folded; ValueError."""
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None


def split_list(value: str, separator: str = ":") -> list[str]:
    """The items of a list with separators, without blanks around them."""
    return [item.strip() for item in value.split(separator)]


def fold(field: str, width: int = 76) -> str:
    """A header field whose tags stand apart by `; `, on lines of at most `width` where blanks allow it."""
    lines, line = [], ""
    for word in field.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = "\t" + word
        else:
            line = f"{line} {word}" if line else word
    return "\r\n".join([*lines, line])
