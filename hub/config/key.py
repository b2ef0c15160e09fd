"""Keys of the configuration: paths of table names and list indexes, written `listeners.mx.bind[0]`."""

import difflib
import json
import re
from collections.abc import Iterable
from typing import TypeAlias

Key: TypeAlias = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = re.compile(r"""(?P<bare>[A-Za-z0-9_-]+)|(?P<quoted>"(?:[^"\\]|\\.)*")|'(?P<literal>[^']*)'""")
_INDEX = re.compile(r"\[(\d{1,9})\]")


def format_key(key: Key) -> str:
    """The key as TOML writes it, with list positions in brackets: `plugins.deny-list.networks[0]`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + quote_part(part)
    return text


def quote_part(part: str) -> str:
    """One name of a key, in quotes where TOML wants them."""
    return part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse_key(text: str) -> Key:
    """Read what `format_key` writes. Raises ValueError with a sentence for the operator."""
    key: list[str | int] = []
    at = 0
    while at < len(text) or not key:
        if key and (index := _INDEX.match(text, at)):
            key.append(int(index[1]))
            at = index.end()
            continue
        if key:
            if text[at] != ".":
                raise ValueError(f"{text!r} is not a key: a dot belongs at character {at + 1}")
            at += 1
        part = _PART.match(text, at)
        if part is None:
            raise ValueError(f"{text!r} is not a key: a name is missing at character {at + 1}")
        key.append(_part_text(part))
        at = part.end()
    return tuple(key)


def _part_text(part: re.Match[str]) -> str:
    if part["quoted"] is not None:
        return str(json.loads(part["quoted"]))
    return part["bare"] if part["bare"] is not None else part["literal"]


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that was most likely meant; case and `-` for `_` are forgiven first."""
    known = {fold(known): known for known in names}
    if fold(name) in known:
        return known[fold(name)]
    close = difflib.get_close_matches(fold(name), known, n=1, cutoff=0.6)
    return known[close[0]] if close else None


def suggestion(name: str, names: Iterable[str]) -> str:
    """A sentence about an unknown name: the nearest right one, else all of a short list, else nothing."""
    names = sorted(names)
    if near := nearest(name, names):
        return f"Did you mean '{near}'?"
    return f"It can be: {', '.join(names)}." if 0 < len(names) <= 12 else ""


def fold(name: str) -> str:
    """A name with case and the difference between `-` and `_` taken out."""
    return name.lower().replace("-", "_")
