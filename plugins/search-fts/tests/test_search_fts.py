"""Searches answer the same with the index and without it, and with it read few messages."""

from __future__ import annotations

import asyncio
import json
import random
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from imaplib import IMAP4
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

import pytest
from click import Command
from click.testing import CliRunner
from hub_plugin_search_fts import FtsSearch
from sqlalchemy import text

from hub import SearchText, folded, occurrences
from hub.testing.running import RunningHub, running_hub

CHARSETS = {
    "us-ascii": "invoice parcel meeting",
    "iso-8859-1": "Größe façade señor œuvre",
    "iso-8859-2": "Źródło příliš žluťoučký",
    "windows-1251": "Счёт накладная встреча",
    "koi8-r": "Письмо договор",
    "iso-2022-jp": "請求書 会議の予定",
    "shift_jis": "テスト資料",
    "gb18030": "发票 会议纪要",
    "euc-kr": "견적서 회의",
    "utf-8": "naïve Ελληνικά עברית 🚀 İstanbul ﬁn",
    "utf-16": "wide wörds",
    "x-unknown": "Größe of nobody",
}
"""Charset → words that messages are made of."""


def hub_command() -> Command:
    """`hub`, as from a shell."""
    (script,) = entry_points(group="console_scripts", name="hub")
    found: Command = script.load()
    return found


def messages(count: int) -> list[bytes]:
    """The same ones in every run."""
    chance = random.Random(8)
    return [_message(chance, number) for number in range(count)]


def _message(chance: random.Random, number: int) -> bytes:
    charset = chance.choice(list(CHARSETS))
    words = [chance.choice(CHARSETS[charset].split()) for _ in range(chance.randrange(1, 8))]
    said = f"{' '.join(words)} number{number}\r\n".replace("Ελ", "" if charset == "x" else "Ελ")
    octets = said.encode("utf-8" if charset == "x-unknown" else charset, "replace")
    kind = chance.choice(["plain", "html"])
    body = b64encode(octets) if charset == "utf-16" or chance.random() < 0.5 else octets
    encoding = b"base64" if body != octets else b"8bit"
    part = (
        f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: ".encode()
        + encoding
        + b"\r\n\r\n"
        + body
        + b"\r\n"
    )
    subject = (
        b"Subject: =?utf-8?b?" + b64encode(" ".join(words).encode()) + b"?=\r\nFrom: ann@example.test\r\n"
    )
    if chance.random() < 0.6:
        return subject + part
    attached = (
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=Plan%d.pdf\r\n\r\nx\r\n"
    )
    parts = b"".join(b"--b\r\n" + each for each in (part, attached % number))
    return subject + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--\r\n"


def needles() -> list[str]:
    """Words, pieces of them, and what is in no message."""
    words = [word for words in CHARSETS.values() for word in words.split()]
    pieces = [word[at : at + size] for word in words for size in (1, 2, 3, 4) for at in (0, 1)]
    found = sorted({*words, *pieces, *map(str.upper, words)})
    return [*random.Random(8).sample(found, 60), "number1", "plan12", "Subject:", "nowhere", '"b"']


