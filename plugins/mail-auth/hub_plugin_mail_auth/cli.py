"""`hub explain spf | dmarc | iprev`: the same evaluation as at the door, aloud, with DNS as it is now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Final

import click

from hub import (
    Address,
    CommandContext,
    Headers,
    Message,
    Plugin,
    SpfResult,
    check_dmarc,
    check_iprev,
    check_spf,
    host_address,
    results_field,
    verify_dkim,
)
from hub_plugin_mail_auth.judging import Hop, Ip

NAME: Final = "mail-auth"
MAX_MESSAGE: Final = 100_000_000
_RECEIVED: Final = re.compile(
    rb"from\s+(\S{1,255})\s+\((?:[^()\[\]]{0,255}\s)?\[(?:IPv6:)?([0-9A-Fa-f.:]{2,45})\]\)", re.IGNORECASE
)
_PATH: Final = re.compile(rb"<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class Given:
    """What the options say in place of the message's own lines; None where they say nothing."""

    ip: str | None
    mail_from: str | None
    helo: str | None


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="IP MAILFROM HELO | MESSAGE")
@click.pass_obj
def spf(context: CommandContext, what: Sequence[str]) -> None:
    """Evaluate SPF: for a client's IP, its MAIL FROM ("" for none) and HELO, or for a MESSAGE in a file.

    A message names its client in the topmost Received, and MAIL FROM in Return-Path.
    """
    if len(what) == 3:
        hop = _hop(*what)
    elif len(what) == 1:
        with _opened(what[0]) as file:
            hop = _hop_of(_message(file), Given(None, None, None))
    else:
        raise click.UsageError("it takes IP MAILFROM HELO, or one MESSAGE")

    async def work() -> SpfResult:
        async with context.open_plugin(NAME) as plugin:
            return await _spf(plugin, hop)

    found = context.run(work())
    if found.explanation:
        click.echo(f"the domain explains: {_printable(found.explanation)}")


@click.command()
@click.argument("message", type=click.File("rb"))
@click.option("--ip", help="The client's address, in place of that in the topmost Received.")
@click.option("--mail-from", help="The reverse-path, in place of Return-Path.")
@click.option("--helo", help="What the client called itself, in place of the name in Received.")
@click.pass_obj
def dmarc(
    context: CommandContext, message: IO[bytes], ip: str | None, mail_from: str | None, helo: str | None
) -> None:
    """Evaluate DMARC for MESSAGE, a file or - for standard input, with the SPF and DKIM that it needs."""
    found = _message(message)
    hop = _hop_of(found, Given(ip, mail_from, helo))

    async def work() -> str:
        async with context.open_plugin(NAME) as plugin:
            return await _dmarc(plugin, hop, found)

    click.echo(context.run(work()))


@click.command()
@click.argument("ip")
@click.pass_obj
def iprev(context: CommandContext, ip: str) -> None:
    """Look up the names of the client IP, and whether they lead back to it."""
    client = _address(ip)

    async def work() -> str:
        async with context.open_plugin(NAME) as plugin:
            return (await check_iprev(plugin.dns, client, _say)).result

    click.echo(context.run(work()))


async def _spf(plugin: Plugin, hop: Hop) -> SpfResult:
    return await check_spf(
        plugin.dns,
        hop.ip,
        hop.sender,
        hop.helo,
        receiver=plugin.hostname,
        now=plugin.clock.time(),
        say=_say,
    )


async def _dmarc(plugin: Plugin, hop: Hop, message: Message) -> str:
    click.echo("SPF")
    spf_result = await _spf(plugin, hop)
    click.echo("DKIM")
    signatures = await verify_dkim(message, plugin.dns, plugin.clock.time(), _say)
    click.echo("DMARC")
    result = await check_dmarc(
        plugin.dns,
        message.headers,
        spf_result.domain if spf_result.result == "pass" else "",
        [each.domain for each in signatures if each.status == "pass"],
        say=_say,
    )
    found = [spf_result.auth_result(), *(each.auth_result() for each in signatures), result.auth_result()]
    return f"Authentication-Results: {results_field(plugin.hostname, found)}".replace("\r\n", "\n")


def _say(line: str) -> None:
    click.echo(_printable(line))


def _printable(text: str) -> str:
    """What comes from DNS and messages must not act on the terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _opened(path: str) -> IO[bytes]:
    try:
        return click.open_file(path, "rb")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None


def _message(file: IO[bytes]) -> Message:
    octets = file.read(MAX_MESSAGE + 1)
    if len(octets) > MAX_MESSAGE:
        raise click.ClickException(f"the message has more than {MAX_MESSAGE} octets")
    octets = re.sub(rb"\r?\n", b"\r\n", octets)
    size = len(Headers(octets).block)
    return Message(octets[:size], octets[size:])


def _hop_of(message: Message, given: Given) -> Hop:
    received = _RECEIVED.search(message.headers.raw("Received") or b"")
    path = _PATH.search(message.headers.raw("Return-Path") or b"")
    ip = given.ip or (received[2].decode() if received else "")
    if not ip:
        raise click.ClickException("its topmost Received names no client: say --ip")
    if given.mail_from is None and path is None:
        raise click.ClickException("it has no Return-Path: say --mail-from, which may be empty")
    sender = path[1].decode("utf-8", "replace") if path else ""
    if given.mail_from is not None:
        sender = given.mail_from
    helo = given.helo or (received[1].decode("utf-8", "replace") if received else "")
    return _hop(ip, sender, helo)


def _hop(ip: str, mail_from: str, helo: str) -> Hop:
    path = mail_from.strip().removeprefix("<").removesuffix(">")
    try:
        sender = Address.parse(path) if path else None
    except ValueError as error:
        raise click.ClickException(f"{mail_from}: {error}") from None
    return Hop(_address(ip), sender, helo)


def _address(ip: str) -> Ip:
    found = host_address(ip)
    if found is None:
        raise click.ClickException(f"{ip} is no IP address")
    return found
