"""TRANSACTION: looking at the maildrop, and UPDATE, in which it changes (RFC 1939 §5 to §7)."""

from collections.abc import Callable
from typing import Final

from hub import BlobGone, ChangeKind, MailboxMissing
from hub_plugin_pop3.dialogue import Answer, BadCommand, Dialogue
from hub_plugin_pop3.downgrade import downgraded, is_international
from hub_plugin_pop3.login import capabilities, lang
from hub_plugin_pop3.replies import err, ok
from hub_plugin_pop3.wire import send, top

BATCH: Final = 1000
"""Lines of a list that are made together."""


async def _stat(dialogue: Dialogue, rest: str) -> bytes:
    return ok(f"{dialogue.maildrop.count} {dialogue.maildrop.octets}")


async def _list(dialogue: Dialogue, rest: str) -> bytes:
    drop = dialogue.maildrop
    intro = f"{drop.count} messages ({drop.octets} octets)"
    return await _scan(dialogue, rest, intro, lambda number: str(drop.sizes[number - 1]))


async def _uidl(dialogue: Dialogue, rest: str) -> bytes:
    return await _scan(dialogue, rest, "The unique ids", dialogue.maildrop.unique_id)


async def _scan(dialogue: Dialogue, rest: str, intro: str, say: Callable[[int], str]) -> bytes:
    """What is said of one message, or of each on a line."""
    drop, session = dialogue.maildrop, dialogue.session
    if rest:
        number = drop.find(rest)
        return ok(f"{number} {say(number)}")
    session.write(ok(intro))
    lines: list[str] = []
    for number in drop.numbers:
        lines.append(f"{number} {say(number)}\r\n")
        if len(lines) == BATCH:
            session.write("".join(lines).encode())
            lines.clear()
            await session.flow()
    return "".join(lines).encode() + b".\r\n"


async def _retr(dialogue: Dialogue, rest: str) -> bytes:
    drop = dialogue.maildrop
    if not rest:
        raise BadCommand("it is written: RETR number")
    number = drop.find(rest)
    return await _send(dialogue, number, None, f"{drop.sizes[number - 1]} octets")


async def _top(dialogue: Dialogue, rest: str) -> bytes:
    words = rest.split(" ")
    if len(words) != 2 or not (words[1].isascii() and words[1].isdecimal() and len(words[1]) < 12):
        raise BadCommand("it is written: TOP number lines")
    return await _send(dialogue, dialogue.maildrop.find(words[0]), int(words[1]), "The top of it")


async def _send(dialogue: Dialogue, number: int, lines: int | None, intro: str) -> bytes:
    """Send a message, or the top of it; what is left of the answer is nothing."""
    try:
        message = await dialogue.maildrop.read(number)
        pieces = message.chunks() if lines is None else top(message, lines)
        if not dialogue.utf8 and is_international(message.headers.block):
            pieces = downgraded(message.headers, pieces)
        first = await anext(pieces, b"")
    except BlobGone:
        return err(f"Message {number} cannot be read now", "SYS/TEMP")
    dialogue.session.write(ok(intro))
    await send(dialogue.session, first, pieces)
    return b""


async def _dele(dialogue: Dialogue, rest: str) -> bytes:
    number = dialogue.maildrop.find(rest)
    dialogue.maildrop.deleted.add(number)
    return ok(f"Message {number} is removed when you say QUIT")


async def _rset(dialogue: Dialogue, rest: str) -> bytes:
    dialogue.maildrop.deleted.clear()
    return await _stat(dialogue, rest)


async def _noop(dialogue: Dialogue, rest: str) -> bytes:
    return ok()


async def _quit(dialogue: Dialogue, rest: str) -> bytes:
    """UPDATE (RFC 1939 §6). Who ends otherwise has removed nothing."""
    dialogue.over, drop, session = True, dialogue.maildrop, dialogue.session
    try:
        gone = await drop.update()
    except MailboxMissing:
        gone = ()
    except Exception as error:
        dialogue.plugin.log.error("messages were not removed", reason=f"{type(error).__name__}: {error}")
        return err("Nothing was removed, try again later", "SYS/TEMP")
    if gone:
        account = drop.mail.account
        await dialogue.plugin.call(
            "mailbox_changed",
            session=session,
            account=account,
            mailbox=drop.inbox.name,
            kind=ChangeKind.EXPUNGED,
            uids=tuple(gone),
        )
    return ok(f"Goodbye, {len(gone)} removed")


async def _capa(dialogue: Dialogue, rest: str) -> bytes:
    return capabilities(dialogue)


COMMANDS: Final[dict[str, Answer]] = {
    "STAT": _stat,
    "LIST": _list,
    "RETR": _retr,
    "DELE": _dele,
    "NOOP": _noop,
    "RSET": _rset,
    "TOP": _top,
    "UIDL": _uidl,
    "LANG": lang,
    "CAPA": _capa,
    "QUIT": _quit,
}
