"""THREAD and UID THREAD (RFC 5256 §3)."""

from __future__ import annotations

import asyncio
from types import MappingProxyType

from hub.imap.command import Command, State
from hub.imap.replies import EXPUNGE_ISSUED, Reply, bad, ok
from hub.imap.results import program_of
from hub.imap.searched import Searched, searched
from hub.imap.session import ImapSession
from hub.imap.sort import sent_dates
from hub.imap.threads import Algorithm, Threaded, by_references, by_subject, render
from hub.imap.tokens import Reader
from hub.services.summary import MessageColumn

_ALGORITHMS: MappingProxyType[bytes, Algorithm] = MappingProxyType(
    {b"ORDEREDSUBJECT": by_subject, b"REFERENCES": by_references}
)
_COLUMNS = (
    MessageColumn.INTERNAL_DATE,
    MessageColumn.SENT,
    MessageColumn.SUBJECT,
    MessageColumn.IS_REPLY,
    MessageColumn.HEADER_ID,
    MessageColumn.REFERENCES,
)
_PIECE = 4000


async def _thread(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=False)


async def _uid_thread(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=True)


async def _run(session: ImapSession, reader: Reader, *, by_uid: bool) -> Reply:
    reader.space()
    word = reader.word("the name of an algorithm")
    algorithm = _ALGORITHMS.get(word)
    if algorithm is None:
        raise bad(f"THREAD takes {b' or '.join(_ALGORITHMS).decode()}, not {word.decode()[:40]}")
    reader.space()
    program = program_of(session, reader)
    program.read_charset()
    criteria = program.read_keys()
    mailbox = searched(session, session.mailbox)
    found = await mailbox.load(_COLUMNS, await mailbox.find(criteria))
    pieces = await asyncio.to_thread(_threads, mailbox, sorted(found), algorithm, by_uid)
    session.out.send(b"* THREAD " if pieces else b"* THREAD")
    for piece in pieces:
        session.out.send(piece)
        await session.out.flow()
    session.out.send(b"\r\n")
    if mailbox.gone and not by_uid:
        return ok(b"Done, but some messages were expunged meanwhile", EXPUNGE_ISSUED.code)
    return ok(b"Done")


def _threads(mailbox: Searched, found: list[int], algorithm: Algorithm, by_uid: bool) -> list[bytes]:
    """The threads as octets, in a few pieces."""
    uids = [mailbox.uids[at] for at in found]
    numbers = uids if by_uid else [at + 1 for at in found]
    sent = sent_dates(mailbox, uids)
    subjects, replies, ids, references = (mailbox.column(column) for column in _COLUMNS[2:])
    messages = [
        Threaded(
            number,
            sent[uid],
            subjects[uid],
            replies[uid],
            ids[uid],
            references[uid].split(b"\n") if references[uid] else (),
        )
        for number, uid in zip(numbers, uids, strict=True)
    ]
    octets = [octets for root in algorithm(messages) for octets in render(root)]
    return [b"".join(octets[start : start + _PIECE]) for start in range(0, len(octets), _PIECE)]


COMMANDS = (
    Command("THREAD", _thread, State.SELECTED, renumbers=False, attended=True),
    Command("UID THREAD", _uid_thread, State.SELECTED, attended=True),
)
