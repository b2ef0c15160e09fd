"""POP3 by Python's own client, and what other protocols and sessions see of it."""

import asyncio
import poplib
import ssl
from contextlib import AbstractAsyncContextManager
from imaplib import IMAP4
from pathlib import Path
from typing import Protocol

import pytest
from hub_plugin_pop3.locks import Locks

from hub import AccountRef, ChangeKind
from hub.testing.running import RunningHub, running_hub


class Pop3Hub(Protocol):
    def __call__(self, **settings: object) -> AbstractAsyncContextManager[RunningHub]: ...


ALICE = "alice@example.test"


def opened(hub: RunningHub, user: str = ALICE) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", hub.port("pop3"), timeout=20)
    try:
        client.user(user)
        client.pass_("demo")
    except poplib.error_proto:
        client.close()
        raise
    return client


@pytest.mark.proves("pop3: the same mail as in IMAP; what is marked is removed at QUIT")
async def test_mail_is_fetched_and_removed_at_quit(hub: RunningHub) -> None:
    before = await hub.mailbox()

    def work() -> list[bytes]:
        client = opened(hub)
        assert client.stat()[0] == 2
        texts = [b"\r\n".join([*client.retr(number)[1], b""]) for number in (1, 2)]
        client.dele(1)
        client.quit()
        return texts

    assert await asyncio.to_thread(work) == before
    assert await hub.mailbox() == before[1:]


async def test_who_breaks_off_has_removed_nothing(hub: RunningHub) -> None:
    def work() -> None:
        client = opened(hub)
        client.dele(1)
        client.close()

    await asyncio.to_thread(work)
    assert len(await hub.mailbox()) == 2
    await asyncio.to_thread(lambda: opened(hub).quit())


@pytest.mark.proves("pop3: unique ids that never change, the same on every worker and node")
async def test_a_unique_id_stays_whatever_else_is_removed(hub: RunningHub) -> None:
    def ids() -> list[bytes]:
        client = opened(hub)
        found = [line.split()[1] for line in client.uidl()[1]]
        client.quit()
        return found

    def remove() -> None:
        client = opened(hub)
        client.dele(1)
        client.quit()

    first, second = await asyncio.to_thread(ids)
    await asyncio.to_thread(remove)
    await hub.send()
    kept, new = await asyncio.to_thread(ids)
    assert kept == second
    assert new not in (first, second)


@pytest.mark.proves("pop3: one session at a time for each maildrop, on all workers and nodes")
async def test_one_session_at_a_time_has_a_maildrop(hub: RunningHub) -> None:
    def work() -> tuple[str, int]:
        client = opened(hub)
        with pytest.raises(
            poplib.error_proto, match=r"\[IN-USE\] The maildrop is open in another"
        ) as refused:
            opened(hub)
        opened(hub, "bob@example.test").quit()
        client.quit()
        again = opened(hub)
        count = again.stat()[0]
        again.quit()
        return str(refused.value), count

    assert (await asyncio.to_thread(work))[1] == 2


async def test_what_imap_removes_meanwhile_is_an_error_and_no_end(hub: RunningHub) -> None:
    client = await asyncio.to_thread(opened, hub)

    def expunge(imap: IMAP4) -> None:
        imap.select()
        imap.store("1", "+FLAGS", "\\Deleted")
        imap.expunge()

    await hub.imap(expunge)

    def rest() -> None:
        with pytest.raises(poplib.error_proto, match="Message 1 was removed by another client"):
            client.retr(1)
        client.retr(2)
        client.dele(1)
        assert client.quit() == b"+OK Goodbye, 0 removed"

    try:
        await asyncio.to_thread(rest)
    except AssertionError:
        client.close()
        raise


async def test_a_session_goes_on_when_the_plugin_is_replaced(hub: RunningHub) -> None:
    client = await asyncio.to_thread(opened, hub)
    await hub.configure("pop3", {"timeout": "20min"})
    assert (await asyncio.to_thread(client.stat))[0] == 2

    def second() -> None:
        with pytest.raises(poplib.error_proto, match="IN-USE"):
            opened(hub)
        client.quit()
        opened(hub).quit()

    await asyncio.to_thread(second)


