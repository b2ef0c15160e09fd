"""Searches that are kept up to date (RFC 5267): how many, what they cost, what becomes of one that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.imap import contexts
from hub.imap.searched import Searched
from tests.imap.conftest import ImapHub, _hub
from tests.imap.test_growth import SMALL, fill, steps

KEPT = (
    "UID SEARCH RETURN (UPDATE) UNSEEN TEXT line",
    "SEARCH RETURN (UPDATE) UID 1:* NOT FLAGGED",
    "UID SORT RETURN (UPDATE) (REVERSE SUBJECT DATE) UTF-8 UNDELETED",
)
CHANGES = (
    "STORE 9 +FLAGS (\\Seen)", "STORE 12 -FLAGS.SILENT (\\Seen)", "STORE 20:22 +FLAGS (\\Deleted)",
    "APPEND INBOX {13+}\r\nSubject: 1\r\n\r\n", "NOOP", "UID EXPUNGE 21",
)  # fmt: skip


async def costs(folder: Path, size: int) -> list[int]:
    folder.mkdir()
    async with _hub(folder, "", {}, None) as hub:
        await fill(hub, size)
        async with await hub.logged_in(mailbox="INBOX") as client:
            for command in KEPT:
                await client.ok(command)
            for command in ("STORE 5 +FLAGS (\\Seen \\Deleted)", CHANGES[3], "EXPUNGE"):  # the first time
                await client.ok(command)
            return [await steps(client.ok(command)) for command in CHANGES]


@pytest.mark.proves("imap: a search that is kept up to date looks at the changed messages only")
async def test_an_update_costs_what_has_changed(tmp_path: Path) -> None:
    small, large = await costs(tmp_path / "small", SMALL), await costs(tmp_path / "large", 4 * SMALL)
    found = dict(zip(CHANGES, zip(small, large, strict=True), strict=True))
    assert {command: pair for command, pair in found.items() if pair[1] > 1.3 * pair[0] + 60} == {}


async def test_too_many_are_answered_and_not_kept(imap: ImapHub, monkeypatch: pytest.MonkeyPatch) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", b"Subject: one\r\n\r\n")
        await client.append("INBOX", b"Subject: two\r\n\r\n")
        for _ in range(contexts.MAX_CONTEXTS):
            assert len(await client.ok("SEARCH RETURN (UPDATE COUNT) DELETED")) == 1
        told, refused = await client.ok("SEARCH RETURN (UPDATE COUNT) ALL")
        assert told.endswith(b"COUNT 2")
        assert refused.startswith(b'* NO [NOUPDATE "')
    monkeypatch.setattr(contexts, "MAX_KEPT", 3)
    async with await imap.logged_in(mailbox="INBOX") as client:
        assert len(await client.ok("SORT RETURN (UPDATE) (DATE) UTF-8 ALL")) == 1
        assert len(await client.ok("SORT RETURN (UPDATE) (DATE) UTF-8 ALL")) == 2
        assert len(await client.ok("SEARCH RETURN (UPDATE) 1")) == 1
    monkeypatch.setattr(contexts, "MAX_KEPT", 1)
    async with await imap.logged_in(mailbox="INBOX") as client:
        assert len(await client.ok("SEARCH RETURN (UPDATE) ALL")) == 1
        assert len(await client.ok("SEARCH RETURN (UPDATE) 1")) == 2


async def test_one_that_fails_is_given_up_and_the_session_goes_on(
    imap: ImapHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", b"Subject: one\r\n\r\n")
        await client.ok("NOOP")
        await client.ok("SEARCH RETURN (UPDATE) SUBJECT one")

        async def fails(*_: object) -> set[int]:
            raise OSError("no disk")

        with monkeypatch.context() as patched:
            patched.setattr(Searched, "find", fails)
            _, refused = await client.ok("STORE 1 +FLAGS (\\Seen)")
        assert refused.startswith(b'* NO [NOUPDATE "')
        assert await client.ok("STORE 1 -FLAGS.SILENT (\\Seen)") == []
