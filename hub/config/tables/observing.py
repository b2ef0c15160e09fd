"""[log] and [trace]: what is seen of the hub."""

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from pydantic import Field

from hub.config.networks import Networks
from hub.config.tables.listeners import ON_THIS_MACHINE
from hub.config.tables.types import Flag, ListenerName, Network, Ratio, Sender, Size, Table


class LogTable(Table):
    """[log]: what is logged, and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least grave lines that are logged."
    )
    format: Literal["console", "json"] = Field(
        default="console", description="console for people, json (one object per line) for machines."
    )
    addresses: Literal["full", "domain", "hash"] = Field(
        default="full",
        description="How mail addresses are shown: whole, only the domain, or a hash that joins lines.",
    )


class SamplingTable(Table):
    """[trace.sampling]: whose spans are made, where a plugin exports them."""

    ratio: Ratio = Field(
        default=1.0,
        description=(
            "The share of messages and sessions, from 0 to 1. It is decided by the trace id, so that all who "
            "see a trace decide alike; a trusted client's own decision comes first."
        ),
    )
    listeners: Mapping[ListenerName, Ratio] = Field(
        default_factory=dict, description="Shares of listeners, by name, in place of `ratio`."
    )
    errors: Flag = Field(
        default=True,
        description=(
            "Whether those always are in which something was answered by 4xx, 5xx, NO or BAD, or a plugin "
            "failed."
        ),
    )
    senders: tuple[Sender, ...] = Field(
        default=(),
        description='Senders whose messages always are, such as ["alice@example.org", "example.net"].',
    )


class TraceTable(Table):
    """[trace]: what is recorded of sessions: the ring that `hub trace` reads, and spans."""

    enabled: Flag = Field(default=True, description="Whether sessions are recorded in the ring.")
    max_size: Size = Field(
        default=64_000_000, description="How many bytes the ring may take; the oldest records go first."
    )
    trusted: tuple[Network, ...] = Field(
        default=ON_THIS_MACHINE,
        description=(
            "Networks whose messages may say by a `traceparent` field in which trace they are (W3C Trace "
            "Context), and hubs by `X-Hub-Trace`. Who has logged in may too."
        ),
    )
    sampling: SamplingTable = Field(
        default=SamplingTable(), description="Whose spans are made, where a plugin exports them."
    )

    @cached_property
    def parents(self) -> Networks:
        """Who may say in which trace a message is."""
        return Networks(self.trusted)