class Hub:
    """A hub that indexes, and the two ways to search in it."""

    def __init__(self, running: RunningHub) -> None:
        self.running = running
        # Not of the class that is imported here: the hub imports its plugins anew.
        self.driver = cast(FtsSearch, running.hub.kernel.services.search)

    async def append(self, count: int) -> None:
        def work(client: IMAP4) -> None:
            for message in messages(count):
                assert client.append("INBOX", "", "", message)[0] == "OK"

        await self.running.imap(work)

    async def search(self, key: str, words: list[str], *, indexed: bool) -> list[bytes]:
        """The answers; without the index, as if none were chosen."""
        services = self.running.hub.kernel.services
        services.search = self.driver if indexed else None

        def work(client: IMAP4) -> list[bytes]:
            client.select("INBOX", readonly=True)
            found = []
            for word in words:
                client.literal = word.encode()  # type: ignore[assignment]
                found.append(client.uid("SEARCH", "CHARSET", "UTF-8", key)[1][0])
            return found

        try:
            return await self.running.imap(work)
        finally:
            services.search = self.driver

    async def until_indexed(self) -> None:
        """All mailboxes to their last message."""
        async with asyncio.timeout(60):
            while not await self._is_indexed():
                await asyncio.sleep(0.05)

    async def _is_indexed(self) -> bool:
        storage = self.running.hub.kernel.services.storage
        for account in await storage.accounts():
            mailboxes = await storage.mailboxes(account)
            done = await self.driver.indexed([each.id for each in mailboxes])
            if any(done.get(each.id, 0) < each.uidnext - 1 for each in mailboxes):
                return False
        return True

    async def status(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(await self.run("status", "--json")))

    async def run(self, *words: str) -> str:
        arguments = ["-c", str(self.running.folder / "hub.toml"), "search", *words]
        result = await asyncio.to_thread(CliRunner().invoke, hub_command(), arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    async def rows(self) -> set[tuple[str, int]]:
        """(mailbox, UID) of every row of the index."""
        storage = self.running.hub.kernel.services.storage
        (account,) = await storage.accounts()
        names = {each.id: each.name for each in await storage.mailboxes(account)}
        tables = self.driver._tables
        keys = await tables.read(
            lambda db: [key for (key,) in db.execute(text("SELECT rowid FROM search_text"))]
        )
        return {(names.get(key >> 32, "gone"), key & 0xFFFFFFFF) for key in keys}


@pytest.fixture(params=["sqlite", "postgresql"])
def tables(request: pytest.FixtureRequest) -> Mapping[str, object]:
    chosen: dict[str, object] = {"services": {"search": "search-fts"}}
    if request.param == "postgresql":
        chosen["plugins"] = {"storage-sql": {"url": request.getfixturevalue("postgres_url")}}
    return chosen


@pytest.fixture
async def hub(tmp_path: Path, tables: Mapping[str, object]) -> AsyncIterator[Hub]:
    async with running_hub(tmp_path, tables=tables, accounts=("alice@example.test",)) as running:
        yield Hub(running)


async def test_the_answers_are_the_same_with_and_without_the_index(hub: Hub) -> None:
    await hub.append(60)
    await hub.until_indexed()
    words = needles()
    for key in ("TEXT", "BODY", "NOT TEXT", "FUZZY TEXT", "FUZZY BODY"):
        without = await hub.search(key, words, indexed=False)
        assert await hub.search(key, words, indexed=True) == without
        assert any(without)


async def test_scores_are_the_same_with_and_without_the_index(hub: Hub) -> None:
    await hub.append(60)
    await hub.until_indexed()
    services = hub.running.hub.kernel.services

    def work(client: IMAP4) -> list[bytes]:
        client.select("INBOX", readonly=True)
        found = []
        for said in ("Größe parcel number1", "invoice", "façade nowhere", "請求書 meeting"):
            client.literal = said.encode()  # type: ignore[assignment]
            found.append(client.uid("SORT", "(RELEVANCY)", "UTF-8", "FUZZY TEXT")[1][0])
        return found

    indexed = await hub.running.imap(work)
    assert all(indexed)
    assert any(each.split() != sorted(each.split(), key=int) for each in indexed)
    services.search = None
    try:
        assert await hub.running.imap(work) == indexed
    finally:
        services.search = hub.driver


async def test_few_messages_are_named_and_short_needles_are_not_told(hub: Hub) -> None:
    await hub.append(60)
    await hub.until_indexed()
    inbox = await hub.running.hub.kernel.services.storage.mailbox(
        (await hub.running.hub.kernel.services.storage.accounts())[0], "INBOX"
    )
    assert inbox is not None
    found = await hub.driver.narrow(inbox.id, b"NUMBER37")
    assert found is not None
    assert found.upto == 60
    assert 38 in found.uids
    assert len(found.uids) < 10
    assert await hub.driver.narrow(inbox.id, b"NU") is None
    nothing = await hub.driver.narrow(inbox.id, b'%_\\"* AND \x00\xed\xa0\x80')
    assert nothing is not None
    assert nothing.uids == frozenset()


async def test_words_are_counted_as_in_the_text_itself(hub: Hub) -> None:
    await hub.append(60)
    await hub.until_indexed()
    wanted = ("GROßE", "PARCEL", "NUMBER1", "UBER")
    services = hub.running.hub.kernel.services
    (account,) = await services.storage.accounts()
    inbox = await services.storage.mailbox(account, "INBOX")
    assert inbox is not None
    counted = await hub.driver.count(inbox.id, wanted)
    assert counted is not None
    expected = {}
    for item in await services.storage.items(inbox.id, [(1, 60)]):
        octets = item.lines + await services.blobs.read(item.blob)
        head = len(item.lines) + item.head_size
        text = folded(SearchText(octets[:head], octets[head:]).everything())
        found = occurrences(text, wanted)
        if any(found.counts):
            expected[item.uid] = found
    assert counted.counts == expected
    assert len(expected) > 5
    assert (counted.untold, counted.upto) == (frozenset(), 60)
    assert await hub.driver.count(inbox.id, ("NO",)) is None


async def test_what_is_copied_moved_and_expunged_is_indexed_where_it_is(hub: Hub) -> None:
    await hub.append(20)

    def work(client: IMAP4) -> None:
        client.create("Elsewhere")
        client.create("Gone")
        client.select("INBOX")
        client.uid("COPY", "1:5", "Elsewhere")
        client.uid("COPY", "1:3", "Gone")
        client.uid("MOVE", "6:7", "Elsewhere")
        client.uid("STORE", "8:9", "+FLAGS.SILENT", r"(\Deleted)")
        client.expunge()
        client.delete("Gone")

    await hub.running.imap(work)
    await hub.until_indexed()
    expected = {("INBOX", uid) for uid in (*range(1, 6), *range(10, 21))}
    expected |= {("Elsewhere", uid) for uid in range(1, 8)}
    async with asyncio.timeout(30):
        while await hub.rows() != expected:
            await asyncio.sleep(0.05)


async def test_the_index_is_made_anew_and_what_was_done_before_a_crash_is_done_once(hub: Hub) -> None:
    await hub.append(30)
    await hub.until_indexed()
    before = await hub.rows()
    storage = hub.running.hub.kernel.services.storage
    entries = await storage.log(0)
    await hub.driver.collect(entries)  # as after a crash before the position was kept
    assert await hub.rows() == before
    assert "6 of 6 mailboxes are indexed" in await hub.run("status")
    await hub.driver._tables.write(lambda db: db.execute(text("DELETE FROM search_text WHERE rowid > 0")))
    assert await hub.rows() == set()
    assert "30 messages are indexed" in await hub.run("reindex", "alice@example.test")
    assert await hub.rows() == before
    assert (await hub.status())["behind"] == []


async def test_what_is_not_indexed_yet_is_found(hub: Hub) -> None:
    await hub.append(10)
    await hub.until_indexed()
    await hub.driver._tables.write(lambda db: db.execute(text("UPDATE search_mailbox SET upto = 5")))
    await hub.driver._tables.write(lambda db: db.execute(text("DELETE FROM search_text WHERE rowid > 0")))
    words = [f"number{number}" for number in range(5, 10)]
    assert await hub.search("TEXT", words, indexed=True) == [b"%d" % uid for uid in range(6, 11)]


async def test_a_hub_without_an_index_says_so(tmp_path: Path) -> None:
    async with running_hub(tmp_path):
        pass
    result = await asyncio.to_thread(
        CliRunner().invoke, hub_command(), ["-c", str(tmp_path / "hub.toml"), "search", "status"]
    )
    assert result.exit_code == 1
    assert 'search = "search-fts"' in result.output
