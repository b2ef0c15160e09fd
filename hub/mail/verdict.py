"""What a plugin can say about a session, a transaction or a message.

Every class here checks itself when it is made, so that a plugin that returns nonsense fails in its own step
and never on the wire: texts are one line of printable characters, enhanced status codes are RFC 3463 codes
of the right class.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

_CODE = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}\Z")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}\Z")  # RFC 5322 §3.6.8
_MAX_LINE = 900
_MAX_FIELD = 16384
MAX_TEXT = 400  # octets; with the codes it stays inside the reply line of RFC 5321 §4.5.3.1.5


def _check_reply(code: str, text: str, classes: str, what: str) -> None:
    if not _CODE.match(code) or code[0] not in classes:
        raise ValueError(
            f"{what}: '{code}' is no enhanced status code of class {classes} (RFC 3463), like '{classes}.7.1'"
        )
    if not text.isprintable() or not 0 < len(text.encode()) <= MAX_TEXT:
        raise ValueError(
            f"{what}: the text must be one printable line of at most {MAX_TEXT} octets, not {text[:60]!r}"
        )


@dataclass(frozen=True, slots=True)
class Accept:
    """Stop asking further implementations.

    The core's own checks (relaying, recipients, size, quota) still follow.
    """


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse for good: an enhanced status code of class 5 (RFC 3463) and the sentence that the peer reads."""

    code: str
    text: str

    def __post_init__(self) -> None:
        _check_reply(self.code, self.text, "5", "Reject")


@dataclass(frozen=True, slots=True)
class Defer:
    """Refuse for now, the sender keeps the mail and tries again.

    A code of class 4 (RFC 3463) and a sentence.
    """

    code: str
    text: str

    def __post_init__(self) -> None:
        _check_reply(self.code, self.text, "4", "Defer")


@dataclass(frozen=True, slots=True)
class Junk:
    """Accept, but file it in the recipient's Junk mailbox."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Accept, but file it in the recipient's mailbox `Quarantine`, apart from Junk."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Ignore the scores of all findings; a Reject still rejects."""


Verdict: TypeAlias = Accept | Reject | Defer
Action: TypeAlias = Reject | Defer | Junk | Quarantine | Trust


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found in one message.

    score: added to the message's score; positive is suspicious. action: what this check asks for by itself.
    reasons: short texts for the log and the trace, never for the peer. headers: (name, value) pairs that
    the core puts on top of the message when it is accepted; a value may be folded, by CRLF and a blank.
    removes: fields of the message that it is kept without, by their number in `message.headers.fields`.
    """

    score: float = 0.0
    action: Action | None = None
    reasons: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=())
    removes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not -1e6 < self.score < 1e6:  # also refuses NaN
            raise ValueError(f"Finding: the score {self.score!r} is not a number between -1e6 and 1e6")
        for name, value in self.headers:
            if not _FIELD_NAME.match(name):
                raise ValueError(f"Finding: {name!r} is not a header field name (RFC 5322 §2.2)")
            if not _is_field_value(value):
                raise ValueError(
                    f"Finding: the value of {name} must be printable, in lines of at most {_MAX_LINE} "
                    "octets, each but the first behind CRLF and a blank"
                )


def _is_field_value(value: str) -> bool:
    first, *folded = value.split("\r\n")
    lines = [first, *(line[1:] for line in folded)]
    return (
        len(value) <= _MAX_FIELD
        and all(line.isprintable() and len(line.encode()) <= _MAX_LINE for line in lines)
        and all(line[:1] in (" ", "\t") and line.strip() for line in folded)  # RFC 5322 §2.2.3, §4.2
    )
