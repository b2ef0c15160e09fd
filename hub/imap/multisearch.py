"""ESEARCH (RFC 7377): a search in several mailboxes, whichever of them is selected."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from hub.imap.command import Command, State
from hub.imap.contexts import Context, tell_refused
from hub.imap.criteria import Node
from hub.imap.enabled import Enabled
from hub.imap.filters import Filter
from hub.imap.place import Place
from hub.imap.places import still_readable
from hub.imap.program import Program
from hub.imap.render import string
from hub.imap.replies import NEEDS_MAILBOX, NO_LONGER_SHARED, Refused, Reply, bad, ok
from hub.imap.results import check_relevancy, keep_up_to_date, last_modseq, program_of, returns_of, saving
from hub.imap.returns import ALL, Returns, send_esearch
from hub.imap.searched import Searched, searched
from hub.imap.session import ImapSession
from hub.imap.sources import Source, places_of, read_sources
from hub.imap.tokens import Reader
from hub.imap.updates import enable_condstore
from hub.services.storage import MailboxMissing


async def _esearch(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    sources = read_sources(reader)
    returns = returns_of(session, reader) or ALL
    here = all(source.filter is Filter.SELECTED for source in sources)
    _check(session, sources, returns)
    if session.view is not None and not await still_readable(session):
        raise Refused(NO_LONGER_SHARED)
    with saving(session, returns):
        program = program_of(session, reader) if here else _program_for_any(session, reader)
        criteria = program.read()
        check_relevancy(program, returns)
        if program.with_modseq:
            enable_condstore(session)
        places = await places_of(session, sources)
        kept = await _search(session, places, program, criteria, returns)
    if b"UPDATE" in returns and not kept:
        tell_refused(session, session.tag, b"Only the selected mailbox is kept up to date")
    return ok(b"Done")


def _check(session: ImapSession, sources: Sequence[Source], returns: Returns) -> None:
    """BAD for what the session is not ready for (RFC 7377 §2.2)."""
    here = [source.filter is Filter.SELECTED for source in sources]
    if session.view is None and (any(here) or b"UPDATE" in returns):
        raise Refused(NEEDS_MAILBOX)
    if b"SAVE" in returns and not all(here):
        raise bad("SAVE is for the selected mailbox alone (RFC 7377 2.2)")


def _program_for_any(session: ImapSession, reader: Reader) -> Program:
    now = int(session.kernel.services.clock.time())
    return Program(reader, None, now, numbered=Enabled.UIDONLY not in session.enabled)


async def _search(
    session: ImapSession, places: Sequence[Place], program: Program, criteria: Node, returns: Returns
) -> bool:
    """Search one mailbox after the other; whether one of them is kept up to date, if that was asked for."""
    kept = False
    for done, place in enumerate(places):
        await session.progress(done, len(places))
        try:
            mailbox = _selected(session, place) or await _open(session, place)
            found = sorted(await mailbox.find(criteria))
        except MailboxMissing:
            continue  # somebody has just deleted it
        name, uidvalidity = session.name(place.name), place.mailbox.uidvalidity
        correlator = b"TAG %b MAILBOX %b UIDVALIDITY %d" % (string(session.tag), name, uidvalidity)
        await _tell(mailbox, found, program, returns, correlator)
        if b"UPDATE" in returns and _selected(session, place):
            context = Context(correlator, criteria, True, program.by_last, returns.attributes)
            await keep_up_to_date(mailbox, found, context, lasting=program.lasting)
            kept = True
    return kept


async def _tell(
    mailbox: Searched, found: Sequence[int], program: Program, returns: Returns, correlator: bytes
) -> None:
    """Save the result, tell it, or both; nothing is said of a mailbox in which nothing was found."""
    session, uids = mailbox.session, mailbox.uids
    if b"SAVE" in returns:
        session.mailbox.saved = array("I", sorted([uids[at] for at in returns.concerned(found)]))
    if not found or not returns.is_told:
        return
    numbers = [uids[at] for at in found]
    modseq = last_modseq(mailbox, found, program, returns)
    scores = await mailbox.relevancy(found) if b"RELEVANCY" in returns else ()
    await send_esearch(session.out, correlator, numbers, returns, by_uid=True, modseq=modseq, scores=scores)


def _selected(session: ImapSession, place: Place) -> Searched | None:
    """The mailbox as the client knows it, if it is the selected one."""
    view = session.view
    return None if view is None or place.mailbox.id != view.id else searched(session, view)


async def _open(session: ImapSession, place: Place) -> Searched:
    """A mailbox as it stands now. MailboxMissing."""
    mirror, end = await session.mirrors.open(place.mailbox, place.viewer, lambda: None)
    end()
    now = mirror.newest
    return Searched(session, mirror.id, now.uids, now.flags, now.modseqs)


COMMANDS = (Command("ESEARCH", _esearch, State.AUTHENTICATED, attended=True),)
