"""[listeners.NAME]: where clients connect."""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from hub.config.networks import Networks
from hub.config.tables.types import Address, Network, Protocol, Table, TlsMode, at_least_one
from hub.config.units import is_unix, parse_address

ON_THIS_MACHINE = ("127.0.0.0/8", "::1")
"""The networks that are loopback."""


class Listener(Table):
    """[listeners.<name>]: a place where clients connect."""

    protocol: Protocol = Field(
        description=(
            "What is spoken: smtp takes mail for local recipients; submission and submissions take it from "
            "users who log in; lmtp takes it from a mail server beside this one and answers for each "
            "recipient (RFC 2033); imap and imaps let users read it; http and https answer what plugins "
            "provide; plugins add others, such as pop3. A name that ends in s starts with TLS (RFC "
            "8314)."
        )
    )
    bind: Annotated[tuple[Address, ...], AfterValidator(at_least_one)] = Field(
        description=(
            'Addresses to listen on, such as ["127.0.0.1:2525", "[::]:25"]; port 0 lets the system choose. '
            '"unix:/run/hub/lmtp" is a Unix socket, for its owner and group; who comes by it counts as '
            "127.0.0.1."
        )
    )
    tls: TlsMode | None = Field(
        default=None,
        description=(
            "none, starttls or implicit. Without it: implicit for submissions, imaps, https and what else "
            "ends in s, none for http, else starttls. Neither works before there is a certificate: in [tls], "
            "or installed by a plugin."
        ),
    )

    client_ca: Path | None = Field(
        default=None,
        description=(
            "PEM file of the authorities whose certificates clients may show in the handshake, to log in by "
            "them (SASL EXTERNAL); without it clients are asked for none. Where it holds their revocation "
            "lists (CRL) too, what stands there is not taken."
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
        if self.xclient and self.protocol not in ("smtp", "submission", "submissions", "lmtp"):
            raise ValueError(
                f"has xclient, which {self.protocol} does not have; proxy_protocol works for all"
            )
        return self

    @model_validator(mode="after")
    def _protocol_fits(self) -> "Listener":
        if self.is_implicit and self.tls in ("none", "starttls"):
            raise ValueError(f'has tls = "{self.tls}", but {self.protocol} begins with TLS')
        if not self.is_implicit and self.tls == "implicit":
            advice = "" if self.protocol in ("smtp", "lmtp") else f"; use the protocol {self.protocol}s"
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
        return self.protocol.endswith("s")

    @property
    def base(self) -> str:
        """The protocol without the `s` that stands for TLS from the first octet on."""
        return self.protocol.removesuffix("s")


def default_listeners(plugins: Collection[str]) -> dict[str, Listener]:
    """Where a hub listens that was told nothing, with these plugins."""
    listeners = {
        "smtp": Listener(protocol="smtp", bind=("127.0.0.1:2525",)),
        "submission": Listener(protocol="submission", bind=("127.0.0.1:2587",)),
        "imap": Listener(protocol="imap", bind=("127.0.0.1:2143",)),
    }
    if "pop3" in plugins:
        listeners["pop3"] = Listener(protocol="pop3", bind=("127.0.0.1:2110",))
    return listeners
