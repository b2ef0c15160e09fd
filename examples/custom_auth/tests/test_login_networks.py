"""Logins in a real hub, which a test reaches from 127.0.0.1."""

from imaplib import IMAP4

import pytest

from hub.testing.running import RunningHub


@pytest.mark.hub(
    settings={"networks": {"alice@example.test": ["10.0.0.0/8"], "BOB@example.test": ["127.0.0.0/8"]}}
)
async def test_only_who_may_come_from_here_logs_in(hub: RunningHub) -> None:
    with pytest.raises(IMAP4.error, match="AUTHENTICATIONFAILED"):
        await hub.imap(lambda client: client.noop(), user="alice@example.test")
    await hub.imap(lambda client: client.noop(), user="bob@example.test")
    refused, left = hub.called("authenticate")[0], hub.called("authenticate")[-1]
    assert refused.plugin == "login-networks"
    assert left.plugin == "directory-sql"


async def test_who_is_not_named_logs_in_from_anywhere(hub: RunningHub) -> None:
    await hub.imap(lambda client: client.noop(), user="alice@example.test")
