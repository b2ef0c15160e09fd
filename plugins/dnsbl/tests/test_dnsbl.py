"""The plugin in a hub that sees clients of all kinds behind a proxy, with a real DNS server on loopback."""

import asyncio
import smtplib
import socket
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import cast

import pytest
from hub_plugin_dnsbl import MAX_QUERIES, Settings

from hub.testing.clock import ManualClock
from hub.testing.running import RunningHub, running_hub

from .conftest import Knot

LISTED, TWICE, SCORED, LONG, CLEAN = (f"192.0.2.{number}" for number in (2, 3, 4, 5, 9))
MESSAGE = "From: bob@example.test\r\nSubject: hello\r\n\r\nhello\r\n"
BLOCK: dict[str, object] = {"bl.example": {}}


def hub_with(
    folder: Path, knot: Knot, clock: ManualClock | None = None, **settings: object
) -> AbstractAsyncContextManager[RunningHub]:
    table = {"lists": BLOCK, "nameservers": [f"127.0.0.1:{knot.port}"], **settings}
    listeners = {
        "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"], "proxy_protocol": ["127.0.0.1"]},
        "submission": {"protocol": "submission", "bind": ["127.0.0.1:0"], "xclient": ["127.0.0.1"]},
        "imap": {"protocol": "imap", "bind": ["127.0.0.1:0"]},
    }
    return running_hub(
        folder, plugins=["dnsbl"], tables={"plugins": {"dnsbl": table}, "listeners": listeners}, clock=clock
    )


class Client(smtplib.SMTP):
    """A client whose address is what a proxy says."""

    def __init__(self, port: int, address: str) -> None:
        self._header = f"PROXY TCP{6 if ':' in address else 4} {address} {address} 4711 25\r\n".encode()
        super().__init__("127.0.0.1", port, local_hostname="client.far.example", timeout=30)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        connection.sendall(self._header)
        return connection


async def said(hub: RunningHub, address: str, to: tuple[str, ...] = ("alice@example.test",)) -> list[str]:
    """The replies to each RCPT of one session, and to DATA if there is a recipient."""

    def talk() -> list[str]:
        with Client(hub.port(), address) as client:
            client.ehlo()
            assert client.mail("bob@far.example")[0] == 250
            replies = [client.rcpt(each) for each in to]
            if any(code == 250 for code, _ in replies):
                replies.append(client.data(MESSAGE))
            return [f"{code} {text.decode()}" for code, text in replies]

    return await asyncio.to_thread(talk)


async def is_refused(hub: RunningHub, address: str) -> bool:
    replies = await said(hub, address)
    assert len(replies) == 2 or replies[0].startswith("550 5.7.1"), replies
    return len(replies) == 1


def trouble(hub: RunningHub, name: str) -> object:
    """What `hub status` says is wrong with a list."""
    (needed,) = [each for each in hub.hub.loader.dependencies() if each["name"] == f"DNS list {name}"]
    return needed["trouble"]


def logged(output: str) -> list[str]:
    return [line for line in output.splitlines() if "a DNS list counts as nothing" in line]


@pytest.mark.proves(
    "checks: clients on DNS block lists are refused or scored, those on allow lists are helped"
)
async def test_a_listed_client_is_refused_and_told_by_whom(tmp_path: Path, knot: Knot) -> None:
    async with hub_with(tmp_path, knot) as hub:
        refusal = f"550 5.7.1 no mail is taken from {LISTED}: it is listed by bl.example"
        assert await said(hub, LISTED) == [refusal]
        assert await is_refused(hub, "2001:db8::1")
        assert await is_refused(hub, f"::ffff:{LISTED}")
        for address in (CLEAN, "2001:db8::2"):
            assert not await is_refused(hub, address)
        assert trouble(hub, "bl.example") is None


async def test_weights_of_lists_and_answers_add_up(tmp_path: Path, knot: Knot) -> None:
    lists = {
        "bl.example": {"weight": 3, "codes": {"127.0.0.10-11": 1}},
        "two.example": {"weight": 2.5},
        "good.example": {"weight": -1, "codes": {"127.0.*.3": -2}},
    }
    async with hub_with(tmp_path, knot, lists=lists, reject_at=3.6) as hub:
        assert not await is_refused(hub, LISTED)  # 3 - 1
        assert not await is_refused(hub, SCORED)  # 1
        assert not await is_refused(hub, TWICE)  # 3, more than the 1 of its other answer, + 2.5 - 2
        assert await hub.mailbox("Junk") == []
        scores = [
            kept.partition(b"X-Hub-Checks: score ")[2].partition(b";")[0] for kept in await hub.mailbox()
        ]
        assert scores == [b"+2", b"+1", b"+3.5"]
    async with hub_with(tmp_path / "stricter", knot, lists=lists, reject_at=3.5) as hub:
        assert await is_refused(hub, TWICE)