async def test_plugins_are_told_of_what_was_removed(hub: RunningHub) -> None:
    (hub.plugins_dir / "watch.py").write_text(
        "from hub import hookimpl\n@hookimpl\nasync def mailbox_changed(session, kind, uids): ...\n"
    )
    await hub.reload()

    def work() -> None:
        client = opened(hub)
        client.dele(2)
        client.quit()

    await asyncio.to_thread(work)
    (call,) = await hub.until_called("mailbox_changed")
    assert call.arguments["kind"] is ChangeKind.EXPUNGED
    assert call.arguments["uids"] == (2,)


@pytest.mark.proves("pop3: STLS, and TLS from the first octet on")
async def test_tls_by_stls_and_from_the_first_octet_on(pop3_hub: Pop3Hub, tmp_path: Path) -> None:
    async with pop3_hub(tls=True) as hub:
        trusting = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))

        def work() -> None:
            client = poplib.POP3("localhost", hub.port("pop3"), timeout=20)
            assert "STLS" in client.capa()
            client.stls(trusting)
            assert "STLS" not in client.capa()
            assert "SCRAM-SHA-256-PLUS" in client.capa()["SASL"]
            client.user(ALICE)
            client.pass_("demo")
            client.quit()
            other = poplib.POP3_SSL("localhost", hub.port("pop3s"), timeout=20, context=trusting)
            other.user(ALICE)
            other.pass_("demo")
            other.quit()

        await asyncio.to_thread(work)


async def test_nobody_logs_in_in_the_clear_from_elsewhere(pop3_hub: Pop3Hub, tmp_path: Path) -> None:
    async with pop3_hub(tls=True, listener={"proxy_protocol": ["127.0.0.0/8"]}) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("pop3"))
        writer.write(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 110\r\nCAPA\r\nUSER a\r\nAUTH PLAIN\r\nQUIT\r\n")
        said = (await reader.read()).decode()
        assert "USER\r\n" not in said.replace("UTF8 USER", "")
        assert "SASL" not in said
        assert "STLS\r\n" in said
        assert said.count("-ERR [AUTH] A password would cross the network in the clear") == 2
        writer.close()
        await writer.wait_closed()


async def test_logins_of_one_account_are_apart(pop3_hub: Pop3Hub) -> None:
    async with pop3_hub(login_delay="1h", expire_days=30) as hub:

        def work() -> None:
            client = opened(hub)
            capabilities = client.capa()
            assert capabilities["LOGIN-DELAY"] == ["3600"]
            assert capabilities["EXPIRE"] == ["30"]
            client.quit()
            with pytest.raises(poplib.error_proto, match="LOGIN-DELAY"):
                opened(hub)
            opened(hub, "bob@example.test").quit()

        await asyncio.to_thread(work)


async def test_who_is_silent_is_left_without_a_word(hub: RunningHub) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("pop3"))
    await reader.readline()
    (session,) = hub.hub.kernel.connections._open
    session.look(asyncio.get_running_loop().time() + 121)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_large_message_is_sent_piece_by_piece(hub: RunningHub) -> None:
    line = ".".join(["0123456789"] * 7)
    await hub.send("Subject: Large\r\n\r\n" + f".{line}\r\n" * 50_000)

    def work() -> tuple[list[bytes], list[bytes]]:
        client = opened(hub)
        whole, beginning = client.retr(3)[1], client.top(3, 3)[1]
        client.quit()
        return whole, beginning

    whole, beginning = await asyncio.to_thread(work)
    body = whole.index(b"") + 1
    assert whole[body:] == [f".{line}".encode()] * 50_000
    assert beginning == whole[: body + 3]


