"""Macros of SPF (RFC 7208 §7): checked when a record is read, expanded when it is used.

`%{ir}.%{v}._spf.%{d2}` ──► `1.2.0.192.in-addr._spf.example.org`
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

MAX_NAME: Final = 253
"""Octets of a domain name; what expands to more loses labels on the left (§7.3)."""
_TOKEN: Final = re.compile(
    r"%\{(?P<letter>[A-Za-z])(?P<digits>[0-9]*)(?P<reversed>[rR]?)(?P<delimiters>[-.+,/_=]*)\}"
    r"|%(?P<escape>[%_-])"
    r"|(?P<literal>[!-$&-~]+)"
)
_SPACED: Final = re.compile(r"[ !-$&-~]+")
_ESCAPES: Final = {"%": "%", "_": " ", "-": "%20"}
# toplabel (§7.1): letters, digits and inner hyphens, not digits alone; behind a dot and perhaps before one.
_DOMAIN_END: Final = re.compile(r"\.(?=[0-9]*+[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?\Z")
IN_RECORDS: Final = frozenset("slodiphv")
IN_EXPLANATIONS: Final = IN_RECORDS | frozenset("crt")


class MacroError(ValueError):
    """A text that is no macro-string, and where."""


def tokens(text: str, letters: frozenset[str], *, spaces: bool = False) -> list[re.Match[str]]:
    """The parts of a macro-string. MacroError.

    letters: which may be used. spaces: they are literals too, as in an explanation (§6.2).
    """
    found, at = [], 0
    while at < len(text):
        match = (_SPACED.match(text, at) if spaces else None) or _TOKEN.match(text, at)
        if match is None:
            raise MacroError(f"there is no macro at {text[at : at + 20]!r}")
        groups = match.groupdict()
        if groups.get("letter"):
            if groups["letter"].lower() not in letters:
                raise MacroError(f"the macro {match[0]} may not stand here")
            if groups["digits"] and not groups["digits"].strip("0"):
                raise MacroError(f"the macro {match[0]} keeps no part")
        found.append(match)
        at = match.end()
    return found


def check_domain_spec(text: str) -> None:
    """MacroError for what is no domain-spec (§7.1): it ends with a macro or with a dot and a top label."""
    parts = tokens(text, IN_RECORDS)
    if not parts:
        raise MacroError("a domain is missing")
    last = parts[-1]
    if last.groupdict()["literal"] is not None and not _DOMAIN_END.search(last[0]):
        raise MacroError(f"{text[:60]!r} does not end like a domain name")


def uses(text: str, letter: str) -> bool:
    """Whether a macro-string holds that macro, in either case."""
    return any(match["letter"].lower() == letter for match in _TOKEN.finditer(text) if match["letter"])


def expand(
    text: str, values: Mapping[str, str], *, letters: frozenset[str] = IN_RECORDS, spaces: bool = False
) -> str:
    """The text with the values of its macros, by lower-case letter. MacroError."""
    return "".join(_expanded(match, values) for match in tokens(text, letters, spaces=spaces))


def target_name(text: str, values: Mapping[str, str]) -> str:
    """The domain that a domain-spec means, without a dot at the end, cut to what can be asked for (§7.3)."""
    name = expand(text, values).removesuffix(".")
    while len(name) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def _expanded(match: re.Match[str], values: Mapping[str, str]) -> str:
    groups = match.groupdict()
    if groups.get("escape"):
        return _ESCAPES[groups["escape"]]
    if not groups.get("letter"):
        return match[0]
    value = values[groups["letter"].lower()]
    parts = re.split(f"[{re.escape(groups['delimiters'] or '.')}]", value)
    if groups["reversed"]:
        parts.reverse()
    digits = groups["digits"].lstrip("0")
    if digits:
        parts = parts[-int(digits) :] if len(digits) < 5 else parts
    value = ".".join(parts)
    return quote(value, safe="") if groups["letter"].isupper() else value
