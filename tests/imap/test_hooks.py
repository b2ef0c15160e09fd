"""What plugins may say about commands, and what they are told."""

from __future__ import annotations

import asyncio

import pytest

from hub.mail.stash import StashKey
from tests.imap.conftest import ImapHub, OpenHub

RECORDER = '''
"""Keep everything that it is told."""
import asyncio
from hub import StashKey, hookimpl

SEEN = StashKey()

@hookimpl
async def plugin_start(plugin):
    plugin.stash[SEEN] = asyncio.Queue()

@hookimpl
async def session_opened(plugin, session):
    plugin.stash[SEEN].put_nowait(("opened", session.protocol, session.peer[0], session.listener))

@hookimpl
async def session_closed(plugin, session):
    plugin.stash[SEEN].put_nowait(("closed", session.identity.login))

@hookimpl
async def mailbox_changed(plugin, account, mailbox, kind, uids):
    plugin.stash[SEEN].put_nowait((kind.value, mailbox, uids))
'''

JUDGE = '''
"""Refuse some commands."""
from hub import Defer, Reject, hookimpl

@hookimpl
async def imap_command(session, name):
    if name == "UID COPY":
        return Reject("5.7.1", "nobody copies here — ever")
    if name == "CREATE":
        return Defer("4.3.0", "no new mailboxes during the backup")
    if name == "DELETE":
        raise RuntimeError("a secret")
    if name in ("NOOP", "LOGOUT", "CAPABILITY"):
        return Reject("5.7.1", "never asked")
'''


def seen(hub: ImapHub) -> asyncio.Queue[tuple[object, ...]]:
    """What the recorder was told."""
    key: StashKey[asyncio.Queue[tuple[object, ...]]] = StashKey()
    key.bind("recorder.SEEN", "recorder")
    return hub.kernel.generations.current.plugins["recorder"].stash[key]


async def test_every_change_is_told_with_its_uids(open_hub: OpenHub) -> None:
    hub = await open_hub(plugins={"recorder": RECORDER})
    async with await hub.logged_in() as client:
        await client.append("INBOX", b"one")
        await client.append("INBOX", b"two")
        for command in (
            "SELECT INBOX",
            "FETCH 1 BODY[]",
            "UID STORE 1:2 +FLAGS (\\Deleted)",
            "COPY 2 Archive",
            "EXPUNGE",
            "CREATE new",
            "SUBSCRIBE new",
            "UNSUBSCRIBE new",
            "RENAME new newer",
            "DELETE newer",
            "LOGOUT",
        ):
            await client.ok(command)
    async with asyncio.timeout(10):
        told = [await seen(hub).get() for _ in range(13)]
    assert told == [
        ("opened", "imap", "127.0.0.1", "imap"),
        ("appended", "INBOX", (1,)),
        ("appended", "INBOX", (2,)),
        ("flagged", "INBOX", (1,)),
        ("flagged", "INBOX", (1, 2)),
        ("appended", "Archive", (1,)),
        ("expunged", "INBOX", (1, 2)),
        ("created", "new", ()),
        ("subscribed", "new", ()),
        ("unsubscribed", "new", ()),
        ("renamed", "newer", ()),
        ("deleted", "newer", ()),
        ("closed", "alice@example.test"),
    ]


async def test_a_plugin_may_refuse_a_command(open_hub: OpenHub) -> None:
    hub = await open_hub(plugins={"judge": JUDGE})
    async with await hub.logged_in(mailbox="INBOX") as client:
        assert await client.command("UID COPY 1 Archive") == [b"NO nobody copies here ? ever"]
        assert await client.command("CREATE x") == [b"NO [UNAVAILABLE] no new mailboxes during the backup"]
        assert await client.command("DELETE nothing") == [
            b"NO [NONEXISTENT] There is no mailbox of that name"
        ]
        for asked_never in ("NOOP", "CAPABILITY", "LOGOUT"):
            await client.ok(asked_never)


async def test_a_command_pins_its_generation_and_idle_pins_none(open_hub: OpenHub) -> None:
    hub = await open_hub()
    generations = hub.kernel.generations
    async with await hub.logged_in(mailbox="INBOX") as client:
        client.write(b"a1 APPEND INBOX {10+}\r\n12345")
        await client.writer.drain()
        while not generations.pinned(generations.current):
            await asyncio.sleep(0)
        client.write(b"67890\r\n")
        await client.answer(b"a1")
        client.write(b"a2 IDLE\r\n")
        assert (await client.line()).startswith(b"+ ")
        assert not generations.pinned(generations.current)