@pytest.mark.proves(
    "pop3: headers in UTF-8 as they are (RFC 6856), in ASCII for clients that do not ask for it"
)
async def test_headers_in_utf8_are_for_who_says_utf8(hub: RunningHub) -> None:
    await hub.send("Subject: Grüße\r\n\r\nHallo\r\n")

    def fetched(*, utf8: bool) -> list[bytes]:
        client = poplib.POP3("127.0.0.1", hub.port("pop3"), timeout=20)
        if utf8:
            client.utf8()
        client.user(ALICE)
        client.pass_("demo")
        lines = client.retr(3)[1]
        client.quit()
        return lines

    assert "Subject: Grüße".encode() in await asyncio.to_thread(lambda: fetched(utf8=True))
    narrow = await asyncio.to_thread(lambda: fetched(utf8=False))
    assert b"Subject: =?utf-8?b?R3LDvMOfZQ==?=" in narrow
    assert b"Hallo" in narrow


async def test_the_lock_of_a_worker_that_has_died_is_free_soon(hub: RunningHub) -> None:
    kv = hub.plugin("pop3").kv
    account = AccountRef("default", "somebody")
    gone, other = Locks(kv), Locks(kv)
    assert await gone.take(account, "first")
    assert not await other.take(account, "second")
    assert not await gone.take(account, "third")
    await kv.set(f"worker/{gone.name}", None)  # as it expires by itself
    assert await other.take(account, "second")
    await gone.free(account, "first")  # it is not its own any more
    assert not await gone.take(account, "first")
    await other.free(account, "second")
    assert await gone.take(account, "first")


@pytest.mark.proves("pop3: what was removed can be had back for a while, as what IMAP expunges")
async def test_what_was_removed_can_be_had_back(hub: RunningHub) -> None:
    before = await hub.mailbox()

    def remove() -> list[bytes]:
        client = opened(hub)
        ids = client.uidl()[1]
        client.dele(1)
        client.quit()
        return ids

    def fetch() -> tuple[list[bytes], bytes]:
        client = opened(hub)
        ids, text = client.uidl()[1], b"\r\n".join([*client.retr(2)[1], b""])
        client.quit()
        return ids, text

    old = await asyncio.to_thread(remove)
    storage = hub.hub.kernel.services.storage
    (account,) = [each for each in await storage.accounts() if (await storage.usage(each)).messages]
    (gone,) = await storage.expunged(account)
    await storage.undelete(account, [gone.id])
    new, text = await asyncio.to_thread(fetch)
    assert text == before[0]
    assert not {line.split()[1] for line in new[1:]} & {line.split()[1] for line in old}


@pytest.mark.proves("pop3: unique ids that never change, the same on every worker and node")
async def test_hubs_on_one_database_share_maildrops_and_ids(tmp_path: Path, postgres_url: str) -> None:
    listeners = {name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in ("smtp", "imap", "pop3")}
    tables: dict[str, object] = {
        "services": {"blobs": "blobs-sql"},
        "plugins": {"storage-sql": {"url": postgres_url}},
        "listeners": listeners,
    }
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        running_hub(tmp_path / "one", plugins=["pop3"], tables=tables) as one,
        running_hub(tmp_path / "two", plugins=["pop3"], tables=tables, accounts=()) as two,
    ):
        await one.send()
        await two.send("Subject: Other\r\n\r\nIt works there too.\r\n")

        def work() -> tuple[list[list[bytes]], list[list[bytes]]]:
            holder = opened(one)
            with pytest.raises(poplib.error_proto, match="IN-USE"):
                opened(two)
            ids, texts = [], []
            for hub in (one, two):
                client = holder if hub is one else opened(hub)
                ids.append(client.uidl()[1])
                texts.append([line for number in (1, 2) for line in client.retr(number)[1]])
                client.quit()
            return ids, texts

        ids, texts = await asyncio.to_thread(work)
        assert ids[0] == ids[1]
        assert texts[0] == texts[1]
        assert len(set(ids[0])) == 2
