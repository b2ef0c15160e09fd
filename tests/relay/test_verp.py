"""A sender with a reverse-path for each recipient: what comes back is counted against that one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub import Address, Headers
from hub.testing.observed import Observed
from hub.testing.running import RunningHub, running_hub
from tests.delivery.test_returned import REPORT
from tests.relay.hubs import until

TO = ("ann@elsewhere.example", "bert@elsewhere.example")


async def reverse_path(hub: RunningHub, user: str) -> str:
    (mail,) = await hub.mailbox(user=user)
    return (Headers(mail).get("Return-Path") or "").strip("<> ")


@pytest.mark.proves(
    "sending: mail that a server takes and returns later is known to be about its recipient (VERP)"
)
async def test_what_comes_back_is_about_the_recipient_that_it_was_sent_to(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "other", accounts=TO) as other:
        routes = {"elsewhere.example": f"127.0.0.1:{other.port()}"}
        tables = {
            "relay": {"enabled": True, "routes": routes, "verp": ["alice@example.test"]},
            "plugins": {"suppression-list": {"bounces": 2}},
        }
        plugins = ["suppression-list"]
        observed = Observed()
        async with running_hub(tmp_path, plugins=plugins, tables=tables, observed=observed) as hub:
            await hub.smtp(
                lambda client: (
                    client.login("alice@example.test", "demo"),
                    client.sendmail("alice@example.test", TO, "Subject: news\r\n\r\nnews\r\n"),
                ),
                "submission",
            )

            async def arrived() -> bool:
                return all([await other.mailbox(user=user) for user in TO])

            await until(arrived)
            ann, bert = [await reverse_path(other, user) for user in TO]
            assert ann.startswith("alice+")
            assert ann.endswith("=elsewhere.example=ann@example.test")
            assert bert.endswith("=elsewhere.example=bert@example.test")
            report = REPORT.decode()
            forged = ann.replace("=ann@", "=bert@")
            for to in (ann, forged, bert, ann):
                assert (await hub.send(report, sender="", to=to))[0] == 250
            assert (await hub.send(report, sender="ann@elsewhere.example", to=ann))[0] == 250  # no report
            await hub.told()
            calls = await hub.until_called("bounce_received", 3)
            assert [str(each.arguments["recipient"]) for each in calls] == [TO[0], TO[1], TO[0]]
            assert {each.arguments["bounce"] for each in calls} == {"unknown-user"}
            assert len(await hub.mailbox()) == 5  # all of it is alice's mail
            route = await hub.plugin("suppression-list").call(
                "resolve_route",
                message_id="1",
                sender=None,
                reverse_path=Address("alice", "example.test"),
                recipient=Address.parse(TO[0]),
            )
            assert "nobody of that name" in str(route)
