"""The settings of the hub itself, a model per table; descriptions are what `hub config explain` prints."""

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from hub.config.find import xdg_folder
from hub.config.networks import Networks, parse_network
from hub.config.secrets import Secret
from hub.config.units import is_unix, parse_address, parse_duration, parse_size
from hub.mail.address import Address as MailAddress

EMBEDDED_PLUGINS = ("storage-sql", "blobs-segment", "directory-sql")
"""What is active where no configuration lists plugins."""

ON_THIS_MACHINE = ("127.0.0.0/8", "::1")
"""The networks that are loopback."""

_PLUGIN_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TRUST_ANCHOR = re.compile(
    r"\S{1,255}\s+(?:IN\s+)?DS\s+\d{1,5}\s+\d{1,3}\s+(?:2\s+[0-9a-f]{64}|4\s+[0-9a-f]{96})", re.IGNORECASE
)
_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")


def _plugin_name(name: str) -> str:
    if not _PLUGIN_NAME.fullmatch(name):
        raise ValueError(
            "should be the name of a plugin: lower case, digits and hyphens, such as 'deny-list'"
        )
    return name


def _listener_name(name: str) -> str:
    if not _PLUGIN_NAME.fullmatch(name):
        raise ValueError("is no name for a listener: lower case, digits and hyphens, such as 'smtp-lan'")
    return name


def _smarthost_name(name: str) -> str:
    if not _PLUGIN_NAME.fullmatch(name):
        raise ValueError("is no name for a smarthost: lower case, digits and hyphens, such as 'provider'")
    return name


def _listed_plugin(name: str) -> str:
    return "!" + _plugin_name(name[1:]) if name.startswith("!") else _plugin_name(name)


def _hostname(name: str) -> str:
    if len(name) > 253 or not _HOSTNAME.fullmatch(name):
        raise ValueError("should be a domain name, such as 'mail.example.org'")
    return name


def _domain_name(name: str) -> str:
    return _hostname(name).lower()


def _address(text: str) -> str:
    parse_address(text)
    return text


def _network(text: str) -> str:
    parse_network(text)
    return text


def _limit_name(name: str) -> str:
    return name[:1] + _hostname(name[1:]).lower() if name.startswith(".") else _hostname(name).lower()


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("should be an IP address, such as '192.0.2.1' or '2001:db8::1'") from None


def _dns_name(text: str) -> str:
    if not _HOSTNAME.fullmatch(text.removesuffix(".")):
        raise ValueError("should be a name in DNS, such as 'corp.example'")
    return text.lower()


def _trust_anchor(text: str) -> str:
    if not _TRUST_ANCHOR.fullmatch(text):
        raise ValueError("should be a DS record, such as 'example.org. DS 12345 13 2 0123456789abcdef…'")
    return text


def _at_least_one(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not addresses:
        raise ValueError("should have at least one address")
    return addresses


Size: TypeAlias = Annotated[
    int, BeforeValidator(parse_size), Field(title='size: bytes, or text such as "25MB" or "64KiB"')
]
"""Bytes; a text such as "25MB" or "64KiB" is read too."""

Duration: TypeAlias = Annotated[
    float, BeforeValidator(parse_duration), Field(title='duration: seconds, or text such as "90s" or "5m"')
]
"""Seconds; a text such as "90s", "5m" or "1h" is read too."""

Count: TypeAlias = Annotated[int, Field(strict=True)]
"""A whole number; neither a text nor true."""

Flag: TypeAlias = Annotated[bool, Field(strict=True)]
"""true or false and nothing that looks like it."""

Score: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]


def _account(name: str) -> str:
    return str(MailAddress.parse(name)).lower()


def _sender(name: str) -> str:
    return _account(name) if "@" in name else _hostname(name).lower()


Ratio: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Sender: TypeAlias = Annotated[str, AfterValidator(_sender), Field(title="user@domain, or a domain")]
DomainName: TypeAlias = Annotated[str, AfterValidator(str.lower)]
AccountName: TypeAlias = Annotated[str, AfterValidator(_account), Field(title="user@domain")]
PluginName: TypeAlias = Annotated[str, AfterValidator(_plugin_name)]
ListedPlugin: TypeAlias = Annotated[str, AfterValidator(_listed_plugin)]
ListenerName: TypeAlias = Annotated[str, AfterValidator(_listener_name)]
Address: TypeAlias = Annotated[str, AfterValidator(_address), Field(title="host:port")]

