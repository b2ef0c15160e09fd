"""How a connection to another server has to be secured, and what came of it (RFC 7672, 8460, 8461)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verify: TypeAlias = Literal["nothing", "name", "tlsa"]


@dataclass(frozen=True, slots=True)
class TlsFault:
    """What is wrong. kind: a result type of RFC 8460 §4.3; text: for people."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Tlsa:
    """A record of RFC 6698 §2.1 that says which certificate a server has."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def is_usable(self) -> bool:
        """Whether SMTP can hold it against a certificate; usages 0 and 1 it cannot (RFC 7672 §3.1.3)."""
        if self.usage not in (2, 3) or self.selector not in (0, 1) or not self.data:
            return False
        return self.matching == 0 or len(self.data) == {1: 32, 2: 64}.get(self.matching)

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """What a server has to show before it is given mail; without one, TLS is used if it works.

    kind: who says so: `tlsa` and `sts` as RFC 8460 §4.2 calls them, or `static` for the operator. domain:
    that it is said of. verify: `nothing`: any certificate will do, but there is one; `name`: one that a known
    authority has given to the first of `names`; `tlsa`: one that fits one of the records, and for those of
    an authority (usage 2) one of the names. enforced: without it the mail goes even if this fails. fault:
    what is wrong before the server was asked; it is not asked then. lines, exchangers: the policy as it was
    found, and the mail exchangers that it names, for reports.
    """

    kind: Literal["tlsa", "sts", "static"]
    domain: str
    verify: Verify
    names: tuple[str, ...] = ()
    tlsa: tuple[Tlsa, ...] = ()
    enforced: bool = True
    fault: TlsFault | None = None
    lines: tuple[str, ...] = ()
    exchangers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsOutcome:
    """What came of one connection to a server.

    domain: the recipients'. policy: what was asked of it, None for nothing. host, address: the server's;
    source: our own address, empty if there was no connection. fault: why it was not secured so, None if it
    was.
    """

    domain: str
    policy: TlsPolicy | None
    host: str
    address: str
    source: str = ""
    fault: TlsFault | None = None
