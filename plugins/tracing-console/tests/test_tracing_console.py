"""The plugin in a hub; what it prints is complete once the hub has stopped."""

import asyncio
import base64
import re
import shutil
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from imaplib import IMAP4
from pathlib import Path

import hub_plugin_tracing_console as plugin_module
import pytest
from hub_plugin_tracing_console import MAX_LINES, MAX_SESSIONS, MESSAGES, SESSIONS, STYLES, Settings

from hub import Envelope, Stash, TlsInfo
from hub.testing.clock import ManualClock
from hub.testing.dialogue import dialogue
from hub.testing.running import RunningHub, running_hub
from hub.testing.scopes import make_scope

HELLO = "EHLO client.example.test"
MAIL = "MAIL FROM:<bob@example.test>"
RCPT = "RCPT TO:<alice@example.test>"
MESSAGE = "Subject: one\r\n\r\nHello\r\n."

Printed = pytest.CaptureFixture[str]


def hub_with(folder: Path, **settings: object) -> AbstractAsyncContextManager[RunningHub]:
    tables = {"plugins": {"tracing-console": {"tree": True, **settings}}}
    return running_hub(folder, plugins=["tracing-console"], tables=tables)


async def test_a_session_is_told_line_by_line_and_then_as_a_tree(tmp_path: Path, capsys: Printed) -> None:
    async with hub_with(tmp_path) as hub:
        stranger = "RCPT TO:<stranger@example.test>"
        replies = await dialogue(hub.port(), [HELLO, MAIL, stranger, RCPT, "DATA", MESSAGE, "QUIT"])
        message = replies[-2].split()[-1]
    printed = capsys.readouterr().err
    lines, tree = printed[: printed.index("session ", printed.index("session closed") + 20)], printed
    in_order = [
        "session opened",
        "recipient refused",
        "message accepted",
        "message delivered",
        "session closed",
    ]
    assert re.search(".*".join(in_order), lines, re.DOTALL)
    [root] = re.findall(r"^session (\w+)$", tree, re.MULTILINE)
    branch = tree.partition(f"├── message {message}\n")[2]
    assert re.match(
        r"│   ├── recipient refused to stranger@example\.test: 550 5\.1\.1 .*\n"
        r"│   ├── message accepted  <bob@example\.test> to <alice@example\.test>, \d+ octets\n"
        r"│   └── message delivered default/\w+ INBOX UID 1\n"
        r"└── session closed\n",
        branch,
    )
    assert f"{root}  {message}" in lines


async def test_every_fact_has_its_line(tmp_path: Path, capsys: Printed) -> None:
    clock = ManualClock()
    folder = tmp_path / "plugins.d"
    folder.mkdir(mode=0o700)
    (folder / "failing.py").write_text(
        "from hub import hookimpl\n@hookimpl\nasync def smtp_helo(name):\n    assert name != 'bad.example'\n"
    )
    (folder / "picky.py").write_text(
        "from hub import Finding, Reject, hookimpl\n"
        "@hookimpl\n"
        "async def check_message(message):\n"
        "    if message.headers.get('Subject') == 'bad':\n"
        "        return Finding(action=Reject('5.7.1', 'not this one'))\n"
    )
    async with running_hub(tmp_path, plugins=["tracing-console"], clock=clock) as hub:
        assert (await hub.send("Subject: bad\r\n\r\n\r\n"))[0] == 554
        assert (await hub.send(to="stranger@example.test"))[0] == 550
        assert (await hub.send())[0] == 250
        await hub.imap(read_all)
        wrong = base64.b64encode(b"\0alice@example.test\0wrong").decode()
        await dialogue(hub.port("submission"), [HELLO, f"AUTH PLAIN {wrong}"])
        for _ in range(5):
            await dialogue(hub.port(), ["HELO bad.example"])
        await clock.turn(10)
        await dialogue(hub.port(), ["HELO good.example"])
        (folder / "failing.py").write_text("from hub import nothing\n")
        assert not (await hub.hub.loader.reload()).ok
    printed = capsys.readouterr().err
    assert [fact for fact in STYLES if fact.replace("_", " ") not in printed] == []
    assert re.search(
        r"message refused   <bob@example.test> to <alice@example.test>: 554 5.7.1 not this one", printed
    )
    assert re.search(r"mailbox changed   default/\w+ INBOX flagged UID 1 ", printed)
    assert re.search(r"login failed      alice@example.test by PLAIN: ", printed)
    assert re.search(r"breaker opened    failing in smtp_helo: AssertionError", printed)
    assert re.search(r"reload refused    failing.py:1: ", printed)


