"""TXT records in zones that take dynamic updates (RFC 2136), each signed with a shared key (RFC 8945)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import dns.asyncquery
import dns.exception
import dns.name
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub.config.networks import host_address
from hub.config.secrets import Secret
from hub.mail.dnsrecord import txt_data

TIMEOUT: Final = 15.0


def server_address(text: str) -> tuple[str, int]:
    """IP address and port of a DNS server, port 53 if none is said. ValueError."""
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if rest else port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if host_address(host) is None or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("should be an IP address and a port, such as 192.0.2.53:53 or [2001:db8::53]:53")
    return host, int(port)


def _server(text: str) -> str:
    server_address(text)
    return text


def _key(secret: Secret) -> Secret:
    try:
        base64.b64decode(secret.reveal(), validate=True)
    except ValueError:
        raise ValueError("should be a key in base64") from None
    return secret


class DnsUpdate(BaseModel):
    """Where DNS takes changes, and the key that lets us make them: settings for plugins that publish."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: Annotated[str, AfterValidator(_server)] = Field(
        description="The zone's primary server, IP address and port."
    )
    key_name: str = Field(min_length=1, description="The name of the TSIG key (RFC 8945).")
    key: Annotated[Secret, AfterValidator(_key)] = Field(description="The TSIG key, base64.")
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = Field(
        default="hmac-sha256", description="The TSIG key's algorithm."
    )
    ttl: int = Field(default=3600, ge=0, le=86400, description="The records' time to live, in seconds.")


@dataclass(frozen=True, slots=True)
class TxtChange:
    """One TXT record to be there or not. alone: whatever other texts lie at the name go too."""

    name: str
    text: str
    present: bool = True
    alone: bool = False


async def update_dns(update: DnsUpdate, zone: str, changes: Iterable[TxtChange]) -> None:
    """Make all of the changes in one zone, or none. OSError, whose text names the server and says why."""
    host, port = server_address(update.server)
    try:
        message = _message(update, zone, changes)
        answer = await dns.asyncquery.tcp(message, host, timeout=TIMEOUT, port=port)
        code = answer.rcode()
    except dns.tsig.PeerError as error:
        raise OSError(f"{update.server} refuses the key {update.key_name}: {error}") from error
    except (dns.exception.DNSException, ValueError, OSError, EOFError) as error:
        raise OSError(f"{update.server} cannot change {zone}: {type(error).__name__}: {error}") from error
    if code != dns.rcode.NOERROR:
        raise OSError(f"{update.server} does not change {zone}: {dns.rcode.to_text(code)}")


def _message(update: DnsUpdate, zone: str, changes: Iterable[TxtChange]) -> dns.update.UpdateMessage:
    keyring = dns.tsigkeyring.from_text({update.key_name: update.key.reveal()})
    algorithm = dns.name.from_text(update.algorithm)
    message = dns.update.UpdateMessage(zone, keyring=keyring, keyalgorithm=algorithm)
    for change in changes:
        owner, data = dns.name.from_text(change.name), txt_data(change.text)
        if change.alone:
            message.delete(owner, "TXT")
        elif not change.present:
            message.delete(owner, "TXT", data)
        if change.present:
            message.add(owner, update.ttl, "TXT", data)
    return message
