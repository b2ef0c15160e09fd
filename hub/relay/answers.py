"""What another server said, or what kept it from saying anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ENHANCED: Final = re.compile(r"#?([245]\.\d{1,3}\.\d{1,3})(?:\s+|\Z)")
MAX_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply (RFC 5321 §4.2). enhanced: its code of RFC 3463, or the class of the basic code with `.0.0`.

    host: who said it, empty if that is ourselves.
    """

    code: int
    enhanced: str
    text: str
    host: str = ""

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.code < 300

    @property
    def is_permanent(self) -> bool:
        """5xx: trying again is of no use."""
        return self.code >= 500

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


def parse(code: int, lines: list[str], host: str) -> Answer:
    """An answer out of the lines of a reply, without their codes."""
    found = _ENHANCED.match(lines[0])
    enhanced = found[1] if found and found[1][0] == str(code)[0] else f"{min(max(code // 100, 2), 5)}.0.0"
    text = " ".join(line.removeprefix("#").removeprefix(enhanced).strip() for line in lines)
    return Answer(code, enhanced, "".join(c if c.isprintable() else "?" for c in text)[:MAX_TEXT], host)


def failed(enhanced: str, text: str, host: str = "") -> Answer:
    """What we found out ourselves, as a reply of that class."""
    return Answer({"4": 450, "5": 550}[enhanced[0]], enhanced, text[:MAX_TEXT], host)
