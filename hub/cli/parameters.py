"""Arguments that several verbs read: addresses, amounts of octets, times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hub.mail.address import Address


def address(text: str) -> Address:
    """`local@domain`; for the `type` of an argument."""
    from hub.mail.address import Address, AddressError

    try:
        found = Address.parse(text)
    except AddressError as error:
        raise click.BadParameter(f"'{text}' is not an address: {error}") from None
    if not found.domain:
        raise click.BadParameter(f"'{text}' is not an address: the @domain is missing")
    return found


def size(text: str) -> int:
    """An amount of octets: `500MB`, `64KiB`, `0`; for the `type` of an option."""
    from hub.config.units import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise click.BadParameter(f"'{text}' {error}") from None


def duration(text: str) -> float:
    """Seconds: `90s`, `2h`, `7d`; for the `type` of an option."""
    from hub.config.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(f"'{text}' {error}") from None


def size_text(octets: int) -> str:
    """The way back, for people: `1.5 GB`."""
    amount = float(octets)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.4g} {unit}"
        amount /= 1000
    return f"{amount:.4g} TB"
