"""Many sessions on one mailbox: each client is told what lets it know the mailbox, and nothing too early."""

from __future__ import annotations

import asyncio
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.load import load
from hub.config.tables.listeners import Listener
from hub.imap import mirror
from hub.imap.connection import WRITE_BUFFER, Connection
from hub.imap.contents import SMALL
from hub.imap.events import MAX_PENDING, Event, Group, Known, Notification
from hub.imap.filters import Filter
from hub.imap.mirror import Mirrors
from hub.imap.output import _FLUSH_AT
from hub.imap.server import factory
from hub.imap.session import ImapSession
from hub.loading.kernel import Kernel
from hub.loading.loader import Loader
from hub.services.clock import SystemClock
from hub.services.log import ChangeKind, LogEntry
from hub.services.storage import FlagMode
from hub.tls.engine import Engine
from hub.tls.tickets import Tickets
from tests.imap.conftest import Client, ImapHub, OpenHub, _hub
from tests.property.growth import few

FETCH = re.compile(rb"\* (\d+) FETCH \((?:UID (\d+) ?)?(?:FLAGS \(([^)]*)\))?\)")


@dataclass
class Knowledge:
    """What a client knows: (UID, flags) by sequence number, None for what it was not told yet."""

    messages: list[tuple[int | None, frozenset[bytes] | None]] = field(default_factory=list)

    def take(self, line: bytes, *, renumbers: bool) -> None:
        """One untagged response, which must make sense."""
        words = line.split()
        if line.endswith(b" EXISTS"):
            assert int(words[1]) >= len(self.messages), line
            self.messages += [(None, None)] * (int(words[1]) - len(self.messages))
        elif line.endswith(b" EXPUNGE"):
            assert renumbers, line
            del self.messages[int(words[1]) - 1]
        elif b" FETCH (" in line:
            found = FETCH.fullmatch(line)
            assert found, line
            at = int(found[1]) - 1
            uid, flags = self.messages[at]
            assert found[2] is None or uid is None or uid == int(found[2]), line
            uid = int(found[2]) if found[2] else uid
            self.messages[at] = uid, flags if found[3] is None else frozenset(found[3].split())


@dataclass
class Player:
    """A client, and what it knows."""

    client: Client
    known: Knowledge = field(default_factory=Knowledge)

    async def do(self, command: str, *, renumbers: bool = True) -> None:
        *lines, last = await self.client.command(command)
        assert last.startswith((b"OK", b"NO [EXPUNGEISSUED]")), (command, last)
        for line in lines:
            self.known.take(line, renumbers=renumbers)

    async def play(self, move: str, pick: int) -> None:
        number = pick % len(self.known.messages) + 1 if self.known.messages else 0
        if move == "append":
            await self.do(f"APPEND m {{3+}}\r\n{pick:03}")
        elif move in ("noop", "expunge"):
            await self.do(move)
        elif move == "idle":
            self.client.write(b"i IDLE\r\n")
            while not (line := await self.client.line()).startswith(b"+"):
                self.known.take(line, renumbers=True)
            self.client.write(b"DONE\r\n")
            for line in (await self.client.answer(b"i"))[:-1]:
                self.known.take(line, renumbers=True)
        elif number and move == "fetch":
            await self.do(f"FETCH {number}:* (UID FLAGS)", renumbers=False)
        elif number and move == "uid fetch":
            await self.do("UID FETCH 1:* (FLAGS)")
        elif number and move == "store":
            await self.do(f"STORE {number} +FLAGS (\\Flagged)", renumbers=False)
        elif number and move == "unstore":
            await self.do(f"STORE {number}:* -FLAGS (\\Flagged)", renumbers=False)
        elif number and move == "silent":
            await self.do(f"STORE {number} FLAGS.SILENT (\\Seen)", renumbers=False)
            uid, _ = self.known.messages[number - 1]
            self.known.messages[number - 1] = uid, None
        elif number and move == "delete":
            await self.do(f"UID STORE {self.known.messages[number - 1][0] or 1} +FLAGS (\\Deleted)")
        elif number and move == "copy":
            await self.do(f"COPY {number} m")


MOVES = (
    "append", "noop", "expunge", "idle", "fetch", "uid fetch", "store", "unstore", "silent", "delete", "copy",
)  # fmt: skip
ROUNDS = st.lists(
    st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 9)), min_size=3, max_size=3), max_size=12
)