def read_all(client: IMAP4) -> None:
    client.select("INBOX")
    client.store("1", "+FLAGS", r"(\Seen)")


async def test_only_the_chosen_facts_are_shown(tmp_path: Path, capsys: Printed) -> None:
    async with hub_with(tmp_path, only=["message_delivered"], tree=False) as hub:
        await hub.send()
    printed = capsys.readouterr().err
    assert re.fullmatch(r"\d\d:\d\d:\d\d message delivered default/\w+ INBOX UID 1  \w+\n", printed)


async def test_a_chosen_fact_is_in_the_tree_of_its_session(tmp_path: Path, capsys: Printed) -> None:
    async with hub_with(tmp_path, only=["message_accepted"]) as hub:
        await hub.send()
    assert re.search(
        r"^session \w+\n└── message \w+\n    └── message accepted", capsys.readouterr().err, re.MULTILINE
    )


@pytest.mark.parametrize(("colour", "coloured"), [("always", True), ("never", False), ("auto", False)])
async def test_colours_are_for_terminals_unless_asked_for(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, colour: str, coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    async with hub_with(tmp_path, colour=colour) as hub:
        await hub.send()
    assert ("\x1b[" in capsys.readouterr().err) is coloured


async def test_a_stranger_cannot_steer_the_terminal(tmp_path: Path, capsys: Printed) -> None:
    evil = base64.b64encode("\0[red]\x1b[2J\u202eeve\0x".encode()).decode()
    async with hub_with(tmp_path) as hub:
        await dialogue(hub.port("submission"), [HELLO, f"AUTH PLAIN {evil}"])
    printed = capsys.readouterr().err
    assert "\x1b" not in printed
    assert "\u202e" not in printed


async def test_an_open_session_keeps_its_lines_over_a_reload(tmp_path: Path, capsys: Printed) -> None:
    folder = tmp_path / "plugins.d"
    folder.mkdir(mode=0o700)
    file = folder / "tracing_console.py"
    shutil.copy(str(plugin_module.__file__), file)
    async with running_hub(tmp_path, tables={"plugins": {"tracing-console": {"tree": True}}}) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port())
        await reader.readline()
        capsys.readouterr()
        generations = hub.hub.loader.generations
        before = generations.current.plugins["tracing-console"]
        file.write_text(file.read_text() + "\n# a new version\n")
        await hub.hub.loader.reload()  # unless the watcher was faster
        assert generations.current.plugins["tracing-console"].version != before.version
        writer.write(b"QUIT\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
    printed = capsys.readouterr().err
    assert re.search(r"^session \w+\n├── session opened .*\n└── session closed\n", printed, re.MULTILINE)


@dataclass
class OpenSession:
    """A session without a connection."""

    id: str
    protocol: str = "smtp"
    listener: str = "smtp"
    peer: tuple[str, int] = ("192.0.2.7", 40000)
    peer_name: str | None = None
    local: tuple[str, int] = ("192.0.2.1", 25)
    tls: TlsInfo | None = None
    greeting: str | None = None
    identity: None = None
    stash: Stash = field(default_factory=Stash)


async def test_what_is_remembered_is_bounded(tmp_path: Path, capsys: Printed) -> None:
    scope = make_scope("tracing-console", tmp_path, ManualClock())
    await plugin_module.plugin_start(scope)
    for number in range(MAX_SESSIONS + 10):
        plugin_module.session_opened(scope, OpenSession(f"s{number}"))
    sessions, messages = scope.stash[SESSIONS], scope.stash[MESSAGES]
    assert len(sessions) == MAX_SESSIONS
    assert "s9" not in sessions
    busy = OpenSession("s500")
    for number in range(3 * MAX_LINES):
        plugin_module.message_accepted(scope, busy, Envelope(f"m{number}", None), 100)
    assert len(sessions["s500"]) == MAX_LINES
    assert len(messages) == MAX_LINES
    for session in list(sessions):
        plugin_module.session_closed(scope, OpenSession(session))
    assert (sessions, messages) == ({}, {})
    await scope.close()


def test_a_fact_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="session_opened"):
        Settings.model_validate({"only": ["session_open"]})
