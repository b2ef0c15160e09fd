"""Failures and bans in the tables, as plain functions over a connection."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from hub import host_address
from hub_plugin_auth_guard.tables import BAN, FAILURE

MAX_FAILURES: Final = 100_000
MAX_BANS: Final = 100_000
"""Rows that are kept, the newest ones."""


@dataclass(frozen=True, slots=True)
class Ban:
    """A network whose clients are refused. since, until: seconds since the epoch."""

    network: str
    since: float
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class FailedLogin:
    """A login that was refused. client: the network that it counts for."""

    client: str
    at: float
    username: str
    protocol: str
    mechanism: str
    reason: str


def network_of(host: str) -> str | None:
    """What one customer has, and so what is counted and banned: an IPv4 address, or a /64 of IPv6."""
    address = host_address(host)
    if address is None:
        return None
    length = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


def given_network(text: str) -> str:
    """The network that an operator means by an address or a network. ValueError with a sentence."""
    if "/" not in text:
        network = network_of(text)
        if network is None:
            raise ValueError(f"{text} is neither an address nor a network such as 192.0.2.0/24")
        return network
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text} is no network; write it as 192.0.2.0/24 or 2001:db8::/48") from None


def shown(text: str) -> str:
    """What a client sent, as it may be kept and printed."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:255])


def note_failure(
    connection: Connection, failure: FailedLogin, *, amount: int, within: float, ban: float
) -> Ban | None:
    """Count a failed login; the ban, if it was one too many."""
    connection.execute(insert(FAILURE).values(asdict(failure)))
    since = failure.at - within
    counted = select(func.count()).where(FAILURE.c.client == failure.client, FAILURE.c.at > since)
    if connection.execute(counted).scalar_one() < amount:
        return None
    reason = f"{amount} failed logins, the last as {failure.username or 'nobody'} by {failure.protocol}"
    made = Ban(failure.client, failure.at, failure.at + ban, reason[:255])
    put_ban(connection, made)
    return made


def put_ban(connection: Connection, ban: Ban) -> None:
    """In place of one of the same network."""
    connection.execute(delete(BAN).where(BAN.c.network == ban.network))
    connection.execute(insert(BAN).values(asdict(ban)))


def release(connection: Connection, network: str) -> bool:
    """Whether it was banned; its failures are forgotten, so that the next one does not ban it again."""
    connection.execute(delete(FAILURE).where(FAILURE.c.client == network))
    return bool(connection.execute(delete(BAN).where(BAN.c.network == network)).rowcount)


def bans(connection: Connection, now: float) -> Sequence[Ban]:
    """Those that hold, the newest first."""
    found = select(BAN).where(BAN.c.until > now).order_by(BAN.c.since.desc(), BAN.c.network).limit(MAX_BANS)
    return [Ban(*row) for row in connection.execute(found)]


_MARK: Final = select(func.count(), func.max(BAN.c.since), func.max(BAN.c.until))


def mark(connection: Connection) -> tuple[object, ...]:
    """Something that changes with the bans."""
    return tuple(connection.execute(_MARK).one())


_FAILURES: Final = (
    select(
        FAILURE.c.client,
        FAILURE.c.at,
        FAILURE.c.username,
        FAILURE.c.protocol,
        FAILURE.c.mechanism,
        FAILURE.c.reason,
    )
    .order_by(FAILURE.c.at.desc(), FAILURE.c.id.desc())
    .limit(bindparam("n"))
)


def failures(connection: Connection, who: str | None, limit: int) -> Sequence[FailedLogin]:
    """The newest first; who: of one network, or of one user name."""
    found = _FAILURES
    if who is not None:
        found = found.where((FAILURE.c.client == who) | (func.lower(FAILURE.c.username) == who.lower()))
    return [FailedLogin(*row) for row in connection.execute(found, {"n": limit})]


def expire(connection: Connection, now: float, keep: float) -> None:
    """Forget bans that are over, failures that are old, and the oldest ones where there are too many."""
    connection.execute(delete(BAN).where(BAN.c.until <= now))
    connection.execute(delete(FAILURE).where(FAILURE.c.at <= now - keep))
    newest = connection.execute(select(func.max(FAILURE.c.id))).scalar() or 0
    connection.execute(delete(FAILURE).where(FAILURE.c.id <= newest - MAX_FAILURES))