async def play(hub: ImapHub, rounds: Sequence[Sequence[tuple[str, int]]]) -> None:
    """Three clients, each of which does one thing in each round, at the same time as the others."""
    players = [Player(await hub.logged_in()) for _ in range(3)]
    try:
        await players[0].client.command("DELETE m")
        await players[0].client.ok("CREATE m")
        for player in players:
            await player.client.ok("SELECT m")
        for moves in ([("append", 1)] * 3, *rounds):
            await asyncio.gather(*[p.play(*move) for p, move in zip(players, moves, strict=True)])
        for player in players:
            await player.do("NOOP")
        truth = await players[0].client.ok("FETCH 1:* (UID FLAGS)") if players[0].known.messages else []
        for player in players:
            assert len(player.known.messages) == len(truth)
            for (uid, flags), line in zip(player.known.messages, truth, strict=True):
                found = FETCH.fullmatch(line)
                assert found
                assert uid in (None, int(found[2]))
                assert flags in (None, frozenset((found[3] or b"").split())), line
    finally:
        for player in players:
            await player.client.close()


@pytest.mark.proves("imap: sequence numbers are right after every response, whatever other sessions do")
def test_whatever_others_do_each_client_knows_the_mailbox(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = _hub(tmp_path, "", {}, None)
        hub = runner.run(opened.__aenter__())

        @few
        @given(ROUNDS)
        def check(rounds: list[list[tuple[str, int]]]) -> None:
            runner.run(play(hub, rounds))

        try:
            check()
        finally:
            runner.run(opened.__aexit__(None, None, None))


# -- what is shared


class Counting:
    """Passes everything on and counts what is asked."""

    def __init__(self, driver: object) -> None:
        self._driver = driver
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        self.calls[name] += 1
        return getattr(self._driver, name)


def mirrors(hub: ImapHub) -> Mirrors:
    found = hub.kernel.shared["imap"]
    assert isinstance(found, Mirrors)
    return found


def connections(hub: ImapHub) -> list[Connection]:
    return [each for each in hub.kernel.connections._open if isinstance(each, Connection)]


@pytest.mark.proves("imap: a mailbox is read once for all sessions of a process that have it open")
async def test_a_mailbox_is_read_once_for_all_sessions(imap: ImapHub) -> None:
    async with await imap.logged_in() as writer:
        for number in range(5):
            await writer.append("INBOX", b"number %d" % number)
        services = imap.kernel.services
        counting = services.storage = Counting(services.storage)  # type: ignore[assignment]
        clients = [await imap.logged_in(mailbox="INBOX") for _ in range(10)]
        assert counting.calls["states"] == 1
        views = [each.session.view for each in connections(imap) if each.session.view is not None]
        assert len({id(view.uids) for view in views}) == 1
        for client in clients:
            client.write(b"i IDLE\r\n")
            assert (await client.line()).startswith(b"+ ")
        counting.calls.clear()
        await writer.append("INBOX", b"one more")
        for client in clients:
            assert await client.line() == b"* 6 EXISTS"
        assert counting.calls["changes"] == 1
        for client in clients:
            await client.close()


async def test_a_mailbox_that_was_open_a_moment_ago_is_not_read_again(imap: ImapHub) -> None:
    async with await imap.logged_in() as writer:
        await writer.append("INBOX", b"one")
        await (await imap.logged_in(mailbox="INBOX")).close()
        await writer.append("INBOX", b"two")
        services = imap.kernel.services
        counting = services.storage = Counting(services.storage)  # type: ignore[assignment]
        async with await imap.logged_in() as client:
            assert b"* 2 EXISTS" in await client.ok("SELECT INBOX")
        assert not counting.calls["states"]
        counting.calls.clear()
        async with await imap.logged_in(mailbox="INBOX"):
            assert not counting.calls["changes"]


async def test_the_mailboxes_that_were_open_longest_ago_are_forgotten(
    imap: ImapHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "REMEMBERED", 3)  # a mailbox counts for one message more than it has
    async with await imap.logged_in() as client:
        await client.append("INBOX", b"one")
        services = imap.kernel.services
        counting = services.storage = Counting(services.storage)  # type: ignore[assignment]
        for name, is_read in (
            *(("INBOX", True), ("Sent", True), ("INBOX", False), ("Trash", True)),
            *(("Sent", True), ("Trash", False), ("INBOX", True)),
        ):
            counting.calls.clear()
            await client.ok(f"SELECT {name}")
            await client.ok("UNSELECT")
            assert bool(counting.calls["states"]) is is_read


async def test_the_first_unseen_message_is_told_as_flags_change(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        for number in range(3):
            await client.append("INBOX", b"number %d" % number)
        await client.ok("SELECT INBOX")
        await client.ok("STORE 1 +FLAGS (\\Seen)")
        for _ in range(2):
            assert b"* OK [UNSEEN 2] The first unseen message" in await client.ok("SELECT INBOX")
        await client.ok("STORE 2:3 +FLAGS (\\Seen)")
        assert not [line for line in await client.ok("SELECT INBOX") if b"UNSEEN" in line]


async def test_what_a_session_has_stored_is_not_read_again(imap: ImapHub) -> None:
    async with await imap.logged_in() as client, await imap.logged_in() as other:
        for number in range(5):
            await client.append("INBOX", b"number %d" % number)
        await client.ok("SELECT INBOX")
        await other.ok("SELECT INBOX")
        await client.ok("NOOP")
        services = imap.kernel.services
        counting = services.storage = Counting(services.storage)  # type: ignore[assignment]
        assert len(await client.ok("STORE 1:* +FLAGS (\\Seen)")) == 5
        assert not counting.calls["changes"]
        assert len(await other.ok("FETCH 1 (UID)")) == 1 + 5


async def test_many_are_told_of_with_the_flags_that_each_has(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        for number in range(4):
            await client.append("INBOX", b"number %d" % number)
        await client.ok("SELECT INBOX")
        (session,) = (each.session for each in connections(imap))
        storage = imap.kernel.services.storage
        # no client could write such a keyword, but who else brings mail can
        await storage.store_flags(session.mailbox.id, [(2, 3)], FlagMode.ADD, frozenset({"50%d"}))
        assert [line for line in await client.ok("NOOP") if b"FETCH" in line] == [
            b"* 2 FETCH (FLAGS (50%d))",
            b"* 3 FETCH (FLAGS (50%d))",
        ]
        await client.ok("ENABLE CONDSTORE")
        told = [line for line in await client.ok("UID STORE 1:* +FLAGS (\\Seen)") if b"FETCH" in line]
        modseq = session.mailbox.modseqs[0]
        assert told == [
            b"* %d FETCH (UID %d FLAGS (%b) MODSEQ (%d))" % (number, number, flags, modseq)
            for number, flags in enumerate((b"\\Seen", b"\\Seen 50%d", b"\\Seen 50%d", b"\\Seen"), 1)
        ]


# -- who does not read


async def idling(hub: ImapHub, port: int) -> tuple[ImapSession, asyncio.Transport]:
    """The session of the client with that port, as soon as it is in IDLE."""
    async with asyncio.timeout(20):
        while True:
            for each in connections(hub):
                if each.session.peer[1] == port and each.session.idling is not None:
                    assert each._transport is not None
                    return each.session, each._transport
            await asyncio.sleep(0)


@pytest.mark.proves("imap: a client that does not read holds neither memory nor others")
async def test_a_client_that_does_not_read_is_told_later(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as writer:
        for number in range(100):
            await writer.append("INBOX", b"number %d" % number)
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", imap.port))
        await loop.sock_sendall(deaf, b"a LOGIN alice@example.test demo\r\nb SELECT INBOX\r\nc IDLE\r\n")
        session, transport = await idling(imap, deaf.getsockname()[1])
        for number in range(100):  # ten thousand changes
            await writer.ok(f"STORE 1:* FLAGS.SILENT (keyword{number} {'k' * 150})")
            assert session.out._size <= 2 * _FLUSH_AT
            assert transport.get_write_buffer_size() <= WRITE_BUFFER + 2 * _FLUSH_AT
        reader, writing = await asyncio.open_connection(sock=deaf, limit=1 << 20)
        told = 0
        async with asyncio.timeout(20):
            while b"keyword99" not in (line := await reader.readline()) or b"FETCH" not in line:
                told += b" FETCH " in line
        assert told < 10_000
        writing.close()


def entry(position: int, name: str) -> LogEntry:
    return LogEntry(position, None, position, ChangeKind.APPENDED, position, name, 1, 1, None)


def test_too_much_to_tell_ends_notify() -> None:
    group = Group(Filter.PERSONAL, frozenset(), frozenset((Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE)))
    notification = Notification([group], Known({}, {}, set(), frozenset()), lambda _: False)
    notification.hear([entry(at, f"m{at}") for at in range(MAX_PENDING)])
    assert len(notification.pending) == MAX_PENDING
    notification.hear([entry(1, "m1")])  # known already
    assert len(notification.pending) == MAX_PENDING
    notification.hear([entry(MAX_PENDING, "more")])
    assert (notification.overflown, notification.pending) == (True, {})


# -- across workers


@asynccontextmanager
async def second_worker(folder: Path, first: ImapHub) -> AsyncIterator[ImapHub]:
    """Another hub on the same data, as a second worker is."""
    loader = Loader(load(folder / "hub.toml", environ={}, cwd=folder), SystemClock())
    generations = await loader.start()
    tls = Engine(folder, Tickets())
    kernel = Kernel(first.kernel.settings, generations, loader.services, tls, lambda trace: None)
    make = factory(kernel, "imap", Listener(protocol="imap", bind=("127.0.0.1:0",), tls="none"))
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    try:
        yield replace(first, kernel=kernel, loader=loader, port=server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await kernel.connections.drain(5)
        await loader.close()


@pytest.mark.proves("imap: a client in IDLE is told of what happens in another worker")
async def test_another_worker_is_told(imap: ImapHub, tmp_path: Path) -> None:
    async with (
        second_worker(tmp_path, imap) as other,
        await imap.logged_in(mailbox="INBOX") as here,
        await other.logged_in(mailbox="INBOX") as there,
    ):
        await there.ok("ENABLE METADATA")
        await there.ok("SEARCH RETURN (UPDATE) DELETED")
        there.write(b"i IDLE\r\n")
        assert (await there.line()).startswith(b"+ ")
        for number in range(1, 10):
            await here.append("INBOX", b"number %d" % number)
            assert await there.line() == b"* %d EXISTS" % number
            assert await there.line() == b"* 0 RECENT"
        await here.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
        assert await there.line() == b"* 2 FETCH (FLAGS (\\Deleted))"
        assert (await there.line()).endswith(b" ADDTO (0 2)")
        await here.ok("EXPUNGE")
        assert (await there.line()).endswith(b" REMOVEFROM (0 2)")
        assert await there.line() == b"* 2 EXPUNGE"
        await here.ok('SETMETADATA INBOX (/private/comment "x")')
        assert await there.line() == b"* METADATA INBOX /private/comment"


@pytest.mark.proves("imap: what was expunged elsewhere is fetched whole until the client has been told")
async def test_what_another_worker_has_expunged_is_fetched_until_it_is_told(
    open_hub: OpenHub, tmp_path: Path
) -> None:
    imap = await open_hub("[plugins.blobs-segment]\nsegment_size = 50000\ncollect_after = 0\nkeep_free = 0\n")
    large = b"Subject: large\r\n\r\n" + b"line\r\n" * (SMALL // 4)
    async with (
        second_worker(tmp_path, imap) as other,
        await imap.logged_in() as here,
        await other.logged_in() as there,
    ):
        for message in (b"Subject: one\r\n\r\n1", large, b"Subject: moved\r\n\r\n3", b"\r\n4"):
            await here.append("INBOX", message)
        whole = (
            b"UID FLAGS INTERNALDATE SAVEDATE RFC822.SIZE EMAILID ENVELOPE BODYSTRUCTURE PREVIEW BODY.PEEK[]"
        )
        asked = b"FETCH 1:* (%b BINARY.PEEK[1] BODY.PEEK[HEADER.FIELDS (Subject)])" % whole
        for client in (here, there):
            await client.ok("SELECT INBOX")
        before = await there.ok(asked)
        await here.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
        await here.ok("EXPUNGE")
        await here.ok("MOVE 1 Archive")
        await compacted(imap)
        for command in (asked, b"FETCH 1:* (%b)" % whole, b"FETCH 2 (BODY.PEEK[TEXT]<10.20>)"):
            told = await there.ok(command)
            if command == asked:
                assert sorted(told, key=number) == before
        assert told == [b"* 2 FETCH (BODY[TEXT]<10> {20}\r\n" + (b"line\r\n" * 6)[10:30] + b")"]
        # what reads it sets \\Seen where there still is something to set it on
        assert [line.split()[1] for line in await there.ok("FETCH 1:3 BODY[HEADER]")] == [b"1", b"2", b"3"]
        told = await there.ok("NOOP")
        assert told == [b"* 3 EXPUNGE", b"* 2 EXPUNGE", b"* 1 EXPUNGE"]
        assert number((await there.ok("FETCH 1:* UID"))[0]) == 1


async def test_what_was_purged_too_is_expunged(imap: ImapHub, tmp_path: Path) -> None:
    async with await imap.logged_in() as here, await imap.logged_in() as there:
        for message in (b"\r\n1", b"\r\n2"):
            await here.append("INBOX", message)
        for client in (here, there):
            await client.ok("SELECT INBOX")
        await here.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await here.ok("EXPUNGE")
        storage = imap.kernel.services.storage
        assert await storage.purge_expunged(imap.kernel.services.clock.time() + 1) == 1
        *told, last = await there.command("FETCH 1:2 BODY.PEEK[TEXT]")
        assert told == [b"* 2 FETCH (BODY[TEXT] {1}\r\n2)"]
        assert last.startswith(b"NO [EXPUNGEISSUED] ")


async def compacted(hub: ImapHub) -> None:
    """Every small blob lies elsewhere than before."""
    services = hub.kernel.services
    for _ in range(3):  # which nobody ever refers to, and with which the segment is full
        services.blobs.settle(await services.blobs.put(b"\r\n", b"x" * 30_000, b""))
    collected = await services.blobs.collect(services.storage, force=True)
    assert collected.moved


def number(line: bytes) -> int:
    """What stands before FETCH."""
    return int(line.split()[1])
