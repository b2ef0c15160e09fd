"""Where ours reads a message of the corpus otherwise than Dovecot 2.3, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Explained:
    """messages: by name; attributes: what the names of those that differ begin with; reason: with the RFC."""

    messages: frozenset[str]
    attributes: tuple[str, ...]
    reason: str

    def covers(self, attribute: str) -> bool:
        """Whether it speaks of this attribute."""
        return attribute.startswith(self.attributes)


_STRUCTURE: Final = ("BODY", "BINARY", "condition")
_ALL: Final = ("BODY", "BINARY", "RFC822", "ENVELOPE", "condition")


def _explained(reason: str, *names: str, attributes: tuple[str, ...] = _STRUCTURE) -> Explained:
    return Explained(frozenset(names), attributes, reason)


def _addresses(reason: str, *names: str) -> Explained:
    return Explained(frozenset(f"address {name}" for name in names), ("ENVELOPE",), reason)


EXPLAINED: Final = (
    _explained(
        "RFC 3501 §6.4.5: no blank line is told of a message that has neither one nor a body; Dovecot leaves "
        "it out of HEADER.FIELDS.NOT alone",
        "no blank line",
        "no line end",
        "one octet",
        "words alone",
        attributes=("BODY[HEADER.FIELDS",),
    ),
    _explained(
        "RFC 9051 §2.3.4: octets are served as they were appended; Dovecot makes CR LF of bare line "
        "feeds (RFC 5322 "
        "§2.3 has neither alone) and drops carriage returns that stand before another",
        "bare line feeds",
        "bare line feeds in parts",
        "both line ends",
        "bare line feeds in the body",
        "carriage returns alone",
        "carriage return in the body",
        "carriage return before a boundary",
        attributes=_ALL,
    ),
    _explained(
        "RFC 5322 §2.3: a carriage return alone may not be in a field; ours keeps it, Dovecot has a blank",
        "carriage return in a field",
        attributes=("ENVELOPE",),
    ),
    _explained(
        "RFC 2046 §5.1.1: a multipart has one part or more; ours reads what has none as text that can "
        "be seen, Dovecot "
        "tells of an empty part",
        "no boundary at all",
        "no boundary parameter",
        "no parts",
        "only a preamble",
        "nothing behind the header",
    ),
    _explained("RFC 2046 §5.1.1: a boundary has one character or more", "empty boundary parameter"),
    _explained(
        "RFC 2046 §5.1.1: a delimiter line has nothing but blanks behind the boundary; Dovecot takes "
        "any line that "
        "begins like it, and so cuts up nested parts",
        "boundary that begins another",
    ),
    _explained(
        "RFC 2046 §5.1.1: seventy characters at most; Dovecot compares no more", "boundary of two hundred"
    ),
    _explained(
        "RFC 2046 §5.1.1: a delimiter at the very end begins a part, an empty one",
        "boundary without its line end",
    ),
    _explained(
        "RFC 2046 §5.1.1: the same boundary within and without is malformed; ours ends before the line "
        "end that "
        "belongs to the delimiter",
        "inner boundary is the outer one",
    ),
    _explained(
        "RFC 2046 §5.1.1: the line end before a delimiter belongs to it, also behind a message that "
        "ends there",
        "a multipart message in it",
        "a message without a body",
        "a message of nothing",
        "empty part",
    ),
    _explained(
        "RFC 2046 §5.2.1: a message may not be transfer-encoded, so what is in it is not read",
        "a message in base64",
    ),
    _explained("RFC 9051 §7.5.2: message/global is shown as message/rfc822 is", "message/global"),
    _explained(
        "RFC 2045 §5.2: what is no content type is read as text/plain",
        "type without a subtype",
        "type that is nothing",
        "type of blanks",
        "type with a slash more",
        "type without a semicolon",
    ),
    _explained(
        "RFC 2045 §5.1: parameters that can be read are, beside those that cannot",
        "type with two semicolons",
        "parameter without a value",
        "parameter without its last quote",
        "parameter with special characters",
    ),
    _explained(
        "RFC 2183 §2: a disposition has a type, and what has none is none",
        "disposition that is nothing",
        "disposition of a parameter alone",
    ),
    _addresses(
        "RFC 5322 §3.4: a comment is not part of the address; ours shows it as the name",
        "with a comment before",
    ),
    _addresses(
        "RFC 5322 §3.4: what is no address is shown as far as it can be read",
        "with an open comment",
        "without a local part in brackets",
        "with two at signs",
        "with dots at the ends",
        "with brackets left open",
        "list with semicolons",
        "group in a group",
        "with an old-style name",
        "with a quoted pair outside",
    ),
    _addresses("RFC 5322 §4.4: there may be blanks around dots", "with blanks around dots"),
    _addresses("RFC 5322 §4.4: empty places of a list mean nothing", "list with empty places"),
    _explained(
        "RFC 5322 §3.6: a field may stand once; ours shows the first, Dovecot the last",
        "fields twice",
        attributes=("ENVELOPE",),
    ),
    _explained(
        "RFC 9051 §9 (CHAR8): no string has a NUL; ours shows the octet 0x80, Dovecot a replacement "
        "character",
        "subject with NUL",
        attributes=("ENVELOPE",),
    ),
    _explained(
        "RFC 3516 §4.3: UNKNOWN-CTE is for an encoding that is not known; ours decodes what it can",
        "encoding of nothing",
        "base64 with garbage",
        "base64 without padding",
        "quoted-printable with garbage",
        attributes=("BINARY", "condition"),
    ),
)