async def test_what_is_not_refused_is_scored(tmp_path: Path, knot: Knot) -> None:
    async with hub_with(tmp_path, knot, reject_at="off") as hub:
        assert not await is_refused(hub, LISTED)
        (kept,) = await hub.mailbox("Junk")
        assert b"\r\nX-Hub-Checks: score +5; dnsbl: listed by bl.example (127.0.0.2, +5)\r\n" in kept
        assert not await is_refused(hub, CLEAN)
        assert len(await hub.mailbox()) == 1


async def test_an_answer_that_weighs_nothing_is_none(tmp_path: Path, knot: Knot) -> None:
    lists = {"bl.example": {"codes": {"127.0.0.10": 0}}}
    async with hub_with(tmp_path, knot, lists=lists) as hub:
        assert not await is_refused(hub, SCORED)
        (kept,) = await hub.mailbox()
        assert b"listed" not in kept


async def test_an_answer_too_long_for_a_datagram_is_asked_for_again(tmp_path: Path, knot: Knot) -> None:
    async with hub_with(
        tmp_path, knot, lists={"bl.example": {"weight": 1, "codes": {"127.0.1.59": 9}}}
    ) as hub:
        assert await is_refused(hub, LONG)


async def test_lists_that_refuse_or_fail_count_as_nothing_and_are_logged_once(
    tmp_path: Path, knot: Knot, capsys: pytest.CaptureFixture[str], manual_clock: ManualClock
) -> None:
    lists: dict[str, object] = {"quota.example": {}, "parked.example": {}, "dead.example": {}}
    async with hub_with(tmp_path, knot, manual_clock, lists=lists) as hub:
        for address in (LISTED, TWICE, CLEAN):
            assert not await is_refused(hub, address)
        assert trouble(hub, "quota.example") == "it refuses to be asked (127.255.255.254)"
        assert trouble(hub, "parked.example") == "it answers 198.51.100.1, which no list does"
        assert trouble(hub, "dead.example") == "no name server gives an answer (NoNameservers)"
        assert len(logged(capsys.readouterr().out)) == 3
        await manual_clock.turn(86400)
        assert not await is_refused(hub, LISTED)
        assert len(logged(capsys.readouterr().out)) == 3


async def test_a_server_that_never_answers_costs_the_timeout_once_for_all_lists(
    tmp_path: Path, knot: Knot
) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        lists: dict[str, object] = {f"list{number}.example": {} for number in range(MAX_QUERIES + 40)}
        async with hub_with(tmp_path, knot, lists=lists, nameservers=[server], timeout=0.5) as hub:
            # One after the other they would take minutes; those that find no place end with the others.
            async with asyncio.timeout(15):
                assert not await is_refused(hub, LISTED)
            assert trouble(hub, f"list{MAX_QUERIES + 39}.example") == "no answer within 0.5 s"


async def test_the_next_server_is_asked_when_one_is_silent(tmp_path: Path, knot: Knot) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        servers = [f"127.0.0.1:{silent.getsockname()[1]}", f"127.0.0.1:{knot.port}"]
        async with hub_with(tmp_path, knot, nameservers=servers, timeout=4) as hub:
            assert await is_refused(hub, LISTED)


async def test_answers_are_kept_for_other_sessions(tmp_path: Path, knot: Knot) -> None:
    async with hub_with(tmp_path, knot, timeout=2) as hub:
        assert await is_refused(hub, LISTED)
        assert not await is_refused(hub, CLEAN)
        knot.stop()
        assert await is_refused(hub, LISTED)
        assert not await is_refused(hub, CLEAN)
        assert trouble(hub, "bl.example") is None
        assert not await is_refused(hub, TWICE)
        assert trouble(hub, "bl.example") is not None
        knot.start()
        assert await is_refused(hub, TWICE)
        assert trouble(hub, "bl.example") is None


