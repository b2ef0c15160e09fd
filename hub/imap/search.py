"""SEARCH and UID SEARCH (RFC 9051 §6.4.4), plain and extended."""

from __future__ import annotations

from hub.imap.command import Command, State
from hub.imap.enabled import Enabled
from hub.imap.replies import Reply
from hub.imap.results import answer, program_of, saving
from hub.imap.returns import ALL, read_returns
from hub.imap.searched import searched
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader


async def _search(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=False)


async def _uid_search(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=True)


async def _run(session: ImapSession, reader: Reader, *, by_uid: bool) -> Reply:
    reader.space()
    returns = read_returns(reader)
    if returns is None and Enabled.IMAP4REV2 in session.enabled:
        returns = ALL
    with saving(session, returns):
        program = program_of(session, reader)
        criteria = program.read()
        mailbox = searched(session, session.mailbox)
        found = sorted(await mailbox.find(criteria))
    return await answer(mailbox, found, program, returns, word=b"SEARCH", by_uid=by_uid)


COMMANDS = (
    Command("SEARCH", _search, State.SELECTED, renumbers=False, attended=True),
    Command("UID SEARCH", _uid_search, State.SELECTED, attended=True),
)
