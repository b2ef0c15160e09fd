"""Mail from elsewhere that an alias leads elsewhere again: its reverse-path, and what comes back to that."""

from __future__ import annotations

import re
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from hub.mail.address import Address
from hub.services.clock import SystemClock
from hub.services.directory import Alias, DirectoryAdmin
from hub.testing.running import RunningHub, running_hub
from tests.peers.sink import Sink, needs_sink, sinking
from tests.relay.hubs import empty, submit, until

pytestmark = needs_sink

ANN = "ann@elsewhere.example"
LONG = "bounces+123456789012345-user=some.domain.example@em.provider.example"


class Ahead(SystemClock):
    """The machine's time, some seconds ahead; timers go by the machine."""

    seconds = 0.0

    def time(self) -> float:
        return super().time() + self.seconds


@asynccontextmanager
async def forwarding(
    folder: Path, port: int, clock: Ahead | None = None, **relay: object
) -> AsyncIterator[RunningHub]:
    """Mail for friend@example.test goes on to ann@elsewhere.example."""
    tables = {"relay": {"first_retry": 0.3, "pause": 0.3, "routes": {"*": f"127.0.0.1:{port}"}, **relay}}
    async with running_hub(folder, tables=tables, clock=clock) as running:
        directory = cast(DirectoryAdmin, running.hub.kernel.services.directory)
        await directory.add_alias(Alias(Address("friend", "example.test"), (Address.parse(ANN),)))
        yield running


def sender(sink: Sink) -> str:
    """The reverse-path of what came last."""
    newest = max(sink.folder.glob("mail.*"), key=lambda path: path.stat().st_mtime_ns)
    found = re.search(r"^X-Mail-Args: <([^>]*)>", newest.read_text(), re.MULTILINE)
    assert found
    return found[1]


async def forwarded(running: RunningHub, sink: Sink, source: str) -> str:
    code, reply = await running.send(sender=source, to="friend@example.test")
    assert code == 250, reply
    await until(lambda: empty(running))
    return sender(sink)


async def answered(running: RunningHub, recipient: str, source: str = "") -> tuple[int, str]:
    """What RCPT is answered."""

    def ask(client: smtplib.SMTP) -> tuple[int, str]:
        client.ehlo("mx.elsewhere.example")
        client.mail(source)
        code, reply = client.rcpt(recipient)
        return code, reply.decode()

    return await running.smtp(ask)


@pytest.mark.proves(
    "sending: what an alias passes on has a reverse-path of ours, and its bounces find the sender"
)
@pytest.mark.parametrize("source", ["bob@first.example", LONG])
async def test_what_is_passed_on_has_a_path_of_ours_and_bounces_go_back(tmp_path: Path, source: str) -> None:
    with sinking(tmp_path / "sink") as sink:
        async with forwarding(tmp_path / "hub", sink.port) as running:
            path = await forwarded(running, sink, source)
            assert path.startswith("SRS0=")
            assert path.endswith("@mail.example.test")
            assert len(path.partition("@")[0]) <= 64
            code, reply = await running.send("Subject: no\r\n\r\n", sender="", to=path)
            assert code == 250, reply
            await until(lambda: empty(running))
    bounced = next(text for text in sink.messages() if "Subject: no" in text)
    assert "X-Mail-Args: <>" in bounced
    assert f"X-Rcpt-Args: <{source}>" in bounced


async def test_who_has_logged_in_and_who_is_here_keeps_its_path(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink") as sink:
        async with forwarding(tmp_path / "hub", sink.port) as running:
            assert await forwarded(running, sink, "bob@example.test") == "bob@example.test"
            await submit(running, "friend@example.test")
            await until(lambda: empty(running))
            assert sender(sink) == "alice@example.test"
            assert await forwarded(running, sink, "") == ""


async def test_it_can_be_off_or_have_a_domain_of_its_own(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink") as sink:
        async with forwarding(tmp_path / "off", sink.port, srs=False) as running:
            assert await forwarded(running, sink, "bob@first.example") == "bob@first.example"
            assert (await answered(running, "SRS0=a=AA=b.example=c@mail.example.test"))[0] == 550
        async with forwarding(tmp_path / "own", sink.port, srs="Back.example.test") as running:
            path = await forwarded(running, sink, "bob@first.example")
            assert path.endswith("=first.example=bob@back.example.test")
            assert (await answered(running, path))[0] == 250


async def test_forged_and_old_addresses_and_all_but_reports_are_refused(tmp_path: Path) -> None:
    clock = Ahead()
    with sinking(tmp_path / "sink") as sink:
        async with forwarding(tmp_path / "hub", sink.port, clock) as running:
            path = await forwarded(running, sink, "bob@first.example")
            assert (await answered(running, path))[0] == 250
            assert (await answered(running, path.replace("bob", "eve"))) == (
                550,
                "5.1.1 Nothing returns to this address: it was not made here",
            )
            assert (await answered(running, path, "eve@first.example"))[1].startswith("5.7.1 Only reports")
            assert (await answered(running, path.replace("mail.", "other.")))[1].startswith("5.7.1 Relaying")
            clock.seconds += 23 * 86400
            assert "it has expired" in (await answered(running, path))[1]


async def test_keys_change_and_what_the_old_one_has_made_is_believed(tmp_path: Path) -> None:
    clock = Ahead()
    with sinking(tmp_path / "sink") as sink:
        async with forwarding(tmp_path / "hub", sink.port, clock) as running:
            await forwarded(running, sink, "bob@first.example")
            clock.seconds += 29 * 86400
            late = await forwarded(running, sink, "bob@first.example")
            clock.seconds += 2 * 86400
            newer = await forwarded(running, sink, "bob@first.example")
            keys = await running.hub.kernel.services.storage.kv("hub").get("srs:keys")
            assert keys is not None
            assert keys.count(b"[") == 3
            for path in (late, newer):
                assert (await answered(running, path))[0] == 250
