"""`hub explain dkim | arc`: the signatures of a message step by step, with DNS as it is now."""

from __future__ import annotations

from typing import IO

import click

from hub import CommandContext, Headers, Message, verify_arc, verify_dkim
from hub_plugin_dkim_sign.cli import NAME

MAX_MESSAGE = 100_000_000


@click.command()
@click.argument("message", type=click.File("rb"))
@click.pass_obj
def dkim(context: CommandContext, message: IO[bytes]) -> None:
    """Verify the DKIM signatures of MESSAGE, a file or - for standard input."""
    found = _message(message)

    async def work() -> None:
        async with context.open_plugin(NAME) as plugin:
            await verify_dkim(found, plugin.dns, plugin.clock.time(), click.echo)

    context.run(work())


@click.command()
@click.argument("message", type=click.File("rb"))
@click.pass_obj
def arc(context: CommandContext, message: IO[bytes]) -> None:
    """Verify the chain of ARC of MESSAGE, a file or - for standard input."""
    found = _message(message)

    async def work() -> None:
        async with context.open_plugin(NAME) as plugin:
            result = await verify_arc(found, plugin.dns, plugin.clock.time(), click.echo)
            for at, hop in enumerate(result.results, start=1):
                click.echo(f"hop {at} found: {hop}")

    context.run(work())


def _message(file: IO[bytes]) -> Message:
    """A message as SMTP has it, though files have lines as Unix ends them."""
    raw = file.read(MAX_MESSAGE + 1)
    if len(raw) > MAX_MESSAGE:
        raise click.ClickException(f"the message has more than {MAX_MESSAGE:,} octets")
    if b"\r\n" not in raw[:10_000]:
        raw = raw.replace(b"\n", b"\r\n")
    at = len(Headers(raw).block)
    return Message(raw[:at], raw[at:])
