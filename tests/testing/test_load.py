"""Mail that flows while a test does something else."""

from __future__ import annotations

from pathlib import Path

from hub.testing.load import HEADER, mail_load
from hub.testing.running import running_hub


async def test_every_message_has_one_outcome_and_what_was_accepted_is_in_the_mailbox(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        async with mail_load(hub.port(), sessions=5) as load:
            await load.until_accepted(20)
        assert not load.refused
        assert not load.unanswered
        assert not load.dropped
        numbers = [mail.split(HEADER.encode() + b": ")[1].split(b"\r\n")[0] for mail in await hub.mailbox()]
        assert sorted(map(int, numbers)) == sorted(load.accepted)


async def test_a_server_that_is_not_there_is_tried_again(tmp_path: Path, unused_tcp_port: int) -> None:
    async with mail_load(unused_tcp_port, sessions=2) as load:
        listener = {"smtp": {"protocol": "smtp", "bind": [f"127.0.0.1:{unused_tcp_port}"]}}
        async with running_hub(tmp_path, tables={"listeners": listener}):
            await load.until_accepted(3)
    assert load.dropped
