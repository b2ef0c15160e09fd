"""What `hub dns` should know: where clients find their mail by POP3 (RFC 6186 §3.3)."""

from collections.abc import Sequence
from typing import Final

from hub import CommandContext, DnsRecord

PORTS: Final = (("_pop3s", 995), ("_pop3", 110))
"""TLS from the first octet on is what clients are to prefer (RFC 8314 §3), and so it is said first."""


async def records(context: CommandContext, domain: str) -> Sequence[DnsRecord]:
    """The two services, whose ports all clients try."""
    async with context.open_plugin("pop3") as plugin:
        host = plugin.hostname.lower()
    return [
        DnsRecord(
            f"{service}._tcp.{domain}",
            "SRV",
            f"{priority} 1 {port} {host}.",
            "clients find POP3",
            optional=True,
        )
        for priority, (service, port) in enumerate(PORTS)
    ]
