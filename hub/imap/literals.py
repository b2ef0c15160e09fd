"""The literals of a command: read into memory where they are small, read over where the command was
refused."""

from __future__ import annotations

from hub.imap.replies import BYE_TOO_MUCH, bad
from hub.imap.session import ImapSession
from hub.imap.tokens import LITERAL, Reader

_MAX_LITERALS = 1000


async def collect(session: ImapSession, reader: Reader) -> Reader:
    """The same command with all its literals; together they have as many octets as a line may have."""
    pieces: list[bytes] = [reader.line]
    literals: list[bytes] = []
    left = session.input.limit
    while found := LITERAL.search(pieces[-1]):
        size = int(found[1])
        left -= size + len(pieces[-1])
        if left < 0 or len(literals) >= _MAX_LITERALS:
            await discard(session, pieces[-1])
            raise bad(f"A literal of {size} octets is too large for this command")
        literals.append(await _literal(session, size, waits=not found[2]))
        pieces.append(await session.input.line())
    whole = Reader(pieces, literals, utf8=session.utf8)
    whole.at = reader.at
    return whole


async def collect_one(session: ImapSession, reader: Reader) -> Reader:
    """The same command with the literal that ends its line; for who reads the others itself."""
    found = LITERAL.search(reader.line)
    if found is None or int(found[1]) > session.input.limit:
        raise bad("A string in quotes or a small literal was expected")
    literal = await _literal(session, int(found[1]), waits=not found[2])
    whole = Reader([reader.line, await session.input.line()], [literal], utf8=session.utf8)
    whole.at = reader.at
    return whole


async def discard(session: ImapSession, line: bytes) -> None:
    """Read over what belongs to a refused command: literals that come unasked (RFC 7888 §4), and the
    lines behind them."""
    while (found := LITERAL.search(line)) and found[2]:
        if session.identity is None and int(found[1]) > session.input.limit:
            session.out.send(BYE_TOO_MUCH)
            session.ending = True
            return
        await session.input.skip(int(found[1]))
        line = await session.input.skip_line()


def invite(session: ImapSession) -> None:
    """Tell a client that waits to send its literal (RFC 3501 §7.5)."""
    session.out.send(b"+ Ready for the literal\r\n")
    session.out.flush()


async def _literal(session: ImapSession, size: int, *, waits: bool) -> bytes:
    if waits:
        invite(session)
    return await session.input.exactly(size)
