"""Virus scanning through one clamd or several.

`scan` is one conversation with one of them, `daemons` chooses whom to ask, `verdicts` remembers.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

import clamd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub import Duration, Finding, Message, Plugin, Reject, Size, StashKey, Verdict, hookimpl
from hub_plugin_clamav.daemons import Daemons, make_daemons, title
from hub_plugin_clamav.scan import ClamdAddress, clamd_address
from hub_plugin_clamav.verdicts import Verdicts

DEBIAN_SOCKET: Final = "/var/run/clamav/clamd.ctl"


def _address(text: str) -> str:
    clamd_address(text)
    return text


class Settings(BaseModel):
    """[plugins.clamav]: where clamd listens, and what it is not asked about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        default=(DEBIAN_SOCKET,),
        min_length=1,
        max_length=32,
        description="Where clamd listens: the path of its LocalSocket, or host:port of its TCPSocket.",
    )
    timeout: Annotated[Duration, Field(gt=0, le=55)] = Field(
        default=30.0,
        description="How long one message may take, with all that are asked; less than the 60 s of the hook.",
    )
    connect_timeout: Annotated[Duration, Field(gt=0, le=30)] = Field(
        default=2.0, description="How long one server may take to accept a connection."
    )
    max_size: Size = Field(
        default=25 << 20,
        description="Larger messages are not scanned. Not more than clamd's StreamMaxLength.",
    )
    too_large: Literal["accept", "reject"] = Field(
        default="accept", description="What becomes of a message that is too large to be scanned."
    )
    cache: int = Field(
        default=10_000, ge=0, le=10_000_000, description="Verdicts that each process remembers; 0 for none."
    )
    cache_for: Duration = Field(
        default=600.0,
        gt=0,
        description="For how long a verdict counts while clamd's version stays the same.",
    )


DAEMONS = StashKey[Daemons]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Nobody is asked yet, so that the hub starts without clamd."""
    settings = plugin.settings(Settings)
    addresses = [clamd_address(server) for server in dict.fromkeys(settings.servers)]

    def report(address: ClamdAddress, trouble: str | None) -> None:
        plugin.dependency(title(address, addresses), trouble)

    verdicts = Verdicts(settings.cache, settings.cache_for)
    plugin.stash[DAEMONS] = make_daemons(
        addresses, settings.timeout, settings.connect_timeout, verdicts, report
    )


@hookimpl
def check_message(plugin: Plugin, message: Message) -> Finding | None:
    """One scan in one of the plugin's threads; a message that finds all of them busy waits its turn."""
    settings = plugin.settings(Settings)
    if message.size > settings.max_size:
        return _not_scanned(settings, message.size)
    try:
        virus = plugin.stash[DAEMONS].judge(lambda: _as_received(message))
    except clamd.BufferTooLongError:
        plugin.log.warning("clamd's StreamMaxLength is below max_size", size=message.size)
        return _not_scanned(settings, message.size)
    if virus is None:
        return Finding(headers=(("X-Virus-Scanned", "ClamAV"),))
    return Finding(action=Reject("5.7.1", f"the message carries a virus: {virus}"), reasons=(virus,))


@hookimpl(timeout=60)
def imap_append(plugin: Plugin, message: Message) -> Verdict | None:
    """What a client uploads is scanned as mail is: a sync of another account may bring anything."""
    finding = check_message(plugin, message)
    return finding.action if finding is not None and isinstance(finding.action, Reject) else None


def _as_received(message: Message) -> Iterator[bytes]:
    """The message as its sender gave it: the hub's own Received, which is new each time, stands before it."""
    own = message.headers.fields[0].end if message.headers.names()[:1] == ["Received"] else 0
    for chunk in message.chunks():
        yield chunk[own:]
        own = max(0, own - len(chunk))


def _not_scanned(settings: Settings, size: int) -> Finding:
    reasons = (f"not scanned: {size} octets are more than clamd takes",)
    if settings.too_large == "accept":
        return Finding(reasons=reasons)
    return Finding(
        action=Reject("5.3.4", "the message is too large to be scanned for viruses"), reasons=reasons
    )
