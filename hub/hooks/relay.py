"""A message is on its way to another server, and what becomes of it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.hooks.markers import CHAIN, FIRST, NOTIFY, TEMPFAIL, hookspec
from hub.hooks.plugin import Plugin
from hub.mail.address import Address
from hub.mail.bounce import BounceClass
from hub.mail.login import AccountRef
from hub.mail.message import Message
from hub.mail.tls import TlsOutcome, TlsPolicy
from hub.mail.verdict import Defer, Reject


@dataclass(frozen=True, slots=True)
class NextHop:
    """A server that mail is taken to, in place of those that DNS names: its name or address, and a port."""

    host: str
    port: int = 25

    def __post_init__(self) -> None:
        if not self.host or not self.host.isascii() or not self.host.isprintable() or " " in self.host:
            raise ValueError(f"NextHop: {self.host!r} is no name of a server, nor an address")
        if not 0 < self.port < 65536:
            raise ValueError(f"NextHop: {self.port} is no port")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@hookspec(FIRST, on_failure=TEMPFAIL, timeout=10)
async def resolve_route(
    plugin: Plugin,
    message_id: str,
    sender: AccountRef | None,
    reverse_path: Address | None,
    recipient: Address,
) -> NextHop | Reject | Defer | None:
    """Say where mail for a recipient goes, or that it goes nowhere.

    It runs for each try and each recipient, before `[relay] routes` and DNS are asked. Return a `NextHop` to
    have the mail taken there; recipients with the same answer stay together. `Reject` sends it back to its
    sender, `Defer` keeps it until the next try; None leaves it to the configuration and to DNS (RFC 5321
    §5.1). `sender` is the account that handed the message in, None for what came from elsewhere and for the
    hub's own reports, whose `reverse_path` is None too. A failed step defers the mail.

        @hookimpl
        async def resolve_route(recipient):
            if recipient.domain == "partner.example":
                return NextHop("10.8.0.5", 2525)
    """


@hookspec(FIRST, on_failure=TEMPFAIL, timeout=60)
async def resolve_tls_policy(plugin: Plugin, domain: str | None, host: str, port: int) -> TlsPolicy | None:
    """Say how a connection to one server has to be secured before mail is given to it.

    It runs for each try and each server, before a connection is made; what the operator says in
    `[relay.tls_policy]` goes before it. `domain` is the recipients', in A-labels, and `host` one of those
    that DNS names for it; without a domain the operator has named the host. Return a `TlsPolicy` to have the
    server encrypt, and show a certificate that fits; a `fault` in it means that it cannot. Where that fails
    the server is left, and the mail deferred if there is no other (4.7.5, 4.7.10). None leaves it to the
    others, and to opportunistic TLS (RFC 7435). A failed step leaves the server, too. RFC 7672, 8461.

        @hookimpl
        async def resolve_tls_policy(domain, host):
            if domain == "partner.example":
                return TlsPolicy("static", domain, verify="name", names=(host,))
    """


@hookspec(NOTIFY)
async def tls_negotiated(plugin: Plugin, outcome: TlsOutcome) -> None:
    """A connection to another server was secured as it had to be, or was not: `outcome.fault` says why.

    One that fails its policy and is made anew without, because the policy is only tried, is told once. What
    broke before TLS was due is not told. RFC 8460 §4.
    """


@hookspec(CHAIN, on_failure=TEMPFAIL, timeout=30, carry="message")
async def rewrite_relayed(
    plugin: Plugin,
    sender: AccountRef | None,
    reverse_path: Address | None,
    recipients: Sequence[Address],
    message: Message,
) -> Message | None:
    """Change a message as the last thing before a server takes it: sign it.

    It runs for each try, once the server is known and has told what it can take; nothing is changed after
    it. `recipients` are those behind that server. `sender` is the account that handed the message in, None
    for what came from elsewhere and is passed on, and for the hub's own reports. Return a new `Message`, or
    None to leave it as it is. What is stored does not change. A failed step defers the message.

        @hookimpl
        async def rewrite_relayed(message):
            return message.under("X-Sent-By: the office\\r\\n")
    """


@hookspec(NOTIFY)
async def message_sent(
    plugin: Plugin,
    message_id: str,
    sender: AccountRef | None,
    reverse_path: Address | None,
    recipient: Address,
    host: str,
    code: int,
    enhanced: str,
    text: str,
    attempts: int,
    seconds: float,
) -> None:
    """A server has taken the message for one recipient, and the queue knows it.

    `host` is that server, and `code`, `enhanced` and `text` are what it said. `attempts` counts all tries,
    this one included; `seconds` is how long the message was on its way through the queue.
    """


@hookspec(NOTIFY)
async def message_deferred(
    plugin: Plugin,
    message_id: str,
    sender: AccountRef | None,
    reverse_path: Address | None,
    recipient: Address,
    host: str,
    code: int,
    enhanced: str,
    text: str,
    bounce: BounceClass,
    attempts: int,
    seconds: float,
    due_at: float,
) -> None:
    """A try has failed for one recipient, and there will be another at `due_at` (seconds since the epoch).

    `host` is empty where no server said anything; `text` then says what is wrong. `bounce` is the class of
    the reply. The rest is as in `message_sent`.
    """


@hookspec(NOTIFY)
async def message_bounced(
    plugin: Plugin,
    message_id: str,
    sender: AccountRef | None,
    reverse_path: Address | None,
    recipient: Address,
    host: str,
    code: int,
    enhanced: str,
    text: str,
    bounce: BounceClass,
    attempts: int,
    seconds: float,
) -> None:
    """The message will not reach one recipient: it was refused, or tried for as long as it may be.

    The report to its sender, if it is due one, is committed. `code` is 4xx where the time was over. The rest
    is as in `message_deferred`.
    """
