"""What stands in parentheses behind the attributes of a FETCH (RFC 4466 §2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from hub.imap.enabled import Enabled
from hub.imap.partial import Partial, parse_partial
from hub.imap.replies import bad
from hub.imap.resync import parse_modseq
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader


@dataclass(slots=True)
class Modifiers:
    """changed_since: only messages with a later modseq; vanished: and which have gone since (RFC 7162).
    partial: which of the messages alone (RFC 9394)."""

    changed_since: int | None = None
    vanished: bool = False
    partial: Partial | None = None


def parse_modifiers(reader: Reader, session: ImapSession, *, by_uid: bool) -> Modifiers:
    """The modifiers, none of them if the command ends here."""
    found = Modifiers()
    if reader.at_end():
        return found
    reader.space()
    reader.expect(b"(", "CHANGEDSINCE or PARTIAL in parentheses")
    while True:
        _modifier(found, reader, by_uid=by_uid)
        if reader.take(b")"):
            break
        reader.space()
    if found.vanished and not (by_uid and found.changed_since and Enabled.QRESYNC in session.enabled):
        raise bad("VANISHED belongs to UID FETCH with CHANGEDSINCE, after ENABLE QRESYNC (RFC 7162 3.2.6)")
    return found


def _modifier(found: Modifiers, reader: Reader, *, by_uid: bool) -> None:
    word = reader.word("CHANGEDSINCE, VANISHED or PARTIAL")
    if word == b"CHANGEDSINCE":
        reader.space()
        found.changed_since = parse_modseq(reader)
    elif word == b"VANISHED":
        found.vanished = True
    elif word == b"PARTIAL":
        if not by_uid:
            raise bad("PARTIAL belongs to UID FETCH (RFC 9394 3.3)")
        reader.space()
        found.partial = parse_partial(reader)
    else:
        raise bad(f"FETCH has no modifier {word.decode()[:40]}")
