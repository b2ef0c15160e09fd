"""The plugin in a real hub, from its source tree."""

from pathlib import Path

from hub.testing.running import running_hub

TREES = Path(__file__).parents[2]


async def test_only_the_first_mail_of_a_sender_is_marked(tmp_path: Path) -> None:
    async with running_hub(tmp_path, plugins=["first-contact"], trees=[TREES]) as hub:
        for sender in ("bob@example.org", "BOB@example.org", "eve@example.org"):
            assert (await hub.send(sender=sender))[0] == 250
        marked = [b"\r\nX-First-Contact: yes\r\n" in message for message in await hub.mailbox()]
        assert marked == [True, False, True]
