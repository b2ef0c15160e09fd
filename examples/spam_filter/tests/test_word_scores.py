"""The filter in a real hub."""

import pytest

from hub.testing.running import RunningHub


def mail(subject: str) -> str:
    return f"Subject: {subject}\r\n\r\nHello\r\n"


async def test_bad_words_add_up_to_junk(hub: RunningHub) -> None:
    assert (await hub.send(mail("lottery")))[0] == 250
    assert (await hub.send(mail("Lottery, inheritance")))[0] == 250
    [junk] = await hub.mailbox("Junk")
    assert b"inheritance" in junk
    assert len(await hub.mailbox()) == 1
    scores = [getattr(call.result, "score", None) for call in hub.called("check_message")]
    assert scores == [3.0, 5.5]


@pytest.mark.hub(settings={"words": {}})
async def test_without_words_nothing_is_scored(hub: RunningHub) -> None:
    assert (await hub.send(mail("lottery")))[0] == 250
    assert [call.result for call in hub.called("check_message")] == [None]
