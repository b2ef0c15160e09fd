"""THREADID: the conversation of a message (RFC 8474 §5.2), whichever way and wherever it is asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub.imap.conversations import NEAREST, thread_keys
from hub.imap.summarising import Summarising
from tests.imap.conftest import Client, ImapHub
from tests.imap.test_sessions import second_worker

_ANSWER = re.compile(rb"\* \d+ FETCH \(UID (\d+) EMAILID \(([^)]+)\) THREADID \((T[0-9a-f]{16})\)\)")


def message(own: str = "", answers: str = "", references: str = "") -> bytes:
    lines = [f"Message-ID: <{own}@example.org>"] if own else []
    lines += [f"In-Reply-To: <{answers}@example.org>"] if answers else []
    lines += [f"References: {' '.join(f'<{each}@example.org>' for each in references)}"] if references else []
    return "\r\n".join(["Subject: always the same", *lines, "", "x"]).encode()


CONVERSATION = (
    message("a"),
    message("c", answers="b"),  # it comes before what it answers
    message("z"),
    message("e", references="ad"),
    message("b", answers="a"),
    message(),
    message(references="xe"),
)
APART = (3, 6)
"""UIDs of those that belong to nobody else."""


async def told(client: Client) -> dict[int, tuple[bytes, bytes]]:
    """EMAILID and THREADID by UID."""
    lines = await client.ok("FETCH 1:* (UID EMAILID THREADID)")
    found = [_ANSWER.fullmatch(line) for line in lines]
    return {int(each[1]): (each[2], each[3]) for each in found if each is not None}


@pytest.mark.proves("imap: THREADID is the same for all of a conversation, in whichever order it has come")
@pytest.mark.parametrize("summarised", [False, True])
async def test_a_conversation_has_one_id_everywhere(imap: ImapHub, tmp_path: Path, summarised: bool) -> None:
    async with second_worker(tmp_path, imap) as other, await imap.logged_in() as client:
        for each in CONVERSATION:
            await client.append("INBOX", each)
        await client.ok("SELECT INBOX")
        if summarised:
            await summarise(imap)
        first = await told(client)
        assert sorted(first) == [1, 2, 3, 4, 5, 6, 7]
        threads = {uid: thread for uid, (_, thread) in first.items()}
        assert len(set(threads.values())) == 1 + len(APART)
        assert len({thread for uid, thread in threads.items() if uid not in APART}) == 1
        wanted = threads[1].decode()
        assert await client.ok(f"SEARCH THREADID {wanted}") == [b"* SEARCH 1 2 4 5 7"]
        assert await client.ok(f"UID SEARCH NOT THREADID {wanted} 1:6") == [b"* SEARCH 3 6"]
        assert await client.ok(f"SEARCH OR THREADID {threads[3].decode()} 1") == [b"* SEARCH 1 3"]
        assert await client.ok("SEARCH THREADID T1") == [b"* SEARCH"]
        with_others = await client.ok("FETCH 5 (THREADID BODY.PEEK[2.MIME] FLAGS)")
        assert with_others == [b"* 5 FETCH (THREADID (%b) BODY[2.MIME] NIL FLAGS ())" % threads[5]]
        await client.ok("COPY 2:7 Archive")
        async with await other.logged_in(mailbox="Archive") as there:
            copies = await told(there)
            assert {uid + 1: pair for uid, pair in copies.items()} == {
                uid: pair for uid, pair in first.items() if uid > 1
            }
            assert await there.ok(f"SEARCH THREADID {wanted}") == [b"* SEARCH 1 3 4 6"]
        await client.ok("CREATE later")
        await client.append("later", message("f", references="f"))
        await client.append("later", message("y", references="ab"))
        await client.ok("SELECT later")
        assert [thread == threads[1] for _, thread in (await told(client)).values()] == [False, True]


async def test_what_new_mail_answers_is_known_before_anybody_asks(imap: ImapHub) -> None:
    """A message that joins two others lies in a mailbox that is not looked at."""
    async with await imap.logged_in() as client:
        await client.append("INBOX", message("a"))
        await client.append("INBOX", message("c", answers="b"))
        await client.append("Sent", message("b", answers="a"))
        await summarise(imap, "INBOX", "Sent")
        await client.ok("SELECT INBOX")
        (_, one), (_, other) = (await told(client)).values()
        assert one == other


async def test_another_account_learns_nothing_of_it(imap: ImapHub) -> None:
    async with await imap.logged_in() as alice, await imap.logged_in("bob") as bob:
        for each in (message("a"), message("c")):
            await alice.append("INBOX", each)
        await bob.append("INBOX", message("b", references="ac"))
        for client in (bob, alice):
            await client.ok("SELECT INBOX")
        assert len(await told(bob)) == 1
        assert len({thread for _, thread in (await told(alice)).values()}) == 2


async def test_what_was_expunged_elsewhere_is_in_its_thread(imap: ImapHub) -> None:
    async with await imap.logged_in() as here, await imap.logged_in() as there:
        for each in CONVERSATION[:2]:
            await here.append("INBOX", each)
        for client in (here, there):
            await client.ok("SELECT INBOX")
        await here.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await here.ok("EXPUNGE")
        before = await told(there)
        assert sorted(before) == [1, 2]
        await there.append("INBOX", CONVERSATION[4])
        await there.ok("NOOP")
        assert {thread for _, thread in (await told(there)).values()} == {before[2][1]}


def test_a_message_has_few_keys_however_much_it_refers_to() -> None:
    many = [b"%d@example.org" % number for number in range(1000)]
    keys = thread_keys("m1", b"x@example.org", many)
    assert len(keys) == NEAREST + 2
    assert keys[0] == thread_keys("m2", b"0@example.org", ())[0]
    assert keys[-2] == thread_keys("m3", b"999@example.org", ())[0]
    assert len({thread_keys("m1", b"", ()), thread_keys("m2", b"", ()), thread_keys("m3", b"m1", ())}) == 3
    assert thread_keys("m1", b"a@b", [b"a@b", b"c@d", b"a@b"]) == thread_keys("m1", b"a@b", [b"c@d"])


async def summarise(hub: ImapHub, *mailboxes: str) -> None:
    """As it is done behind every delivery."""
    storage = hub.kernel.services.storage
    for name in mailboxes or ("INBOX",):
        mailbox = await storage.mailbox(hub.alice, name)
        assert mailbox is not None
        hub.kernel.wanted.add(mailbox.id, range(1, mailbox.uidnext))
    await Summarising(hub.kernel).make_wanted()
