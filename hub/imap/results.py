"""From the messages that were found to what the client gets: numbers, modseqs, what `$` stands for, and what
it is kept up to date with."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hub.imap.contexts import Context, Contexts, Entries, tell_refused
from hub.imap.criteria import Node
from hub.imap.program import Program
from hub.imap.render import string
from hub.imap.replies import EXPUNGE_ISSUED, Refused, Reply, bad, ok
from hub.imap.returns import Returns, read_returns, send_esearch, send_numbers
from hub.imap.searched import Searched
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.imap.updates import enable_condstore


def program_of(session: ImapSession, reader: Reader) -> Program:
    """What reads the criteria of a command about the selected mailbox."""
    return Program(reader, session.mailbox, int(session.kernel.services.clock.time()))


def returns_of(session: ImapSession, reader: Reader) -> Returns | None:
    """The options of RETURN, None if they are not there. BAD, also for an UPDATE under a tag that tells of
    another one already (RFC 5267 §4.3)."""
    returns = read_returns(reader)
    contexts = None if session.view is None else session.view.contexts
    if returns is not None and b"UPDATE" in returns and contexts is not None and session.tag in contexts:
        raise bad("A command with this tag is kept up to date already (RFC 5267 4.3)")
    return returns


def check_relevancy(program: Program, returns: Returns | None, *, sorts: bool = False) -> None:
    """BAD for RELEVANCY where nothing is scored (RFC 6203 §4, §6). sorts: it is a key to sort by."""
    if (sorts or (returns is not None and b"RELEVANCY" in returns)) and not program.with_fuzzy:
        raise bad("RELEVANCY belongs to a search with FUZZY (RFC 6203 4)")


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
    criteria: Node,
    returns: Returns | None,
    *,
    word: bytes,
    by_uid: bool,
    entries: Entries | None = None,
) -> Reply:
    """Tell the result, save it, keep it up to date. order: indexes; word: of the response without RETURN.
    entries: of what is sorted."""
    session, uids = mailbox.session, mailbox.uids
    if program.with_modseq:
        enable_condstore(session)
    modseq = last_modseq(mailbox, order, program, returns)
    numbers = [uids[at] for at in order] if by_uid else [at + 1 for at in order]
    if returns is None:
        await send_numbers(session.out, word, numbers, modseq)
    else:
        if b"SAVE" in returns:
            session.mailbox.saved = array("I", sorted([uids[at] for at in returns.concerned(order)]))
        correlator = b"TAG " + string(session.tag)
        if returns.is_told:
            scores = await mailbox.relevancy(order) if b"RELEVANCY" in returns else ()
            await send_esearch(
                session.out, correlator, numbers, returns, by_uid=by_uid, modseq=modseq, scores=scores
            )
        if b"UPDATE" in returns:
            context = Context(
                correlator, criteria, by_uid, program.by_last, returns.attributes, entries=entries
            )
            await keep_up_to_date(mailbox, order, context, lasting=program.lasting)
    if mailbox.gone and not by_uid:
        return ok(b"Done, but some messages were expunged meanwhile", EXPUNGE_ISSUED.code)
    return ok(b"Done")


def last_modseq(mailbox: Searched, order: Sequence[int], program: Program, returns: Returns | None) -> int:
    """The highest modseq of the messages that are told of, 0 if nobody has asked (RFC 7162 §3.1.5)."""
    if not program.with_modseq:
        return 0
    concerned = order if returns is None else returns.concerned(order)
    return max((mailbox.modseqs[at] for at in concerned), default=0)


async def keep_up_to_date(
    mailbox: Searched, order: Sequence[int], context: Context, *, lasting: bool
) -> None:
    """Keep the search as long as its mailbox is selected, or tell the client that it is not kept.

    lasting: it finds the same for as long as no message changes.
    """
    session = mailbox.session
    view = session.mailbox
    contexts = view.contexts = view.contexts or Contexts()
    if not lasting:
        tell_refused(session, session.tag, b"What is found changes with time or other messages")
    elif not contexts.has_room(len(order)):
        tell_refused(session, session.tag, b"Too many results are kept up to date; CANCELUPDATE ends some")
    else:
        await context.fill(mailbox, order)
        contexts.keep(session.tag, context)