LimitName: TypeAlias = Annotated[str, AfterValidator(_limit_name), Field(title="domain or .domain")]
SmarthostName: TypeAlias = Annotated[str, AfterValidator(_smarthost_name)]
SourceAddress: TypeAlias = Annotated[str, AfterValidator(_ip), Field(title="IP address")]
Network: TypeAlias = Annotated[str, AfterValidator(_network), Field(title="network")]
IpAddress: TypeAlias = Annotated[str, AfterValidator(_ip), Field(title="address")]
DnsName: TypeAlias = Annotated[str, AfterValidator(_dns_name), Field(title="name in DNS")]
TrustAnchor: TypeAlias = Annotated[str, AfterValidator(_trust_anchor), Field(title="DS record")]

Protocol: TypeAlias = Literal["smtp", "submission", "submissions", "lmtp", "imap", "imaps", "http", "https"]
TlsMode: TypeAlias = Literal["none", "starttls", "implicit"]


class Table(BaseModel):
    """What the hub's tables share: unknown keys are errors, values do not change, errors repeat no input."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def worker_share(memory: int, workers: int) -> int:
    """The octets that each of the workers may hold of a machine's memory."""
    return max(memory * 3 // 4 // workers, 1 << 30)


class HubTable(Table):
    """[hub]: the server as a whole."""

    hostname: Annotated[str, AfterValidator(_hostname)] = Field(
        default_factory=socket.gethostname,
        description=(
            "The name this server greets with and writes into Received lines (RFC 5321 §4.1.1.1). Without "
            "it, what the operating system calls the machine; DNS is never asked."
        ),
    )
    data_dir: Path = Field(
        description=(
            "The folder that holds everything the hub keeps: database, mail, control socket. Without it, "
            "$XDG_DATA_HOME/hub."
        ),
    )
    plugins: tuple[ListedPlugin, ...] = Field(
        default=EMBEDDED_PLUGINS,
        description=(
            "The plugins that are active, in the order in which they run. A name with '!' before it "
            "disables a plugin that a watched folder would enable."
        ),
    )
    plugin_dirs: tuple[Path, ...] = Field(
        default_factory=lambda data: (data["data_dir"] / "plugins.d",),
        description=(
            "Watched plugin folders: a plugin put there is live at once, saved again it is replaced. "
            "Without it, plugins.d in the data folder."
        ),
    )
    workers: Annotated[Count, Field(ge=1, le=1024)] = Field(
        default_factory=lambda: min(len(os.sched_getaffinity(0)), 1024),
        description=(
            "How many processes serve connections, sharing the ports and the store; without it, one per "
            "core. From 2 on, a supervisor replaces those that die or hang. Takes effect with a new start of "
            "the hub."
        ),
    )
    worker_memory: Annotated[Size, Field(ge=256 << 20)] = Field(
        default_factory=lambda data: worker_share(_machine_memory(), data.get("workers", 1)),
        description=(
            "How much memory one process may hold, in bytes: a call that asks for far more than that gets an "
            "error, and a worker that holds more is replaced. Without it, three quarters of the machine's "
            "memory for all workers together, though never less than 1 GiB each. Takes effect with a new "
            "start of the hub."
        ),
    )
    blocked_limit: Annotated[Duration, Field(ge=1)] = Field(
        default=30.0,
        description=(
            "How long a plugin may block a worker's event loop before the worker is replaced; that it does "
            "is logged after one second."
        ),
    )
    user: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The user to become once the ports are bound; without it the hub stays who it is.",
    )
    login_pause: Annotated[Duration, Field(le=30)] = Field(
        default=1.0,
        description=(
            "How long it takes at least until a wrong password is refused: longer than any of the sources "
            "that are asked one after the other, so that the time tells nobody which of them knows a name."
        ),
    )
    reload_grace: Duration = Field(
        default=30.0,
        description=(
            "How long a transaction may go on with the plugins it began with after they were replaced; then "
            "it is answered 451 at its next hook."
        ),
    )

    @field_validator("plugins")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        seen: set[str] = set()
        for name in names:
            if name.lstrip("!") in seen:
                raise ValueError(f"names '{name.lstrip('!')}' twice")
            seen.add(name.lstrip("!"))
        return names


