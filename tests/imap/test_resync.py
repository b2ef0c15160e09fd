"""QRESYNC's SELECT (RFC 7162 §3.2.5): whatever has happened meanwhile, the client arrives at the mailbox."""

from __future__ import annotations

import random
import re

import pytest

from hub.imap.sets import compress, parse_set, render_set
from tests.imap.conftest import Client, ImapHub

FETCHED = re.compile(rb"\* (\d+) FETCH \(UID (\d+) FLAGS \(([^)]*)\) MODSEQ \((\d+)\)\)")
VANISHED = re.compile(rb"\* VANISHED \(EARLIER\) (\S+)")


def code(lines: list[bytes], word: bytes) -> int:
    (value,) = [
        int(line.split()[3].rstrip(b"]")) for line in lines if line.startswith(b"* OK [" + word + b" ")
    ]
    return value


async def known(client: Client) -> dict[int, bytes]:
    """UID → flags of the open mailbox."""
    lines = await client.ok("UID FETCH 1:* (FLAGS)")
    found = [
        re.fullmatch(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)(?: MODSEQ .*)?\)", line) for line in lines
    ]
    return {int(match[1]): match[2] for match in found if match}


def numbers(text: bytes) -> set[int]:
    return {number for low, high in parse_set(text) for number in range(low, high + 1)}


@pytest.mark.proves("imap: QRESYNC tells what a client has missed, with and without what it knows")
@pytest.mark.parametrize("seed", range(6))
async def test_a_client_that_comes_back_arrives_at_the_same_mailbox(imap: ImapHub, seed: int) -> None:
    chance = random.Random(seed)
    async with await imap.logged_in() as client, await imap.logged_in(mailbox="INBOX") as other:
        for number in range(12):
            await client.append("INBOX", b"number %d" % number)
        await client.ok("ENABLE QRESYNC")
        opened = await client.ok("SELECT INBOX")
        uidvalidity, modseq = code(opened, b"UIDVALIDITY"), code(opened, b"HIGHESTMODSEQ")
        before = await known(client)
        await client.ok("UNSELECT")
        for uid in chance.sample(range(1, 13), 4):
            await other.ok(f"UID STORE {uid} +FLAGS (\\Deleted)")
        await other.ok("EXPUNGE")
        await client.append("INBOX", b"a new one")
        for uid in chance.sample(range(1, 13), 3):
            await other.ok(f"UID STORE {uid} +FLAGS (\\Flagged)")
        ours = sorted(chance.sample(range(1, 13), 9)) if seed % 2 else sorted(before)
        text = render_set(compress(ours)).decode()
        match = f" (1,4,9 {sorted(before)[0]},{sorted(before)[3]},{sorted(before)[8]})" if seed % 3 else ""
        back = await client.ok(f"SELECT INBOX (QRESYNC ({uidvalidity} {modseq} {text}{match}))")
        gone = set[int]().union(*[numbers(found[1]) for line in back if (found := VANISHED.fullmatch(line))])
        told = {int(found[2]): found[3] for line in back if (found := FETCHED.fullmatch(line))}
        now = await known(client)
        assert gone == {uid for uid in ours if uid not in now}
        assert told == {uid: now[uid] for uid in ours if uid in now and now[uid] != before[uid]}
        order = sorted(now)
        for line in back:
            if found := FETCHED.fullmatch(line):
                assert order[int(found[1]) - 1] == int(found[2])
