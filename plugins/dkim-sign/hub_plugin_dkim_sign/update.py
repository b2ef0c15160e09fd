"""Changes to DNS, sent to the primary server and signed (RFC 2136, RFC 8945)."""

from __future__ import annotations

from collections.abc import Sequence

import dns.asyncquery
import dns.exception
import dns.name
import dns.rcode
import dns.tsigkeyring
import dns.update

from hub import Dns, DnsTrouble
from hub_plugin_dkim_sign.settings import Update

TIMEOUT = 20.0
_PIECE = 250
"""Octets of one string of a TXT record, of at most 255."""


async def send_update(update: Update, resolver: Dns, domain: str, changes: Sequence[tuple[str, str]]) -> None:
    """Name and text of TXT records; an empty text takes them out. OSError if the server does not do it."""
    host, _, port = update.server.rpartition(":")
    try:
        zone = await _zone(resolver, domain)
        keyring = dns.tsigkeyring.from_text({update.key_name: update.key.reveal()})
        message = dns.update.UpdateMessage(zone, keyring=keyring, keyalgorithm=update.algorithm)
        for name, text in changes:
            absolute = dns.name.from_text(name)
            if text:
                message.replace(absolute, update.ttl, "TXT", quoted(text))
            else:
                message.delete(absolute, "TXT")
        answer = await dns.asyncquery.tcp(message, host.strip("[]"), port=int(port), timeout=TIMEOUT)
    except (dns.exception.DNSException, DnsTrouble, ValueError, EOFError) as error:
        why = str(error) or type(error).__name__
        raise OSError(f"{update.server} takes no update for {domain}: {why}") from error
    if answer.rcode() != dns.rcode.NOERROR:
        raise OSError(f"{update.server} refuses an update of {zone}: {dns.rcode.to_text(answer.rcode())}")


def quoted(text: str) -> str:
    """A text as the strings of a TXT record."""
    return " ".join(f'"{text[at : at + _PIECE]}"' for at in range(0, len(text), _PIECE))


async def _zone(resolver: Dns, domain: str) -> str:
    """The zone that the domain's records are in: the nearest name above with an SOA."""
    labels = domain.split(".")
    for at in range(len(labels) - 1):
        name = ".".join(labels[at:])
        if (await resolver.query(name, "SOA")).records:
            return name
    return domain