class ServicesTable(Table):
    """[services]: which driver fills each seam that exactly one can fill."""

    storage: PluginName = Field(
        default="storage-sql",
        description="The driver of the index: accounts, mailboxes, queue. Takes effect with a new start.",
    )
    blobs: PluginName = Field(
        default="blobs-segment",
        description="The driver that holds the bytes of messages. Takes effect with a new start.",
    )
    directory: PluginName = Field(
        default="directory-sql", description="The driver that knows domains, accounts and aliases."
    )


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


class CertificateTable(Table):
    """[[tls.certificates]]: one more certificate, for clients that ask for one of its names."""

    certificate: Path = Field(description="PEM file of the certificate, followed by its chain.")
    key: Path = Field(description="PEM file of the certificate's private key.")


class TlsTable(Table):
    """[tls]: the certificates of all listeners, and which versions are spoken."""

    certificate: Path | None = Field(
        default=None,
        description=(
            "PEM file of the certificate, followed by its chain; for clients that ask for one of its names, "
            "for no name, or for one that no certificate is for."
        ),
    )
    key: Path | None = Field(default=None, description="PEM file of the certificate's private key.")
    certificates: tuple[CertificateTable, ...] = Field(
        default=(),
        description=(
            "More certificates, each with its key, for clients that ask for one of their names; "
            "*.example.org is for one label more. Those that plugins install need not be named."
        ),
    )
    minimum: Literal["1.2", "1.3"] = Field(
        default="1.2", description="The oldest version of TLS that is spoken."
    )
    handshake_timeout: Annotated[Duration, Field(gt=0)] = Field(
        default=30.0, description="How long a client may take for the TLS handshake."
    )
    max_handshakes: Annotated[Count, Field(gt=0)] = Field(
        default=200,
        description="TLS handshakes under way at once, in each worker; for one more, the oldest one ends.",
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> "TlsTable":
        if (self.certificate is None) != (self.key is None):
            said, lacks = ("key", "certificate") if self.certificate is None else ("certificate", "key")
            raise ValueError(f"has a {said} but no {lacks}; both belong together")
        return self


class Listener(Table):
    """[listeners.<name>]: a place where clients connect."""

    protocol: Protocol = Field(
        description=(
            "What is spoken: smtp takes mail for local recipients; submission and submissions take it from "
            "users who log in; lmtp takes it from a mail server beside this one and answers for each "
            "recipient (RFC 2033); imap and imaps let users read it; http and https answer what plugins "
            "provide. A name that ends in s starts with TLS (RFC 8314)."
        )
    )
    bind: Annotated[tuple[Address, ...], AfterValidator(_at_least_one)] = Field(
        description=(
            'Addresses to listen on, such as ["127.0.0.1:2525", "[::]:25"]; port 0 lets the system choose. '
            '"unix:/run/hub/lmtp" is a Unix socket, for its owner and group; who comes by it counts as '
            "127.0.0.1."
        )
    )
    tls: TlsMode | None = Field(
        default=None,
        description=(
            "none, starttls or implicit. Without it: implicit for submissions, imaps and https, none for "
            "http, else starttls. Neither works before there is a certificate: in [tls], or installed by a "
            "plugin."
        ),
    )

    client_ca: Path | None = Field(
        default=None,
        description=(
            "PEM file of the authorities whose certificates clients may show in the handshake, to log in by "
            "them (SASL EXTERNAL); without it clients are asked for none."
        ),
    )
    proxy_protocol: tuple[Network, ...] = Field(
        default=(),
        description=(
            'Networks of proxies, such as ["10.0.0.0/8"]: a connection from there has to begin with a header '
            "of HAProxy's PROXY protocol, version 1 or 2, and counts as its client's. From elsewhere none is "
            "read."
        ),
    )
    xclient: tuple[Network, ...] = Field(
        default=(),
        description=(
            "Networks that may say for whom they speak, by Postfix's XCLIENT command; for smtp, submission "
            "and submissions."
        ),
    )

    trusted: tuple[Network, ...] = Field(
        default=ON_THIS_MACHINE,
        description=(
            "For lmtp, where nobody logs in: networks from which mail is taken. Others are turned away when "
            "they connect."
        ),
    )

    @model_validator(mode="after")
    def _trusted_fits(self) -> "Listener":
        if self.trusted != ON_THIS_MACHINE and self.protocol != "lmtp":
            raise ValueError(
                f"has trusted, which is for lmtp; {self.protocol} takes connections from everywhere"
            )
        return self

    @model_validator(mode="after")
    def _unix_fits(self) -> "Listener":
        if any(is_unix(host) for host, _ in self.addresses) and (self.is_implicit or self.proxy_protocol):
            what = "proxy_protocol" if self.proxy_protocol else f"protocol = {self.protocol!r}"
            raise ValueError(f"has a Unix socket and {what}, which is for networks")
        return self

    @model_validator(mode="after")
    def _xclient_fits(self) -> "Listener":
        if self.xclient and self.protocol in ("imap", "imaps", "http", "https"):
            raise ValueError(
                f"has xclient, which {self.protocol} does not have; proxy_protocol works for all"
            )
        return self

    @model_validator(mode="after")
    def _protocol_fits(self) -> "Listener":
        if self.is_implicit and self.tls in ("none", "starttls"):
            raise ValueError(f'has tls = "{self.tls}", but {self.protocol} begins with TLS')
        if not self.is_implicit and self.tls == "implicit":
            wanted = {"submission": "submissions", "imap": "imaps", "http": "https"}.get(self.protocol)
            advice = f"; use the protocol {wanted}" if wanted else ""
            raise ValueError(f'has tls = "implicit", but {self.protocol} begins without TLS{advice}')
        if self.protocol == "http" and self.tls == "starttls":
            raise ValueError('has tls = "starttls", which http does not have; use the protocol https')
        return self

    @model_validator(mode="after")
    def _client_ca_fits(self) -> "Listener":
        if self.client_ca is not None and (self.tls == "none" or self.protocol == "http"):
            raise ValueError("has client_ca, but no TLS in which a client could show a certificate")
        return self

    @cached_property
    def clients(self) -> Networks:
        """Whom an lmtp listener serves."""
        return Networks(self.trusted)

    @cached_property
    def relays(self) -> Networks:
        """Who may use XCLIENT."""
        return Networks(self.xclient)

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each place in `bind`; the path of a Unix socket and 0."""
        return tuple(map(parse_address, self.bind))

    @property
    def is_implicit(self) -> bool:
        """Whether the protocol begins with the TLS handshake."""
        return self.protocol in ("submissions", "imaps", "https")


def _default_listeners() -> dict[str, Listener]:
    return {
        "smtp": Listener(protocol="smtp", bind=("127.0.0.1:2525",)),
        "submission": Listener(protocol="submission", bind=("127.0.0.1:2587",)),
        "imap": Listener(protocol="imap", bind=("127.0.0.1:2143",)),
    }


class OwnScores(Table):
    """[checks.domains."…"] and [checks.accounts."…"]: what is not given is as for everybody."""

    junk_score: Score | None = Field(default=None, description="As in [checks].")
    reject_score: Score | None = Field(default=None, description="As in [checks].")


class ChecksTable(Table):
    """[checks]: what the summed score of all checks does to a message."""

    junk_score: Score = Field(
        default=5.0, description="From this score on a message goes to the Junk mailbox."
    )
    reject_score: Score = Field(default=15.0, description="From this score on a message is refused.")
    domains: Mapping[DomainName, OwnScores] = Field(
        default_factory=dict, description="Scores of a domain, by its name, in place of the two above."
    )
    accounts: Mapping[AccountName, OwnScores] = Field(
        default_factory=dict, description="Scores of an account, by its address, in place of its domain's."
    )

    def limits(self, address: str, domain: str) -> tuple[float, float]:
        """(junk_score, reject_score) of an account; its domain in lower case."""
        junk, reject = self.junk_score, self.reject_score
        for own in (self.domains.get(domain), self.accounts.get(address)):
            if own is not None:
                junk = junk if own.junk_score is None else own.junk_score
                reject = reject if own.reject_score is None else own.reject_score
        return junk, reject

    @model_validator(mode="after")
    def _in_order(self) -> "ChecksTable":
        named = [("", ""), *(("", name) for name in self.domains)]
        named += [(name, name.rpartition("@")[2]) for name in self.accounts]
        for address, domain in named:
            junk, reject = self.limits(address, domain)
            if reject < junk:
                whose = f" for {address or domain}" if address or domain else ""
                raise ValueError(
                    f"has a reject_score below its junk_score{whose}, so nothing would ever be junk"
                )
        return self


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
            "Context). Who has logged in may too."
        ),
    )
    sampling: SamplingTable = Field(
        default=SamplingTable(), description="Whose spans are made, where a plugin exports them."
    )

    @cached_property
    def parents(self) -> Networks:
        """Who may say in which trace a message is."""
        return Networks(self.trusted)


class RegistryTable(Table):
    """[registry]: where plugins come from."""

    url: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description=(
            "The registry that `hub plugins search` and `install` use: an https URL, or its folder."
        ),
    )


class PluginOptions(Table):
    """[plugins.<name>.hub]: how the hub treats one plugin, whatever the plugin itself can be told."""

    on_failure: Literal["skip", "tempfail"] | None = Field(
        default=None,
        description=(
            "What a failure of this plugin does: skip goes on as if it had said nothing, tempfail answers "
            "4xx so that the mail stays with its sender. Without it, what each hook says."
        ),
    )
    timeout: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None,
        description="How long each of the plugin's hooks may take. Without it, what each hook says.",
    )


class LimitTable(Table):
    """[relay.limits."example.org"]: how much that domain, or that server, is sent."""

    connections: Annotated[Count, Field(gt=0)] | None = Field(
        default=None, description="Connections at once, in place of relay.per_domain and relay.per_host."
    )
    per_minute: Annotated[Count, Field(gt=0)] | None = Field(
        default=None, description="Messages a minute, for each worker."
    )


class SourceTable(Table):
    """[relay.sources."192.0.2.1"]: an address of this machine that mail is sent from."""

    hello: Annotated[str, AfterValidator(_hostname)] | None = Field(
        default=None,
        description="The name to greet with from there: its name in DNS. Without one, hub.hostname.",
    )
    senders: tuple[Sender, ...] = Field(
        default=(),
        description="Addresses or domains of senders whose mail goes out from here alone; without any, all "
        "that no source names.",
    )
    connections: Annotated[Count, Field(gt=0)] | None = Field(
        default=None, description="Connections at once from there, for each worker."
    )
    per_minute: Annotated[Count, Field(gt=0)] | None = Field(
        default=None, description="Messages a minute from there, for each worker."
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
    name: Annotated[str, AfterValidator(_hostname)] | None = Field(
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
    srs: Flag | Annotated[str, AfterValidator(_domain_name)] = Field(
        default=True,
        description="Whether mail from elsewhere that an alias leads elsewhere again is sent on with a "
        "reverse-path of ours (SRS), so that SPF does not refuse it; or a domain whose mail comes here, "
        "in place of hub.hostname.",
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


class DnsTable(Table):
    """[dns]: whom the hub asks."""

    nameservers: tuple[Address, ...] = Field(
        default=(), description="DNS servers in place of the system's, each with its port."
    )
    trusted: Flag | tuple[IpAddress, ...] | None = Field(
        default=None,
        description="Whose word it is that an answer is signed (the AD bit): true for all nameservers, false "
        "for none, or their addresses. Without it, those on loopback. If one is not, the hub validates "
        "answers itself.",
    )
    trust_anchors: tuple[TrustAnchor, ...] = Field(
        default=(),
        description="DS records of keys that are believed as they are, in place of those known of the same "
        'zone: "example.org. DS 12345 13 2 0123…". Those of the root are known.',
    )
    unsigned: tuple[DnsName, ...] = Field(
        default=(),
        description="Names below which nothing is signed, whatever is said above them, such as zones that "
        "only your own nameservers know (RFC 7646).",
    )


class NoSettings(Table):
    """The settings of a plugin that has none."""


class HubSettings(Table):
    """Every table of the hub itself; the tables below [plugins] belong to the plugins and are not in here."""

    hub: HubTable = Field(description="The server as a whole.")
    services: ServicesTable = Field(
        default=ServicesTable(), description="Which driver fills each choose-one seam."
    )
    smtp: SmtpTable = Field(default=SmtpTable(), description="Limits of the SMTP and submission listeners.")
    imap: ImapTable = Field(default=ImapTable(), description="Limits of the IMAP listeners.")
    http: HttpTable = Field(default=HttpTable(), description="Limits of the HTTP listeners.")
    tls: TlsTable = Field(
        default=TlsTable(), description="The certificates of all listeners, and which versions are spoken."
    )
    listeners: Mapping[ListenerName, Listener] = Field(
        default_factory=_default_listeners,
        description=(
            "Where clients connect, by names of your choice. A configuration that has any listener has only "
            "its own."
        ),
    )
    checks: ChecksTable = Field(
        default=ChecksTable(), description="What the summed score of all checks does to a message."
    )
    relay: RelayTable = Field(
        default=RelayTable(), description="How mail for elsewhere is sent, and for how long it is tried."
    )
    dns: DnsTable = Field(default=DnsTable(), description="Whom the hub asks for names of the Internet.")
    log: LogTable = Field(default=LogTable(), description="What is logged, and how it looks.")
    trace: TraceTable = Field(
        default=TraceTable(), description="What is recorded of sessions: for `hub trace`, and as spans."
    )
    registry: RegistryTable = Field(default=RegistryTable(), description="Where plugins come from.")

    @field_validator("listeners")
    @classmethod
    def _settle(cls, listeners: Mapping[str, Listener]) -> Mapping[str, Listener]:
        settled = {name: _settle_tls(listener) for name, listener in listeners.items()}
        if faults := _taken_addresses(settled):
            raise ValidationError.from_exception_data("listeners", faults, hide_input=True)
        return settled

    @field_validator("trace")
    @classmethod
    def _known_listeners(cls, trace: TraceTable, info: ValidationInfo) -> TraceTable:
        listeners = info.data.get("listeners", trace.sampling.listeners)
        faults = [
            _fault(("sampling", "listeners", name), f"is no listener; there are: {', '.join(listeners)}")
            for name in trace.sampling.listeners
            if name not in listeners
        ]
        if faults:
            raise ValidationError.from_exception_data("trace", faults, hide_input=True)
        return trace


def _settle_tls(listener: Listener) -> Listener:
    upgrades = listener.protocol != "http"
    mode = listener.tls or ("implicit" if listener.is_implicit else "starttls" if upgrades else "none")
    return listener.model_copy(update={"tls": mode})


def _taken_addresses(listeners: Mapping[str, Listener]) -> list[InitErrorDetails]:
    faults: list[InitErrorDetails] = []
    taken: dict[tuple[str, int], str] = {}
    for name, listener in listeners.items():
        for index, address in enumerate(listener.addresses):
            if (address[1] or is_unix(address[0])) and address in taken:
                faults.append(
                    _fault((name, "bind", index), f"is the same address that '{taken[address]}' listens on")
                )
            taken.setdefault(address, name)
    return faults


def _fault(key: tuple[str | int, ...], reason: str) -> InitErrorDetails:
    return {
        "type": PydanticCustomError("listener", "{reason}", {"reason": reason}),
        "loc": key,
        "input": None,
    }


def machine_defaults(environ: Mapping[str, str]) -> dict[str, object]:
    """The defaults that depend on who runs the hub where, as a layer below every file."""
    return {"hub": {"data_dir": str(xdg_folder(environ, "XDG_DATA_HOME", ".local/share") / "hub")}}
