"""mutt, driven by the keys that a person would press."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.imap.conftest import ImapHub

pytestmark = pytest.mark.skipif(shutil.which("mutt") is None, reason="mutt is not installed")

SETTINGS = """
set imap_user = "alice@example.test"
set imap_pass = "demo"
set imap_authenticators = "{authenticator}"
set ssl_starttls = no
set ssl_force_tls = no
set folder = "imap://127.0.0.1:{port}/"
set spoolfile = "+INBOX"
set record = ""
set header_cache = ""
set mail_check = 1
set quit = yes
set delete = yes
set confirmappend = no
set confirmcreate = no
set wait_key = no
set pager_stop = yes
set sort = mailbox-order
set imap_idle = yes
push "{keys}"
"""


def press(port: int, folder: Path, keys: str, authenticator: str = "login") -> None:
    """Run mutt on a terminal of its own until the keys have made it quit."""
    settings = folder / "muttrc"
    settings.write_text(SETTINGS.format(port=port, keys=keys, authenticator=authenticator))
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        ["mutt", "-n", "-F", settings],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={
            "TERM": "vt100",
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "LINES": "24",
            "COLUMNS": "80",
        },
        start_new_session=True,
    )
    os.close(terminal)
    screen = bytearray()
    try:
        while octets := _read(control):
            screen += octets
        assert process.wait(30) == 0, bytes(screen[-2000:])
    finally:
        process.kill()
        process.wait()
        os.close(control)


def _read(control: int) -> bytes:
    try:
        return os.read(control, 65536)
    except OSError:  # the other side is closed
        return b""


@pytest.mark.proves("imap: imaplib and mutt read, flag, copy and delete")
async def test_a_person_reads_flags_copies_and_deletes(imap: ImapHub, tmp_path: Path) -> None:
    async with await imap.logged_in() as client:
        for number in range(1, 6):
            await client.append(
                "INBOX",
                b"From: Ann <ann@example.org>\r\nSubject: mail %d\r\n"
                b"Date: Mon, 2 Feb 2026 10:00:0%d +0100\r\n\r\nbody %d\r\n" % (number, number, number),
            )
        keys = (
            "<first-entry><display-message><exit>"
            "<next-entry><flag-message>"
            "<first-entry><copy-message>=Archive<enter>"
            "<last-entry><delete-message><sync-mailbox>"
            "<limit>~b 'body 3'<enter><tag-message><limit>all<enter>"
            "<quit>"
        )
        await imap.blocking(lambda: press(imap.port, tmp_path, keys))
        await client.ok("SELECT INBOX")
        assert await client.ok("SEARCH ALL") == [b"* SEARCH 1 2 3 4"]
        assert await client.ok("SEARCH SEEN") == [b"* SEARCH 1"]
        assert await client.ok("SEARCH FLAGGED") == [b"* SEARCH 2"]
        await client.ok("SELECT Archive")
        assert await client.ok("SEARCH SUBJECT {6+}\r\nmail 1") == [b"* SEARCH 1"]


@pytest.mark.parametrize("authenticator", ["plain", "scram-sha-256"])
async def test_a_person_logs_in_by_sasl_and_makes_a_mailbox(
    imap: ImapHub, tmp_path: Path, authenticator: str
) -> None:
    keys = "<change-folder>?<create-mailbox>projects/new<enter><exit><quit>"
    await imap.blocking(lambda: press(imap.port, tmp_path, keys, authenticator))
    async with await imap.logged_in() as client:
        assert await client.ok('LIST "" projects/%') == [b'* LIST (\\HasNoChildren) "/" projects/new']