async def test_one_session_asks_once(tmp_path: Path, knot: Knot) -> None:
    asked: list[bytes] = []

    class Server(asyncio.DatagramProtocol):
        """Refuses everything, so that nothing is kept but what the session keeps."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            asked.append(data)
            self._transport.sendto(data[:2] + b"\x81\x05" + data[4:], addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    server = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    with closing(transport):
        async with hub_with(tmp_path, knot, nameservers=[server]) as hub:
            assert len(await said(hub, LISTED, to=("alice@example.test", "bob@example.test"))) == 3
            assert len(asked) == 1
            assert b"\x012\x012\x010\x03192\x02bl\x07example\x00" in asked[0]
            assert not await is_refused(hub, LISTED)
            assert len(asked) == 2


async def test_exempt_networks_are_not_asked_about(tmp_path: Path, knot: Knot) -> None:
    async with hub_with(tmp_path, knot, exempt=["192.0.2.0/30", "2001:db8::/32"]) as hub:
        assert not await is_refused(hub, LISTED)
        assert not await is_refused(hub, "2001:db8::1")
        assert await is_refused(hub, SCORED)


async def test_who_has_logged_in_is_not_asked_about(tmp_path: Path, knot: Knot) -> None:
    def submit(client: smtplib.SMTP) -> dict[str, tuple[int, bytes]]:
        client.ehlo()
        assert client.docmd("XCLIENT", f"ADDR={LISTED} LOGIN=bob@example.test")[0] == 220
        client.ehlo()
        return client.sendmail("bob@example.test", ["alice@example.test"], MESSAGE)

    async with hub_with(tmp_path, knot) as hub:
        assert await is_refused(hub, LISTED)
        assert await hub.smtp(submit, "submission") == {}
        (kept,) = await hub.mailbox()
        assert b"listed" not in kept


async def test_the_listed_may_write_to_named_recipients(tmp_path: Path, knot: Knot) -> None:
    async with hub_with(tmp_path, knot, exempt_recipients=["Alice@example.test"]) as hub:
        replies = await said(hub, LISTED, to=("alice@example.test", "bob@example.test"))
        assert [reply[:3] for reply in replies] == ["250", "550", "250"]


async def test_a_zone_with_a_key_in_it_is_shown_to_nobody(
    tmp_path: Path, knot: Knot, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = {"good list": {"zone": "bl.example"}, "bad list": {"zone": "s3cret.example"}}
    async with hub_with(tmp_path, knot, lists=lists) as hub:
        (refusal,) = await said(hub, LISTED)
        assert refusal.endswith("it is listed by good list")
        assert trouble(hub, "bad list") is not None
    output = capsys.readouterr().out
    assert logged(output)
    assert "s3cret" not in output


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"lists": {"bl..example": {}}}, "a list 'bl..example' without a zone of its own"),
        ({"lists": {"a\nb": {"zone": "bl.example"}}}, "pattern"),
        ({"lists": {"x": {"zone": "." * 300}}}, "name of a list's zone"),
        ({"lists": {".".join([*["x" * 60] * 3, "x" * 10]): {}}}, "name of a list's zone"),
        ({"lists": {"bl.example": {"codes": {"127.0.0": 1}}}}, "four octets"),
        ({"lists": {"bl.example": {"codes": {"127.0.0.9-2": 1}}}}, r"127\.0\.0\.4-7"),
        ({"lists": {"bl.example": {"codes": {"127.0.0.256": 1}}}}, r"127\.0\.0\.4-7"),
        ({"lists": BLOCK, "nameservers": ["ns.example"]}, "should be an address such as"),
        ({"lists": BLOCK, "nameservers": ["a:b:c"]}, "should be an address such as"),
        ({"lists": BLOCK, "nameservers": ["192.0.2.1:53:"]}, "should be an address such as"),
        ({"lists": BLOCK, "nameservers": ["[::1]x"]}, "it is no address"),
        ({"lists": BLOCK, "nameservers": ["192.0.2.1:0"]}, "there is no port 0"),
        ({"lists": BLOCK, "exempt": ["192.0.2.1/24"]}, "the network is"),
        ({}, "lists"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Settings.model_validate(settings)


@pytest.mark.parametrize("server", ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"])
def test_a_name_server_is_an_address_with_or_without_a_port(server: str) -> None:
    assert Settings.model_validate({"lists": BLOCK, "nameservers": [server]}).nameservers == (server,)
