"""How much goes where at once: connections, rates, addresses to send from, servers that are not there."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.testing.clock import ManualClock
from hub.testing.running import RunningHub
from tests.peers.knot import needs_knot, resolving
from tests.peers.sink import needs_sink, sinking
from tests.relay.hubs import ANN, empty, rows, sending, submit, tried, until

pytestmark = needs_sink


def an_address() -> str:
    """One of the loopback network that nobody else uses, so that port 25 of it is free."""
    return f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"


def said(messages: list[str], name: str) -> Counter[str]:
    """What the sink notes on top of each."""
    lines = (line for text in messages for line in text.splitlines())
    return Counter(line.partition(": ")[2] for line in lines if line.startswith(f"{name}: "))


def states(running: RunningHub) -> dict[object, dict[str, object]]:
    relay = running.hub._relay
    assert relay is not None
    return {each["destination"]: dict(each) for each in relay.destinations()}


@pytest.mark.proves("sending: connections to other servers are used again, for as many messages as is said")
async def test_a_connection_is_used_again_but_not_forever(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-v") as sink:
        relay = {"per_connection": 5, "per_host": 1}
        async with sending(tmp_path / "hub", sink.port, relay=relay) as running:
            for _ in range(12):
                await submit(running, ANN)
            await until(lambda: empty(running))
        assert len(sink.messages()) == 12
        assert sink.connections() == 3


async def test_what_waits_together_shares_few_connections(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-v", "-w", "1") as sink:
        relay = {"limits": {"127.0.0.1": {"connections": 2}}, "enabled": True}
        async with sending(tmp_path / "hub", sink.port, relay=relay) as running:
            for number in range(4):
                await submit(running, f"ann@d{number}.example")
            await until(lambda: empty(running))
        assert sink.connections() == 2


@needs_knot
@pytest.mark.proves("sending: a domain is sent so many messages a minute, and no more")
async def test_a_rate_is_kept(tmp_path: Path, manual_clock: ManualClock) -> None:
    host = an_address()
    with (
        resolving({"big.test": [f"@ A {host}"]}) as nameserver,
        sinking(tmp_path / "sink", host=host, port=25) as sink,
    ):
        relay = {"limits": {".test": {"per_minute": 6}}}
        tables = {"dns": {"nameservers": [nameserver]}}
        async with sending(tmp_path / "hub", 0, manual_clock, relay=relay, tables=tables) as running:
            for _ in range(4):
                await submit(running, "ann@big.test")

            async def all_taken() -> bool:
                return len(sink.messages()) == count and len(await rows(running)) == 4 - count

            count = 1
            await until(all_taken)
            assert states(running)["big.test"]["per_minute"] == 6
            for count in (2, 3, 4):
                await manual_clock.turn(8)
                assert len(sink.messages()) == count - 1
                await manual_clock.turn(2.5)
                await until(all_taken)


async def test_sources_take_turns_and_some_are_a_senders_own(tmp_path: Path) -> None:
    shared, other, own = an_address(), an_address(), an_address()
    sources = {
        shared: {},
        other: {},
        own: {"hello": "alice.example.test", "senders": ["alice@example.test"]},
        "2001:db8::1": {},
    }
    with sinking(tmp_path / "sink") as sink:
        relay = {"sources": sources, "idle": 0}
        async with sending(tmp_path / "hub", sink.port, relay=relay) as running:
            await submit(running, ANN)
            for _ in range(4):
                await submit(running, ANN, sender="")
            await until(lambda: empty(running))
    assert said(sink.messages(), "X-Client-Addr") == {own: 1, shared: 2, other: 2}
    assert said(sink.messages(), "X-Helo-Args") == {"alice.example.test": 1, "mail.example.test": 4}


@contextmanager
def nobody_answers(host: str) -> Iterator[None]:
    """Whoever connects to port 25 of that address waits in vain."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind((host, 25))
        server.listen(0)
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex((host, 25))
        yield


