"""What stands in parentheses behind the attributes of a FETCH (RFC 4466 §2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from hub.imap.partial import Partial, parse_partial
from hub.imap.replies import bad
from hub.imap.tokens import Reader


@dataclass(slots=True)
class Modifiers:
    """partial: which of the messages alone (RFC 9394)."""

    partial: Partial | None = None


def parse_modifiers(reader: Reader, *, by_uid: bool) -> Modifiers:
    """The modifiers, none of them if the command ends here."""
    found = Modifiers()
    if reader.at_end():
        return found
    reader.space()
    reader.expect(b"(", "PARTIAL in parentheses")
    while True:
        word = reader.word("PARTIAL")
        if word == b"PARTIAL":
            if not by_uid:
                raise bad("PARTIAL belongs to UID FETCH (RFC 9394 3.3)")
            reader.space()
            found.partial = parse_partial(reader)
        else:
            raise bad(f"FETCH has no modifier {word.decode()[:40]}")
        if reader.take(b")"):
            break
        reader.space()
    return found