async def test_an_error_inside_is_logged_and_never_shown(
    imap: ImapHub, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = imap.kernel.services.storage

    class Broken:
        def __getattr__(self, name: str) -> object:
            if name == "mailboxes":
                raise RuntimeError("a secret")
            return getattr(storage, name)

    async with await imap.logged_in() as client:
        imap.kernel.services.storage = Broken()  # type: ignore[assignment]
        try:
            answer = await client.command('LIST "" *')
            assert answer == [b"NO [SERVERBUG] Something went wrong in the server; it is in its log"]
            await client.ok("NOOP")
        finally:
            imap.kernel.services.storage = storage
    logged = capsys.readouterr().out
    assert "a command failed" in logged
    assert "RuntimeError: a secret" in logged


async def test_the_trace_of_a_session_is_handed_on_at_its_end(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        assert len(imap.kernel.sessions) == 1
        await client.command("NONSENSE")
        await client.ok("LOGOUT")
    await imap.ended.wait()
    assert not imap.kernel.sessions
    records, _ = imap.traces[0].take()
    found = [(record[2], record[3], record[5]) for record in records]
    assert found[0] == ("session", "imap", "opened")
    assert ("command", "LOGIN", "OK") in found
    assert ("command", "SELECT", "OK") in found
    assert ("command", "NONSENSE", "BAD") in found
    assert found[-2:] == [("command", "LOGOUT", "OK"), ("session", "imap", "closed")]


DOORKEEPER = '''
"""Say who may come in."""
from hub import Defer, Reject, hookimpl

ANSWERS = [Reject("5.7.1", "nobody comes in — ever"), Defer("4.7.0", "come back tomorrow"), "broken", None]

@hookimpl
async def imap_connect(session):
    assert session.identity is None
    answer = ANSWERS.pop(0)
    if answer == "broken":
        raise RuntimeError("a secret")
    return answer
'''


async def test_a_client_that_is_not_wanted_is_told_so_and_no_more(open_hub: OpenHub) -> None:
    hub = await open_hub(plugins={"doorkeeper": DOORKEEPER})
    for words in (b"* BYE nobody comes in ? ever\r\n", b"* BYE [UNAVAILABLE] come back tomorrow\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        assert await reader.read() == words
        writer.close()
        await writer.wait_closed()
    for _ in range(2):  # a plugin that fails keeps nobody out
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(b"a LOGIN alice@example.test demo\r\nb LOGOUT\r\n")
        writer.write_eof()
        lines = (await reader.read()).splitlines()
        assert [line.split(b" ")[0] for line in lines] == [b"*", b"a", b"*", b"b"]
        assert lines[0].startswith(b"* OK [CAPABILITY ")
        writer.close()
        await writer.wait_closed()


CENSOR = '''
"""Say what may be uploaded."""
from hub import Defer, Reject, hookimpl

@hookimpl
async def imap_append(session, account, mailbox, flags, message):
    subject = message.headers.get("Subject")
    if subject == "refused":
        octets = sum(len(chunk) for chunk in message.chunks())
        return Reject("5.7.1", f"{mailbox} {' '.join(sorted(flags))} {message.size} {octets}")
    if subject == "deferred":
        return Defer("4.3.0", "not now")
    if subject == "broken":
        raise RuntimeError("a secret")
'''


async def test_a_plugin_may_refuse_what_a_client_uploads(open_hub: OpenHub) -> None:
    hub = await open_hub(plugins={"censor": CENSOR})
    async with await hub.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", b"Subject: fine\r\n\r\n")
        for size in (100, 300 << 10):
            message = b"Subject: refused\r\n\r\n".ljust(size, b"x")
            refused = await client.command(b"APPEND Drafts (\\Seen) {%d+}\r\n%b" % (size, message))
            assert refused == [b"NO Drafts \\Seen %d %d" % (size, size)]
        text = b"Subject: deferred\r\n\r\n"
        assert await client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(text), text)) == [
            b"NO [UNAVAILABLE] not now"
        ]
        fine = b"Subject: fine\r\n\r\n"
        both = b"{%d+}\r\n%b {%d+}\r\n%b" % (len(fine), fine, len(text), text)
        assert await client.command(b"APPEND INBOX " + both) == [b"NO [UNAVAILABLE] not now"]
        refused = await client.command(b"REPLACE 1 INBOX {%d+}\r\n%b" % (len(text), text))
        assert refused == [b"NO [UNAVAILABLE] not now"]
        await client.append("INBOX", b"Subject: broken\r\n\r\n")  # a plugin that fails turns nothing away
        (told,) = await client.ok("STATUS INBOX (MESSAGES)")
        assert told == b"* STATUS INBOX (MESSAGES 2)"
        assert await client.ok("STATUS Drafts (MESSAGES)") == [b"* STATUS Drafts (MESSAGES 0)"]
