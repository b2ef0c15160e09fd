"""[smtp], [imap], [http]: limits of sessions."""

from functools import cached_property
from typing import Annotated

from pydantic import Field

from hub.config.networks import Networks
from hub.config.tables.listeners import ON_THIS_MACHINE
from hub.config.tables.types import Count, Duration, Network, Size, Table


class SessionLimits(Table):
    """What [smtp], [imap] and [http] share: how many clients at once. All workers count together."""

    max_sessions: Annotated[Count, Field(ge=0)] = Field(
        default=20_000, description="How many sessions there may be at once; 0 for no limit."
    )
    max_sessions_per_address: Annotated[Count, Field(ge=0)] = Field(
        default=100,
        description=(
            "How many of them one IPv4 address or one IPv6 network of 64 bits may have; 0 for no limit."
        ),
    )
    exempt: tuple[Network, ...] = Field(
        default=ON_THIS_MACHINE,
        description="Networks for which max_sessions_per_address does not hold.",
    )

    @cached_property
    def exempted(self) -> Networks:
        """`exempt` as a set of addresses."""
        return Networks(self.exempt)


class SmtpTable(SessionLimits):
    """[smtp]: limits of the SMTP and submission listeners."""

    max_size: Size = Field(
        default=50_000_000,
        description="The largest message accepted, in bytes, as announced by SIZE (RFC 1870).",
    )
    max_recipients: Annotated[Count, Field(ge=1)] = Field(
        default=1000,
        description="How many recipients one message may have; RFC 5321 §4.5.3.1.8 wants 100 or more.",
    )
    max_line: Annotated[Count, Field(ge=0)] = Field(
        default=0,
        description=(
            "How many octets a line of a message may have, without its end; RFC 5322 §2.1.1 allows 998, many "
            "write longer ones. 0 for no limit, as RFC 5321 §4.5.3.1 prefers."
        ),
    )
    max_errors: Annotated[Count, Field(ge=1)] = Field(
        default=20, description="How many commands of one session may fail before it is closed with 421."
    )
    max_commands: Annotated[Count, Field(ge=1)] = Field(
        default=200,
        description=(
            "How many commands that bring no mail (EHLO, RSET, NOOP, VRFY …) a session may have for each "
            "message that it has brought, and once before the first; then it is closed with 421."
        ),
    )
    max_messages: Annotated[Count, Field(ge=0)] = Field(
        default=0,
        description="How many messages one session may bring before it is closed with 421; 0 for no limit.",
    )
    timeout: Duration = Field(
        default=300.0,
        description=(
            "How long the next command is waited for, until it is there as a whole; RFC 5321 §4.5.3.2.7 "
            "wants five minutes or more."
        ),
    )
    greeting_timeout: Duration = Field(
        default=60.0, description="How long EHLO is waited for: after connecting and after STARTTLS."
    )
    min_rate: Annotated[Size, Field(ge=1)] = Field(
        default=200,
        description=(
            "The octets per second that a message has to come in with: whoever is slower uses up the time of "
            "`timeout`, whoever is faster gets it back."
        ),
    )
    session_timeout: Duration = Field(
        default=86400.0, description="How long one session may last, whatever it does."
    )


class ImapTable(SessionLimits):
    """[imap]: limits of the IMAP listeners."""

    timeout: Duration = Field(
        default=1800.0,
        description="How long a silent client is waited for; RFC 9051 §5.4 wants at least thirty minutes.",
    )
    max_literal: Size = Field(
        default=50_000_000,
        description="The largest literal a client may send, and so the largest message that APPEND takes.",
    )
    admin: str = Field(
        default="",
        max_length=1000,
        description="Where users reach who runs the server, as a URI such as mailto:postmaster@example.org.",
    )
    comment: str = Field(
        default="", max_length=1000, description="What users are told about the server (RFC 5464)."
    )
    quota_admins: tuple[str, ...] = Field(
        default=(), description="The addresses of accounts that may set quotas by SETQUOTA (RFC 9208)."
    )


class HttpTable(SessionLimits):
    """[http]: limits of the HTTP listeners."""

    max_sessions: Annotated[Count, Field(ge=0)] = Field(
        default=1000, description="How many connections there may be at once; 0 for no limit."
    )
    max_body: Size = Field(
        default=1_000_000,
        description="The largest body of a request, in bytes; more is answered 413 (RFC 9110 §15.5.14).",
    )
    timeout: Annotated[Duration, Field(gt=0)] = Field(
        default=30.0,
        description=(
            "How long a client may take for each of these: to send a request's line and fields, to send its "
            "body, and to read the response."
        ),
    )
    keep_alive: Annotated[Duration, Field(gt=0)] = Field(
        default=75.0, description="How long a connection is kept for the next request."
    )
