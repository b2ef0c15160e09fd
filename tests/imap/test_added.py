"""Commands that plugins add, and what becomes of them when plugins change."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hub.hooks.imapcommand import ImapAnswer, ImapCommand
from tests.imap.conftest import OpenHub

ADDS = '''
"""Commands that are not the hub's."""
from hub import ImapAnswer, ImapCommand, hookimpl

async def echo(plugin, session, arguments):
    return ImapAnswer(f"{session.identity.login} said it", untagged=(f"XECHO {arguments!r}",), code="X")

async def fail(plugin):
    raise RuntimeError("a secret")

def refuse():
    return ImapAnswer("not today", condition="NO")

async def noop():
    return ImapAnswer("never asked")

@hookimpl
def provide_imap_commands():
    return [
        ImapCommand("XECHO", echo, capability="XECHO=1"),
        ImapCommand("XFAIL", fail),
        ImapCommand("XREFUSE", refuse, state="selected"),
        ImapCommand("NOOP", noop),
    ]
'''


async def test_a_command_is_offered_and_done(open_hub: OpenHub) -> None:
    hub = await open_hub(plugins={"adds": ADDS})
    async with await hub.client() as client:
        (offered,) = await client.ok("CAPABILITY")
        assert offered.endswith(b" XECHO=1")
        assert (await client.command("XECHO"))[-1] == b"BAD Log in first: LOGIN or AUTHENTICATE"
        await client.ok("LOGIN alice@example.test demo")
        told, last = await client.command(b'xecho one "two 2" {2+}\r\n3) (a (b) () "c d")')
        assert told == b"* XECHO ('one', 'two 2', '3)', ('a', ('b',), (), 'c d'))"
        assert last == b"OK [X] alice@example.test said it"
        assert (await client.command("XFAIL"))[-1].startswith(b"NO [UNAVAILABLE]")
        assert (await client.command("XREFUSE"))[-1].startswith(b"BAD Open a mailbox first")
        await client.ok("SELECT INBOX")
        assert (await client.command("XREFUSE"))[-1] == b"NO not today"
        assert (await client.command("NOOP"))[-1] == b"OK Nothing done"


@pytest.mark.parametrize(
    "text", ["XECHO (", "XECHO " + "(" * 11 + ")" * 11, "XECHO a\\x", 'XECHO "a', "XECHO \xff", "XECHO )"]
)
async def test_what_cannot_be_read_is_bad_without_the_plugin(open_hub: OpenHub, text: str) -> None:
    hub = await open_hub(plugins={"adds": ADDS})
    async with await hub.logged_in() as client:
        assert (await client.command(text.encode("latin-1")))[-1].startswith(b"BAD ")
        await client.ok("XECHO")


SLOW = '''
"""Say which version it is."""
import asyncio
from hub import ImapAnswer, ImapCommand, hookimpl

BEGUN, GO = asyncio.Event(), asyncio.Event()

async def version(arguments):
    BEGUN.set()
    if arguments:
        await GO.wait()
    return ImapAnswer("this is NUMBER")

@hookimpl
def provide_imap_commands():
    return [ImapCommand("XVERSION", version, capability="XVERSION")]
'''


async def test_a_command_ends_with_the_code_that_it_began_with(open_hub: OpenHub, tmp_path: Path) -> None:
    hub = await open_hub(plugins={"adds": SLOW.replace("NUMBER", "1")})
    file = tmp_path / "data" / "plugins.d" / "adds.py"
    async with await hub.logged_in() as client, await hub.logged_in() as other:
        module = sys.modules["hub_plugin_adds"]
        client.write(b"a1 XVERSION wait\r\n")
        await module.BEGUN.wait()
        file.write_text(SLOW.replace("NUMBER", "2"))
        report = await hub.loader.reload()
        assert report.ok, report.errors
        assert await other.command("XVERSION") == [b"OK this is 2"]
        module.GO.set()
        assert await client.answer(b"a1") == [b"OK this is 1"]
        assert await client.command("XVERSION") == [b"OK this is 2"]
        file.unlink()
        assert (await hub.loader.reload()).ok
        assert (await client.command("XVERSION"))[-1].startswith(b"BAD There is no command XVERSION")
        assert b"XVERSION" not in (await client.ok("CAPABILITY"))[0]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"text": "two\r\nlines"}, "printable ASCII"),
        ({"text": "x", "untagged": ("a\nb",)}, "printable ASCII"),
        ({"text": "x", "code": "A]"}, "holds no"),
        ({"text": "x", "condition": "PREAUTH"}, "OK, NO or BAD"),
    ],
)
def test_an_answer_fits_on_its_lines(arguments: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ImapAnswer(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "x", "UID", "TWO WORDS", "A\r\nB"])
def test_a_command_has_a_name_that_can_be_sent(name: str) -> None:
    with pytest.raises(ValueError, match="one word in capitals"):
        ImapCommand(name, lambda: ImapAnswer("x"))
