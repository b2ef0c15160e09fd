"""SEARCH and UID SEARCH (RFC 9051 §6.4.4), plain and extended; CANCELUPDATE (RFC 5267 §4.3.5)."""

from __future__ import annotations

from hub.imap.command import Command, State
from hub.imap.enabled import Enabled
from hub.imap.replies import Reply, no, ok
from hub.imap.results import answer, check_relevancy, program_of, returns_of, saving
from hub.imap.returns import ALL
from hub.imap.searched import searched
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader


async def _search(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=False)


async def _uid_search(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=True)


async def _run(session: ImapSession, reader: Reader, *, by_uid: bool) -> Reply:
    reader.space()
    returns = returns_of(session, reader)
    if returns is None and Enabled.IMAP4REV2 in session.enabled:
        returns = ALL
    with saving(session, returns):
        program = program_of(session, reader)
        criteria = program.read()
        check_relevancy(program, returns)
        mailbox = searched(session, session.mailbox)
        found = sorted(await mailbox.find(criteria))
    return await answer(mailbox, found, program, criteria, returns, word=b"SEARCH", by_uid=by_uid)


async def _cancel_update(session: ImapSession, reader: Reader) -> Reply:
    tags: list[bytes] = []
    while not reader.at_end() or not tags:
        reader.space()
        tags.append(reader.string("the tag of a search in quotes"))
    contexts = session.mailbox.contexts
    if contexts is None or any(tag not in contexts for tag in tags):
        raise no(b"No search with such a tag is kept up to date, or no longer")
    for tag in set(tags):
        contexts.cancel(tag)
    return ok(b"No further updates")


COMMANDS = (
    Command("SEARCH", _search, State.SELECTED, renumbers=False, attended=True),
    Command("UID SEARCH", _uid_search, State.SELECTED, attended=True),
    Command("CANCELUPDATE", _cancel_update, State.SELECTED),
)
