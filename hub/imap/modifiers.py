"""What stands in parentheses behind the attributes of a FETCH (RFC 4466 §2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from hub.imap.enabled import Enabled
from hub.imap.replies import bad
from hub.imap.resync import parse_modseq
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader


@dataclass(slots=True)
class Modifiers:
    """changed_since: only messages with a later modseq; vanished: and which have gone since (RFC 7162)."""

    changed_since: int | None = None
    vanished: bool = False


def parse_modifiers(reader: Reader, session: ImapSession, *, by_uid: bool) -> Modifiers:
    """The modifiers, none of them if the command ends here."""
    found = Modifiers()
    if reader.at_end():
        return found
    reader.space()
    reader.expect(b"(", "CHANGEDSINCE in parentheses")
    while True:
        word = reader.word("CHANGEDSINCE or VANISHED")
        if word == b"CHANGEDSINCE":
            reader.space()
            found.changed_since = parse_modseq(reader)
        elif word == b"VANISHED":
            found.vanished = True
        else:
            raise bad(f"FETCH has no modifier {word.decode()[:40]}")
        if reader.take(b")"):
            break
        reader.space()
    if found.vanished and not (by_uid and found.changed_since and Enabled.QRESYNC in session.enabled):
        raise bad("VANISHED belongs to UID FETCH with CHANGEDSINCE, after ENABLE QRESYNC (RFC 7162 3.2.6)")
    return found
