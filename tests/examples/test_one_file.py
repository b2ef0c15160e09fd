"""Each one-file plugin of examples/one_file does in a running hub what its docstring says."""

import ast
import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from imaplib import IMAP4
from pathlib import Path

import pytest

from hub.testing.clock import ManualClock
from hub.testing.dialogue import dialogue
from hub.testing.running import RunningHub, running_hub

ONE_FILE = Path(__file__).parents[2] / "examples" / "one_file"
FILES = sorted(ONE_FILE.glob("*.py"))
NOON = 20_000 * 86400.0 + 12 * 3600


@asynccontextmanager
async def hub_with(
    name: str,
    folder: Path,
    settings: Mapping[str, object] | None = None,
    clock: ManualClock | None = None,
    accounts: tuple[str, ...] = ("alice@example.test",),
) -> AsyncIterator[RunningHub]:
    """A hub in whose watched folder that file lies."""
    watched = folder / "plugins.d"
    watched.mkdir(mode=0o700)
    shutil.copy(ONE_FILE / f"{name}.py", watched)
    tables = {"plugins": {name.replace("_", "-"): settings}} if settings else None
    async with running_hub(folder, tables=tables, clock=clock, accounts=accounts) as hub:
        yield hub


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_short_says_what_it_does_and_is_tested(path: Path) -> None:
    source = path.read_text()
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring is not None
    assert source.startswith(f'"""{docstring.splitlines()[0]}')
    assert len(source.splitlines()) <= 25
    assert f'hub_with("{path.stem}"' in Path(__file__).read_text()


async def test_nobody_gets_no_mail(tmp_path: Path) -> None:
    async with hub_with("nobody", tmp_path, accounts=("nobody@example.test", "alice@example.test")) as hub:
        assert await hub.send(to="nobody@example.test") == (550, "5.1.1 nobody is not here")
        assert (await hub.send(to="alice@example.test"))[0] == 250


async def test_lotteries_go_to_junk(tmp_path: Path) -> None:
    async with hub_with("lottery", tmp_path) as hub:
        assert (await hub.send("Subject: You won the LOTTERY\r\n\r\nCongratulations\r\n"))[0] == 250
        assert (await hub.send("Subject: Lunch\r\n\r\nNo lottery, just lunch\r\n"))[0] == 250
        [junk] = await hub.mailbox("Junk")
        assert b"\r\nX-Lottery: yes\r\n" in junk
        [wanted] = await hub.mailbox()
        assert b"Subject: Lunch" in wanted
        assert b"X-Lottery" not in wanted


async def test_support_keeps_its_hours(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    to = "support@example.test"
    async with hub_with("office_hours", tmp_path, {"closes": 17}, clock, accounts=(to,)) as hub:
        assert (await hub.send(to=to))[0] == 250
        await clock.turn(5 * 3600)
        assert await hub.send(to=to) == (450, "4.3.0 support reads mail from 8 to 17 o'clock UTC")
        await clock.turn(15 * 3600)
        assert (await hub.send(to=to))[0] == 250


async def test_every_delivery_is_noted(tmp_path: Path) -> None:
    async with hub_with("notify_me", tmp_path) as hub:
        replies = [await hub.send() for _ in range(3)]
        ids = [text.split()[-1] for _, text in replies]
        file = hub.hub.loader.generations.current.plugins["notify-me"].data_dir / "deliveries.txt"
        async with asyncio.timeout(20):
            while not file.exists() or len(noted := file.read_text().splitlines()) < len(ids):
                await asyncio.sleep(0.02)
        assert [line.split()[0] for line in noted] == ids
        assert all(line.endswith(" INBOX") for line in noted)


async def test_large_messages_need_a_login(tmp_path: Path) -> None:
    async with hub_with("big_messages", tmp_path) as hub:
        hello, large, small = "EHLO there", "MAIL FROM:<a@b.example> SIZE=20000000", "MAIL FROM:<a@b.example>"
        replies = await dialogue(hub.port(), [hello, large, small])
        assert replies[2] == "550 5.3.4 from outside at most 10000000 octets are taken"
        assert replies[3].startswith("250")


async def test_programs_are_refused(tmp_path: Path) -> None:
    text = 'Content-Type: application/octet-stream; name="{}"\r\n\r\nx\r\n'
    async with hub_with("no_executables", tmp_path) as hub:
        assert await hub.send(text.format("nice.EXE")) == (554, "5.7.1 programs are not taken by mail")
        assert (await hub.send(text.format("nice.txt")))[0] == 250


async def test_the_team_is_written_to_by_the_team(tmp_path: Path) -> None:
    to = "team@example.test"
    async with hub_with("team_only", tmp_path, accounts=(to,)) as hub:
        assert (await hub.send(to=to))[0] == 550


async def test_the_archive_can_only_be_read(tmp_path: Path) -> None:
    user = "archive@example.test"
    async with hub_with("read_only", tmp_path, accounts=(user,)) as hub:
        assert (await hub.send(to=user))[0] == 250
        assert len(await hub.mailbox(user=user)) == 1

        def change(client: IMAP4) -> tuple[str, str]:
            client.select()
            return client.create("New")[0], client.uid("STORE", "1", "+FLAGS", "\\Seen")[0]

        assert await hub.imap(change, user) == ("NO", "NO")


async def test_who_has_no_name_waits(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    async with hub_with("tarpit", tmp_path, clock=clock) as hub:
        asleep = clock.sleepers
        asked = asyncio.ensure_future(dialogue(hub.port(), ["EHLO [127.0.0.1]", "QUIT"]))
        async with asyncio.timeout(20):
            while clock.sleepers == asleep:
                await asyncio.sleep(0.01)
        assert not asked.done()
        await clock.turn(5)
        assert (await asked)[1].startswith("250")
        assert (await dialogue(hub.port(), ["EHLO there", "QUIT"]))[1].startswith("250")


async def test_mail_from_outside_is_marked(tmp_path: Path) -> None:
    async with hub_with("outside", tmp_path) as hub:
        assert (await hub.send())[0] == 250
        assert b"\r\nX-From-Outside: 127.0.0.1\r\n" in (await hub.mailbox())[0]


async def test_clients_are_told_what_time_it_is(tmp_path: Path) -> None:
    async with hub_with("server_time", tmp_path, clock=ManualClock(NOON)) as hub:

        def ask(client: IMAP4) -> tuple[str, list[object]]:
            assert "XTIME" in client.capability()[1][0].decode().split()
            return client.xatom("XTIME")[0], client.response("XTIME")[1]

        assert await hub.imap(ask) == ("OK", [b"%d" % NOON])
