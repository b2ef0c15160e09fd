"""Somebody's lines for a while, addresses as the operator wants them, and never a secret."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import pytest
import structlog

from hub.config.secrets import Secret
from hub.control import Refused, ask
from hub.log import Raised, configure, get_logger
from hub.mail.address import Address
from hub.mail.login import AccountRef, Identity, Password
from hub.mail.redaction import redacted, redacted_host
from hub.testing.clock import ManualClock
from hub.testing.running import running_hub

BOB = Address("bob", "example.test")


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """Where the log goes."""
    yield io.StringIO()
    structlog.reset_defaults()


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_only_the_raised_plugin_is_logged_below_the_level(out: io.StringIO) -> None:
    configure("info", "json", out, raised=[Raised("debug", plugin="clamav")])
    get_logger(plugin="clamav").debug("scanned")
    get_logger(plugin="deny-list").debug("looked up")
    get_logger(plugin="deny-list").info("told")
    assert [line["event"] for line in lines(out.getvalue())] == ["scanned", "told"]


@pytest.mark.parametrize(
    ("policy", "shown"),
    [("full", "bob@example.test"), ("domain", "…@example.test"), ("hash", "#25a2a844fdd9")],
)
def test_addresses_are_shown_as_the_operator_wants(out: io.StringIO, policy: str, shown: str) -> None:
    configure("info", "json", out, addresses=policy)  # type: ignore[arg-type]
    identity = Identity(AccountRef("default", "x"), "bob", BOB)
    get_logger().info("told", to=BOB, reason="<bob@example.test> is full", all=[BOB], who=identity)
    (line,) = lines(out.getvalue())
    assert line["to"] == shown
    assert line["reason"] == f"<{shown}> is full"
    assert line["all"] == [shown]
    assert str(line["who"]).endswith(f"address={shown})")


@pytest.mark.parametrize("local", ['"bob smith"', '"b\\"ob"', "bob+tag"])
def test_no_part_of_an_address_is_left_in_a_text(local: str) -> None:
    assert redacted(f"RCPT TO:<{local}@example.test>", "domain") == "RCPT TO:<…@example.test>"


@pytest.mark.parametrize("piece", ['"', '"\\', ' "', '\\"', "a@", '"a" '])
def test_redaction_takes_time_by_the_length_of_a_text(piece: str) -> None:
    began = process_time()
    redacted(piece * 200_000 + "@", "hash")
    assert process_time() - began < 20, "it would be hours"


@pytest.mark.parametrize(
    ("host", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"), ("fe80::1%eth0", "fe80::/48")],
)
def test_of_a_machine_its_network_is_shown_or_a_hash(host: str, network: str) -> None:
    assert redacted_host(host, "full") == host
    assert redacted_host(host, "domain") == network
    assert re.fullmatch("#[0-9a-f]{12}", redacted_host(host, "hash"))
    assert redacted_host("nowhere", "domain") == ""


def test_secrets_are_never_shown(out: io.StringIO) -> None:
    configure("info", "json", out)
    get_logger().info("told", secret=Secret("hunter2"), all=[Password("bob", "hunter2")])
    assert "hunter2" not in out.getvalue()


def test_known_errors_carry_their_code(out: io.StringIO) -> None:
    configure("info", "json", out)
    get_logger(plugin="x").error("hook failed", hook="smtp_rcpt")
    assert lines(out.getvalue())[0]["error"] == "plugin-hook-failed"


@pytest.mark.proves("operation: the log tells more about one sender for ten minutes, and then no longer")
async def test_one_sender_is_logged_for_ten_minutes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualClock()
    async with running_hub(tmp_path, clock=clock, tables={"log": {"format": "json"}}) as running:
        socket = running.folder / "data" / "control.sock"
        with pytest.raises(Refused, match=r"no plugin 'clamva'"):
            await asyncio.to_thread(ask, socket, "raise-log", plugin="clamva")
        await asyncio.to_thread(ask, socket, "raise-log", sender="Carol@example.org")
        await running.send(sender="carol@example.org")
        await running.send(sender="dave@example.org")
        await asyncio.to_thread(ask, socket, "flush-traces")
        debug = [line for line in lines(capsys.readouterr().err) if line["level"] == "debug"]
        assert {"command RCPT", "command DATA"} <= {line["event"] for line in debug}
        assert len({line["message"] for line in debug}) == 1
        assert "dave" not in json.dumps(debug)
        await clock.turn(601)
        await running.send(sender="carol@example.org")
        await asyncio.to_thread(ask, socket, "flush-traces")
        assert "debug" not in {line["level"] for line in lines(capsys.readouterr().err)}


async def test_no_line_of_a_login_has_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_hub(tmp_path, tables={"log": {"format": "json", "level": "debug"}}) as running:
        socket = running.folder / "data" / "control.sock"
        await asyncio.to_thread(ask, socket, "raise-log", sender="alice@example.test")
        await asyncio.to_thread(ask, socket, "raise-log", plugin="directory-sql")
        await running.imap(lambda client: client.noop())
        await running.smtp(
            lambda client: (client.ehlo("c"), client.login("alice@example.test", "demo")), "submission"
        )
        with pytest.raises(Exception, match="AUTHENTICATIONFAILED"):
            await running.imap(lambda client: None, user="nobody@example.test")
        await asyncio.to_thread(ask, socket, "flush-traces")
    text = capsys.readouterr().err
    assert any(line["event"] == "hook authenticate" for line in lines(text))
    for hidden in ('"demo', " demo", "AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v", "ZGVtbw"):
        assert hidden not in text


def test_addresses_in_tracebacks_are_redacted_too(out: io.StringIO) -> None:
    configure("info", "json", out, addresses="domain")
    try:
        raise ValueError("no room for bob@example.test")
    except ValueError:
        get_logger().error("a command failed", exc_info=True)
    assert "no room for …@example.test" in str(lines(out.getvalue())[0]["exception"])
