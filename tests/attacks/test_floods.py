"""More and more of the same: recipients, guesses at addresses, chunks that are announced, questions."""

from __future__ import annotations

import pytest

from tests.attacks.conftest import Start, attack, rest


async def test_recipient_flood(start: Start) -> None:
    hub = await start(smtp={"max_errors": 50})
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    await client.ask("MAIL FROM:<a@attacker.example>")
    await client.send(b"".join(b"RCPT TO:<bob+%d@example.test>\r\n" % number for number in range(1050)))
    said = (await rest(client)).splitlines()
    assert [line[:9] for line in said].count(b"250 2.1.5") == 1000
    assert [line[:9] for line in said].count(b"452 4.5.3") == 50
    assert said[-1].startswith(b"421 4.7.0 Too many errors")
    await client.close()


async def test_harvesting_by_vrfy_and_expn(start: Start) -> None:
    """What exists and what does not are answered alike, and not often."""
    hub = await start()
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    for verb in ("VRFY", "EXPN"):
        said = {
            await client.ask(f"{verb} {name}") for name in ("alice", "alice@example.test", "nobody", "<>", "")
        }
        assert len(said) == 1
        assert "alice" not in said.pop()
    await client.send(b"VRFY alice\r\n" * 1000)
    answers = (await rest(client)).splitlines()
    assert len(answers) <= 200
    assert answers[-1].startswith(b"421 4.7.0 Too many commands")
    await client.close()


async def test_harvesting_by_rcpt(start: Start) -> None:
    hub = await start()
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    await client.ask("MAIL FROM:<>")
    await client.send(b"".join(b"RCPT TO:<guess%d@example.test>\r\n" % number for number in range(1000)))
    answers = (await rest(client)).splitlines()
    assert [line[:9] for line in answers] == [b"550 5.1.1"] * 20 + [b"421 4.7.0"]
    await client.close()


async def test_guessing_passwords(start: Start) -> None:
    hub = await start()
    client = await attack(hub, "submission")
    await client.ask("EHLO attacker.example")
    await client.send(b"AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw==\r\n" * 100)
    answers = (await rest(client)).splitlines()
    assert len(answers) <= 21
    assert answers[-1].startswith(b"421 4.7.0")
    await client.close()


@pytest.mark.parametrize(
    "size",
    [b"100000000", b"18446744073709551616", b"99999999999999999999"],
    ids=["100 MB", "2^64", "10^20 - 1"],
)
async def test_bdat_bomb(start: Start, size: bytes) -> None:
    """A chunk that is announced costs nothing until it comes; nothing is kept of one that is too large."""
    hub = await start()
    clients = [await attack(hub) for _ in range(20)]
    for client in clients:
        await client.send(
            b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nBDAT "
            + size
            + b" LAST\r\n"
        )
        for _ in range(3):
            assert (await client.reply()).startswith("250")
        await client.send(b"x" * 1_000_000)
    assert hub.hub.kernel.budget.held < 1_000_000
    assert not list(hub.folder.glob("data/**/*.part"))
    for client in clients:
        await client.close()


@pytest.mark.parametrize("argument", [b"-1", b"1e9", b"0x10", b"", b"1 LAST LAST", b"9" * 1000, b"\xd9\xa1"])
async def test_bdat_that_says_nothing_sensible_ends_the_session(start: Start, argument: bytes) -> None:
    """For nobody knows where the message ends and the commands begin."""
    hub = await start()
    client = await attack(hub)
    await client.send(
        b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nBDAT "
        + argument
        + b"\r\n"
        b"MAIL FROM:<smuggled@b.example>\r\n"
    )
    assert (await rest(client)).splitlines()[-1].startswith(b"501 5.5.4 Write BDAT")
    await client.close()
