"""The lines that a real hub's mail leaves."""

import json

from hub.testing.running import RunningHub


async def test_every_mail_leaves_a_line(hub: RunningHub) -> None:
    await hub.send(sender="someone@far.example")
    await hub.send(to="nobody@example.test")
    await hub.until_called("message_accepted")
    await hub.until_called("recipient_refused")
    assert hub.failures == []
    file = hub.plugin("mail-log").data_dir / "mail.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["accepted", "recipient refused"]
    assert lines[0]["from"] == "someone@far.example"
    assert lines[0]["recipients"] == ["alice@example.test"]
    assert (lines[1]["to"], lines[1]["code"]) == ("nobody@example.test", 550)
