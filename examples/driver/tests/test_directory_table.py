"""The driver in a real hub, from its source tree."""

from collections.abc import AsyncIterator
from imaplib import IMAP4
from pathlib import Path

import pytest

from hub.testing.running import PASSWORD, RunningHub, running_hub

TREES = Path(__file__).parents[2]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    accounts = {"Ann@example.org": PASSWORD, "ben@example.org": "other"}
    tables = {
        "hub": {"plugins": ["storage-sql", "blobs-segment", "directory-table"]},
        "services": {"directory": "directory-table"},
        "plugins": {"directory-table": {"accounts": accounts}},
    }
    async with running_hub(tmp_path, tables=tables, accounts=(), trees=[TREES]) as hub:
        yield hub


async def test_mail_reaches_the_accounts_of_the_table(hub: RunningHub) -> None:
    for to in ("ann@example.org", "ANN+tag@Example.org", "postmaster@example.org"):
        assert (await hub.send(to=to))[0] == 250
    assert len(await hub.mailbox(user="ann@example.org")) == 3


async def test_nobody_else_gets_mail(hub: RunningHub) -> None:
    assert (await hub.send(to="eve@example.org"))[0] == 550
    assert (await hub.send(to="ann@example.net"))[0] == 550


async def test_a_wrong_password_does_not_log_in(hub: RunningHub) -> None:
    with pytest.raises(IMAP4.error, match="AUTHENTICATIONFAILED"):
        await hub.imap(lambda client: client.noop(), user="ben@example.org")
