"""Where the operator leads mail to, whatever DNS says: smarthosts, and routes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hub.config.tables.relay import SmarthostTable
from hub.config.units import parse_address
from hub.mail.address import Address
from hub.relay.hops import Access
from hub.relay.limits import nearest


@dataclass(frozen=True, slots=True)
class Lead:
    """A server by name or address, and how it is met."""

    host: str
    port: int
    access: Access | None = None

    @property
    def name(self) -> str:
        """What the destination is called."""
        return f"{self.host}:{self.port}"


class Leads:
    """routes: domain, `.domain` for what is below it, or `*` → `host:port`."""

    def __init__(self, routes: Mapping[str, str], smarthosts: Mapping[str, SmarthostTable]) -> None:
        self._routes = {domain.lower(): Lead(*parse_address(hop)) for domain, hop in routes.items()}
        self._smarthosts = [(each, _lead(each)) for each in smarthosts.values()]

    def of(self, domain: str, reverse_path: Address | None) -> Lead | None:
        """The nearest to the sender counts, then the nearest to the domain; smarthosts before routes."""
        ranked = [
            (by_sender, by_domain, lead)
            for each, lead in self._smarthosts
            if (by_sender := _sender_rank(each.senders, reverse_path)) is not None
            and (by_domain := _domain_rank(each.recipients, domain)) is not None
        ]
        if ranked:
            return min(ranked, key=lambda each: each[:2])[2]
        names = (*nearest(domain), "*")
        return next((self._routes[name] for name in names if name in self._routes), None)


def sends(senders: Collection[str], reverse_path: Address | None) -> bool:
    """Whether a sender is among those addresses and domains."""
    return bool(senders) and _sender_rank(senders, reverse_path) is not None


def _sender_rank(senders: Collection[str], reverse_path: Address | None) -> int | None:
    """0 for the address itself, 1 for its domain, 2 for everybody; None if it is not meant."""
    if not senders:
        return 2
    if reverse_path is None:
        return None
    if str(reverse_path).lower() in senders:
        return 0
    return 1 if reverse_path.ascii_domain.lower() in senders else None


def _domain_rank(domains: Collection[str], domain: str) -> int | None:
    """The lower the nearer; None if it is not meant."""
    names = nearest(domain)
    if not domains:
        return len(names)
    return next((rank for rank, name in enumerate(names) if name in domains), None)


def _lead(table: SmarthostTable) -> Lead:
    host, port = parse_address(table.address)
    encryption = table.tls or ("implicit" if port == 465 else "starttls")
    return Lead(host, port, Access(encryption, table.trust, table.user or "", table.password))
