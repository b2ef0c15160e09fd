"""A TXT record in a zone that takes dynamic updates (RFC 2136), each signed with a shared key (RFC 8945)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import dns.asyncquery
import dns.exception
import dns.name
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update

from hub_plugin_acme.settings import DynamicUpdate, server_address

TIMEOUT: Final = 15.0


def zone_of(name: str, zones: Mapping[str, DynamicUpdate]) -> str | None:
    """The innermost zone that a name lies in."""
    found = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    return max(found, key=len, default=None)


async def update(zone: str, settings: DynamicUpdate, name: str, text: str, *, present: bool) -> None:
    """Put a record there, or take it away. OSError, whose text names the server and says why."""
    host, port = server_address(settings.server)
    try:
        keyring = dns.tsigkeyring.from_text({settings.key_name: settings.key.reveal()})
        message = dns.update.UpdateMessage(
            zone, keyring=keyring, keyalgorithm=dns.name.from_text(settings.algorithm)
        )
        owner = dns.name.from_text(name)
        if present:
            message.add(owner, settings.ttl, "TXT", f'"{text}"')
        else:
            message.delete(owner, "TXT", f'"{text}"')
        answer = await dns.asyncquery.tcp(message, host, timeout=TIMEOUT, port=port)
        code = answer.rcode()
    except dns.tsig.PeerError as error:
        raise OSError(f"{settings.server} refuses the key {settings.key_name}: {error}") from error
    except (dns.exception.DNSException, ValueError, OSError, EOFError) as error:
        raise OSError(f"{settings.server} cannot change {zone}: {type(error).__name__}: {error}") from error
    if code != dns.rcode.NOERROR:
        raise OSError(f"{settings.server} does not change {zone}: {dns.rcode.to_text(code)}")
