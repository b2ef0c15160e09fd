"""[relay]: mail on to other servers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from hub.config.secrets import Secret
from hub.config.tables.types import (
    AccountName,
    Address,
    Count,
    DomainName,
    Duration,
    Flag,
    LimitName,
    Sender,
    SmarthostName,
    SourceAddress,
    Table,
    checked_domain,
    checked_hostname,
)


class LimitTable(Table):
    """[relay.limits."example.org"]: how much that domain, or that server, is sent."""

    connections: Annotated[Count, Field(gt=0)] | None = Field(
        default=None, description="Connections at once, in place of relay.per_domain and relay.per_host."
    )
    per_minute: Annotated[Count, Field(gt=0)] | None = Field(default=None, description="Messages a minute.")


class SourceTable(Table):
    """[relay.sources."192.0.2.1"]: an address of this machine that mail is sent from."""

    hello: Annotated[str, AfterValidator(checked_hostname)] | None = Field(
        default=None,
        description="The name to greet with from there: its name in DNS. Without one, hub.hostname.",
    )
    senders: tuple[Sender, ...] = Field(
        default=(),
        description="Addresses or domains of senders whose mail goes out from here alone; without any, all "
        "that no source names.",
    )
    connections: Annotated[Count, Field(gt=0)] | None = Field(
        default=None, description="Connections at once from there."
    )
    per_minute: Annotated[Count, Field(gt=0)] | None = Field(
        default=None, description="Messages a minute from there."
    )


class SmarthostTable(Table):
    """[relay.smarthosts.provider]: a server that takes mail on."""

    address: Address = Field(description="Its name and port; 465 is TLS from the first octet.")
    tls: Literal["starttls", "implicit", "none"] | None = Field(
        default=None,
        description="How it is encrypted, with a certificate that is checked. Without it, implicit on port "
        "465 and starttls elsewhere.",
    )
    trust: Path | None = Field(
        default=None, description="Certificates to trust in place of the system's, as PEM."
    )
    user: str | None = Field(default=None, description="The name to log in with.")
    password: Secret | None = Field(
        default=None, description="Its password; it is said only where nobody can listen."
    )
    senders: tuple[Sender, ...] = Field(
        default=(), description="Senders, addresses or domains, whose mail goes there; without any, all."
    )
    recipients: tuple[DomainName, ...] = Field(
        default=(),
        description='Domains whose mail goes there, ".example.org" for those below one; without any, all.',
    )

    @model_validator(mode="after")
    def _whole(self) -> "SmarthostTable":
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        return self


class TlsRule(Table):
    """[relay.tls_policy."example.org"]: how that domain's servers are met, whatever they publish."""

    mode: Literal["opportunistic", "encrypted", "verified"] = Field(
        description="Encrypt where it works; or always, whoever it is; or only with a certificate that a "
        "known authority has given to the server."
    )
    name: Annotated[str, AfterValidator(checked_hostname)] | None = Field(
        default=None, description="The name in that certificate, where it is not the server's own."
    )


class RelayTable(Table):
    """[relay]: mail on to other servers."""

    enabled: Flag = Field(default=True, description="Whether what is queued is sent.")
    first_retry: Annotated[Duration, Field(gt=0)] = Field(
        default=120.0,
        description="How long after a first failure mail is tried again; then twice as long.",
    )
    longest_retry: Annotated[Duration, Field(gt=0)] = Field(
        default=4 * 3600.0, description="The longest time between two tries."
    )
    give_up: Annotated[Duration, Field(gt=0)] = Field(
        default=5 * 86400.0,
        description="How long mail is tried before it goes back; RFC 5321 §4.5.4.1 wants four to five days.",
    )
    delay_report: Annotated[Duration, Field(gt=0)] = Field(
        default=4 * 3600.0, description="How long mail waits before its sender is told that it does."
    )
    max_connections: Annotated[Count, Field(gt=0)] = Field(
        default=50, description="Connections to other servers at once, for each worker."
    )
    per_domain: Annotated[Count, Field(gt=0)] = Field(
        default=4,
        description="How many of them may be for one domain. One that answers 4xx or not at all has fewer, "
        "and is left alone for a while, until it takes mail again.",
    )
    per_host: Annotated[Count, Field(gt=0)] = Field(
        default=20, description="How many of them may be to one server, whatever domains it takes mail for."
    )
    limits: Mapping[LimitName, LimitTable] = Field(
        default_factory=dict,
        description='Other limits for a domain or for a server of that name: "example.org", or ".example.org"'
        " for each of those below it.",
    )
    per_connection: Annotated[Count, Field(gt=0)] = Field(
        default=100, description="Messages that go over one connection before another is made."
    )
    max_recipients: Annotated[Count, Field(gt=0)] = Field(
        default=100,
        description="Recipients that are named at once; RFC 5321 §4.5.3.1.8 wants servers to take 100.",
    )
    idle: Annotated[Duration, Field(ge=0)] = Field(
        default=5.0, description="How long a connection is kept for mail that may come."
    )
    connect_timeout: Annotated[Duration, Field(gt=0)] = Field(
        default=30.0, description="How long to wait for a server to take a connection."
    )
    unreachable: Annotated[Duration, Field(gt=0)] = Field(
        default=60.0,
        description="How long a server that took no connection is tried last; twice as long each time, up to "
        "16 times that.",
    )
    pause: Annotated[Duration, Field(gt=0)] = Field(
        default=30.0,
        description="How long a domain is left alone that takes no mail at all; twice as long each time, up "
        "to 32 times that. Its mail is deferred meanwhile, without asking.",
    )
    sources: Mapping[SourceAddress, SourceTable] = Field(
        default_factory=dict,
        description="Addresses of this machine to send from, IPv4 or IPv6, in turn; else the system's.",
    )
    tls: Literal["opportunistic", "off"] = Field(
        default="opportunistic",
        description="Encrypt wherever the other server can, and as plugins and tls_policy demand; or never.",
    )
    tls_policy: Mapping[DomainName, TlsRule] = Field(
        default_factory=dict,
        description='How servers are met, by the domain of recipients, ".example.org" for those below one, '
        '"*" for all others. It goes before what plugins find out.',
    )
    trust: Path | None = Field(
        default=None, description="Certificates of authorities to trust in place of the system's, as PEM."
    )
    srs: Flag | Annotated[str, AfterValidator(checked_domain)] = Field(
        default=True,
        description="Whether mail from elsewhere that an alias leads elsewhere again is sent on with a "
        "reverse-path of ours (SRS), so that SPF does not refuse it; or a domain whose mail comes here, "
        "in place of hub.hostname.",
    )
    verp: tuple[Sender, ...] = Field(
        default=(),
        description="Addresses or domains of senders whose mail goes out with a reverse-path of its own for "
        "each recipient (VERP): what comes back to it is counted against that one, whatever it says.",
    )
    postmaster: AccountName | None = Field(
        default=None,
        description="Who is told of mail that no sender can be told of: reports that come back, and loops. "
        "Without it, the postmaster of the hub's own domains.",
    )
    routes: Mapping[str, Address] = Field(
        default_factory=dict,
        description='Where mail goes without asking DNS for its exchangers: "example.org" for that domain, '
        '".example.org" for those below it, "*" for all others.',
    )
    smarthosts: Mapping[SmarthostName, SmarthostTable] = Field(
        default_factory=dict,
        description="Servers that take mail on, by names of your choice. They come before routes.",
    )