@needs_knot
@pytest.mark.proves("sending: a mail exchanger that is gone costs one wait, and not one for each message")
async def test_a_dead_exchanger_is_tried_last_for_a_while(tmp_path: Path) -> None:
    dead, well = an_address(), an_address()
    zone = ["@ MX 10 dead", "@ MX 20 well", f"dead A {dead}", f"well A {well}", "well AAAA 2001:db8::1"]
    with (
        resolving({"big.test": zone}) as nameserver,
        nobody_answers(dead),
        sinking(tmp_path / "sink", "-v", host=well, port=25) as sink,
    ):
        relay = {
            "connect_timeout": "2s",
            "idle": 0,
            "per_domain": 1,
            "unreachable": "1h",
            "first_retry": "1s",
        }
        tables = {"dns": {"nameservers": [nameserver]}}
        async with sending(tmp_path / "hub", 0, relay=relay, tables=tables) as running:
            began = asyncio.get_running_loop().time()
            for _ in range(8):
                await submit(running, "ann@big.test")
            await until(lambda: empty(running))
            took = asyncio.get_running_loop().time() - began
        assert len(sink.messages()) == sink.connections() == 8
        assert took < 16  # two seconds for each that waited


@pytest.mark.proves("sending: a domain that takes no mail is left alone for a while, and then asked again")
async def test_whoever_is_not_there_is_left_alone_and_found_again(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    with sinking(tmp_path / "sink") as sink:
        pass  # nobody any more
    name = f"127.0.0.1:{sink.port}"
    relay = {"first_retry": "10s", "pause": "60s"}
    async with sending(tmp_path / "hub", sink.port, manual_clock, relay=relay) as running:
        await submit(running, ANN)
        await until(lambda: tried(running, 1))
        assert states(running)[name]["most"] == 1
        assert 50 < float(str(states(running)[name]["paused"])) < 70
        await submit(running, "ben@another.example")
        await until(lambda: tried(running, 1))
        (_, second) = await rows(running)
        assert "not asked again yet: cannot connect" in second.reply
        with sinking(tmp_path / "again", port=sink.port) as again:

            async def gone() -> bool:
                await manual_clock.turn(2)  # a lease lasts many of these
                return await empty(running)

            await until(gone)
            assert len(again.messages()) == 2
        assert manual_clock.monotonic() > 50
        assert states(running)[name]["trouble"] is None
        assert states(running)[name]["sent"] == 2


async def test_whoever_says_later_to_all_mail_gets_fewer_connections(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    with sinking(tmp_path / "sink", "-r", "MAIL", "-b", "451 4.7.1 too fast") as sink:
        async with sending(tmp_path / "hub", sink.port, manual_clock, relay={"per_host": 4}) as running:
            most = []
            for _ in range(3):
                await submit(running, ANN)
                await until(lambda: tried(running, 1))
                most.append(states(running)[f"127.0.0.1:{sink.port}"]["most"])
            state = states(running)[f"127.0.0.1:{sink.port}"]
    assert most == [2, 1, 1]
    assert float(str(state["paused"])) > 0
    assert state["trouble"] == "451 4.7.1 too fast"


@pytest.mark.proves("sending: what people write is not stuck behind a newsletter to other domains")
async def test_a_newsletter_to_a_slow_domain_holds_up_nobody(tmp_path: Path) -> None:
    with (
        sinking(tmp_path / "slow", "-w", "1", host=an_address()) as slow,
        sinking(tmp_path / "quick") as quick,
    ):
        routes = {".slow.example": f"{slow.host}:{slow.port}", "*": f"127.0.0.1:{quick.port}"}
        relay = {"routes": routes, "per_host": 2, "enabled": False}
        async with sending(tmp_path / "hub", 0, relay=relay) as running:
            for letter in range(7):  # more than a process takes at once
                await submit(running, *(f"ann@d{letter}-{n}.slow.example" for n in range(90)))
            kernel = running.hub.kernel
            going = kernel.settings.relay.model_copy(update={"enabled": True})
            kernel.settings = kernel.settings.model_copy(update={"relay": going})
            await submit(running, "ben@d.slow.example")
            await until(lambda: _waiting(running, 400))
            await submit(running, ANN, text=f"Precedence: bulk\r\n\r\n{'x' * 10}\r\n")

            async def there() -> bool:
                return len(quick.messages()) == 1

            await until(there)
            assert len(slow.messages()) < 40
            assert len(await rows(running)) > 500


async def _waiting(running: RunningHub, count: int) -> bool:
    return sum(int(str(each["waiting"])) for each in states(running).values()) >= count
