"""From the messages that were found to what the client gets: numbers, modseqs, and what `$` stands for."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hub.imap.program import Program
from hub.imap.render import string
from hub.imap.replies import EXPUNGE_ISSUED, Refused, Reply, ok
from hub.imap.returns import Returns, send_esearch, send_numbers
from hub.imap.searched import Searched
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.imap.updates import enable_condstore


def program_of(session: ImapSession, reader: Reader) -> Program:
    """What reads the criteria of a command about the selected mailbox."""
    return Program(reader, session.mailbox, int(session.kernel.services.clock.time()))


@contextmanager
def saving(session: ImapSession, returns: Returns | None) -> Iterator[None]:
    """A search that cannot be done leaves nothing saved, if it was to save (RFC 5182 §2.1)."""
    try:
        yield
    except Refused as refused:
        if returns is not None and b"SAVE" in returns and refused.reply.condition == b"NO":
            session.mailbox.saved = ()
        raise


async def answer(
    mailbox: Searched,
    order: Sequence[int],
    program: Program,
    returns: Returns | None,
    *,
    word: bytes,
    by_uid: bool,
) -> Reply:
    """Tell the result, save it, or both. order: indexes; word: of the response without RETURN."""
    session, uids = mailbox.session, mailbox.uids
    if program.with_modseq:
        enable_condstore(session)
    concerned = order if returns is None else returns.concerned(order)
    modseq = max((mailbox.modseqs[at] for at in concerned), default=0) if program.with_modseq else 0
    numbers = [uids[at] for at in order] if by_uid else [at + 1 for at in order]
    if returns is None:
        await send_numbers(session.out, word, numbers, modseq)
    else:
        if b"SAVE" in returns:
            session.mailbox.saved = array("I", sorted([uids[at] for at in concerned]))
        if returns.is_told:
            correlator = b"TAG " + string(session.tag)
            await send_esearch(session.out, correlator, numbers, returns, by_uid=by_uid, modseq=modseq)
    if mailbox.gone and not by_uid:
        return ok(b"Done, but some messages were expunged meanwhile", EXPUNGE_ISSUED.code)
    return ok(b"Done")
